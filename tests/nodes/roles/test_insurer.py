"""The insurer on the whole lane: what is paid, what is not, and why."""

from pathlib import Path

import pytest

from tests.nodes.roles.desk import correction
from tests.nodes.roles.lane import Lane


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def test_a_covered_stay_pays_2060_without_anybodys_application(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    claim = lane.claim()
    assert claim.status == "PAID", lane.town.notes
    assert lane.payable() == 206_000
    assert lane.bank.balance == 206_000


def test_probe(lane: Lane) -> None:
    lane.insure()
    a0 = lane.town.actions
    t = lane.town
    lane.stay()
    lane.run()
    print(a0, t.actions)
    print([(tx.contract + "." + tx.method, r.code) for tx, r in t.receipts])
    print([n for n in t.notes])
    lane.desk.correct("S-01", correction())
    lane.run()
    print(t.actions)
    print([(tx.contract + "." + tx.method, r.code) for tx, r in t.receipts][-20:])
    print(lane.claim().status, lane.bank.balance, lane.payable())
    assert 0
