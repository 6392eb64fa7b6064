"""A hospital's desk for tests: the polyp's forms, changed where a test wants, and a town with that hospital in it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from nodes.identity import Identity
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.summaries import StaySummary
from nodes.schemas.stay import AdmissionForm, DischargeForm, InterimForm, read_admission, read_discharge, read_interim
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import TODAY, Customer, Kit, Town

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "polyp"


def example(name: str) -> dict[str, Any]:
    """Return the JSON of one of the polyp's files."""
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def admission(**changes: Any) -> AdmissionForm:
    return read_admission(json.dumps({**example("admission"), **changes}).encode(), TODAY)


def discharge(**changes: Any) -> DischargeForm:
    return read_discharge(json.dumps({**example("discharge"), **changes}).encode(), TODAY)


def correction(**changes: Any) -> DischargeForm:
    return read_discharge(json.dumps({**example("correction"), **changes}).encode(), TODAY)


def interim(amount: str = "3100.00") -> InterimForm:
    form = {"bill": {"currency": "CNY", "medfee_sumamt": amount}}
    return read_interim(json.dumps(form).encode(), TODAY)


def build_hospital(kit: Kit) -> Hospital:
    return Hospital(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)


class Desk:
    """What the desk of hospital-a asks of its agent."""

    def __init__(self, town: Town, name: str = "hospital-a") -> None:
        self.town = town
        self.name = name
        self._admitted: Counter[str] = Counter()

    @property
    def agent(self) -> Hospital:
        agent = self.town.agents[self.name]
        assert isinstance(agent, Hospital)
        return agent

    def register(self, number: str, identity: Identity) -> None:
        self.town.operate(self.name, lambda hospital: hospital.register_person(number, identity))

    def admit(self, **changes: Any) -> StaySummary:
        """Admit wang, or whom the test names: each further stay began a day earlier, unless the test says when."""
        patient = changes.get("patient", "wang")
        self._admitted[patient] += "admitted" not in changes
        form = admission(**{"admitted": f"today-{2 + self._admitted[patient]}", **changes})
        summary: StaySummary = self.town.operate(self.name, lambda hospital: hospital.admit(form, self.town.now_ms))
        return summary

    def bill(self, number: str, amount: str = "3100.00") -> StaySummary:
        form = interim(amount)
        summary: StaySummary = self.town.operate(
            self.name, lambda hospital: hospital.bill(number, form, self.town.now_ms)
        )
        return summary

    def discharge(self, number: str, form: DischargeForm | None = None) -> StaySummary:
        form = form or discharge()
        summary: StaySummary = self.town.operate(
            self.name, lambda hospital: hospital.discharge(number, form, self.town.now_ms)
        )
        return summary

    def correct(self, number: str, form: DischargeForm | None = None) -> StaySummary:
        form = form or correction()
        summary: StaySummary = self.town.operate(
            self.name, lambda hospital: hospital.correct(number, form, self.town.now_ms)
        )
        return summary


def make_town(folder: Path, seed: int = 0) -> Town:
    """Return a town with a hospital and two recipients in the insurers' places."""
    town = Town(folder, seed)
    town.install("hospital-a", build_hospital)
    for insurer in ("insurer-a", "insurer-b"):
        town.install(insurer, Recipient)
    return town


def know(town: Town, customer: Customer) -> None:
    """Have hospital and insurer know a customer by the name in her wallet."""
    name = customer.wallet.identity.name
    Desk(town).register(name, customer.identity)
    insurer = town.agents[customer.insurer]
    assert isinstance(insurer, Recipient)
    insurer.linking.people.enter(name, customer.identity)
