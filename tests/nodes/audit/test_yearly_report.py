"""The files of a yearly report and of a sample: offline, whole, and refused for anything that the chain has not."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.settlements import RegisterRow
from contracts.totals import Group, YearHead, disclosure_context
from ledger.blocks import BlockHeader
from ledger.crypto.totals import prove_total
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis
from ledger.merkle import inclusion_proof, leaf_hash
from nodes.audit.collect import CollectionError
from nodes.audit.sample import Sample, draw_numbers, verify_sample
from nodes.audit.trust import Trust
from nodes.audit.year_collection import collect_report, collect_sample, list_hashes
from nodes.audit.year_summary import render_report, render_sample, summarise_report, summarise_sample
from nodes.audit.yearly_report import CurrencySection, YearlyReport, verify_report
from nodes.schemas.canonical_json import render
from nodes.schemas.notation import write_yuan
from tests.contracts.books import INSURER, Books
from tests.contracts.consortium import CHAIN_ID
from tests.nodes.audit.chain import AuditedChain


@dataclass(frozen=True)
class Year:
    """A chain with 2026 published: 12 claims in January and 13 later; and what its insurer knows."""

    chain: AuditedChain
    books: Books
    report: YearlyReport
    sample: Sample

    @property
    def genesis(self) -> Genesis:
        return self.chain.genesis


@pytest.fixture(scope="session")
def year(contract_set: ContractSet) -> Year:
    chain = AuditedChain(contract_set)
    books = Books(chain)
    books.pay(2026, 1, 12)
    books.pay(2026, 6, 13)
    books.settle()
    books.go_to(2027, 1)
    with pytest.raises(CollectionError, match="not published"):
        collect_report(chain.application, chain.blocks, INSURER, 2026)
    chain.do(books.publish(2026))
    report = collect_report(chain.application, chain.blocks, INSURER, 2026)
    for chain.proposer in ("regulator", INSURER, "hospital-b"):
        with pytest.raises(CollectionError, match="there is none yet"):
            collect_sample(chain.application, chain.blocks, INSURER, 2026, 5)
        chain.post()
    books.settle()
    return Year(chain, books, report, collect_sample(chain.application, chain.blocks, INSURER, 2026, 5))


def refused(report: YearlyReport, year: Year, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        verify_report(render(report), Trust(year.genesis))


def with_section(report: YearlyReport, change: Callable[[CurrencySection], CurrencySection]) -> YearlyReport:
    return replace(report, sections=(change(report.sections[0]), *report.sections[1:]))


# ------------------------------------------------------------------------------------------------- the report


def test_a_report_verifies_from_the_genesis_alone_and_says_what_was_paid(year: Year) -> None:
    verified = verify_report(render(year.report), Trust(year.genesis))
    paid = write_yuan(sum(figure.amount for figure in year.books.sums.values()))
    summary = summarise_report(verified)
    (found,) = summary["currencies"]
    assert (found["claims"], found["payments"], found["total"]) == (25, 25, paid)
    assert [(item["first_month"], item["last_month"], item["claims"]) for item in found["groups"]] == [
        (1, 1, 12),
        (2, 12, 13),
    ]
    lines = render_report(verified)
    assert f"  the year: {paid} CNY" in lines
    assert any(line.startswith("not proven: that each settlement was right") for line in lines)
    assert f"  全年合计 {paid} CNY" in render_report(verified, "zh")


def test_no_single_amount_and_no_blinding_is_in_the_file(year: Year) -> None:
    data = render(year.report)
    for figure in year.books.figures.values():
        assert figure.blinding.to_bytes(32, "little").hex().encode() not in data
        assert f'"total": {figure.amount}\n'.encode() not in data
    assert year.books.cases[0].customer.encode() not in data


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("added", [1, -1, 100])
def test_a_report_that_adds_a_minor_unit_is_refused(year: Year, place: int, added: int) -> None:
    def add(section: CurrencySection) -> CurrencySection:
        groups = list(section.report.groups)
        stated = groups[place].stated
        groups[place] = replace(groups[place], stated=replace(stated, total=stated.total + added))
        return replace(section, report=replace(section.report, groups=tuple(groups)))

    refused(with_section(year.report, add), year, "state proof: reports: expected root")


def test_a_report_that_leaves_a_claim_out_is_refused_whatever_is_changed_with_it(year: Year) -> None:
    """The insurer, who can prove any sum of its own, leaves a claim out of month, group, total and proof."""
    books = year.books
    left_out = books.figures[books.payment(0)]
    honest = year.report.sections[0]
    figure = books.sums[2026, 1].minus(left_out)
    month = replace(honest.total.months[0], claims=11, payments=11, paid=figure.point)
    group = Group(1, 1, month)
    context = disclosure_context(CHAIN_ID, INSURER, 2026, "CNY", group)
    proof = prove_total(figure.point, figure.amount, figure.blinding, context, hashlib.sha512(b"forged").digest())
    first = replace(honest.report.groups[0], group=group)
    first = replace(first, stated=replace(first.stated, total=figure.amount, proof=proof))
    forged_report = replace(honest.report, groups=(first, *honest.report.groups[1:]))
    forged_total = replace(honest.total, months=(month, *honest.total.months[1:]))
    forged = CurrencySection(forged_total, forged_report)
    refused(with_section(year.report, lambda _: forged), year, "registers: expected root")
    refused(
        with_section(year.report, lambda section: replace(section, total=forged_total)),
        year,
        "registers: expected root",
    )
    refused(
        with_section(year.report, lambda section: replace(section, report=forged_report)),
        year,
        "reports: expected root",
    )


def test_what_the_state_proof_would_let_through_the_totals_own_proofs_refuse(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validators that certified a wrong total would have to forge its proof too."""
    monkeypatch.setattr("nodes.audit.yearly_report.verify_many", lambda *_: None)
    verify_report(render(year.report), Trust(year.genesis))

    def add(section: CurrencySection) -> CurrencySection:
        first = section.report.groups[0]
        first = replace(first, stated=replace(first.stated, total=first.stated.total + 1))
        return replace(section, report=replace(section.report, groups=(first, *section.report.groups[1:])))

    refused(with_section(year.report, add), year, "CNY 2026 months 1 to 1: total")

    def join(section: CurrencySection) -> CurrencySection:
        return replace(section, report=replace(section.report, groups=section.report.groups[:1]))

    refused(with_section(year.report, join), year, r"groups: expected 1-1 \(12\), 2-12 \(13\).*got 1-1 \(12\)$")

    def reopen(section: CurrencySection) -> CurrencySection:
        return replace(section, total=replace(section.total, is_published=False))

    refused(with_section(year.report, reopen), year, "published")
    other = replace(year.report, year=2025)
    refused(other, year, "CNY 2025 report")


def test_no_currency_is_left_out_or_added(year: Year) -> None:
    refused(replace(year.report, head=YearHead(("CNY", "USD"))), year, "sections: expected 2, got 1")
    refused(replace(year.report, head=YearHead(("USD",))), year, "state proof")


def test_a_report_is_of_one_chain_and_a_checkpoint_must_be_in_it(year: Year) -> None:
    refused(replace(year.report, chain_id="other-chain"), year, "chain id")
    refused(replace(year.report, genesis_hash=bytes(32)), year, "genesis hash")
    data = render(year.report)
    verify_report(data, Trust(year.genesis, year.report.certificates[-1].header.hash))
    with pytest.raises(VerificationError, match="checkpoint"):
        verify_report(data, Trust(year.genesis, bytes(32)))


@given(st.integers(0, 2**20), st.integers(1, 255))
def test_no_byte_of_a_report_can_be_another(year: Year, place: int, flip: int) -> None:
    data = bytearray(render(year.report))
    data[place % len(data)] ^= flip
    with pytest.raises(VerificationError):
        verify_report(bytes(data), Trust(year.genesis))


def test_a_year_of_few_claims_says_so_and_opens_nothing(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    books = Books(chain)
    books.pay(2026, 3, 2)
    books.go_to(2027, 1)
    chain.do(books.publish(2026))
    report = collect_report(chain.application, chain.blocks, INSURER, 2026)
    verified = verify_report(render(report), Trust(chain.genesis))
    assert "  fewer than 10 claims: no amount is opened" in render_report(verified)
    assert summarise_report(verified)["currencies"][0]["total"] is None
    with pytest.raises(CollectionError, match="nothing was paid"):
        collect_report(chain.application, chain.blocks, "insurer-b", 2026)


def test_a_published_report_stays_true_after_returns(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    books = Books(chain)
    books.pay(2026, 2, 10)
    books.go_to(2027, 1)
    chain.do(books.publish(2026))
    before = collect_report(chain.application, chain.blocks, INSURER, 2026)
    chain.do(chain.pay(books.payment(0), "returned"))
    after = collect_report(chain.application, chain.blocks, INSURER, 2026)
    assert after.sections == before.sections
    for report in (before, after):
        verify_report(render(report), Trust(chain.genesis))


# ------------------------------------------------------------------------------------------------- the sample


def sample_refused(year: Year, forged: Sample, match: str | None = None) -> None:
    with pytest.raises(VerificationError, match=match):
        verify_sample(render(forged), Trust(year.genesis))


def test_a_sample_is_drawn_by_the_first_block_after_the_report_that_a_third_party_proposed(year: Year) -> None:
    verified = verify_sample(render(year.sample), Trust(year.genesis))
    (report,) = verified.sample.reports
    assert [header.proposer for header in verified.sample.headers] == ["regulator", INSURER, "hospital-b"]
    assert verified.sample.headers[0].height == report.place.height + 1
    assert (verified.count, len(verified.numbers)) == (26, 5), "what was settled since is not drawn from"
    assert len(year.books.cases) == 27
    summary = summarise_sample(verified)
    claims = [year.books.cases[number].claim_id for number in verified.numbers]
    assert [item["claim"] for item in summary["drawn"]] == claims
    assert summary["drawn_by"]["proposer"] == "hospital-b"
    assert summary["drawn_by"]["header"] in render_sample(verified)[1]
    assert "抽取 5 件" in render_sample(verified, "zh")[0]


def test_whoever_draws_later_or_more_gets_the_same_claims(year: Year) -> None:
    more = collect_sample(year.chain.application, year.chain.blocks, INSURER, 2026, 9)
    assert set(year.sample.rows) < set(more.rows)
    assert verify_sample(render(more), Trust(year.genesis)).numbers
    everything = collect_sample(year.chain.application, year.chain.blocks, INSURER, 2026, 1_000)
    assert [row.claim_id for row in everything.rows] == [case.claim_id for case in year.books.cases[:26]]


def test_a_sample_may_stand_on_its_drawing_block_itself(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    books = Books(chain)
    books.pay(2026, 3, 2)
    books.go_to(2027, 1)
    chain.do(books.publish(2026))
    chain.post()
    sample = collect_sample(chain.application, chain.blocks, INSURER, 2026, 1)
    assert sample.history == ()
    assert len(verify_sample(render(sample), Trust(chain.genesis)).numbers) == 1
    with pytest.raises(VerificationError, match="history"):
        verify_sample(render(replace(sample, history=(bytes(32),))), Trust(chain.genesis))
    with pytest.raises(CollectionError, match="nothing was paid"):
        collect_sample(chain.application, chain.blocks, "insurer-b", 2026, 1)


def test_another_block_count_or_claim_is_refused(year: Year) -> None:
    sample, (report,) = year.sample, year.sample.reports
    other = next(case.claim_id for case in year.books.cases if RegisterRow(case.claim_id) not in sample.rows)
    drawing = sample.headers[-1]
    later = year.chain.blocks.block(drawing.height + 1)
    assert later is not None
    sample_refused(year, in_history(year, (*sample.headers, later.header)), "hospital-b proposed this one")
    sample_refused(year, replace(sample, headers=sample.headers[:2]), "inclusion")
    sample_refused(year, replace(sample, headers=sample.headers[1:]), "heights up to the drawing block")
    ground = (*sample.headers[:2], replace(drawing, time_ms=drawing.time_ms + 1))
    sample_refused(year, replace(sample, headers=ground), "inclusion")
    sample_refused(year, replace(sample, headers=(sample.headers[0], drawing)), "heights up to the drawing block")
    early = replace(report, place=replace(report.place, height=report.place.height + 2))
    sample_refused(year, replace(sample, reports=(early,), headers=sample.headers[2:]), "proposers")
    fewer = replace(report, registered=25)
    for forged in (
        replace(sample, year=2025),
        replace(sample, reports=(fewer,)),
        replace(sample, reports=(early,), headers=(drawing,), proposers=sample.proposers[:1]),
        replace(sample, rows=(RegisterRow(other), *sample.rows[1:])),
        replace(sample, rows=sample.rows[::-1]),
        replace(sample, rows=sample.rows[1:]),
        replace(sample, asked=4),
        replace(sample, insurer="insurer-b"),
    ):
        sample_refused(year, forged)


def test_the_insurers_or_a_regulators_block_draws_under_no_other_name(year: Year) -> None:
    sample = year.sample
    actors = {actor.name: actor for actor in sample.proposers}
    renamed = replace(actors["regulator"], role="hospital")
    proposers = tuple(renamed if actor.name == "regulator" else actor for actor in sample.proposers)
    sample_refused(year, replace(sample, proposers=proposers), "regulator proposed this one")
    first = replace(in_history(year, sample.headers[:1]), proposers=(renamed,))
    drawn = draw_numbers(CHAIN_ID, INSURER, 2026, first.headers[0].hash, 26, 5)
    rows = tuple(RegisterRow(year.books.cases[number].claim_id) for number in drawn)
    sample_refused(year, replace(first, rows=rows), "state proof: membership: expected root")


def in_history(year: Year, headers: tuple[BlockHeader, ...]) -> Sample:
    """Return the sample as other headers of its chain would draw it, shown to be of the chain."""
    latest = year.sample.certificates[-1].header.height
    leaves = [leaf_hash(item) for item in list_hashes(year.chain.application, year.chain.blocks)[:latest]]
    names = sorted({header.proposer for header in headers})
    actors = {actor.name: actor for actor in year.sample.proposers}
    for name in names:
        if name not in actors:
            actors[name] = replace(actors["hospital-b"], name=name)
    proposers = tuple(actors[name] for name in names)
    history = inclusion_proof(leaves, headers[-1].height)
    return replace(year.sample, headers=headers, history=history, proposers=proposers)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 300), st.integers(1, 300))
def test_a_draw_is_of_distinct_numbers_of_the_register_and_grows_when_more_is_asked(
    block_hash: bytes, count: int, asked: int
) -> None:
    numbers = draw_numbers(CHAIN_ID, INSURER, 2026, block_hash, count, asked)
    assert numbers == tuple(sorted(set(numbers)))
    assert set(numbers) <= set(draw_numbers(CHAIN_ID, INSURER, 2026, block_hash, count, asked + 1))
    assert len(numbers) == min(count, asked)
    assert all(0 <= number < count for number in numbers)


def test_every_number_is_drawn_about_equally_often() -> None:
    hits = [0] * 20
    for seed in range(400):
        for number in draw_numbers(CHAIN_ID, INSURER, 2026, seed.to_bytes(32), 20, 5):
            hits[number] += 1
    assert 60 < min(hits) <= max(hits) < 145
