"""What a role agent still has to do, and what it has done, across any crash.

    i/ + number        an open item
    k/ + kind, key     the number of the item; kept after it is done, so that the same work is never taken on twice
    h/next, h/height   the next number, and the last block whose events have been turned into items

An item is named by kind and key: both follow from the chain (`pay`, claim id), so an agent that derives it again after
a crash adds nothing. Doing an item and marking it done are two steps; whoever does it must bear doing it again. The
payload is what cannot be derived from the chain, and never a secret: keys, salts and openings stay in the vault, where
erasing works, and an item names them.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from ledger.codec import Name, Struct, decode, encode
from ledger.errors import DecodeError
from nodes.storage.errors import REMEDY_CORRUPT, StorageError
from nodes.storage.store import KeyValueStore

_NEXT = b"h/next"
_HEIGHT = b"h/height"


class OutboxItem(Struct):
    """One piece of work."""

    kind: Name
    """What is to be done, such as `deliver`."""
    key: Annotated[bytes, Meta(min_length=1, max_length=256)]
    """Which one: unique within the kind for ever."""
    payload: bytes
    """What the agent needs and the chain does not say; no secrets."""


class Outbox:
    """The items of one role agent, in a store of their own."""

    def __init__(self, store: KeyValueStore) -> None:
        """Open the outbox.

        Args:
            store: Its own, in a folder of its own; closed by whoever opened it.

        Raises:
            StorageError: If the store cannot be read.
        """
        self._store = store
        self._next = self._read_number(_NEXT)

    def followed_height(self) -> int:
        """Return the last block whose events have been turned into items; 0 before the first."""
        return self._read_number(_HEIGHT)

    def add(self, items: Sequence[OutboxItem], followed_height: int | None = None) -> int:
        """Add the items that were never added before, in one synced batch.

        Args:
            items: In the order they should be done.
            followed_height: The block they come from, if all that it asks for is among them: the agent goes on after
                it when it starts again.

        Returns:
            How many were new.

        Raises:
            DecodeError: If an item's kind or key is out of bounds; nothing was added.
            StorageError: If the disk refuses; nothing was added.
        """
        changes: dict[bytes, bytes | None] = {}
        number = self._next
        for item in items:
            encoded = encode(item)
            decode(encoded, OutboxItem)
            name = _name(item.kind, item.key)
            if name not in changes and self._store.get(name) is None:
                changes[name] = number.to_bytes(8)
                changes[b"i/" + number.to_bytes(8)] = encoded
                number += 1
        added = number - self._next
        if added:
            changes[_NEXT] = number.to_bytes(8)
        if followed_height is not None:
            changes[_HEIGHT] = followed_height.to_bytes(8)
        if changes:
            self._store.write(changes)
        self._next = number
        return added

    def pending(self) -> Iterator[OutboxItem]:
        """Yield the open items, oldest first."""
        for key, value in self._store.scan(b"i/"):
            try:
                yield decode(value, OutboxItem)
            except DecodeError as error:
                problem = f"item {int.from_bytes(key[2:])}: {error}"
                raise StorageError(self._store.path, problem, REMEDY_CORRUPT) from error

    def is_known(self, kind: str, key: bytes) -> bool:
        """Whether the item was ever added, done or not."""
        return self._store.get(_name(kind, key)) is not None

    def mark_done(self, kind: str, key: bytes) -> None:
        """Close an item for ever; closing it again does nothing.

        Raises:
            StorageError: If the disk refuses; the item is still open.
        """
        number = self._store.get(_name(kind, key))
        assert number is not None, f"{kind} was never added"
        self._store.write({b"i/" + number: None})

    def _read_number(self, key: bytes) -> int:
        return int.from_bytes(self._store.get(key) or b"")


def _name(kind: str, key: bytes) -> bytes:
    return b"k/" + kind.encode() + b"\x00" + key
