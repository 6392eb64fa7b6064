"""What is no id is refused by the command line, with what one looks like."""

import pytest

from tests.nodes.cli.commands import run


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("access", "show", "order-1", "--as", "regulator"), "the id of an order, such as order-0123456789ab"),
        (("access", "review", "x", "--as", "regulator", "--finding", "justified"), "the id of an emergency"),
        (("record", "open", "../x", "--as", "hospital-b"), "the id of a record, such as record-0123456789ab"),
    ],
)
def test_what_is_no_id_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], said: str
) -> None:
    ran = run(capsys, *command)
    assert ran.code == 2
    assert f"expected {said}" in ran.err
