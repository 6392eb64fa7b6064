"""A consented stay ends in the same payout whichever node is killed, and at whichever step.

The steps are those of the demo: after the grant, after the admission, right after the discharge was handed in, while
shares travel, and after the settlement. The node comes back by itself and takes up what it left, from the chain and
its own books.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from nodes.cli.demo import read_example
from nodes.cli.session import identity_fields
from nodes.client import ApiError
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer.customer import Customer
from nodes.schemas.civil_time import today
from nodes.schemas.terms import GrantTerms, default_terms
from nodes.wallet import Wallet
from tests.e2e.network import ALL, Network, eventually

STEPS = ("granted", "admitted", "handed-in", "shared", "settled")


class Stay:
    """One customer's stay, step by step, with patience for nodes that are away."""

    def __init__(
        self,
        network: Network,
        name: str,
        terms: GrantTerms | None = None,
        parties: tuple[str, str] = ("hospital-a", "insurer-a"),
    ) -> None:
        self.hospital, self.insurer = parties
        self.network = network
        self.name = name
        wallet = Wallet.create(synthetic_identity(name, SystemEntropy()), SystemEntropy())
        self.customer = Customer(network.home, network.home.load_genesis(), wallet, SystemEntropy())
        fields = identity_fields(wallet.identity)
        with network.client(self.hospital, self.hospital) as client:
            client.post("/v1/patients", {"number": name, "identity": fields})
        with network.client(self.insurer, self.insurer) as client:
            policy = {"insured": name, "identity": fields, "product": "inpatient-100", "payee_account": "synthetic"}
            client.post("/v1/policies", policy)
        terms = terms or default_terms(self.hospital, self.insurer, today())
        self.grant_id = self.customer.sign(self.customer.draw_up(terms, "zh")).grant_id
        self.number = self.claim_id = ""

    def admit(self) -> None:
        form = json.loads(read_example("polyp/admission.json")) | {"patient": self.name}
        stay = self.ask("/v1/stays", form)
        self.number = stay["number"]
        self.claim_id = eventually(
            "the claim is reported",
            lambda: next((lane["claim"] for lane in self.stay()["lanes"] if lane["claim_status"]), None),
        )

    def discharge(self, changes: Callable[[dict[str, Any]], None] = lambda _form: None) -> None:
        form = json.loads(read_example("polyp/discharge.json"))
        form["invoice"]["number"] = self.name
        changes(form)
        self.ask(f"/v1/stays/{self.number}/discharge", form)

    def correct(self) -> None:
        form = json.loads(read_example("polyp/correction.json"))
        form["invoice"]["number"] = f"{self.name}-2"[:32]
        self.ask(f"/v1/stays/{self.number}/correct", form)

    def await_paid(self, settlements: int) -> dict[str, Any]:
        """Wait until the claim's latest settlement is paid by the rail's receipt."""

        def paid() -> dict[str, Any] | None:
            view = self.view()
            if view is None or len(view["settlements"]) < settlements or view["status"] != "PAID":
                return None
            return view if all(item["status"] == "paid" for item in view["payments"]) else None

        return eventually(f"settlement {settlements} is paid", paid)

    def payable(self) -> str:
        """Return what the insurer's own calculation of the latest settlement pays, in yuan."""
        with self.network.client(self.insurer, self.insurer) as client:
            decision = client.get(f"/v1/cases/{self.claim_id}")["decision"]
        return str(decision["payable"])

    def ask(self, path: str, form: dict[str, Any]) -> Any:
        """Post to the hospital's desk, as a clerk does: again when the node is back, never twice when it answered."""

        def attempt() -> Any:
            try:
                with self.network.client(self.hospital, self.hospital) as client:
                    return client.post(path, form)
            except ApiError as error:
                if error.code == "UNREACHABLE":
                    return None
                raise

        return eventually(f"the desk takes {path}", attempt)

    def stay(self) -> dict[str, Any]:
        with self.network.client(self.hospital, self.hospital) as client:
            found: dict[str, Any] = client.get(f"/v1/stays/{self.number}")
        return found

    def view(self) -> dict[str, Any] | None:
        """Return the claim as any node that is there sees it."""
        for name in (self.insurer, self.hospital):
            try:
                with self.network.client(name, name) as client:
                    found: dict[str, Any] = client.get(f"/v1/claims/{self.claim_id}")
            except ApiError:
                continue
            return found
        return None

    def reached(self, step: str) -> bool:
        view = self.view()
        if view is None:
            return True
        if step == "shared":
            return bool(view["settlements"]) or view["status"] != "REPORTED"
        return bool(view["settlements"])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victim", ALL)
def test_killing_a_node_at_any_step_ends_in_the_same_payout(network: Network, victim: str, step: str) -> None:
    stay = Stay(network, new_name(victim, step))
    if step == "granted":
        network.kill(victim)
        network.start(victim)
    stay.admit()
    if step == "admitted":
        network.kill(victim)
        if victim == "hospital-a":
            network.start(victim)
    stay.discharge()
    if step in ("shared", "settled"):
        eventually(step, lambda: stay.reached(step))
    if victim in network.processes:
        if step in ("handed-in", "shared", "settled"):
            network.kill(victim)
            network.start(victim)
    else:
        network.start(victim)

    paid = stay.await_paid(1)

    assert [item["direction"] for item in paid["payments"]] == ["payout"]
    assert [item["outcome"]["version"] for item in paid["settlements"]] == [1]
    assert stay.payable() == "2060.00"


@pytest.mark.parametrize("victim", ALL)
def test_killing_a_node_at_the_correction_moves_the_difference_once(network: Network, victim: str) -> None:
    stay = Stay(network, new_name(victim, "correct"))
    stay.admit()
    stay.discharge()
    stay.await_paid(1)

    stay.correct()
    network.kill(victim)
    network.start(victim)

    paid = stay.await_paid(2)
    assert [item["direction"] for item in paid["payments"]] == ["payout", "payout"]
    assert stay.payable() == "2240.00"


@pytest.mark.parametrize("victim", ALL)
def test_killing_a_node_at_the_revocation_shares_nothing(network: Network, victim: str) -> None:
    stay = Stay(network, new_name(victim, "revoke"))
    stay.admit()

    stay.customer.revoke(stay.grant_id)
    network.kill(victim)
    network.start(victim)
    stay.discharge()

    waiting = eventually(
        "the claim awaits consent", lambda: (view := stay.view()) and view["status"] == "AWAITING_CONSENT" and view
    )
    assert (waiting["settlements"], waiting["payments"]) == ([], [])
    assert [step["reference"][:8] for step in waiting["claim"]["steps"] if step["name"] == "awaiting"] == ["AUTH-013"]


def new_name(victim: str, step: str) -> str:
    """Return a customer's name that no other run of this test has used."""
    return f"{victim}-{step}-{time.monotonic_ns() % 10**6}"[:32]
