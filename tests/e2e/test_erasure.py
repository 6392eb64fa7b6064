"""A customer has her paid stay erased in a network of real processes, and every file of every node is searched.

The hospital, the insurer and a regulator that ordered a record apply no hold here, the payment rail one. The insurer is
killed in the middle and finishes when it is back. Two people were paid in the month, so that the sums that survive are
not one payment's. The other one's guardian has a record erased by both that have it, her heir has one erased by the
hospital alone, and a stranger has nothing erased.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.audit.reexecution import verify_chain
from nodes.audit.summary import find_erased_openings, summarise
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from nodes.cli.session import open_customer
from nodes.client import ApiError
from nodes.config import Home
from nodes.contract_sources import load_installed_contracts
from nodes.members import HOLDS_FILE
from nodes.storage import open_store
from nodes.storage.blocks import BlockStore
from tests.e2e.books import open_books
from tests.e2e.network import ALL, ENTROPY, Network, eventually
from tests.e2e.test_lane_kills import Stay
from tests.nodes.cli.commands import run
from tests.nodes.secrets import find_secrets, list_secrets, search_folder, search_register

HOLDERS = ("hospital-a", "insurer-a", "rail", "regulator")
NO_HOLDS = b'{"format": "xinpei-holds/1", "holds": []}'


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("x") / "n")
    for name in ("hospital-a", "insurer-a", "regulator"):
        (network.folder(name) / HOLDS_FILE).write_bytes(NO_HOLDS)
    network.start()
    try:
        yield network
    finally:
        network.close()


def gather(network: Network, folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in HOLDERS:
        secrets = list_secrets(*open_books(network.home, name, folder / name))
        found |= {f"{name} {secret}": data for secret, data in secrets.items()}
    shutil.rmtree(folder)
    return found


def settle(network: Network, name: str) -> Stay:
    stay = Stay(network, name)
    stay.admit()
    stay.discharge()
    stay.await_paid(1)
    return stay


def order(network: Network, record_id: str) -> str:
    """Have the regulator order a record under a law, and wait until it has it; return the order's id."""
    with network.client("regulator", "regulator") as client:
        form = {"record": record_id, "basis": "medical-fund-supervision", "number": "17"}
        placed: str = client.post("/v1/access/orders", form)["order"]
        eventually("the order is carried out", lambda: client.get(f"/v1/access/orders/{placed}")["document"])
    return placed


def statuses(stay: Stay) -> dict[str, set[str]]:
    """Return what each holder answered, as the customer's own page of it says."""
    found: dict[str, set[str]] = {}
    for _, record in stay.customer.records():
        for answer in (*record["holders"], *record["made_of_it"]):
            found.setdefault(answer["holder"], set()).add(answer["status"])
    return found


def patiently(ask: Callable[[], Any]) -> Any:
    """Ask a node that may be away; None while it is."""
    try:
        return ask()
    except ApiError as error:
        if error.code == "UNREACHABLE":
            return None
        raise


def search_store(network: Network, name: str, secrets: dict[str, bytes]) -> list[str]:
    """Read a stopped node's whole store through its engine, which compresses what lies in the files."""
    store = open_store(network.folder(name) / "store")
    try:
        whole = b"\n".join(part for entry in store.scan(b"") for part in entry)
    finally:
        store.close()
    assert len(whole) > 100_000, "the store was read"
    return [f"{name} store: {hit}" for hit in find_secrets(secrets, whole)]


def check_chain(home: Home, folder: Path) -> None:
    store = open_store(folder / "store")
    try:
        genesis = home.load_genesis()
        blocks = BlockStore(store, genesis.chain_id, genesis.hash)
        for _ in verify_chain(genesis, blocks, load_installed_contracts()):
            pass
    finally:
        store.close()


def check_commands(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """As li: list, a refusal that changes nothing, one holder alone, and the same again."""
    where = ("--as", "li", "--home", str(home.folder))
    listed = json.loads(run(capsys, "record", "list", *where, "--json").out)["records"]
    stay, invoice = listed[0]["stay"], next(item["record"] for item in listed if item["type"] == "invoice")
    refused = run(capsys, "record", "erase", invoice, "--at", "hospital-b", "--yes", *where)
    assert (refused.code, "expected hospital-a or insurer-a, got hospital-b" in refused.err) == (1, True)
    assert json.loads(run(capsys, "record", "list", *where, "--json").out)["records"] == listed
    assert run(capsys, "record", "erase", "record-000000000000", "--yes", *where).code == 2

    asked = run(capsys, "record", "erase", "--stay", stay, "--at", "insurer-a", "--yes", *where)
    assert asked.code == 0
    assert "不能收回的" in asked.out
    assert "What cannot be recalled" in asked.out
    assert asked.out.count("insurer-a: 已删除 erased, 证明在高度 certified at height") == len(listed) + 1
    assert "rail: 依法保留至 restricted until" in asked.out
    assert "《反洗钱法》" in asked.out
    shown = json.loads(run(capsys, "record", "show", invoice, *where, "--json").out)
    assert [(item["holder"], item["status"]) for item in shown["holders"]] == [
        ("hospital-a", "kept"),
        ("insurer-a", "erased"),
    ]
    again = run(capsys, "record", "erase", invoice, "--at", "insurer-a", "--yes", *where)
    assert (again.code, "every holder was asked for these records before" in again.out) == (0, True)


def list_asked(home: Home, capsys: pytest.CaptureFixture[str], actor: str) -> list[dict[str, Any]]:
    """Return what a customer's own list of records says."""
    found: list[dict[str, Any]] = json.loads(
        run(capsys, "record", "list", "--as", actor, "--json", "--home", str(home.folder)).out
    )["records"]
    return found


def check_guardian(network: Network, capsys: pytest.CaptureFixture[str]) -> str:
    """As wang, li's guardian once both desks have entered it: each holder erases a record; return which."""
    home = ("--home", str(network.home.folder))
    before = list_asked(network.home, capsys, "li")
    record = next(item for item in before if item["type"] == "item-list")
    erase = ("record", "erase", record["record"], "--for", "li", "--yes", *home)
    ward = ("li", "--guardian", "wang", "--ward", *home)
    assert run(capsys, "customer", "create", "zhao", *home).code == 0
    mistaken = ("customer", "relate", "--as", "insurer-a", "li", "--guardian", "zhao", "--ward", *home)
    assert "zhao may act for her" in run(capsys, *mistaken).out, "the insurer enters her, to whom it issued no policy"
    for desk in ("hospital-a", "insurer-a"):
        refused = run(capsys, *erase, "--as", "wang")
        assert (refused.code, "do not name the caller for her" in refused.err) == (1, True), f"before {desk} knows"
        assert run(capsys, "customer", "relate", "--as", desk, *ward).code == 0
    for asker, acting_as, words in (
        ("zhao", "guardian", "do not name the caller for her"),
        ("wang", "heir", "nobody acts for her as heir"),
    ):
        refused = run(capsys, *erase, "--as", asker, "--acting-as", acting_as)
        assert (refused.code, words in refused.err) == (1, True), refused.err
    check_stranger(network, record)
    assert list_asked(network.home, capsys, "li") == before, "whoever was refused has changed nothing"

    asked = run(capsys, *erase, "--as", "wang")
    assert asked.code == 0, asked.err
    for holder in ("hospital-a", "insurer-a"):
        assert f"{holder}: 已删除 erased, 证明在高度 certified at height" in asked.out, asked.out
    (shown,) = (item for item in list_asked(network.home, capsys, "li") if item["record"] == record["record"])
    assert [(item["holder"], item["status"], item["cause"]) for item in shown["holders"]] == [
        ("hospital-a", "erased", "guardian"),
        ("insurer-a", "erased", "guardian"),
    ]
    return str(record["record"])


def check_stranger(network: Network, record: dict[str, Any]) -> None:
    """As zhao, past the command, by her own key and by an authority that is wang's: the refusals are in a block."""
    zhao, wang = (open_customer(network.home, name) for name in ("zhao", "wang"))
    own, guardians = (person.pseudonym("hospital-a", "insurer-a") for person in (zhao, wang))
    with wang.client(guardians, "hospital-a") as client:
        held = [item["authority_id"] for item in client.get("/v1/authorities")["acts_for"]]
    assert held, "the hospital has attested wang's, when the insurer had not yet"
    refused = [("FORBIDDEN", "expected the signature of its subject", None)]
    refused += [("GRANTOR", f"{authority}: does not let {own.name} act for", authority) for authority in held]
    begun = network.height("hospital-a")
    for code, words, authority in refused:
        with pytest.raises(ApiError, match=code) as error:
            zhao.ask_erasure(own, record["stay"], [record["record"]], "hospital-a", authority)
        assert words in str(error.value)
    height = max(network.height(name) for name in ("hospital-a", "insurer-a"))
    network.await_height(height, "hospital-b")
    with network.client("hospital-b", "hospital-b") as client:
        blocks = [client.get(f"/v1/blocks/{at}") for at in range(begun, height + 1)]
    receipts = [(receipt["code"], receipt["reason"]) for block in blocks for receipt in block["receipts"]]
    for code, words, _ in refused:
        assert [reason for found, reason in receipts if found == code and words in reason], "its receipt is in a block"


def check_heir(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """As wang, who inherits from li: refused while the desk knows of no death, then asked of the hospital alone."""
    home = ("--home", str(network.home.folder))
    before = run(capsys, "record", "list", "--as", "li", *home, "--json").out
    invoice = next(item["record"] for item in json.loads(before)["records"] if item["type"] == "invoice")
    erase = ("record", "erase", invoice, "--as", "wang", "--for", "li", "--at", "hospital-a", "--yes", *home)
    refused = run(capsys, *erase, "--acting-as", "heir")
    assert (refused.code, "nobody acts for her as heir" in refused.err) == (1, True), refused.err
    assert run(capsys, "record", "list", "--as", "li", *home, "--json").out == before
    with network.client("hospital-a", "hospital-a") as client:
        client.post("/v1/people/li/relations", {"acts_through": ["wang"], "is_deceased": True})
    assert "nobody acts for her as guardian" in run(capsys, *erase).err
    asked = run(capsys, *erase, "--acting-as", "heir")
    assert (asked.code, asked.out.count("hospital-a: 已删除 erased, 证明在高度 certified at height")) == (0, 1), (
        asked.err
    )
    listed = json.loads(run(capsys, "record", "list", "--as", "li", *home, "--json").out)["records"]
    answered = [(item["holder"], item["status"], item["cause"]) for found in listed for item in found["holders"]]
    assert answered.count(("hospital-a", "erased", "heir")) == 1
    assert answered.count(("hospital-a", "kept", None)) == len(listed) - 2, "this one, and the guardian's"


def check_audit(home: Home, capsys: pytest.CaptureFixture[str], claim_id: str, out: Path) -> None:
    """As wang: the dossier is there and holds, and what can no longer be opened is said."""
    where = ("--home", str(home.folder))
    audited = run(capsys, "claim", "audit", claim_id, "--as", "wang", "--out", str(out), *where)
    assert (audited.code, "no openings: the insurer has erased" in audited.out) == (0, True)
    genesis = ("--genesis", str(home.genesis_path))
    revealed = run(capsys, "verify", str(out), *genesis, "--reveal", "wang", *where)
    assert (revealed.code, "HOLDS offline · amount erased" in revealed.out) == (0, True)
    assert "insurer-a has certified at height" in revealed.out
    assert "kept until" in revealed.out, "the rail's restriction is told too"


def test_an_erased_stay_is_in_no_file_of_any_node_and_the_chain_verifies(
    town: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(town, "li").customer.wallet.save(town.home.wallet_path("li"), None, ENTROPY)
    of_li = gather(town, tmp_path / "before")
    of_other = set(of_li.values())
    wang = settle(town, "wang")
    ordered = order(
        town, next(record["record"] for _, record in wang.customer.records() if record["type"] == "invoice")
    )
    gathered = gather(town, tmp_path / "after")
    secrets = {name: data for name, data in gathered.items() if data not in of_other}
    texts = {name: data for name, data in gathered.items() if " text " in name}
    assert len(secrets) > 20, "there is something to look for"
    assert len(texts) > 20, "of what both had too"
    records = [record for _, record in wang.customer.records()]
    pseudonym = wang.customer.pseudonym("hospital-a", "insurer-a")

    wang.customer.ask_erasure(pseudonym, records[0]["stay"], [record["record"] for record in records], None)
    town.kill("insurer-a")
    town.start("insurer-a")

    wanted = {"hospital-a": {"erased"}, "insurer-a": {"erased"}, "rail": {"restricted"}, "regulator": {"erased"}}
    eventually("everybody has answered", lambda: patiently(lambda: statuses(wang)) == wanted)
    with pytest.raises(ApiError, match="ALREADY_ASKED"):
        wang.customer.ask_erasure(pseudonym, records[0]["stay"], [records[0]["record"]], None)
    with town.client("regulator", "regulator") as client:
        shown = client.get(f"/v1/access/orders/{ordered}")
    assert (shown["status"], shown["erasure"], shown["document"]) == ("delivered", "erased", None)
    wang.customer.wallet.save(town.home.wallet_path("wang"), None, ENTROPY)
    of_ward = check_guardian(town, capsys)
    keys = {name: data for name, data in of_li.items() if f" {of_ward} " in name and " text " not in name}
    assert {f"{name} {of_ward} data key" for name in ("hospital-a", "insurer-a")} <= set(keys)
    check_commands(town.home, capsys)
    check_heir(town, capsys)
    check_audit(town.home, capsys, wang.claim_id, tmp_path / "dossier.json")
    with wang.customer.client(pseudonym, "insurer-a") as client:
        with pytest.raises(ApiError, match=r"ERASED: .* was erased, certified at height") as gone:
            client.get(f"/v1/claims/{wang.claim_id}/openings")
        assert gone.value.status == 410
    with town.client("hospital-a", "hospital-a") as client:
        dossier = client.get_bytes(f"/v1/claims/{wang.claim_id}/dossier")
    assert set(town.stop().values()) == {0}

    proven = verify_dossier(dossier, Trust(town.home.load_genesis()))
    assert find_erased_openings(proven) is not None
    assert {item["holder"]: item["status"] for item in summarise(proven)["erasures"]} == {
        "hospital-a": "ERASED",
        "insurer-a": "ERASED",
        "rail": "RESTRICTED",
    }
    assert search_folder(secrets | texts | keys, town.home.folder / "nodes") == []
    assert [hit for name in ALL for hit in search_store(town, name, secrets | texts | keys)] == []
    for name in ("hospital-a", "insurer-a", "regulator"):
        vault, register = open_books(town.home, name, tmp_path / name)
        assert search_register(secrets, register) == []
        assert not {of_ward, *(record["record"] for record in records)} & set(vault.list_records())
        assert bool(list_secrets(vault, register)) == (name == "hospital-a"), "where li did not ask, it is there"
    check_chain(town.home, town.folder("hospital-a"))
