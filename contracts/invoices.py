"""Invoices: each counts once, for one claim; what its insurer leaves may be another insurer's to pay.

Rules:

    1. A settlement consumes the tags of its closings for its claim, for ever. What another claim consumed is refused:
       DUPL-001 within one insurer, DUPL-002 between two.
    2. A claim that follows another insurer's, by the customer's order, settles on what that one consumed. It consumes
       the rest, and the locks stay as they are. What the first one left is consumed too, for ever: a third claim after
       the same one is refused, else each of them would pay the whole remainder.
    3. A claim that was settled keeps its place: when its hospital corrects the bill, the new closing's free tags are
       consumed for it at once. Else another insurer that waits would pay all of an invoice that was paid before.
       A claim that follows another one waits for its order to be stated again, and until then keeps what replaces its
       own invoices, and what it had of the other one's. What is new on its bill is free: the first one's stay may have
       it too, and that one goes first.
    4. An invoice that replaces one which another insurer paid is that one's, whichever claim's stay is closed with it
       first. For another claim of the same insurer it is free: there it is a number that was typed wrongly, and the
       hospital's to mend.
    5. A tag is bound to its hospital, so that nobody can burn another hospital's.
    6. Nobody posts here: the contract `claims` consumes as it settles, `records` as it closes, and `coordination`
       writes orders.

    table          key                value
    locks          hospital, tag      InvoiceLock
    remainders     hospital, tag      InvoiceLock: of the claim that pays what the lock's has left
    holdings       claim id, stay id  InvoiceLock: the first that the claim had of an invoice of this stay
    orders         claim id           InvoiceOrder: after which settlement the claim pays what is left
"""

from contracts.identifiers import locate
from contracts.settlements import InvoiceOrder
from contracts.stays import Closing, InvoiceLock, Stay
from ledger.execution.contract import Contract, Table, reject, replace


class Invoices(Contract):
    """The register of consumed invoices."""

    name = "invoices"
    locks = Table("locks", InvoiceLock)
    remainders = Table("remainders", InvoiceLock)
    holdings = Table("holdings", InvoiceLock)
    orders = Table("orders", InvoiceOrder)

    def consume(self, closing: Closing, hospital: str, claim_id: str, insurer: str, after: str | None) -> None:
        """Lock a closing's invoices for a claim; reject what another claim consumed, but the one that it follows."""
        own = InvoiceLock(claim_id, insurer, locate(self.context))
        is_holding = False
        for tag in closing.invoice_tags:
            table = self.locks
            lock = table.get((hospital, tag))
            if lock is not None and lock.claim_id == after:
                table = self.remainders
                lock = table.get((hospital, tag))
            else:
                is_holding = True
            if lock is None:
                table.put((hospital, tag), own)
            elif lock.claim_id != claim_id:
                code = "DUPL-001" if lock.insurer == insurer else "DUPL-002"
                reject(code, f"an invoice of {closing.stay_id} was consumed at height {lock.place.height}")
        if is_holding and self.holdings.get((claim_id, closing.stay_id)) is None:
            self.holdings.put((claim_id, closing.stay_id), own)

    def inherit(self, stay: Stay, former: bytes | None, tag: bytes | None) -> None:
        """Lock an invoice that replaces another one for whoever consumed that, and for whoever was paid what it left.

        Args:
            stay: Both are of it. Of the claims of the insurer that it is for, only its own inherits.
            former: The tag of the one that was replaced.
            tag: Of the one that replaces it.
        """
        assert former is not None, "an invoice has its tag"
        assert tag is not None, "an invoice has its tag"
        for table in (self.locks, self.remainders):
            lock = table.get((stay.hospital, former))
            is_heir = lock is not None and (lock.insurer != stay.recipient or lock.claim_id == stay.claim_id)
            if lock is not None and is_heir and table.get((stay.hospital, tag)) is None:
                table.put((stay.hospital, tag), replace(lock, place=locate(self.context)))

    def carry(self, closing: Closing, hospital: str, claim_id: str) -> None:
        """Lock a correction's new invoices for a claim that holds one of a former closing, and follows nobody."""
        held = self.holdings.get((claim_id, closing.stay_id))
        if held is not None and self.orders.get(claim_id) is None:
            for tag in closing.invoice_tags:
                if self.locks.get((hospital, tag)) is None:
                    self.locks.put((hospital, tag), replace(held, place=locate(self.context)))

    def consumer(self, closing: Closing, hospital: str, claim_id: str, after: str | None = None) -> InvoiceLock | None:
        """Return the lock by which another claim than the one it follows holds an invoice of a closing, or None.

        Of what the one that it follows has left, that is whoever else was settled on it.
        """
        for tag in closing.invoice_tags:
            lock = self.locks.get((hospital, tag))
            if lock is not None and lock.claim_id == after:
                lock = self.remainders.get((hospital, tag))
            if lock is not None and lock.claim_id != claim_id:
                return lock
        return None

    def find_order(self, claim_id: str) -> InvoiceOrder | None:
        """Return after which settlement a claim pays what is left, as far as it was stated, or None."""
        return self.orders.get(claim_id)

    def put_order(self, claim_id: str, order: InvoiceOrder) -> None:
        """Write after which settlement a claim pays what is left."""
        self.orders.put(claim_id, order)


def is_stated(order: InvoiceOrder) -> bool:
    """Whether both customers have stated an order: the one who is told of, and the one who is told."""
    return order.released is not None and order.followed is not None
