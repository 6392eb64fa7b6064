"""Builds reports' and samples' files at a node, from its latest state."""

from typing import TypeVar

from contracts.reports import YearReport
from contracts.settlements import RegisterHead, RegisterRow
from contracts.totals import YearHead, YearTotal
from ledger.application import Application
from ledger.codec import decode
from ledger.execution.state import Key, encode_key
from ledger.state_multiproof import StateMultiProof, join_proofs
from nodes.audit.collect import Blocks, CollectionError, collect_certificates
from nodes.audit.evidence import founding_entry
from nodes.audit.sample import SAMPLE_FORMAT, Sample, draw_numbers, list_sample_entries
from nodes.audit.yearly_report import REPORT_FORMAT, CurrencySection, YearlyReport, list_report_entries

V = TypeVar("V")


def collect_report(application: Application, blocks: Blocks, insurer: str, year: int) -> YearlyReport:
    """Return the file of a published report as of the latest committed height.

    Raises:
        CollectionError: If the year has no totals, or not all of it is published, or there is no block yet.
    """
    head = _find(application, "registers", "years", (insurer, year), YearHead)
    if head is None:
        msg = f"{insurer} {year}: nothing was paid up to height {application.height}"
        raise CollectionError(msg)
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


def collect_sample(application: Application, blocks: Blocks, insurer: str, seed: str, asked: int) -> Sample:
    """Return the file of a sample as of the latest committed height.

    Args:
        application: The state.
        blocks: The node's blocks.
        insurer: Whose claims.
        seed: What draws.
        asked: How many claims.

    Raises:
        CollectionError: If there is no block yet.
    """
    head = _find(application, "registers", "register_heads", insurer, RegisterHead) or RegisterHead(0)
    numbers = draw_numbers(application.genesis.chain_id, insurer, seed, head.count, asked)
    rows = tuple(_numbered(application, insurer, number) for number in numbers)
    return Sample(
        SAMPLE_FORMAT,
        application.genesis.chain_id,
        application.genesis.hash,
        insurer,
        seed,
        asked,
        collect_certificates(application, blocks),
        head,
        rows,
        _prove(application, list_sample_entries(insurer, head, numbers, rows)),
    )


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
