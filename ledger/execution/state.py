"""The state as execution sees it: one flat, sorted key space, a reader below and an overlay on top.

A state key is contract, table and key parts, joined by NUL bytes. Text parts are UTF-8 without NUL, integers are 16
lower-case hex digits so that their order is the order of the numbers, bytes are lower-case hex. A table uses one
kind of part at each place; a text that looks like a number is the same key as the number.

The `StateReader` is the committed state and never changes while a block runs on it; whatever it raises stops the
node. The `Overlay` holds what the block has written so far, and takes back what a failed transaction wrote. It is
not a cache of the reader: it holds writes only.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import Protocol

SEPARATOR = b"\x00"
INTEGER_PART_MAX = 2**64 - 1
"""16 hex digits."""

KeyPart = str | int | bytes
Key = KeyPart | tuple[KeyPart, ...]


class StateReader(Protocol):
    """The committed state, injected by the node; synchronous, and unchanged while it is read."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value at `key`, or None."""
        ...

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries whose key starts with `prefix`, sorted by key; those before the whole key `start` not."""
        ...


def encode_key(contract: str, table: str, key: Key) -> bytes:
    """Return the state key of one row.

    Raises:
        ValueError: If a part is not text without NUL, an integer of 64 bits, or bytes; or if there is none.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not parts:
        msg = f"{contract}.{table}: expected a key of at least one part, got none"
        raise ValueError(msg)
    return SEPARATOR.join((contract.encode(), table.encode(), *(encode_part(part) for part in parts)))


def encode_prefix(contract: str, table: str, prefix: Key = ()) -> bytes:
    """Return what the state keys of all rows below `prefix` start with; a row at exactly `prefix` is not below it."""
    parts = prefix if isinstance(prefix, tuple) else (prefix,)
    return SEPARATOR.join((contract.encode(), table.encode(), *(encode_part(part) for part in parts), b""))


def encode_start(prefix: bytes, after: KeyPart) -> bytes:
    """Return the smallest key below an encoded prefix whose next part sorts after `after`.

    Parts hold no NUL and end with one or with the key. So every key with exactly this part is smaller than the part
    followed by 0x01, and every key with a part that sorts after it is not. An empty part leaves out nothing but
    itself, and no listing has an empty part.
    """
    return prefix + encode_part(after) + b"\x01"


def encode_part(part: KeyPart) -> bytes:
    """Return one key part's bytes; raises `ValueError` for what is none."""
    if isinstance(part, str):
        encoded = part.encode()
        if SEPARATOR in encoded:
            msg = f"key part: expected text without NUL, got {part[:40]!r}"
            raise ValueError(msg)
        return encoded
    if isinstance(part, bytes):
        return part.hex().encode()
    if type(part) is int and 0 <= part <= INTEGER_PART_MAX:
        return b"%016x" % part
    msg = f"key part: expected text, bytes or an integer of 0 to 2^64 - 1, got {type(part).__name__}"
    raise ValueError(msg)


def decode_key(state_key: bytes) -> tuple[str, ...]:
    """Return contract, table and key parts of a state key as text."""
    return tuple(part.decode() for part in state_key.split(SEPARATOR))


class Overlay:
    """What one block has written so far, over the state it started from.

    `mark` and `revert` nest: a revert takes back everything since its mark, reverted or not in between.
    """

    def __init__(self, reader: StateReader) -> None:
        """Start without writes.

        Args:
            reader: The state of the parent block; never written to.
        """
        self._reader = reader
        self._writes: dict[bytes, bytes | None] = {}
        self._keys: list[bytes] = []
        self._journal: list[tuple[bytes, bool, bytes | None]] = []
        self.failure: BaseException | None = None
        """What the reader raised: the machine's fault, whatever a contract made of it."""

    @property
    def writes(self) -> Mapping[bytes, bytes | None]:
        """Every key written, with its last value; None is deleted."""
        return self._writes

    def get(self, key: bytes) -> bytes | None:
        """Return the value at `key`, or None."""
        if key in self._writes:
            return self._writes[key]
        try:
            return self._reader.get(key)
        except BaseException as error:
            self.failure = error
            raise

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write `value` at `key`; None deletes."""
        written = key in self._writes
        self._journal.append((key, written, self._writes[key] if written else None))
        if not written:
            insort(self._keys, key)
        self._writes[key] = value

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries whose key starts with `prefix`, sorted by key, as they are now.

        Writes made while the result is consumed do not change it.

        Args:
            prefix: Empty for everything.
            start: A whole key: entries before it are left out, and not read; None begins at the prefix.
        """
        first = bisect_left(self._keys, prefix if start is None else max(prefix, start))
        end = first
        while end < len(self._keys) and self._keys[end].startswith(prefix):
            end += 1
        pending = [(key, self._writes[key]) for key in self._keys[first:end]]
        return _merge(self._scan_reader(prefix, start), pending)

    def _scan_reader(self, prefix: bytes, start: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from self._reader.scan(prefix, start)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def mark(self) -> int:
        """Return a point to revert to."""
        return len(self._journal)

    def revert(self, mark: int) -> None:
        """Take back every write since `mark`."""
        while len(self._journal) > mark:
            key, written, value = self._journal.pop()
            if written:
                self._writes[key] = value
            else:
                del self._writes[key]
                del self._keys[bisect_left(self._keys, key)]


def _merge(
    committed: Iterator[tuple[bytes, bytes]], pending: list[tuple[bytes, bytes | None]]
) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    for key, value in committed:
        while place < len(pending) and pending[place][0] < key:
            if (written := pending[place][1]) is not None:
                yield pending[place][0], written
            place += 1
        if place < len(pending) and pending[place][0] == key:
            if (written := pending[place][1]) is not None:
                yield key, written
            place += 1
        else:
            yield key, value
    for key, written in pending[place:]:
        if written is not None:
            yield key, written
