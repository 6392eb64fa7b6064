"""The files of snapshots: one folder for each, a target and its chunks, as they go over the wire.

    target         which snapshot it is: its manifest, and the changes of the validator set on the way to it
    000000.chunk   the encoded chunks, by their place among the manifest's parts

A node has three kinds of them, all in folders of its own: snapshots that it serves, the one that it is taking, and the
one that its store began from (`nodes.storage.adoption`). Each file is replaced as a whole. What is read back here is
not believed: whoever reads a chunk verifies it against the manifest, and a manifest against a certified header.
"""

import shutil
from pathlib import Path

from ledger.codec import Struct, decode, encode
from ledger.errors import DecodeError
from ledger.light_client import WalkStep
from ledger.snapshot import Manifest
from nodes.storage.errors import REMEDY_WRITE, StorageError, describe_os_error
from nodes.storage.files import make_folder, read_whole, replace_synced, sync_folder

_TARGET_BYTES_MAX = 2**31
KEPT = 2
"""Snapshots that are served: who began with the older one can end with it while there is a newer one."""


class Target(Struct):
    """Which snapshot a folder holds."""

    manifest: Manifest
    steps: tuple[WalkStep, ...]
    """The changes of the validator set from where its reader trusts; empty in a folder that is only served."""


class SnapshotFiles:
    """One snapshot's folder."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, there or not."""
        self.folder = folder

    def begin(self) -> None:
        """Begin anew with no chunks; it is no snapshot before its target is written.

        Raises:
            StorageError: If the disk refuses.
        """
        self.remove()
        make_folder(self.folder)

    def write_target(self, target: Target) -> None:
        """Say which snapshot this is.

        Raises:
            StorageError: If the disk refuses.
        """
        replace_synced(self.folder / "target", encode(target))

    def target(self) -> Target | None:
        """Return which snapshot this is; None if there is none, or none that this program can read."""
        data = read_whole(self.folder / "target")
        if data is None:
            return None
        try:
            return decode(data, Target, _TARGET_BYTES_MAX)
        except DecodeError:
            return None

    def write_chunk(self, index: int, data: bytes) -> None:
        """Store a chunk.

        Raises:
            StorageError: If the disk refuses.
        """
        replace_synced(self._path(index), data)

    def chunk(self, index: int) -> bytes | None:
        """Return a chunk's bytes, or None."""
        return read_whole(self._path(index))

    def remove(self) -> None:
        """Delete everything; the target goes first, so that a crash leaves no snapshot with holes.

        Raises:
            StorageError: If the disk refuses.
        """
        try:
            (self.folder / "target").unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            problem = f"cannot be removed: {describe_os_error(error)}"
            raise StorageError(self.folder, problem, REMEDY_WRITE) from error

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.chunk"


class SnapshotShelf:
    """The snapshots that a node serves, by height; the two newest are kept."""

    def __init__(self, folder: Path) -> None:
        """Look what is there; a snapshot that was not finished is removed.

        Args:
            folder: Made when the first snapshot is.

        Raises:
            StorageError: If what is left over cannot be removed.
        """
        self.folder = folder
        for left in folder.glob("*.new"):
            SnapshotFiles(left).remove()

    def heights(self) -> list[int]:
        """Return the heights of the snapshots, the newest first."""
        return sorted((int(item.name) for item in self.folder.glob("*") if item.name.isdecimal()), reverse=True)

    def get(self, height: int) -> SnapshotFiles:
        """Return a snapshot's files."""
        return SnapshotFiles(self.folder / f"{height:016d}")

    def make(self, height: int) -> SnapshotFiles:
        """Return the folder to write a snapshot into; it is none before `finish`."""
        make_folder(self.folder)
        return SnapshotFiles(self.folder / f"{height:016d}.new")

    def finish(self, height: int) -> None:
        """Put a written snapshot on the shelf and remove those that are too old.

        Raises:
            StorageError: If the disk refuses.
        """
        made = self.make(height).folder
        try:
            made.replace(self.get(height).folder)
            sync_folder(self.folder)
        except OSError as error:
            problem = f"cannot be renamed: {describe_os_error(error)}"
            raise StorageError(made, problem, REMEDY_WRITE) from error
        for old in self.heights()[KEPT:]:
            self.get(old).remove()
