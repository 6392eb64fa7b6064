"""Requests for consent, and notices to the customer: off the chain, sealed, from an organisation to a wallet.

A request on the chain would tell of a patient who never agreed. So it lies in the organisation's register under the
person's number, until her wallet comes and asks: it says, sealed, who it is, and gets what is there, sealed to itself.
The request's id becomes the grant's, if she grants; so the chain says what became of it:

    status      by                                                          next
    REQUESTED   the organisation's desk                                     any of the others
    DENIED      the customer's answer, told to the organisation alone       final; she may add a denial on the chain
    EXPIRED     its last day is over (derived)                              final
    GRANTED     the grant of this id on the chain (derived)                 REVOKED, EXPIRED, as grants go
    EDITED      the same, with other terms than were asked for (derived)    as GRANTED

A notice tells the customer that a claim of hers waits for her consent, what is missing, and what she can do. It follows
from the chain and is told once for each wait: the register remembers that. Meanwhile the claim's clocks stand still.
Another notice, by the hospital whose records it was about, tells her that somebody broke the glass, and then of the
review.
"""

from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from contracts.emergencies import GlassUse
from contracts.grants import Grant, ListGrants, RecordType
from contracts.identifiers import ClaimId, GlassUseId, GrantId
from contracts.listings import ClaimSummary, ListClaims
from ledger.codec import Day, Milliseconds, Name, Struct, decode, encode
from ledger.errors import DecodeError, LedgerError
from nodes.agent import ChainView
from nodes.entropy import Entropy
from nodes.identity import Disclosure
from nodes.roles.linking import Linking
from nodes.roles.lookup import find_claim, find_grant
from nodes.roles.people import Person
from nodes.schemas.civil_time import civil_date, civil_day
from nodes.schemas.terms import GrantTerms, check_terms
from nodes.vault.register import Register
from nodes.vault.sealing import SEAL_PUBLIC_BYTES, SealContext, Sealed, SealKeys, seal

REQUEST = "consent-request"
CORRESPONDENT = "correspondent"
TOLD = "told"
INBOX_MAX = 50
"""Requests and notices that one answer carries."""

RequestStatus = Literal["REQUESTED", "EDITED", "GRANTED", "DENIED", "EXPIRED", "REVOKED"]


class RequestError(LedgerError):
    """A request that cannot be made or answered; says why."""


class ConsentRequest(Struct):
    """Register, kind `consent-request`: what an organisation asks of a person."""

    request_id: GrantId
    person: str
    """Her number here."""
    asked_by: Name
    terms: GrantTerms
    reason: Annotated[str, Meta(max_length=300)]
    """Why, in words for her."""
    until_day: Day
    """The last day on which it may be answered."""
    status: Literal["REQUESTED", "DENIED"]


class WaitingNotice(Struct):
    """What a customer is told of a claim that waits for her."""

    claim_id: ClaimId
    hospital: Name
    insurer: Name
    reason: str
    """Code and condition, as the chain has them: `AUTH-013 expiry`."""
    execution: Literal["data-to-insurer", "rules-visit-data"]
    """What the claim's grant says: what she kept at the hospital so far she is not asked to hand over."""
    since_ms: Milliseconds


class GlassNotice(Struct):
    """What a customer is told when another hospital broke the glass for her records, and again when it is reviewed."""

    use_id: GlassUseId
    hospital: Name
    """Whose records."""
    recipient: Name
    record_types: tuple[RecordType, ...]
    used_ms: Milliseconds
    finding: Literal["", "justified", "unjustified"]
    """The regulator's; empty while it has not reviewed it."""


class RequestView(Struct):
    """A request as it stands."""

    request: ConsentRequest
    status: RequestStatus


class Inbox(Struct):
    """What a wallet is given."""

    requests: tuple[RequestView, ...]
    notices: tuple[WaitingNotice, ...]
    """Each once, as the next ones."""
    emergencies: tuple[GlassNotice, ...] = ()


class Requests:
    """The requests and notices of one organisation."""

    def __init__(
        self,
        organisation: str,
        view: ChainView,
        linking: Linking,
        register: Register,
        seal_key: SealKeys,
        entropy: Entropy,
    ) -> None:
        """Keep them in the organisation's register.

        Args:
            organisation: Whose.
            view: The latest committed state.
            linking: Knows its people, and which pseudonyms are theirs.
            register: Where requests are kept.
            seal_key: Opens what wallets send.
            entropy: For ids.
        """
        self._organisation = organisation
        self._view = view
        self._linking = linking
        self._register = register
        self._seal_key = seal_key
        self._entropy = entropy

    def ask(self, number: str, terms: GrantTerms, reason: str, until_day: int, now_ms: int) -> RequestView:
        """Ask a person for a grant; nothing leaves the house before her wallet comes.

        Raises:
            PeopleError: If nobody has this number.
            RequestError, TermsError: If the request contradicts itself or is none of this organisation's business.
        """
        person = self._linking.people.get(number)
        check_terms(terms, civil_date(now_ms))
        if self._organisation not in (terms.hospital, terms.recipient) or terms.effect != "permit":
            msg = f"terms: expected a permit from or to {self._organisation}"
            raise RequestError(msg)
        if until_day < civil_day(now_ms):
            msg = "until: expected today or later"
            raise RequestError(msg)
        request_id = f"grant-{self._entropy.draw(8).hex()}"
        request = ConsentRequest(request_id, person.number, self._organisation, terms, reason, until_day, "REQUESTED")
        self._register.put(REQUEST, request_id, encode(request))
        return RequestView(request, "REQUESTED")

    def list_all(self, now_ms: int) -> tuple[RequestView, ...]:
        """Return all requests as they stand, in the order of their ids."""
        entries = self._register.list_entries(REQUEST)
        return tuple(self._view_of(decode(data, ConsentRequest), now_ms) for _, data in entries)

    def take_inbox(self, pseudonym: str, sealed: Sealed, seal_key: bytes, now_ms: int, *, is_telling: bool) -> Sealed:
        """Return what lies here for a person, sealed to her wallet; notices count as told from then on.

        Args:
            pseudonym: Whose key signed the request to this API.
            sealed: `Disclosure`, sealed to this organisation for `inbox.<pseudonym>`.
            seal_key: The wallet's own public seal key.
            now_ms: The node's clock.
            is_telling: Whether she is shown notices; else only requests.

        Raises:
            RequestError: If this organisation does not know such a person.
            VerificationError: If the sealed bytes do not open.
        """
        if len(seal_key) != SEAL_PUBLIC_BYTES:
            msg = f"seal key: expected {SEAL_PUBLIC_BYTES} bytes, got {len(seal_key)}"
            raise RequestError(msg)
        person = self._match(pseudonym, sealed)
        self._register.put(CORRESPONDENT, pseudonym, person.number.encode())
        waiting = [view for view in self.list_all(now_ms) if view.request.person == person.number]
        notices = self._list_notices(person) if is_telling else []
        emergencies = self._list_emergencies(person) if is_telling else []
        inbox = Inbox(
            tuple(waiting[-INBOX_MAX:]),
            tuple(notice for _, notice in notices),
            tuple(notice for _, notice in emergencies),
        )
        context = SealContext(self._view.chain_id, f"inbox.{pseudonym}", self._organisation, pseudonym)
        answer = seal(seal_key, context, encode(inbox))
        for key in [*(key for key, _ in notices), *(key for key, _ in emergencies)]:
            self._register.put(TOLD, key, b"told")
        return answer

    def deny(self, pseudonym: str, request_id: str, now_ms: int) -> RequestView:
        """Take in that a person does not agree; the same again changes nothing.

        Raises:
            RequestError: If there is no such request to whoever this pseudonym is, or it was answered otherwise.
        """
        data = self._register.get(REQUEST, request_id) if request_id else None
        number = self._register.get(CORRESPONDENT, pseudonym)
        request = None if data is None else decode(data, ConsentRequest)
        if request is None or number is None or request.person != number.decode():
            msg = f"request: expected one that lies here for the caller, got {request_id[:64]!r}"
            raise RequestError(msg)
        status = self._view_of(request, now_ms).status
        if status not in ("REQUESTED", "DENIED"):
            msg = f"{request_id}: expected REQUESTED, got {status}"
            raise RequestError(msg)
        denied = replace(request, status="DENIED")
        self._register.put(REQUEST, request_id, encode(denied))
        return RequestView(denied, "DENIED")

    def _match(self, pseudonym: str, sealed: Sealed) -> Person:
        context = SealContext(self._view.chain_id, f"inbox.{pseudonym}", pseudonym, self._organisation)
        try:
            disclosure = decode(self._seal_key.open(sealed, context), Disclosure)
        except DecodeError:
            msg = f"sealed: expected a disclosure for inbox.{pseudonym}"
            raise RequestError(msg) from None
        person = self._linking.people.match(disclosure.identity)
        if person is None:
            msg = f"{self._organisation} does not know such a person"
            raise RequestError(msg)
        return person

    def _view_of(self, request: ConsentRequest, now_ms: int) -> RequestView:
        grant = find_grant(self._view, request.request_id)
        if grant is not None:
            status: RequestStatus = grant.status
            if status == "GRANTED" and not _is_as_asked(request.terms, grant.versions[-1].grant):
                status = "EDITED"
            return RequestView(request, status)
        if request.status == "REQUESTED" and request.until_day < civil_day(now_ms):
            return RequestView(request, "EXPIRED")
        return RequestView(request, request.status)

    def _list_notices(self, person: Person) -> list[tuple[str, WaitingNotice]]:
        """Return (register key, notice) of the waits that this insurer has not told of yet."""
        found = []
        for pseudonym in sorted({entry.pseudonym for entry in self._linking.matched(person.number)}):
            for summary in self._list_waiting(pseudonym):
                view = find_claim(self._view, summary.claim_id)
                assert view is not None, "a listed claim exists"
                step = [item for item in view.claim.steps if item.name == "awaiting"][-1]
                key = f"{summary.claim_id} {step.place.height} {step.place.index}"
                if self._register.get(TOLD, key) is None:
                    grant = find_grant(self._view, view.claim.grant_id)
                    assert grant is not None, "a claim's grant exists"
                    notice = WaitingNotice(
                        summary.claim_id,
                        summary.hospital,
                        summary.insurer,
                        step.reference,
                        grant.versions[-1].grant.execution,
                        step.place.time_ms,
                    )
                    found.append((key, notice))
        return found[:INBOX_MAX]

    def _list_emergencies(self, person: Person) -> list[tuple[str, GlassNotice]]:
        """Return (register key, notice) of the uses of this hospital's records, and reviews, that are not told."""
        found = []
        for pseudonym in sorted({entry.pseudonym for entry in self._linking.matched(person.number)}):
            asked = ListGrants(pseudonym, "")
            for use in self._view.query("emergencies", "list_of_subject", asked, tuple[GlassUse, ...]):
                finding = "" if use.review is None else use.review.finding
                key = f"{use.use_id} {finding}"
                if use.hospital == self._organisation and self._register.get(TOLD, key) is None:
                    notice = GlassNotice(
                        use.use_id, use.hospital, use.recipient, use.record_types, use.place.time_ms, finding
                    )
                    found.append((key, notice))
        return found[:INBOX_MAX]

    def _list_waiting(self, pseudonym: str) -> list[ClaimSummary]:
        page = self._view.query(
            "claims", "list_claims", ListClaims("customer", pseudonym, ""), tuple[ClaimSummary, ...]
        )
        return [item for item in page if (item.status, item.insurer) == ("AWAITING_CONSENT", self._organisation)]


def _is_as_asked(terms: GrantTerms, grant: Grant) -> bool:
    """Whether a grant says what was asked for; days of records are private and not compared."""
    permission = grant.permission
    frequency = () if permission.frequency is None else (permission.frequency.uses, permission.frequency.days)
    return (
        terms.purpose,
        terms.case,
        terms.stays,
        terms.record_types,
        terms.mode,
        terms.execution,
        terms.uses_max,
        terms.frequency,
        terms.expires_day,
    ) == (
        grant.purpose,
        grant.scope.case,
        grant.scope.encounters,
        grant.scope.record_types,
        permission.mode,
        grant.execution,
        permission.uses_max,
        frequency,
        civil_day(permission.expires_at_ms),
    )
