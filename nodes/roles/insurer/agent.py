"""The insurer's agent: what is handed to it, closed, covered and due settles and is paid, whoever gets killed when.

Each step derives what is left to do from the chain and the register:

    links and portfolio    what the register has and the chain has not
    hand-overs             shares in the inbox are fetched; what does not hold is disputed; documents are confirmed
    claims                 confirmations and settlement go in one submission: the chain runs them in this order
    payments               instructed, asked after, redirected; what was paid is added up in the yearbook
    erasures               what is asked for is destroyed or restricted, and answered

A stay's hand-overs are confirmed together, once none of its shares in the inbox is still being fetched. Which claims
are looked at, and when, is the docket's; after a restart every claim is looked at once.
"""

from collections import defaultdict

from contracts.adjudication.case import Review
from contracts.adjudication.product import Product
from contracts.holds import HOLDS, Hold
from contracts.listings import ClaimSummary, ClaimView
from contracts.orders import LegalBasis
from contracts.stays import Deliver, ShareReceipt
from ledger.codec import Day
from ledger.transactions import Event
from nodes.agent import (
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    ChainView,
    Committed,
    Note,
    PeerAnswered,
    PeerRequested,
    Request,
)
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.claims.casebook import Casebook
from nodes.roles.erasing import Erasing
from nodes.roles.exchange.asking import Asking
from nodes.roles.exchange.attachment_intake import AttachmentIntake
from nodes.roles.exchange.coordination import PaidBefore
from nodes.roles.exchange.intake import Intake, key_of
from nodes.roles.exchange.questions import Refusal, encode_body
from nodes.roles.insurer.coordination import Coordination
from nodes.roles.insurer.desk import Desk
from nodes.roles.insurer.docket import Docket
from nodes.roles.insurer.erasing import InsurerBooks
from nodes.roles.insurer.events import is_general
from nodes.roles.insurer.inquiries import Inquiries, InsurerClaim
from nodes.roles.insurer.payments import Payments
from nodes.roles.insurer.portfolio import PolicyEntry, Portfolio
from nodes.roles.insurer.premises import Premises, WaitError
from nodes.roles.insurer.reporting import Reporting
from nodes.roles.insurer.visiting import Visiting
from nodes.roles.insurer.yearbook import Yearbook
from nodes.roles.lookup import find_record, find_stay
from nodes.roles.own_keys import OwnKeys
from nodes.roles.reception import Reception
from nodes.vault.records import Vault
from nodes.vault.register import Register
from nodes.vault.sealing import Sealed

QUESTIONS_MAX = 64
"""Questions to peers on their way at once: the hand-overs of a dozen claims, so that no payment waits for a place."""


class Insurer(Reception):
    """One insurer's agent."""

    def __init__(
        self,
        name: str,
        view: ChainView,
        keystore: Keystore,
        vault: Vault,
        register: Register,
        entropy: Entropy,
        holds: tuple[Hold, ...] = HOLDS,
    ) -> None:
        """Take up the work where the chain and the register left it.

        Args:
            name: The insurer.
            view: The latest committed state.
            keystore: The insurer's keys.
            vault: The records handed to it.
            register: Its book.
            entropy: For salts, ids and blindings.
            holds: Why it may have to keep what it is asked to erase.
        """
        super().__init__(name, view, keystore, register, entropy)
        self._asking = Asking(QUESTIONS_MAX)
        self._portfolio = Portfolio(name, view, register, self._linking.people, entropy)
        self._casebook = Casebook(register)
        self._intake = Intake(name, view, vault, register, keystore.seal, entropy, self._asking)
        self._attachments = AttachmentIntake(vault, self._intake, self._asking)
        premises = Premises(view, self._casebook, self._portfolio, keystore.tag_secret)
        own_keys = OwnKeys(name, view, keystore)
        self._visiting = Visiting(
            name, view, keystore, entropy, self._casebook, self._portfolio, premises, self._asking
        )
        grounds = (self._casebook, self._portfolio, premises)
        self._desk = Desk(name, view, own_keys, entropy, *grounds, self._intake, self._linking, self._visiting)
        self._payments = Payments(view, own_keys, keystore.tag_secret, self._casebook, self._portfolio, self._asking)
        self._inquiries = Inquiries(name, view, self._casebook, self._linking)
        self._coordination = Coordination(name, view, keystore.seal, self._casebook, self._inquiries)
        self._yearbook = Yearbook(name, view, register, self._casebook)
        books = InsurerBooks(view, vault, self._intake, self._casebook, self._portfolio, self._yearbook)
        self._erasing = Erasing(name, view, books, holds)
        self._reporting = Reporting(name, view, self._yearbook, entropy)
        self._docket = Docket(name)
        self._looked_through = False

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        effects: list[AgentEffect] = []
        if isinstance(event, PeerRequested):
            refusal = Refusal("NOT_ASKED_HERE", f"{self.name} hands nothing over")
            return [Answer(event.request_id, encode_body(refusal))]
        if isinstance(event, Committed):
            refused = self._in_flight.release(event)
            if refused:
                self._docket.touch_open()
            effects.extend(refused)
            self._docket.note_duplicates(event)
            for item in (item for receipt in event.receipts for item in receipt.events):
                self._follow(item)
        if isinstance(event, PeerAnswered):
            effects.extend(self._take(event))
        return [*effects, *self._derive(event.now_ms)]

    # ------------------------------------------------------------------------------------------- what the desk asks

    def register_product(self, product: Product, now_ms: int) -> tuple[Product, list[AgentEffect]]:
        """Enter a product (`nodes.schemas.product.read_product`, `nodes.schemas.products.find_product`)."""
        self._portfolio.register_product(product)
        return product, self._derive(now_ms)

    def issue_policy(
        self, insured: str, product_id: str, days: tuple[Day, Day], payee: tuple[str, str], now_ms: int
    ) -> tuple[PolicyEntry, list[AgentEffect]]:
        """Issue a policy to an insured person.

        Args:
            insured: Her number.
            product_id: A registered product, or a shipped one.
            days: First and last civil day in force.
            payee: Name and account.
            now_ms: The node's clock.
        """
        entry = self._portfolio.issue(insured, product_id, days, payee)
        return entry, self._derive(now_ms)

    def name_payee(self, policy_id: str, payee: tuple[str, str], now_ms: int) -> tuple[PolicyEntry, list[AgentEffect]]:
        """Name the next payee of a policy: name and account."""
        entry = self._portfolio.name_payee(policy_id, payee)
        return entry, self._derive(now_ms)

    def list_policies(self) -> tuple[PolicyEntry, ...]:
        """Return all policies, sorted by id."""
        return self._portfolio.list_all()

    def list_claims(self, after: str = "") -> tuple[ClaimSummary, ...]:
        """Return one page of the insurer's claims; see `Inquiries.list_claims`."""
        return self._inquiries.list_claims(after)

    def show_claim(self, claim_id: str) -> InsurerClaim:
        """Return a claim with case, decision and openings; raises `InsurerError` if it is not this insurer's."""
        return self._inquiries.show(claim_id, self._docket.find_reason(claim_id))

    def review(self, claim_id: str, review: Review, now_ms: int) -> tuple[InsurerClaim, list[AgentEffect]]:
        """Take in a person's decision on a finding that is pended; it leads to the claim's next settlement.

        Raises:
            InsurerError: If the claim's latest settlement did not pend this finding, or it is decided already.
        """
        visited = self._inquiries.find_visited(claim_id)
        if visited is None:
            self._inquiries.check_review(claim_id, review)
            self._casebook.add_review(claim_id, review)
        else:
            placed = self._inquiries.read_visit_review(claim_id, *visited, review)
            self._casebook.add_visit_review(claim_id, visited[0], placed)
        self._docket.touch(claim_id)
        effects = self._derive(now_ms)
        return self.show_claim(claim_id), effects

    def conclude_payment(self, claim_id: str, *, has_moved: bool, payment_id: str | None = None) -> Call:
        """Return what a person states of a claim's payment whose rail was removed; raises as `Payments.conclude`."""
        return self._payments.conclude(self._inquiries.find(claim_id), has_moved=has_moved, payment_id=payment_id)

    def customer_opening(self, claim_id: str, pseudonym: str) -> tuple[bytes, int]:
        """Return the encoded `Sealed` opening of a claim's latest settlement, and its version."""
        return self._inquiries.customer_opening(claim_id, pseudonym)

    def customer_openings(self, claim_id: str, pseudonym: str, *, again: bool = False) -> dict[int, Sealed]:
        """Return the sealed opening of every settlement of a customer's claim; see `Inquiries.customer_openings`."""
        return self._inquiries.customer_openings(claim_id, pseudonym, again=again)

    def take_paid_before(
        self, claim_id: str, pseudonym: str, sealed: Sealed, now_ms: int
    ) -> tuple[PaidBefore, list[AgentEffect]]:
        """Take in what another insurer paid of a claim's invoices; see `Coordination.take`."""
        paid = self._coordination.take(claim_id, pseudonym, sealed)
        self._docket.touch(claim_id)
        return paid, self._derive(now_ms)

    def draft_opening(self, claim_id: str, auditor: str, basis: LegalBasis, *, names_person: bool = False) -> Call:
        """Return the call that enters that a claim is opened to an auditor; see `Inquiries.draft_opening`."""
        return self._inquiries.draft_opening(claim_id, auditor, basis, names_person=names_person)

    def auditor_openings(self, claim_id: str, auditor: str) -> dict[int, Sealed]:
        """Return the opening of every settlement, sealed to an auditor; see `Inquiries.auditor_openings`."""
        return self._inquiries.auditor_openings(claim_id, auditor)

    def auditor_person(self, claim_id: str, auditor: str) -> Sealed:
        """Return who the customer is, sealed to an auditor; see `Inquiries.auditor_person`."""
        return self._inquiries.auditor_person(claim_id, auditor)

    def publish_report(self, year: int, now_ms: int) -> tuple[int, list[AgentEffect]]:
        """Publish what was paid in a year that is over; see `Reporting.draft`."""
        return year, [*self._in_flight.offer(self._reporting.draft(year, now_ms), now_ms)]

    # ----------------------------------------------------------------------------------------------------- events

    def _follow(self, event: Event) -> None:
        if (event.contract, event.name) == ("reports", "report-published"):
            self._yearbook.drop_published()
        if is_general(event):
            self._in_flight.forgive()
        self._docket.follow(event)

    def _take(self, event: PeerAnswered) -> list[Note]:
        subject = self._asking.take(event)
        if subject is None:
            return []
        if self._asking.has_room_again():
            self._docket.touch_open()
        for taker in (self._intake, self._attachments, self._visiting, self._payments):
            notes = taker.take(subject, event)
            if notes is not None:
                return notes
        return []

    # ------------------------------------------------------------------------------------------------- what is left

    def _follow_links(self, now_ms: int) -> list[AgentEffect]:
        return self._derive(now_ms)

    def _derive(self, now_ms: int) -> list[AgentEffect]:
        self._look_through()
        self._linking.judge_again(now_ms)
        shares = self._intake.list_shares()
        requests: list[Request] = [*self._intake.fetch(shares, now_ms), *self._attachments.fetch(shares, now_ms)]
        disputes = [call for share in shares if (call := self._intake.dispute(share)) is not None]
        answers = [*disputes, *_confirm([share for share in shares if self._is_kept_document(share)])]
        batches = [[*self._linking.derive(), *self._portfolio.derive(), *answers], self._erasing.derive()]
        kept = self._kept_by_stay(shares)
        by_claim: dict[str, list[ShareReceipt]] = defaultdict(list)
        for stay_id, ready in kept.items():
            claim_id = self._claim_of(stay_id)
            if claim_id is None:
                batches.append(_confirm(ready))
            else:
                by_claim[claim_id].extend(ready)
        self._docket.note_ready({claim_id: frozenset(map(key_of, ready)) for claim_id, ready in by_claim.items()})
        for claim_id in sorted(self._docket.take(now_ms)):
            calls, asks = self._work_on(claim_id, by_claim[claim_id], now_ms)
            batches.append(calls)
            requests.extend(asks)
        requests.extend(self._visiting.ask(now_ms))
        return [*(submit for calls in batches for submit in self._in_flight.offer(calls, now_ms)), *requests]

    def _look_through(self) -> None:
        """Look once, after a start, at what happened while nobody looked."""
        if self._looked_through:
            return
        self._looked_through = True
        self._yearbook.drop_published()
        after = ""
        while page := self.list_claims(after):
            self._docket.touch(*(summary.claim_id for summary in page))
            after = f"{page[-1].number:016x}"

    def _is_kept_document(self, share: ShareReceipt) -> bool:
        return share.record_type == "document" and self._intake.is_kept(share)

    def _kept_by_stay(self, shares: tuple[ShareReceipt, ...]) -> dict[str, list[ShareReceipt]]:
        """Return the opened shares of each stay that has none still to be fetched.

        An interim bill keeps nothing waiting: no settlement needs it, and one that was shared under a grant that has
        been revoked since is never handed over. A document is confirmed by itself, whenever it has arrived. After
        the customer withdrew the claim nothing more comes, and what was opened is confirmed all the same.
        """
        kept: dict[str, list[ShareReceipt]] = defaultdict(list)
        unfetched = set()
        for share in (share for share in shares if share.record_type != "document"):
            record = find_record(self._view, share.record_id)
            assert record is not None, "what was shared was entered"
            if self._intake.is_kept(share):
                kept[record.record.stay_id].append(share)
            elif share.record_type != "interim-bill" and self._intake.dispute(share) is None:
                unfetched.add(record.record.stay_id)
        waiting = {stay_id for stay_id in unfetched if self._claim_of(stay_id) is not None}
        return {stay_id: ready for stay_id, ready in kept.items() if stay_id not in waiting}

    def _claim_of(self, stay_id: str) -> str | None:
        """Return the claim that a stay belongs to; None where its customer withdrew it."""
        stay = find_stay(self._view, stay_id)
        assert stay is not None, "a record belongs to a stay"
        return stay.stay.claim_id

    def _work_on(self, claim_id: str, ready: list[ShareReceipt], now_ms: int) -> tuple[list[Call], list[Request]]:
        """Return what one claim needs, and remember whether it is still open."""
        shown = self._inquiries.find(claim_id)
        self._yearbook.follow(shown)
        calls = _confirm(ready)
        if not any(self._in_flight.is_sent(call, now_ms) for call in calls):
            calls.extend(self._settle(shown, ready))
        more, requests = self._payments.derive(shown, now_ms)
        stranded = self._payments.find_stranded(shown)
        if stranded:
            reason = f"{stranded[0].rail} was removed before it reported the payment; a person states what became of it"
            self._docket.wait(claim_id, WaitError("RAIL-REMOVED", reason))
        calls.extend(more)
        unpaid = any(payment.status != "paid" for payment in shown.payments)
        self._docket.keep_open(claim_id, is_busy=bool(calls) or unpaid)
        return calls, requests

    def _settle(self, shown: ClaimView, ready: list[ShareReceipt]) -> list[Call]:
        claim_id = shown.claim.claim_id
        self._docket.wait(claim_id, None)
        if self._docket.is_duplicate(claim_id):
            return []
        try:
            return self._desk.derive(shown, frozenset(share.record_id for share in ready))
        except WaitError as error:
            self._docket.wait(claim_id, error)
            return []


def _confirm(shares: list[ShareReceipt]) -> list[Call]:
    return [Call("records", "deliver", Deliver(share.record_id)) for share in shares]
