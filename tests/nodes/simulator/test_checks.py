"""Every check of the simulation finds what it is for: a bug is planted in a node that is believed to be honest."""

from collections.abc import Iterable
from dataclasses import replace as copy

import pytest
from msgspec.structs import replace

from ledger.blocks import PRECOMMIT, Block, Commit, CommitSignature, vote_sign_bytes
from ledger.crypto.signatures import sign_vote
from ledger.replica.evidence_pool import EvidencePool
from ledger.replica.ports import AppendLog, CommitBlock, Effect, SaveSignerState
from ledger.transactions import Receipt
from nodes.simulator import lies
from nodes.simulator.checks import InvariantError
from nodes.simulator.node import Node
from nodes.simulator.simulation import Simulation
from tests.ledger.replica.consortium import CHAIN_ID, KEYS, NAMES, simulate, submission


def work(simulation: Simulation, count: int = 8) -> None:
    """Have some blocks made, and look at what is stored."""
    if not any(node.is_up for node in simulation.nodes.values()):
        simulation.start()
    for number in range(count):
        simulation.submit(NAMES[number % 4], submission(number, NAMES[number % 4]))
        simulation.run_for(1_500)
    simulation.run_for(10_000)
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)


def commit_another_block(node: Node, effect: Effect) -> Iterable[Effect]:
    """Store another block than the others, under a certificate that verifies: a quorum has lost its keys."""
    if not isinstance(effect, CommitBlock):
        yield effect
        return
    block = effect.executed.block
    header = replace(block.header, time_ms=block.header.time_ms + 1)
    message = vote_sign_bytes(CHAIN_ID, PRECOMMIT, header.height, 0, header.hash)
    signatures = tuple(CommitSignature(name, sign_vote(KEYS[name], message)) for name in NAMES[:3])
    other = copy(effect.executed, block=Block(header, block.submissions, block.evidence))
    yield CommitBlock(other, Commit(header.height, 0, header.hash, signatures))


def drop_a_precommit(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Store certificates that are one vote short."""
    if isinstance(effect, CommitBlock):
        commit = replace(effect.commit, signatures=effect.commit.signatures[1:])
        yield replace(effect, commit=commit)
    else:
        yield effect


def exchange_two_signatures(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Store certificates in which two validators have each other's signature."""
    if isinstance(effect, CommitBlock):
        first, second, *others = effect.commit.signatures
        mixed = (replace(first, signature=second.signature), replace(second, signature=first.signature), *others)
        yield replace(effect, commit=replace(effect.commit, signatures=mixed))
    else:
        yield effect


def lose_a_write(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Store every block without one entry of its state."""
    if isinstance(effect, CommitBlock):
        lost = next(key for key in sorted(effect.executed.writes) if key.startswith(b"s/counter"))
        writes = {key: value for key, value in effect.executed.writes.items() if key != lost}
        yield CommitBlock(copy(effect.executed, writes=writes), effect.commit)
    else:
        yield effect


def forget_what_was_signed(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Keep neither log nor signer state."""
    if not isinstance(effect, AppendLog | SaveSignerState):
        yield effect


def test_n4f0_without_a_bug_no_check_finds_anything() -> None:
    work(simulate(1))


@pytest.mark.parametrize(
    ("bug", "check"),
    [
        (commit_another_block, "agreement"),
        (drop_a_precommit, "certificates"),
        (exchange_two_signatures, "certificates"),
        (lose_a_write, "stores"),
    ],
)
def test_a_planted_bug_is_found_by_its_check(bug: object, check: str) -> None:
    simulation = simulate(2)
    simulation.nodes["c"].bug = bug  # type: ignore[assignment]
    with pytest.raises(InvariantError) as found:
        work(simulation, 3)
    assert found.value.check == check


def test_a_node_that_forgets_what_it_signed_is_found_after_its_crash() -> None:
    simulation = simulate(3)
    simulation.nodes["b"].bug = forget_what_was_signed
    simulation.start()
    simulation.split(("a", "b"), ("c", "d"))
    simulation.submit("a", submission(1))
    simulation.run_for(3_500)
    simulation.crash("b")
    simulation.split(("b",), NAMES)
    simulation.start("b")
    with pytest.raises(InvariantError) as found:
        simulation.submit("b", submission(2, "b"))
    assert found.value.check == "double-signing"


def test_a_receipt_that_was_told_before_its_block_and_lost_is_found() -> None:
    simulation = simulate(4)
    simulation.start()
    simulation.split(("a",), ("b", "c", "d"))
    item = submission(99)
    simulation.submit("a", item)
    simulation.checks.note_acknowledged(Receipt(item.transactions[0].id, "OK", "", (), 0))
    simulation.crash("a")
    simulation.heal()
    simulation.start("a")
    with pytest.raises(InvariantError) as found:
        work(simulation, 3)
    assert found.value.check == "acknowledged"


def test_n4f1_double_votes_become_evidence() -> None:
    simulation = simulate(5)
    simulation.nodes["d"].lie = lies.vote_twice
    work(simulation, 3)
    assert any(block.evidence for block, _ in simulation.nodes["a"].disk.blocks.values())


def test_n4f1_evidence_that_is_a_reason_for_a_block_and_gets_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvidencePool, "is_reason", property(lambda _self: False))
    monkeypatch.setattr(EvidencePool, "pending", lambda _self: ())
    simulation = simulate(5)
    simulation.nodes["d"].lie = lies.vote_twice
    simulation.start()
    simulation.submit("b", submission(1, "b"))
    simulation.run_for(20_000)
    assert simulation.heights() == [1] * 4, "an idle chain, and nobody has proposed since"
    simulation.run_for(10_000)
    with pytest.raises(InvariantError) as found:
        simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)
    assert found.value.check == "evidence"


def test_n4f1_nodes_that_let_a_known_offender_go_on_unrecorded_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvidencePool, "pending", lambda self: tuple(self._pending.values()) if self.is_reason else ())
    simulation = simulate(5)
    simulation.nodes["d"].lie = lies.vote_twice
    with pytest.raises(InvariantError) as found:
        work(simulation, 12)
    assert found.value.check == "evidence"


def test_n4f1_nodes_that_overlook_double_votes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvidencePool, "add", lambda _self, _evidence: False)
    simulation = simulate(5)
    simulation.nodes["d"].lie = lies.vote_twice
    with pytest.raises(InvariantError) as found:
        work(simulation, 12)
    assert found.value.check == "evidence"
