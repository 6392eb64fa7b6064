"""An insurer's portfolio: what it sold to whom, and what opens the chain's commitments to it.

The chain has a policy's random id, its product and status; the holder, the days in force and the payee are salted
commitments. What opens them is here, in the sealed register, before it is on the chain: what the chain lacks is
derived from the register, so a crash in between loses nothing.

    kind       id                    what
    person     number                the insured person (`nodes.roles.people`)
    product    product id, version   a product that this insurer registers
    policy     policy id             holder, days in force, payees, and all salts

A policy is one policy year. A policy of the same person and product that begins on the day after another one's last
day renews it: cover is continuous from the first one's first day on.
"""

from typing import Annotated, cast

from msgspec import Meta
from msgspec.structs import replace

from contracts.adjudication.product import Product
from contracts.identifiers import PolicyId, Version
from contracts.policies import (
    FindProduct,
    IssuePolicy,
    NamePayee,
    PolicyView,
    ProductEntry,
    RegisterProduct,
    ShowPolicy,
)
from ledger.codec import Day, Hash, Name, Struct, decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import LedgerError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.identity import Identity, commit_identity
from nodes.roles.claims.facts import days_outside
from nodes.roles.people import People
from nodes.schemas.products import find_product
from nodes.vault.register import Register

PRODUCT, POLICY = "product", "policy"
YEAR_DAYS_MAX = 366
Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]
PayeeText = Annotated[str, Meta(min_length=1, max_length=64)]


class PortfolioError(LedgerError):
    """A product, policy or payee that is unknown or cannot be entered as it was given."""


class Payee(Struct):
    """Where a policy pays to."""

    name: PayeeText
    account: PayeeText
    salt: Salt

    @property
    def commitment(self) -> Hash:
        """What the chain has."""
        return commit_salted(self.salt, encode((self.name, self.account)))

    def __repr__(self) -> str:
        """Show nothing."""
        return "Payee(...)"


class PolicyEntry(Struct):
    """Register, kind `policy`."""

    policy_id: PolicyId
    person: Annotated[str, Meta(min_length=1, max_length=64)]
    """The insured person's number."""
    product_id: Name
    product_version: Version
    identity: Identity
    """The person's as it was when the policy was issued."""
    holder_salt: Salt
    from_day: Day
    until_day: Day
    period_salt: Salt
    payees: Annotated[tuple[Payee, ...], Meta(min_length=1, max_length=64)]
    """Version 1 first; appended, never overwritten."""

    @property
    def holder(self) -> Hash:
        """The chain's commitment to the insured person."""
        return commit_identity(self.identity, self.holder_salt)

    @property
    def period(self) -> Hash:
        """The chain's commitment to the first and last day in force."""
        return commit_salted(self.period_salt, encode((self.from_day, self.until_day)))


class Portfolio:
    """One insurer's products and policies."""

    def __init__(self, insurer: str, view: ChainView, register: Register, people: People, entropy: Entropy) -> None:
        """Read the portfolio from the register.

        Args:
            insurer: Whose it is.
            view: The latest committed state.
            register: Where it is kept.
            people: The insured persons.
            entropy: For ids and salts.
        """
        self._insurer = insurer
        self._view = view
        self._register = register
        self._people = people
        self._entropy = entropy
        self._products = {key: decode(data, Product) for key, data in register.list_entries(PRODUCT)}
        self._policies = {key: decode(data, PolicyEntry) for key, data in register.list_entries(POLICY)}
        self._unconfirmed = {*self._products, *self._policies}

    # ------------------------------------------------------------------------------------------------ operators

    def register_product(self, product: Product) -> None:
        """Enter a version of a product; the same again changes nothing.

        Raises:
            PortfolioError: If this version is something else already.
        """
        key = _product_key(product.id, product.version)
        entered = self._on_chain(product.id, product.version)
        known = entered.product if entered is not None else self._products.get(key)
        if known is not None and known != product:
            msg = f"product {product.id}: version {product.version} is fixed and differs; give it the next version"
            raise PortfolioError(msg)
        if key not in self._products:
            self._register.put(PRODUCT, key, encode(product))
            self._products[key] = product
            self._unconfirmed.add(key)

    def issue(self, person: str, product_id: str, days: tuple[int, int], payee: tuple[str, str]) -> PolicyEntry:
        """Enter a policy.

        Args:
            person: The insured person's number.
            product_id: A product of this insurer, or a shipped one, which is then registered; its latest version.
            days: The first and the last civil day in force; one policy year at most.
            payee: Name and account.

        Raises:
            PortfolioError: If product, days or payee do not do.
            PeopleError: If the person is unknown.
        """
        identity = self._people.get(person).identity
        from_day, until_day = days
        if not 0 <= from_day <= until_day < from_day + YEAR_DAYS_MAX:
            msg = f"days: expected a first and a last day of one policy year, got {until_day - from_day + 1} days"
            raise PortfolioError(msg)
        first_payee = self._make_payee(payee)
        product = self._latest_product(product_id)
        entry = PolicyEntry(
            f"policy-{self._entropy.draw(8).hex()}",
            person,
            product.id,
            product.version,
            identity,
            self._entropy.draw(32),
            from_day,
            until_day,
            self._entropy.draw(32),
            (first_payee,),
        )
        self._keep(entry)
        return entry

    def name_payee(self, policy_id: str, payee: tuple[str, str]) -> PolicyEntry:
        """Enter the next payee of a policy.

        Raises:
            PortfolioError: If the policy is unknown, or name or account malformed.
        """
        entry = self.get(policy_id)
        changed = replace(entry, payees=(*entry.payees, self._make_payee(payee)))
        self._keep(changed)
        return changed

    # -------------------------------------------------------------------------------------------------- look-ups

    def get(self, policy_id: str) -> PolicyEntry:
        """Return a policy; raises `PortfolioError` if it is unknown."""
        entry = self._policies.get(policy_id)
        if entry is None:
            msg = f"policy: expected one of {self._insurer}, got {policy_id[:64]!r}"
            raise PortfolioError(msg)
        return entry

    def list_all(self) -> tuple[PolicyEntry, ...]:
        """Return all policies, sorted by id."""
        return tuple(entry for _, entry in sorted(self._policies.items()))

    def shown(self, policy_id: str) -> PolicyView | None:
        """Return a policy as the chain has it, or None."""
        kind = cast("type[PolicyView | None]", PolicyView | None)
        return self._view.query("coverage", "policy", ShowPolicy(policy_id), kind)

    def product_of(self, entry: PolicyEntry) -> Product:
        """Return the product version that a policy was sold under, as the chain has it."""
        entered = self._on_chain(entry.product_id, entry.product_version)
        assert entered is not None, "a policy on the chain has a product there"
        return entered.product

    def choose(self, person: str, day: int) -> PolicyEntry | None:
        """Return the policy that answers for an admission on `day`.

        Of those in force on that day it is the one that was issued first. Where none is, it is the one whose days are
        nearest, so that the customer gets an answer with its reasons (ELIG-005, ELIG-006) and not silence. None if
        the person has no policy on the chain that may settle.
        """
        candidates = [
            (days_outside((entry.from_day, entry.until_day), day), *place, entry)
            for place, entry in self._find_candidates(person)
        ]
        return min(candidates, key=lambda item: item[:3])[3] if candidates else None

    def list_candidates(self, person: str) -> tuple[PolicyEntry, ...]:
        """Return the policies of which `choose` would take one, those that were issued first first."""
        found = sorted(self._find_candidates(person), key=lambda item: item[0])
        return tuple(entry for _, entry in found)

    def former_years(self, entry: PolicyEntry) -> tuple[PolicyEntry, ...]:
        """Return the policies that `entry` continues without a gap, the latest first."""
        found: list[PolicyEntry] = []
        current: PolicyEntry | None = entry
        while current is not None:
            current = next((other for other in self.siblings(entry) if other.until_day + 1 == current.from_day), None)
            if current is not None:
                found.append(current)
        return tuple(found)

    def siblings(self, entry: PolicyEntry) -> tuple[PolicyEntry, ...]:
        """Return the same person's other policies of the same product, sorted by id."""
        own = (entry.person, entry.product_id)
        return tuple(
            other
            for other in self.list_all()
            if (other.person, other.product_id) == own and other.policy_id != entry.policy_id
        )

    def derive(self) -> list[Call]:
        """Return what the chain does not have yet, products first."""
        calls: list[Call] = []
        for key in sorted(self._unconfirmed):
            missing = self._missing_product(key) if key in self._products else self._missing_of_policy(key)
            if not missing:
                self._unconfirmed.discard(key)
            calls.extend(missing)
        return sorted(calls, key=lambda call: call.method != "register_product")

    # --------------------------------------------------------------------------------------------------- private

    def _find_candidates(self, person: str) -> list[tuple[tuple[int, int], PolicyEntry]]:
        """Return a person's policies that may settle, with their places on the chain."""
        found = []
        for entry in self._policies.values():
            shown = self.shown(entry.policy_id) if entry.person == person else None
            if shown is not None and shown.versions[-1].status != "terminated":
                place = shown.versions[0].place
                found.append(((place.height, place.index), entry))
        return found

    def _missing_product(self, key: str) -> list[Call]:
        product = self._products[key]
        if self._on_chain(product.id, product.version) is not None:
            return []
        return [Call("coverage", "register_product", RegisterProduct(product))]

    def _missing_of_policy(self, policy_id: str) -> list[Call]:
        entry = self._policies[policy_id]
        shown = self.shown(policy_id)
        if shown is None:
            first = entry.payees[0].commitment
            message = IssuePolicy(policy_id, entry.product_id, entry.product_version, entry.holder, entry.period, first)
            return [Call("coverage", "issue_policy", message)]
        version = len(shown.payees) + 1
        if version > len(entry.payees):
            return []
        return [Call("coverage", "name_payee", NamePayee(policy_id, version, entry.payees[version - 1].commitment))]

    def _latest_product(self, product_id: str) -> Product:
        versions = [product for product in self._products.values() if product.id == product_id]
        if versions:
            return max(versions, key=lambda product: product.version)
        product = find_product(product_id)
        self.register_product(product)
        return product

    def _on_chain(self, product_id: str, version: int) -> ProductEntry | None:
        message = FindProduct(self._insurer, product_id, version)
        return self._view.query("coverage", "product", message, cast("type[ProductEntry | None]", ProductEntry | None))

    def _make_payee(self, payee: tuple[str, str]) -> Payee:
        name, account = payee
        if not 1 <= len(name) <= 64 or not 1 <= len(account) <= 64:
            msg = "payee: expected a name and an account of 1 to 64 characters each"
            raise PortfolioError(msg)
        return Payee(name, account, self._entropy.draw(32))

    def _keep(self, entry: PolicyEntry) -> None:
        self._register.put(POLICY, entry.policy_id, encode(entry))
        self._policies[entry.policy_id] = entry
        self._unconfirmed.add(entry.policy_id)


def _product_key(product_id: str, version: int) -> str:
    return f"{product_id} {version}"
