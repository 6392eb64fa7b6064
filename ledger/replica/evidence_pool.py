"""Double signing that waits for a block: verified, each offence once, bounded.

The first offence of a validator that is on no record is a reason to make a block. Its later ones wait until a block is
made for another reason, and go into it after everybody's first ones. When there is no more place, who has most here
makes room: a validator can sign twice at as many heights as it likes, and must not keep out what is told of another.

Held in memory: evidence that a crash loses is gathered again by the others, who tell it to each other.
"""

from collections import Counter

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
        is_full = len(self._pending) >= EVIDENCE_PENDING_MAX
        dispensable = self._find_dispensable(offender(evidence)) if is_full else None
        if offence in self._pending or (is_full and dispensable is None):
            return False
        check_evidence(self._application, evidence)
        if dispensable is not None:
            del self._pending[dispensable]
        self._pending[offence] = evidence
        return True

    def pending(self) -> tuple[Evidence, ...]:
        """Return what the next block should include."""
        ordered = sorted(self._pending.values(), key=lambda item: self._application.is_on_record(offender(item)))
        return tuple(ordered[:BLOCK_EVIDENCE_MAX])

    def refresh(self) -> None:
        """Let go what was included meanwhile, or has become too old."""
        for offence, evidence in tuple(self._pending.items()):
            try:
                check_evidence(self._application, evidence)
            except VerificationError:
                del self._pending[offence]

    def _find_dispensable(self, name: str) -> bytes | None:
        """Return the latest offence of whoever has most here, if that is more than `name` would have."""
        counts = Counter(offender(item) for item in self._pending.values())
        most, count = counts.most_common(1)[0]
        if count <= counts[name] + 1:
            return None
        return next(offence for offence in reversed(self._pending) if offender(self._pending[offence]) == most)
