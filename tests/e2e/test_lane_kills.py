"""A consented stay ends in the same payout whichever node is killed, and at whichever step.

The steps are those of the demo: after the grant, after the admission, right after the discharge was handed in, while
shares travel, and after the settlement. The node comes back by itself and takes up what it left, from the chain and
its own books.
"""

import json
import time
from typing import Any

import pytest

from nodes.cli.demo import read_example
from nodes.cli.session import identity_fields
from nodes.client import ApiError
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer import Customer
from nodes.wallet import Wallet
from tests.e2e.network import ALL, Network, eventually

STEPS = ("granted", "admitted", "handed-in", "shared", "settled")
PAYABLE = 206_000
"""分 of the demo's stay."""


class Stay:
    """One customer's stay, step by step, with patience for nodes that are away."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name
        wallet = Wallet.create(synthetic_identity(name, SystemEntropy()), SystemEntropy())
        self.customer = Customer(network.home, network.home.load_genesis(), wallet, SystemEntropy())
        fields = identity_fields(wallet.identity)
        with network.client("hospital-a", "hospital-a") as client:
            client.post("/v1/patients", {"number": name, "identity": fields})
        with network.client("insurer-a") as client:
            policy = {"insured": name, "identity": fields, "product": "inpatient-100", "payee_account": "synthetic"}
            client.post("/v1/policies", policy)
        self.customer.sign(self.customer.draw_up("hospital-a", "insurer-a", "zh"))
        self.number = self.claim_id = ""

    def admit(self) -> None:
        form = json.loads(read_example("polyp/admission.json")) | {"patient": self.name}
        stay = self.ask("/v1/stays", form)
        self.number = stay["number"]
        self.claim_id = eventually(
            "the claim is reported",
            lambda: next((lane["claim"] for lane in self.stay()["lanes"] if lane["claim_status"]), None),
        )

    def discharge(self) -> None:
        form = json.loads(read_example("polyp/discharge.json"))
        form["invoice"]["number"] = self.name
        self.ask(f"/v1/stays/{self.number}/discharge", form)

    def ask(self, path: str, form: dict[str, Any]) -> Any:
        """Post to the hospital's desk, as a clerk does: again when the node is back, never twice when it answered."""

        def attempt() -> Any:
            try:
                with self.network.client("hospital-a", "hospital-a") as client:
                    return client.post(path, form)
            except ApiError as error:
                if error.code == "UNREACHABLE":
                    return None
                raise

        return eventually(f"the desk takes {path}", attempt)

    def stay(self) -> dict[str, Any]:
        with self.network.client("hospital-a", "hospital-a") as client:
            found: dict[str, Any] = client.get(f"/v1/stays/{self.number}")
        return found

    def view(self) -> dict[str, Any] | None:
        """Return the claim as any node that is there sees it."""
        for name in ("insurer-a", "hospital-a"):
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
    stay = Stay(network, f"{victim}-{step}-{time.monotonic_ns() % 10**6}"[:32])
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

    paid = eventually("the claim is paid", lambda: (view := stay.view()) and view["status"] == "PAID" and view)

    assert [item["direction"] for item in paid["payments"]] == ["payout"]
    assert [item["outcome"]["version"] for item in paid["settlements"]] == [1]
    with network.client("insurer-a") as client:
        decision = client.get(f"/v1/cases/{stay.claim_id}")["decision"]
    assert decision["payable"] == f"{PAYABLE // 100}.00"
