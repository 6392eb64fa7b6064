"""Which claims an insurer looks at, and when."""

import pytest

from contracts.settlements import ClaimEvent
from ledger.codec import encode
from ledger.transactions import Event
from nodes.roles.insurer.docket import SWEEP_MS, Docket
from nodes.roles.insurer.premises import WaitError

MINE = "claim-0123456789ab"
OTHER = "claim-ba9876543210"
REVOKED = Event("consent", "consent-revoked", b"")


@pytest.fixture
def docket() -> Docket:
    """One after its first sweep."""
    docket = Docket("insurer-a")
    docket.take(0)
    return docket


def reported(insurer: str) -> Event:
    event = ClaimEvent(
        MINE, "hospital-a", insurer, "c-" + 40 * "0", "grant-0123456789ab", "REPORTED", 0, reference="stay-0123456789ab"
    )
    return Event("claims", "claim-reported", encode(event))


def test_a_claim_that_an_event_names_is_looked_at_once(docket: Docket) -> None:
    docket.follow(reported("insurer-a"))
    assert docket.take(1) == {MINE}
    assert docket.take(2) == set()


def test_another_insurers_claim_is_not_looked_at(docket: Docket) -> None:
    docket.follow(reported("insurer-b"))
    assert docket.take(1) == set()


def test_only_open_claims_are_swept_and_touched_by_what_may_change_any_answer(docket: Docket) -> None:
    docket.keep_open(MINE, is_busy=True)
    docket.keep_open(OTHER, is_busy=False)
    assert docket.take(SWEEP_MS - 1) == set()
    docket.follow(REVOKED)
    assert docket.take(SWEEP_MS - 1) == {MINE}
    assert docket.take(SWEEP_MS) == {MINE}
    docket.keep_open(MINE, is_busy=False)
    assert docket.take(2 * SWEEP_MS) == set()


def test_a_claim_that_waits_stays_open_until_nothing_holds_it(docket: Docket) -> None:
    reason = WaitError("POLICY-001", "no policy is known")
    docket.wait(MINE, reason)
    docket.keep_open(MINE, is_busy=False)
    assert docket.find_reason(MINE) is reason
    assert docket.take(SWEEP_MS) == {MINE}
    docket.wait(MINE, None)
    docket.keep_open(MINE, is_busy=False)
    assert docket.find_reason(MINE) is None
    assert docket.take(2 * SWEEP_MS) == set()
