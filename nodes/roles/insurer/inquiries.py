"""What an insurer's operators and customers ask about claims, and which reviews make sense."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.adjudication.case import LINES_MAX, Review
from contracts.erasures import ErasureItem
from contracts.listings import ClaimSummary, ClaimView, ListClaims
from contracts.openings import READERS, OpenClaim
from contracts.orders import LegalBasis
from contracts.settlements import Outcome
from ledger.codec import encode
from ledger.errors import LedgerError
from nodes.agent import Call, ChainView
from nodes.roles.claims.casebook import Casebook, Draft
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.opening import ClaimOpening, VisitOpening, opening_context, seal_opening
from nodes.roles.exchange.person import OpenedIdentity, PersonOpening, seal_person
from nodes.roles.exchange.visits import PENDING, VisitReview
from nodes.roles.insurer.premises import WaitError
from nodes.roles.linking import Linking
from nodes.roles.lookup import find_claim, find_opening, find_seal_key
from nodes.schemas.civil_time import write_day
from nodes.vault.sealing import Sealed


class InsurerError(LedgerError):
    """What an operator or customer asked for and cannot have; says why."""


class OpeningErasedError(InsurerError):
    """An opening that was erased; only who kept a copy before can still open the settlement."""

    def __init__(self, claim_id: str, version: int, height: int) -> None:
        """Say which, and when that was certified."""
        super().__init__(f"{claim_id}: the opening of settlement {version} was erased, certified at height {height}")


@dataclass(frozen=True, slots=True)
class InsurerClaim:
    """A claim as its insurer sees it."""

    shown: ClaimView
    """As the chain has it."""
    settled: Draft | None
    """Case, decision and openings of the latest settlement."""
    reviews: tuple[Review, ...]
    """What people decided about it."""
    waits: WaitError | None
    """Why it is not settled by itself now."""


class Inquiries:
    """Answers from the chain and the casebook; changes nothing."""

    def __init__(self, insurer: str, view: ChainView, casebook: Casebook, linking: Linking) -> None:
        """Read `view`, `casebook` and the seal keys in `linking` for one insurer."""
        self._insurer = insurer
        self._view = view
        self._casebook = casebook
        self._linking = linking

    def find(self, claim_id: str) -> ClaimView:
        """Return a claim as the chain has it; raises `InsurerError` if it is not this insurer's."""
        shown = find_claim(self._view, claim_id)
        if shown is None or shown.claim.insurer != self._insurer:
            msg = f"claim: expected one of {self._insurer}, got {claim_id[:64]!r}"
            raise InsurerError(msg)
        return shown

    def list_claims(self, after: str) -> tuple[ClaimSummary, ...]:
        """Return one page of the claims; `after` is the last one's number as 16 hex digits, empty for the first."""
        message = ListClaims("insurer", self._insurer, after)
        return self._view.query("claims", "list_claims", message, tuple[ClaimSummary, ...])

    def show(self, claim_id: str, waits: WaitError | None) -> InsurerClaim:
        """Return a claim with case, decision and openings; raises as `find`."""
        shown = self.find(claim_id)
        asked = list_asked(self._view, claim_id, self._insurer).get(claim_id)
        if asked is not None:
            return InsurerClaim(shown, None, (), _explain(asked))
        settled = self._casebook.settled_draft(shown.settlements[-1].outcome) if shown.settlements else None
        return InsurerClaim(shown, settled, self._casebook.file(claim_id).reviews, waits)

    def check_review(self, claim_id: str, review: Review) -> None:
        """Refuse a decision on what is not pended.

        Raises:
            InsurerError: If the latest settlement did not pend this finding, or it is decided already.
        """
        claim = self.show(claim_id, None)
        opening = None if claim.settled is None else claim.settled.opening
        assert not isinstance(opening, VisitOpening), "what a visit pended is decided by the number of its line"
        reasons = () if opening is None else opening.decision.reasons
        asked = [(reason.rule, reason.line) for reason in reasons if reason.action in PENDING]
        decided = [(former.rule, former.line) for former in claim.reviews]
        _check_pended(claim_id, asked, decided, review.rule, review.line)

    def find_visited(self, claim_id: str) -> tuple[int, VisitOpening] | None:
        """Return version and opening of a claim's latest settlement if rules visited its records; raises as `find`."""
        settled = self.show(claim_id, None).settled
        if settled is None or not isinstance(settled.opening, VisitOpening):
            return None
        return settled.outcome.version, settled.opening

    def read_visit_review(self, claim_id: str, version: int, opening: VisitOpening, review: Review) -> VisitReview:
        """Return a decision on what rules pended on a visit, whose line is a number.

        Raises:
            InsurerError: If the line is none, settlement `version` did not pend this, or it is decided already.
        """
        line = None
        if review.line is not None:
            is_number = review.line.isascii() and review.line.isdigit() and len(review.line) <= len(str(LINES_MAX))
            line = int(review.line) if is_number else 0
            if not 1 <= line <= LINES_MAX:
                msg = f"line: expected the number of a line, 1 to {LINES_MAX}, got {review.line!r}"
                raise InsurerError(msg)
        decided = [(former.rule, former.line) for former in self._casebook.list_visit_reviews(claim_id, version)]
        asked = [(reason.rule, reason.line) for reason in opening.reasons if reason.action in PENDING]
        _check_pended(claim_id, asked, decided, review.rule, line)
        return VisitReview(review.rule, line, review.accepted)

    def customer_opening(self, claim_id: str, pseudonym: str) -> tuple[bytes, int]:
        """Return the encoded `Sealed` opening of the latest settlement, and its version.

        Raises:
            InsurerError: If it is not this customer's claim, or not settled.
        """
        shown = self.find_of(claim_id, pseudonym)
        if not shown.settlements:
            msg = f"{claim_id}: is {shown.status}, there is no settlement to open yet"
            raise InsurerError(msg)
        outcome = shown.settlements[-1].outcome
        return encode(self._sealed(outcome)), outcome.version

    def customer_openings(self, claim_id: str, pseudonym: str, *, again: bool) -> dict[int, Sealed]:
        """Return the sealed opening of every settlement, by version.

        Args:
            claim_id: The claim.
            pseudonym: Its customer.
            again: Seal them again, to the seal key that she has now: the one of then is lost.

        Raises:
            InsurerError: If it is not this customer's claim.
        """
        shown = self.find_of(claim_id, pseudonym)
        drafts = {item.outcome.version: self._draft(item.outcome) for item in shown.settlements}
        if not again:
            return {version: draft.sealed for version, draft in drafts.items()}
        entry = self._linking.entry(shown.claim.grant_id)
        if entry is None:
            msg = f"{claim_id}: there is no seal key to seal to again"
            raise InsurerError(msg)
        return {
            version: seal_opening(
                entry.seal_key,
                opening_context(self._view.chain_id, claim_id, version, self._insurer, pseudonym),
                _whole(claim_id, draft),
            )
            for version, draft in drafts.items()
        }

    def draft_opening(self, claim_id: str, auditor: str, basis: LegalBasis, *, names_person: bool = False) -> Call:
        """Return the call that enters that a claim is opened to an auditor: the customer sees it from then on.

        Args:
            claim_id: The claim.
            auditor: To whom: a regulator, or an organisation of that role.
            basis: Under which law.
            names_person: Whether who the customer is is to be opened too.

        Raises:
            InsurerError: As `auditor_openings`, but that it is not entered; what cannot be opened is not announced.
        """
        self._open_to_auditor(claim_id, auditor)
        if names_person:
            self._find_person(claim_id)
        return Call("openings", "open", OpenClaim(claim_id, auditor, basis, names_person))

    def auditor_person(self, claim_id: str, auditor: str) -> Sealed:
        """Return who the customer is, sealed to an auditor.

        Raises:
            InsurerError: As `auditor_openings`, if no committed entry says that this is opened too, or if what opens
                her identity is not here.
        """
        seal_key, openings = self._open_to_auditor(claim_id, auditor)
        if not openings or find_opening(self._view, claim_id, auditor, max(openings), names_person=True) is None:
            msg = f"{claim_id}: no entry of the chain opens to {auditor} who its customer is"
            raise InsurerError(msg)
        return seal_person(seal_key, self._view.chain_id, claim_id, self._insurer, auditor, self._find_person(claim_id))

    def auditor_openings(self, claim_id: str, auditor: str) -> dict[int, Sealed]:
        """Return the opening of every settlement, sealed to a regulator or auditor, by version.

        Raises:
            InsurerError: If it is not this insurer's claim, what opens it is gone, the auditor has neither role, or no
                committed entry says that the claim is opened to it.
        """
        seal_key, openings = self._open_to_auditor(claim_id, auditor)
        if not openings or find_opening(self._view, claim_id, auditor, max(openings)) is None:
            msg = (
                f"{claim_id}: no entry of the chain opens its latest settlement to {auditor}; nothing is sealed "
                f"before the customer can see it"
            )
            raise InsurerError(msg)
        sealed = {}
        for version, opening in openings.items():
            context = opening_context(self._view.chain_id, claim_id, version, self._insurer, auditor)
            sealed[version] = seal_opening(seal_key, context, opening)
        return sealed

    def _open_to_auditor(self, claim_id: str, auditor: str) -> tuple[bytes, dict[int, ClaimOpening]]:
        """Return a regulator's or auditor's seal key, and what it would be given, by version."""
        shown = self.find(claim_id)
        actor = self._view.actor(auditor)
        if actor is None or actor.role not in READERS:
            msg = f"auditor: expected a {' or an '.join(READERS)} of this network, got {auditor[:64]!r}"
            raise InsurerError(msg)
        seal_key = find_seal_key(self._view, auditor)
        asked = list_asked(self._view, claim_id, self._insurer).get(claim_id)
        if asked is not None and asked.status == "ASKED":
            msg = f"{claim_id}: its customer asked to have it erased; it is opened to nobody until that is answered"
            raise InsurerError(msg)
        openings = {item.outcome.version: _whole(claim_id, self._draft(item.outcome)) for item in shown.settlements}
        return seal_key, openings

    def _find_person(self, claim_id: str) -> PersonOpening:
        """Return what opens the commitments to a claim's customer, by the grants that the claim was entered under."""
        shown = self.find(claim_id)
        grants = {step.grant_id for step in shown.claim.steps if step.grant_version is not None}
        entries = [self._linking.entry(grant_id) for grant_id in sorted(grants)]
        links = tuple(
            OpenedIdentity(entry.grant_id, entry.identity)
            for entry in entries
            if entry is not None and entry.identity is not None
        )
        if not links:
            msg = f"{claim_id}: what opens its customer's identity is not in the register"
            raise InsurerError(msg)
        return PersonOpening(links)

    def find_of(self, claim_id: str, pseudonym: str) -> ClaimView:
        """Return a customer's claim as the chain has it; raises `InsurerError` if it is not hers, or not here."""
        shown = self.find(claim_id)
        if shown.claim.customer != pseudonym:
            msg = f"claim: expected one of {pseudonym}, got {claim_id}"
            raise InsurerError(msg)
        return shown

    def _sealed(self, outcome: Outcome) -> Sealed:
        return self._draft(outcome).sealed

    def _draft(self, outcome: Outcome) -> Draft:
        draft = self._casebook.settled_draft(outcome)
        if draft is None:
            asked = list_asked(self._view, outcome.claim_id, self._insurer).get(outcome.claim_id)
            if asked is not None and asked.status == "ERASED":
                raise OpeningErasedError(outcome.claim_id, outcome.version, asked.steps[-1].place.height)
            msg = f"{outcome.claim_id}: the opening of settlement {outcome.version} is not in the register any more"
            raise InsurerError(msg)
        return draft


def _check_pended(
    claim_id: str,
    asked: Sequence[tuple[str, str | int | None]],
    decided: Sequence[tuple[str, str | int | None]],
    rule: str,
    line: str | int | None,
) -> None:
    """Refuse a decision on a finding, (rule, line), that is not asked about or is decided already."""
    if (rule, line) not in asked:
        pended = ", ".join(f"{found} {where or 'claim'}" for found, where in asked) or "none"
        msg = f"review: expected a pended finding of {claim_id} ({pended}), got {rule}"
        raise InsurerError(msg)
    if (rule, line) in decided:
        msg = f"review: {rule} of {claim_id} is decided already"
        raise InsurerError(msg)


def _whole(claim_id: str, draft: Draft) -> ClaimOpening:
    """Return a draft's opening; raises `InsurerError` where the case stayed at the hospital."""
    if isinstance(draft.opening, VisitOpening):
        msg = f"{claim_id}: the rules visited its records; only the customer and its hospital can open it"
        raise InsurerError(msg)
    return draft.opening


def _explain(asked: ErasureItem) -> WaitError:
    """Say why nobody reads a claim any more."""
    step = asked.steps[-1]
    if asked.status == "RESTRICTED" and step.until_day is not None:
        until = write_day(step.until_day)
        return WaitError("RESTRICTED", f"kept until {until} for {step.basis} alone, and not to be read")
    if asked.status == "ERASED":
        return WaitError("ERASED", f"was erased, certified at height {step.place.height}")
    return WaitError("ERASED", "is to be erased once its payments are paid")
