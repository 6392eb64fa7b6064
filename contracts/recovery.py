"""Recovery: a customer who lost her key gets another for her pseudonym, by keepers whom she named while she had it.

Rules:

    1. She names her keepers for each pseudonym with its own key: organisations, or guardians and others whom she
       trusts by their pseudonyms; how many of them it takes; and how long it waits. Nobody else can.
    2. One organisation alone never suffices: where organisations are among the keepers it takes two. One suffices
       only where all keepers are customers, a guardian for her ward.
    3. A keeper puts forward a new key with its holder's proof that she has it, and thereby approves it. Others approve
       it too. That the holder is the person, they have seen off the chain; the chain cannot know it.
    4. An approval counts once for each keeper, while the keeper is a member or customer and the key that gave it is
       the keeper's newest: what a stolen key approved stops to count when that key is replaced.
    5. When enough approvals have stood for the waiting time, any keeper completes it: the pseudonym keeps its name and
       its history, and has the new key from the next height on. How long that is she says, and the founders how long
       it is at least (in the genesis): nobody talks her into a wait in which she cannot see what is done to her.
    6. Until then the old key vetoes, for ever, what was put forward. Replacing her key, or naming keepers anew, ends
       every attempt as well: an attempt is bound to both.

    table      key                      value
    plans      pseudonym                Plan
    attempts   pseudonym, public key    Attempt
    waits      "shortest"               ShortestWait: what the genesis demands
"""

from typing import Annotated, Literal

from contracts.customers import Customers
from contracts.identifiers import Place, locate
from contracts.keys import Keys
from contracts.membership import Membership
from ledger.execution.contract import (
    CUSTOMER_PREFIX,
    ChainId,
    Contract,
    Genesis,
    Meta,
    Name,
    PublicKey,
    Signature,
    Struct,
    Table,
    encode,
    query,
    reject,
    replace,
    transaction,
    verify,
)

KEEPERS_MAX = 16
ATTEMPT_ROWS_MAX = 100
"""Rows of one page of a listing."""
WAIT_MS_MAX = 90 * 86_400_000


class NameKeepers(Struct):
    """Transaction `name_keepers`: by the customer; replaces whom she named before."""

    keepers: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=KEEPERS_MAX)]
    """Sorted, none twice, not herself."""
    threshold: Annotated[int, Meta(ge=1, le=KEEPERS_MAX)]
    """How many of them it takes."""
    wait_ms: Annotated[int, Meta(ge=1_000, le=WAIT_MS_MAX)]
    """How long enough approvals must have stood: her time for a veto; at least what the genesis demands."""


class PutForward(Struct):
    """Transaction `put_forward`: by a keeper, who approves it thereby."""

    name: Name
    """The pseudonym."""
    public_key: PublicKey
    proof: Signature
    """By the new key, purpose `enrolment`, over `recovery_message`."""


class AttemptReference(Struct):
    """Transactions `approve` and `complete` by a keeper, `veto` by the pseudonym itself."""

    name: Name
    public_key: PublicKey


class ShowRecovery(Struct):
    """Query `show`."""

    name: Name
    after: bytes
    """The last attempt's public key already seen; empty for the first page."""


class Plan(Struct):
    """Table `plans`: whom a customer named."""

    keepers: tuple[Name, ...]
    threshold: int
    wait_ms: int
    number: int
    """How often she has named keepers; an attempt is made under one naming."""
    place: Place


class ShortestWait(Struct):
    """Table `waits`: the shortest that a plan may have."""

    wait_ms: int


class Approval(Struct):
    """One keeper's word for one attempt."""

    keeper: Name
    key_version: int
    """Of the keeper's key that gave it."""
    place: Place


class Attempt(Struct):
    """Table `attempts`: a key that was put forward."""

    name: Name
    public_key: PublicKey
    plan: int
    key_version: int
    """The pseudonym's newest when it was put forward."""
    approvals: tuple[Approval, ...]
    """Sorted by keeper."""
    status: Literal["open", "vetoed", "completed"]
    place: Place


class RecoveryView(Struct):
    """Answer of `show`."""

    plan: Plan | None
    key_version: int
    """The pseudonym's newest."""
    attempts: tuple[Attempt, ...]


class RecoveryEvent(Struct):
    """Events `recovery-put-forward`, `recovery-approved`, `recovery-vetoed` and `recovery-completed`."""

    name: Name
    public_key: PublicKey
    by: Name


class KeepersNamed(Struct):
    """Event `keepers-named`."""

    name: Name
    number: int


class RecoverySigned(Struct):
    """What a new key signs to be put forward; its first field keeps it apart from what is signed for a rotation."""

    purpose: Literal["recovery"]
    chain_id: ChainId
    name: Name
    public_key: PublicKey
    plan: int
    key_version: int
    """The pseudonym's newest: the key that was lost."""


def recovery_message(chain_id: str, name: str, public_key: bytes, plan: int, key_version: int) -> bytes:
    """Return what the proof of a `PutForward` is over."""
    return encode(RecoverySigned("recovery", chain_id, name, public_key, plan, key_version))


class Recovery(Contract):
    """The register of keepers and of what they do."""

    name = "recovery"
    plans = Table("plans", Plan)
    attempts = Table("attempts", Attempt)
    waits = Table("waits", ShortestWait)

    def genesis(self, genesis: Genesis) -> None:
        """Enter how long a customer has at least to veto."""
        self.waits.put("shortest", ShortestWait(genesis.recovery_wait_ms_min))

    @transaction
    def name_keepers(self, message: NameKeepers) -> None:
        """Name the signer's keepers."""
        customer = self.call(Customers).require()
        if message.keepers != tuple(sorted(dict.fromkeys(message.keepers))):
            reject("UNSORTED", "keepers: expected sorted names, none twice")
        if customer.name in message.keepers:
            reject("KEEPERS", "keepers: expected others than the customer herself")
        for keeper in message.keepers:
            if self._newest_version(keeper) == 0:
                reject("KEEPERS", f"keepers: expected members and enrolled pseudonyms, got {keeper}")
        if message.threshold > len(message.keepers):
            reject("KEEPERS", f"threshold: expected at most {len(message.keepers)} keepers, got {message.threshold}")
        if message.threshold < 2 and not all(is_customer(keeper) for keeper in message.keepers):
            reject("KEEPERS", "threshold: expected 2 or more: no organisation takes a customer's key by itself")
        shortest = self.waits.get("shortest")
        shortest_ms = WAIT_MS_MAX if shortest is None else shortest.wait_ms
        if message.wait_ms < shortest_ms:
            reject("WAIT", f"wait_ms: expected {shortest_ms} or more, as the genesis demands, got {message.wait_ms}")
        former = self.plans.get(customer.name)
        number = 1 if former is None else former.number + 1
        plan = Plan(message.keepers, message.threshold, message.wait_ms, number, locate(self.context))
        self.plans.put(customer.name, plan)
        self.emit("keepers-named", KeepersNamed(customer.name, number))

    @transaction
    def put_forward(self, message: PutForward) -> None:
        """Put a new key forward and approve it, as a keeper."""
        context = self.context
        plan = self._require_keeper(message.name)
        version = self.call(Customers).find(message.name).keys[-1].version
        former = self.attempts.get((message.name, message.public_key))
        if former is not None and not (former.status == "open" and is_stale(former, plan, version)):
            reject("PUT_FORWARD", "this key was put forward before: approve it, or expect another after a veto")
        if self.call(Keys).is_taken(message.public_key):
            reject("KEY_IN_USE", "public key: expected one that no actor ever had")
        signed = recovery_message(context.chain_id, message.name, message.public_key, plan.number, version)
        verify("enrolment", message.public_key, signed, message.proof)
        attempt = Attempt(
            message.name, message.public_key, plan.number, version, (self._approval(),), "open", locate(context)
        )
        self._keep("recovery-put-forward", attempt)

    @transaction
    def approve(self, message: AttemptReference) -> None:
        """Approve a key that was put forward, as a keeper; again only with a newer key of one's own."""
        plan = self._require_keeper(message.name)
        attempt = self._open(message, plan)
        approval = self._approval()
        others = tuple(item for item in attempt.approvals if item.keeper != approval.keeper)
        for item in attempt.approvals:
            if (item.keeper, item.key_version) == (approval.keeper, approval.key_version):
                reject("APPROVED", f"{item.keeper} has approved this at height {item.place.height}")
        self._keep(
            "recovery-approved",
            replace(attempt, approvals=tuple(sorted((*others, approval), key=lambda item: item.keeper))),
        )

    @transaction
    def veto(self, message: AttemptReference) -> None:
        """Refuse a key for ever, with the key that it was to replace."""
        customer = self.call(Customers).require()
        attempt = self.attempts.get((message.name, message.public_key))
        if customer.name != message.name or attempt is None:
            reject("RECOVERY", f"expected a key that was put forward for the signer {customer.name}")
        if attempt.status != "open":
            reject("WRONG_STATE", f"expected an open attempt, got a {attempt.status} one")
        self._keep("recovery-vetoed", replace(attempt, status="vetoed"))

    @transaction
    def complete(self, message: AttemptReference) -> None:
        """Give the pseudonym its new key, once enough approvals have stood for long enough."""
        plan = self._require_keeper(message.name)
        attempt = self._open(message, plan)
        due_ms = find_due_ms(plan, [item.place.time_ms for item in attempt.approvals if self._counts(item)])
        if due_ms is None:
            reject("APPROVALS", f"expected {plan.threshold} approvals that count; whose key changed approves again")
        if self.context.time_ms < due_ms:
            reject("WAITING", f"expected block time {due_ms} or later, got {self.context.time_ms}")
        self.call(Customers).replace_key(message.name, message.public_key)
        self._keep("recovery-completed", replace(attempt, status="completed"))

    @query
    def show(self, message: ShowRecovery) -> RecoveryView:
        """Return a pseudonym's keepers and a page of what was put forward for it."""
        rows = self.attempts.scan(message.name, message.after, ATTEMPT_ROWS_MAX)
        attempts = tuple(attempt for _, attempt in rows)
        return RecoveryView(self.plans.get(message.name), self._newest_version(message.name), attempts)

    def _require_keeper(self, name: str) -> Plan:
        plan = self.plans.get(name)
        if plan is None:
            reject("RECOVERY", f"{name} has named no keepers")
        if self.context.signer not in plan.keepers:
            reject("FORBIDDEN", f"signer: expected a keeper of {name}, got {self.context.signer}")
        return plan

    def _open(self, message: AttemptReference, plan: Plan) -> Attempt:
        attempt = self.attempts.get((message.name, message.public_key))
        if attempt is None:
            reject("RECOVERY", f"this key was not put forward for {message.name}")
        if attempt.status != "open":
            reject("WRONG_STATE", f"expected an open attempt, got a {attempt.status} one")
        if is_stale(attempt, plan, self._newest_version(message.name)):
            reject("STALE", "the customer has replaced her key or named keepers anew since this was put forward")
        return attempt

    def _approval(self) -> Approval:
        context = self.context
        return Approval(context.signer, context.key_version, locate(context))

    def _counts(self, approval: Approval) -> bool:
        return approval.key_version == self._newest_version(approval.keeper)

    def _newest_version(self, name: str) -> int:
        """Return the version of a keeper's newest key; 0 for a stranger, an auditor, and for who was removed."""
        if is_customer(name):
            return self.call(Customers).newest_version(name)
        membership = self.call(Membership)
        return membership.newest_version(name) if membership.is_member(name) and not membership.is_auditor(name) else 0

    def _keep(self, event: str, attempt: Attempt) -> None:
        self.attempts.put((attempt.name, attempt.public_key), attempt)
        self.emit(event, RecoveryEvent(attempt.name, attempt.public_key, self.context.signer))


def is_customer(name: str) -> bool:
    """Whether a name is a pseudonym."""
    return name.startswith(CUSTOMER_PREFIX)


def is_stale(attempt: Attempt, plan: Plan, key_version: int) -> bool:
    """Whether the customer has named keepers anew, or replaced her key, since an attempt was made."""
    return (attempt.plan, attempt.key_version) != (plan.number, key_version)


def find_due_ms(plan: Plan, approved_ms: list[int]) -> int | None:
    """Return from which block time on an attempt can be completed, or None while it has too few approvals.

    Args:
        plan: The customer's.
        approved_ms: When each approval that counts was given.
    """
    if len(approved_ms) < plan.threshold:
        return None
    return sorted(approved_ms)[plan.threshold - 1] + plan.wait_ms
