"""Who a customer is, off the chain: what her document says, and the commitment to it that the chain has.

A wallet seals a `Disclosure` (identity and salt) to a hospital and an insurer; each compares it with its own master
data. The chain has the salted commitment only, so nobody can try the billion resident identity numbers against it.

For development there are synthetic people. Their numbers have a valid check digit but begin with 990000: no province
of the administrative division code begins with 99, so a number made here is nobody's.
"""

from datetime import date, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from ledger.codec import Day, Hash, Struct, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import VerificationError
from nodes.entropy import Entropy

DocumentType = Literal["resident-id", "passport", "residence-permit", "social-security", "birth-certificate", "newborn"]
"""`newborn`: a child without a document yet, known by her mother's and by which of her children it is."""

_SYNTHETIC_REGION = "990000"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
_BIRTH_FIRST = date(1940, 1, 1)
_BIRTH_DAYS = 23_000
"""Synthetic people are born from 1940 to 2002: all of them may act for themselves, unless a birth date is given."""
CHILD_YEARS = 14
"""Under this age a guardian acts (PIPL 31)."""
YOUTH_YEARS = 18
"""Under this age the guardian countersigns."""


NUMBER_CHARACTERS_MAX = 32
NAME_CHARACTERS_MAX = 64


class Identity(Struct):
    """What identifies a customer to those she deals with. Never on the chain, never in a log."""

    document_type: DocumentType
    document_number: Annotated[str, Meta(min_length=1, max_length=NUMBER_CHARACTERS_MAX)]
    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    birth_date: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    """ISO 8601; text, because people were born before 1970."""
    phone: Annotated[str, Meta(min_length=3, max_length=20)] | None = None

    def __repr__(self) -> str:
        """Show the kind of document only: this ends up in tracebacks."""
        return f"Identity(document_type={self.document_type!r}, ...)"


class RecordDates(Struct):
    """The first and last civil day of the records that a grant means, with the salt that opens its commitment."""

    first_day: Day
    last_day: Day
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]

    @property
    def commitment(self) -> Hash:
        """What `Scope.dates` of the grant on the chain carries; one for all its parties."""
        return commit_salted(self.salt, encode((self.first_day, self.last_day)))


class IdentityOpening(Struct):
    """An identity with the salt that opens its commitment. It opens whole or not at all."""

    identity: Identity
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]

    def __repr__(self) -> str:
        """Show nothing."""
        return "IdentityOpening(...)"

    @property
    def commitment(self) -> Hash:
        """What the grant on the chain carries."""
        return commit_identity(self.identity, self.salt)


class Disclosure(Struct):
    """An identity with the salt that opens its commitment: what is sealed to a hospital or insurer."""

    identity: Identity
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]
    dates: RecordDates | None = None
    """Opens the grant's record dates: hospital and insurer compare each stay with them."""
    grantor: Identity | None = None
    """Who acts for her: the guardian, delegate or heir whose key signed the grant; None for herself."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "Disclosure(...)"

    @property
    def opening(self) -> IdentityOpening:
        """What opens the commitment, without the rest."""
        return IdentityOpening(self.identity, self.salt)

    @property
    def commitment(self) -> Hash:
        """What the grant on the chain carries."""
        return self.opening.commitment


def commit_identity(identity: Identity, salt: bytes) -> bytes:
    """Return the salted commitment to an identity, 32 bytes."""
    return commit_salted(salt, encode(identity))


def check_identity(identity: Identity) -> None:
    """Refuse an identity that contradicts itself.

    Raises:
        VerificationError: If the birth date is no date, or a resident identity number has the wrong form, check
            digit or birth date. The number itself is not in the error.
    """
    try:
        birth = date.fromisoformat(identity.birth_date)
    except ValueError:
        msg = "birth_date: expected a calendar date as YYYY-MM-DD"
        raise VerificationError(msg) from None
    if identity.document_type != "resident-id":
        return
    number = identity.document_number
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        msg = "document_number: a resident id has 17 digits and a check digit"
        raise VerificationError(msg)
    if check_digit(number[:17]) != number[17]:
        msg = "document_number: the check digit of this resident id is wrong"
        raise VerificationError(msg)
    if number[6:14] != birth.strftime("%Y%m%d"):
        msg = "birth_date: differs from the one inside the resident id"
        raise VerificationError(msg)


def check_digit(digits: str) -> str:
    """Return the 18th character of a resident identity number (GB 11643, ISO 7064 MOD 11-2).

    Args:
        digits: The first 17 digits.
    """
    return _CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def capacity_on(birth_date: str, today: date) -> Literal["adult", "youth", "child"]:
    """Return in what way somebody born on `birth_date` acts on a civil day, by her age alone."""
    birth = date.fromisoformat(birth_date)
    years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    if years < CHILD_YEARS:
        return "child"
    return "youth" if years < YOUTH_YEARS else "adult"


def birthday(birth_date: str, years: int) -> date:
    """Return the day on which somebody turns so old: of a birthday that a year lacks, the next day."""
    birth = date.fromisoformat(birth_date)
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return date(birth.year + years, 3, 1)


def newborn_identity(mother: Identity, order: int, name: str, born: date) -> Identity:
    """Return the identity of a child without a document: her mother's document, and which of her children it is."""
    return Identity("newborn", f"{mother.document_number}/{order}", name, born.isoformat())


def synthetic_identity(name: str, entropy: Entropy, born: date | None = None) -> Identity:
    """Make up a person for development: valid in form, and nobody.

    Args:
        name: What she is called.
        entropy: Decides her number, and her birth date unless it is given.
        born: When she was born, for children.
    """
    drawn = _BIRTH_FIRST + timedelta(days=int.from_bytes(entropy.draw(4), "big") % _BIRTH_DAYS)
    birth = drawn if born is None else born
    sequence = int.from_bytes(entropy.draw(4), "big") % 1000
    digits = f"{_SYNTHETIC_REGION}{birth:%Y%m%d}{sequence:03d}"
    return Identity("resident-id", digits + check_digit(digits), name, birth.isoformat())
