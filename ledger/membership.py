"""Who may vote, and who may sign: validator sets, organisations and their keys over time.

A `ValidatorSet` is what a header commits to: names, consensus keys and powers, sorted by name. `KeyRecord`s are
the history of an actor's signing key: each version is in force from one height to another, so that what an old key
signed still verifies at its height, and a retired key signs nothing new.

This is data and its rules; the contracts `membership` (organisations) and `customers` keep it in the state, and
`genesis` gives its first value.
"""

from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta

from ledger.codec import Height, Name, PublicKey, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import VerificationError
from ledger.limits import VALIDATORS_MAX, VOTING_POWER_TOTAL_MAX

Role = Literal["hospital", "insurer", "regulator", "rail", "customer", "auditor"]
"""An auditor has no part in anything: claims may be opened to it by name, and it never votes."""
CUSTOMER_PREFIX = "c-"
"""What every pseudonym begins with, and no organisation's name."""


class Validator(Struct):
    """One voter: an organisation's name, its consensus key and its power."""

    name: Name
    public_key: PublicKey
    power: Annotated[int, Meta(ge=1, le=VOTING_POWER_TOTAL_MAX)]


class ValidatorSet(Struct, dict=True):
    """The voters of one height, sorted by name, none twice."""

    validators: Annotated[tuple[Validator, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]

    def __post_init__(self) -> None:
        """Refuse sets that are unsorted, hold a name or key twice, or weigh too much.

        Raises:
            ValueError: msgspec turns it into a decode error.
        """
        names = [validator.name for validator in self.validators]
        keys = {validator.public_key for validator in self.validators}
        if names != sorted(set(names)) or len(keys) != len(names):
            msg = "validators must be sorted by name, each name and key once"
            raise ValueError(msg)
        if self.total_power > VOTING_POWER_TOTAL_MAX:
            msg = f"total power above {VOTING_POWER_TOTAL_MAX}"
            raise ValueError(msg)

    @cached_property
    def hash(self) -> bytes:
        """The set's hash, as headers carry it."""
        return hash_tagged("xinpei/validators/v1", encode(self))

    @cached_property
    def total_power(self) -> int:
        """The sum of all powers."""
        return sum(validator.power for validator in self.validators)

    @cached_property
    def _by_name(self) -> dict[str, Validator]:
        return {validator.name: validator for validator in self.validators}

    def get(self, name: str) -> Validator | None:
        """Return the validator of this name, or None."""
        return self._by_name.get(name)

    def power(self, name: str) -> int:
        """Return the power of `name`; 0 for a stranger."""
        validator = self._by_name.get(name)
        return validator.power if validator else 0

    def proposer(self, height: int, round_: int) -> Validator:
        """Return who proposes in (height, round): the sorted validators in turn, powers being equal."""
        return self.validators[(height + round_) % len(self.validators)]

    def is_quorum(self, power: int) -> bool:
        """Whether `power` is more than two thirds of the total."""
        return 3 * power > 2 * self.total_power

    def is_skip(self, power: int) -> bool:
        """Whether `power` is more than one third: at least one honest validator is among it."""
        return 3 * power > self.total_power


class KeyRecord(Struct):
    """One version of an actor's signing key and the heights it is in force."""

    version: Annotated[int, Meta(ge=1)]
    public_key: PublicKey
    from_height: Height
    until_height: Height | None
    """The first height at which it is no longer in force; None while it is."""

    def in_force(self, height: int) -> bool:
        """Whether this version may sign what is included at `height`."""
        return self.from_height <= height and (self.until_height is None or height < self.until_height)


class Actor(Struct):
    """Somebody who may sign submissions: an organisation, the payment rail, or a customer's pseudonym."""

    name: Name
    role: Role
    keys: Annotated[tuple[KeyRecord, ...], Meta(min_length=1)]
    """Version 1 first; appended, never overwritten."""
    sponsor: Name | None
    """The organisation that enrolled a pseudonym; None for organisations of the genesis."""

    def public_key(self, version: int, height: int) -> bytes:
        """Return the key of `version` if it is in force at `height`.

        Raises:
            VerificationError: If there is no such version, or it is not in force.
        """
        for record in self.keys:
            if record.version == version:
                if not record.in_force(height):
                    msg = f"{self.name}: key version {version} is not in force at height {height}"
                    raise VerificationError(msg)
                return record.public_key
        msg = f"{self.name}: has no key version {version}"
        raise VerificationError(msg)

    def key_in_force(self, height: int) -> KeyRecord:
        """Return the newest key that may sign what is included at `height`.

        Raises:
            VerificationError: If none may: the actor was removed.
        """
        for record in reversed(self.keys):
            if record.in_force(height):
                return record
        msg = f"{self.name}: has no key in force at height {height}"
        raise VerificationError(msg)
