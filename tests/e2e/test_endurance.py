"""Nodes killed with -9 at random moments, again and again, under load: every consented stay is paid exactly once.

Ten kills by default. `scripts/endurance 100` does the long run; any seed (`XINPEI_SEED`) draws the moments and victims,
though the machine decides what they hit.
"""

import itertools
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from nodes.cli.main import xinpei
from nodes.client import ApiError, Client
from tests.e2e.endurance import HOSPITALS, Clerks, Finished, kill_at_random, prepare
from tests.e2e.network import ALL, Network, eventually, found_for_a_while

KILLS = int(os.environ.get("XINPEI_KILLS", "10"))
SEED = int(os.environ.get("XINPEI_SEED", "1"))
PATIENTS = 2 + KILLS // 10
"""They come again and again; two stays for each kill are never more than a patient has days."""
PAID_SECONDS = 100.0 + KILLS


@pytest.fixture
def own_network() -> Iterator[Network]:
    with found_for_a_while() as network:
        network.start()
        yield network


def test_whatever_is_killed_whenever_every_consented_stay_is_paid_exactly_once(
    own_network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(text: str) -> None:
        if KILLS > 10:
            with capsys.disabled():
                print(text, flush=True)  # noqa: T201 - a long run is watched

    network, begun = own_network, time.monotonic()
    patients = prepare(network, PATIENTS)
    clerks = Clerks(network, patients)
    try:
        killed, came = kill_at_random(network, clerks, KILLS, SEED, tell)
    finally:
        clerks.end()
    tell(f"{killed} kills; {len(clerks.finished)} stays discharged meanwhile; waiting until all are paid")
    assert len(clerks.finished) == came >= killed // 2, "whoever comes is treated; kills without load prove nothing"

    with network.client("insurer-a") as client:
        for stay in clerks.finished:
            check_paid_once(eventually(f"{stay} is paid", lambda own=stay: paid(client, own), PAID_SECONDS))  # type: ignore[misc]
    check_nothing_twice(network, clerks.finished)
    network.check_agreement()
    assert set(network.stop().values()) == {0}
    height = check_stores(network)
    tell(f"all paid once; four equal stores of {height} blocks; {time.monotonic() - begun:.0f} s")


def paid(client: Client, stay: Finished) -> dict[str, Any] | None:
    """Return the claim once it is paid; a node that was just started may take its time to answer."""
    try:
        view: dict[str, Any] = client.get(f"/v1/claims/{stay.claim_id}")
    except ApiError:
        return None
    return view if view["status"] == "PAID" else None


def check_paid_once(view: dict[str, Any]) -> None:
    """Check that one settlement led to one payment, which the rail paid once and nothing else."""
    assert [item["outcome"]["version"] for item in view["settlements"]] == [1]
    (payment,) = view["payments"]
    assert payment["direction"] == "payout"
    assert [step["status"] for step in payment["steps"]].count("paid") == 1
    assert payment["steps"][-1]["status"] == "paid"


def check_nothing_twice(network: Network, finished: list[Finished]) -> None:
    """Check that desks and chain have one stay and one claim for each that a clerk treated, and no others."""
    for hospital in HOSPITALS:
        with network.client(hospital, hospital) as client:
            stays = client.get("/v1/stays")
        treated = sorted((item.patient, item.number) for item in finished if item.hospital == hospital)
        assert sorted((stay["patient"], stay["number"]) for stay in stays) == treated
    claims: list[str] = []
    with network.client("insurer-a") as client:
        after = ""
        while after is not None:
            page = client.get("/v1/claims", {"after": after} if after else None)
            claims += [row["claim"] for row in page["claims"]]
            after = page["next"]
    assert sorted(claims) == sorted(item.claim_id for item in finished)


def check_stores(network: Network) -> int:
    """Have `chain verify` execute every store again and `chain diff` compare each two; return the highest height."""
    verified = [ask(network, "chain", "verify", "--as", name) for name in ALL]
    assert all(found["holds"] for found in verified)
    for first, second in itertools.pairwise(ALL):
        assert ask(network, "chain", "diff", first, second)["equal"] is True
    return max(int(found["height"]) for found in verified)


def ask(network: Network, *arguments: str) -> dict[str, Any]:
    """Return what a command prints for programs."""
    ran = CliRunner().invoke(xinpei, [*arguments, "--home", str(network.home.folder), "--json"])
    assert ran.exit_code == 0, ran.output
    found: dict[str, Any] = json.loads(ran.stdout)
    return found
