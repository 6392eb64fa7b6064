"""Membership: which organisations there are, with which keys, in which role; who votes; and which code is in force.

Rules:

    1. The founding organisations, the validators and the pinned contracts come from the genesis.
    2. An organisation replaces its own signing key and seal key; the rules of keys are those of the contract `keys`.
    3. What else changes is decided by the members' votes (contract `governance`), which calls this one.
    4. Who was removed keeps its row and its keys' history, because what it signed must still verify; its keys have
       ended, it has no credentials, and nothing new is begun with it nor sealed to it.
    5. Customers are not here (contract `customers`): so the table is small, and a proof of an organisation's role and
       keys is a few hashes in a state of any size.

    table           key              value
    actors          name             Actor: role, all key versions
    organisations   name             Credentials: the key to seal to, who may connect in its name
    seal_keys       name, version    SealKeyRecord: every seal key that it ever had
    validators      "current"        ValidatorSet
    pins            contract         PinHistory: the code in force, and from which height
    founding        "genesis"        Founding: on which genesis this chain was founded
"""

from contracts.keys import (
    KEY_VERSIONS_MAX,
    KeyRotated,
    Keys,
    RotateKey,
    RotateSealKey,
    SealKeyRecord,
    SealKeyRotated,
    end_key,
)
from ledger.execution.contract import (
    Actor,
    Contract,
    ContractPin,
    Credentials,
    Genesis,
    Hash,
    KeyRecord,
    Name,
    PinHistory,
    PinVersion,
    Role,
    Struct,
    Table,
    ValidatorSet,
    query,
    reject,
    replace,
    transaction,
)


class FindActor(Struct):
    """Ask for one organisation."""

    name: Name


class ListRole(Struct):
    """Ask for the members of a role."""

    role: Role


class FindValidators(Struct):
    """Ask for the validator set."""


class FindPin(Struct):
    """Ask for the code of one contract."""

    contract: Name


class Founding(Struct):
    """Table `founding`: so that a proof of the state says which genesis it goes back to; votes name a chain's id."""

    genesis_hash: Hash


ORGANISATIONS_MAX = 128
"""Members at one time: as many peers as a replica remembers."""


class Membership(Contract):
    """The register of organisations."""

    name = "membership"
    actors = Table("actors", Actor)
    organisations = Table("organisations", Credentials)
    seal_keys = Table("seal_keys", SealKeyRecord)
    validators = Table("validators", ValidatorSet)
    pins = Table("pins", PinHistory)
    founding = Table("founding", Founding)

    def genesis(self, genesis: Genesis) -> None:
        """Enter the founding organisations, the validators and the pinned contracts."""
        for organisation in genesis.organisations:
            key = KeyRecord(1, organisation.public_key, 0, None)
            self.call(Keys).take(organisation.public_key, organisation.name)
            self.actors.put(organisation.name, Actor(organisation.name, organisation.role, (key,), None))
            self._enter(organisation.name, organisation.seal_key, organisation.certificate_hash)
        for validator in genesis.validators.validators:
            self.call(Keys).take(validator.public_key, validator.name)
        self.validators.put("current", genesis.validators)
        self.founding.put("genesis", Founding(genesis.hash))
        for pin in genesis.contracts:
            self.pins.put(pin.name, PinHistory((PinVersion(pin.code_hash, 0),)))

    @transaction
    def rotate_key(self, message: RotateKey) -> None:
        """Replace the signer's key from the next height on."""
        organisation = self.call(Keys).succeed(self._signer(), message)
        self.actors.put(organisation.name, organisation)
        self.emit("key-rotated", KeyRotated(organisation.name, organisation.keys[-1].version))

    @transaction
    def rotate_seal_key(self, message: RotateSealKey) -> None:
        """Replace the key that secrets are sealed to for the signer."""
        organisation = self._signer()
        self.call(Keys).require_current(organisation)
        credentials = self.organisations.get(organisation.name)
        if credentials is None:
            reject("FORBIDDEN", f"signer: expected a member, got {organisation.name}")
        expected = credentials.seal_version + 1
        if message.version != expected:
            reject("STALE_SEAL_KEY", f"version: expected {expected}, the next one, got {message.version}")
        refusal = self.refuse_seal_key(organisation.name, message.seal_key)
        if refusal != "":
            reject("SEAL_KEY", refusal)
        self.replace_credentials(organisation.name, message.seal_key, credentials.certificate_hash)

    @query
    def actor(self, message: FindActor) -> Actor | None:
        """Return an organisation with all key versions, or None."""
        return self.actors.get(message.name)

    @query
    def credentials(self, message: FindActor) -> Credentials | None:
        """Return an organisation's credentials, or None; who was removed has none."""
        return self.organisations.get(message.name)

    @query
    def seal_key_history(self, message: FindActor) -> tuple[SealKeyRecord, ...]:
        """Return every seal key that an organisation ever had, the first one first."""
        return tuple(record for _, record in self.seal_keys.scan(message.name))

    @query
    def list_role(self, message: ListRole) -> tuple[Name, ...]:
        """Return the members of a role, in the order in which they were admitted."""
        found: list[tuple[int, str]] = []
        for key, _ in self.organisations.scan():
            organisation = self.actors.get(key[0])
            if organisation is not None and organisation.role == message.role:
                found.append((organisation.keys[0].from_height, organisation.name))
        return tuple(name for _, name in sorted(found))

    @query
    def validator_set(self, message: FindValidators) -> ValidatorSet | None:  # noqa: ARG002 - a query takes one message
        """Return the validators that were decided last: they vote two heights after that."""
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
        if not self.is_member(name):
            reject("UNKNOWN_MEMBER", f"{name}: expected a {role}, got one that is a member no more")
        return organisation

    def require_member(self) -> Actor:
        """Return the signer if it is an organisation; else reject with `FORBIDDEN`."""
        return self._signer()

    def is_member(self, name: str) -> bool:
        """Whether an organisation is a member now: it was not removed."""
        return self.organisations.get(name) is not None

    def is_auditor(self, name: str) -> bool:
        """Whether an organisation has no part in anything but to be opened to."""
        organisation = self.actors.get(name)
        return organisation is not None and organisation.role == "auditor"

    def count_members(self) -> int:
        """Return how many organisations are members now."""
        return len(list(self.organisations.scan()))

    def newest_version(self, name: str) -> int:
        """Return the version of an organisation's newest key; 0 if there is no such organisation."""
        organisation = self.actors.get(name)
        return 0 if organisation is None else organisation.keys[-1].version

    def pins_decided(self) -> tuple[ContractPin, ...]:
        """Return the code that was decided last, sorted by contract: in force already, or to come."""
        return tuple(ContractPin(key[0], history.versions[-1].code_hash) for key, history in self.pins.scan())

    def code_in_force(self, contract: str) -> bytes:
        """Return the hash of the code that a contract runs with at this place; empty for one that is not pinned."""
        history = self.pins.get(contract)
        versions = () if history is None else history.versions
        in_force = [item.code_hash for item in versions if item.from_height <= self.context.height]
        return in_force[-1] if in_force else b""

    # ------------------------------------------------------------------------- what the members' votes change

    def admit(self, name: str, role: Role, public_key: bytes, seal_key: bytes, certificate_hash: bytes) -> None:
        """Enter a new organisation; it signs from the next height on."""
        self.call(Keys).take(public_key, name)
        key = KeyRecord(1, public_key, self.context.height + 1, None)
        self.actors.put(name, Actor(name, role, (key,), None))
        self._enter(name, seal_key, certificate_hash)

    def expel(self, name: str) -> None:
        """End an organisation's keys at the next height; nobody connects in its name or seals to it any more."""
        organisation = self.actors.get(name)
        if organisation is not None:
            self.actors.put(name, end_key(organisation, self.context.height + 1))
        credentials = self.organisations.get(name)
        if credentials is not None:
            self._end_seal_key(name, credentials.seal_version)
        self.organisations.delete(name)

    def replace_key(self, name: str, public_key: bytes) -> None:
        """Give an organisation another key from the next height on."""
        organisation = self.actors.get(name)
        if organisation is not None:
            self.actors.put(name, self.call(Keys).follow(organisation, public_key))

    def refuse_seal_key(self, name: str, seal_key: bytes) -> str:
        """Return why an organisation's seal key cannot become this one; empty if it can."""
        versions = [record for _, record in self.seal_keys.scan(name)]
        if len(versions) >= KEY_VERSIONS_MAX:
            return f"expected at most {KEY_VERSIONS_MAX} seal keys of {name}"
        for record in versions:
            if record.seal_key == seal_key:
                return f"seal key: expected one that {name} never had, got version {record.version}"
        return ""

    def replace_credentials(self, name: str, seal_key: bytes, certificate_hash: bytes) -> None:
        """Put other credentials in an organisation's row; another seal key than the newest is its next version."""
        credentials = self.organisations.get(name)
        if credentials is not None and credentials.seal_key == seal_key:
            self.organisations.put(name, replace(credentials, certificate_hash=certificate_hash))
        elif credentials is not None:
            version = credentials.seal_version + 1
            self._end_seal_key(name, credentials.seal_version)
            self.seal_keys.put((name, version), SealKeyRecord(version, seal_key, self.context.height, None, None))
            self.organisations.put(name, Credentials(seal_key, version, certificate_hash))
            self.emit("seal-key-rotated", SealKeyRotated(name, version))

    def elect(self, validators: ValidatorSet) -> None:
        """Have these vote, two heights from now."""
        self.validators.put("current", validators)

    def pin_code(self, pins: tuple[ContractPin, ...], from_height: int) -> None:
        """Pin the code of all contracts from a height on; what was to come is replaced, what was in force stays."""
        for pin in pins:
            history = self.pins.get(pin.name)
            versions = () if history is None else history.versions
            kept = tuple(item for item in versions if item.from_height <= self.context.height + 1)
            if not kept or kept[-1].code_hash != pin.code_hash:
                kept = (*kept, PinVersion(pin.code_hash, from_height))
            if kept != versions:
                self.pins.put(pin.name, PinHistory(kept))

    def signer_key(self) -> bytes:
        """Return the public key that this transaction was signed with; raises `VerificationError`."""
        return self._signer().public_key(self.context.key_version, self.context.height)

    def _enter(self, name: str, seal_key: bytes, certificate_hash: bytes) -> None:
        self.seal_keys.put((name, 1), SealKeyRecord(1, seal_key, self.context.height, None, None))
        self.organisations.put(name, Credentials(seal_key, 1, certificate_hash))

    def _end_seal_key(self, name: str, version: int) -> None:
        record = self.seal_keys.get((name, version))
        if record is not None:
            ended = replace(record, until_height=self.context.height, until_ms=self.context.time_ms)
            self.seal_keys.put((name, version), ended)

    def _signer(self) -> Actor:
        organisation = self.actors.get(self.context.signer)
        if organisation is None:
            reject("FORBIDDEN", f"signer: expected an organisation, got {self.context.signer}")
        return organisation
