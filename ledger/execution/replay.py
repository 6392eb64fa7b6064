"""No transaction twice: bounded expiries, and the ids of the blocks that they span.

A transaction may set its expiry at most EXPIRY_HEIGHTS_MAX blocks and EXPIRY_MS_MAX ahead. So it is enough to
remember the ids of that many blocks: later, a copy has expired. The ids are part of the state, one entry per height
under the system's own name `replay`, so that a snapshot carries them; the set in memory is rebuilt from there.
"""

from itertools import takewhile
from typing import Final

from ledger.execution.state import Overlay, StateReader, encode_key, encode_prefix
from ledger.limits import EXPIRY_HEIGHTS_MAX, EXPIRY_MS_MAX, HASH_BYTES
from ledger.transactions import Transaction

REPLAY: Final = "replay"
"""The system's own name for the window; no contract may have it."""
REPLAY_PREFIX: Final = encode_prefix(REPLAY, "ids")


def check_expiry(tx: Transaction, height: int, time_ms: int) -> str | None:
    """Return why a transaction may not be included at this height and time, or None."""
    if not height <= tx.expires_height <= height + EXPIRY_HEIGHTS_MAX:
        return f"expires_height: expected {height} to {height + EXPIRY_HEIGHTS_MAX}, got {tx.expires_height}"
    if not time_ms <= tx.expires_ms <= time_ms + EXPIRY_MS_MAX:
        return f"expires_ms: expected {time_ms} to {time_ms + EXPIRY_MS_MAX}, got {tx.expires_ms}"
    return None


class ReplayWindow:
    """The ids included in the last EXPIRY_HEIGHTS_MAX blocks: in the state by height, and here as a set."""

    def __init__(self, reader: StateReader) -> None:
        """Rebuild the set from the committed state.

        Args:
            reader: The committed state.
        """
        self._by_height: dict[int, frozenset[bytes]] = {}
        self._ids: set[bytes] = set()
        for key, value in reader.scan(REPLAY_PREFIX):
            self.advance(int(key[len(REPLAY_PREFIX) :], 16), _split_ids(value))

    def __contains__(self, transaction_id: bytes) -> bool:
        """Whether this id was included within the window."""
        return transaction_id in self._ids

    def advance(self, height: int, ids: frozenset[bytes]) -> None:
        """Add a committed block's ids, drop those that can have no unexpired transaction any more."""
        if ids:
            self._by_height[height] = ids
            self._ids |= ids
        for old in self._expired(height):
            self._ids -= self._by_height.pop(old)

    def write(self, overlay: Overlay, height: int, ids: frozenset[bytes]) -> None:
        """Write what `advance` will do into a block's state."""
        if ids:
            overlay.put(encode_key(REPLAY, "ids", height), b"".join(sorted(ids)))
        for old in self._expired(height):
            overlay.put(encode_key(REPLAY, "ids", old), None)

    def _expired(self, height: int) -> list[int]:
        """Return the heights that leave the window at `height`: they came in first, so they are the first."""
        return list(takewhile(lambda old: old < height - EXPIRY_HEIGHTS_MAX, self._by_height))


def _split_ids(value: bytes) -> frozenset[bytes]:
    return frozenset(value[start : start + HASH_BYTES] for start in range(0, len(value), HASH_BYTES))
