"""State sync among simulated nodes: liars, losses and crashes keep nobody from the true state, and a bug is found."""

from collections import Counter

import pytest

from ledger import restoration, snapshot, state_sync
from ledger.codec import decode
from ledger.limits import SNAPSHOT_CHUNK_BYTES_MAX
from ledger.snapshot import Chunk, Manifest, Part
from ledger.state_sync import StateSync
from ledger.state_tree import StateRoots
from nodes.simulator import givers
from nodes.simulator.checks import InvariantError
from nodes.simulator.node import Giving
from nodes.simulator.simulation import Simulation, Weather
from nodes.simulator.snapshots import SnapshotPolicy
from tests.ledger.replica.consortium import NAMES, simulate, submission

LATE = "d"
EARLY = NAMES[:3]


def far_behind(seed: int = 1, weather: Weather | None = None, policy: SnapshotPolicy | None = None) -> Simulation:
    """Return a network whose fourth node comes when the others have made nine blocks."""
    simulation = simulate(seed, weather)
    simulation.snapshots = policy or SnapshotPolicy(4, 3, 4)
    simulation.start(*EARLY)
    for number in range(9):
        simulation.submit(EARLY[number % 3], submission(number, EARLY[number % 3]))
        assert simulation.run_until(lambda: min(simulation.heights()[:3]) > number, 60_000)  # noqa: B023
    return simulation


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the small state into a dozen chunks."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 300)


def come(simulation: Simulation, limit_ms: int = 180_000) -> None:
    """Start the fourth node and have it end where the others are, with one more block of all."""
    simulation.start(LATE)
    assert simulation.run_until(lambda: _are_level(simulation), limit_ms), simulation.heights()
    simulation.submit("a", submission(99))
    assert simulation.run_until(lambda: simulation.heights() == [10] * 4, 60_000), simulation.heights()
    simulation.run_for(25_000)
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)


def _are_level(simulation: Simulation) -> bool:
    return len(set(simulation.heights())) == 1 and all(node.is_up for node in simulation.nodes.values())


def test_n4f1_a_node_far_behind_takes_a_snapshot_and_then_the_blocks_after_it() -> None:
    simulation = far_behind()
    come(simulation)
    disk = simulation.nodes[LATE].disk
    assert simulation.happened["snapshots taken"] == 1
    assert (disk.base_height, sorted(disk.blocks)) == (8, [9, 10])


def test_n4f1_a_node_that_is_not_far_behind_takes_blocks() -> None:
    simulation = far_behind(policy=SnapshotPolicy(every_heights=4, behind_heights=9, given_heights=9))
    come(simulation)
    assert simulation.happened["snapshots taken"] == 0
    assert sorted(simulation.nodes[LATE].disk.blocks) == list(range(1, 11))


@pytest.mark.parametrize(
    ("giving", "deed"),
    [
        (givers.give_other_values, "wrong chunks given"),
        (givers.give_holes, "wrong chunks given"),
        (givers.offer_made_up, "made-up snapshots offered"),
        (givers.give_nothing, "chunks withheld"),
    ],
)
def test_peers_that_give_what_does_not_hold_keep_nobody_from_the_state_while_one_is_honest(
    giving: Giving, deed: str
) -> None:
    simulation = far_behind()
    liars = [simulation.nodes[name] for name in EARLY[:2]]
    for liar in liars:
        liar.giving = giving
    come(simulation)
    assert sum(liar.deeds[deed] for liar in liars) > 0
    assert simulation.happened["snapshots taken"] == 1
    assert deed == "chunks withheld" or simulation.happened["offers and chunks refused"] > 0


def test_n4f1_lost_questions_and_chunks_are_asked_for_again() -> None:
    simulation = far_behind(2, Weather(loss=0.3))
    come(simulation, 600_000)
    assert simulation.happened["snapshots taken"] == 1
    assert simulation.happened["offers and chunks that did not come"] > 0


def test_n4f1_a_taker_that_crashes_again_and_again_goes_on_with_what_it_has() -> None:
    happened: Counter[str] = Counter()
    for seed in range(4):
        simulation = far_behind(seed, policy=SnapshotPolicy(4, 3, 4, taker_crashes=0.5, crashes_left=4))
        come(simulation)
        assert simulation.happened["snapshots taken"] == 1
        happened.update(simulation.happened)
    assert happened["crashes while taking a snapshot"] > 4
    assert happened["interrupted snapshots taken up again"] > 0


def test_n4f1_a_giver_that_crashes_is_replaced_by_others() -> None:
    simulation = far_behind(policy=SnapshotPolicy(4, 3, 4, giver_crashes=1.0, crashes_left=2))
    come(simulation)
    assert simulation.happened["crashes while giving a snapshot"] == 2
    assert simulation.happened["snapshots taken"] == 1


def test_n4f1_a_disk_that_fails_anywhere_on_the_way_leaves_the_old_store_or_the_new_one() -> None:
    for operations in range(0, 60, 6):
        simulation = far_behind()
        simulation.nodes[LATE].disk.arm(operations)
        come(simulation)
        assert simulation.nodes[LATE].disk.base_height == 8


def test_n4f1_a_wiped_store_comes_back_and_its_key_votes_at_no_height_where_it_has_signed() -> None:
    simulation = far_behind()
    come(simulation)
    simulation.crash("b")
    simulation.nodes["b"].disk.wipe(with_signer=False)
    simulation.start("b")
    assert simulation.run_until(lambda: simulation.heights() == [10] * 4, 180_000)
    for number in range(200, 205):
        simulation.submit("a", submission(number))
        simulation.run_for(2_000)
    simulation.run_for(25_000)
    assert simulation.nodes["b"].disk.base_height == 8
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)


def test_n4f1_whoever_has_no_blocks_before_its_snapshot_gives_the_snapshot_to_others() -> None:
    simulation = far_behind()
    come(simulation)
    simulation.snapshots = SnapshotPolicy(every_heights=100, behind_heights=100, given_heights=100)
    simulation.crash("b")
    simulation.nodes["b"].disk.wipe(with_signer=False)
    simulation.split(("b", "d"), ("a", "c"))
    simulation.start("b")
    assert simulation.run_until(lambda: simulation.height("b") == 10, 180_000), "d has no blocks below 9"
    assert simulation.nodes["b"].disk.base_height == 8


# ---------------------------------------------------------------------------------------------------- planted bugs


class AnyRoots:
    """Roots that are equal to all others."""

    def __eq__(self, other: object) -> bool:  # noqa: D105
        return isinstance(other, StateRoots)

    def __hash__(self) -> int:  # noqa: D105
        return 0


def believe(_part: Part, data: bytes) -> Chunk:
    """Take whatever comes for the chunk that was asked for."""
    return decode(data, Chunk, SNAPSHOT_CHUNK_BYTES_MAX)


@pytest.mark.parametrize("giving", [givers.give_other_values, givers.give_holes])
def test_a_node_that_accepts_a_wrong_chunk_is_found(monkeypatch: pytest.MonkeyPatch, giving: Giving) -> None:
    monkeypatch.setattr(state_sync, "verify_chunk", believe)
    monkeypatch.setattr(restoration, "verify_chunk", believe)
    monkeypatch.setattr(restoration, "verify_manifest", lambda _manifest: AnyRoots())
    simulation = far_behind()
    for name in EARLY:
        simulation.nodes[name].giving = giving
    with pytest.raises(InvariantError) as found:
        come(simulation)
    assert found.value.check == "snapshots"
    assert "another state of height 8" in str(found.value)


def test_a_wrong_chunk_that_got_onto_the_disk_is_not_built_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_sync, "verify_chunk", believe)
    simulation = far_behind()
    simulation.nodes["a"].giving = givers.give_other_values
    simulation.start(LATE)
    simulation.run_for(50_000)
    assert simulation.nodes["a"].deeds["wrong chunks given"] > 0
    assert simulation.happened["snapshots taken"] == 0


def test_a_node_that_accepts_a_header_nobody_signed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_self: StateSync, _manifest: Manifest, _trusted: object) -> None:
        """Look at nothing."""

    monkeypatch.setattr(StateSync, "_check", check)
    simulation = far_behind()
    for name in EARLY:
        simulation.nodes[name].giving = givers.offer_made_up
    with pytest.raises(InvariantError) as found:
        come(simulation)
    assert found.value.check == "snapshots"
    assert "of no chain" in str(found.value)


def test_two_nodes_that_make_snapshots_of_different_states_are_found() -> None:
    simulation = far_behind(policy=SnapshotPolicy(every_heights=9, behind_heights=9, given_heights=9))
    node = simulation.nodes["b"]
    key = next(key for key in node.disk.entries if key.startswith(b"s/counter"))
    node.disk.entries[key] += b"0"
    with pytest.raises(InvariantError) as found:
        simulation.checks.note_snapshot(node, 9)
    assert found.value.check == "stores"


def test_a_receipt_that_a_node_lost_after_its_snapshot_is_found_and_one_from_before_is_others_to_have() -> None:
    simulation = far_behind()
    come(simulation)
    late, other = simulation.nodes[LATE].disk, simulation.nodes["a"].disk
    before, after = other.receipts[2][0], other.receipts[10][0]
    for receipt in (before, after):
        simulation.checks.note_acknowledged(receipt)
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)
    for disk, receipt in ((late, after), (other, before)):
        place = disk.places.pop(receipt.transaction_id)
        with pytest.raises(InvariantError) as found:
            simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)
        assert found.value.check == "acknowledged"
        disk.places[receipt.transaction_id] = place
