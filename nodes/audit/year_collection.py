"""Builds reports' and samples' files at a node, from its latest state and its blocks."""

from typing import TypeVar

from contracts.reports import YearReport
from contracts.settlements import RegisterRow
from contracts.totals import YearHead, YearTotal
from ledger import merkle
from ledger.application import Application
from ledger.blocks import BlockHeader
from ledger.codec import decode
from ledger.execution.state import Key, encode_key
from ledger.membership import Actor
from ledger.state_multiproof import StateMultiProof, join_proofs
from nodes.audit.collect import Blocks, CollectionError, collect_certificates
from nodes.audit.evidence import founding_entry
from nodes.audit.sample import (
    DRAW_HEADERS_MAX,
    SAMPLE_FORMAT,
    Sample,
    draw_numbers,
    draws,
    find_last,
    list_sample_entries,
)
from nodes.audit.yearly_report import REPORT_FORMAT, CurrencySection, YearlyReport, list_report_entries

V = TypeVar("V")


def collect_report(application: Application, blocks: Blocks, insurer: str, year: int) -> YearlyReport:
    """Return the file of a published report as of the latest committed height.

    Raises:
        CollectionError: If the year has no totals, or not all of it is published, or there is no block yet.
    """
    head = _find_year(application, insurer, year)
    sections = tuple(_section(application, insurer, year, currency) for currency in head.currencies)
    entries = list_report_entries(insurer, year, head, sections)
    return YearlyReport(
        REPORT_FORMAT,
        application.genesis.chain_id,
        application.genesis.hash,
        insurer,
        year,
        collect_certificates(application, blocks),
        head,
        sections,
        _prove(application, entries),
    )


def list_hashes(application: Application, blocks: Blocks, known: list[bytes] | None = None) -> list[bytes]:
    """Return the hashes of the genesis and of every block that is here, by height.

    Args:
        application: Knows the genesis.
        blocks: The node's blocks. Reading them is safe while others are appended.
        known: The first of these hashes, so that the rest alone is read.

    Raises:
        CollectionError: If the node does not have the first blocks.
    """
    if blocks.first_height > 1:
        msg = f"the first block here has height {blocks.first_height}: ask a node that has all blocks"
        raise CollectionError(msg)
    hashes = list(known or [application.genesis.hash])
    while (commit := blocks.commit(len(hashes))) is not None:
        hashes.append(commit.block_hash)
    return hashes


def collect_sample(
    application: Application, blocks: Blocks, insurer: str, year: int, asked: int, hashes: list[bytes] | None = None
) -> Sample:
    """Return the file of a sample as of the latest committed height.

    Args:
        application: The state.
        blocks: The node's blocks.
        insurer: Whose claims.
        year: Of the report whose publication settled the draw.
        asked: How many claims.
        hashes: What `list_hashes` returned before, if it did: reading all takes time.

    Raises:
        CollectionError: If the year is not published in all its currencies, the block that draws is not there yet, or
            this node does not have the first blocks.
    """
    head = _find_year(application, insurer, year)
    reports = tuple(_section(application, insurer, year, currency).report for currency in head.currencies)
    last = find_last(reports)
    headers, proposers = _find_drawing(application, blocks, insurer, last.place.height)
    drawing = headers[-1]
    leaves = [merkle.leaf_hash(item) for item in list_hashes(application, blocks, hashes)[: application.height]]
    is_latest = drawing.height == application.height
    numbers = draw_numbers(application.genesis.chain_id, insurer, year, drawing.hash, last.registered, asked)
    rows = {number: _numbered(application, insurer, number) for number in numbers}
    return Sample(
        SAMPLE_FORMAT,
        application.genesis.chain_id,
        application.genesis.hash,
        insurer,
        year,
        asked,
        collect_certificates(application, blocks),
        head,
        reports,
        headers,
        () if is_latest else merkle.inclusion_proof(leaves, drawing.height),
        proposers,
        tuple(rows.values()),
        _prove(application, list_sample_entries((insurer, year), head, reports, proposers, rows)),
    )


def _find_drawing(
    application: Application, blocks: Blocks, insurer: str, published: int
) -> tuple[tuple[BlockHeader, ...], tuple[Actor, ...]]:
    """Return the headers from a report's block to the one that draws, without the first, and who proposed them."""
    headers: list[BlockHeader] = []
    actors: dict[str, Actor] = {}
    while len(headers) < DRAW_HEADERS_MAX:
        block = blocks.block(published + 1 + len(headers))
        if block is None:
            msg = (
                f"the report is of height {published}: the first block after it that neither {insurer} nor a regulator "
                "proposes draws, and there is none yet; any transaction makes one"
            )
            raise CollectionError(msg)
        headers.append(block.header)
        proposer = _find(application, "membership", "actors", block.header.proposer, Actor)
        assert proposer is not None, "who proposes is or was a member"
        actors[proposer.name] = proposer
        if draws(insurer, proposer):
            return tuple(headers), tuple(actors[name] for name in sorted(actors))
    msg = f"none of {DRAW_HEADERS_MAX} blocks after the report's was proposed by anybody but {insurer} and regulators"
    raise CollectionError(msg)


def _find_year(application: Application, insurer: str, year: int) -> YearHead:
    head = _find(application, "registers", "years", (insurer, year), YearHead)
    if head is None:
        msg = f"{insurer} {year}: nothing was paid up to height {application.height}"
        raise CollectionError(msg)
    return head


def _section(application: Application, insurer: str, year: int, currency: str) -> CurrencySection:
    key = (insurer, year, currency)
    total = _find(application, "registers", "totals", key, YearTotal)
    report = _find(application, "reports", "reports", key, YearReport)
    if total is None or report is None:
        msg = f"{insurer} {year}: its report in {currency} is not published up to height {application.height}"
        raise CollectionError(msg)
    return CurrencySection(total, report)


def _numbered(application: Application, insurer: str, number: int) -> RegisterRow:
    row = _find(application, "registers", "register", (insurer, number), RegisterRow)
    assert row is not None, "claims are numbered without a gap"
    return row


def _find(application: Application, contract: str, table: str, key: Key, kind: type[V]) -> V | None:
    value = application.read(encode_key(contract, table, key))
    return None if value is None else decode(value, kind)


def _prove(application: Application, entries: dict[bytes, bytes | None]) -> StateMultiProof:
    stated = entries | founding_entry(application.genesis.hash)
    proven = {key: (value, application.prove(key)) for key, value in stated.items()}
    return join_proofs(application.roots, proven)
