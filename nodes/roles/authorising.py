"""Authorising: an organisation attests on the chain that somebody may act for a customer.

Somebody asks under her own pseudonym and says, sealed, who she is and who the other is. The organisation compares both
with its master data: the desk has seen the documents (a birth certificate, a court's decision, a death certificate) and
entered who acts for whom. It attests what follows from that, and no more, for one hospital and one recipient:

    to grant    a hospital, for itself as the source; for payment, another hospital's treatment or public health,
                for five years, or until a child's 14th or a youth's 18th birthday if that is sooner
    to erase    hospital or insurer, for what it has itself; for a day, since to ask is one act. Not for somebody of 14
                to 17: she asks herself, or waits until she is 18

The chain gets a commitment to what the records say. Its opening is kept in the register.
"""

from datetime import date, timedelta
from typing import Literal, get_args

from contracts.disclosures import DISCLOSED_TO
from contracts.grants import Minority, PartyRole, Purpose, RecordType
from contracts.mandates import Attest, Authority, MandateKind, MandateScope, find_lapse
from ledger.codec import decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import DecodeError, LedgerError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.identity import CHILD_YEARS, YOUTH_YEARS, Disclosure, birthday
from nodes.roles.lookup import list_held
from nodes.roles.people import People, Person
from nodes.schemas.civil_time import EPOCH, begin_ms, civil_date
from nodes.schemas.terms import TYPES_OF
from nodes.vault.register import Register
from nodes.vault.sealing import SealContext, Sealed, SealKeys

AUTHORITY = "authority"
AUTHORITY_DAYS = 5 * 365
ERASE_DAY_MS = 24 * 60 * 60 * 1000
"""How long an authority to erase lasts."""
KINDS: dict[str, MandateKind] = {"child": "guardian", "ward": "guardian", "youth": "guardian", "deceased": "heir"}
"""Capacity of the subject -> as what somebody may act for her."""
Act = Literal["grant", "erase"]
PAYING: Purpose = "HPAYMT"
ASKING: Purpose = "PATRQT"
ALL_TYPES: tuple[RecordType, ...] = tuple(sorted(get_args(RecordType)))
"""What is handed over beside a claim, attached documents too, is erased as well."""


class AuthorisingError(LedgerError):
    """Somebody whom this organisation's records do not name; says no more than that."""


class Authorising:
    """What one organisation attests."""

    def __init__(
        self,
        organisation: str,
        view: ChainView,
        people: People,
        register: Register,
        seal_key: SealKeys,
        entropy: Entropy,
    ) -> None:
        """Attest from an organisation's records.

        Args:
            organisation: Which: a hospital or an insurer.
            view: The latest committed state.
            people: Its master data.
            register: Keeps the openings.
            seal_key: Opens what is sealed to it.
            entropy: For ids and salts.
        """
        self._organisation = organisation
        self._view = view
        self._people = people
        self._register = register
        self._seal_key = seal_key
        self._entropy = entropy

    def attest(
        self, act: Act, kind: MandateKind, names: tuple[str, str], parties: tuple[str, str], sealed: Sealed, now_ms: int
    ) -> tuple[str, Call | None]:
        """Return the id of an authority, and the call that enters it unless it is in force already.

        Args:
            act: What for.
            kind: As what the holder would act.
            names: The pseudonym that is acted for, and the one that asks.
            parties: The hospital and the recipient whose records it is about, this organisation among them.
            sealed: `Disclosure` of the subject and, as its grantor, of the holder, for `authority.<subject>`.
            now_ms: The node's clock.

        Raises:
            AuthorisingError: If the records do not say so.
            VerificationError: If the sealed bytes do not open.
        """
        self._check_part(act, parties)
        subject, holder = names
        person, acting = self._match(subject, holder, sealed)
        today = civil_date(now_ms)
        if KINDS.get(person.capacity(today)) != kind:
            msg = f"kind: by these records nobody acts for her as {kind}"
            raise AuthorisingError(msg)
        if act == "erase" and person.capacity(today) == "youth":
            msg = "act: at 14 to 17 she asks for erasure herself, nobody does it for her"
            raise AuthorisingError(msg)
        minority = _minority(person, today)
        known = self._find(act, kind, names, parties, minority)
        if known is not None:
            return known, None
        salt, authority_id = self._entropy.draw(32), f"authority-{self._entropy.draw(8).hex()}"
        seen = encode((person.number, acting.number, kind, act, today.isoformat()))
        self._register.put(AUTHORITY, authority_id, encode((salt, seen)))
        message = Attest(
            authority_id,
            kind,
            subject,
            holder,
            commit_salted(salt, seen),
            MandateScope(*self._bounds(act, parties[1]), (parties[0],), (parties[1],)),
            0,
            min(_end_ms(person, today), now_ms + ERASE_DAY_MS) if act == "erase" else _end_ms(person, today),
            minority,
        )
        return authority_id, Call("authorities", "attest", message)

    def _bounds(self, act: Act, recipient: str) -> tuple[tuple[Purpose, ...], tuple[RecordType, ...]]:
        """Return the purposes and record types of an authority: what its recipient is granted, or all to erase."""
        if act == "erase":
            return (ASKING,), ALL_TYPES
        actor = self._view.actor(recipient)
        role: PartyRole = "insurer"
        if actor is not None and actor.role in ("hospital", "regulator"):
            role = "hospital" if actor.role == "hospital" else "regulator"
        purposes = tuple(sorted(purpose for purpose, meant in DISCLOSED_TO.items() if meant == role))
        return purposes or (PAYING,), TYPES_OF[role]

    def _check_part(self, act: Act, parties: tuple[str, str]) -> None:
        """Raise unless it is this organisation's to say: a hospital's for grants, each one's for what it has."""
        if self._organisation not in parties[: 1 if act == "grant" else 2]:
            msg = f"parties: {self._organisation} attests nobody who would {act} for {' and '.join(parties)}"
            raise AuthorisingError(msg)

    def _match(self, subject: str, holder: str, sealed: Sealed) -> tuple[Person, Person]:
        context = SealContext(self._view.chain_id, f"authority.{subject}", holder, self._organisation)
        try:
            disclosure = decode(self._seal_key.open(sealed, context), Disclosure)
        except DecodeError:
            msg = f"sealed: expected a disclosure for authority.{subject}"
            raise AuthorisingError(msg) from None
        person = self._people.match(disclosure.identity)
        acting = None if disclosure.grantor is None else self._people.match(disclosure.grantor)
        if person is None or acting is None or acting.number not in person.acts_through:
            msg = "these records do not name the caller for her; the desk enters whose documents it has seen"
            raise AuthorisingError(msg)
        return person, acting

    def _find(
        self, act: Act, kind: MandateKind, names: tuple[str, str], parties: tuple[str, str], minority: Minority | None
    ) -> str | None:
        """Return an authority of this organisation's that is in force for these."""
        held = [item for item in list_held(self._view, names[1]) if self._covers(item, act, kind, names[0], parties)]
        fitting = [item for item in held if item.minority == minority]
        return fitting[-1].authority_id if fitting else None

    def _covers(self, item: Authority, act: Act, kind: MandateKind, subject: str, parties: tuple[str, str]) -> bool:
        hospital, recipient = parties
        scope = item.scope
        return (
            (item.kind, item.subject, item.given_by) == (kind, subject, self._organisation)
            and scope.purposes == self._bounds(act, recipient)[0]
            and hospital in scope.sources
            and recipient in scope.grantees
            and find_lapse(item, self._view.time_ms) is None
        )


def _minority(person: Person, today: date) -> Minority | None:
    """Return in what way somebody acts who has a guardian; None for everybody else."""
    capacity = person.capacity(today)
    return capacity if capacity in ("child", "youth", "ward") else None


def _end_ms(person: Person, today: date) -> int:
    """Return when an authority ends: five years from today, a child's on her 14th birthday, a youth's on her 18th."""
    end = today + timedelta(days=AUTHORITY_DAYS)
    years = {"child": CHILD_YEARS, "youth": YOUTH_YEARS}.get(person.capacity(today))
    if years is not None:
        end = min(end, birthday(person.identity.birth_date, years))
    return begin_ms((end - EPOCH).days)
