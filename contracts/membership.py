"""Membership: which organisations there are, with which keys, in which role; who votes; and which code is in force.

Rules:

    1. The founding organisations, the validators and the pinned contracts come from the genesis.
    2. An organisation replaces its own signing key; the rules of keys are those of the contract `keys`.
    3. Customers are not here (contract `customers`): so the table is small, and a proof of an organisation's role and
       keys is a few hashes in a state of any size.

    table           key              value
    actors          name             Actor: role, all key versions
    organisations   name             Credentials: what is sealed to it, who may connect in its name
    validators      "current"        ValidatorSet
    pins            contract         PinHistory: the code in force, and from which height
"""

from contracts.keys import KeyRotated, Keys, RotateKey
from ledger.execution.contract import (
    Actor,
    Contract,
    Genesis,
    Hash,
    KeyRecord,
    Name,
    PinHistory,
    PinVersion,
    SealKey,
    Struct,
    Table,
    ValidatorSet,
    query,
    reject,
    transaction,
)


class FindActor(Struct):
    """Ask for one organisation."""

    name: Name


class FindValidators(Struct):
    """Ask for the validator set."""


class FindPin(Struct):
    """Ask for the code of one contract."""

    contract: Name


class Credentials(Struct):
    """Table `organisations`: what others need of an organisation besides its signing keys."""

    seal_key: SealKey
    certificate_hash: Hash
    """SHA-256 of its CA certificate's DER."""


class Membership(Contract):
    """The register of organisations."""

    name = "membership"
    actors = Table("actors", Actor)
    organisations = Table("organisations", Credentials)
    validators = Table("validators", ValidatorSet)
    pins = Table("pins", PinHistory)

    def genesis(self, genesis: Genesis) -> None:
        """Enter the founding organisations, the validators and the pinned contracts."""
        for organisation in genesis.organisations:
            key = KeyRecord(1, organisation.public_key, 0, None)
            self.call(Keys).take(organisation.public_key, organisation.name)
            self.actors.put(organisation.name, Actor(organisation.name, organisation.role, (key,), None))
            credentials = Credentials(organisation.seal_key, organisation.certificate_hash)
            self.organisations.put(organisation.name, credentials)
        self.validators.put("current", genesis.validators)
        for pin in genesis.contracts:
            self.pins.put(pin.name, PinHistory((PinVersion(pin.code_hash, 0),)))

    @transaction
    def rotate_key(self, message: RotateKey) -> None:
        """Replace the signer's key from the next height on."""
        organisation = self.call(Keys).succeed(self._signer(), message)
        self.actors.put(organisation.name, organisation)
        self.emit("key-rotated", KeyRotated(organisation.name, organisation.keys[-1].version))

    @query
    def actor(self, message: FindActor) -> Actor | None:
        """Return an organisation with all key versions, or None."""
        return self.actors.get(message.name)

    @query
    def validator_set(self, message: FindValidators) -> ValidatorSet | None:  # noqa: ARG002 - a query takes one message
        """Return the validators in force."""
        return self.validators.get("current")

    @query
    def pin(self, message: FindPin) -> PinHistory | None:
        """Return all versions of a contract's code, or None."""
        return self.pins.get(message.contract)

    def require(self, roles: tuple[str, ...]) -> Actor:
        """Return the signer if it is an organisation with one of `roles`; else reject with `FORBIDDEN`."""
        organisation = self._signer()
        if organisation.role not in roles:
            expected = " or ".join(roles)
            reject("FORBIDDEN", f"signer: expected {expected}, got {organisation.role} {organisation.name}")
        return organisation

    def find(self, name: str, role: str) -> Actor:
        """Return the organisation of this name and role; else reject with `UNKNOWN_MEMBER`."""
        organisation = self.actors.get(name)
        if organisation is None:
            reject("UNKNOWN_MEMBER", f"expected a {role}, got the unknown name {name}")
        if organisation.role != role:
            reject("UNKNOWN_MEMBER", f"{name}: expected a {role}, got a {organisation.role}")
        return organisation

    def signer_key(self) -> bytes:
        """Return the public key that this transaction was signed with; raises `VerificationError`."""
        return self._signer().public_key(self.context.key_version, self.context.height)

    def _signer(self) -> Actor:
        organisation = self.actors.get(self.context.signer)
        if organisation is None:
            reject("FORBIDDEN", f"signer: expected an organisation, got {self.context.signer}")
        return organisation
