"""What leaves a hospital is what its field set says, and nothing beside it."""

import pytest

from contracts.field_sets import FIELD_SETS
from contracts.grants import RecordType
from ledger.codec import Struct
from nodes.roles.exchange.attachments import AttachmentLabel
from nodes.roles.exchange.documents import DOCUMENT_TYPES, Admission, Invoice, find_document_type
from nodes.schemas.field_sets import FieldSetError, check_release, list_fields


class Talkative(Struct):
    """An invoice as a careless author would extend it."""

    invoice: Invoice
    phone: str


def test_every_document_holds_exactly_the_fields_of_its_sets() -> None:
    for known in FIELD_SETS:
        if known.record_type == "document":
            assert tuple(sorted((*list_fields(AttachmentLabel), "file"))) == known.fields
            continue
        kind = find_document_type(known.purpose, known.record_type)
        assert kind is not None
        assert list_fields(kind) == known.fields
        check_release(kind, known.record_type, known.purpose)


def test_a_document_with_one_field_more_is_not_released() -> None:
    with pytest.raises(FieldSetError, match=r"invoice: invoice\.check_code: expected exactly the fields of HPAYMT"):
        check_release(Talkative, "invoice", "HPAYMT")


def test_a_whole_admission_is_more_than_public_health_is_told() -> None:
    with pytest.raises(FieldSetError, match="admission: department: expected exactly the fields of PUBHLTH/admission"):
        check_release(Admission, "admission", "PUBHLTH")


@pytest.mark.parametrize(
    ("record_type", "purpose"), [("invoice", "DSRCH"), ("invoice", "CAREMGT"), ("item-list", "BTG")]
)
def test_a_purpose_without_a_set_releases_nothing(record_type: RecordType, purpose: str) -> None:
    with pytest.raises(FieldSetError, match=f"expected a field set for {purpose}"):
        check_release(DOCUMENT_TYPES[record_type], record_type, purpose)  # type: ignore[arg-type]
