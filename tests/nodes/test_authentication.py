"""Requests are believed only from the key they name, for the node they address, and once."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.crypto.signatures import PrivateKey
from ledger.membership import Actor, KeyRecord
from nodes.authentication import (
    ACTOR,
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
        "body": b"{}",
        "now_ms": NOW,
        "height": 5,
    }
    verifier = verifier or RequestVerifier("test", "hospital-a")
    return verifier.verify(given, find_actor=find_actor, **(fields | changes))


def test_a_signed_request_names_its_caller() -> None:
    assert check(headers()) == Caller("insurer-a", "insurer", KEY.public_key, enrolled=True)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"target": "/v1/claims?status=open"},
        {"body": b"{ }"},
        {"now_ms": NOW + WINDOW_MS + 1},
        {"now_ms": NOW - WINDOW_MS - 1},
        {"height": 10},
    ],
)
def test_a_request_is_refused_when_anything_about_it_was_changed(change: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        check(headers(), **change)


def test_a_request_for_another_node_or_chain_is_refused() -> None:
    with pytest.raises(AuthenticationError, match="does not verify"):
        check(headers(), RequestVerifier("test", "hospital-b"))
    with pytest.raises(AuthenticationError, match="does not verify"):
        check(headers(), RequestVerifier("other", "hospital-a"))


def test_a_request_is_taken_once() -> None:
    verifier = RequestVerifier("test", "hospital-a")
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


@pytest.mark.parametrize("name", [ACTOR, NONCE])
def test_a_missing_header_is_named(name: str) -> None:
    given = headers()
    del given[name]
    with pytest.raises(AuthenticationError, match=name):
        check(given)


def test_a_malformed_nonce_is_named() -> None:
    with pytest.raises(AuthenticationError, match="32 lower-case hex digits"):
        check(headers() | {NONCE: "XY"})
