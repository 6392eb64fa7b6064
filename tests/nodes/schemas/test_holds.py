"""An organisation applies all holds of the network, or those that its file names, and no other."""

from pathlib import Path

import pytest

from contracts.holds import HOLDS
from nodes.schemas.holds import HoldsError, last_day, load_holds

LAST_OF_2031 = 22_644


def write(folder: Path, text: str) -> Path:
    path = folder / "holds.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_all_holds_apply(tmp_path: Path) -> None:
    assert load_holds(tmp_path / "holds.json") == HOLDS


def test_a_file_names_fewer_or_none(tmp_path: Path) -> None:
    one = write(tmp_path, '{"format": "xinpei-holds/1", "holds": ["payment-record"]}')
    assert [hold.basis for hold in load_holds(one)] == ["payment-record"]
    none = write(tmp_path, '{"format": "xinpei-holds/1", "holds": []}')
    assert load_holds(none) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file: Invalid JSON"),
        ('{"format": "xinpei-holds/2", "holds": []}', "format: Input should be 'xinpei-holds/1'"),
        ('{"format": "xinpei-holds/1"}', "holds: Field required"),
        ('{"format": "xinpei-holds/1", "holds": [], "years": 100}', "years: Extra inputs are not permitted"),
        ('{"format": "xinpei-holds/1", "holds": ["habit"]}', "holds: expected some of medical-records"),
    ],
)
def test_a_file_that_gives_itself_more_is_refused_by_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HoldsError) as refused:
        load_holds(write(tmp_path, text))
    assert message in str(refused.value)


def test_a_hold_runs_to_the_end_of_a_year() -> None:
    claim_file = next(hold for hold in HOLDS if hold.basis == "insurance-claim-file")
    assert last_day(claim_file, 20_605) == LAST_OF_2031, "2026-06-01 and five years"
