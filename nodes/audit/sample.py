"""A sample of an insurer's claims that neither the insurer nor an auditor chose: a later block draws it.

Claims are numbered per insurer from 0 without a gap, and a yearly report says how many there were when it was
published. From its publication on it is settled which claims can be drawn, and which block draws:

    the drawing block    the first one after the report's that neither the insurer nor a regulator proposed
    number i             SHA-256 (tag, chain, insurer, year, hash of the drawing block, i) modulo the count of claims;
                         one drawn before is skipped, so whoever asks for more gets the same claims and further ones

The hash covers the report, because every block names the one before it, and it covers what the proposer put into the
block and its clock. So nobody knows the draw when the report is published, and nobody draws again.

What it cannot show: that whoever proposed the drawing block did not try contents until the draw suited somebody. That
takes a third party that helps, who sees the report first and has the seconds of one turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from contracts.calendar import Year
from contracts.reports import YearReport
from contracts.settlements import RegisterRow
from contracts.totals import YearHead
from ledger.blocks import BlockHeader
from ledger.codec import ChainId, Hash, Name, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import VerificationError
from ledger.execution.state import encode_key
from ledger.light_client import verify_history
from ledger.membership import Actor
from ledger.state_multiproof import StateMultiProof, verify_many
from nodes.audit.dossier import CERTIFICATES_MAX, Certificate
from nodes.audit.evidence import founding_entry
from nodes.audit.expectation import expect, expect_canonical
from nodes.audit.trust import Ground, Trust, check_ground
from nodes.audit.yearly_report import CURRENCIES_MAX
from nodes.schemas.canonical_json import parse

SAMPLE_FORMAT: Literal["xinpei-sample/2"] = "xinpei-sample/2"
SAMPLE_CLAIMS_MAX = 1_000
DRAW_HEADERS_MAX = 64
"""Blocks from the report's to the drawing one: so many in a row by insurer and regulators, and nobody else votes."""
HISTORY_HASHES_MAX = 64


class Sample(Struct):
    """Some of one insurer's claims."""

    format: Literal["xinpei-sample/2"]
    chain_id: ChainId
    genesis_hash: Hash
    insurer: Name
    year: Year
    """Of the published report, in all of its currencies."""
    asked: Annotated[int, Meta(ge=1, le=SAMPLE_CLAIMS_MAX)]
    """How many were to be drawn; all claims are drawn if there are no more."""
    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]
    head: YearHead
    reports: Annotated[tuple[YearReport, ...], Meta(min_length=1, max_length=CURRENCIES_MAX)]
    """One for each of the head's currencies; the last one published says how many claims there are."""
    headers: Annotated[tuple[BlockHeader, ...], Meta(min_length=1, max_length=DRAW_HEADERS_MAX)]
    """From the block after the last report to the drawing one."""
    history: Annotated[tuple[Hash, ...], Meta(max_length=HISTORY_HASHES_MAX)]
    """That the drawing block is one of the certified header's chain; empty if it is that header."""
    proposers: Annotated[tuple[Actor, ...], Meta(min_length=1, max_length=DRAW_HEADERS_MAX)]
    """Who proposed these blocks, by name."""
    rows: Annotated[tuple[RegisterRow, ...], Meta(max_length=SAMPLE_CLAIMS_MAX)]
    """The claims of the drawn numbers, in their order."""
    proof: StateMultiProof


@dataclass(frozen=True)
class VerifiedSample:
    """What a sample's file proved; made by `verify_sample` only."""

    sample: Sample
    numbers: tuple[int, ...]
    """The drawn numbers, ascending; those of the sample's rows."""
    count: int
    """How many claims could be drawn."""
    ground: Ground
    """As of which height and time, and what that rests on."""


def draw_numbers(chain_id: str, insurer: str, year: int, block_hash: bytes, count: int, asked: int) -> tuple[int, ...]:
    """Return the numbers that a block draws, ascending.

    Args:
        chain_id: The chain.
        insurer: Whose register.
        year: Of which report.
        block_hash: Of the drawing block.
        count: How many claims can be drawn.
        asked: How many to draw.
    """
    if count <= asked:
        return tuple(range(count))
    drawn: set[int] = set()
    turn = 0
    while len(drawn) < asked:
        digest = hash_tagged("xinpei/sample/v2", encode((chain_id, insurer, year, block_hash, turn)))
        drawn.add(int.from_bytes(digest) % count)
        turn += 1
    return tuple(sorted(drawn))


def find_last(reports: Iterable[YearReport]) -> YearReport:
    """Return the report that was published last: with it the year is complete."""
    return max(reports, key=lambda report: (report.place.height, report.place.index))


def draws(insurer: str, proposer: Actor) -> bool:
    """Whether a member's block can draw: it is neither the insurer nor a regulator."""
    return proposer.name != insurer and proposer.role != "regulator"


def list_sample_entries(
    key: tuple[str, int],
    head: YearHead,
    reports: tuple[YearReport, ...],
    proposers: tuple[Actor, ...],
    rows: dict[int, RegisterRow],
) -> dict[bytes, bytes | None]:
    """Return the state entries that a sample's file states.

    Args:
        key: Insurer and year.
        head: The year's currencies.
        reports: One for each.
        proposers: Of the blocks up to the drawing one.
        rows: The drawn claims, by number.
    """
    entries: dict[bytes, bytes | None] = {encode_key("registers", "years", key): encode(head)}
    for currency, report in zip(head.currencies, reports, strict=True):
        entries[encode_key("reports", "reports", (*key, currency))] = encode(report)
    for actor in proposers:
        entries[encode_key("membership", "actors", actor.name)] = encode(actor)
    for number, row in rows.items():
        entries[encode_key("registers", "register", (key[0], number))] = encode(row)
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
    expect("reports", len(sample.head.currencies), len(sample.reports))
    last = find_last(sample.reports)
    _check_draw(sample, last.place.height, ground.header)
    drawing, count = sample.headers[-1], last.registered
    numbers = draw_numbers(sample.chain_id, sample.insurer, sample.year, drawing.hash, count, sample.asked)
    expect("claims drawn", len(numbers), len(sample.rows))
    rows = dict(zip(numbers, sample.rows, strict=True))
    key = (sample.insurer, sample.year)
    entries = list_sample_entries(key, sample.head, sample.reports, sample.proposers, rows)
    verify_many(ground.header.state_root, entries | founding_entry(sample.genesis_hash), sample.proof)
    return VerifiedSample(sample, numbers, count, ground)


def _check_draw(sample: Sample, published: int, latest: BlockHeader) -> None:
    """Check that a file's headers lead from the report's block to the drawing one, and that this is of the chain."""
    headers = sample.headers
    heights = [header.height for header in headers]
    expect("heights up to the drawing block", list(range(published + 1, published + 1 + len(headers))), heights)
    for before, after in pairwise(headers):
        expect(f"parent of block {after.height}", before.hash, after.parent_hash)
    drawing = headers[-1]
    if drawing.height == latest.height:
        expect(f"block {drawing.height}", latest.hash, drawing.hash)
        expect("history", (), sample.history)
    else:
        verify_history(latest, drawing.height, drawing.hash, sample.history)
    names = sorted({header.proposer for header in headers})
    expect("proposers", names, [actor.name for actor in sample.proposers])
    actors = {actor.name: actor for actor in sample.proposers}
    for header in headers:
        if draws(sample.insurer, actors[header.proposer]) != (header is drawing):
            msg = (
                f"block {header.height}: the first block after the report's that neither {sample.insurer} nor a "
                f"regulator proposed draws; {header.proposer} proposed this one"
            )
            raise VerificationError(msg)
