"""How the effects of a replica are performed in a simulated node: on its disk, to its peers, in its trace.

In their order, and whatever must be durable before anything is sent is: every effect but an entry of the log syncs the
log first, as the real node does.
"""

from typing import TYPE_CHECKING

from ledger.execution.store import FRONTIER
from ledger.light_client import WalkStep
from ledger.replica.messages import CommittedBlock, StatusMessage
from ledger.replica.ports import (
    AppendLog,
    Broadcast,
    CommitBlock,
    Effect,
    Halt,
    Report,
    ResetLog,
    SaveSignerState,
    ScheduleTimeout,
    Send,
    SendBlocks,
    SubmissionAccepted,
    SubmissionRefused,
)
from ledger.snapshot_exchange import BlocksAbsent
from nodes.simulator.node import Node
from nodes.simulator.snapshots import make_snapshot

if TYPE_CHECKING:
    from nodes.simulator.simulation import Simulation


def perform(simulation: "Simulation", node: Node, effect: Effect) -> None:
    """Perform one effect of a node that is up; raises what kills the node."""
    if isinstance(effect, AppendLog):
        node.disk.append(effect.entry)
        return
    node.disk.sync()
    match effect:
        case SaveSignerState():
            node.disk.save_signer(effect.public_key, effect.state)
        case Broadcast(message):
            if isinstance(message, StatusMessage) and node.syncing is not None and node.syncing.is_taking:
                return  # ask for no blocks
            simulation.send_message(node, [name for name in simulation.nodes if name != node.name], message)
        case Send():
            simulation.send_message(node, [effect.peer], effect.message)
        case SendBlocks():
            _send_blocks(simulation, node, effect)
        case ScheduleTimeout():
            simulation.wait(node, effect.duration_ms, effect.timeout)
        case CommitBlock():
            _commit(simulation, node, effect)
        case ResetLog():
            node.disk.reset_log()
        case Report():
            node.reports.append(effect)
            trace = simulation.trace
            trace.note(simulation.now_ms, "report", node.name, b"", trace.describe_report(effect))
        case Halt():
            node.replies.append(effect)
            simulation.trace.note(simulation.now_ms, "halt", node.name, b"", effect.reason)
            simulation.crash(node.name)
        case SubmissionAccepted() | SubmissionRefused():
            node.replies.append(effect)


def _send_blocks(simulation: "Simulation", node: Node, effect: SendBlocks) -> None:
    first = node.disk.base_height + 1
    if simulation.snapshots is not None:
        first = max(first, node.disk.height - simulation.snapshots.given_heights + 1)
    if effect.from_height < first:
        simulation.send_snapshot_frame(node, effect.peer, BlocksAbsent(first))
        return
    for height in range(effect.from_height, effect.from_height + effect.count):
        simulation.send_message(node, [effect.peer], CommittedBlock(*node.disk.blocks[height]))


def _commit(simulation: "Simulation", node: Node, effect: CommitBlock) -> None:
    header = effect.executed.block.header
    assert node.replica is not None, f"{node.name} is down"
    validators = node.replica.application.validators(header.height)
    if node.is_honest:
        _count_block(simulation, effect)
        simulation.checks.note_commit(effect.executed, effect.commit, validators)
    frontier = node.disk.entries[FRONTIER]
    node.disk.store(effect.executed.block, effect.commit, effect.executed.receipts, effect.executed.writes)
    if simulation.snapshots is not None and header.height % simulation.snapshots.every_heights == 0:
        _make_snapshot(simulation, node, effect, frontier)
    simulation.wake(node)
    if node.residents is not None:
        node.committed.append(effect.executed)
    detail = f"height {header.height} round {effect.commit.round} transactions {header.transaction_count}"
    simulation.trace.note(simulation.now_ms, "commit", node.name, header.hash, detail)


def _make_snapshot(simulation: "Simulation", node: Node, effect: CommitBlock, frontier: bytes) -> None:
    header = effect.executed.block.header
    is_change = header.next_validators_hash != header.validators_hash
    certificate = WalkStep(header, effect.commit, effect.executed.next_validators if is_change else None)
    node.disk.keep(make_snapshot(node.disk, certificate, frontier))
    simulation.happened["snapshots made"] += 1
    if node.is_honest:
        simulation.checks.note_snapshot(node, header.height)


def _count_block(simulation: "Simulation", effect: CommitBlock) -> None:
    if effect.commit.height not in simulation.checks.committed:
        simulation.happened["blocks decided in a later round"] += effect.commit.round > 0
        simulation.happened["blocks with evidence"] += bool(effect.executed.block.evidence)
