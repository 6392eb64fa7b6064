"""Customers: the pseudonyms under which people sign, and their keys.

Rules:

    1. A customer is enrolled under a pseudonym by a hospital or an insurer, her sponsor. The pseudonym is derived
       from her key, so it cannot be chosen, and nobody can enrol somebody else's. It begins with `c-`, as no
       organisation's name does.
    2. Her first key comes with a signature that names this chain, the pseudonym and the sponsor (contract `keys` has
       the rules of keys).
    3. To sponsor gives no power: a customer speaks with her own key only, and a grant needs the hospital's link
       and the insurer's before it is worth anything (contract `consent`).

    table        key             value
    actors       pseudonym       Actor: sponsor, all key versions
"""

from contracts.keys import KeyRotated, Keys, RotateKey
from contracts.membership import Membership
from ledger.execution.contract import (
    CUSTOMER_PREFIX,
    Actor,
    ChainId,
    Contract,
    KeyRecord,
    Name,
    PublicKey,
    Signature,
    Struct,
    Table,
    encode,
    hash_bytes,
    query,
    reject,
    transaction,
    verify,
)

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
SPONSORS = ("hospital", "insurer")


class Enrol(Struct):
    """A sponsor enters a customer's pseudonym."""

    name: Name
    """`pseudonym(public_key)`."""
    public_key: PublicKey
    proof: Signature
    """By the customer's key, purpose `enrolment`, over `enrolment_message`."""


class FindCustomer(Struct):
    """Ask for one customer."""

    name: Name


class Enrolled(Struct):
    """Event `customer-enrolled`."""

    name: Name
    sponsor: Name


class EnrolmentSigned(Struct):
    """What a customer signs to be enrolled."""

    chain_id: ChainId
    name: Name
    public_key: PublicKey
    sponsor: Name


def pseudonym(public_key: bytes) -> str:
    """Return the pseudonym of a customer's key: `c-` and base32 of the first 20 bytes of its SHA-256."""
    number = int.from_bytes(hash_bytes(public_key)[:20], "big")
    letters = ""
    for _ in range(32):
        letters = BASE32[number % 32] + letters
        number = number // 32
    return CUSTOMER_PREFIX + letters


def enrolment_message(chain_id: str, name: str, public_key: bytes, sponsor: str) -> bytes:
    """Return what the proof of an `Enrol` is over."""
    return encode(EnrolmentSigned(chain_id, name, public_key, sponsor))


class Customers(Contract):
    """The register of pseudonyms."""

    name = "customers"
    actors = Table("actors", Actor)

    @transaction
    def enrol(self, message: Enrol) -> None:
        """Enter a customer's pseudonym."""
        context = self.context
        self.call(Membership).require(SPONSORS)
        expected = pseudonym(message.public_key)
        if message.name != expected:
            reject("PSEUDONYM", f"name: expected the pseudonym of the key, {expected}, got {message.name}")
        if self.actors.get(message.name) is not None:
            reject("ALREADY_ENROLLED", f"{message.name} is enrolled already")
        signed = enrolment_message(context.chain_id, message.name, message.public_key, context.signer)
        verify("enrolment", message.public_key, signed, message.proof)
        self.call(Keys).take(message.public_key, message.name)
        key = KeyRecord(1, message.public_key, context.height, None)
        self.actors.put(message.name, Actor(message.name, "customer", (key,), context.signer))
        self.emit("customer-enrolled", Enrolled(message.name, context.signer))

    @transaction
    def rotate_key(self, message: RotateKey) -> None:
        """Replace the signer's key from the next height on."""
        customer = self.call(Keys).succeed(self.require(), message)
        self.actors.put(customer.name, customer)
        self.emit("key-rotated", KeyRotated(customer.name, customer.keys[-1].version))

    @query
    def actor(self, message: FindCustomer) -> Actor | None:
        """Return a customer with all key versions, or None."""
        return self.actors.get(message.name)

    def require(self) -> Actor:
        """Return the signer if it is a customer; else reject with `FORBIDDEN`."""
        customer = self.actors.get(self.context.signer)
        if customer is None:
            reject("FORBIDDEN", f"signer: expected a customer, got {self.context.signer}")
        return customer

    def newest_version(self, name: str) -> int:
        """Return the version of a pseudonym's newest key; 0 if it is not enrolled."""
        customer = self.actors.get(name)
        return 0 if customer is None else customer.keys[-1].version

    def replace_key(self, name: str, public_key: bytes) -> None:
        """Give a pseudonym another key from the next height on; the caller has checked by whose right."""
        customer = self.call(Keys).follow(self.find(name), public_key)
        self.actors.put(name, customer)
        self.emit("key-rotated", KeyRotated(name, customer.keys[-1].version))

    def find(self, name: str) -> Actor:
        """Return the customer of this pseudonym; else reject with `UNKNOWN_CUSTOMER`."""
        customer = self.actors.get(name)
        if customer is None:
            reject("UNKNOWN_CUSTOMER", f"expected an enrolled pseudonym, got {name}")
        return customer
