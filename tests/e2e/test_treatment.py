"""Treatment between hospitals, an emergency, and public health on real nodes, as they are typed."""

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nodes.cli.demo import read_example
from nodes.cli.session import create_wallet, identity_fields, open_customer
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.schemas.civil_time import today
from tests.e2e.network import Network, eventually
from tests.nodes.cli.commands import check_refused, run


class Person:
    """A patient of one hospital or both, and whoever types for her and for them."""

    def __init__(
        self,
        network: Network,
        capsys: pytest.CaptureFixture[str],
        hospitals: tuple[str, ...] = ("hospital-a", "hospital-b"),
    ) -> None:
        self.network, self.capsys = network, capsys
        self.name = f"care-{secrets.token_hex(4)}"
        self.number = f"b-{secrets.token_hex(4)}"
        self.fields = identity_fields(
            create_wallet(network.home, self.name, synthetic_identity(self.name, SystemEntropy())).identity
        )
        for hospital, number in zip(hospitals, (self.name, self.number), strict=False):
            with network.client(hospital, hospital) as client:
                client.post("/v1/patients", {"number": number, "identity": self.fields})

    def stay(self) -> None:
        """Be admitted to hospital-a and discharged."""
        with self.network.client("hospital-a", "hospital-a") as client:
            admission = json.loads(read_example("polyp/admission.json")) | {"patient": self.name}
            number = client.post("/v1/stays", admission)["number"]
            ended = json.loads(read_example("polyp/discharge.json"))
            ended["invoice"]["number"] = self.name
            client.post(f"/v1/stays/{number}/discharge", ended)

    def type(self, *arguments: str) -> dict[str, Any]:
        """Return what a command that succeeds prints for programs."""
        ran = run(self.capsys, *arguments, "--home", str(self.network.home.folder), "--json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        return found

    def received(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.type("record", "received", "--as", "hospital-b", "--patient", self.number)[
            "records"
        ]
        return rows


def test_a_hospital_is_handed_records_to_treat_and_in_an_emergency(
    network: Network, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    person = Person(network, capsys)
    between = ("--from", "hospital-a", "--to", "hospital-b")
    person.stay()
    granted = person.type("consent", "grant", "--as", person.name, *between, "--yes")
    assert granted["usable"]
    eventually("the records have come", lambda: len(person.received()) == 2)
    record = next(row for row in person.received() if row["type"] == "discharge-summary")
    opened = person.type("record", "open", record["record"], "--as", "hospital-b")
    assert opened["document"]["diagnoses"][0]["icd10"] == "N84.0"
    days = {"within": today(), "outside": today() - timedelta(days=500)}
    answers = {
        word: person.type("consent", "explain", "--as", person.name, *between, "--day", day.isoformat())["answers"][0]
        for word, day in days.items()
    }
    assert (answers["within"]["permitted"], answers["within"]["dates"]) == (True, "within")
    assert answers["outside"]["finding"]["condition"] == "record dates"

    person.type("consent", "revoke", "--as", person.name, granted["grant"])
    denied = ("--deny", "--purpose", "CAREMGT", "--yes")
    person.type("consent", "grant", "--as", person.name, *between, *denied)
    person.type("consent", "grant", "--as", person.name, *between, "--purpose", "BTG", "--yes")
    reason = tmp_path / "reason"
    reason.write_text("Dr Zhao: unconscious after an accident", encoding="utf-8")
    reason.chmod(0o600)
    broken = ("access", "break-glass", person.number, "--from", "hospital-a", "--reason", str(reason))
    used = person.type(*broken, "--as", "hospital-b")
    assert {row["type"] for row in used["records"]} == {"admission", "discharge-summary"}
    check_refused(
        run(capsys, *broken, "--as", "insurer-a", "--home", str(network.home.folder)), "whose role is hospital"
    )

    def told() -> bool:
        waiting = person.type("access", "reviews", "--as", "regulator")["uses"]
        return any((row["use"]["use_id"], row["reason"]) == (used["use"], reason.read_text()) for row in waiting)

    eventually("the regulator was told the reason", told)
    (notice,) = person.type("consent", "requests", "--as", person.name)["notices"]
    assert (notice["use_id"], notice["finding"]) == (used["use"], "")
    finding = ("--finding", "justified", "--grounds", str(reason))
    person.type("access", "review", used["use"], "--as", "regulator", *finding)
    (notice,) = person.type("consent", "requests", "--as", person.name)["notices"]
    assert notice["finding"] == "justified"
    looks = person.type("customer", "activity", person.name)["looks"]
    assert {(look["kind"], look["purpose"], look["by"]) for look in looks} == {
        ("share", "CAREMGT", "hospital-b"),
        ("share", "BTG", "hospital-b"),
        ("emergency", "BTG", "hospital-b"),
    }
    network.check_agreement()


def test_a_regulator_is_handed_what_public_health_takes_and_not_told_whose_it_is(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(network, capsys, ("hospital-a",))
    between = ("--from", "hospital-a", "--to", "regulator")
    person.stay()
    (supposed, _) = person.type("consent", "explain", "--as", person.name, *between, "--what-if", "grant")["answers"]
    assert (supposed["permitted"], supposed["purpose"]) == (True, "PUBHLTH")
    research = ("consent", "grant", "--as", person.name, *between, "--purpose", "DSRCH", "--yes")
    check_refused(run(capsys, *research, "--home", str(network.home.folder)), "does research")
    granted = person.type("consent", "grant", "--as", person.name, *between, "--yes")
    assert (granted["usable"], list(granted["links"])) == (True, ["hospital-a"])

    def received() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = person.type("record", "received", "--as", "regulator")["records"]
        return [row for row in rows if row["subject"] == granted["pseudonym"]]

    eventually("the records have come", lambda: len(received()) == 2)
    assert {(row["patient"], row["purpose"]) for row in received()} == {(None, "PUBHLTH")}
    record = next(row for row in received() if row["type"] == "discharge-summary")
    opened = person.type("record", "open", record["record"], "--as", "regulator")["document"]
    assert opened["diagnoses"][0]["icd10"] == "N84.0"
    assert set(opened) == {"type", "diagnoses", "stay"}
    assert set(opened["stay"]) == {"admission_day", "deceased", "discharge_day"}
    looks = person.type("customer", "activity", person.name)["looks"]
    assert {(look["by"], look["purpose"], look["grant"]) for look in looks} == {
        ("regulator", "PUBHLTH", granted["grant"])
    }
    person.type("consent", "grant", "--as", person.name, *between, "--deny", "--yes")
    (refused, _) = person.type("consent", "explain", "--as", person.name, *between)["answers"]
    assert refused["finding"]["condition"] == "denial"
    person.type("record", "erase", "--as", person.name, "--all", "--at", "regulator", "--yes")
    customer = open_customer(network.home, person.name)
    assert customer.parties(customer.pseudonym("hospital-a", "regulator")) == ("hospital-a",), (
        "it is not called about her"
    )
    eventually("the regulator has erased it", lambda: received() == [])
    network.check_agreement()
