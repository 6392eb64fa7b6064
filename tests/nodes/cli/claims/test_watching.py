"""Watching a claim: every end comes promptly and says why, on a clock that the tests move."""

from typing import Any

import pytest

from nodes.cli.claims.watching import (
    DECIDING_SECONDS,
    STEP_SECONDS,
    WAIT_SECONDS,
    View,
    explain_wait,
    follow_claim,
    is_ended,
    is_settled,
)
from nodes.cli.desks.stay import _describe_end

LANE = {"claim": "claim-7f3a00000000", "delivered": 4, "parts": 4}


def view(status: str, whom: str | None = None, code: str = "", parts: tuple[int, int] = (0, 0), **more: Any) -> View:
    """Return a claim as the API shows it, as far as a watch looks."""
    wait = None if whom is None else {"whom": whom, "code": code, "parts": parts[0], "delivered": parts[1]}
    return {"status": status, "wait": wait, "claim": {"steps": []}, "settlements": [], "payments": [], **more}


class Node:
    """A node that says one thing after the other, the last one for ever; each question takes its whole wait."""

    def __init__(self, *views: View) -> None:
        self.views = list(views)
        self.seconds = 0.0

    def ask(self, wait: float, _steps: int) -> View:
        self.seconds += wait
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]


def discharge(*views: View) -> tuple[View, float]:
    """Return what `stay discharge` ends with, and after how long."""
    node = Node(*views)
    *_, last = follow_claim(node.ask, lambda found: is_settled(found, 1), WAIT_SECONDS, lambda: node.seconds)
    return last, node.seconds


def watch(*views: View) -> tuple[View, float]:
    """Return what `claim watch` ends with, and after how long."""
    node = Node(*views)
    *_, last = follow_claim(node.ask, is_ended, None, lambda: node.seconds)
    return last, node.seconds


@pytest.mark.parametrize("follow", [discharge, watch])
@pytest.mark.parametrize("code", ["DUPL-001", "DUPL-002"])
def test_a_consumed_invoice_ends_a_watch_at_once_and_is_told_in_both_languages(follow: Any, code: str) -> None:
    last, seconds = follow(view("REPORTED", "hospital"), view("ASSEMBLING", "hospital", code))
    assert seconds <= STEP_SECONDS
    words = _describe_end(LANE, last, 1, seconds)
    assert f"C-7f3a ASSEMBLING · {code} " in words
    assert "由医院更正账单 · the hospital corrects the bill" in words


@pytest.mark.parametrize("follow", [discharge, watch])
def test_missing_consent_ends_a_watch_at_once(follow: Any) -> None:
    last, seconds = follow(view("AWAITING_CONSENT", "customer", "AUTH-013 status"))
    assert seconds == 0
    assert explain_wait(last) == (
        "等待客户授权 · waits for the customer's consent: AUTH-013 status 授权不成立 · No consent covers this"
    )


@pytest.mark.parametrize("follow", [discharge, watch])
def test_an_insurer_that_has_everything_and_does_not_settle_counts_as_a_persons_turn(follow: Any) -> None:
    having = view("ASSEMBLING", "insurer", parts=(4, 4))
    last, seconds = follow(view("ASSEMBLING", "insurer", parts=(4, 2)), having)
    assert STEP_SECONDS + DECIDING_SECONDS <= seconds <= 2 * STEP_SECONDS + DECIDING_SECONDS
    assert "a person decides (4/4)" in _describe_end(LANE, last, 1, seconds)


@pytest.mark.parametrize("follow", [discharge, watch])
def test_a_claim_that_pends_ends_a_watch_at_once(follow: Any) -> None:
    settled = [{"payment_id": None, "outcome": {"version": 1, "is_pended": True}}]
    last, seconds = follow(view("ASSEMBLING", "insurer"), view("PENDED", "insurer", settlements=settled))
    assert seconds <= STEP_SECONDS
    assert _describe_end(LANE, last, 1, seconds).endswith("PENDED · a part waits for a person")


def test_a_silent_network_ends_a_discharge_with_whom_it_waits_for() -> None:
    last, seconds = discharge(view("ASSEMBLING", "insurer", parts=(4, 1)))
    assert WAIT_SECONDS <= seconds <= WAIT_SECONDS + STEP_SECONDS
    assert "waits for the insurer: which confirms the records (1/4)" in _describe_end(LANE, last, 1, seconds)


def test_what_goes_on_changing_is_watched_for_as_long_as_it_does() -> None:
    slow = [view("ASSEMBLING", "insurer", parts=(40, done)) for done in range(40)]
    paid = [{"payment_id": "p", "outcome": {"version": 1, "is_pended": False}}]
    payments = [{"payment_id": "p", "status": "paid", "direction": "payout"}]
    last, seconds = discharge(*slow, view("PAID", settlements=paid, payments=payments))
    assert seconds > 2 * WAIT_SECONDS
    assert "paid in" in _describe_end(LANE, last, 1, seconds)


def test_a_correction_that_is_not_settled_is_not_described_by_the_settlement_before_it() -> None:
    paid = [{"payment_id": "p", "outcome": {"version": 1, "is_pended": False}}]
    payments = [{"payment_id": "p", "status": "paid", "direction": "payout"}]
    corrected = view("ASSEMBLING", "insurer", parts=(4, 3), settlements=paid, payments=payments)
    words = _describe_end(LANE, corrected, 2, 1.0)
    assert "paid in" not in words
    assert "waits for the insurer" in words
