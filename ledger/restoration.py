"""How a state is built anew from the chunks of a snapshot: entries and tree nodes part by part, its root at the end.

Each chunk is verified once more, since it comes from a disk, and the roots of what was built must be those that the
certified header has. Whoever drives this writes into a store of its own and uses it when all parts are there.
"""

from collections.abc import Callable, Iterator

from ledger import state_tree
from ledger.errors import VerificationError
from ledger.execution.store import NODES, STATE
from ledger.snapshot import Manifest, verify_chunk, verify_manifest
from ledger.state_tree import NodeReader, StateRoots


def restore(
    manifest: Manifest, chunk: Callable[[int], bytes | None], nodes: NodeReader
) -> Iterator[dict[bytes, bytes | None]]:
    """Yield what is to be written for each part of a snapshot: keys under `s/` and `n/`.

    Args:
        manifest: Certified.
        chunk: Returns the stored bytes of a part by its place, or None.
        nodes: What was written so far; each batch is written before the next is asked for.

    Raises:
        VerificationError: If a chunk is not its part's, or the whole has other roots than the header says.
        DecodeError: If a chunk is none, or missing.
    """
    expected = verify_manifest(manifest)
    roots = StateRoots()
    for index, part in enumerate(manifest.parts):
        entries = verify_chunk(part, chunk(index) or b"").entries
        update = state_tree.update(nodes, roots, dict(entries))
        roots = update.roots
        writes: dict[bytes, bytes | None] = {STATE + key: value for key, value in entries}
        writes.update((NODES + key, node) for key, node in update.node_writes.items())
        yield writes
    if roots != expected:
        msg = f"snapshot {manifest.header.height}: the rebuilt state has root {roots.root.hex()}"
        raise VerificationError(msg)
