"""Coordination of benefits: one invoice, two insurers; the second pays what the first has left.

The claim that settles first consumes the invoice. The customer carries what it paid to the other insurer herself, as
people do with a split bill (分割单): her wallet opens the first claim, which is sealed to her, and seals its
one total to the second insurer. Here stands that she did, and which settlement it was. So the second insurer learns
one number, which is the remainder to whoever knows the bill, and nothing else of the first claim.

Rules:

    1. Two acts make an order: `release`, as the customer of the claim that was paid, and `follow`, as the customer of
       the claim that is to pay what is left. Each is signed by that claim's pseudonym or by who may act for it, so
       nobody can tell one insurer about another's claim but the person of both.
    2. The claims are of one hospital and of two insurers. Every invoice of the first is one of the second: else the
       first one's total would be for something else too.
    3. The first is final: on the latest closings, with nothing pended, and paid if it pays anything. An order is of
       that settlement. When the first is settled again, the order is out of date and is stated again before the second
       moves anything. What the first has left is one claim's: nobody follows it beside that one.
    4. Nobody's rules visit the data for the second claim: there the hospital computes, and would have to be told.
    5. A claim that once followed another always does: it never becomes the first one by a correction (`claims`).

It keeps no row of its own: orders are rows of `invoices`.
"""

from contracts.claims import Claims
from contracts.consent import Consent
from contracts.identifiers import ClaimId, Version, locate
from contracts.invoices import Invoices
from contracts.records import Records
from contracts.settlements import Claim, Follow, InvoiceOrder, Release, SettledBefore
from contracts.stays import Closing
from contracts.steps import claim_event
from ledger.execution.contract import Contract, Name, Struct, query, reject, replace, transaction


class ShowOrder(Struct):
    """Query `show`: which claim of another insurer pays a claim's invoices first."""

    claim_id: ClaimId


class OrderView(Struct):
    """Two claims on one invoice, as they stand."""

    claim_id: ClaimId
    """The one that pays what is left."""
    after: ClaimId
    """The one that pays first."""
    insurer: Name
    """Of the one that pays first."""
    version: Version
    """Its latest settlement."""
    is_final: bool
    """Whether that one is on the latest closings, with nothing pended nor left to pay."""
    order: InvoiceOrder | None
    """What was stated last."""
    is_current: bool
    """Whether the order is stated by both, and of the latest settlement, which is final."""


class Coordination(Contract):
    """Which of two insurers pays what the other has left."""

    name = "coordination"

    @transaction
    def release(self, message: Release) -> None:
        """Let another insurer be told what a claim paid, as its customer."""
        claims = self.call(Claims)
        first, second = claims.find(message.claim_id), claims.find(message.to)
        claims.require_customer(first, message.authority)
        order = self._begin(first, second, SettledBefore(message.claim_id, message.version))
        self._put(second, replace(order, released=locate(self.context)))

    @transaction
    def follow(self, message: Follow) -> None:
        """State after which claim another one pays what is left, as its customer."""
        claims = self.call(Claims)
        first, second = claims.find(message.after.claim_id), claims.find(message.claim_id)
        claims.require_customer(second, message.authority)
        order = self._begin(first, second, message.after)
        self._put(second, replace(order, followed=locate(self.context)))

    @query
    def show(self, message: ShowOrder) -> OrderView | None:
        """Return the claim that a claim follows, or would; None where nobody else consumed its invoices."""
        claims, invoices = self.call(Claims), self.call(Invoices)
        second = claims.find(message.claim_id)
        order = invoices.find_order(message.claim_id)
        after = self._find_consumer(second, self._list_closings(second)) if order is None else order.after.claim_id
        if after is None:
            return None
        first = claims.find(after)
        is_final = claims.is_final(after, first.settlement_version)
        is_current = claims.find_followed(second.claim_id) is not None
        return OrderView(second.claim_id, after, first.insurer, first.settlement_version, is_final, order, is_current)

    def _begin(self, first: Claim, second: Claim, after: SettledBefore) -> InvoiceOrder:
        """Return the order as it was stated so far of this settlement, if there may be one; else reject."""
        where = f"{second.claim_id} after {first.claim_id}"
        if first.hospital != second.hospital or first.insurer == second.insurer:
            reject("OTHER_CLAIM", f"{where}: expected claims of one hospital and of two insurers")
        if self.call(Consent).terms(second.grant_id).execution == "rules-visit-data":
            reject("NOT_OFFERED", f"{where}: the rules of {second.insurer} visit the data, which tells no other payer")
        if not self.call(Claims).is_final(first.claim_id, after.version):
            reject("NOT_FINAL", f"{where}: expected settlement {after.version}, the latest, paid, with nothing open")
        closings = self._list_closings(second)
        known = _list_tags(closings)
        if len([tag for tag in _list_tags(self._list_closings(first)) if tag not in known]) > 0:
            reject("OTHER_INVOICES", f"{where}: expected every invoice of the first among those of the second")
        former = self.call(Invoices).find_order(second.claim_id)
        if former is None and self._find_consumer(second, closings) != first.claim_id:
            reject("NOT_CONSUMED", f"{where}: expected an invoice of the second that the first consumed")
        if former is not None and former.after.claim_id != first.claim_id:
            reject("OTHER_CLAIM", f"{second.claim_id}: follows {former.after.claim_id}")
        for closing in closings:
            lock = self.call(Invoices).consumer(closing, second.hospital, second.claim_id, first.claim_id)
            if lock is not None:
                reject("OTHER_CLAIM", f"{where}: {lock.claim_id} was settled on what is left of {closing.stay_id}")
        return InvoiceOrder(after, None, None) if former is None or former.after != after else former

    def _put(self, second: Claim, order: InvoiceOrder) -> None:
        self.call(Invoices).put_order(second.claim_id, order)
        self.emit("claim-coordinated", claim_event(second, f"after {order.after.claim_id}"))

    def _list_closings(self, claim: Claim) -> list[Closing]:
        closings = [self.call(Records).current_closing(stay_id) for stay_id in claim.stay_ids]
        return [closing for closing in closings if closing is not None]

    def _find_consumer(self, claim: Claim, closings: list[Closing]) -> str | None:
        """Return another insurer's claim that consumed an invoice of this one's latest closings, or None."""
        for closing in closings:
            lock = self.call(Invoices).consumer(closing, claim.hospital, claim.claim_id)
            if lock is not None and lock.insurer != claim.insurer:
                return lock.claim_id
        return None


def _list_tags(closings: list[Closing]) -> list[bytes]:
    return [tag for closing in closings for tag in closing.invoice_tags]
