"""The customer opens her claim: the adjudicator must find the same decision, to the 分, under the registered terms."""

import dataclasses
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from contracts.adjudication.case import Accumulator, AlreadySettled
from contracts.adjudication.case import Case as Facts
from contracts.adjudication.engine import adjudicate
from contracts.outcomes import decision_message
from contracts.settlements import ClosingReference, Settle
from contracts.stays import Append, Close, Deliver
from ledger.codec import encode
from ledger.crypto.hashes import commit_salted
from ledger.crypto.signatures import sign_decision
from ledger.errors import VerificationError
from nodes.audit.adjudicators import Adjudicate, MissingAdjudicatorError
from nodes.audit.collect import CollectionError, collect_checkpoint, collect_dossier, collect_openings
from nodes.audit.dossier import render_dossier
from nodes.audit.narration import render_summary
from nodes.audit.reveal import Openings, ReaderError, Revealed, verify_reveal
from nodes.audit.summary import summarise
from nodes.audit.trust import Trust
from nodes.audit.verify import VerifiedClaim, verify_dossier
from nodes.entropy import SeededEntropy
from nodes.roles.claims.casebook import Draft
from nodes.roles.claims.settlement import EMPTY_BALANCE, BalanceOpening, Ground, Reader, draft_settlement
from nodes.roles.exchange.opening import ClaimOpening, hash_opening, opening_context, seal_opening
from nodes.schemas.canonical_json import render
from nodes.vault.sealing import AmountOpening, Sealed, SealKeyPair
from tests.contracts.adjudication.plain_case import PLAIN, with_lines
from tests.contracts.consortium import PRODUCT, Case, Figure, digest
from tests.nodes.audit.chain import AuditedChain, certify, set_of

SEAL_KEY = SealKeyPair(digest("customer's seal key"))
AUDITOR_KEY = SealKeyPair(digest("regulator's seal key"))
FACTS = replace(PLAIN, product=PRODUCT, accumulator=Accumulator(0, 0, 0, 0, 0, ()))
BILL = FACTS.bill.total
PAYABLE = 990_000
"""10,000.00 less the stay's deductible of 100.00."""


@dataclass
class Desk:
    """An insurer's desk for one case: drafts settlements and keeps what opens them."""

    chain: AuditedChain
    case: Case
    bill: Figure
    drafts: list[Draft] = field(default_factory=list)
    decide: Adjudicate = adjudicate

    def draft(self, facts: Facts, opening_changes: dict[str, object] | None = None) -> Draft:
        version = len(self.drafts) + 1
        case = self.case
        ground = Ground(
            case.claim_id,
            version,
            (ClosingReference(case.stay_id, version),),
            case.grant_id,
            1,
            case.policy_id,
            1,
            case.year_tag,
            "CNY",
            version - 1,
            is_review=False,
            rules=self.chain.rules,
        )
        former = self.drafts[-1] if self.drafts else None
        before = EMPTY_BALANCE
        if former is not None:
            before = BalanceOpening(former.opening.paid_after, former.opening.deductible_used_after)
        total = AmountOpening("total", self.bill.amount, self.bill.blinding.to_bytes(32, "little"))
        reader = Reader(self.chain.genesis.chain_id, case.insurer, case.customer, SEAL_KEY.public_key)
        entropy = SeededEntropy(digest(f"draft {version}"))
        draft = draft_settlement(ground, facts, self.decide(facts), former, before, (total,), reader, entropy)
        return draft if opening_changes is None else self.tamper(draft, opening_changes)

    def tamper(self, draft: Draft, changes: dict[str, object]) -> Draft:
        """Let the insurer seal another opening, and commit to it."""
        opening = replace(draft.whole, **changes)
        sealed = self.seal(opening, draft.outcome.version)
        return replace(
            draft, opening=opening, sealed=sealed, outcome=replace(draft.outcome, opening_hash=hash_opening(sealed))
        )

    def seal_for(self, reader: str, public_key: bytes) -> Openings:
        """Seal the only settlement's opening to an organisation, as the insurer does for an audit."""
        case = self.case
        context = opening_context(self.chain.genesis.chain_id, case.claim_id, 1, case.insurer, reader)
        sealed = {1: seal_opening(public_key, context, self.drafts[0].whole)}
        return collect_openings(self.chain.application, self.chain.blocks, case.claim_id, sealed)

    def seal(self, opening: ClaimOpening, version: int) -> Sealed:
        case = self.case
        context = opening_context(self.chain.genesis.chain_id, case.claim_id, version, case.insurer, case.customer)
        return seal_opening(SEAL_KEY.public_key, context, opening)

    def settle(self, draft: Draft) -> None:
        insurer = self.case.insurer
        signed = decision_message(self.chain.genesis.chain_id, insurer, draft.outcome)
        signature = sign_decision(self.chain.keys[insurer], signed)
        rail = None if draft.payment_id is None else "rail"
        message = Settle(draft.outcome, signature, draft.payment_id, draft.zero_blinding, rail)
        self.chain.do((insurer, "claims.settle", message))
        self.drafts.append(draft)

    def verified(self) -> VerifiedClaim:
        chain = self.chain
        dossier = collect_dossier(chain.application, chain.blocks, self.case.claim_id)
        return verify_dossier(render_dossier(dossier), Trust(chain.genesis))

    def openings(self, *versions: int) -> Openings:
        chosen = versions or range(1, len(self.drafts) + 1)
        sealed = {version: self.drafts[version - 1].sealed for version in chosen}
        return collect_openings(self.chain.application, self.chain.blocks, self.case.claim_id, sealed)

    def reveal(self) -> Revealed:
        return verify_reveal(self.verified(), render(self.openings()), SEAL_KEY)

    def correct(self, bill: Figure) -> None:
        """Replace the invoice."""
        chain, case = self.chain, self.case
        signer, target, original = chain.append(case, "invoice")
        assert isinstance(original, Append)
        invoice, reversal, new = case.record("invoice"), chain.draw("record"), chain.draw("record")
        parts = tuple(sorted((*(record_id for kind, record_id in case.records if kind != "invoice"), new)))
        tag = digest("new tag")
        minus = replace(original, record_id=reversal, kind="reversal", replaces=invoice, total=case.bill.negative)
        plus = replace(original, record_id=new, kind="replacement", replaces=invoice, total=bill.point, invoice_tag=tag)
        close = Close(case.stay_id, 2, parts, len(parts), bill.point, (tag,), case.grant_id)
        chain.do(
            (signer, target, minus), (signer, target, plus), (signer, "records.close", close), chain.share(case, new)
        )
        chain.do((case.insurer, "records.deliver", Deliver(new)))
        self.bill = bill


@pytest.fixture
def desk(chain: AuditedChain) -> Desk:
    case = chain.case(chain.consent(), chain.policy(), BILL)
    chain.admitted(case)
    chain.do(*chain.deliver(case))
    return Desk(chain, case, case.bill)


def refused(desk: Desk, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        desk.reveal()


def test_the_customer_sees_what_was_paid_and_why(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    revealed = desk.reveal()
    assert [(item.version, item.payable, item.moved) for item in revealed.settlements] == [(1, PAYABLE, PAYABLE)]
    lines = "\n".join(render_summary(desk.verified(), revealed))
    assert "10,000.00 − 100.00 deductible = 9,900.00; in all 9,900.00 CNY, moved 9,900.00" in lines
    assert summarise(desk.verified(), revealed)["settlements"][0]["payable"] == "9900.00"


def test_amounts_are_opened_under_a_checkpoint_alone(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    chain = desk.chain
    data = render_dossier(collect_dossier(chain.application, chain.blocks, desk.case.claim_id))
    for start in (collect_checkpoint(chain.application), chain.application.head_hash):
        verified = verify_dossier(data, Trust(checkpoint=start))
        assert verify_reveal(verified, render(desk.openings()), SEAL_KEY) == desk.reveal()


def test_a_correction_is_opened_with_the_difference_it_moved(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    less = with_lines(FACTS, *FACTS.bill.lines[:2])
    desk.correct(Figure.draw(less.bill.total, "corrected bill"))
    first = desk.drafts[0].whole.decision
    settled = AlreadySettled(first.payable, 0, first.categories)
    desk.settle(desk.draft(replace(less, accumulator=first.accumulator, already_settled=settled)))
    revealed = desk.reveal()
    assert [(item.payable, item.moved) for item in revealed.settlements] == [(PAYABLE, PAYABLE), (690_000, -300_000)]
    latest = verify_reveal(desk.verified(), render(desk.openings(2)), SEAL_KEY)
    assert [item.moved for item in latest.settlements] == [-300_000]
    with pytest.raises(VerificationError, match="latest version: expected 2, got 1"):
        verify_reveal(desk.verified(), render(desk.openings(1)), SEAL_KEY)


def test_only_the_customers_wallet_opens_it(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    with pytest.raises(VerificationError, match="do not open"):
        verify_reveal(desk.verified(), render(desk.openings()), SealKeyPair(digest("another wallet")))


def auditor_openings(desk: Desk, opening: ClaimOpening) -> Openings:
    """Return the openings as the insurer seals them to the regulator."""
    case = desk.case
    context = opening_context(desk.chain.genesis.chain_id, case.claim_id, 1, case.insurer, "regulator")
    sealed = {1: seal_opening(AUDITOR_KEY.public_key, context, opening)}
    return collect_openings(desk.chain.application, desk.chain.blocks, case.claim_id, sealed)


def test_an_auditor_opens_what_was_sealed_to_it_and_the_adjudicator_agrees(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    data = render(auditor_openings(desk, desk.drafts[0].whole))
    revealed = verify_reveal(desk.verified(), data, AUDITOR_KEY, auditor="regulator")
    assert [item.payable for item in revealed.settlements] == [PAYABLE]
    with pytest.raises(VerificationError, match="do not open"):
        verify_reveal(desk.verified(), data, SEAL_KEY, auditor="regulator")
    with pytest.raises(ReaderError, match="sealed to regulator, and insurer-b cannot open"):
        verify_reveal(desk.verified(), data, AUDITOR_KEY, auditor="insurer-b")
    with pytest.raises(VerificationError, match="sealed recipient: expected c-"):
        verify_reveal(desk.verified(), data, SEAL_KEY)


def test_an_auditor_is_shown_no_other_amount_than_was_settled(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    honest = desk.drafts[0].whole
    less = replace(honest, payable=replace(honest.payable, amount=honest.payable.amount - 1))
    other = replace(honest, case=with_lines(FACTS, *FACTS.bill.lines[:2]))
    for forged in (less, other):
        data = render(auditor_openings(desk, forged))
        with pytest.raises(VerificationError):
            verify_reveal(desk.verified(), data, AUDITOR_KEY, auditor="regulator")


def test_an_opening_that_was_exchanged_is_refused(desk: Desk) -> None:
    draft = desk.draft(FACTS)
    desk.settle(draft)
    desk.drafts[0] = replace(draft, sealed=desk.seal(draft.whole, 1))
    openings = desk.openings()
    as_if_first = replace(openings, sealed=(replace(openings.sealed[0], is_sealed_again=False),))
    with pytest.raises(VerificationError, match="settlement 1 openings hash"):
        verify_reveal(desk.verified(), render(as_if_first), SEAL_KEY)


def test_an_opening_that_was_sealed_again_is_held_to_its_commitments_and_said_to_be(desk: Desk) -> None:
    draft = desk.draft(FACTS)
    desk.settle(draft)
    assert [item.is_sealed_again for item in desk.reveal().settlements] == [False]
    desk.drafts[0] = replace(draft, sealed=desk.seal(draft.whole, 1))
    revealed = desk.reveal()
    assert [(item.payable, item.is_sealed_again) for item in revealed.settlements] == [(PAYABLE, True)]
    (line,) = (line for line in render_summary(desk.verified(), revealed) if "sealed again" in line)
    assert "the settlement names the hash of other bytes" in line
    less = replace(draft.whole, payable=replace(draft.opening.payable, amount=PAYABLE - 1))
    desk.drafts[0] = replace(draft, sealed=desk.seal(less, 1))
    with pytest.raises(VerificationError):
        desk.reveal()


def test_another_case_than_was_committed_to_is_refused(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS, {"case": replace(FACTS, advances=1)}))
    refused(desk, "settlement 1 case: expected")


def test_another_decision_than_was_committed_to_is_refused(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS, {"decision_salt": bytes(32)}))
    refused(desk, "settlement 1 decision: expected")


def test_a_decision_that_the_adjudicator_does_not_find_is_refused(desk: Desk) -> None:
    draft = desk.draft(FACTS)
    generous = replace(draft.whole.decision, payable=PAYABLE + 1)
    lied = desk.tamper(draft, {"decision": generous})
    committed = commit_salted(lied.whole.decision_salt, encode(generous))
    desk.settle(replace(lied, outcome=replace(lied.outcome, decision=committed)))
    refused(desk, "decision: expected 990000 CNY in minor units, as the adjudicator finds")


def test_terms_that_the_insurer_did_not_register_are_refused(desk: Desk) -> None:
    softer = replace(PRODUCT, deductible=replace(PRODUCT.deductible, amount=0))
    desk.settle(desk.draft(replace(FACTS, product=softer)))
    refused(desk, "case product")


def test_a_bill_that_the_hospital_did_not_close_is_refused(desk: Desk) -> None:
    more = replace(FACTS, bill=replace(FACTS.bill, total=BILL + 100))
    desk.settle(desk.draft(more))
    refused(desk, "settlement 1 bill: expected 1000000, got 1000100")


@pytest.mark.parametrize(
    "name", ["payable", "deductible", "paid_before", "deductible_used_before", "paid_after", "deductible_used_after"]
)
def test_every_amount_must_open_its_commitment(desk: Desk, name: str) -> None:
    draft = desk.draft(FACTS)
    opening = getattr(draft.opening, name)
    shifted = replace(opening, blinding=(opening.scalar + 1).to_bytes(32, "little"))
    desk.settle(desk.tamper(draft, {name: shifted}))
    refused(desk, f"settlement 1 {name.replace('_', ' ')}: amount: the opening does not fit")


def test_a_balance_that_the_case_did_not_start_from_is_refused(desk: Desk) -> None:
    facts = replace(FACTS, accumulator=Accumulator(3, 0, 0, 0, 0, ()))
    desk.settle(desk.draft(facts))
    refused(desk, "balance sequence: expected 0, got 3")


def test_terms_need_a_header_of_the_same_validators_and_a_proof(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    openings, verified = desk.openings(), desk.verified()
    strangers = set_of("mallory-1", "mallory-2", "mallory-3", "mallory-4")
    for changed, match in (
        (replace(openings, commit=certify(openings.header, strangers)), "no validator"),
        (replace(openings, commit=certify(openings.header, verified.ground.validators, 2)), "no quorum"),
        (replace(openings, header=replace(openings.header, height=1)), "certifies another block"),
        (replace(openings, policy=replace(openings.policy, status="lapsed")), "state proof: coverage: expected root"),
        (
            replace(openings, payee=replace(openings.payee, commitment=bytes(32))),
            "state proof: coverage: expected root",
        ),
        (replace(openings, policy=replace(openings.policy, version=2)), "openings policy"),
        (replace(openings, payee=replace(openings.payee, version=2)), "openings payee"),
        (replace(openings, product=replace(openings.product, insurer="insurer-b")), "openings product insurer"),
        (replace(openings, product=replace(openings.product, content_hash=bytes(32))), "openings product hash"),
        (replace(openings, claim_id="claim-ffffffffffff"), "openings claim id"),
        (replace(openings, sealed=openings.sealed * 2), "openings versions"),
    ):
        with pytest.raises(VerificationError, match=match):
            verify_reveal(verified, render(changed), SEAL_KEY)
    with pytest.raises(VerificationError, match="canonical form"):
        verify_reveal(verified, render(openings) + b" ", SEAL_KEY)


def test_the_adjudicator_is_the_one_that_the_settlement_names(desk: Desk) -> None:
    desk.settle(desk.draft(FACTS))
    verified, openings = desk.verified(), render(desk.openings())
    (settlement,) = verified.evidence.settlements
    other = replace(settlement, outcome=replace(settlement.outcome, rules=bytes([7]) * 32))
    named = replace(verified.evidence, settlements=(other,))
    with pytest.raises(MissingAdjudicatorError, match="adjudicator of settlement 1: code 0707"):
        verify_reveal(dataclasses.replace(verified, evidence=named), openings, SEAL_KEY)


def test_there_are_no_openings_of_an_unsettled_claim(desk: Desk) -> None:
    with pytest.raises(CollectionError, match="no settled claim"):
        collect_openings(desk.chain.application, desk.chain.blocks, desk.case.claim_id, {})
