"""What is said after a document was attached."""

from nodes.cli.desks.attaching import _say_next

CUSTODIAN = {"holder": "hospital-a", "has": "custodian"}


def test_only_who_has_the_document_is_told_how_to_save_it() -> None:
    kept = {"record": "record-1", "holders": [CUSTODIAN]}
    given = {"record": "record-2", "holders": [CUSTODIAN, {"holder": "insurer-a", "has": "delivered"}]}
    assert _say_next([kept], ".pdf") is None
    assert _say_next([kept, given], ".pdf") == "xinpei record save record-2 --as insurer-a copy.pdf"
