"""Invoices: each counts once, for one claim, whoever the insurer.

Rules:

    1. A settlement consumes the tags of its closings for its claim, for ever. What another claim consumed is refused:
       DUPL-001 within one insurer, DUPL-002 between two.
    2. A tag is bound to its hospital, so that nobody can burn another hospital's.
    3. Nobody posts here: the contract `claims` consumes as it settles.

    table          key                              value
    locks          hospital, tag                    InvoiceLock
"""

from contracts.identifiers import locate
from contracts.stays import Closing, InvoiceLock
from ledger.execution.contract import Contract, Table, reject


class Invoices(Contract):
    """The register of consumed invoices."""

    name = "invoices"
    locks = Table("locks", InvoiceLock)

    def consume(self, closing: Closing, hospital: str, claim_id: str, insurer: str) -> None:
        """Lock a closing's invoices for a claim; reject what another claim consumed."""
        lock = self.consumer(closing, hospital, claim_id)
        if lock is not None:
            code = "DUPL-001" if lock.insurer == insurer else "DUPL-002"
            reject(code, f"an invoice of {closing.stay_id} was consumed at height {lock.place.height}")
        for tag in closing.invoice_tags:
            if self.locks.get((hospital, tag)) is None:
                self.locks.put((hospital, tag), InvoiceLock(claim_id, insurer, locate(self.context)))

    def consumer(self, closing: Closing, hospital: str, claim_id: str) -> InvoiceLock | None:
        """Return the lock by which another claim holds an invoice of a closing, or None."""
        for tag in closing.invoice_tags:
            lock = self.locks.get((hospital, tag))
            if lock is not None and lock.claim_id != claim_id:
                return lock
        return None
