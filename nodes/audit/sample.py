"""A sample of an insurer's claims that nobody chose: drawn from the register by a seed, with a proof of the count.

Claims are numbered per insurer from 0 without a gap, and the count is an entry of the state. So the file shows how
many claims there are, that there is none after the last, and which claims have the numbers that the seed draws:

    number i     SHA-256 (tag, chain, insurer, seed, count of claims, i) modulo the count; one drawn before is skipped

Whoever verifies draws again and compares. What it cannot show is where the seed came from. A seed that the insurer
could choose, or try out, chooses the sample; so agree on it beforehand: the hash of the header of a height that is
still to come, say, and on who draws at which height, because the count goes into the draw.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from contracts.settlements import RegisterHead, RegisterRow
from ledger.codec import ChainId, Hash, Name, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.execution.state import encode_key
from ledger.state_multiproof import StateMultiProof, verify_many
from nodes.audit.dossier import CERTIFICATES_MAX, Certificate
from nodes.audit.evidence import founding_entry
from nodes.audit.expectation import expect, expect_canonical
from nodes.audit.trust import Ground, Trust, check_ground
from nodes.schemas.canonical_json import parse

SAMPLE_FORMAT: Literal["xinpei-sample/1"] = "xinpei-sample/1"
SAMPLE_CLAIMS_MAX = 1_000
SEED_CHARACTERS_MAX = 200


class Sample(Struct):
    """Some of one insurer's claims."""

    format: Literal["xinpei-sample/1"]
    chain_id: ChainId
    genesis_hash: Hash
    insurer: Name
    seed: Annotated[str, Meta(min_length=1, max_length=SEED_CHARACTERS_MAX)]
    asked: Annotated[int, Meta(ge=1, le=SAMPLE_CLAIMS_MAX)]
    """How many were to be drawn; all claims are drawn if there are no more."""
    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]
    head: RegisterHead
    """How many claims there are."""
    rows: Annotated[tuple[RegisterRow, ...], Meta(max_length=SAMPLE_CLAIMS_MAX)]
    """The claims of the drawn numbers, in their order."""
    proof: StateMultiProof


@dataclass(frozen=True)
class VerifiedSample:
    """What a sample's file proved; made by `verify_sample` only."""

    sample: Sample
    numbers: tuple[int, ...]
    """The drawn numbers, ascending; those of the sample's rows."""
    ground: Ground
    """As of which height and time, and what that rests on."""


def draw_numbers(chain_id: str, insurer: str, seed: str, count: int, asked: int) -> tuple[int, ...]:
    """Return the numbers that a seed draws, ascending.

    Args:
        chain_id: The chain.
        insurer: Whose register.
        seed: Any text.
        count: How many claims the register has.
        asked: How many to draw.
    """
    if count <= asked:
        return tuple(range(count))
    drawn: set[int] = set()
    turn = 0
    while len(drawn) < asked:
        digest = hash_tagged("xinpei/sample/v1", encode((chain_id, insurer, seed, count, turn)))
        drawn.add(int.from_bytes(digest) % count)
        turn += 1
    return tuple(sorted(drawn))


def list_sample_entries(
    insurer: str, head: RegisterHead, numbers: tuple[int, ...], rows: tuple[RegisterRow, ...]
) -> dict[bytes, bytes | None]:
    """Return the state entries that a sample's file states, the absence after the last claim among them."""
    entries: dict[bytes, bytes | None] = {
        encode_key("registers", "register_heads", insurer): encode(head) if head.count else None,
        encode_key("registers", "register", (insurer, head.count)): None,
    }
    for number, row in zip(numbers, rows, strict=True):
        entries[encode_key("registers", "register", (insurer, number))] = encode(row)
    return entries


def verify_sample(data: bytes, trust: Trust) -> VerifiedSample:
    """Check everything about a sample's file.

    Args:
        data: The file.
        trust: What the verifier begins with.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    with expect_canonical():
        sample = parse(data, Sample)
    ground = check_ground(trust, sample.chain_id, sample.genesis_hash, sample.certificates)
    numbers = draw_numbers(sample.chain_id, sample.insurer, sample.seed, sample.head.count, sample.asked)
    expect("claims drawn", len(numbers), len(sample.rows))
    entries = list_sample_entries(sample.insurer, sample.head, numbers, sample.rows)
    verify_many(ground.header.state_root, entries | founding_entry(sample.genesis_hash), sample.proof)
    return VerifiedSample(sample, numbers, ground)
