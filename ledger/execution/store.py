"""Where things are in a node's store: three key spaces, and views of them through one reader.

    s/   state entries, as contracts see them
    n/   nodes of the state tree
    m/   the application's own: the genesis hash, the latest header, the history's frontier and the roots per contract

All that follows from one block goes down in one batch, so that a store is always at one height.

What decides whether a block is valid is under `s/`, so that the state root covers it and a snapshot carries it. Two
names there are the system's own: `replay` (`ledger.execution.replay`) and `consensus`, with the validator sets by the
height from which they vote, the offences whose evidence was included, and when each offender's latest was. What is
under `m/` follows from a header: its roots are the header's state root, its frontier the header's history
root and the header itself.
"""

from collections.abc import Iterator
from typing import Final

from ledger.codec import encode
from ledger.execution.state import Overlay, encode_key, encode_prefix
from ledger.state_tree import TreeUpdate

STATE: Final = b"s/"
NODES: Final = b"n/"
META: Final = b"m/"
HEADER: Final = META + b"header"
GENESIS: Final = META + b"genesis"
FRONTIER: Final = META + b"frontier"
ROOTS: Final = META + b"roots"
CONSENSUS: Final = "consensus"
"""The system's own name for what consensus must remember; no contract may have it."""
VALIDATORS: Final = encode_prefix(CONSENSUS, "validators")
"""A state key: what those of all validator sets begin with, each followed by a height of 16 hex digits."""


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

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries whose key starts with `prefix`, sorted by key; those before the whole key `start` not."""
        for key, value in self._store.scan(self._prefix + prefix, None if start is None else self._prefix + start):
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
    """Return the state key of the validator set that votes from `height` on."""
    return encode_key(CONSENSUS, "validators", height)


def offence_key(offence: bytes) -> bytes:
    """Return the state key of an offence whose evidence was included; its value is the height that did."""
    return encode_key(CONSENSUS, "offences", offence)


def offender_key(validator: str) -> bytes:
    """Return the state key of a validator that signed twice; its value is the latest height that included evidence."""
    return encode_key(CONSENSUS, "offenders", validator)
