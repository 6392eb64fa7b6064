"""What passes between a node that takes a snapshot and those that give it: questions and their answers.

    OfferRequest(height)     -> OfferFrame      the next changes of the validator set above that height, asked for again
                                                from the last of them; at the end of the way the manifest
    ChunkRequest             -> ChunkFrame      one chunk, or nothing if it is not here
    a status of a height     -> BlocksAbsent    the blocks that it asks for are not here

No I/O: whoever drives a node sends these, and answers from its own store. All of it is hearsay until
`ledger.state_sync` has verified it.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

from msgspec import Meta

from ledger.blocks import BlockHeader, Commit
from ledger.codec import Hash, Height, Struct
from ledger.light_client import WalkStep
from ledger.limits import SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_PARTS_MAX, WALK_STEPS_MAX
from ledger.membership import ValidatorSet
from ledger.snapshot import Manifest

PartIndex = Annotated[int, Meta(ge=0, lt=SNAPSHOT_PARTS_MAX)]


class OfferRequest(Struct, tag="offer-request"):
    """Asks which snapshot above a height the receiver has, and for the way there."""

    height: Height
    """The last header that the asking node has verified itself; 0 for the genesis."""


class OfferFrame(Struct, tag="offer"):
    """The answer to an `OfferRequest`."""

    manifest: Manifest | None
    """None with steps: ask again from the last one's height. None without: there is no such snapshot here."""
    steps: Annotated[tuple[WalkStep, ...], Meta(max_length=WALK_STEPS_MAX)]
    """Changes of the validator set above that height and below the snapshot's, in order."""


class ChunkRequest(Struct, tag="chunk-request"):
    """Asks for one chunk of a snapshot."""

    snapshot_id: Hash
    index: PartIndex


class ChunkFrame(Struct, tag="chunk"):
    """The answer to a `ChunkRequest`."""

    snapshot_id: Hash
    index: PartIndex
    data: Annotated[bytes, Meta(max_length=SNAPSHOT_CHUNK_BYTES_MAX)]
    """An encoded chunk (`ledger.snapshot`); empty if it is not here, or no more."""


class BlocksAbsent(Struct, tag="blocks-absent"):
    """The answer to a status of a height whose blocks the sender does not have."""

    first_height: Height
    """The first one that it has."""


SnapshotFrame = OfferRequest | OfferFrame | ChunkRequest | ChunkFrame | BlocksAbsent


def answer_offer(
    height: int,
    newest: Manifest | None,
    validator_sets: Iterable[tuple[int, ValidatorSet]],
    certificate: Callable[[int], tuple[BlockHeader, Commit] | None],
) -> OfferFrame:
    """Return the next steps of the way, or at its end the snapshot: together they might not fit into a frame.

    Args:
        height: What the other has verified.
        newest: The latest snapshot that is here, if there is one.
        validator_sets: Every set of the chain after the genesis' with the first height it votes on.
        certificate: Returns header and commit of a height, or None if they are not here.
    """
    if newest is None or newest.header.height <= height:
        return OfferFrame(None, ())
    steps: list[WalkStep] = []
    for since, voters in validator_sets:
        if not height < since - 1 < newest.header.height:
            continue
        found = certificate(since - 1)
        if found is None:
            return OfferFrame(None, ())
        steps.append(WalkStep(*found, voters))
        if len(steps) == WALK_STEPS_MAX:
            break
    return OfferFrame(None, tuple(steps)) if steps else OfferFrame(newest, ())
