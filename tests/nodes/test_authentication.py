"""Requests are believed only from the key they name, for the node they address, and once."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.crypto.signatures import PrivateKey
from ledger.membership import Actor, KeyRecord
from nodes import authentication
from nodes.authentication import (
    ACTOR,
    AHEAD_MS,
    BODY,
    LENGTH,
    NONCE,
    PUBLIC_KEY,
    WINDOW_MS,
    AuthenticationError,
    Caller,
    RequestSigner,
    RequestVerifier,
    pseudonym_name,
)

NOW = 1_700_000_000_000
KEY = PrivateKey(b"k" * 32)
INSURER = Actor("insurer-a", "insurer", (KeyRecord(1, KEY.public_key, 0, 10), KeyRecord(2, bytes(32), 10, None)), None)


def headers(*, actor: str = "insurer-a", nonce: bytes = b"n" * 16, carry_key: bool = False) -> dict[str, str]:
    signer = RequestSigner(KEY, "test", actor, carry_key=carry_key)
    return signer.headers("hospital-a", "POST", "/v1/claims?status=paid", b"{}", time_ms=NOW, nonce=nonce)


def check(
    given: dict[str, str],
    verifier: RequestVerifier | None = None,
    find_actor: Callable[[str], Actor | None] = lambda name: INSURER if name == "insurer-a" else None,
    **changes: Any,
) -> Caller:
    fields: dict[str, Any] = {
        "method": "POST",
        "target": "/v1/claims?status=paid",
        "now_ms": NOW,
        "height": 5,
    }
    verifier = verifier or RequestVerifier("test", "hospital-a", NOW)
    body = changes.pop("body", b"{}")
    caller, claim = verifier.verify(given | {LENGTH: str(len(body))}, find_actor=find_actor, **(fields | changes))
    claim.check(body)
    return caller


def test_a_signed_request_names_its_caller() -> None:
    assert check(headers()) == Caller("insurer-a", "insurer", KEY.public_key, NOW, enrolled=True)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"target": "/v1/claims?status=open"},
        {"body": b"{ }"},
        {"body": b"[]"},
        {"body": b""},
        {"now_ms": NOW + WINDOW_MS + 1},
        {"now_ms": NOW - AHEAD_MS - 1},
        {"height": 10},
    ],
)
def test_a_request_is_refused_when_anything_about_it_was_changed(change: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        check(headers(), **change)


def test_a_request_for_another_node_or_chain_is_refused() -> None:
    with pytest.raises(AuthenticationError, match="does not verify"):
        check(headers(), RequestVerifier("test", "hospital-b", NOW))
    with pytest.raises(AuthenticationError, match="does not verify"):
        check(headers(), RequestVerifier("other", "hospital-a", NOW))


def test_a_request_is_taken_once() -> None:
    verifier = RequestVerifier("test", "hospital-a", NOW)
    check(headers(), verifier)
    with pytest.raises(AuthenticationError, match="received before"):
        check(headers(), verifier)
    check(headers(nonce=b"m" * 16), verifier)


def test_a_stranger_is_refused_and_a_pseudonym_certifies_itself() -> None:
    with pytest.raises(AuthenticationError, match="no member"):
        check(headers(actor="insurer-z"))
    name = pseudonym_name(KEY.public_key)
    caller = check(headers(actor=name, carry_key=True))
    assert (caller.role, caller.enrolled) == ("customer", False)
    with pytest.raises(AuthenticationError, match="not the pseudonym"):
        check(headers(actor=name, carry_key=True) | {PUBLIC_KEY: bytes(32).hex()})


def test_a_request_that_an_earlier_life_of_the_node_may_have_taken_is_refused() -> None:
    """Nonces are in memory only: what was dated before the start may have been received before it."""
    with pytest.raises(AuthenticationError, match="before this node started"):
        check(headers(), RequestVerifier("test", "hospital-a", NOW + 1), now_ms=NOW + 2)
    caller = check(headers(), RequestVerifier("test", "hospital-a", NOW), now_ms=NOW - AHEAD_MS)
    assert caller.time_ms == NOW, "who serves it waits until then, so that no life takes what a later one would"


def test_a_request_of_a_pseudonym_is_not_taken_again_once_it_is_enrolled() -> None:
    verifier = RequestVerifier("test", "hospital-a", NOW)
    name = pseudonym_name(KEY.public_key)
    given = headers(actor=name, carry_key=True)
    check(given, verifier)
    enrolled = Actor(name, "customer", (KeyRecord(1, KEY.public_key, 0, None),), "hospital-a")
    with pytest.raises(AuthenticationError, match="received before"):
        check(given, verifier, lambda _name: enrolled)


def test_strangers_cannot_use_up_the_memory_that_members_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "STRANGER_NONCES_MAX", 3)
    verifier = RequestVerifier("test", "hospital-a", NOW)
    name = pseudonym_name(KEY.public_key)
    for number in range(3):
        check(headers(actor=name, carry_key=True, nonce=bytes([number] * 16)), verifier)
    with pytest.raises(AuthenticationError, match="too many requests"):
        check(headers(actor=name, carry_key=True), verifier)
    check(headers(), verifier)
    lapsed = NOW + WINDOW_MS + 1
    fresh = RequestSigner(KEY, "test", name, carry_key=True).headers(
        "hospital-a", "POST", "/v1/claims?status=paid", b"{}", time_ms=lapsed, nonce=b"n" * 16
    )
    check(fresh, verifier, now_ms=lapsed)


def test_a_body_without_its_length_is_refused() -> None:
    with pytest.raises(AuthenticationError, match="got a transfer encoding"):
        check(headers() | {"transfer-encoding": "chunked"})


@pytest.mark.parametrize("name", [ACTOR, NONCE, BODY])
def test_a_missing_header_is_named(name: str) -> None:
    given = headers()
    del given[name]
    with pytest.raises(AuthenticationError, match=name):
        check(given)


def test_a_malformed_nonce_is_named() -> None:
    with pytest.raises(AuthenticationError, match="32 lower-case hex digits"):
        check(headers() | {NONCE: "XY"})
