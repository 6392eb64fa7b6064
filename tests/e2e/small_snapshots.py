"""A node as `nodes.process` runs it, but with snapshots every few blocks, in many chunks, taken by whoever is near."""

import sys

from ledger import snapshot
from nodes.network.syncing import SnapshotPolicy
from nodes.process import main

if __name__ == "__main__":
    setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)  # noqa: B010 - a constant for everybody else
    sys.exit(main(SnapshotPolicy(every_heights=10, behind_heights=500)))
