"""Questions between members: who may ask, how much an answer holds, and nothing that a question leaves behind."""

from typing import cast

import pytest

from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.limits import FRAME_BYTES_MAX
from ledger.membership import Actor, KeyRecord
from nodes.agent import (
    Agent,
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    PeerAnswered,
    PeerRequested,
    Request,
    Submit,
    Ticked,
)
from nodes.entropy import SeededEntropy
from nodes.network.hosting import EARLY_MAX, REQUEST_MS, AgentHost, NodeView, Signatory, SigningError
from nodes.network.messages import BODY_BYTES_MAX, AnswerFrame, RequestFrame, decode_frame
from nodes.vault.payloads import CIPHERTEXT_BYTES_MAX

NOW_MS = 1_700_000_000_000


class Clerk:
    """An agent that gives the answer it was told to give."""

    name = "hospital-a"

    def __init__(self) -> None:
        self.answer = b"answer"
        self.fault: LedgerError | None = None
        self.wants: list[AgentEffect] = []
        self.seen: list[AgentInput] = []

    def step(self, event: AgentInput) -> list[AgentEffect]:
        self.seen.append(event)
        if self.fault is not None:
            raise self.fault
        answers = [Answer(event.request_id, self.answer)] if isinstance(event, PeerRequested) else []
        return [*self.wants, *answers]


class Chain:
    """A view that stands at some height."""

    height = 3
    actor_found: Actor | None = None

    def actor(self, _name: str) -> Actor | None:
        return self.actor_found


class Desk:
    """A host with one agent, and what it sent and noted."""

    def __init__(self) -> None:
        self.clerk = Clerk()
        self.chain = Chain()
        self.sent: list[tuple[str, RequestFrame | AnswerFrame]] = []
        self.notes: list[str] = []
        self.host = AgentHost(
            "hospital-a",
            {"rail": "regulator"},
            cast("NodeView", self.chain),
            SeededEntropy(b"desk"),
            submit=lambda _submission: None,
            send=lambda node, frame: self.sent.append((node, frame)),
            note=lambda event, _fields: self.notes.append(event),
        )
        self.host.add(cast("Agent", self.clerk), Signatory("hospital-a", {1: PrivateKey(bytes(32))}))

    def ask(
        self, peer: str = "insurer-a", source: str = "insurer-a", target: str = "hospital-a", height: int = 3
    ) -> None:
        self.host.take_request(peer, RequestFrame(5, source, target, height, b"question"), NOW_MS)


def test_a_question_is_believed_from_its_members_node_only() -> None:
    desk = Desk()
    desk.ask()
    desk.ask("regulator", "rail")
    assert desk.sent == [("insurer-a", AnswerFrame(5, b"answer")), ("regulator", AnswerFrame(5, b"answer"))]
    desk.ask("insurer-a", "regulator")
    desk.ask("insurer-a", "rail")
    desk.ask(target="hospital-b")
    assert desk.notes == ["request-refused"] * 3
    assert len(desk.sent) == 2


def test_an_answer_counts_once_from_the_member_that_was_asked_and_in_time() -> None:
    desk = Desk()
    desk.host.perform("hospital-a", [Request(1, "insurer-a", b"a"), Request(2, "rail", b"b")], NOW_MS)
    (_, first), (node, second) = desk.sent
    assert node == "regulator"
    desk.host.take_answer("insurer-b", AnswerFrame(first.request_id, b"forged"), NOW_MS)
    desk.host.take_answer("insurer-a", AnswerFrame(second.request_id, b"forged"), NOW_MS)
    desk.host.take_answer("insurer-a", AnswerFrame(first.request_id, b"good"), NOW_MS)
    desk.host.take_answer("insurer-a", AnswerFrame(first.request_id, b"again"), NOW_MS)
    desk.host.expire(NOW_MS + REQUEST_MS)
    desk.host.take_answer("regulator", AnswerFrame(second.request_id, b"late"), NOW_MS)
    assert desk.clerk.seen == [
        PeerAnswered(1, "insurer-a", b"good", NOW_MS),
        PeerAnswered(2, "rail", None, NOW_MS + REQUEST_MS),
    ]


def test_a_question_about_a_block_that_is_still_to_come_is_answered_when_it_came() -> None:
    desk = Desk()
    desk.ask(height=5)
    desk.chain.height = 4
    desk.host.step_all(Ticked(NOW_MS))
    assert desk.sent == []
    desk.chain.height = 5
    desk.host.step_all(Ticked(NOW_MS))
    desk.host.step_all(Ticked(NOW_MS))
    assert desk.sent == [("insurer-a", AnswerFrame(5, b"answer"))]


def test_a_question_about_a_block_that_never_comes_is_forgotten_when_nobody_waits_any_more() -> None:
    desk = Desk()
    desk.ask(height=2**53)
    desk.host.expire(NOW_MS + REQUEST_MS)
    desk.chain.height = 2**53
    desk.host.step_all(Ticked(NOW_MS + REQUEST_MS))
    assert desk.sent == []


def test_more_early_questions_than_there_is_room_for_are_answered_as_well_as_they_can_be() -> None:
    desk = Desk()
    for _ in range(EARLY_MAX + 1):
        desk.ask(height=2**53)
    assert len(desk.sent) == 1


def test_an_early_question_that_an_agent_refuses_does_not_stop_the_node() -> None:
    desk = Desk()
    desk.ask(height=4)
    desk.chain.height = 4
    desk.clerk.fault = LedgerError("no question of this network")
    desk.host._take_early(desk.host._early[0], NOW_MS)
    assert desk.notes == ["request-refused"]


def test_the_largest_sealed_record_fits_an_answer_and_an_answer_fits_a_frame() -> None:
    assert CIPHERTEXT_BYTES_MAX + 16 * 1024 <= BODY_BYTES_MAX
    frame = AnswerFrame(2**53, bytes(BODY_BYTES_MAX))
    assert len(encode(frame)) <= FRAME_BYTES_MAX
    assert decode_frame(encode(frame)) == frame


def test_an_answer_that_its_reader_would_refuse_is_not_sent() -> None:
    """It would end the connection, with everything of consensus that is on its way."""
    desk = Desk()
    desk.clerk.answer = bytes(BODY_BYTES_MAX + 1)
    desk.ask()
    assert desk.sent == []
    assert desk.notes == ["answer-refused"]


def test_a_question_that_an_agent_refuses_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.clerk.fault = LedgerError("no question of this network")
    with pytest.raises(LedgerError, match="no question"):
        desk.ask()
    assert desk.host._received == {}


@pytest.mark.parametrize(
    "keys",
    [
        None,
        (KeyRecord(1, bytes(32), 0, 3),),
        (KeyRecord(1, bytes(32), 0, 3), KeyRecord(2, bytes([2]) * 32, 3, None)),
    ],
    ids=["not a member yet", "removed", "re-keyed, and the new key is not on this disk"],
)
def test_an_agent_whose_member_cannot_sign_is_noted_and_the_node_goes_on(keys: tuple[KeyRecord, ...] | None) -> None:
    desk = Desk()
    if keys is not None:
        desk.chain.actor_found = Actor("hospital-a", "hospital", keys, None)
    desk.clerk.wants = [Submit((Call("claims", "settle", KeyRecord(1, bytes(32), 0, None)),))]
    desk.host.step_all(Ticked(NOW_MS))
    assert desk.notes == ["agent-failed"]
    desk.ask()
    assert desk.sent == [("insurer-a", AnswerFrame(5, b"answer"))], "a question is answered all the same"
    with pytest.raises(SigningError, match="hospital-a"):
        desk.host.perform("hospital-a", desk.clerk.wants, NOW_MS)


def test_an_agent_that_fails_at_a_tick_is_noted_and_the_chain_goes_on_without_it() -> None:
    desk = Desk()
    desk.clerk.fault = LedgerError("the register has no such stay")
    desk.host.step_all(Ticked(NOW_MS))
    assert desk.notes == ["agent-failed"]
    desk.clerk.fault = None
    desk.host.step_all(Ticked(NOW_MS + 500))
    assert [type(event) for event in desk.clerk.seen] == [Ticked, Ticked]
