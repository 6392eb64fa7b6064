"""What members propose to each other, what a new key must sign for it, and how a proposal stands.

Eight actions change who belongs to the network, who votes, and which code runs. Each is a struct of its own with all
that it does in it; nothing is filled in later. Who enters a key proves that she holds it, by a signature of that key
over the whole entry (purpose `enrolment`), so nobody can enter another's key or a key that does not exist.
"""

from typing import Annotated

from ledger.execution.contract import (
    CONTRACTS_MAX,
    ChainId,
    ContractPin,
    Hash,
    Height,
    Literal,
    Meta,
    Milliseconds,
    Name,
    PublicKey,
    Role,
    SealKey,
    Signature,
    Struct,
    encode,
)

ProposalStatus = Literal["open", "passed", "rejected", "stale", "expired"]
Number = Annotated[int, Meta(ge=1, le=2**53)]


class AddOrganisation(Struct, tag="add-organisation"):
    """A new member, under a name that nobody ever had."""

    name: Name
    role: Role
    public_key: PublicKey
    """Version 1 of its submission key."""
    seal_key: SealKey
    certificate_hash: Hash
    """SHA-256 of its CA certificate's DER."""
    proof: Signature
    """By the submission key, over `organisation_message`."""


class RemoveOrganisation(Struct, tag="remove-organisation"):
    """A member leaves: its keys end, nobody connects in its name, and it votes no more."""

    name: Name


class RekeyOrganisation(Struct, tag="rekey-organisation"):
    """A member that lost its submission key, or had it stolen, gets another."""

    name: Name
    public_key: PublicKey
    proof: Signature
    """By the new key, over `contracts.keys.rotation_message` with the next version."""


class ReplaceCredentials(Struct, tag="replace-credentials"):
    """A member's CA certificate or seal key is replaced; what stays is repeated. This revokes a certificate at once."""

    name: Name
    seal_key: SealKey
    certificate_hash: Hash


class AddValidator(Struct, tag="add-validator"):
    """A member votes from now on."""

    name: Name
    public_key: PublicKey
    """Its consensus key."""
    proof: Signature
    """By the consensus key, over `validator_message`."""


class RemoveValidator(Struct, tag="remove-validator"):
    """A member votes no more, and remains a member."""

    name: Name


class RekeyValidator(Struct, tag="rekey-validator"):
    """A validator votes with another consensus key: the old one was lost, or lost what it had signed."""

    name: Name
    public_key: PublicKey
    proof: Signature
    """By the new consensus key, over `validator_message`."""


class UpgradeContracts(Struct, tag="upgrade-contracts"):
    """Other code is in force from a height on."""

    contracts: Annotated[tuple[ContractPin, ...], Meta(min_length=1, max_length=CONTRACTS_MAX)]
    """The whole set, sorted by name: also what does not change."""
    from_height: Height


class Propose(Struct):
    """Transaction `propose`."""

    action: (
        AddOrganisation
        | RemoveOrganisation
        | RekeyOrganisation
        | ReplaceCredentials
        | AddValidator
        | RemoveValidator
        | RekeyValidator
        | UpgradeContracts
    )
    against: Hash
    """What it was made against (query `basis`): if that changes before the action is done, it is not done."""


class CastVote(Struct):
    """Transaction `vote`."""

    number: Number
    approve: bool


class ShowProposal(Struct):
    """Query `show`."""

    number: Number


class ListProposals(Struct):
    """Query `list_proposals`: a page of all there ever were, oldest first."""

    after: str
    """The last number already seen, as 16 hex digits; empty for the first page."""


class ProposalEnds(Struct):
    """The message of the clock."""

    number: Number


class Proposal(Struct):
    """Table `proposals`."""

    proposer: Name
    proposal: Propose
    proposed_height: Height
    expires_ms: Milliseconds
    status: ProposalStatus
    closed_height: Height | None
    """When it stopped being open; an action that passed was done in that block."""
    reason: Annotated[str, Meta(max_length=300)]
    """Why it is stale; else empty."""


class MemberVote(Struct):
    """Table `votes`: by (number, organisation)."""

    approve: bool
    key_version: int
    """A vote counts while the key that cast it is the newest of its organisation."""
    height: Height


class ProposalView(Struct):
    """A proposal as it stands."""

    number: Number
    proposal: Proposal
    approvals: tuple[Name, ...]
    """Whose votes count, among the validators of now."""
    rejections: tuple[Name, ...]
    power_approving: int
    power_total: int


class ProposalChanged(Struct):
    """Events `proposed`, `voted` and `proposal-closed`."""

    number: Number
    action: str
    status: ProposalStatus
    by: Name


class OrganisationSigned(Struct, tag="organisation"):
    """What a new organisation's submission key signs."""

    chain_id: ChainId
    name: Name
    role: Role
    public_key: PublicKey
    seal_key: SealKey
    certificate_hash: Hash


class ValidatorSigned(Struct, tag="validator"):
    """What a consensus key signs before it is admitted."""

    chain_id: ChainId
    name: Name
    public_key: PublicKey


def organisation_message(
    chain_id: str, name: str, role: Role, public_key: bytes, seal_key: bytes, certificate_hash: bytes
) -> bytes:
    """Return what the proof of an `AddOrganisation` is over."""
    return encode(OrganisationSigned(chain_id, name, role, public_key, seal_key, certificate_hash))


def validator_message(chain_id: str, name: str, public_key: bytes) -> bytes:
    """Return what the proof of an `AddValidator` or `RekeyValidator` is over."""
    return encode(ValidatorSigned(chain_id, name, public_key))
