"""An organisation's master data about people: a hospital's patient index, an insurer's insured persons.

Each has the organisation's own number for her and her identity, in the sealed register. A document belongs to one
person: the same document under two numbers would let one identity match either.

A person is found by her document without reading the others: a second entry has her number under type and number of
the document, and the register keys its file names. That entry is written first and believed only if the person it
names has this document, so a crash between the two leaves nothing that matters.
"""

from datetime import date
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from contracts.grants import Capacity
from ledger.codec import Struct, decode, encode
from ledger.errors import LedgerError
from nodes.identity import Identity, capacity_on, check_identity
from nodes.vault.register import Register

PERSON = "person"
DOCUMENT = "document"
NUMBER_CHARACTERS_MAX = 64

MOTHERS_DOCUMENTS = ("resident-id", "passport", "residence-permit")


class PeopleError(LedgerError):
    """A person who is unknown, or cannot be entered as she was given."""


class Person(Struct):
    """Somebody this organisation knows."""

    number: Annotated[str, Meta(min_length=1, max_length=NUMBER_CHARACTERS_MAX)]
    """The organisation's own number or short name for her."""
    identity: Identity
    acts_through: tuple[str, ...] = ()
    """Numbers of those who may act for her, whose documents were seen: guardians, or heirs once she has died."""
    is_ward: bool = False
    """Grown up and under guardianship."""
    is_deceased: bool = False

    def capacity(self, today: date) -> Capacity:
        """Return in what way she acts on a civil day."""
        if self.is_deceased:
            return "deceased"
        return "ward" if self.is_ward else capacity_on(self.identity.birth_date, today)


class People:
    """The people in one organisation's register."""

    def __init__(self, register: Register) -> None:
        """Read and write them in `register`."""
        self._register = register

    def enter(self, number: str, identity: Identity) -> Person:
        """Enter a person, or correct what is known about her; the same again changes nothing.

        Raises:
            PeopleError: If the number is malformed, or her document is entered under another number.
            VerificationError: If the identity contradicts itself.
        """
        if not 1 <= len(number) <= NUMBER_CHARACTERS_MAX:
            msg = f"number: expected 1 to {NUMBER_CHARACTERS_MAX} characters, got {len(number)}"
            raise PeopleError(msg)
        check_identity(identity)
        holder = self.find(identity)
        if holder is not None and holder.number != number:
            msg = f"document_number: expected one that nobody else has, this one is entered for {holder.number}"
            raise PeopleError(msg)
        known = holder or self._read(number)
        person = Person(number, identity) if known is None else replace(known, identity=identity)
        mother = self._find_mother(identity)
        if mother is not None and mother.number not in person.acts_through:
            person = replace(person, acts_through=tuple(sorted((*person.acts_through, mother.number))))
        if holder != person:
            former = self._read(number)
            self._register.put(DOCUMENT, _document(identity), number.encode())
            self._register.put(PERSON, number, encode(person))
            if former is not None and _document(former.identity) != _document(identity):
                self._register.erase(DOCUMENT, _document(former.identity))
        return person

    def relate(self, number: str, acts_through: tuple[str, ...], *, is_ward: bool, is_deceased: bool) -> Person:
        """Enter who acts for a person, and that she is a ward or has died; the same again changes nothing.

        Raises:
            PeopleError: If one of them is unknown, or she would act for herself.
        """
        person = self.get(number)
        if number in acts_through:
            msg = f"acts_through: expected others than {number} herself"
            raise PeopleError(msg)
        for other in acts_through:
            self.get(other)
        related = replace(
            person, acts_through=tuple(sorted(set(acts_through))), is_ward=is_ward, is_deceased=is_deceased
        )
        if related != person:
            self._register.put(PERSON, number, encode(related))
        return related

    def get(self, number: str) -> Person:
        """Return a person by number.

        Raises:
            PeopleError: If she is unknown.
        """
        person = self._read(number) if 1 <= len(number) <= NUMBER_CHARACTERS_MAX else None
        if person is None:
            msg = f"person: expected the number of a person entered here, got {number[:80]!r}"
            raise PeopleError(msg)
        return person

    def find(self, identity: Identity) -> Person | None:
        """Return the person with this document, whatever her name and birth date are."""
        number = self._register.get(DOCUMENT, _document(identity))
        person = None if number is None else self._read(number.decode())
        return person if person is not None and _document(person.identity) == _document(identity) else None

    def match(self, identity: Identity) -> Person | None:
        """Return the person whose document, name and birth date are exactly these, or None."""
        person = self.find(identity)
        if person is None:
            return None
        known = person.identity
        same = (known.name, known.birth_date) == (identity.name, identity.birth_date)
        return person if same else None

    def _find_mother(self, identity: Identity) -> Person | None:
        """Return the mother of a newborn without a document, by hers; None for everybody else."""
        if identity.document_type != "newborn":
            return None
        document = identity.document_number.rpartition("/")[0]
        for kind in MOTHERS_DOCUMENTS:
            number = self._register.get(DOCUMENT, f"{kind} {document}")
            mother = None if number is None else self._read(number.decode())
            if mother is not None:
                return mother
        return None

    def _read(self, number: str) -> Person | None:
        data = self._register.get(PERSON, number)
        return None if data is None else decode(data, Person)


def _document(identity: Identity) -> str:
    return f"{identity.document_type} {identity.document_number}"
