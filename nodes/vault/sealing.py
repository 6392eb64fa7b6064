"""Sealing: secrets for one reader, by HPKE (RFC 9180) with ML-KEM-768 + X25519.

Medical data outlive today's curves, so a key that protects them is encapsulated under a lattice and a curve at once:
whoever wants it must break both. The payload itself is sealed once (`nodes.vault.payloads`); what is sealed here is
small: a record's keys, a customer's identity, the opening of a claim.

    suite 1   KEM ML-KEM-768 + X25519 (X-Wing), KDF HKDF-SHA-256, AEAD AES-256-GCM; payloads AES-256-GCM in chunks

The suite stands in everything that is sealed, and another one is refused by name, so that a second suite can come
without guessing. So does the id of the key that it is sealed to, because readers replace their keys: whoever holds
several opens with that one, and is told which one is missing. It tells no more than the reader's name beside it does.
`cryptography`'s HPKE offers no associated data of its own, so suite, key id, chain, record, sender and recipient go
into HPKE's `info`: sealed bytes that are moved to another record, reader or key do not open.

HPKE in base mode says nothing about who sealed. An `Envelope` therefore carries its custodian's signature over all
of it, and names the hash of the payload that the keys open.

The encapsulation draws its ephemeral keys inside the library, which takes no entropy from outside: under
`SeededEntropy` two runs give different sealed bytes with the same content. Only salts and data keys come through the
entropy port. The hash of what was sealed to a customer enters the chain, so the simulator, in which one seed has to
give one chain, seals by a stand-in (`use_stand_in`) that draws nothing and hides nothing. Its bytes
carry a suite of their own, which no node opens.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from msgspec import Meta

from ledger.codec import ChainId, Hash, Name, Signature, Struct, decode, encode
from ledger.crypto.commitments import GROUP_ORDER, verify_difference
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import PrivateKey, sign_envelope, verify
from ledger.errors import VerificationError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX

SIMULATED_SUITE = 0
"""What a stand-in seals: no node opens it, and within a simulation nothing else opens."""
SUITE = 1
"""The one suite this version seals and opens with."""

SEAL_SEED_BYTES = 32
MLKEM_PUBLIC_BYTES = 1184
SEAL_PUBLIC_BYTES = MLKEM_PUBLIC_BYTES + 32
SEALED_BYTES_MAX = 2 * 1024 * 1024
"""The largest is a customer's opening: her case of up to 4,096 lines with its decision. Payloads have a form of their
own."""

SEAL_KEY_ID_BYTES = 8
SealKeyId = Annotated[bytes, Meta(min_length=SEAL_KEY_ID_BYTES, max_length=SEAL_KEY_ID_BYTES)]
"""The start of a hash of the public key: enough to find one among a reader's few. It proves nothing, opening does."""

RecordId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
"""What sealed bytes belong to: a record's id on the chain (32-byte ids as hex), or such as `identity.<grant>`."""

_HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class LostKeyError(VerificationError):
    """Bytes are sealed to a key that their reader does not hold, or holds no more: nobody has done wrong by it."""


class StandIn(Protocol):
    """Seals and opens in HPKE's place, inside a simulation."""

    def encrypt(self, plaintext: bytes, public_key: bytes, info: bytes) -> bytes:
        """Return what `decrypt` opens with the key pair of this public key and the same `info`."""
        ...

    def decrypt(self, ciphertext: bytes, public_key: bytes, info: bytes) -> bytes:
        """Return the plaintext; raises `InvalidTag` or `ValueError` if key or `info` is another."""
        ...


_STAND_IN: ContextVar[StandIn | None] = ContextVar("stand_in", default=None)


@contextmanager
def use_stand_in(stand_in: StandIn) -> Iterator[None]:
    """Seal and open by a stand-in within this context: for the simulator, never in a node."""
    token = _STAND_IN.set(stand_in)
    try:
        yield
    finally:
        _STAND_IN.reset(token)


class SealContext(Struct):
    """What sealed bytes are for. It is not encrypted, and they open in no other context."""

    chain_id: ChainId
    record_id: RecordId
    sender: Name
    """The custodian of a record, or the pseudonym that discloses an identity."""
    recipient: Name


class Sealed(Struct):
    """Bytes that one reader can open."""

    suite: Annotated[int, Meta(ge=0, le=65535)]
    key_id: SealKeyId
    """Which of the reader's keys opens it."""
    context: SealContext
    ciphertext: Annotated[bytes, Meta(max_length=SEALED_BYTES_MAX)]
    """HPKE's encapsulated key (1120 bytes) and ciphertext."""


class AmountOpening(Struct):
    """What opens a Pedersen commitment to an amount."""

    name: Name
    """Which commitment of the record or claim, such as `total`."""
    amount: Annotated[int, Meta(ge=-AMOUNT_MINOR_UNITS_MAX, le=AMOUNT_MINOR_UNITS_MAX)]
    """Minor units; negative for what a reversal takes back."""
    blinding: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """The scalar, little-endian, below the group order."""

    @property
    def scalar(self) -> int:
        """The blinding as `ledger.crypto.commitments` takes it."""
        return int.from_bytes(self.blinding, "little")

    def __repr__(self) -> str:
        """Show which commitment it opens, not how."""
        return f"AmountOpening(name={self.name!r}, ...)"

    def verify(self, commitment: bytes) -> None:
        """Check that this opens `commitment`.

        Raises:
            VerificationError: If it does not, or the blinding is no scalar.
        """
        if self.scalar >= GROUP_ORDER:
            msg = f"opening {self.name}: expected a blinding below the group order"
            raise VerificationError(msg)
        verify_difference(commitment, self.amount, self.scalar)


class RecordKeys(Struct):
    """All secrets of one record. Whoever has them reads it; when they are destroyed, nobody does."""

    data_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """Opens the payload."""
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """Opens the commitment to the plaintext."""
    openings: Annotated[tuple[AmountOpening, ...], Meta(max_length=256)] = ()
    """Open the commitments to its amounts, if it has any."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "RecordKeys(...)"


class Envelope(Struct):
    """A record's keys, sealed to one recipient and signed by the record's custodian."""

    keys: Sealed
    """`RecordKeys`, sealed."""
    ciphertext_hash: Hash
    """SHA-256 of the sealed payload, as the chain has it."""
    signature: Signature
    """The custodian's, purpose `envelope`, over both fields."""


class SealKeyPair:
    """The key that things are sealed to, from a seed of 32 bytes; never prints itself.

    The seed is expanded as X-Wing does (SHAKE-256 to 96 bytes: ML-KEM's d and z, then the X25519 scalar), so it is
    all that a keystore keeps.
    """

    __slots__ = ("_key", "key_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Derive the key pair.

        Args:
            seed: 32 secret bytes from the entropy port.
        """
        assert len(seed) == SEAL_SEED_BYTES, f"a seal key's seed has {SEAL_SEED_BYTES} bytes, not {len(seed)}"
        expanded = hashlib.shake_256(seed).digest(96)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._key = MLKEM768X25519PrivateKey(lattice, curve)
        self.public_key: bytes = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        """1216 bytes: ML-KEM-768, then X25519, as in `ledger.genesis`."""
        self.key_id: bytes = identify_seal_key(self.public_key)

    def __repr__(self) -> str:
        """Show the start of the public half only."""
        return f"SealKeyPair(public_key={self.public_key.hex()[:16]}...)"

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        msg = "a seal key cannot be serialised"
        raise TypeError(msg)

    def open(self, sealed: Sealed, context: SealContext) -> bytes:
        """Open what was sealed to this key in exactly this context.

        Args:
            sealed: What `seal` returned, or what came over the wire.
            context: What the caller expects it to be for; never the context that came with it.

        Raises:
            LostKeyError: If it is sealed to another key.
            VerificationError: If the suite is unknown, the context differs, or it does not open.
        """
        _check_context(sealed, context)
        if sealed.key_id != self.key_id:
            raise lost_key_error(sealed, context, [self.key_id])
        stand_in, info = _STAND_IN.get(), _info(sealed.suite, self.key_id, context)
        try:
            if stand_in is not None:
                return stand_in.decrypt(sealed.ciphertext, self.public_key, info)
            return _HPKE.decrypt(sealed.ciphertext, self._key, info=info)
        except (InvalidTag, ValueError):
            msg = f"sealed bytes of {context.record_id}: do not open with the key of {context.recipient}"
            raise VerificationError(msg) from None


class SealKeyRing:
    """All key pairs that one holder has had, newest first: what was sealed to a former one still opens."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Sequence[SealKeyPair]) -> None:
        """Hold at least one pair.

        Args:
            pairs: Newest first.
        """
        assert pairs, "a reader has a key"
        self._pairs = tuple(pairs)

    @property
    def public_key(self) -> bytes:
        """The newest one's: what is to be sealed to."""
        return self._pairs[0].public_key

    def open(self, sealed: Sealed, context: SealContext) -> bytes:
        """Open with the key that it is sealed to; as `SealKeyPair.open`."""
        for pair in self._pairs:
            if pair.key_id == sealed.key_id:
                return pair.open(sealed, context)
        raise lost_key_error(sealed, context, [pair.key_id for pair in self._pairs])


class SealKeys(Protocol):
    """What opens sealed bytes: one key pair, or all that a holder has had."""

    @property
    def public_key(self) -> bytes:
        """The newest one's."""
        ...

    def open(self, sealed: Sealed, context: SealContext) -> bytes:
        """Open what was sealed to one of these keys in exactly this context; raises `VerificationError`."""
        ...


def identify_seal_key(public_key: bytes) -> bytes:
    """Return what sealed bytes call a public key."""
    return hash_tagged("xinpei/seal-key/v1", public_key)[:SEAL_KEY_ID_BYTES]


def lost_key_error(sealed: Sealed, context: SealContext, held: Sequence[bytes]) -> LostKeyError:
    """Return what to raise about bytes that are sealed to a key which their reader does not hold, or no more.

    Raises:
        VerificationError: If they are not for this reader at all: suite or context is another.
    """
    _check_context(sealed, context)
    msg = (
        f"sealed bytes of {context.record_id}: do not open for {context.recipient}: they are sealed to key "
        f"{sealed.key_id.hex()}, here is {', '.join(key_id.hex() for key_id in held)}; whoever sealed them seals "
        "them again, to the newest one"
    )
    return LostKeyError(msg)


def seal(public_key: bytes, context: SealContext, plaintext: bytes) -> Sealed:
    """Seal bytes to the holder of a key.

    Args:
        public_key: The recipient's, 1216 bytes.
        context: What they are for.
        plaintext: At most SEALED_BYTES_MAX less 4 KB.

    Raises:
        VerificationError: If the key is malformed or the plaintext too long.
    """
    if len(plaintext) > SEALED_BYTES_MAX - 4096:
        msg = f"sealing for {context.recipient}: expected at most {SEALED_BYTES_MAX - 4096} bytes, got {len(plaintext)}"
        raise VerificationError(msg)
    if len(public_key) != SEAL_PUBLIC_BYTES:
        msg = f"seal key of {context.recipient}: expected {SEAL_PUBLIC_BYTES} bytes, got {len(public_key)}"
        raise VerificationError(msg)
    stand_in, key_id = _STAND_IN.get(), identify_seal_key(public_key)
    if stand_in is not None:
        info = _info(SIMULATED_SUITE, key_id, context)
        return Sealed(SIMULATED_SUITE, key_id, context, stand_in.encrypt(plaintext, public_key, info))
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public_key[:MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(public_key[MLKEM_PUBLIC_BYTES:]),
        )
        ciphertext = _HPKE.encrypt(plaintext, key, info=_info(SUITE, key_id, context))
    except ValueError:
        msg = f"seal key of {context.recipient}: not an ML-KEM-768 and X25519 public key"
        raise VerificationError(msg) from None
    return Sealed(SUITE, key_id, context, ciphertext)


def make_envelope(
    custodian_key: PrivateKey, public_key: bytes, context: SealContext, keys: RecordKeys, ciphertext_hash: bytes
) -> Envelope:
    """Seal a record's keys to a recipient and sign that.

    Args:
        custodian_key: Signs; `context.sender` is its holder.
        public_key: The recipient's seal key, 1216 bytes.
        context: Which record, from whom, to whom.
        keys: What the recipient is to have.
        ciphertext_hash: SHA-256 of the sealed payload.
    """
    sealed = seal(public_key, context, encode(keys))
    return Envelope(sealed, ciphertext_hash, sign_envelope(custodian_key, _sign_bytes(sealed, ciphertext_hash)))


def open_envelope(
    seal_key: SealKeys, envelope: Envelope, context: SealContext, ciphertext_hash: bytes, custodian_public_key: bytes
) -> RecordKeys:
    """Return a record's keys, if the envelope is the one that was expected.

    Args:
        seal_key: The recipient's.
        envelope: As it came.
        context: What the recipient asked for.
        ciphertext_hash: The payload's hash, from the chain.
        custodian_public_key: The custodian's key in force, from the chain.

    Raises:
        VerificationError: If suite, context, payload or signature is another, or the keys do not open.
        DecodeError: If what was sealed are not record keys.
    """
    _check_suite(envelope.keys.suite)
    if envelope.ciphertext_hash != ciphertext_hash:
        msg = (
            f"envelope of {context.record_id}: expected payload {ciphertext_hash.hex()[:16]}, "
            f"got {envelope.ciphertext_hash.hex()[:16]}"
        )
        raise VerificationError(msg)
    verify("envelope", custodian_public_key, _sign_bytes(envelope.keys, ciphertext_hash), envelope.signature)
    return decode(seal_key.open(envelope.keys, context), RecordKeys)


def _check_context(sealed: Sealed, context: SealContext) -> None:
    _check_suite(sealed.suite)
    for field in SealContext.__struct_fields__:
        expected, actual = getattr(context, field), getattr(sealed.context, field)
        if expected != actual:
            msg = f"sealed {field}: expected {expected}, got {actual}"
            raise VerificationError(msg)


def _check_suite(suite: int) -> None:
    if _STAND_IN.get() is not None:
        expected, name = SIMULATED_SUITE, "the simulator's stand-in"
    else:
        expected, name = SUITE, "ML-KEM-768 + X25519, HKDF-SHA-256, AES-256-GCM"
    if suite != expected:
        msg = f"suite: expected {expected} ({name}), got {suite}; upgrade this node"
        raise VerificationError(msg)


def _info(suite: int, key_id: bytes, context: SealContext) -> bytes:
    return encode(("xinpei/seal/v2", suite, key_id, context))


def _sign_bytes(keys: Sealed, ciphertext_hash: bytes) -> bytes:
    return encode((keys, ciphertext_hash))
