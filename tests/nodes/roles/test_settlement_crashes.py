"""Whoever dies at whatever moment: what is paid in the end is the same, and it is paid once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nodes.roles.claims.casebook import DRAFT, Casebook
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.mortal import Mortal
from tests.nodes.roles.town import Killed

ACTIONS = 150
"""A little more than one stay takes from admission to receipt."""
STRIDE = 10
"""Of every STRIDE actions one kills whoever acts, so STRIDE runs kill at every action."""
WRITES = 14
"""What insurer and rail write for one stay: four records, a draft and its name, an attempt and its states."""


def check_paid_once(lane: Lane, amount: int = 206_000) -> None:
    claim = lane.claim()
    assert (claim.status, lane.payable(), lane.bank.balance) == ("PAID", amount, amount)
    keys = [order.idempotency_key for order in lane.bank.moves]
    assert len(keys) == len(set(keys)), "a key moves once"
    for settlement in claim.settlements:
        draft = lane.insurer._desk.casebook.settled_draft(settlement.outcome)
        assert draft is not None, "no settlement is on the chain whose opening is lost"
        draft.opening.payable.verify(settlement.outcome.payable)
        draft.moves.verify(settlement.difference)


@pytest.mark.parametrize("offset", range(STRIDE))
def test_killing_everybody_again_and_again_pays_the_same_once(tmp_path: Path, offset: int) -> None:
    lane = Lane(tmp_path, seed=offset)
    lane.insure()
    begun = lane.town.actions
    number = lane.desk.admit().number
    lane.town.kills = {begun + 3 + offset + STRIDE * place for place in range(ACTIONS // STRIDE)}
    lane.run()
    lane.town.kills -= {lane.town.actions + 1, lane.town.actions + 2, lane.town.actions + 3}
    lane.desk.discharge(number)
    lane.run()
    assert sum(lane.town._lives.values()) > 10, "many died"
    check_paid_once(lane)


@pytest.mark.parametrize("offset", range(0, STRIDE, 2))
def test_killing_everybody_during_a_correction_moves_the_difference_once(tmp_path: Path, offset: int) -> None:
    lane = Lane(tmp_path, seed=offset)
    lane.insure()
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    begun = lane.town.actions
    lane.town.kills = {begun + 1 + offset + STRIDE * place for place in range(ACTIONS // STRIDE)}
    lane.run()
    check_paid_once(lane, 224_000)
    assert sorted(order.opening.amount for order in lane.bank.moves) == [18_000, 206_000]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_dying_at_any_write_of_a_secret_loses_no_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool
) -> None:
    lane = Lane(tmp_path, seed=number)
    lane.insure()
    lane.stay()
    mortal = Mortal(lane.town, monkeypatch, number, after=after)
    lane.run()
    assert mortal.written >= number, "nobody died"
    check_paid_once(lane)


@pytest.mark.parametrize("when", ["before the bank", "after the bank"])
def test_a_rail_that_dies_around_the_banks_answer_moves_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    move: Callable[..., object] = lane.bank.move
    deaths: list[str] = []

    def die(order: object) -> object:
        if deaths:
            return move(order)
        deaths.append(when)
        if when == "after the bank":
            move(order)
        lane.town.restart("rail")
        raise Killed

    monkeypatch.setattr(lane.bank, "move", die)
    lane.stay()
    lane.run()
    check_paid_once(lane)
    assert len(lane.bank.moves) == 1


def test_a_settlement_whose_opening_is_lost_is_not_built_upon(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    number = lane.stay()
    lane.run()
    register = lane.insurer._desk.casebook._register
    for draft in register.list_ids("draft"):
        register.erase("draft", draft)
    lane.desk.correct(number)
    lane.run()
    shown = lane.shown()
    assert shown.waits is not None
    assert (shown.waits.code, shown.shown.status, lane.bank.balance) == ("OPENING_LOST", "ASSEMBLING", 206_000)


def test_dying_while_drafts_that_settled_nothing_are_dropped_leaves_none_that_no_erasure_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    lane.stay()
    lane.run()
    register = lane.insurer._desk.casebook._register
    casebook, outcome = Casebook(register), lane.claim().settlements[0].outcome
    settled = casebook.settled_draft(outcome)
    assert settled is not None
    stale = replace(outcome, accumulator_sequence=outcome.accumulator_sequence + 1)
    casebook.add_draft(replace(settled, outcome=stale))
    casebook.add_draft(settled)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(register, "erase", die)
        with pytest.raises(Killed):
            casebook.drop_unsettled(outcome)
    Casebook(register).erase(outcome.claim_id)
    assert register.list_ids(DRAFT) == ()
