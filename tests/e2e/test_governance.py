"""The members change while the network runs: one joins and one leaves, a wiped one is re-keyed, code is upgraded.

One network goes through all of it, in the order of this file; the dossier of a claim that was paid before everything is
verified again at the end.
"""

import datetime as dt
import shutil
from collections.abc import Iterator

import pytest

from contracts.customers import FindCustomer
from contracts.proposals import ProposalView, Propose, RemoveOrganisation, UpgradeContracts
from ledger.codec import Struct, encode
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from nodes.client import ApiError
from nodes.contract_sources import ContractArchive, list_table_changes, load_installed_contracts, read_sources
from nodes.network.founding import CONSENSUS_FOLDER
from nodes.roles.office.council import Council
from nodes.roles.office.preparing import (
    prepare_certificate,
    prepare_consensus_key,
    prepare_organisation,
    prepare_validator,
)
from tests.e2e.network import ALL, ENTROPY, Network, eventually, found_for_a_while
from tests.e2e.test_commands import say, xinpei
from tests.e2e.test_lane_kills import Stay

JOINER = "hospital-c"
NEWCOMER = "insurer-b"
VICTIM = "regulator"
VOTERS = ("hospital-a", "hospital-b", "insurer-a")


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Return a network of its own: it is not what it was afterwards."""
    with found_for_a_while() as network:
        network.start()
        yield network


@pytest.fixture(scope="module")
def paid_before(network: Network) -> tuple[Stay, bytes]:
    """Return a claim that was paid while there were four, and its dossier from then."""
    stay = Stay(network, "before")
    stay.admit()
    stay.discharge()
    stay.await_paid(1)
    return stay, dossier_of(network, stay)


def dossier_of(network: Network, stay: Stay) -> bytes:
    with network.client("insurer-a") as client:
        return client.get_bytes(f"/v1/claims/{stay.claim_id}/dossier")


def decide(network: Network, action: Struct, voters: tuple[str, ...] = VOTERS, by: str = "insurer-a") -> ProposalView:
    """Propose an action and approve it."""
    with network.client(by, by) as client:
        view = Council(client, ENTROPY).propose(Propose(action, bytes(32)))  # type: ignore[arg-type]
    for voter in voters:
        with network.client(voter, voter) as client:
            view = Council(client, ENTROPY).vote(view.number, approve=True)
    assert view.proposal.status == "passed", view
    return view


def rotate_seal_key(network: Network, member: str) -> None:
    done = say(network.home, "key", "rotate", "--kind", "seal", "--as", member)
    assert done == {"organisation": member, "kind": "seal", "former": 1, "version": 2}


def hash_at(network: Network, at: str, height: int) -> str:
    with network.client(at, at) as client:
        return str(client.get(f"/v1/blocks/{height}")["hash"])


def signing(network: Network, name: str) -> str:
    return str(network.status(name)["signing"])


def connected(network: Network, at: str) -> list[str]:
    return [peer["name"] for peer in network.status(at)["peers"] if peer["connected"]]


def test_a_fifth_member_joins_and_votes_while_one_node_is_down_and_that_one_follows(
    network: Network, paid_before: tuple[Stay, bytes]
) -> None:
    network.kill(VICTIM)
    decide(network, prepare_organisation(network.home, JOINER, "hospital", ENTROPY, dt.datetime.now(dt.UTC)))
    network.start(JOINER)
    network.await_height(network.height("insurer-a"), JOINER)
    assert signing(network, JOINER) == "no validator at this height"

    height = decide(network, prepare_validator(network.home, JOINER), by=JOINER).proposal.closed_height
    assert height is not None
    network.await_height(height + 1, *VOTERS, JOINER)
    eventually("the fifth votes", lambda: signing(network, JOINER) == "yes")
    done = network.enrol(count=2)
    assert network.height("insurer-a") == height + 3, "the change made the one block it waited for, and no other"
    network.kill("hospital-b")
    with network.client("insurer-a") as client:
        assert client.submit((network.enrolment(),), 2)["receipts"] == [None], "three of five decide nothing"
    network.start("hospital-b", VICTIM)
    network.check_agreement(done)
    eventually("who was down knows the fifth", lambda: JOINER in connected(network, VICTIM))
    assert len(network.status(VICTIM)["validators"]) == 5


def test_a_hospital_and_an_insurer_that_joined_settle_a_stay_and_replace_their_seal_keys_within_it(
    network: Network,
) -> None:
    action = prepare_organisation(network.home, NEWCOMER, "insurer", ENTROPY, dt.datetime.now(dt.UTC))
    decide(network, action, (*VOTERS, VICTIM))
    network.start(NEWCOMER)
    network.await_height(network.height("insurer-a"), NEWCOMER)
    rotate_seal_key(network, JOINER)
    stay = Stay(network, "joined", parties=(JOINER, NEWCOMER))
    stay.admit()
    rotate_seal_key(network, NEWCOMER)
    stay.discharge()
    stay.await_paid(1)
    assert stay.payable() == "2060.00"
    with network.client(NEWCOMER, NEWCOMER) as client:
        dossier = client.get_bytes(f"/v1/claims/{stay.claim_id}/dossier")
    assert verify_dossier(dossier, Trust(network.home.load_genesis())).evidence.claim.hospital == JOINER
    stay.customer.wallet.save(network.home.wallet_path("joined"), None, ENTROPY)
    assert stay.grant_id in str(say(network.home, "consent", "list", "--as", "joined")["grants"])
    keys = say(network.home, "key", "show", "--as", JOINER)["seal_keys"]
    assert [(row["version"], row["is_here"], row["until_height"] is None) for row in keys] == [
        (1, True, False),
        (2, True, True),
    ], "the first lies here for a week, and what was under way when it ended opens"


def test_a_wiped_node_follows_and_votes_again_with_the_key_that_the_members_gave_it(network: Network) -> None:
    network.kill(VICTIM)
    shutil.rmtree(network.folder(VICTIM) / "store")
    shutil.rmtree(network.folder(VICTIM) / CONSENSUS_FOLDER)
    (network.folder(VICTIM) / CONSENSUS_FOLDER).mkdir(mode=0o700)
    network.start(VICTIM)
    network.await_height(network.height("insurer-a"), VICTIM)
    assert "a key without its signer state" in signing(network, VICTIM)

    action = prepare_consensus_key(network.home, VICTIM, ENTROPY)
    network.stop(VICTIM)
    network.start(VICTIM)
    network.enrol()
    assert "a key without its signer state" in signing(network, VICTIM), "the new key waits for the members"
    height = decide(network, action, (*VOTERS, JOINER), by=VICTIM).proposal.closed_height
    assert height is not None
    network.await_height(height + 1, VICTIM)
    eventually("it votes again", lambda: signing(network, VICTIM) == "yes")
    network.kill("hospital-b")
    done = network.enrol(count=2)  # four of five: it is one of them
    network.start("hospital-b")
    network.check_agreement(done)


def test_a_replaced_certificate_is_cut_off_at_once_and_the_new_one_is_admitted(network: Network) -> None:
    action = prepare_certificate(network.home, JOINER, ENTROPY, dt.datetime.now(dt.UTC))
    assert JOINER in connected(network, "insurer-a")
    decide(network, action, (*VOTERS, VICTIM))
    eventually("it is cut off", lambda: JOINER not in connected(network, "insurer-a"))
    assert connected(network, JOINER) == []
    network.stop(JOINER)
    network.start(JOINER)
    eventually("it is back", lambda: JOINER in connected(network, "insurer-a"))
    network.await_height(network.height("insurer-a"), JOINER)


def test_contracts_are_upgraded_on_the_running_network_and_old_heights_keep_their_code(network: Network) -> None:
    sources = read_sources()
    name = "contracts.customers"
    first = "    @query\n    def actor("
    lines = (
        "@query",
        "def sponsor(self, message: FindCustomer) -> Name | None:",
        "    actor = self.actors.get(message.name)",
        "    return None if actor is None else actor.sponsor",
        "",
    )
    sources[name] = sources[name].replace(first, "\n".join(f"    {line}" for line in lines) + f"\n{first}")
    added = ContractArchive(network.home.contracts_folder).keep(sources)
    assert list_table_changes(load_installed_contracts(), added) == []
    from_height = network.height("insurer-a") + 9
    decide(network, UpgradeContracts(added.pins(), from_height), (*VOTERS, VICTIM))
    asked = {"contract": "customers", "method": "sponsor", "arguments": encode(FindCustomer("c-nobody")).hex()}
    with network.client("insurer-a") as client:
        with pytest.raises(ApiError, match="UNKNOWN_METHOD"):
            client.post("/v1/query", asked)
        while network.height("insurer-a") < from_height - 2:
            network.enrol()
        network.kill(VICTIM)
        network.enrol(count=2)
        assert client.post("/v1/query", asked)["result"] == "c0"

    kept = network.home.contracts_folder
    kept.rename(kept.with_name("aside"))
    network.launch(VICTIM)
    code = network.processes.pop(VICTIM).wait(60)
    assert code == 1
    why = network.last_line(VICTIM)
    assert f"height {from_height}: contract " in why
    assert any(pin.code_hash.hex() in why for pin in added.pins())
    shutil.rmtree(kept)
    kept.with_name("aside").rename(kept)
    network.start(VICTIM)
    height = network.height("insurer-a")
    network.await_height(height, VICTIM)
    assert hash_at(network, VICTIM, height) == hash_at(network, "insurer-a", height)
    network.stop(VICTIM)
    verified = say(network.home, "chain", "verify", "--as", VICTIM)
    assert (verified["holds"], verified["height"]) == (True, height)
    network.start(VICTIM)


def test_a_removed_member_is_cut_off_and_its_keys_end(network: Network) -> None:
    leaving = "hospital-b"
    height = decide(network, RemoveOrganisation(leaving), ("hospital-a", "insurer-a", JOINER, VICTIM))
    eventually("it is cut off", lambda: leaving not in connected(network, "insurer-a"))
    with pytest.raises(ApiError, match="not in force"), network.client("insurer-a", leaving) as client:
        client.get("/v1/status")
    network.enrol()
    assert leaving not in network.status("insurer-a")["validators"]
    assert height.proposal.status == "passed"
    network.stop(leaving)
    gone = xinpei(network.home, "consent", "grant", "--as", "joined", "--from", leaving, "--to", NEWCOMER, "--yes")
    assert (gone.returncode, f"{leaving} is a member no more" in gone.stderr) == (1, True)
    assert len(say(network.home, "consent", "list", "--as", "joined")["grants"]) == 1, "the others answer as before"
    listed = say(network.home, "govern", "list", "--as", "insurer-a")["proposals"]
    assert [item["proposal"]["status"] for item in listed] == ["passed"] * 7
    shown = xinpei(network.home, "govern", "show", "1", "--as", "insurer-a").stdout
    assert shown.startswith("1  add-organisation hospital-c · passed at height")


def test_a_dossier_from_before_the_changes_and_one_from_after_them_hold(
    network: Network, paid_before: tuple[Stay, bytes]
) -> None:
    stay, before = paid_before
    trust = Trust(network.home.load_genesis())
    assert verify_dossier(before, trust).ground.set_changes == 0
    after = verify_dossier(dossier_of(network, stay), trust)
    assert after.ground.set_changes == 3, "one joined, one was re-keyed, one left"
    assert [item.name for item in after.ground.validators.validators] == ["hospital-a", JOINER, "insurer-a", VICTIM]
    assert after.evidence.claim.claim_id == stay.claim_id
    fresh = Stay(network, "after")
    fresh.admit()
    fresh.discharge()
    fresh.await_paid(1)
    assert verify_dossier(dossier_of(network, fresh), trust).ground.set_changes == 3
    assert set(ALL) - {"hospital-b"} <= set(network.processes)
