"""How a node's store is replaced by one made from a snapshot: built beside it, and put in its place by one decision.

    store/           what the node runs on
    sync/chunks/     the snapshot that is being taken: its target and chunks (`nodes.storage.snapshots`)
    sync/store/      the new store, while it is built from them
    sync/complete    its existence is the decision: it is written, synced, when the new store is whole
    base/            afterwards: the snapshot's files, from which the chain can be executed again

Before the decision a crash leaves the old store, and chunks that are verified again and used. After it, `finish` puts
everything in its place, and does so again if it is interrupted; so a node that starts finds the old store or the new
one. The old store's blocks go with it: what was before the snapshot is at other nodes.
"""

import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from ledger.blocks import BlockHeader, Commit
from ledger.errors import LedgerError, VerificationError
from ledger.genesis import Genesis
from ledger.restoration import restore
from ledger.snapshot import metadata_writes, verify_chunk, verify_manifest
from ledger.state_sync import Stored
from nodes.storage.blocks import BlockStore
from nodes.storage.errors import REMEDY_WRITE, StorageError, describe_os_error
from nodes.storage.files import make_folder, replace_synced, sync_folder
from nodes.storage.folder import open_store
from nodes.storage.snapshots import SnapshotFiles

SYNC_FOLDER, BASE_FOLDER, STORE_FOLDER = "sync", "base", "store"
_COMPLETE = "complete"


def taken_files(folder: Path) -> SnapshotFiles:
    """Return the files of the snapshot that a node is taking.

    Args:
        folder: The node's.
    """
    return SnapshotFiles(folder / SYNC_FOLDER / "chunks")


def base_files(folder: Path) -> SnapshotFiles:
    """Return the files of the snapshot that a node's store began from; none if it began from the genesis."""
    return SnapshotFiles(folder / BASE_FOLDER)


def read_stored(files: SnapshotFiles, ending: threading.Event) -> Stored | None:
    """Return what an interrupted sync has left, each chunk verified against its manifest; None if there is nothing.

    Args:
        files: Of the snapshot that was being taken.
        ending: Set when the node stops: what was not read by then does not count.
    """
    target = files.target()
    if target is None:
        return None
    indexes = set()
    for index, part in enumerate(target.manifest.parts):
        if ending.is_set():
            break
        data = files.chunk(index)
        try:
            if data is not None:
                verify_chunk(part, data)
                indexes.add(index)
        except LedgerError:
            continue
    return Stored(target.manifest, target.steps, frozenset(indexes))


class AdoptionCancelledError(LedgerError):
    """The node stops before the new store was whole; its next start goes on with the chunks."""


def build_store(
    folder: Path, genesis: Genesis, earlier: Iterable[tuple[BlockHeader, Commit]], ending: threading.Event
) -> None:
    """Build the new store from the chunks that were taken, check its roots, and decide to use it.

    Args:
        folder: The node's.
        genesis: The chain's.
        earlier: Certificates of changes of the validator set that the old store has: who asks for the way gets it.
        ending: Set when the node stops.

    Raises:
        AdoptionCancelledError: If the node stops: nothing is adopted.
        VerificationError: If a chunk has changed on the disk, or the roots are not the header's: nothing is adopted.
        StorageError: If the disk refuses: nothing is adopted.
    """
    files = taken_files(folder)
    target = files.target()
    place = folder / SYNC_FOLDER / STORE_FOLDER
    _remove(place)
    if target is None:
        msg = "snapshot: its target is gone"
        raise VerificationError(msg)
    manifest = target.manifest
    store = open_store(place)
    try:
        blocks = BlockStore(store, genesis.chain_id, genesis.hash)
        for part_writes in restore(manifest, files.chunk, blocks.state):
            if ending.is_set():
                msg = "snapshot: the node stops while the new store is built"
                raise AdoptionCancelledError(msg)
            store.write(part_writes)
        steps = (*target.steps, manifest.certificate)
        certificates = {header.height: (header, commit) for header, commit in earlier}
        certificates |= {step.header.height: (step.header, step.commit) for step in steps}
        writes = metadata_writes(genesis.hash, manifest, verify_manifest(manifest))
        blocks.adopt(manifest.header.height, writes, certificates.values())
    finally:
        store.close()
    replace_synced(folder / SYNC_FOLDER / _COMPLETE, b"")


def finish(folder: Path) -> bool:
    """Put a store that was decided for in its place; returns whether there was one.

    To be called while nothing in the folder is open: at the start, and after a sync.

    Raises:
        StorageError: If the disk refuses; a later call goes on.
    """
    sync = folder / SYNC_FOLDER
    if not (sync / _COMPLETE).exists():
        return False
    try:
        if (sync / STORE_FOLDER).exists():
            if (folder / STORE_FOLDER).exists():
                _remove(sync / "old")
                (folder / STORE_FOLDER).replace(sync / "old")
            (sync / STORE_FOLDER).replace(folder / STORE_FOLDER)
        if (sync / "chunks").exists():
            _remove(folder / BASE_FOLDER)
            (sync / "chunks").replace(folder / BASE_FOLDER)
        sync_folder(folder)
        _remove(sync / "old")
        (sync / _COMPLETE).unlink()
        _remove(sync)
        sync_folder(folder)
    except OSError as error:
        raise _refused(folder, error) from error
    return True


def make_sync_folder(folder: Path) -> None:
    """Make the folder in which a snapshot is taken."""
    make_folder(folder / SYNC_FOLDER)


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(folder: Path, error: OSError) -> StorageError:
    return StorageError(folder, f"cannot put the new store in its place: {describe_os_error(error)}", REMEDY_WRITE)
