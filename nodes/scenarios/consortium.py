"""A consortium for a simulation: any number of hospitals and insurers, a regulator and a payment rail, from a seed.

Not every member runs a node: what is above the number of validators is hosted by a member of the same role, because
agents that ask each other must not live in one process. The rail is hosted by the regulator.
"""

import hashlib
from dataclasses import dataclass, replace
from string import ascii_lowercase

from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Role, Validator, ValidatorSet
from nodes.entropy import SeededEntropy
from nodes.keystore import Keystore
from nodes.vault.sealing import SealKeyPair, SealKeyRing

LABEL = "xinpei-sim"
BEGUN_MS = 1_780_272_000_000
"""2026-06-01T00:00Z, eight in the morning in China."""
VALIDATORS_MIN = 4
MEMBERS_MAX = 200
"""Hospitals and insurers together: above it names and blocks grow, and nobody founds such a network."""


class ConsortiumError(LedgerError):
    """Numbers that make no consortium."""


@dataclass(frozen=True, slots=True)
class Member:
    """A founding member and the node that it lives in."""

    name: str
    role: Role
    host: str


@dataclass(frozen=True, slots=True)
class Consortium:
    """A founded network, with all its secrets."""

    genesis: Genesis
    contracts: ContractSet
    members: tuple[Member, ...]
    keystores: dict[str, Keystore]

    @property
    def hosted(self) -> dict[str, str]:
        """Member without a node -> the member whose node it lives in."""
        return {member.name: member.host for member in self.members if member.host != member.name}

    @property
    def nodes(self) -> tuple[str, ...]:
        """The members that run nodes, sorted."""
        return tuple(member.name for member in self.members if member.host == member.name)

    def names(self, role: Role) -> tuple[str, ...]:
        """Return the members of a role, sorted."""
        return tuple(member.name for member in self.members if member.role == role)

    def host(self, name: str) -> str:
        """Return the node that a member lives in."""
        return next(member.host for member in self.members if member.name == name)

    def add_submission_key(self, name: str, key: PrivateKey) -> None:
        """Put the next version of a member's submission key beside the older ones."""
        keys = self.keystores[name]
        submissions = {**keys.submissions, keys.submission_version + 1: key}
        self.keystores[name] = replace(keys, submissions=submissions)

    def add_seal_key(self, name: str, pair: SealKeyPair) -> None:
        """Put the next version of a member's seal key before its only one, which still opens."""
        former = self.keystores[name].seal
        assert isinstance(former, SealKeyPair), f"{name} has replaced its seal key before"
        self.keystores[name] = replace(self.keystores[name], seal=SealKeyRing([pair, former]))

    def keys(self) -> dict[str, PrivateKey]:
        """Return the founding consensus keys of all members that run nodes."""
        return {name: self.keystores[name].consensus for name in self.nodes}


def list_members(hospitals: int, insurers: int, validators_max: int) -> tuple[Member, ...]:
    """Return the members of a consortium: as many with a node of their own as may be.

    Args:
        hospitals: At least 1.
        insurers: At least 1.
        validators_max: At least 4: one regulator, and hospitals and insurers in their proportion.

    Raises:
        ConsortiumError: If that makes fewer than four nodes, or too many members.
    """
    if hospitals < 1 or insurers < 1 or hospitals + insurers > MEMBERS_MAX:
        msg = f"members: expected at least one hospital and one insurer, at most {MEMBERS_MAX} together"
        raise ConsortiumError(msg)
    nodes = min(validators_max, hospitals + insurers + 1)
    if nodes < VALIDATORS_MIN:
        msg = f"members: expected at least {VALIDATORS_MIN - 1} hospitals and insurers, got {hospitals + insurers}"
        raise ConsortiumError(msg)
    insurer_nodes = max(1, min(insurers, nodes - 2, (nodes - 1) * insurers // (hospitals + insurers)))
    hospital_nodes = min(hospitals, nodes - 1 - insurer_nodes)
    insurer_nodes = min(insurers, nodes - 1 - hospital_nodes)
    members = [Member("rail", "rail", "regulator"), Member("regulator", "regulator", "regulator")]
    roles: tuple[tuple[Role, int, int], ...] = (
        ("hospital", hospitals, hospital_nodes),
        ("insurer", insurers, insurer_nodes),
    )
    for role, count, own in roles:
        names = _name(role, count)
        members += [Member(name, role, names[place % own]) for place, name in enumerate(names)]
    return tuple(sorted(members, key=lambda member: member.name))


def found(
    members: tuple[Member, ...], contracts: ContractSet, seed: int, without_vote: tuple[str, ...] = ()
) -> Consortium:
    """Make all keys and the genesis of a consortium.

    Args:
        members: From `list_members`.
        contracts: What its genesis pins.
        seed: All keys come from it.
        without_vote: Members that run nodes and are no validators yet.
    """
    keystores = {member.name: _make_keys(SeededEntropy(f"keys {seed} {member.name}".encode())) for member in members}
    organisations = tuple(
        Organisation(
            member.name,
            member.role,
            keystores[member.name].submission.public_key,
            keystores[member.name].seal.public_key,
            hashlib.sha256(member.name.encode()).digest(),
        )
        for member in members
    )
    validators = tuple(
        Validator(member.name, keystores[member.name].consensus.public_key, 1)
        for member in members
        if member.host == member.name and member.name not in without_vote
    )
    genesis = Genesis.found(
        PROTOCOL_VERSION, LABEL, BEGUN_MS, ValidatorSet(validators), organisations, tuple(contracts.pins())
    )
    return Consortium(genesis, contracts, members, keystores)


def _name(role: Role, count: int) -> list[str]:
    if count <= len(ascii_lowercase):
        return [f"{role}-{letter}" for letter in ascii_lowercase[:count]]
    return [f"{role}-{number:03d}" for number in range(1, count + 1)]


def _make_keys(entropy: SeededEntropy) -> Keystore:
    return Keystore(
        consensus_keys={1: PrivateKey(entropy.draw(32))},
        submissions={1: PrivateKey(entropy.draw(32))},
        seal=SealKeyPair(entropy.draw(32)),
        tag_secret=entropy.draw(32),
        register_secret=entropy.draw(32),
    )
