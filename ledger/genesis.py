"""The genesis: what every node of one chain agrees on before the first block.

Its hash is the parent of block 1 and leaf 0 of the history tree, so every block, vote and proof depends on it. It
pins the protocol version, the founding organisations and validators, and the contracts by the hash of their whole
closure.

The chain id ends with a hash of everything else in the genesis. So whatever names the chain id, which is every vote,
proposal, transaction and request, binds the genesis: what is signed for one network holds in no other, even if the
same keys serve both. As a file it is canonical JSON (`nodes.config`), so that people can read what they trust.
"""

from typing import Annotated, Self

from msgspec import Meta

from ledger.codec import ChainId, Hash, Height, Milliseconds, Name, PublicKey, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.limits import RECOVERY_WAIT_MS_MIN
from ledger.membership import CUSTOMER_PREFIX, Role, ValidatorSet

SealKey = Annotated[bytes, Meta(min_length=1216, max_length=1216)]
"""ML-KEM-768 (1184 bytes) followed by X25519 (32 bytes), for HPKE."""

RecoveryWait = Annotated[int, Meta(ge=1_000, le=90 * 24 * 60 * 60 * 1000)]
"""Milliseconds. A second suits a network on which people try things out, and no other."""

CHAIN_ID_HASH_CHARACTERS = 32
"""Hex digits at the end of a chain id: 128 bits, against somebody who looks for a genesis with another's chain id."""


class Organisation(Struct):
    """A founding member: its role, its signing key, and the key its data is sealed to."""

    name: Name
    role: Role
    public_key: PublicKey
    """Ed25519, version 1 of its submission key."""
    seal_key: SealKey
    certificate_hash: Hash
    """SHA-256 of its CA certificate's DER: who may open a connection in its name."""

    def __post_init__(self) -> None:
        """Refuse a customer's name or role; raises `ValueError`, which msgspec turns into a decode error."""
        if self.name.startswith(CUSTOMER_PREFIX) or self.role == "customer":
            msg = f"organisation: {self.name}, {self.role}: {CUSTOMER_PREFIX}... and the role customer are customers'"
            raise ValueError(msg)


class Credentials(Struct):
    """What others need of an organisation besides its signing keys."""

    seal_key: SealKey
    """The one to seal to: the newest version."""
    seal_version: Annotated[int, Meta(ge=1)]
    certificate_hash: Hash
    """SHA-256 of its CA certificate's DER."""


class ContractPin(Struct):
    """A contract and the hash of everything its meaning depends on."""

    name: Name
    code_hash: Hash


class PinVersion(Struct):
    """One version of a contract's code."""

    code_hash: Hash
    from_height: Height


class PinHistory(Struct):
    """Every version of a contract's code, by height; appended, never overwritten."""

    versions: tuple[PinVersion, ...]


class Genesis(Struct, dict=True):
    """The first agreement."""

    protocol_version: Annotated[int, Meta(ge=1)]
    chain_id: ChainId
    """A label, a hyphen, and the first CHAIN_ID_HASH_CHARACTERS digits of a hash over label and the other fields."""
    time_ms: Milliseconds
    validators: ValidatorSet
    organisations: Annotated[tuple[Organisation, ...], Meta(min_length=1)]
    """Sorted by name."""
    contracts: tuple[ContractPin, ...]
    """Sorted by name."""
    recovery_wait_ms_min: RecoveryWait
    """How long a customer has at least to veto another key for her pseudonym: the contract `recovery` keeps to it."""

    def __post_init__(self) -> None:
        """Refuse unsorted or repeated names, an auditor that votes, and a chain id that is another genesis's.

        Raises:
            ValueError: msgspec turns it into a decode error.
        """
        for field, names in (
            ("organisations", [organisation.name for organisation in self.organisations]),
            ("contracts", [pin.name for pin in self.contracts]),
        ):
            if names != sorted(set(names)):
                msg = f"genesis {field}: names must be sorted, each once"
                raise ValueError(msg)
        voting = [item.name for item in self.organisations if item.role == "auditor" and self.validators.get(item.name)]
        if voting:
            msg = f"genesis validators: {voting[0]} is an auditor, which decides nothing that it audits"
            raise ValueError(msg)
        label = self.chain_id[: -CHAIN_ID_HASH_CHARACTERS - 1]
        expected = derive_chain_id(
            self.protocol_version,
            label,
            self.time_ms,
            self.validators,
            self.organisations,
            self.contracts,
            self.recovery_wait_ms_min,
        )
        if self.chain_id != expected:
            msg = f"genesis chain_id: expected {expected}, which its content makes it, got {self.chain_id}"
            raise ValueError(msg)

    @classmethod
    def found(
        cls,
        protocol_version: int,
        label: str,
        time_ms: int,
        validators: ValidatorSet,
        organisations: tuple[Organisation, ...],
        contracts: tuple[ContractPin, ...],
        recovery_wait_ms_min: int = RECOVERY_WAIT_MS_MIN,
    ) -> Self:
        """Return the genesis of these founders, with the chain id that its content makes it.

        Args:
            protocol_version: What all nodes speak.
            label: What people call the network; the chain id begins with it.
            time_ms: When it begins.
            validators: Who votes on block 1.
            organisations: The founding members, sorted by name.
            contracts: The pins of what they run, sorted by name.
            recovery_wait_ms_min: How long a customer has at least to veto another key for her pseudonym.
        """
        chain_id = derive_chain_id(
            protocol_version, label, time_ms, validators, organisations, contracts, recovery_wait_ms_min
        )
        return cls(protocol_version, chain_id, time_ms, validators, organisations, contracts, recovery_wait_ms_min)

    @property
    def hash(self) -> bytes:
        """The genesis hash: the parent of block 1."""
        return hash_tagged("xinpei/genesis/v1", encode(self))

    def organisation(self, name: str) -> Organisation | None:
        """Return the founding member of this name, or None."""
        return next((item for item in self.organisations if item.name == name), None)


def derive_chain_id(
    protocol_version: int,
    label: str,
    time_ms: int,
    validators: ValidatorSet,
    organisations: tuple[Organisation, ...],
    contracts: tuple[ContractPin, ...],
    recovery_wait_ms_min: int,
) -> str:
    """Return the chain id of a genesis with these fields."""
    content = encode((protocol_version, label, time_ms, validators, organisations, contracts, recovery_wait_ms_min))
    return f"{label}-{hash_tagged('xinpei/chain-id/v1', content).hex()[:CHAIN_ID_HASH_CHARACTERS]}"
