"""A year of claims on a network of real processes, and its report once the year is over.

The year ends because the nodes are started again with another clock: a `sitecustomize` that only this test puts on
their path moves `time.time_ns` by a year. TLS keeps the machine's own clock. Nothing in the product knows of it.
"""

import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.calendar import civil_year
from contracts.listings import FindTotal
from contracts.proposals import Propose, RemoveOrganisation
from contracts.reports import Publish, StatedTotal
from contracts.totals import YearTotal, disclosure_context, merge_months
from ledger.crypto.commitments import commit_amount
from ledger.crypto.totals import prove_total
from nodes.cli.demo import read_example
from nodes.client import ApiError
from nodes.roles.office.council import Council
from nodes.roles.office.member_calls import MemberCalls
from nodes.roles.office.preparing import prepare_organisation
from nodes.wallet import Wallet
from tests.e2e.network import ENTROPY, Network, eventually
from tests.e2e.test_governance import decide
from tests.e2e.test_lane_kills import Stay
from tests.nodes.cli.commands import run

INSURER = "insurer-a"
FIRM = "audit-firm"
CLAIMS = 10
PAYABLE = 206_000
"""Of the published example's stay, in 分."""
YEAR_SECONDS = 366 * 86_400
OTHER_CLOCK = f"""\
import time

real = time.time_ns
time.time_ns = lambda: real() + {YEAR_SECONDS} * 10**9
"""


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("x") / "n")
    network.start()
    try:
        yield network
    finally:
        network.close()


def read_earlier(name: str, days: int) -> dict[str, Any]:
    """Return an example's form with all of its days so much earlier: nobody is admitted twice on one day."""
    text = re.sub(r'"today(-(\d+))?"', lambda day: f'"today-{int(day[2] or 0) + days}"', read_example(name).decode())
    form: dict[str, Any] = json.loads(text)
    return form


def settle_claims(network: Network) -> int:
    """Have one customer's stays settled and paid, all at once; return the year in which they were."""
    stay = Stay(network, "wang")
    stay.customer.wallet.save(network.home.wallet_path("wang"), None, ENTROPY)
    for number in range(CLAIMS):
        admission, discharge = (read_earlier(f"polyp/{form}.json", 4 * number) for form in ("admission", "discharge"))
        discharge["invoice"]["number"] = f"wang-{number}"
        entered = stay.ask("/v1/stays", admission | {"patient": "wang"})
        stay.ask(f"/v1/stays/{entered['number']}/discharge", discharge)

    def list_paid() -> list[dict[str, Any]] | None:
        with network.client(INSURER) as client:
            claims: list[dict[str, Any]] = client.get("/v1/claims")["claims"]
        paid = [claim for claim in claims if claim["status"] == "PAID"]
        return paid if len(paid) == CLAIMS else None

    eventually(f"{CLAIMS} claims are paid", list_paid)
    return civil_year(network.status(INSURER)["time_ms"])


def end_year(network: Network, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Start every node again, a year later; this process too lives in that year from then on."""
    network.stop()
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(OTHER_CLOCK)
    network.environment["PYTHONPATH"] = str(folder)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + YEAR_SECONDS * 10**9)
    network.start()


def check_forgeries(network: Network, year: int) -> None:
    """As the insurer, who signs and proves what it likes: a claim left out, a 分 more, another's figures."""
    with network.client(INSURER) as client:
        calls = MemberCalls(client, ENTROPY)
        total = calls.ask("registers", "total", FindTotal(INSURER, year, "CNY"), YearTotal)
        (group,) = merge_months(total.months)
        assert (group.sums.claims, group.sums.payments) == (CLAIMS, CLAIMS)
        context = disclosure_context(network.network.chain_id, INSURER, year, "CNY", group)
        for amount in (CLAIMS * PAYABLE + 1, (CLAIMS - 1) * PAYABLE):
            proof = prove_total(commit_amount(amount, 7), amount, 7, context, ENTROPY.draw(64))
            with pytest.raises(ApiError, match="INVALID_PROOF"):
                calls.call("reports", "publish", Publish(year, "CNY", (StatedTotal(amount, proof),)))
        with pytest.raises(ApiError, match="PARTITION"):
            calls.call("reports", "publish", Publish(year, "CNY", ()))


def audit_claim(network: Network, claim: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Admit an auditor by vote, open a claim to it by name, and have it read that with its own node and key."""
    home = ("--home", str(network.home.folder))
    genesis = ("--genesis", str(network.home.genesis_path))
    audit = ("claim", "audit", claim, "--as", INSURER, "--for", FIRM, "--out", str(folder / "opened.json"), *home)
    early = run(capsys, *audit, "--basis", "financial-audit")
    assert (early.code, "expected a regulator or an auditor of this network" in early.err) == (1, True), early.err
    decide(network, prepare_organisation(network.home, FIRM, "auditor", ENTROPY, dt.datetime.now(dt.UTC)))
    network.start(FIRM)
    inspected = run(capsys, *audit, "--basis", "insurance-supervision")
    assert (inspected.code, "entitles the role regulator, got auditor" in inspected.err) == (1, True), inspected.err
    opened = run(capsys, *audit, "--basis", "financial-audit", "--person")
    assert opened.code == 0, opened.err

    network.await_height(network.height(INSURER), FIRM)
    own = folder / "own.json"
    assert run(capsys, "claim", "audit", claim, "--as", FIRM, "--out", str(own), *home).code == 0
    openings = ("--openings", str(folder / "opened.openings.json"))
    read = run(capsys, "verify", str(own), *genesis, *openings, "--reveal", FIRM, *home)
    assert read.code == 0, read.err
    assert "adjudicated again: the same 分" in read.out
    identity = Wallet.load(network.home.wallet_path("wang"), None).identity
    assert f"person       {identity.name}, resident-id " in read.out
    assert identity.document_number not in read.out
    assert "matched by hospital-a at height" in read.out
    looks = run(capsys, "customer", "activity", "wang", *home)
    (line,) = (line for line in looks.out.splitlines() if FIRM in line and "opened by law" in line)
    assert claim in line
    assert "身份一并开示 with who you are" in looks.out
    assert "art. 208" in looks.out
    with network.client(FIRM, FIRM) as client:
        with pytest.raises(ApiError, match="an auditor decides nothing"):
            Council(client, ENTROPY).propose(Propose(RemoveOrganisation("rail"), bytes(32)))
        shown = client.get(f"/v1/claims/{claim}")["claim"]
        (stay,) = shown["stay_ids"]
        asked = {"stay": stay, "record_type": "invoice", "grant": shown["grant_id"], "purpose": "HPAYMT"}
        with pytest.raises(ApiError, match="AUTH-013"):
            client.post("/v1/access/asks", asked)


def test_a_year_that_is_over_is_published_once_verified_and_sampled(
    town: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    year = settle_claims(town)
    home = ("--home", str(town.home.folder))
    publish = ("report", "publish", "--insurer", INSURER, "--year", str(year), *home)
    early = run(capsys, *publish)
    assert (early.code, f"year: {year} is not over" in early.err) == (1, True), early.err

    end_year(town, monkeypatch, tmp_path / "clock")
    check_forgeries(town, year)
    published = run(capsys, *publish)
    assert published.code == 0, published.err
    assert f"{CLAIMS} claims, 20600.00 CNY" in published.out
    again = run(capsys, *publish)
    assert (again.code, f"the report of {year} is published already" in again.err) == (1, True), again.err

    report, sample = tmp_path / "report.json", tmp_path / "sample.json"
    whose = ("--insurer", INSURER, "--year", str(year), "--as", "regulator", *home)
    town.await_height(town.height(INSURER), "regulator")
    assert run(capsys, "report", "show", *whose, "--out", str(report)).code == 0
    genesis = ("--genesis", str(town.home.genesis_path))
    assert run(capsys, "verify", str(report), *genesis).code == 0
    text = report.read_text()
    for change in (('"total": 2060000', '"total": 2060001'), ('"claims": 10', '"claims": 9')):
        assert change[0] in text
        (tmp_path / "forged.json").write_text(text.replace(*change))
        forged = run(capsys, "verify", str(tmp_path / "forged.json"), *genesis)
        assert (forged.code, forged.err.startswith("DOES NOT HOLD: ")) == (1, True), forged.err

    draw = ("report", "sample", *whose, "--count", "3", "--out", str(sample))
    drawn = run(capsys, *draw)
    while drawn.code != 0:  # until a hospital has proposed a block
        assert "there is none yet" in drawn.err
        town.enrol()
        drawn = run(capsys, *draw)
    assert f"claims in its register: {CLAIMS} · drawn: 3" in drawn.out
    assert run(capsys, "verify", str(sample), *genesis).code == 0
    first = json.loads(run(capsys, "verify", str(sample), *genesis, "--json").out)["drawn"]
    town.enrol()
    assert json.loads(run(capsys, *draw, "--json").out)["drawn"] == first, "later blocks draw nothing else"
    audit_claim(town, first[0]["claim"], tmp_path, capsys)
