"""A customer is told of a key that waits for one of her pseudonyms, by whichever of its two parties tells her."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import pytest

from nodes.client import ApiError
from nodes.entropy import SeededEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer.alerting import Takeover, find_takeovers
from nodes.roles.customer.customer import Customer
from nodes.wallet import Pseudonym, Wallet

CHAIN = "xinpei-test"
WALLET = Wallet.create(synthetic_identity("wang", SeededEntropy(b"wang")), SeededEntropy(b"wallet"))
PAIRS = (("hospital-a", "insurer-a"), ("hospital-b", "insurer-a"))
NAMES = [WALLET.pseudonym(CHAIN, *pair).name for pair in PAIRS]
KEY = "ab" * 32
UNREACHABLE = ApiError("UNREACHABLE", "no answer")
UNKNOWN = ApiError("NOT_FOUND", "not found", 404)

Answer = dict[str, Any] | ApiError


def waiting(status: str = "open", *, is_stale: bool = False) -> dict[str, Any]:
    attempt = {"public_key": KEY, "status": status, "is_stale": is_stale, "approvals": ["hospital-b"], "due_ms": 7}
    return {"threshold": 2, "attempts": [attempt]}


NOTHING: dict[str, Any] = {"threshold": 0, "attempts": []}


class Nodes:
    """A customer whose parties answer as they are told, and what they were asked."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return PAIRS

    def pseudonym(self, hospital: str, insurer: str) -> Pseudonym:
        return WALLET.pseudonym(CHAIN, hospital, insurer)

    def parties(self, pseudonym: Pseudonym) -> tuple[str, ...]:
        return pseudonym.hospital, pseudonym.insurer

    def client(self, pseudonym: Pseudonym, organisation: str) -> "Line":
        return Line(self, pseudonym, organisation)


class Line(nullcontext[Any]):
    """A connection to one of them."""

    def __init__(self, nodes: Nodes, pseudonym: Pseudonym, organisation: str) -> None:
        super().__init__(self)
        self.nodes, self.pseudonym, self.organisation = nodes, pseudonym, organisation

    def get(self, path: str) -> dict[str, Any]:
        name = path.removeprefix("/v1/recoveries/")
        assert name == self.pseudonym.name
        self.nodes.asked.append((self.organisation, name))
        answer = self.nodes.answer(self.organisation, name)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def look(answer: Callable[[str, str], Answer]) -> tuple[list[Takeover], list[str], list[tuple[str, str]]]:
    nodes = Nodes(answer)
    found, untold = find_takeovers(cast("Customer", nodes))
    return found, untold, nodes.asked


@pytest.mark.parametrize("liar", ["hospital-a", "insurer-a"])
@pytest.mark.parametrize("lie", [NOTHING, UNKNOWN, UNREACHABLE], ids=["nothing", "unknown", "silence"])
def test_one_party_alone_hides_nothing(liar: str, lie: Answer) -> None:
    truth = {NAMES[0]: waiting(), NAMES[1]: NOTHING}
    found, untold, _ = look(lambda party, name: lie if party == liar else truth[name])
    assert found == [Takeover(NAMES[0], "hospital-a", "insurer-a", KEY, ("hospital-b",), 2, 7)]
    assert untold == []


def test_what_both_tell_is_told_once_and_nobody_else_is_asked() -> None:
    found, _, asked = look(lambda _, name: waiting() if name == NAMES[1] else UNKNOWN)
    assert [item.pseudonym for item in found] == [NAMES[1]]
    assert asked == [(party, name) for pair, name in zip(PAIRS, NAMES, strict=True) for party in pair]


@pytest.mark.parametrize("liar", ["hospital-a", "insurer-a"])
@pytest.mark.parametrize("lie", [None, 99])
def test_no_party_puts_off_what_the_other_tells(liar: str, lie: int | None) -> None:
    late = waiting()
    late["attempts"] = [{**late["attempts"][0], "due_ms": lie, "approvals": []}]
    found, _, _ = look(lambda party, _: late if party == liar else waiting())
    assert [(item.due_ms, item.approvals) for item in found if item.hospital == "hospital-a"] == [(7, ("hospital-b",))]


def test_one_key_that_waits_for_two_pseudonyms_is_two_warnings() -> None:
    found, _, _ = look(lambda *_: waiting())
    assert [item.pseudonym for item in found] == NAMES


@pytest.mark.parametrize("over", [waiting("vetoed"), waiting("completed"), waiting(is_stale=True)])
def test_what_is_over_is_no_warning(over: dict[str, Any]) -> None:
    assert look(lambda *_: over)[:2] == ([], [])


def test_a_pseudonym_of_which_nobody_tells_is_named_with_the_reason() -> None:
    refused = ApiError("AUTHENTICATION", "key version 1 is not in force", 401)
    found, untold, _ = look(lambda _, name: refused if name == NAMES[0] else NOTHING)
    assert (found, untold) == ([], [f"{NAMES[0]}: key version 1 is not in force"])
    away = {"hospital-b", "insurer-a"}
    found, untold, asked = look(lambda party, _: UNREACHABLE if party in away else NOTHING)
    assert (found, untold) == ([], [f"{NAMES[1]}: hospital-b and insurer-a do not answer"])
    assert [party for party, _ in asked] == ["hospital-a", "insurer-a", "hospital-b"], "who is silent is asked once"


def test_if_nobody_is_reached_nothing_is_said() -> None:
    assert look(lambda *_: UNREACHABLE)[:2] == ([], [])
