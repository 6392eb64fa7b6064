"""When a node must take a snapshot: what peers say of themselves begins an attempt, and cannot prevent one."""

from ledger.lag import SILENT_MS, Lag
from ledger.replica.status import PeerHeight


def at(height: int, *names: str) -> list[PeerHeight]:
    """Return peers that have committed the block at a height."""
    return [PeerHeight(name, height + 1, 0, "propose") for name in names]


def test_a_node_takes_blocks_until_a_peer_is_too_far_ahead() -> None:
    lag = Lag(10)
    assert lag.needed(5, at(5, "a", "b"), 0) is None
    assert lag.needed(5, at(15, "a"), 0) is None
    assert lag.needed(5, [*at(15, "a"), *at(16, "b")], 0) == 10, "one of the middle at least, or it is not worth it"


def test_a_snapshot_however_near_if_nobody_ahead_has_the_next_block() -> None:
    lag = Lag(1_000)
    lag.note_absent("a", 7)
    assert lag.needed(5, at(9, "a"), 0) == 6
    assert lag.needed(5, at(9, "a", "b"), 0) is None, "b may have it"
    assert lag.needed(6, at(9, "a"), 0) is None, "a has this one"
    lag.note_absent("b", 8)
    assert lag.needed(5, at(9, "a", "b"), 0) == 6


def test_a_peer_that_claims_a_height_and_keeps_silent_does_not_keep_a_node_waiting_for_ever() -> None:
    lag = Lag(1_000)
    peers = at(19, "honest", "liar")
    lag.note_absent("honest", 10)
    assert lag.needed(3, peers, 0) is None
    assert lag.needed(3, peers, SILENT_MS - 1) is None
    assert lag.needed(3, peers, SILENT_MS) == 4
    assert lag.needed(3, [*peers, *at(19, "newcomer")], SILENT_MS + 1) is None, "it may have the blocks"
    assert lag.needed(4, peers, SILENT_MS + 2) is None, "somebody has them"
