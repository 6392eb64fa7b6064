"""A customer's wallet: a seed, and from it another key for every pair of hospital and recipient.

A pseudonym belongs to one customer, one hospital and one recipient. Its signing key and its seal key are derived from
a seed with that pair in the label, so two members who compare what they see cannot tell that two pseudonyms are one
person: neither name, nor signing key, nor seal key is shared.

    pseudonym   c- and the lower-case base32 of the first 20 bytes of SHA-256 of its first public key

Keys are replaced by drawing another seed (`renew`). A pseudonym keeps its name then, so the wallet holds, for each that
has another key than its first, its name, the key's version on the chain and the seed it comes from (`hold`). When all
are held (`settle`), pseudonyms that the chain does not know yet come from the new seed as well. Former seeds are kept:
what was sealed to a former key still opens. A wallet that was lost is another wallet: after the recovery on the chain
it holds the old names with keys of its own seed.

On disk a wallet is protected by a passphrase (`nodes.passphrase`). For a development network it may be saved without;
the first line of its file then says so. A backup never is (`nodes.wallet_backup`).

This is not the customer's app: it holds keys and answers with them. What she agrees to is shown to her elsewhere,
before it is called.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from ledger.codec import ChainId, Name, Struct, decode, encode
from ledger.crypto.signatures import PrivateKey, sign_challenge, sign_enrolment, verify
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.authentication import pseudonym_name
from nodes.entropy import Entropy
from nodes.files import FileError, create_private_directory, read_private, write_private
from nodes.identity import Disclosure, Identity, IdentityOpening, RecordDates, check_identity
from nodes.passphrase import (
    LOCKED_BYTES_MAX,
    PASSPHRASE_FILE_VARIABLE,
    PASSPHRASE_VARIABLE,
    Locked,
    PassphraseError,
    lock,
    unlock,
)
from nodes.vault.sealing import SealContext, Sealed, SealKeyPair, SealKeyRing, seal

SEEDS_MAX = 64
"""As many as the chain allows versions of one key."""
HELD_NAMES_MAX = 256
"""Pairs of hospital and insurer that one person deals with: far above any."""
_SEED_BYTES = 32
_Seed = Annotated[bytes, Meta(min_length=_SEED_BYTES, max_length=_SEED_BYTES)]
_FILE_BYTES_MAX = LOCKED_BYTES_MAX
_HEADER_PROTECTED = b"xinpei-wallet/1 protected by a passphrase (argon2id, aes-256-gcm)\n"
_HEADER_OPEN = b"xinpei-wallet/1 NOT PROTECTED, for development only: whoever reads this file is the customer\n"


class WalletError(LedgerError):
    """A wallet file or passphrase that does not do."""


class Challenge(Struct):
    """What a hospital or insurer has a pseudonym's key answer before it links the pseudonym to a person."""

    chain_id: ChainId
    organisation: Name
    """Who asks: an answer is worth nothing to anybody else."""
    pseudonym: Name
    nonce: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """Fresh: an answer is worth nothing the next time."""


class HeldName(Struct):
    """A pseudonym whose key in force is not the one that it is named after."""

    chain_id: ChainId
    hospital: Name
    insurer: Name
    name: Name
    key_version: Annotated[int, Meta(ge=2)]
    """On the chain."""
    seed: Annotated[int, Meta(ge=0, lt=SEEDS_MAX)]
    """Which of the wallet's seeds the key comes from."""


class _WalletSecrets(Struct):
    seeds: Annotated[tuple[_Seed, ...], Meta(min_length=1, max_length=SEEDS_MAX)]
    identity: Identity
    held: Annotated[tuple[HeldName, ...], Meta(max_length=HELD_NAMES_MAX)]
    base: Annotated[int, Meta(ge=0, lt=SEEDS_MAX)]
    """The seed of the pseudonyms that are not held."""

    def __post_init__(self) -> None:
        """Refuse numbers of seeds that are not there; msgspec turns it into a decode error."""
        if max([self.base, *(item.seed for item in self.held)]) >= len(self.seeds):
            msg = "a seed is named that is not there"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """One customer towards one hospital and one insurer, or another hospital that may treat her."""

    chain_id: str
    hospital: str
    insurer: str
    """The recipient, also where it is a hospital."""
    name: str
    """`c-...`: how the chain calls her."""
    key: PrivateKey
    """In force on the chain; the one it is named after, unless that was replaced."""
    key_version: int
    seal_key: SealKeyRing
    """What decisions and openings for her are sealed to; former ones still open."""

    def prove_enrolment(self, sponsor: str) -> bytes:
        """Return the proof of possession that the sponsoring organisation enrols this pseudonym with."""
        return sign_enrolment(self.key, enrolment_sign_bytes(self.chain_id, self.name, self.key.public_key, sponsor))

    def answer(self, challenge: Challenge) -> bytes:
        """Answer a challenge with this pseudonym's key.

        Raises:
            VerificationError: If it is for another chain or pseudonym, or asked by a third party.
        """
        parties = (self.hospital, self.insurer)
        if challenge.organisation not in parties:
            msg = f"challenge organisation: expected {' or '.join(parties)}, got {challenge.organisation}"
            raise VerificationError(msg)
        for field, expected, actual in (
            ("chain_id", self.chain_id, challenge.chain_id),
            ("pseudonym", self.name, challenge.pseudonym),
        ):
            if expected != actual:
                msg = f"challenge {field}: expected {expected}, got {actual}"
                raise VerificationError(msg)
        return sign_challenge(self.key, encode(challenge))

    def disclose(self, disclosure: Disclosure, recipient: str, public_key: bytes, record_id: str) -> Sealed:
        """Seal an identity and its salt to the hospital or the insurer of this pseudonym.

        Args:
            disclosure: From `Wallet.make_disclosure`.
            recipient: The organisation; one of this pseudonym's two.
            public_key: Its seal key, as the chain has it now (`nodes.roles.customer.organisations`).
            record_id: What the disclosure is for, such as `identity.<grant>`.

        Raises:
            VerificationError: If the recipient is a third party, or its key malformed.
        """
        if recipient not in (self.hospital, self.insurer):
            msg = f"recipient: expected {self.hospital} or {self.insurer}, got {recipient}"
            raise VerificationError(msg)
        context = SealContext(self.chain_id, record_id, self.name, recipient)
        return seal(public_key, context, encode(disclosure))


class Wallet:
    """A customer's seeds and identity; never prints itself."""

    __slots__ = ("_base", "_held", "_seeds", "identity", "protected")

    def __init__(
        self,
        seeds: tuple[bytes, ...],
        identity: Identity,
        held: tuple[HeldName, ...] = (),
        base: int = 0,
        *,
        protected: bool,
    ) -> None:
        """Hold a wallet's content; `create` makes a new one, `load` reads one.

        Args:
            seeds: 32 secret bytes each, the first one first.
            identity: Who the customer is.
            held: The pseudonyms whose key in force is not the one they are named after.
            base: The number of the seed that the others come from.
            protected: Whether the file it came from has a passphrase.
        """
        self._seeds = seeds
        self._held = {(item.chain_id, item.hospital, item.insurer): item for item in held}
        self._base = base
        self.identity = identity
        self.protected = protected

    def __repr__(self) -> str:
        """Show whether it is protected, nothing else."""
        return f"Wallet(protected={self.protected})"

    @classmethod
    def create(cls, identity: Identity, entropy: Entropy) -> "Wallet":
        """Make a wallet with a fresh seed; it is not protected before it is saved with a passphrase.

        Raises:
            VerificationError: If the identity contradicts itself.
        """
        check_identity(identity)
        return cls((entropy.draw(_SEED_BYTES),), identity, protected=False)

    @classmethod
    def load(cls, path: Path, passphrase: str | None) -> "Wallet":
        """Read a wallet file.

        Args:
            path: The file, mode 0600.
            passphrase: What it was saved with; None for a wallet without protection.

        Raises:
            WalletError: If the file is missing, open to others, damaged, or does not open with this passphrase.
        """
        try:
            data = read_private(path, "wallet", _FILE_BYTES_MAX)
        except FileError as error:
            raise WalletError(str(error)) from None
        protected = data.startswith(_HEADER_PROTECTED)
        if not protected and not data.startswith(_HEADER_OPEN):
            msg = f"wallet {path}: expected a file that begins with xinpei-wallet/1"
            raise WalletError(msg)
        if protected and passphrase is None:
            where = f"in {PASSPHRASE_VARIABLE}, or in a file that {PASSPHRASE_FILE_VARIABLE} names"
            msg = f"wallet {path}: is protected; give its passphrase at the prompt, {where}"
            raise WalletError(msg)
        if not protected and passphrase is not None:
            msg = f"wallet {path}: a passphrase was given, but this file has no protection; was it exchanged?"
            raise WalletError(msg)
        try:
            if passphrase is None:
                return cls.decode_secrets(data[len(_HEADER_OPEN) :], protected=False)
            box = decode(data[len(_HEADER_PROTECTED) :], Locked)
            return cls.decode_secrets(unlock(box, passphrase, _HEADER_PROTECTED), protected=True)
        except (DecodeError, PassphraseError):
            cause = "wrong passphrase, or the file was changed" if protected else "the file was changed or cut off"
            msg = f"wallet {path}: does not open: {cause}"
            raise WalletError(msg) from None

    def save(self, path: Path, passphrase: str | None, entropy: Entropy) -> None:
        """Write the wallet, replacing the file.

        Args:
            path: The file; it gets mode 0600.
            passphrase: Protects it; None leaves it open, which is for development networks only.
            entropy: Where salt and nonce come from.

        Raises:
            PassphraseError: If the passphrase is empty.
        """
        body = self.encode_secrets()
        if passphrase is None:
            data = _HEADER_OPEN + body
        else:
            data = _HEADER_PROTECTED + encode(lock(body, passphrase, _HEADER_PROTECTED, entropy))
        create_private_directory(path.parent)
        write_private(path, data)
        self.protected = passphrase is not None

    @classmethod
    def decode_secrets(cls, data: bytes, *, protected: bool) -> "Wallet":
        """Return the wallet that `encode_secrets` has written down.

        Raises:
            DecodeError: If these are not the bytes of one.
        """
        secrets = decode(data, _WalletSecrets)
        return cls(secrets.seeds, secrets.identity, secrets.held, secrets.base, protected=protected)

    def encode_secrets(self) -> bytes:
        """Return all that the wallet is, for a file that only its owner opens: whoever has this is the customer."""
        return encode(_WalletSecrets(self._seeds, self.identity, tuple(self._held.values()), self._base))

    def pseudonym(self, chain_id: str, hospital: str, insurer: str) -> Pseudonym:
        """Return the customer's pseudonym towards a hospital and an insurer, with its key in force."""
        pair = (chain_id, hospital, insurer)
        held = self._held.get(pair)
        if held is None:
            key = self._derive_key(self._base, *pair)
            name, version, newest = pseudonym_name(key.public_key), 1, self._base
        else:
            key = self._derive_key(held.seed, *pair)
            name, version, newest = held.name, held.key_version, held.seed
        return Pseudonym(chain_id, hospital, insurer, name, key, version, self._seal_keys(newest, pair))

    def renew(self, entropy: Entropy) -> None:
        """Draw another seed for keys to come; nothing changes until `hold` says that the chain has one of them.

        Raises:
            WalletError: If the wallet has had SEEDS_MAX seeds.
        """
        if len(self._seeds) == SEEDS_MAX:
            msg = f"wallet: expected at most {SEEDS_MAX} seeds in its life; make a new wallet and recover into it"
            raise WalletError(msg)
        self._seeds = (*self._seeds, entropy.draw(_SEED_BYTES))

    @property
    def newest_seed(self) -> int:
        """The number of the seed that new keys come from."""
        return len(self._seeds) - 1

    def next_key(self, chain_id: str, hospital: str, insurer: str) -> PrivateKey:
        """Return the key that the newest seed gives for a pair: what a replacement or a recovery proposes."""
        return self._derive_key(self.newest_seed, chain_id, hospital, insurer)

    def hold(self, chain_id: str, hospital: str, insurer: str, name: str, key_version: int) -> None:
        """Take the newest seed's key for a pseudonym: the chain has it in force, as this version."""
        held = HeldName(chain_id, hospital, insurer, name, key_version, self.newest_seed)
        self._held[(chain_id, hospital, insurer)] = held

    @property
    def is_renewing(self) -> bool:
        """Whether another seed was drawn and not every pseudonym was seen to: `settle` ends it."""
        return self._base != self.newest_seed

    def is_new(self, chain_id: str, hospital: str, insurer: str) -> bool:
        """Whether a pair's pseudonym is held with a key of the newest seed."""
        held = self._held.get((chain_id, hospital, insurer))
        return held is not None and held.seed == self.newest_seed

    def settle(self) -> None:
        """End a renewal: what is not held by now is on no chain, and comes from the newest seed from now on."""
        self._base = self.newest_seed

    def make_disclosure(
        self, chain_id: str, hospital: str, insurer: str, dates: RecordDates, grantor: Identity | None = None
    ) -> Disclosure:
        """Return what every party of a grant is shown: the customer's identity under a salt of this grant's own.

        The salt follows from the newest seed and the grant's record dates, whose commitment is salted afresh: so no two
        grants can be linked by it, and years later the wallet alone opens what its grant committed to.

        Args:
            chain_id: The chain.
            hospital: The pair that the pseudonym is for.
            insurer: Its recipient.
            dates: What opens the grant's record dates.
            grantor: Who acts for her, where that is another.
        """
        return Disclosure(
            self.identity,
            self._identity_salt(self.newest_seed, chain_id, hospital, insurer, dates.commitment),
            dates,
            grantor,
        )

    def find_identity(
        self, chain_id: str, hospital: str, insurer: str, dates: bytes, commitment: bytes
    ) -> IdentityOpening | None:
        """Return what opens a grant's commitment to this customer; None if it is another's, or another wallet's.

        Args:
            chain_id: The chain.
            hospital: The pair that the pseudonym is for.
            insurer: Its recipient.
            dates: The grant's commitment to its record dates.
            commitment: The grant's commitment to who she is.
        """
        for seed in range(self.newest_seed, -1, -1):
            found = IdentityOpening(self.identity, self._identity_salt(seed, chain_id, hospital, insurer, dates))
            if found.commitment == commitment:
                return found
        return None

    def _identity_salt(self, seed: int, chain_id: str, hospital: str, insurer: str, dates: bytes) -> bytes:
        info = encode(("xinpei/wallet/identity/v1", chain_id, hospital, insurer, dates))
        return HKDF(SHA256(), length=32, salt=None, info=info).derive(self._seeds[seed])

    def _derive_key(self, seed: int, chain_id: str, hospital: str, insurer: str) -> PrivateKey:
        return PrivateKey(self._derive(seed, "pseudonym", chain_id, hospital, insurer))

    def _seal_keys(self, newest: int, pair: tuple[str, str, str]) -> SealKeyRing:
        return SealKeyRing([SealKeyPair(self._derive(seed, "seal", *pair)) for seed in range(newest, -1, -1)])

    def _derive(self, seed: int, purpose: str, chain_id: str, hospital: str, insurer: str) -> bytes:
        info = encode((f"xinpei/wallet/{purpose}/v1", chain_id, hospital, insurer))
        return HKDF(SHA256(), length=32, salt=None, info=info).derive(self._seeds[seed])


def is_protected(path: Path) -> bool:
    """Whether the wallet in this file was saved with a passphrase.

    Raises:
        WalletError: If it cannot be read.
    """
    try:
        return read_private(path, "wallet", _FILE_BYTES_MAX).startswith(_HEADER_PROTECTED)
    except FileError as error:
        raise WalletError(str(error)) from None


def enrolment_sign_bytes(chain_id: str, name: str, public_key: bytes, sponsor: str) -> bytes:
    """Return what a proof of possession is over; the bytes that the contract `customers` checks."""
    return encode((chain_id, name, public_key, sponsor))


def make_challenge(chain_id: str, organisation: str, pseudonym: str, entropy: Entropy) -> Challenge:
    """Return a fresh challenge of an organisation to a pseudonym."""
    return Challenge(chain_id, organisation, pseudonym, entropy.draw(32))


def check_answer(challenge: Challenge, public_key: bytes, answer: bytes) -> None:
    """Check the answer to one's own challenge.

    Args:
        challenge: The one that was issued; never a copy that came back with the answer.
        public_key: The key that the chain has in force for the challenge's pseudonym.
        answer: What `Pseudonym.answer` returned.

    Raises:
        VerificationError: If the answer is not by this key to this challenge.
    """
    verify("challenge", public_key, encode(challenge), answer)
