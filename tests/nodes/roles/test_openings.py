"""The record dates of a customer's grants, kept beside her notices."""

from pathlib import Path

from nodes.config import Home
from nodes.identity import RecordDates
from nodes.roles.customer.openings import keep_opening, notices_folder, read_openings

DATES = RecordDates(20_454, 20_818, bytes(32))


def test_what_was_kept_is_read_again_and_only_by_its_owner(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keep_opening(home, "wang", "grant-0123456789ab", DATES)
    (found,) = read_openings(home, ("wang", None))
    assert found == {"grant": "grant-0123456789ab", "first_day": 20_454, "last_day": 20_818, "salt": "00" * 32}
    assert read_openings(home, ("li",)) == []
    (path,) = notices_folder(home, "wang").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_opening_is_passed_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keep_opening(home, "wang", "grant-0123456789ab", DATES)
    (path,) = notices_folder(home, "wang").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert read_openings(home, ("wang",)) == []
