"""What a verifier trusts, and the walk from there to the header that a file stands on.

    genesis        the network's first agreement: its validators, and no more than that
    checkpoint     a header that somebody vouches for, with the set that votes next; every set before it is history
    header hash    the same in 64 digits; the header is then among the file's certificates

From a genesis or checkpoint the walk goes over the headers at which the set of validators changed, each certified by
the set before. A checkpoint may be older than the file, or the file's own last header. With genesis and checkpoint both
walks must hold, to the same header. That the chain was founded on the genesis which the file names is an entry of the
proven state, so it is bound in every case.

Certificates up to a checkpoint are not looked at, because nothing rests on them; the result says how many.
"""

from dataclasses import dataclass
from typing import Literal

from ledger.blocks import BlockHeader, verify_commit
from ledger.codec import Struct
from ledger.errors import VerificationError
from ledger.genesis import Genesis
from ledger.light_client import TrustedState, advance, trust_checkpoint, trust_genesis
from ledger.membership import ValidatorSet
from nodes.audit.dossier import Certificate
from nodes.audit.expectation import expect, expect_canonical
from nodes.schemas.canonical_json import parse

Language = Literal["en", "zh"]
CHECKPOINT_FORMAT: Literal["xinpei-checkpoint/1"] = "xinpei-checkpoint/1"


class Checkpoint(Struct):
    """A header to trust, and who votes on the next height; bound by the header's `next_validators_hash`."""

    format: Literal["xinpei-checkpoint/1"]
    header: BlockHeader
    validators: ValidatorSet


@dataclass(frozen=True)
class Trust:
    """What a verifier begins with: a genesis, a checkpoint, or both."""

    genesis: Genesis | None = None
    checkpoint: Checkpoint | bytes | None = None
    """As a file, or as the hash of a header."""

    def __post_init__(self) -> None:
        """Refuse nothing at all; raises `ValueError`."""
        if self.genesis is None and self.checkpoint is None:
            msg = "trust: expected a genesis or a checkpoint, got neither"
            raise ValueError(msg)


@dataclass(frozen=True)
class Start:
    """A checkpoint as it was used."""

    height: int
    header_hash: bytes
    is_last: bool
    """Whether it is the file's own last header: then no validator's key is trusted."""
    skipped: int
    """Certificates up to it, the file's last one aside: nothing rests on them, and they were not looked at."""


@dataclass(frozen=True)
class Ground:
    """What a file stands on, once that is certified."""

    header: BlockHeader
    """As of which height, time and state."""
    validators: ValidatorSet
    """Who decided it."""
    set_changes: int
    """How often the set of validators changed on the way from what is trusted."""
    from_genesis: bool
    """Whether the walk from the verifier's genesis holds."""
    from_checkpoint: "Start | None"
    """Whether and where the walk from a checkpoint begins."""


def read_checkpoint(data: bytes) -> Checkpoint:
    """Return the checkpoint in a file's bytes.

    Raises:
        VerificationError: If it is none, or its header and its set do not belong together.
    """
    with expect_canonical("checkpoint"):
        checkpoint = parse(data, Checkpoint)
    trust_checkpoint(checkpoint.header, checkpoint.header.hash, checkpoint.validators)
    return checkpoint


def check_ground(trust: Trust, chain_id: str, genesis_hash: bytes, certificates: tuple[Certificate, ...]) -> Ground:
    """Return the header that a file stands on, once it is certified.

    Args:
        trust: What the verifier begins with.
        chain_id: As the file states it.
        genesis_hash: As the file states it; proven with the file's other entries (`evidence.founding_entry`).
        certificates: The file's.

    Raises:
        VerificationError: Naming what does not hold.
    """
    for certificate in certificates:
        expect("header chain id", chain_id, certificate.header.chain_id)
    heights = [certificate.header.height for certificate in certificates]
    expect("certificate heights", sorted(set(heights)), heights)
    last = certificates[-1]
    expect("who decided the others", [None] * (len(certificates) - 1), [item.validators for item in certificates[:-1]])
    if last.validators is None:
        msg = f"header {last.header.height} validators: expected who decided the last header, got nothing"
        raise VerificationError(msg)
    expect(f"header {last.header.height} validators", last.header.validators_hash, last.validators.hash)
    changes = None
    if trust.genesis is not None:
        expect("chain id", trust.genesis.chain_id, chain_id)
        expect("genesis hash", trust.genesis.hash, genesis_hash)
        changes = _walk(trust_genesis(trust.genesis), certificates)
    start = None
    if trust.checkpoint is not None:
        trusted, rest = _begin(trust.checkpoint, chain_id, certificates)
        walked = _walk(trusted, rest)
        changes = walked if changes is None else changes
        skipped = len(certificates) - max(1, len(rest))
        start = Start(trusted.height, trusted.header_hash, not rest, skipped)
    verify_commit(last.commit, last.header, last.validators)
    return Ground(last.header, last.validators, changes or 0, trust.genesis is not None, start)


def describe_trust(ground: Ground, language: Language = "en") -> list[str]:
    """Return what a verified file rests on, in words."""
    is_chinese, lines = language == "zh", []
    if ground.from_genesis:
        lines.append(
            "信任前提：创世文件，以及历届验证者中没有三分之二以上泄露过密钥"
            if is_chinese
            else "trusted: the genesis, and that no two thirds of any past validator set have leaked their keys"
        )
    start = ground.from_checkpoint
    if start is not None:
        since = "" if start.is_last else "，以及此后历届验证者中没有三分之二以上泄露过密钥"
        if not is_chinese and not start.is_last:
            since = ", and that no two thirds of a validator set since then have leaked their keys"
        lines.append(
            f"信任前提：为高度 {start.height} 的区块头 {start.header_hash.hex()} 作保者{since}"
            if is_chinese
            else f"trusted: whoever vouches for header {start.header_hash.hex()} of height {start.height}{since}"
        )
    if start is not None and start.skipped and not ground.from_genesis:
        lines.append(
            f"未查看：检查点及其以前的 {start.skipped} 份区块头证书"
            if is_chinese
            else f"not looked at: {start.skipped} certificates up to the checkpoint"
        )
    return lines


def _begin(
    checkpoint: Checkpoint | bytes, chain_id: str, certificates: tuple[Certificate, ...]
) -> tuple[TrustedState, tuple[Certificate, ...]]:
    """Return the trust in a checkpoint, and the certificates above it."""
    if isinstance(checkpoint, bytes):
        hashes = [certificate.header.hash for certificate in certificates]
        if checkpoint not in hashes:
            msg = (
                f"checkpoint: expected header {checkpoint.hex()}, got {', '.join(item.hex() for item in hashes)}; "
                "a checkpoint's file serves for a header that is not among these"
            )
            raise VerificationError(msg)
        place = hashes.index(checkpoint)
        found = certificates[place]
        following = found.next_validators or (found.validators if place == len(certificates) - 1 else None)
        if following is None:
            msg = f"header {found.header.height}: changes no validator set and is not the last one"
            raise VerificationError(msg)
        return trust_checkpoint(found.header, checkpoint, following), certificates[place + 1 :]
    header, last = checkpoint.header, certificates[-1].header
    expect("checkpoint chain id", header.chain_id, chain_id)
    if header.height > last.height:
        msg = (
            f"checkpoint: height {header.height} is above the file's, {last.height}: get the file anew from a node "
            f"that is as far, or a checkpoint of height {last.height} or below"
        )
        raise VerificationError(msg)
    for certificate in certificates:
        if certificate.header.height == header.height:
            expect(f"checkpoint header {header.height}", header.hash, certificate.header.hash)
    trusted = trust_checkpoint(header, header.hash, checkpoint.validators)
    return trusted, tuple(item for item in certificates if item.header.height > header.height)


def _walk(trusted: TrustedState, certificates: tuple[Certificate, ...]) -> int:
    """Check the walk over a file's certificates, and return how often the set changed before the last one."""
    for place, certificate in enumerate(certificates):
        header = certificate.header
        if header.next_validators_hash == header.validators_hash:
            expect(f"next validators of header {header.height}", None, certificate.next_validators)
            if place < len(certificates) - 1:
                msg = f"header {header.height}: changes no validator set and is not the last one"
                raise VerificationError(msg)
        trusted = advance(trusted, header, certificate.commit, certificate.next_validators)
    return max(0, len(certificates) - 1)
