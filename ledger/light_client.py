"""The light client: who trusts a few keys and follows the chain by headers and commits alone.

What is trusted is one validator set, from the genesis or from a checkpoint that somebody vouches for. A header that
a quorum of this set precommitted is certified; it names the next set by its hash, and so trust walks from set to set:

    header                                        the step is allowed if
    any later one, decided by the trusted set     header.validators_hash is the trusted set's, and its commit verifies
    certified, naming another next set            that set is handed in and hashes to header.next_validators_hash;
                                                  it is trusted for height + 1 and for no height before

Between two changes of the set, heights may be skipped: a header's hash of its set and the quorum's signatures say the
same at every height. A change may not be skipped: the certified header before it must be shown. So an auditor needs
the headers at which the set changed and the one in question, however long the chain is.

Under a certified header, `verify_entry` checks entries of the state and `verify_history` earlier headers.

This assumes that no two thirds of any past set have leaked their keys: with those, another past could be signed. It
does not find out what the latest height is, and it re-executes nothing.
"""

from collections.abc import Iterable

from ledger import merkle
from ledger.blocks import BlockHeader, Commit, verify_commit
from ledger.codec import ChainId, Hash, Height, Milliseconds, Struct
from ledger.errors import VerificationError
from ledger.genesis import Genesis
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import ValidatorSet
from ledger.state_tree import StateProof, verify_state


class TrustedState(Struct):
    """What is trusted so far: a height, the header there, and who votes on the next one."""

    chain_id: ChainId
    height: Height
    """The last height verified; 0 for the genesis."""
    header_hash: Hash
    """The hash of the header at `height`; the genesis hash at height 0."""
    time_ms: Milliseconds
    """The block time at `height`."""
    validators: ValidatorSet
    """The set that votes on height + 1, and on later ones until a header names another."""


class WalkStep(Struct):
    """One header on the way, and what certifies it: of a change of the set, or of where the way leads."""

    header: BlockHeader
    commit: Commit
    validators: ValidatorSet | None
    """Who votes on the next height, if this header names others than those who decided it."""


def trust_genesis(genesis: Genesis) -> TrustedState:
    """Return the trust that whoever agreed on the genesis starts with; votes bind it by its chain id."""
    return TrustedState(genesis.chain_id, 0, genesis.hash, genesis.time_ms, genesis.validators)


def trust_checkpoint(header: BlockHeader, header_hash: bytes, validators: ValidatorSet) -> TrustedState:
    """Return the trust in one header whose hash was learnt from somebody trusted.

    Args:
        header: The header of the checkpoint, from anybody.
        header_hash: Its hash, from whoever is trusted: all the trust there is.
        validators: The set that votes on the next height, from anybody.

    Raises:
        VerificationError: If header and set do not belong to the hash.
    """
    if header.hash != header_hash:
        msg = f"checkpoint: expected header {header_hash.hex()}, got {header.hash.hex()}"
        raise VerificationError(msg)
    _check_protocol(header)
    _check_next(header, validators)
    return TrustedState(header.chain_id, header.height, header_hash, header.time_ms, validators)


def advance(
    trusted: TrustedState, header: BlockHeader, commit: Commit, validators: ValidatorSet | None = None
) -> TrustedState:
    """Return the trust after one later header that the trusted set certified.

    Args:
        trusted: Where to start.
        header: A header of a height above `trusted.height`, not necessarily the next.
        commit: Its commit.
        validators: The set that votes on the height after `header`; None if it is the trusted one still.

    Raises:
        VerificationError: Naming the first thing that does not hold; the trust so far is not changed.
    """
    _check_protocol(header)
    if header.chain_id != trusted.chain_id:
        msg = f"header chain id: expected {trusted.chain_id}, got {header.chain_id}"
        raise VerificationError(msg)
    if header.height <= trusted.height:
        msg = f"header height: expected above {trusted.height}, got {header.height}"
        raise VerificationError(msg)
    if header.validators_hash != trusted.validators.hash:
        msg = (
            f"header {header.height} validators hash: expected the set trusted since height {trusted.height}; "
            "show the header at which the set changed first"
        )
        raise VerificationError(msg)
    verify_commit(commit, header, trusted.validators)
    if header.height == trusted.height + 1 and header.parent_hash != trusted.header_hash:
        msg = f"header parent hash: expected {trusted.header_hash.hex()}, got {header.parent_hash.hex()}"
        raise VerificationError(msg)
    if header.time_ms <= trusted.time_ms:
        msg = f"header {header.height} time: expected above {trusted.time_ms} ms, got {header.time_ms} ms"
        raise VerificationError(msg)
    following = trusted.validators if validators is None else validators
    _check_next(header, following)
    return TrustedState(header.chain_id, header.height, header.hash, header.time_ms, following)


def walk(trusted: TrustedState, steps: Iterable[WalkStep]) -> TrustedState:
    """Return the trust after several steps.

    Raises:
        VerificationError: At the first one that does not hold.
    """
    for step in steps:
        trusted = advance(trusted, step.header, step.commit, step.validators)
    return trusted


def verify_entry(header: BlockHeader, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that after the block of a certified header `key` has `value`, or with None that it is absent.

    Args:
        header: A header that `advance` accepted; nothing here certifies it again.
        key: The state key.
        value: What it is said to hold.
        proof: From `ledger.state_tree.prove`.

    Raises:
        VerificationError: If the proof does not hold.
    """
    verify_state(header.state_root, key, value, proof)


def verify_history(
    header: BlockHeader, earlier_height: int, earlier_hash: bytes, inclusion_proof: tuple[bytes, ...]
) -> None:
    """Check that the chain of a certified header has the block `earlier_hash` at `earlier_height`.

    Args:
        header: A header that `advance` accepted; its history tree has one leaf per earlier height.
        earlier_height: Below the header's; 0 for the genesis.
        earlier_hash: The earlier header's hash, or the genesis hash.
        inclusion_proof: Of that leaf, from `ledger.merkle.inclusion_proof`.

    Raises:
        VerificationError: If it is not below the header's height, or the proof does not hold.
    """
    leaf = merkle.leaf_hash(earlier_hash)
    merkle.verify_inclusion(earlier_height, header.height, leaf, inclusion_proof, header.history_root)


def _check_protocol(header: BlockHeader) -> None:
    if header.protocol_version != PROTOCOL_VERSION:
        msg = f"header protocol version: expected {PROTOCOL_VERSION}, got {header.protocol_version}"
        raise VerificationError(msg)


def _check_next(header: BlockHeader, validators: ValidatorSet) -> None:
    if header.next_validators_hash != validators.hash:
        msg = (
            f"header {header.height} next validators hash: expected {validators.hash.hex()}, "
            f"got {header.next_validators_hash.hex()}: hand in the set that votes on height {header.height + 1}"
        )
        raise VerificationError(msg)
