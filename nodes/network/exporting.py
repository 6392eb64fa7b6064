"""How a node makes a snapshot of one height while it goes on committing blocks.

The store has the latest state only, so what a later block overwrites must be read before. A `StateCapture` reads the
state in the order of its keys, a slice at a time; before a block is stored it keeps the old values of what it has not
read yet, in memory. Between two slices the node does everything else. What was read goes into a spool, a store of its
own that sorts it by path; the chunks are made from that in a thread which rests three times as long as it works.

So making a snapshot costs a share of the time and not a pause. If too much is overwritten meanwhile, or the disk has
little room left, it is given up, with a line in the log; a node that cannot offer a snapshot is missed by nobody else.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from ledger.codec import decode, encode
from ledger.errors import LedgerError
from ledger.execution.state import Overlay
from ledger.light_client import WalkStep
from ledger.limits import SNAPSHOT_PARTS_MAX
from ledger.merkle import Frontier
from ledger.snapshot import Entry, Manifest, Part, divide, verify_manifest
from ledger.state_tree import path_of
from nodes.storage import KeyValueStore, open_store
from nodes.storage.blocks import STATE_PREFIX, CommittedState
from nodes.storage.snapshots import SnapshotFiles, SnapshotShelf, Target

SLICE_ENTRIES = 256
"""Read at a time: about 2 ms."""
SLICE_PAUSE_SECONDS = 0.02
REST = 3.0
"""How many times as long as a chunk took the thread rests after it."""
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Overwritten values in memory: about five full blocks' worth of the largest, or minutes of ordinary ones."""
FREE_BYTES_MIN = 1024 * 1024 * 1024
"""Below this the disk belongs to the chain: a snapshot must not be what fills it."""
ENTRY_BYTES_MAX = 2**31
_STOPS = "snapshot: the node stops"


class ExportError(LedgerError):
    """A snapshot that was not made; the node goes on without."""


class StateCapture:
    """Reads the state as it is now, while it is overwritten."""

    def __init__(self, state: CommittedState) -> None:
        """Stand before the first entry.

        Args:
            state: The latest committed state; from here on each block's writes are told to `hold` before it changes.
        """
        self._state = state
        self._old = Overlay(state)
        self._held_bytes = 0
        self._read_to: bytes | None = None
        self.is_done = False

    def hold(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Keep the present values of what a block is about to overwrite and was not read yet.

        Raises:
            ExportError: If that is more than may be held.
        """
        if self.is_done:
            return
        for store_key in writes:
            if not store_key.startswith(STATE_PREFIX):
                continue
            key = store_key[len(STATE_PREFIX) :]
            if key in self._old.writes or (self._read_to is not None and key <= self._read_to):
                continue
            value = self._state.get(key)
            self._old.put(key, value)
            self._held_bytes += len(key) + len(value or b"")
        if self._held_bytes > HELD_BYTES_MAX:
            msg = f"snapshot: more than {HELD_BYTES_MAX} bytes of the state were overwritten while it was read"
            raise ExportError(msg)

    def take(self, count: int) -> list[Entry]:
        """Read the next entries; none when all were read."""
        if self.is_done:
            return []
        start = None if self._read_to is None else self._read_to + b"\x00"
        entries = list(islice(self._old.scan(b"", start), count))
        if entries:
            self._read_to = entries[-1][0]
        else:
            self.is_done = True
        return entries


class SnapshotExport:
    """The making of one snapshot."""

    def __init__(self, state: CommittedState, certificate: WalkStep, frontier: Frontier, shelf: SnapshotShelf) -> None:
        """Capture the state as it is.

        Args:
            state: After the certificate's block, and before any later one.
            certificate: Of the latest block.
            frontier: Of the history below it.
            shelf: Where the snapshot is put.
        """
        self.height = certificate.header.height
        self.capture = StateCapture(state)
        self._certificate = certificate
        self._frontier = frontier
        self._shelf = shelf
        self._ending = threading.Event()

    def cancel(self) -> None:
        """Make `run` end soon, with an `ExportError`; it must be waited for, its thread works on open files."""
        self._ending.set()

    async def run(self) -> Manifest:
        """Read, sort, divide, and put the snapshot on the shelf.

        Raises:
            ExportError: If the disk has too little room, or what was read is not the certified state.
            StorageError: If the disk refuses.
        """
        files = self._shelf.make(self.height)
        files.begin()
        _check_room(files.folder)
        spool = await asyncio.to_thread(open_store, files.folder / "spool")
        try:
            contracts: set[str] = set()
            while entries := self.capture.take(SLICE_ENTRIES):
                contracts |= {_contract_of(key) for key, _ in entries}
                await asyncio.to_thread(spool.write, {_spool_key(key): encode((key, value)) for key, value in entries})
                await asyncio.sleep(SLICE_PAUSE_SECONDS)
                if self._ending.is_set():
                    raise ExportError(_STOPS)
            return await asyncio.to_thread(self._write, files, spool, sorted(contracts))
        finally:
            self.capture.is_done = True
            spool.close()

    def _write(self, files: SnapshotFiles, spool: KeyValueStore, contracts: list[str]) -> Manifest:
        """Divide what was sorted; in a thread, on files that nobody else knows."""
        parts: list[Part] = []
        for contract in contracts:
            begun = time.thread_time()
            for part, chunk in divide(contract, lambda prefix, name=contract: _scan(spool, name, prefix)):  # type: ignore[misc]
                _check_room(files.folder)
                files.write_chunk(len(parts), encode(chunk))
                parts.append(part)
                if self._ending.wait((time.thread_time() - begun) * REST):
                    raise ExportError(_STOPS)
                begun = time.thread_time()
        if len(parts) > SNAPSHOT_PARTS_MAX:
            msg = f"snapshot: expected at most {SNAPSHOT_PARTS_MAX} chunks, the state has {len(parts)}"
            raise ExportError(msg)
        manifest = Manifest(self._certificate, self._frontier, tuple(parts))
        verify_manifest(manifest)
        spool.close()
        shutil.rmtree(files.folder / "spool", ignore_errors=True)
        files.write_target(Target(manifest, ()))
        self._shelf.finish(self.height)
        return manifest


def _contract_of(key: bytes) -> str:
    return key.partition(b"\x00")[0].decode()


def _spool_key(key: bytes) -> bytes:
    return b"%b\x00%b" % (key.partition(b"\x00")[0], path_of(key).hex().encode())


def _scan(spool: KeyValueStore, contract: str, prefix: str) -> Iterator[Entry]:
    for _, value in spool.scan(f"{contract}\x00{prefix}".encode()):
        yield decode(value, tuple[bytes, bytes], ENTRY_BYTES_MAX)


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        msg = f"snapshot: expected {FREE_BYTES_MIN} bytes free on the disk, got {free}"
        raise ExportError(msg)
