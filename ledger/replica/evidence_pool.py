"""Double signing that waits for a block: verified, each offence once, bounded.

The first offence of a validator that is on no record is a reason to make a block. Its later ones wait until a block is
made for another reason.

Held in memory: evidence that a crash loses is gathered again by the others, who tell it to each other.
"""

from ledger.application import Application
from ledger.blocks import Evidence
from ledger.consensus.evidence import offence_id, offender
from ledger.errors import VerificationError
from ledger.limits import BLOCK_EVIDENCE_MAX, EVIDENCE_PENDING_MAX
from ledger.replica.candidates import check_evidence


class EvidencePool:
    """Pending evidence, in the order in which it was found."""

    def __init__(self, application: Application) -> None:
        """Start empty; `application` says what was included before."""
        self._application = application
        self._pending: dict[bytes, Evidence] = {}

    @property
    def is_reason(self) -> bool:
        """Whether a block should be made for what waits here."""
        return any(not self._application.is_on_record(offender(item)) for item in self._pending.values())

    def add(self, evidence: Evidence) -> bool:
        """Keep evidence; returns whether it is new.

        Raises:
            VerificationError: If it does not hold or was included before.
        """
        offence = offence_id(evidence)
        if offence in self._pending or len(self._pending) >= EVIDENCE_PENDING_MAX:
            return False
        check_evidence(self._application, evidence)
        self._pending[offence] = evidence
        return True

    def pending(self) -> tuple[Evidence, ...]:
        """Return what the next block should include."""
        return tuple(self._pending.values())[:BLOCK_EVIDENCE_MAX]

    def refresh(self) -> None:
        """Let go what was included meanwhile, or has become too old."""
        for offence, evidence in tuple(self._pending.items()):
            try:
                check_evidence(self._application, evidence)
            except VerificationError:
                del self._pending[offence]
