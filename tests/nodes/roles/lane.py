"""The whole lane for tests: hospital-a, insurer-a and the rail in one town, and a bank that says what a test wants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.holds import HOLDS, Hold
from contracts.listings import ClaimView
from ledger.codec import decode
from nodes.roles.exchange.opening import ClaimOpening, open_opening, opening_context
from nodes.roles.exchange.questions import PaymentOrder
from nodes.roles.hospital import Hospital
from nodes.roles.insurer import Insurer
from nodes.roles.insurer.inquiries import InsurerClaim
from nodes.roles.insurer.portfolio import PolicyEntry
from nodes.roles.lookup import find_claim
from nodes.roles.rail import Rail
from nodes.roles.rail.bank import BankState
from nodes.vault.sealing import Sealed
from tests.nodes.roles.desk import Desk, admission, discharge
from tests.nodes.roles.town import TICK_MS, TODAY, Customer, Kit, Town

POLICY_DAYS = (TODAY - 200, TODAY + 100)


class TestBank:
    """Outlives the rail, as a bank does; answers what a test wants, `paid` where it wants nothing."""

    __test__ = False

    def __init__(self) -> None:
        self.answers: list[BankState] = []
        """What the next new movements become."""
        self.later: list[BankState | None] = []
        """What the next questions are answered; None: what is known."""
        self.book: dict[bytes, BankState] = {}
        self.moves: list[PaymentOrder] = []
        """Every time that it was told to move."""
        self.asked: list[bytes] = []
        self.forgotten: list[bytes] = []

    def move(self, order: PaymentOrder) -> BankState:
        self.moves.append(order)
        state = self.answers.pop(0) if self.answers else "paid"
        self.book[order.idempotency_key] = state
        return state

    def ask(self, idempotency_key: bytes) -> BankState | None:
        self.asked.append(idempotency_key)
        known = self.book.get(idempotency_key)
        if known is None or not self.later:
            return known
        self.book[idempotency_key] = self.later.pop(0) or known
        return self.book[idempotency_key]

    def forget(self, idempotency_key: bytes) -> None:
        self.forgotten.append(idempotency_key)

    @property
    def balance(self) -> int:
        """What moved to payees and stayed there, recoveries taken off."""
        orders = {order.idempotency_key: order.opening.amount for order in self.moves}
        return sum(amount for key, amount in orders.items() if self.book[key] == "paid")


class Lane:
    """A town with everybody whom a claim needs, and what is asked of them."""

    __test__ = False

    def __init__(self, folder: Path, seed: int = 0, holds: tuple[Hold, ...] = HOLDS) -> None:
        self.town = Town(folder, seed)
        self.bank = TestBank()
        self.desk = Desk(self.town)
        self.holds = holds
        self.town.install("hospital-a", self._build_hospital)
        self.town.install("insurer-a", self._build_insurer)
        self.town.install("rail", self._build_rail)

    def _build_hospital(self, kit: Kit) -> Hospital:
        return Hospital(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy, self.holds)

    def _build_insurer(self, kit: Kit) -> Insurer:
        return Insurer(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy, self.holds)

    def _build_rail(self, kit: Kit) -> Rail:
        return Rail(kit.name, kit.view, kit.keystore, kit.register, self.bank, self.holds)

    @property
    def insurer(self) -> Insurer:
        agent = self.town.agents["insurer-a"]
        assert isinstance(agent, Insurer)
        return agent

    @property
    def rail(self) -> Rail:
        agent = self.town.agents["rail"]
        assert isinstance(agent, Rail)
        return agent

    def know(self, name: str = "wang") -> Customer:
        """Have hospital and insurer know somebody; no grant yet."""
        customer = Customer(self.town, name)
        self.desk.register(name, customer.identity)
        self.town.operate("insurer-a", lambda insurer: insurer.register_person(name, customer.identity))
        return customer

    def know_with(self, hospital: Any) -> Customer:
        """Have an unusual hospital and the insurer know wang."""
        customer = Customer(self.town, "wang")
        hospital.register_person("wang", customer.identity)
        self.insurer.register_person("wang", customer.identity)
        return customer

    def admit_with(self, hospital: Any) -> str:
        """Have an unusual hospital admit wang; return the stay's number."""
        summary = self.town.operate(hospital.name, lambda agent: agent.admit(admission(), self.town.now_ms))
        return str(summary.number)

    def issue(
        self, name: str = "wang", product: str = "inpatient-100", days: Sequence[int] = POLICY_DAYS
    ) -> PolicyEntry:
        """Issue a policy and let it reach the chain."""
        first, last = days
        entry: PolicyEntry = self.town.operate(
            "insurer-a",
            lambda insurer: insurer.issue_policy(
                name, product, (first, last), (f"account of {name}", "6222 0001"), self.town.now_ms
            ),
        )
        self.town.run_until_quiet()
        return entry

    def insure(
        self, name: str = "wang", product: str = "inpatient-100", days: Sequence[int] = POLICY_DAYS, **terms: Any
    ) -> Customer:
        """Return a customer whom everybody knows, with a policy and a grant."""
        customer = self.know(name)
        self.issue(name, product, days)
        customer.consent(**terms)
        return customer

    def stay(self, patient: str = "wang", **changes: Any) -> str:
        """Have somebody admitted and discharged at once; return the stay's number."""
        number = self.desk.admit(patient=patient).number
        self.town.run_until_quiet()
        self.desk.discharge(number, discharge(**changes))
        return number

    def run(self) -> None:
        self.town.run_until_quiet()
        assert self.town.faults == []

    def run_for(self, span_ms: int) -> None:
        """Let time pass and things happen, where something would go on for ever."""
        until_ms = self.town.now_ms + span_ms
        while self.town.now_ms < until_ms:
            if not self.town._deliver_something():
                self.town.pass_time(TICK_MS)

    def claims(self) -> list[ClaimView]:
        """Return the insurer's claims in the order of their reports."""
        found = [find_claim(self.town.view, item.claim_id) for item in self.insurer.list_claims()]
        return [view for view in found if view is not None]

    def claim(self) -> ClaimView:
        """Return the one claim."""
        (view,) = self.claims()
        return view

    def shown(self) -> InsurerClaim:
        """Return the one claim as its insurer sees it."""
        return self.insurer.show_claim(self.claim().claim.claim_id)

    def payable(self) -> int:
        """Return what the one claim's latest settlement pays in all."""
        settled = self.shown().settled
        assert settled is not None
        return settled.opening.payable.amount

    def opening(self, customer: Customer) -> ClaimOpening:
        """Return what the customer reads of her claim."""
        claim_id = self.claim().claim.claim_id
        data, version = self.insurer.customer_opening(claim_id, customer.pseudonym.name)
        context = opening_context(self.town.genesis.chain_id, claim_id, version, "insurer-a", customer.pseudonym.name)
        return open_opening(customer.pseudonym.seal_key, decode(data, Sealed), context)


def build_insurer(kit: Kit) -> Insurer:
    return Insurer(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)
