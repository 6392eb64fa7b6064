"""The casebook: what an insurer decided about each claim, with everything that opens the chain's commitments to it.

A settlement must never be on the chain while its opening is lost, so a draft is in the register, durable, before it
is submitted, and it stays there until another draft of the same version is on the chain. Which draft is settled is
told by the chain: the one whose outcome is the settlement's, to the byte.

    kind     id                              what
    claim    claim id                        CaseFile: its drafts' names, and what people decided
    draft    claim id, version, ordinal      Draft

A draft is written before the case file names it; a crash in between leaves one that was never submitted, and the next
draft takes its place.

Erasing a claim overwrites and removes its drafts first and the case file, which names them, last, and so does dropping
single drafts: a crash in between leaves the names of what is still to be removed.
"""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from contracts.adjudication.case import AlreadySettled, Case, Review
from contracts.identifiers import ClaimId, PaymentId
from contracts.settlements import Outcome
from ledger.codec import Hash, Struct, decode, encode
from nodes.roles.exchange.coordination import PaidBefore
from nodes.roles.exchange.opening import ClaimOpening, VisitOpening
from nodes.roles.exchange.visits import VisitReview
from nodes.vault.register import ENTRY_BYTES_MAX, Register
from nodes.vault.sealing import AmountOpening, Sealed

CLAIM, DRAFT = "claim", "draft"


class Draft(Struct):
    """One settlement as it is submitted, and its secrets."""

    outcome: Outcome
    payment_id: PaymentId | None
    zero_blinding: Hash | None
    opening: ClaimOpening | VisitOpening
    """The latter at an insurer whose rules visited the data."""
    sealed: Sealed
    """The opening as the customer gets it."""
    moves: AmountOpening
    """Opens what moves: negative for a recovery."""
    standing: AlreadySettled
    """What the claim has been settled with after this: the next settlement takes it out of the balances."""

    @property
    def whole(self) -> ClaimOpening:
        """The opening with case and decision, of a draft that was adjudicated where it is kept."""
        assert isinstance(self.opening, ClaimOpening), "who ran the rules has the case"
        return self.opening

    def __repr__(self) -> str:
        """Show which, not what."""
        return f"Draft({self.outcome.claim_id}, version={self.outcome.version})"


class DraftName(Struct):
    """Where a draft is."""

    version: Annotated[int, Meta(ge=1)]
    ordinal: Annotated[int, Meta(ge=1)]
    """1, and one more for every draft of the claim."""


class PlacedReview(Struct):
    """A person's decision about records that she has not seen."""

    version: Annotated[int, Meta(ge=1)]
    """Of the settlement that pended the finding: the number of its line is a number of that one's bill."""
    review: VisitReview


class CaseFile(Struct):
    """Register, kind `claim`."""

    claim_id: ClaimId
    drafts: tuple[DraftName, ...]
    reviews: Annotated[tuple[Review, ...], Meta(max_length=256)]
    """In the order in which people decided."""
    visit_reviews: Annotated[tuple[PlacedReview, ...], Meta(max_length=4096)]
    """The same, of what rules pended on a visit."""
    paid_before: PaidBefore | None = None
    """What another insurer paid of the same invoices, as the customer told it."""


class Casebook:
    """The case files and drafts of one insurer."""

    def __init__(self, register: Register) -> None:
        """Read and write them in `register`."""
        self._register = register

    def file(self, claim_id: str) -> CaseFile:
        """Return a claim's case file; an empty one where there is none yet."""
        data = self._register.get(CLAIM, claim_id)
        return CaseFile(claim_id, (), (), ()) if data is None else decode(data, CaseFile)

    def add_review(self, claim_id: str, review: Review) -> None:
        """Keep what a person decided."""
        file = self.file(claim_id)
        self._keep(replace(file, reviews=(*file.reviews, review)))

    def add_visit_review(self, claim_id: str, version: int, review: VisitReview) -> None:
        """Keep what a person decided about a finding that settlement `version` pended on a visit."""
        file = self.file(claim_id)
        self._keep(replace(file, visit_reviews=(*file.visit_reviews, PlacedReview(version, review))))

    def list_visit_reviews(self, claim_id: str, version: int) -> tuple[VisitReview, ...]:
        """Return what people decided about the findings that settlement `version` pended on a visit."""
        return tuple(item.review for item in self.file(claim_id).visit_reviews if item.version == version)

    def put_paid_before(self, claim_id: str, paid: PaidBefore) -> None:
        """Keep what another insurer paid of a claim's invoices; it replaces what was told before."""
        self._keep(replace(self.file(claim_id), paid_before=paid))

    def add_draft(self, draft: Draft) -> None:
        """Keep a draft, durably; only then may it be submitted."""
        file = self.file(draft.outcome.claim_id)
        ordinal = file.drafts[-1].ordinal + 1 if file.drafts else 1
        name = DraftName(draft.outcome.version, ordinal)
        self._register.put(DRAFT, _draft_id(file.claim_id, name), encode(draft))
        self._keep(replace(file, drafts=(*file.drafts, name)))

    def latest_draft(self, claim_id: str, version: int) -> Draft | None:
        """Return the latest draft of a settlement version, or None."""
        names = [name for name in self.file(claim_id).drafts if name.version == version]
        return self._read(claim_id, names[-1]) if names else None

    def settled_draft(self, outcome: Outcome) -> Draft | None:
        """Return the draft that became a settlement on the chain; None if this insurer does not hold it."""
        for name in reversed(self.file(outcome.claim_id).drafts):
            if name.version == outcome.version:
                draft = self._read(outcome.claim_id, name)
                if draft is not None and draft.outcome == outcome:
                    return draft
        return None

    def drop_unsettled(self, outcome: Outcome) -> None:
        """Erase the drafts of a version that did not become its settlement."""
        file = self.file(outcome.claim_id)
        of_version = [name for name in file.drafts if name.version == outcome.version]
        if len(of_version) < 2 or self.settled_draft(outcome) is None:
            return
        dropped = [
            name
            for name in of_version
            if (draft := self._read(file.claim_id, name)) is None or draft.outcome != outcome
        ]
        for name in dropped:
            self._register.erase(DRAFT, _draft_id(file.claim_id, name))
        self._keep(replace(file, drafts=tuple(name for name in file.drafts if name not in dropped)))

    def holds(self, claim_id: str) -> bool:
        """Whether anything is here about a claim."""
        return self._register.get(CLAIM, claim_id) is not None

    def erase(self, claim_id: str) -> None:
        """Overwrite and remove all that is here about a claim; nothing is fine."""
        names = self.file(claim_id).drafts
        ordinal = names[-1].ordinal + 1 if names else 1
        versions = range(1, (names[-1].version if names else 0) + 2)
        unnamed = [DraftName(version, ordinal) for version in versions]  # what a crash left without a name
        for name in (*names, *unnamed):
            self._register.erase(DRAFT, _draft_id(claim_id, name))
        self._register.erase(CLAIM, claim_id)

    def _keep(self, file: CaseFile) -> None:
        self._register.put(CLAIM, file.claim_id, encode(file))

    def _read(self, claim_id: str, name: DraftName) -> Draft | None:
        data = self._register.get(DRAFT, _draft_id(claim_id, name))
        return None if data is None else decode(data, Draft, ENTRY_BYTES_MAX)


def find_case(draft: Draft | None) -> Case | None:
    """Return the case that a draft was adjudicated from; None without a draft, or where rules visited the data."""
    return None if draft is None or isinstance(draft.opening, VisitOpening) else draft.opening.case


def _draft_id(claim_id: str, name: DraftName) -> str:
    return f"{claim_id}.{name.version}.{name.ordinal}"
