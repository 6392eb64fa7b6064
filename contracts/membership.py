"""Membership: who may sign, with which key, in which role.

Rules:

    1. The founding organisations and the validators come from the genesis.
    2. A customer is enrolled under a pseudonym by a hospital or an insurer, her sponsor. The pseudonym is derived
       from her key, so it cannot be chosen, and nobody can enrol somebody else's.
    3. Whoever enters a key proves that she holds it, by a signature that names this chain, the name and the sponsor
       (or the new key's version). A key serves one name, once, for ever.
    4. Keys are replaced and never overwritten: the old version ends at the next height, where the new one begins.
       So what was signed before still verifies, and a block's transactions are all checked by one set of keys.
    5. To sponsor gives no power: a customer speaks with her own key only, and a grant needs the hospital's link
       and the insurer's before it is worth anything (contract `consent`).

    table        key             value
    actors       name            Actor: role, sponsor, all key versions
    keys         public key      KeyOwner
    validators   "current"       ValidatorSet
"""

from ledger.execution.contract import (
    Actor,
    ChainId,
    Contract,
    Genesis,
    KeyRecord,
    Name,
    PublicKey,
    Signature,
    Struct,
    Table,
    ValidatorSet,
    encode,
    hash_bytes,
    query,
    reject,
    replace,
    transaction,
    verify,
)

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
SPONSORS = ("hospital", "insurer")
KEY_VERSIONS_MAX = 64
"""Replacements of one actor's key: a yearly change for a working life."""


class Enrol(Struct):
    """A sponsor enters a customer's pseudonym."""

    name: Name
    """`pseudonym(public_key)`."""
    public_key: PublicKey
    proof: Signature
    """By the customer's key, purpose `enrolment`, over `enrolment_message`."""


class RotateKey(Struct):
    """An actor replaces its own key, effective at the next height."""

    public_key: PublicKey
    proof: Signature
    """By the new key, purpose `enrolment`, over `rotation_message`."""


class FindActor(Struct):
    """Ask for one actor."""

    name: Name


class FindValidators(Struct):
    """Ask for the validator set."""


class KeyOwner(Struct):
    """Whose a public key is, or was."""

    name: Name


class Enrolled(Struct):
    """Event `customer-enrolled`."""

    name: Name
    sponsor: Name


class KeyRotated(Struct):
    """Event `key-rotated`."""

    name: Name
    version: int


class EnrolmentSigned(Struct):
    """What a customer signs to be enrolled."""

    chain_id: ChainId
    name: Name
    public_key: PublicKey
    sponsor: Name


class RotationSigned(Struct):
    """What a new key signs to replace the old one."""

    chain_id: ChainId
    name: Name
    public_key: PublicKey
    version: int


def pseudonym(public_key: bytes) -> str:
    """Return the pseudonym of a customer's key: `c-` and base32 of the first 20 bytes of its SHA-256."""
    number = int.from_bytes(hash_bytes(public_key)[:20], "big")
    letters = ""
    for _ in range(32):
        letters = BASE32[number % 32] + letters
        number = number // 32
    return "c-" + letters


def enrolment_message(chain_id: str, name: str, public_key: bytes, sponsor: str) -> bytes:
    """Return what the proof of an `Enrol` is over."""
    return encode(EnrolmentSigned(chain_id, name, public_key, sponsor))


def rotation_message(chain_id: str, name: str, public_key: bytes, version: int) -> bytes:
    """Return what the proof of a `RotateKey` is over; `version` is the new key's."""
    return encode(RotationSigned(chain_id, name, public_key, version))


class Membership(Contract):
    """The register of actors."""

    name = "membership"
    actors = Table("actors", Actor)
    keys = Table("keys", KeyOwner)
    validators = Table("validators", ValidatorSet)

    def genesis(self, genesis: Genesis) -> None:
        """Enter the founding organisations and validators."""
        for organisation in genesis.organisations:
            key = KeyRecord(1, organisation.public_key, 0, None)
            self.actors.put(organisation.name, Actor(organisation.name, organisation.role, (key,), None))
            self.keys.put(organisation.public_key, KeyOwner(organisation.name))
        self.validators.put("current", genesis.validators)

    @transaction
    def enrol(self, message: Enrol) -> None:
        """Enter a customer's pseudonym."""
        context = self.context
        self.require(SPONSORS)
        expected = pseudonym(message.public_key)
        if message.name != expected:
            reject("PSEUDONYM", f"name: expected the pseudonym of the key, {expected}, got {message.name}")
        if self.actors.get(message.name) is not None:
            reject("ALREADY_ENROLLED", f"{message.name} is enrolled already")
        signed = enrolment_message(context.chain_id, message.name, message.public_key, context.signer)
        verify("enrolment", message.public_key, signed, message.proof)
        self._take_key(message.public_key, message.name)
        key = KeyRecord(1, message.public_key, context.height, None)
        self.actors.put(message.name, Actor(message.name, "customer", (key,), context.signer))
        self.emit("customer-enrolled", Enrolled(message.name, context.signer))

    @transaction
    def rotate_key(self, message: RotateKey) -> None:
        """Replace the signer's key from the next height on."""
        context = self.context
        actor = self._signer()
        current = actor.keys[-1]
        version = current.version + 1
        if version > KEY_VERSIONS_MAX:
            reject("KEY_VERSIONS", f"expected at most {KEY_VERSIONS_MAX} keys of one actor")
        if current.version != context.key_version or current.until_height is not None:
            reject("STALE_KEY", f"expected the current key, version {current.version}, got {context.key_version}")
        if current.from_height > context.height:
            reject("STALE_KEY", f"key version {current.version} begins at height {current.from_height}")
        signed = rotation_message(context.chain_id, actor.name, message.public_key, version)
        verify("enrolment", message.public_key, signed, message.proof)
        self._take_key(message.public_key, actor.name)
        ended = replace(current, until_height=context.height + 1)
        begun = KeyRecord(version, message.public_key, context.height + 1, None)
        self.actors.put(actor.name, replace(actor, keys=(*actor.keys[:-1], ended, begun)))
        self.emit("key-rotated", KeyRotated(actor.name, version))

    @query
    def actor(self, message: FindActor) -> Actor | None:
        """Return an actor with all key versions, or None."""
        return self.actors.get(message.name)

    @query
    def validator_set(self, message: FindValidators) -> ValidatorSet | None:  # noqa: ARG002 - a query takes one message
        """Return the validators in force."""
        return self.validators.get("current")

    def require(self, roles: tuple[str, ...]) -> Actor:
        """Return the signer if it has one of `roles`; else reject with `FORBIDDEN`."""
        actor = self._signer()
        if actor.role not in roles:
            reject("FORBIDDEN", f"signer: expected {' or '.join(roles)}, got {actor.role} {actor.name}")
        return actor

    def find(self, name: str, role: str) -> Actor:
        """Return the member of this name and role; else reject with `UNKNOWN_MEMBER`."""
        actor = self.actors.get(name)
        if actor is None:
            reject("UNKNOWN_MEMBER", f"expected a {role}, got the unknown name {name}")
        if actor.role != role:
            reject("UNKNOWN_MEMBER", f"{name}: expected a {role}, got a {actor.role}")
        return actor

    def signer_key(self) -> bytes:
        """Return the public key that this transaction was signed with; raises `VerificationError`."""
        return self._signer().public_key(self.context.key_version, self.context.height)

    def _signer(self) -> Actor:
        actor = self.actors.get(self.context.signer)
        if actor is None:
            reject("UNKNOWN_MEMBER", f"signer: {self.context.signer} is no member")
        return actor

    def _take_key(self, public_key: bytes, name: str) -> None:
        if self.keys.get(public_key) is not None:
            reject("KEY_IN_USE", "public key: expected one that no actor ever had")
        self.keys.put(public_key, KeyOwner(name))
