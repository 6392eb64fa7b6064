"""Coverage: products, policies, payees and the balances that claims draw on.

Rules:

    1. A product is data, registered by its insurer, fixed once registered; what changes is a new version. One that
       contradicts itself is refused: no case could ever be decided on it.
    2. A policy is public as a random id, its insurer, its product and an open status. Who holds it and from when until
       when it is in force are salted commitments, because service dates and names are private: whether it was in force
       on the day of admission is adjudicated by the insurer and checked by whoever holds the openings.
    3. Policies and payees have versions, appended and never overwritten. Only the issuing insurer writes them.
    4. A balance (accumulator) exists per policy, policy year and currency: deductible used and benefit paid, as
       commitments to amounts, under a sequence number. Sequence 0 is nothing used and nothing paid.
    5. A settlement names the sequence that it starts from. If another one came first it fails with
       STALE_ACCUMULATOR, and the claim is adjudicated again.

    policy status   may become              claims
    in-force        lapsed, terminated      settle
    lapsed          in-force, terminated    settle: the stay may lie before the lapse
    terminated      (final)                 do not settle (ELIG-005)

    table         key                                    value
    products      insurer, product id, version           ProductEntry
    policies      policy id, version                     PolicyVersion
    payees        policy id, version                     PayeeVersion
    heads         policy id                              PolicyHead: latest versions
    by_insurer    insurer, policy id                     PolicyHead of version 1
    balances      policy id, year, currency, sequence    Balance
    sequences     policy id, year, currency              BalanceHead: latest sequence
"""

from contracts.adjudication.consistency import check_product
from contracts.identifiers import Place, locate
from contracts.membership import Membership
from contracts.policies import (
    Balance,
    BalanceHead,
    ChangePolicy,
    FindBalance,
    FindProduct,
    IssuePolicy,
    ListPolicies,
    NamePayee,
    PayeeVersion,
    PolicyEvent,
    PolicyHead,
    PolicyVersion,
    PolicyView,
    ProductEntry,
    ProductEvent,
    RegisterProduct,
    ShowPolicy,
    hash_product,
)
from contracts.precedence import is_before
from ledger.execution.contract import IDENTITY, Contract, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Coverage(Contract):
    """The register of products, policies and balances."""

    name = "coverage"
    products = Table("products", ProductEntry)
    policies = Table("policies", PolicyVersion)
    payees = Table("payees", PayeeVersion)
    heads = Table("heads", PolicyHead)
    by_insurer = Table("by_insurer", PolicyHead)
    balances = Table("balances", Balance)
    sequences = Table("sequences", BalanceHead)

    @transaction
    def register_product(self, message: RegisterProduct) -> None:
        """Fix a version of a product."""
        insurer = self.call(Membership).require(("insurer",)).name
        product = message.product
        check_product(product)
        key = (insurer, product.id, product.version)
        if self.products.get(key) is not None:
            reject("PRODUCT_TAKEN", f"{product.id}: version {product.version} is registered, register the next one")
        entry = ProductEntry(insurer, product, hash_product(product), locate(self.context))
        self.products.put(key, entry)
        self.emit("product-registered", ProductEvent(insurer, product.id, product.version, entry.content_hash))

    @transaction
    def issue_policy(self, message: IssuePolicy) -> None:
        """Enter a policy in force, with its first payee."""
        insurer = self.call(Membership).require(("insurer",)).name
        if self.heads.get(message.policy_id) is not None:
            reject("POLICY_TAKEN", f"{message.policy_id} is issued already")
        entry = self.products.get((insurer, message.product_id, message.product_version))
        if entry is None:
            reject("UNKNOWN_PRODUCT", f"{insurer} has no product {message.product_id} {message.product_version}")
        place = locate(self.context)
        policy = PolicyVersion(
            message.policy_id,
            1,
            insurer,
            message.product_id,
            message.product_version,
            entry.product.currency,
            message.holder,
            message.period,
            "in-force",
            place,
        )
        head = PolicyHead(1, 1)
        self.policies.put((message.policy_id, 1), policy)
        self.payees.put((message.policy_id, 1), PayeeVersion(1, message.payee, place))
        self.heads.put(message.policy_id, head)
        self.by_insurer.put((insurer, message.policy_id), head)
        self.emit("policy-issued", PolicyEvent(message.policy_id, insurer, 1, "in-force"))

    @transaction
    def change_policy(self, message: ChangePolicy) -> None:
        """Append a version: another period, another status, or both."""
        head = self._head(message.policy_id)
        policy = self._owned(message.policy_id)
        if message.version != policy.version + 1:
            reject("STALE_VERSION", f"version: expected {policy.version + 1}, got {message.version}")
        if policy.status == "terminated":
            reject("WRONG_STATE", f"{message.policy_id}: terminated is final")
        changed = replace(
            policy,
            version=message.version,
            period=message.period,
            status=message.status,
            place=locate(self.context),
        )
        self.policies.put((message.policy_id, message.version), changed)
        self.heads.put(message.policy_id, replace(head, version=message.version))
        self.emit("policy-changed", PolicyEvent(policy.policy_id, policy.insurer, message.version, message.status))

    @transaction
    def name_payee(self, message: NamePayee) -> None:
        """Append a payee."""
        head = self._head(message.policy_id)
        policy = self._owned(message.policy_id)
        if message.version != head.payee_version + 1:
            reject("STALE_VERSION", f"version: expected {head.payee_version + 1}, got {message.version}")
        payee = PayeeVersion(message.version, message.commitment, locate(self.context))
        self.payees.put((message.policy_id, message.version), payee)
        self.heads.put(message.policy_id, replace(head, payee_version=message.version))
        self.emit("payee-named", PolicyEvent(policy.policy_id, policy.insurer, message.version, policy.status))

    @query
    def product(self, message: FindProduct) -> ProductEntry | None:
        """Return a version of a product, or None."""
        return self.products.get((message.insurer, message.product_id, message.version))

    @query
    def policy(self, message: ShowPolicy) -> PolicyView | None:
        """Return a policy with all versions and payees, or None."""
        return None if self.heads.get(message.policy_id) is None else self._view(message.policy_id)

    @query
    def policies_of(self, message: ListPolicies) -> tuple[PolicyView, ...]:
        """Return an insurer's policies."""
        rows = self.by_insurer.scan(message.insurer, message.after, LIST_ROWS_MAX)
        return tuple(self._view(key[-1]) for key, _ in rows)

    @query
    def balance(self, message: FindBalance) -> Balance:
        """Return the current state of an accumulator; sequence 0 where nothing was settled yet."""
        return self.current(message.policy_id, message.year_tag, message.currency)

    def settleable(self, policy_id: str, insurer: str, payee_version: int, currency: str) -> PolicyVersion:
        """Return the policy's latest version if `insurer` may settle on it, to the current payee; else reject."""
        policy = self._latest(policy_id)
        if policy.insurer != insurer:
            reject("ELIG-005", f"{policy_id}: is not a policy of {insurer}")
        if policy.status == "terminated":
            reject("ELIG-005", f"{policy_id}: is terminated")
        if policy.currency != currency:
            reject("CURRENCY", f"{policy_id}: expected {policy.currency}, got {currency}")
        self.check_payee(policy_id, payee_version)
        return policy

    def check_payee(self, policy_id: str, payee_version: int) -> None:
        """Reject unless this is the policy's current payee; money owed reaches it also after the policy has ended."""
        head = self._head(policy_id)
        if payee_version != head.payee_version:
            reject("STALE_PAYEE", f"{policy_id}: expected payee version {head.payee_version}, got {payee_version}")

    def check_payee_since(self, policy_id: str, payee_version: int, since: Place) -> None:
        """Reject a payee who was named before the heirs of a customer who has died came."""
        payee = self.payees.get((policy_id, payee_version))
        assert payee is not None, "the current payee exists"
        if not is_before(since, payee.place):
            reject("ELIG-001", f"payee: expected one of {policy_id} that was named after height {since.height}")

    def current(self, policy_id: str, year_tag: str, currency: str) -> Balance:
        """Return the current state of an accumulator."""
        head = self.sequences.get((policy_id, year_tag, currency))
        if head is None:
            return Balance(0, IDENTITY, IDENTITY, None, 0, None)
        balance = self.balances.get((policy_id, year_tag, currency, head.sequence))
        assert balance is not None, "a head names a balance that exists"
        return balance

    def advance(self, policy_id: str, year_tag: str, currency: str, balance: Balance) -> None:
        """Append the state after a settlement that started from the one before it; else STALE_ACCUMULATOR."""
        latest = self.current(policy_id, year_tag, currency).sequence
        if balance.sequence != latest + 1:
            reject("STALE_ACCUMULATOR", f"{policy_id}: started from {balance.sequence - 1}, {latest} is current")
        key = (policy_id, year_tag, currency)
        self.balances.put((*key, balance.sequence), balance)
        self.sequences.put(key, BalanceHead(balance.sequence))

    def _head(self, policy_id: str) -> PolicyHead:
        head = self.heads.get(policy_id)
        if head is None:
            reject("ELIG-005", f"there is no policy {policy_id}")
        return head

    def _latest(self, policy_id: str) -> PolicyVersion:
        policy = self.policies.get((policy_id, self._head(policy_id).version))
        assert policy is not None, "a head names a version that exists"
        return policy

    def _owned(self, policy_id: str) -> PolicyVersion:
        policy = self._latest(policy_id)
        if policy.insurer != self.context.signer:
            reject("FORBIDDEN", f"{policy_id}: expected its insurer's signature, got {self.context.signer}")
        return policy

    def _view(self, policy_id: str) -> PolicyView:
        return PolicyView(
            tuple(policy for _, policy in self.policies.scan(policy_id)),
            tuple(payee for _, payee in self.payees.scan(policy_id)),
        )
