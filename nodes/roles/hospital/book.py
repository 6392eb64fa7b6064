"""The book of stays: a hospital's stays in its register, numbered as they come.

All of them are in memory too, so that the register is read once; the file is written before anything follows from it.
"""

from msgspec.structs import replace

from contracts.conditions import CLAIM_PURPOSE
from contracts.grants import Purpose
from ledger.codec import decode, encode
from ledger.errors import LedgerError
from nodes.entropy import Entropy
from nodes.roles.exchange.documents import Admission
from nodes.roles.hospital.stays import Lane, LocalStay, plan
from nodes.schemas.civil_time import write_day
from nodes.vault.register import Register

STAY = "stay"


class StayError(LedgerError):
    """A stay that is unknown, or not where the request expects it."""


class StayBook:
    """One hospital's stays."""

    def __init__(self, register: Register, entropy: Entropy) -> None:
        """Read the book.

        Args:
            register: Holds it.
            entropy: For the ids of stays, claims and records.
        """
        self._register = register
        self._entropy = entropy
        self._stays = {number: decode(data, LocalStay) for number, data in register.list_entries(STAY)}
        self._numbers_by_id: dict[str, str] = {}
        self._numbers_by_admission: dict[tuple[str, int], str] = {}
        for stay in self._stays.values():
            self._index(stay)

    def numbers(self) -> list[str]:
        """Return the numbers of all stays, in the order in which they came."""
        return sorted(self._stays, key=_count)

    def get(self, number: str) -> LocalStay:
        """Return a stay.

        Raises:
            StayError: If there is none of this number.
        """
        stay = self._stays.get(number)
        if stay is None:
            msg = f"stay: expected the number of one in this hospital, such as S-01, got {number[:40]!r}"
            raise StayError(msg)
        return stay

    def begin(self, patient: str, admission: Admission) -> LocalStay:
        """Enter a new stay under the next number.

        Raises:
            StayError: If the patient was admitted that day already: a desk that asks twice has one stay.
        """
        former = self._numbers_by_admission.get((patient, admission.admission_day))
        if former is not None:
            msg = (
                f"patient: {patient} was admitted on {write_day(admission.admission_day)} already, as {former}; go on "
                "with that stay or correct it: who comes back on the day of her admission continues it"
            )
            raise StayError(msg)
        number = 1 + max((_count(known) for known in self._stays), default=0)
        return self.put(LocalStay(f"S-{number:02}", patient, admission, (), (), ()))

    def put(self, stay: LocalStay) -> LocalStay:
        """Write a stay, with every record planned that follows from it; durable when this returns."""
        planned = plan(stay, lambda: self._draw("record", 8))
        if planned != self._stays.get(stay.number):
            self._register.put(STAY, stay.number, encode(planned))
            self._stays[stay.number] = planned
            self._index(planned)
        return planned

    def redact(self, stay: LocalStay) -> None:
        """Write a stay of which documents were erased; the former bytes are overwritten when this returns."""
        former = self._stays.get(stay.number)
        if stay != former:
            self._register.redact(STAY, stay.number, encode(stay))
            self._stays[stay.number] = stay
            if former is not None and former.first_day is not None and stay.first_day is None:
                self._numbers_by_admission.pop((former.patient, former.first_day), None)

    def find_number(self, public_id: str) -> str | None:
        """Return the number of the stay that a stay id or claim id of the chain belongs to, or None."""
        return self._numbers_by_id.get(public_id)

    def open_lane(self, stay: LocalStay, subject: str, recipient: str, purpose: Purpose = CLAIM_PURPOSE) -> LocalStay:
        """Add an insurer to whom the stay will be reported, or somebody to whom it is disclosed."""
        lane = Lane(subject, recipient, self._draw("stay", 8), self._draw("claim", 6), (), purpose)
        return self.put(replace(stay, lanes=(*stay.lanes, lane)))

    def _index(self, stay: LocalStay) -> None:
        if stay.first_day is not None:
            self._numbers_by_admission[stay.patient, stay.first_day] = stay.number
        for lane in stay.lanes:
            self._numbers_by_id[lane.stay_id] = self._numbers_by_id[lane.claim_id] = stay.number

    def _draw(self, prefix: str, count: int) -> str:
        return f"{prefix}-{self._entropy.draw(count).hex()}"


def _count(number: str) -> int:
    return int(number.removeprefix("S-"))
