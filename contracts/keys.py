"""Keys: whose a public key is or was.

Rules:

    1. A key serves one name, once, for ever: no other name can enter it, nor the same one again.
    2. Whoever enters a key proves that she holds it, by a signature that names this chain and the name.
    3. Keys are replaced and never overwritten: the old version ends at the next height, where the new one begins.
       So what was signed before still verifies, and a block's transactions are all checked by one set of keys.
    4. A seal key opens and signs nothing, so nobody can prove that she holds one. Its organisation's word counts, for
       itself alone: what it enters is not taken from anybody else, and none that it ever had comes back.
    5. Nobody posts here: `membership` enters organisations' keys, `customers` those of pseudonyms, also what `recovery`
       gives them, and `governance` consensus keys after the genesis. The rule of one name holds among all of them.

    table    key           value
    owners   public key    KeyOwner
"""

from ledger.execution.contract import (
    Actor,
    Annotated,
    ChainId,
    Contract,
    Height,
    KeyRecord,
    Meta,
    Milliseconds,
    Name,
    PublicKey,
    SealKey,
    Signature,
    Struct,
    Table,
    encode,
    query,
    reject,
    replace,
    verify,
)

KEY_VERSIONS_MAX = 64
"""Replacements of one actor's key: a yearly change for a working life."""


class RotateKey(Struct):
    """Transaction `rotate_key` of `membership` and `customers`: an actor replaces its own key from the next height."""

    public_key: PublicKey
    proof: Signature
    """By the new key, purpose `enrolment`, over `rotation_message`."""


class RotateSealKey(Struct):
    """Transaction `rotate_seal_key` of `membership`: an organisation replaces the key that secrets are sealed to."""

    seal_key: SealKey
    version: Annotated[int, Meta(ge=2)]
    """The new key's: one above the version that it replaces, so that what was signed once is not done later again."""


class SealKeyRecord(Struct):
    """Table `seal_keys` of `membership`: one version of an organisation's seal key, and when it was sealed to."""

    version: Annotated[int, Meta(ge=1)]
    seal_key: SealKey
    from_height: Height
    """The first height whose state names it."""
    until_height: Height | None
    """The first height whose state names another, or none; None while it is sealed to."""
    until_ms: Milliseconds | None
    """The time of that block: what was sealed before may be on its way for a while."""


class FindOwner(Struct):
    """Query `owner`."""

    public_key: PublicKey


class KeyOwner(Struct):
    """Table `owners`: whose a public key is, or was."""

    name: Name


class KeyRotated(Struct):
    """Event `key-rotated`."""

    name: Name
    version: int


class SealKeyRotated(Struct):
    """Event `seal-key-rotated`."""

    name: Name
    version: int


class RotationSigned(Struct):
    """What a new key signs to replace the old one."""

    chain_id: ChainId
    name: Name
    public_key: PublicKey
    version: int


def rotation_message(chain_id: str, name: str, public_key: bytes, version: int) -> bytes:
    """Return what the proof of a `RotateKey` is over; `version` is the new key's."""
    return encode(RotationSigned(chain_id, name, public_key, version))


def end_key(actor: Actor, height: int) -> Actor:
    """Return an actor whose newest key is in force no more from `height` on."""
    return replace(actor, keys=(*actor.keys[:-1], replace(actor.keys[-1], until_height=height)))


class Keys(Contract):
    """The register of keys."""

    name = "keys"
    owners = Table("owners", KeyOwner)

    @query
    def owner(self, message: FindOwner) -> KeyOwner | None:
        """Return whose a key is or was, or None."""
        return self.owners.get(message.public_key)

    def is_taken(self, public_key: bytes) -> bool:
        """Whether a key is somebody's, or was."""
        return self.owners.get(public_key) is not None

    def take(self, public_key: bytes, name: str) -> None:
        """Enter a key for `name`; else reject with `KEY_IN_USE`. The caller has checked the proof of possession."""
        if self.is_taken(public_key):
            reject("KEY_IN_USE", "public key: expected one that no actor ever had")
        self.owners.put(public_key, KeyOwner(name))

    def succeed(self, actor: Actor, message: RotateKey) -> Actor:
        """Return the signer, `actor`, with its new key from the next height on; else reject."""
        context = self.context
        version = actor.keys[-1].version + 1
        if version > KEY_VERSIONS_MAX:
            reject("KEY_VERSIONS", f"expected at most {KEY_VERSIONS_MAX} keys of one actor")
        self.require_current(actor)
        signed = rotation_message(context.chain_id, actor.name, message.public_key, version)
        verify("enrolment", message.public_key, signed, message.proof)
        return self.follow(actor, message.public_key)

    def require_current(self, actor: Actor) -> None:
        """Reject with `STALE_KEY` unless the signer, `actor`, has signed with its newest key."""
        context = self.context
        current = actor.keys[-1]
        if current.version != context.key_version or current.until_height is not None:
            reject("STALE_KEY", f"expected the current key, version {current.version}, got {context.key_version}")
        if current.from_height > context.height:
            reject("STALE_KEY", f"key version {current.version} begins at height {current.from_height}")

    def follow(self, actor: Actor, public_key: bytes) -> Actor:
        """Return an actor whose newest key ends at the next height, where this one begins; it becomes the actor's."""
        self.take(public_key, actor.name)
        ended = end_key(actor, self.context.height + 1)
        begun = KeyRecord(actor.keys[-1].version + 1, public_key, self.context.height + 1, None)
        return replace(ended, keys=(*ended.keys, begun))
