"""Claims: from the report at admission to what the payment rail says.

Rules:

    1. A hospital reports a claim for admitted stays under a usable grant; the grant says who the customer and the
       insurer are. It enters the insurer's register.
    2. Only the claim's insurer settles, and only while the claim's grant covers it and the type of every part at that
       place: it names the grant's version, the latest closing of every stay, the policy, its current payee, and the
       balance that it starts from. It has confirmed every part, or, where the grant has rules visit the data, the
       settlement is what the hospital entered as their result (contract `visits`). What the grant or an erasure keeps
       from it is refused on the record (contract `attempts`): settling is a use of the data. Every invoice counts once
       and is consumed by this claim and no other, but for what the claim of another insurer left that this one follows
       (contract `coordination`). Where every part is reversed, nothing is paid out.
    3. A settlement states the claim's whole payable and deductible. What it adds to the former settlement's is what
       the balance grows by and what moves: a payout, a recovery, or provably nothing.
    4. The same closings settle once (ALREADY_SETTLED); a person's decision on a pended part is a review of them, a
       new version and never an edit.
    5. The insurer's decision is signed over the chain, the insurer and the whole outcome. It names the rules that
       decided, which are those in force at its place (STALE_RULES): what an upgrade overtook is decided anew.
    6. Only a rail's receipt makes a claim PAID, and only that of the rail whose attempt it is. An attempt in doubt is
       queried under its own key and never sent again; a return reopens the payment. Of a rail that is a member no more
       the insurer states how an attempt ended (`conclude`): its word, which the entry says.
    7. Without a usable grant a claim waits; the chain says which condition fails. The customer can grant, file
       herself or withdraw; after either of the last two nothing more is shared for it.
    8. For a customer who has died an heir's grant may cover the claim; then it settles to a payee who was named after
       the heir's authority was given, and to no other.

    status            by                                           next
    (none)            report                                       REPORTED
    REPORTED          parts after the admission (derived)          ASSEMBLING
    any but the last  await_consent, if the grant covers nothing   AWAITING_CONSENT
    AWAITING_CONSENT  resume                                       what it was
    REPORTED, or any  settle                                       SETTLED, RECOVERING if a recovery is due,
    settled one                                                    PENDED if nothing is due but a part waits
    SETTLED           pay, when every payment is paid              PAID, or PENDED
    RECOVERING        pay, when every payment is paid              PAID, or PENDED
    PAID, PENDED      pay, on a return                             SETTLED or RECOVERING
    unsettled         withdraw                                     WITHDRAWN, final

    table            key                       value
    claims           claim id                  Claim: the entry, its steps with their places and grant versions
    settlements      claim id, version         Settlement
    payments         claim id, payment id      Payment
    payment_claims   payment id                PaymentClaim: whose it is
    idempotency      key                       KeyUse
"""

from contracts.attempts import Attempts
from contracts.authorities import Authorities
from contracts.consent import Consent
from contracts.coverage import Coverage
from contracts.footing import Closings, check_after, check_parts, check_rules, find_refused, find_uncovered
from contracts.grants import GrantVersion
from contracts.identifiers import locate
from contracts.invoices import Invoices, is_stated
from contracts.listings import ClaimSummary, ClaimView, ListClaims, ShowClaim, ShowPayment
from contracts.mandates import ANY_MANDATE, check_claim_holder
from contracts.membership import Membership
from contracts.outcomes import advance_balance, check_arithmetic, check_movement, check_turn, decision_message
from contracts.payments import (
    advance_status,
    conclude_payment,
    derive_status,
    move_payment,
    open_payment,
    redirect_payment,
)
from contracts.records import Records
from contracts.registers import Registers
from contracts.retention import Retention
from contracts.settlements import (
    STAYS_MAX,
    STEPS_MAX,
    Acknowledge,
    AwaitConsent,
    Claim,
    ClaimStatus,
    Conclude,
    DisputeSettlement,
    Extend,
    KeyUse,
    Outcome,
    Pay,
    Payment,
    PaymentClaim,
    Redirect,
    Report,
    Resume,
    Settle,
    SettledBefore,
    Settlement,
    Step,
    StepName,
    Withdraw,
)
from contracts.standing import derive_standing, find_lacking, summarise_claim
from contracts.steps import claim_event, need_of, payment_event
from contracts.visits import Visits
from contracts.waits import find_wait
from ledger.execution.contract import Contract, Table, query, reject, replace, transaction, verify

WAITS_MAX = 20
"""Waits for consent of one claim: keeps room for its other steps."""
PAYMENT_STEPS_RESERVED = 40
"""Steps that only the rail's receipts may take: nobody can fill a claim until money that moved has no entry."""


class Claims(Contract):
    """The register of claims, settlements and payments."""

    name = "claims"
    claims = Table("claims", Claim)
    settlements = Table("settlements", Settlement)
    payments = Table("payments", Payment)
    payment_claims = Table("payment_claims", PaymentClaim)
    idempotency = Table("idempotency", KeyUse)

    @transaction
    def report(self, message: Report) -> None:
        """Report a claim at admission."""
        hospital = self.call(Membership).require(("hospital",)).name
        claim_id = message.claim_id
        if self.claims.get(claim_id) is not None:
            reject("CLAIM_TAKEN", f"{claim_id} is reported already")
        if message.stay_ids != tuple(sorted(message.stay_ids)):
            reject("UNSORTED", "stay_ids: expected sorted ids")
        grant = self.call(Consent).terms(message.grant_id)
        insurer = grant.grantee.organisation
        self.call(Membership).find(insurer, "insurer")
        number = self.call(Registers).enter(claim_id, grant.subject, hospital, insurer)
        claim = Claim(
            claim_id,
            number,
            hospital,
            insurer,
            grant.subject,
            message.stay_ids,
            message.grant_id,
            "REPORTED",
            "REPORTED",
            0,
            (),
            None,
            (),
        )
        version = self._covered(claim)
        for stay_id in message.stay_ids:
            self.call(Records).attach(stay_id, claim_id, hospital, grant.subject, insurer)
        self._step(claim, "reported", "REPORTED", version.version, "")

    @transaction
    def extend(self, message: Extend) -> None:
        """Add an admitted stay to a claim that goes on: a transfer or readmission."""
        claim = self._claim(message.claim_id)
        self._require(claim, claim.hospital)
        if claim.status in ("WITHDRAWN", "AWAITING_CONSENT"):
            reject("WRONG_STATE", f"{claim.claim_id}: expected a claim that goes on, got {claim.status}")
        if len(claim.stay_ids) >= STAYS_MAX:
            reject("TOO_MANY", f"{claim.claim_id}: expected at most {STAYS_MAX} stays")
        self.call(Records).attach(message.stay_id, claim.claim_id, claim.hospital, claim.customer, claim.insurer)
        claim = replace(claim, stay_ids=tuple(sorted((*claim.stay_ids, message.stay_id))))
        version = self._covered(claim)
        self._step(claim, "extended", claim.status, version.version, message.stay_id)

    @transaction
    def await_consent(self, message: AwaitConsent) -> None:
        """Record that the grant does not cover the claim, and which condition fails."""
        claim = self._claim(message.claim_id)
        self._require(claim, claim.hospital, claim.insurer)
        if claim.status in ("WITHDRAWN", "AWAITING_CONSENT"):
            reject("WRONG_STATE", f"{claim.claim_id}: is {claim.status}")
        waits = [step for step in claim.steps if step.name == "awaiting"]
        if len(waits) >= WAITS_MAX:
            reject("TOO_MANY", f"{claim.claim_id}: expected at most {WAITS_MAX} waits")
        signer = self.context.signer
        finding = find_lacking(self.call(Consent), self.call(Records), claim, signer, message.record_type)
        if finding is None:
            reject("GRANT_USABLE", f"{claim.grant_id}: covers {claim.claim_id}, there is nothing to wait for")
        claim = replace(claim, resumes_as=claim.status)
        self._step(claim, "awaiting", "AWAITING_CONSENT", None, f"{finding.code} {finding.condition}")

    @transaction
    def resume(self, message: Resume) -> None:
        """Go on under a grant that covers the claim."""
        claim = self._claim(message.claim_id)
        self._require(claim, claim.hospital, claim.insurer, claim.customer)
        if claim.status != "AWAITING_CONSENT":
            reject("WRONG_STATE", f"{claim.claim_id}: expected AWAITING_CONSENT, got {claim.status}")
        claim = replace(claim, grant_id=message.grant_id)
        version = self._covered(claim)
        self._step(claim, "resumed", claim.resumes_as, version.version, "")

    @transaction
    def settle(self, message: Settle) -> None:
        """Settle a claim on its closings, as the insurer adjudicated them."""
        outcome = message.outcome
        claim = self._claim(outcome.claim_id)
        self._require(claim, claim.insurer)
        consent, records = self.call(Consent), self.call(Records)
        former = self._former(claim)
        check_turn(claim, former, outcome)
        refused = find_uncovered(consent, records, claim)
        closings: Closings = ()
        if refused is None:
            if claim.status == "AWAITING_CONSENT":
                reject("WRONG_STATE", f"{claim.claim_id}: is {claim.status}")
            closings = tuple(records.closed(reference.stay_id, reference.version) for reference in outcome.closings)
            refused = find_refused(consent, records, self.call(Retention), claim, closings)
        if refused is not None:
            self.call(Attempts).refuse_on_record(*refused)
            return
        version = consent.take(need_of(claim, claim.stay_ids[0], None, "enter"))
        if (outcome.grant_id, outcome.grant_version) != (claim.grant_id, version.version):
            reject("STALE_GRANT", f"{claim.claim_id}: expected {claim.grant_id} version {version.version}")
        check_rules(self.call(Membership), outcome)
        if version.grant.execution == "rules-visit-data":
            self.call(Visits).require_executed(outcome, version)
        check_after(claim, former, outcome, self.find_followed(claim.claim_id))
        check_parts(records, self.call(Invoices), claim, closings, version, outcome)
        signed = decision_message(self.context.chain_id, claim.insurer, outcome)
        verify("decision", self.call(Membership).signer_key(), signed, message.signature)
        policy = self.call(Coverage).settleable(
            outcome.policy_id, claim.insurer, outcome.payee_version, outcome.currency
        )
        if version.grant.grantor.kind == "heir":
            since = self.call(Authorities).given_at(version.grant.grantor.authority)
            self.call(Coverage).check_payee_since(outcome.policy_id, outcome.payee_version, since)
        moves = self._advance_balance(former, outcome)
        status = advance_status(claim, outcome)
        claim = self._open_payment(claim, message, moves)
        settlement = Settlement(
            outcome,
            message.signature,
            self.context.key_version,
            policy.version,
            outcome.accumulator_sequence + 1,
            moves,
            message.payment_id,
            locate(self.context),
        )
        self.settlements.put((claim.claim_id, outcome.version), settlement)
        claim = replace(claim, settlement_version=outcome.version)
        self._step(claim, "settled", status, version.version, f"settlement {outcome.version}", detail=outcome.decision)

    @transaction
    def pay(self, message: Pay) -> None:
        """Record the rail's receipt about a payment whose current attempt is its own."""
        rail = self.call(Membership).require(("rail",)).name
        payment = self._payment(message.payment_id)
        if payment.rail != rail:
            reject("FORBIDDEN", f"{payment.payment_id}: expected {payment.rail}, whose attempt it is, got {rail}")
        use = self.idempotency.get(message.idempotency_key)
        moved = move_payment(payment, message, locate(self.context), is_key_fresh=use is None)
        self.idempotency.put(message.idempotency_key, KeyUse(message.payment_id))
        self._move(payment, moved)

    @transaction
    def conclude(self, message: Conclude) -> None:
        """State how an attempt ended whose rail is a member no more and reports nothing."""
        payment = self._payment(message.payment_id)
        self._require(self._claim(payment.claim_id), payment.insurer)
        if self.call(Membership).is_member(payment.rail):
            reject("RAIL_IN_FORCE", f"{payment.payment_id}: is {payment.rail}'s to report, which is a member")
        self._move(payment, conclude_payment(payment, message, locate(self.context)))

    def _move(self, payment: Payment, moved: Payment) -> None:
        """Write how a payment went on, and let registers and claim follow."""
        claim = self._claim(payment.claim_id)
        if moved.status == "paid":
            claim, moved = self.call(Registers).add_paid(claim, moved, self._currency(moved))
        elif payment.status == "paid":
            paid = [other for other in self._payments(claim) if other.status == "paid"]
            claim, moved = self.call(Registers).take_back(claim, moved, self._currency(moved), paid)
        self.payments.put((claim.claim_id, moved.payment_id), moved)
        claim = self._follow(claim, moved)
        self.emit("payment-changed", payment_event(claim, moved))

    @transaction
    def redirect(self, message: Redirect) -> None:
        """Send a returned or rejected payment to the policy's current payee."""
        payment = self._payment(message.payment_id)
        claim = self._claim(payment.claim_id)
        self._require(claim, claim.insurer)
        self.call(Coverage).check_payee(payment.policy_id, message.payee_version)
        self.call(Membership).find(message.rail, "rail")
        moved = redirect_payment(payment, message, locate(self.context))
        self.payments.put((claim.claim_id, moved.payment_id), moved)
        self.emit("payment-changed", payment_event(claim, moved))

    @transaction
    def withdraw(self, message: Withdraw) -> None:
        """End a claim that is not settled; whoever files it herself ends it here too."""
        claim = self._claim(message.claim_id)
        self.require_customer(claim, message.authority)
        if claim.settlement_version > 0 or claim.status == "WITHDRAWN":
            reject("WRONG_STATE", f"{claim.claim_id}: expected an unsettled claim, got {claim.status}")
        for stay_id in claim.stay_ids:
            self.call(Records).detach(stay_id)
        self._step(claim, "withdrawn", "WITHDRAWN", None, "files herself" if message.files_herself else "")

    @transaction
    def acknowledge(self, message: Acknowledge) -> None:
        """Accept the latest settlement as its customer."""
        self._respond(message, "acknowledged", None)

    @transaction
    def dispute(self, message: DisputeSettlement) -> None:
        """Ask for a person's review of the latest settlement as its customer."""
        self._respond(message, "disputed", message.reason)

    @query
    def show(self, message: ShowClaim) -> ClaimView | None:
        """Return a claim with its whole timeline, or None."""
        claim = self.claims.get(message.claim_id)
        if claim is None:
            return None
        settlements = tuple(settlement for _, settlement in self.settlements.scan(message.claim_id))
        status, payments = self._derived(claim), self._payments(claim)
        registers = self.call(Consent), self.call(Records), self.call(Invoices), self.call(Membership)
        wait = find_wait(*registers, claim, status, payments, self.find_followed(claim.claim_id))
        return ClaimView(claim, status, settlements, tuple(payments), wait)

    @query
    def payment(self, message: ShowPayment) -> Payment | None:
        """Return a payment with its receipts, or None."""
        return None if self.payment_claims.get(message.payment_id) is None else self._payment(message.payment_id)

    @query
    def list_claims(self, message: ListClaims) -> tuple[ClaimSummary, ...]:
        """Return one page of a customer's, insurer's or hospital's claims, or of those in one written status."""
        ids = self.call(Registers).page(message)
        claims = [self._claim(claim_id) for claim_id in ids]
        return tuple(summarise_claim(claim, self._derived(claim)) for claim in claims)

    def find(self, claim_id: str) -> Claim:
        """Return a claim; else reject with UNKNOWN_CLAIM."""
        return self._claim(claim_id)

    def is_final(self, claim_id: str, version: int) -> bool:
        """Whether a settlement is a claim's latest, on its latest closings, with nothing pended nor left to pay.

        What was settled to nothing is final, else its insurer would keep every other one from paying. Nor does a wait
        for consent change what was paid.
        """
        claim = self._claim(claim_id)
        if claim.status == "AWAITING_CONSENT":
            claim = replace(claim, status=claim.resumes_as)
        status = self._derived(claim)
        is_done = status == "PAID" or (status == "SETTLED" and claim.payments == ())
        return claim.settlement_version == version and is_done

    def find_followed(self, claim_id: str) -> SettledBefore | None:
        """Return the settlement that a claim pays after, by an order that is stated and not out of date, or None."""
        order = self.call(Invoices).find_order(claim_id)
        if order is None or not is_stated(order) or not self.is_final(order.after.claim_id, order.after.version):
            return None
        return order.after

    def _advance_balance(self, former: Settlement | None, outcome: Outcome) -> bytes:
        """Append the balance after a settlement whose arithmetic holds, and return what moves."""
        coverage = self.call(Coverage)
        balance = coverage.current(outcome.policy_id, outcome.year_tag, outcome.currency)
        moves = check_arithmetic(balance, former, outcome)
        advanced = advance_balance(balance, outcome, locate(self.context))
        coverage.advance(outcome.policy_id, outcome.year_tag, outcome.currency, advanced)
        return moves

    def _open_payment(self, claim: Claim, message: Settle, moves: bytes) -> Claim:
        """Append the payment that a settlement gives rise to, if any."""
        check_movement(message, moves)
        if message.payment_id is None or message.rail is None:
            return claim
        self.call(Membership).find(message.rail, "rail")
        if self.payment_claims.get(message.payment_id) is not None:
            reject("PAYMENT_TAKEN", f"{message.payment_id} is another payment's")
        payment = open_payment(claim, message, moves, locate(self.context))
        claim = replace(claim, payments=(*claim.payments, message.payment_id))
        self.payments.put((claim.claim_id, message.payment_id), payment)
        self.payment_claims.put(message.payment_id, PaymentClaim(claim.claim_id))
        self.emit("payment-changed", payment_event(claim, payment))
        return claim

    def _follow(self, claim: Claim, payment: Payment) -> Claim:
        """Let the claim's status follow its payments, without ending a wait for consent."""
        latest = self._settlement(claim.claim_id, claim.settlement_version)
        status = derive_status(self._payments(claim), is_pended=latest.outcome.is_pended)
        if claim.status == "AWAITING_CONSENT":
            claim = replace(claim, resumes_as=status)
            status = claim.status
        if payment.status in ("paid", "returned", "rejected"):
            return self._step(claim, "payment", status, None, f"{payment.payment_id}: {payment.status}")
        self.claims.put(claim.claim_id, claim)
        return claim

    def _respond(self, message: Acknowledge | DisputeSettlement, name: StepName, reason: bytes | None) -> None:
        claim_id, version = message.claim_id, message.version
        claim = self._claim(claim_id)
        self.require_customer(claim, message.authority)
        if version < 1 or version != claim.settlement_version:
            reject("STALE_VERSION", f"{claim_id}: expected settlement {claim.settlement_version}, got {version}")
        reference = f"settlement {version}"
        if [step for step in claim.steps if (step.name, step.reference) == (name, reference)]:
            reject("ALREADY_ANSWERED", f"{claim_id}: {reference} is {name} already")
        self._step(claim, name, claim.status, None, reference, detail=reason)

    def _covered(self, claim: Claim) -> GrantVersion:
        """Return the grant version that covers all the claim's stays at this place; else reject."""
        return self.call(Consent).check(*[need_of(claim, stay_id, None, "enter") for stay_id in claim.stay_ids])

    def require_customer(self, claim: Claim, authority_id: str | None) -> None:
        """Reject unless the customer signs, or whoever may act for her (`mandates.check_claim_holder`)."""
        if authority_id is None:
            self._require(claim, claim.customer)
            return
        authority = self.call(Authorities).require(authority_id, ANY_MANDATE, claim.customer)
        grantor = self.call(Consent).terms(claim.grant_id).grantor
        check_claim_holder(authority, claim.customer, claim.hospital, claim.insurer, grantor)

    def _require(self, claim: Claim, *names: str) -> None:
        if self.context.signer not in names:
            reject("FORBIDDEN", f"{claim.claim_id}: expected {' or '.join(names)}, got {self.context.signer}")

    def _claim(self, claim_id: str) -> Claim:
        claim = self.claims.get(claim_id)
        if claim is None:
            reject("UNKNOWN_CLAIM", f"there is no claim {claim_id}")
        return claim

    def _payment(self, payment_id: str) -> Payment:
        owner = self.payment_claims.get(payment_id)
        if owner is None:
            reject("UNKNOWN_PAYMENT", f"there is no payment {payment_id}")
        return self._payment_of(owner.claim_id, payment_id)

    def _payment_of(self, claim_id: str, payment_id: str) -> Payment:
        payment = self.payments.get((claim_id, payment_id))
        assert payment is not None, "claim and index name payments that exist"
        return payment

    def _payments(self, claim: Claim) -> list[Payment]:
        return [self._payment_of(claim.claim_id, payment_id) for payment_id in claim.payments]

    def _settlement(self, claim_id: str, version: int) -> Settlement:
        settlement = self.settlements.get((claim_id, version))
        assert settlement is not None, "a claim names a settlement that exists"
        return settlement

    def _currency(self, payment: Payment) -> str:
        return self._settlement(payment.claim_id, payment.settlement_version).outcome.currency

    def _former(self, claim: Claim) -> Settlement | None:
        return None if claim.settlement_version == 0 else self._settlement(claim.claim_id, claim.settlement_version)

    def _derived(self, claim: Claim) -> ClaimStatus:
        return derive_standing(self.call(Records), claim, self._former(claim))

    def _step(
        self,
        claim: Claim,
        name: StepName,
        status: ClaimStatus,
        grant_version: int | None,
        reference: str,
        *,
        detail: bytes | None = None,
    ) -> Claim:
        """Append a step to the claim's entry, move it to `status`, and tell followers."""
        steps_max = STEPS_MAX if name == "payment" else STEPS_MAX - PAYMENT_STEPS_RESERVED
        if len(claim.steps) >= steps_max:
            reject("TOO_MANY", f"{claim.claim_id}: expected at most {steps_max} steps")
        self.call(Registers).move(claim.claim_id, claim.status, status)
        step = Step(name, status, claim.grant_id, grant_version, reference, detail, locate(self.context))
        claim = replace(claim, status=status, steps=(*claim.steps, step))
        self.claims.put(claim.claim_id, claim)
        if name != "payment":
            self.emit(f"claim-{name}", claim_event(claim, reference))
        return claim
