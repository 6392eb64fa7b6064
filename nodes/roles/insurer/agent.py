"""The insurer's agent: what is handed to it, closed, covered and due settles and is paid, whoever gets killed when.

Each step derives what is left to do from the chain and the register:

    links and portfolio    what the register has and the chain has not
    hand-overs             shares in the inbox are fetched; what does not hold is disputed; documents are confirmed
    claims                 confirmations and settlement go in one submission: the chain runs them in this order
    payments               instructed, asked after, redirected; what was paid is added up in the yearbook
    erasures               what is asked for is destroyed or restricted, and answered

A stay's hand-overs are confirmed together, once none of its shares in the inbox is still being fetched. Claims are
looked at when an event names them, and every SWEEP_MS while something about them is still open; events only make it
quicker, since after a restart every claim is looked at once.
"""

from collections import defaultdict

from contracts.adjudication.case import Review
from contracts.adjudication.product import Product
from contracts.holds import HOLDS, Hold
from contracts.listings import ClaimSummary, ClaimView
from contracts.stays import Deliver, ShareReceipt
from ledger.codec import Day
from ledger.genesis import Genesis
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
    Submit,
)
from nodes.entropy import Entropy
from nodes.identity import Identity
from nodes.keystore import Keystore
from nodes.roles.claims.casebook import Casebook
from nodes.roles.erasing import Erasing
from nodes.roles.exchange.asking import Asking
from nodes.roles.exchange.questions import Refusal, encode_body
from nodes.roles.in_flight import InFlight
from nodes.roles.insurer.attachments import AttachmentIntake
from nodes.roles.insurer.desk import Desk
from nodes.roles.insurer.erasing import InsurerBooks
from nodes.roles.insurer.events import claim_of, find_duplicates, is_general
from nodes.roles.insurer.inquiries import Inquiries, InsurerClaim
from nodes.roles.insurer.intake import Intake
from nodes.roles.insurer.payments import Payments
from nodes.roles.insurer.portfolio import PolicyEntry, Portfolio
from nodes.roles.insurer.premises import Premises, WaitError
from nodes.roles.insurer.reporting import Reporting
from nodes.roles.insurer.visiting import Visiting
from nodes.roles.insurer.yearbook import Yearbook
from nodes.roles.linking import Linked, Linking
from nodes.roles.lookup import find_record, find_stay
from nodes.roles.own_keys import OwnKeys
from nodes.roles.people import Person
from nodes.roles.requests import Requests, RequestView
from nodes.schemas.terms import GrantTerms
from nodes.vault.records import Vault
from nodes.vault.register import Register
from nodes.vault.sealing import Sealed
from nodes.wallet import Challenge

QUESTIONS_MAX = 64
"""Questions to peers on their way at once: the hand-overs of a dozen claims, so that no payment waits for a place."""
SWEEP_MS = 2_000
"""Between two looks at the claims that are still open."""


class Insurer:
    """One insurer's agent."""

    def __init__(
        self,
        name: str,
        view: ChainView,
        genesis: Genesis,
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
            genesis: Names the payment rail and its seal key.
            keystore: The insurer's keys.
            vault: The records handed to it.
            register: Its book.
            entropy: For salts, ids and blindings.
            holds: Why it may have to keep what it is asked to erase.
        """
        self.name = name
        self._view = view
        self._in_flight = InFlight(name)
        self._asking = Asking(QUESTIONS_MAX)
        self._linking = Linking(name, view, register, keystore.seal, entropy)
        self._requests = Requests(name, view, self._linking, register, keystore.seal, entropy)
        self._portfolio = Portfolio(name, view, register, self._linking.people, entropy)
        self._casebook = Casebook(register)
        self._intake = Intake(name, view, vault, register, keystore.seal, entropy, self._asking)
        self._attachments = AttachmentIntake(vault, self._intake, self._asking)
        premises = Premises(view, self._casebook, self._portfolio, keystore.tag_secret)
        own_keys = OwnKeys(name, view, keystore)
        self._visiting = Visiting(
            name,
            view,
            keystore,
            entropy,
            self._casebook,
            self._portfolio,
            premises,
            self._asking,
        )
        self._desk = Desk(
            name,
            view,
            own_keys,
            entropy,
            self._casebook,
            self._portfolio,
            premises,
            self._intake,
            self._linking,
            self._visiting,
        )
        rail = next(member for member in genesis.organisations if member.role == "rail")
        self._payments = Payments(
            view, rail, own_keys, keystore.tag_secret, self._casebook, self._portfolio, self._asking
        )
        self._inquiries = Inquiries(name, view, self._casebook, self._linking)
        self._yearbook = Yearbook(name, view, register, self._casebook)
        books = InsurerBooks(view, vault, self._intake, self._casebook, self._portfolio, self._yearbook)
        self._erasing = Erasing(name, view, books, holds)
        self._reporting = Reporting(name, view, self._yearbook, entropy)
        self._looked_through = False
        self._open: set[str] = set()
        self._touched: set[str] = set()
        self._waits: dict[str, WaitError] = {}
        self._duplicates: dict[str, WaitError] = {}
        self._sweep_ms = 0

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        effects: list[AgentEffect] = []
        if isinstance(event, PeerRequested):
            refusal = Refusal("NOT_ASKED_HERE", f"{self.name} hands nothing over")
            return [Answer(event.request_id, encode_body(refusal))]
        if isinstance(event, Committed):
            refused = self._in_flight.release(event)
            if refused:
                self._touched |= self._open
            effects.extend(refused)
            self._duplicates.update(find_duplicates(event, self.name))
            for item in (item for receipt in event.receipts for item in receipt.events):
                self._follow(item)
        if isinstance(event, PeerAnswered):
            effects.extend(self._take(event))
        return [*effects, *self._derive(event.now_ms)]

    # ------------------------------------------------------------------------------------------- customers and API

    def ask(self, number: str, terms: GrantTerms, reason: str, until_day: int, now_ms: int) -> RequestView:
        """Ask a person for a grant; raises as `Requests.ask`."""
        return self._requests.ask(number, terms, reason, until_day, now_ms)

    def list_requests(self, now_ms: int) -> tuple[RequestView, ...]:
        """Return all requests for consent as they stand."""
        return self._requests.list_all(now_ms)

    def take_inbox(self, pseudonym: str, sealed: Sealed, seal_key: bytes, now_ms: int, *, is_telling: bool) -> Sealed:
        """Return what lies here for a person, sealed to her wallet; raises as `Requests.take_inbox`."""
        return self._requests.take_inbox(pseudonym, sealed, seal_key, now_ms, is_telling=is_telling)

    def deny(self, pseudonym: str, request_id: str, now_ms: int) -> RequestView:
        """Take in that a person does not agree; raises as `Requests.deny`."""
        return self._requests.deny(pseudonym, request_id, now_ms)

    def pseudonyms_of(self, number: str) -> tuple[tuple[str, str, str], ...]:
        """Return a person's pseudonyms with their pairs; see `Linking.pseudonyms_of`."""
        return self._linking.pseudonyms_of(number)

    def replace_seal_key(self, pseudonym: str, seal_key: bytes) -> int:
        """Seal to a customer's new key from now on; raises as `Linking.replace_seal_key`."""
        return self._linking.replace_seal_key(pseudonym, seal_key)

    def challenge(self, grant_id: str, now_ms: int) -> Challenge:
        """Return the challenge that a grant's subject answers; see `Linking.challenge`."""
        return self._linking.challenge(grant_id, now_ms)

    def disclose(
        self, grant_id: str, sealed: Sealed, answer: bytes, seal_key: bytes, now_ms: int
    ) -> tuple[Linked, list[AgentEffect]]:
        """Take in a customer's identity and judge it; see `Linking.disclose`."""
        linked = self._linking.disclose(grant_id, sealed, answer, seal_key, now_ms)
        return linked, self._derive(now_ms)

    def register_insured(self, number: str, identity: Identity) -> tuple[Person, list[AgentEffect]]:
        """Enter an insured person under the insurer's own number; raises `PeopleError`, `VerificationError`."""
        return self._linking.people.enter(number, identity), []

    def relate(
        self, number: str, acts_through: tuple[str, ...], now_ms: int, *, is_ward: bool, is_deceased: bool
    ) -> tuple[Person, list[AgentEffect]]:
        """Enter who acts for a person, that she is a ward or that she has died; raises as `People.relate`."""
        person = self._linking.people.relate(number, acts_through, is_ward=is_ward, is_deceased=is_deceased)
        self._linking.judge_again(now_ms, number)
        return person, self._derive(now_ms)

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
        return self._inquiries.show(claim_id, self._waits.get(claim_id) or self._duplicates.get(claim_id))

    def review(self, claim_id: str, review: Review, now_ms: int) -> tuple[InsurerClaim, list[AgentEffect]]:
        """Take in a person's decision on a finding that is pended; it leads to the claim's next settlement.

        Raises:
            InsurerError: If the claim's latest settlement did not pend this finding, or it is decided already.
        """
        self._inquiries.check_review(claim_id, review)
        self._casebook.add_review(claim_id, review)
        self._touched.add(claim_id)
        effects = self._derive(now_ms)
        return self.show_claim(claim_id), effects

    def customer_opening(self, claim_id: str, pseudonym: str) -> tuple[bytes, int]:
        """Return the encoded `Sealed` opening of a claim's latest settlement, and its version."""
        return self._inquiries.customer_opening(claim_id, pseudonym)

    def customer_openings(self, claim_id: str, pseudonym: str, *, again: bool = False) -> dict[int, Sealed]:
        """Return the sealed opening of every settlement of a customer's claim; see `Inquiries.customer_openings`."""
        return self._inquiries.customer_openings(claim_id, pseudonym, again=again)

    def auditor_openings(self, claim_id: str, auditor: str) -> dict[int, Sealed]:
        """Return the opening of every settlement, sealed to a regulator; see `Inquiries.auditor_openings`."""
        return self._inquiries.auditor_openings(claim_id, auditor)

    def publish_report(self, year: int, now_ms: int) -> tuple[int, list[AgentEffect]]:
        """Publish what was paid in a year that is over; see `Reporting.draft`."""
        calls = self._in_flight.take(self._reporting.draft(year, now_ms), now_ms)
        return year, [Submit(calls)] if calls else []

    # ----------------------------------------------------------------------------------------------------- events

    def _follow(self, event: Event) -> None:
        if (event.contract, event.name) == ("reports", "report-published"):
            self._yearbook.drop_published()
        if is_general(event):
            self._touched |= self._open
            self._in_flight.forgive()
        claim_id = claim_of(event, self.name)
        if claim_id is not None:
            self._touched.add(claim_id)
            if event.name == "stay-closed":
                self._duplicates.pop(claim_id, None)

    def _take(self, event: PeerAnswered) -> list[Note]:
        subject = self._asking.take(event)
        if subject is None:
            return []
        self._touched |= self._open
        for taker in (self._intake, self._attachments, self._visiting, self._payments):
            notes = taker.take(subject, event)
            if notes is not None:
                return notes
        return []

    # ------------------------------------------------------------------------------------------------- what is left

    def _derive(self, now_ms: int) -> list[AgentEffect]:
        self._sweep(now_ms)
        self._linking.judge_again(now_ms)
        shares = self._intake.list_shares()
        requests: list[Request] = [*self._intake.fetch(shares, now_ms), *self._attachments.fetch(shares, now_ms)]
        disputes = [call for share in shares if (call := self._intake.dispute(share)) is not None]
        answers = [*disputes, *_confirm([share for share in shares if self._is_kept_document(share)])]
        batches = [[*self._linking.derive(), *self._portfolio.derive(), *answers], self._erasing.derive()]
        kept = self._kept_by_stay(shares)
        by_claim: dict[str, list[ShareReceipt]] = defaultdict(list)
        for stay_id, ready in kept.items():
            stay = find_stay(self._view, stay_id)
            assert stay is not None, "a record belongs to a stay"
            assert stay.stay.claim_id is not None, "a share serves a reported claim"
            by_claim[stay.stay.claim_id].extend(ready)
        for claim_id in sorted({*by_claim, *self._touched}):
            calls, asks = self._work_on(claim_id, by_claim[claim_id], now_ms)
            batches.append(calls)
            requests.extend(asks)
        requests.extend(self._visiting.ask(now_ms))
        self._touched.clear()
        offered = [self._in_flight.take(calls, now_ms) for calls in batches]
        return [*(Submit(calls) for calls in offered if calls), *requests]

    def _sweep(self, now_ms: int) -> None:
        if not self._looked_through:
            self._looked_through = True
            self._yearbook.drop_published()
            after = ""
            while page := self.list_claims(after):
                self._touched |= {summary.claim_id for summary in page}
                after = f"{page[-1].number:016x}"
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            self._touched |= self._open

    def _is_kept_document(self, share: ShareReceipt) -> bool:
        return share.record_type == "document" and self._intake.is_kept(share)

    def _kept_by_stay(self, shares: tuple[ShareReceipt, ...]) -> dict[str, list[ShareReceipt]]:
        """Return the opened shares of each stay that has none still to be fetched.

        An interim bill keeps nothing waiting: no settlement needs it, and one that was shared under a grant that has
        been revoked since is never handed over. A document is confirmed by itself, whenever it has arrived.
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
        return {stay_id: ready for stay_id, ready in kept.items() if stay_id not in unfetched}

    def _work_on(self, claim_id: str, ready: list[ShareReceipt], now_ms: int) -> tuple[list[Call], list[Request]]:
        """Return what one claim needs, and remember whether it is still open."""
        shown = self._inquiries.find(claim_id)
        self._yearbook.follow(shown)
        calls = _confirm(ready)
        if not any(self._in_flight.is_sent(call, now_ms) for call in calls):
            calls.extend(self._settle(shown, ready))
        more, requests = self._payments.derive(shown, now_ms)
        calls.extend(more)
        unpaid = any(payment.status != "paid" for payment in shown.payments)
        if calls or unpaid or claim_id in self._waits:
            self._open.add(claim_id)
        else:
            self._open.discard(claim_id)
        return calls, requests

    def _settle(self, shown: ClaimView, ready: list[ShareReceipt]) -> list[Call]:
        claim_id = shown.claim.claim_id
        self._waits.pop(claim_id, None)
        if claim_id in self._duplicates:  # a consumed invoice stays consumed: only another closing changes the answer
            return []
        try:
            return self._desk.derive(shown, frozenset(share.record_id for share in ready))
        except WaitError as error:
            self._waits[claim_id] = error
            return []


def _confirm(shares: list[ShareReceipt]) -> list[Call]:
    return [Call("records", "deliver", Deliver(share.record_id)) for share in shares]
