"""Where things are in a node's store: three key spaces, and views of them through one reader.

    s/   state entries, as contracts see them
    n/   nodes of the state tree
    m/   the application's own: the genesis hash, the latest header, the history's frontier, the roots per contract,
         validator sets by the height from which they vote, and the offences whose evidence was included

All that follows from one block goes down in one batch, so that a store is always at one height.
"""

from collections.abc import Iterator
from typing import Final

from ledger.codec import encode
from ledger.execution.state import Overlay
from ledger.state_tree import TreeUpdate

STATE: Final = b"s/"
NODES: Final = b"n/"
META: Final = b"m/"
HEADER: Final = META + b"header"
GENESIS: Final = META + b"genesis"
FRONTIER: Final = META + b"frontier"
ROOTS: Final = META + b"roots"
VALIDATORS: Final = META + b"validators/"
OFFENCES: Final = META + b"offences/"


class View:
    """One key space of a store, without its prefix: a `StateReader`."""

    def __init__(self, store: Overlay, prefix: bytes) -> None:
        """See one key space.

        Args:
            store: All key spaces.
            prefix: The one to see, such as `STATE`.
        """
        self._store = store
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        """Return the value at `key`, or None."""
        return self._store.get(self._prefix + key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries whose key starts with `prefix`, sorted by key."""
        for key, value in self._store.scan(self._prefix + prefix):
            yield key[len(self._prefix) :], value


class NodeView:
    """The state tree's nodes in a store: a `NodeReader`."""

    def __init__(self, store: Overlay) -> None:
        """See the nodes.

        Args:
            store: All key spaces.
        """
        self._store = store

    def get_node(self, key: bytes) -> bytes | None:
        """Return what was last written under `key`, or None."""
        return self._store.get(NODES + key)


def store_writes(overlay: Overlay, update: TreeUpdate) -> dict[bytes, bytes | None]:
    """Return a block's state entries, tree nodes and roots as store writes; None deletes."""
    writes = {STATE + key: value for key, value in overlay.writes.items()}
    writes.update((NODES + key, value) for key, value in update.node_writes.items())
    writes[ROOTS] = encode(update.roots)
    return writes


def validators_key(height: int) -> bytes:
    """Return where the validator set is that votes from `height` on."""
    return VALIDATORS + b"%016x" % height
