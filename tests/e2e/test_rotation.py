"""Keys of organisations and of a customer are replaced while the network works, and cut off at every step.

The dossier of a claim that was paid before, and of one that was under way, are verified with the keys of their time.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from nodes.audit.reveal import verify_reveal
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from nodes.authentication import RequestSigner
from nodes.cli.session import identity_fields
from nodes.client import ApiError
from nodes.identity import synthetic_identity
from nodes.keystore import (
    find_prepared_submission_key,
    load_keystore,
    prepare_register_secret,
    prepare_submission_key,
)
from nodes.roles.customer.customer import Customer
from nodes.roles.customer.renewing import KeyRenewal
from nodes.wallet import Wallet
from tests.e2e.network import ENTROPY, Network, eventually, found_for_a_while
from tests.e2e.test_commands import say, xinpei
from tests.e2e.test_lane_kills import Stay
from tests.nodes.cli.commands import run

HOSPITAL, INSURER = "hospital-a", "insurer-a"


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Return a network of its own: it has other keys afterwards."""
    with found_for_a_while() as network:
        network.start()
        yield network


@pytest.fixture(scope="module")
def stay_before(network: Network) -> Stay:
    """Return a stay that was paid with the first keys of all."""
    stay = Stay(network, "before-rotation")
    stay.admit()
    stay.discharge()
    stay.await_paid(1)
    return stay


def dossier_of(network: Network, stay: Stay) -> bytes:
    with network.client(INSURER) as client:
        return client.get_bytes(f"/v1/claims/{stay.claim_id}/dossier")


def test_keys_are_replaced_within_a_stay_and_all_of_it_verifies(network: Network, stay_before: Stay) -> None:
    trust = Trust(network.home.load_genesis())
    old = dossier_of(network, stay_before)
    spanning = Stay(network, "across-rotation")
    spanning.admit()
    for member in (HOSPITAL, INSURER, "rail"):
        former = load_keystore(network.folder(member) / "keys")
        done = say(network.home, "key", "rotate", "--as", member)
        assert done == {
            "organisation": member,
            "kind": "submission",
            "former": former.submission_version,
            "version": done["former"] + 1,
        }
        signer = RequestSigner(former.submission, network.network.chain_id, member, former.submission_version)
        with network.client("regulator", "regulator") as client:
            client.signer = signer
            with pytest.raises(ApiError, match=f"key version {done['former']} is not in force"):
                client.get("/v1/status")
    spanning.discharge()
    spanning.await_paid(1)
    fresh = Stay(network, "after-rotation")
    fresh.admit()
    fresh.discharge()
    fresh.await_paid(1)
    assert verify_dossier(old, trust).evidence.claim.claim_id == stay_before.claim_id
    for stay in (stay_before, spanning, fresh):
        found = verify_dossier(dossier_of(network, stay), trust).evidence
        assert found.claim.claim_id == stay.claim_id
    listed = say(network.home, "claim", "list", "--as", INSURER)
    assert {stay_before.claim_id, spanning.claim_id, fresh.claim_id} <= {row["claim"] for row in listed["claims"]}
    shown = say(network.home, "key", "show", "--as", HOSPITAL)["submission_keys"]
    assert [row["is_here"] for row in shown] == [True] * len(shown)
    assert shown[-1]["from_height"] == shown[-2]["until_height"]
    network.check_agreement()


def test_a_register_is_sealed_anew_and_a_node_ends_what_a_kill_left(network: Network, stay_before: Stay) -> None:
    folder = network.folder(INSURER) / "keys"
    secrets = [load_keystore(folder).register_secret]
    running = xinpei(network.home, "key", "reseal", "--as", INSURER)
    assert (running.returncode, "its node is running already" in running.stderr) == (1, True)
    network.stop(INSURER)
    entries = say(network.home, "key", "reseal", "--as", INSURER)["entries"]
    assert entries > 0
    secrets.append(load_keystore(folder).register_secret)
    prepare_register_secret(folder, ENTROPY)
    network.start(INSURER)
    secrets.append(load_keystore(folder).register_secret)
    assert len(set(secrets)) == 3
    told = [line["text"] for line in network.events(INSURER, "log") if line["from"] == "nodes.members"]
    assert [text.partition(" entries were left")[0] for text in told] == [f"register of {INSURER}: {entries}"]
    shown = say(network.home, "claim", "show", stay_before.claim_id, "--as", INSURER)
    assert shown["calculation"]["payable"] == stay_before.payable()
    old = [secret.hex().encode() for secret in secrets[:2]]
    assert not [path for path in folder.rglob("*") if path.is_file() if any(item in path.read_bytes() for item in old)]
    network.check_agreement()


def test_a_rotation_that_was_interrupted_goes_on_where_it_stopped(network: Network) -> None:
    """Killed after the key was prepared, and killed after it was posted: the idle node has not signed with it yet."""
    member = "hospital-b"
    folder = network.folder(member) / "keys"
    version, key = prepare_submission_key(folder, ENTROPY)
    assert xinpei(network.home, "key", "show", "--as", member).returncode == 0, "commands go on with the old key"
    assert (folder / f"submission-{version}.next").exists()
    done = say(network.home, "key", "rotate", "--as", member)
    assert done["version"] == version
    assert load_keystore(folder).submission.public_key == key.public_key

    (folder / f"submission-{version}.key").rename(folder / f"submission-{version}.next")
    assert load_keystore(folder).submission_version == version - 1
    shown = say(network.home, "key", "show", "--as", member)["submission_keys"]
    assert (shown[-1]["version"], shown[-1]["is_here"]) == (version, True)
    assert (folder / f"submission-{version}.key").exists(), "whoever is taken with it makes it lasting"
    assert find_prepared_submission_key(folder, version + 1) is None
    network.check_agreement()


class PowerCutError(Exception):
    """A power cut."""


def save_until_cut(customer: Customer, path: Path, saves: int) -> Callable[[], None]:
    """Return what saves a wallet so often, and then is cut off."""
    left = [saves]

    def save() -> None:
        if not left[0]:
            raise PowerCutError
        left[0] -= 1
        customer.wallet.save(path, None, ENTROPY)

    return save


def test_a_customer_replaces_her_keys_within_a_stay_whatever_interrupts_her(network: Network) -> None:
    stay = Stay(network, "wallet-rotation")
    customer, path = stay.customer, network.home.wallet_path("wallet-rotation")
    customer.wallet.save(path, None, ENTROPY)
    stay.admit()
    before = customer.pseudonym(HOSPITAL, INSURER)
    for saves in (0, 1, 1):  # cut before the new seed is on the disk, before the new key is held, and before the end
        customer.wallet = Wallet.load(path, None)
        with pytest.raises(PowerCutError):
            KeyRenewal(customer, save_until_cut(customer, path, saves), ENTROPY).run()
    done = say(network.home, "wallet", "rotate", "wallet-rotation")["pseudonyms"]
    assert [(row["pseudonym"], row["grants"]) for row in done] == [(before.name, 1)]
    customer.wallet = Wallet.load(path, None)
    now = customer.pseudonym(HOSPITAL, INSURER)
    assert (now.name, now.key_version) == (before.name, done[0]["key_version"])
    assert now.key.public_key != before.key.public_key
    with pytest.raises(ApiError, match="key version 1 is not in force"), customer.client(before, INSURER) as client:
        client.get("/v1/grants")

    stay.discharge()
    stay.await_paid(1)
    dossier = dossier_of(network, stay)
    verified = verify_dossier(dossier, Trust(network.home.load_genesis()))
    with customer.client(now, INSURER) as client:
        openings = client.get_bytes(f"/v1/claims/{stay.claim_id}/openings")
    assert verify_reveal(verified, openings, now.seal_key).settlements
    with pytest.raises(VerificationError, match="do not open"):
        verify_reveal(verified, openings, before.seal_key)
    shown = say(network.home, "wallet", "show", "wallet-rotation")["pseudonyms"]
    assert {row["pseudonym"]: row["key_version"] for row in shown}[before.name] == now.key_version
    network.check_agreement()


def write_file(path: Path, content: object) -> str:
    return write_text(path, json.dumps(content))


def write_text(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_a_lost_wallet_is_replaced_by_its_keepers_and_its_claims_open_again(network: Network, tmp_path: Path) -> None:
    home = network.home
    stay = Stay(network, "lost")
    lost = stay.customer
    lost.wallet.save(home.wallet_path("lost"), None, ENTROPY)
    stay.admit()
    stay.discharge()
    stay.await_paid(1)
    keepers = ("--keeper", "hospital-b", "--keeper", INSURER)
    refused = xinpei(home, "recovery", "keepers", "--as", "lost", "--keeper", INSURER, "--threshold", "1")
    assert "no organisation takes a customer's key by itself" in refused.stderr
    say(home, "recovery", "keepers", "--as", "lost", *keepers, "--threshold", "2", "--wait-hours", "0.001")

    listed = say(home, "wallet", "show", "lost")
    home.wallet_path("lost").unlink()
    (at_the_desk,) = say(home, "recovery", "pseudonyms", "lost", "--as", HOSPITAL)["pseudonyms"]
    assert at_the_desk["pseudonym"] in [row["pseudonym"] for row in listed["pseudonyms"]]
    assert len(listed["pseudonyms"]) > 1, "most of what a wallet derives was never on the chain"
    names = write_file(tmp_path / "names", listed)
    identity = write_file(tmp_path / "identity", identity_fields(lost.wallet.identity))
    out = str(tmp_path / "recovery.json")
    asking = ("recovery", "ask", "--as", "found", "--pseudonyms", names, "--out", out)
    assert "make it with --identity" in xinpei(home, *asking).stderr
    before = lost.pseudonym(HOSPITAL, INSURER)
    assert say(home, *asking, "--identity", identity)["pseudonyms"] == [before.name]
    early = xinpei(home, "recovery", "finish", out, "--as", "found")
    assert (early.returncode, "has no key version 2" in early.stderr) == (1, True)
    say(home, "recovery", "approve", out, "--as", "hospital-b")
    alone = xinpei(home, "recovery", "complete", out, "--as", "hospital-b")
    assert (alone.returncode, "APPROVALS" in alone.stderr) == (1, True)
    assert xinpei(home, "recovery", "approve", out, "--as", "regulator").returncode == 1
    for _ in range(2):  # a keeper who is not sure whether she has done it does it again
        say(home, "recovery", "approve", out, "--as", INSURER)
    complete = ("recovery", "complete", out, "--as", INSURER)
    eventually("the wait is over", lambda: xinpei(home, *complete).returncode == 0)
    assert say(home, "recovery", "finish", out, "--as", "found")["pseudonyms"] == [before.name]

    found = Customer(home, home.load_genesis(), Wallet.load(home.wallet_path("found"), None), ENTROPY)
    now = found.pseudonym(HOSPITAL, INSURER)
    assert (now.name, now.key_version) == (before.name, 2)
    with pytest.raises(ApiError, match="key version 1 is not in force"), lost.client(before, INSURER) as client:
        client.get("/v1/grants")
    assert say(home, "claim", "show", stay.claim_id, "--as", "found")["calculation"]["payable"] == stay.payable()
    dossier = str(tmp_path / "dossier.json")
    say(home, "claim", "audit", stay.claim_id, "--as", "found", "--out", dossier)
    told = xinpei(home, "verify", dossier, "--reveal", "found")
    assert (told.returncode, "HOLDS" in told.stdout) == (0, True)
    assert "sealed again since: the settlement names the hash of other bytes" in told.stdout
    network.check_agreement()


def test_a_guardian_keeps_alone_and_the_old_key_vetoes_for_good(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = network.home

    def answer(*arguments: str) -> dict[str, Any]:
        ran = run(capsys, "recovery", *arguments, "--home", str(home.folder), "--json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        return found

    stay = Stay(network, "ward")
    stay.customer.wallet.save(home.wallet_path("ward"), None, ENTROPY)
    Wallet.create(synthetic_identity("mother", ENTROPY), ENTROPY).save(home.wallet_path("mother"), None, ENTROPY)
    asked = ("keepers", "--as", "ward", "--keeper", "mother", "--threshold", "1", "--wait-hours", "0.001")
    (name,) = answer(*asked)["pseudonyms"]
    row = {"hospital": HOSPITAL, "insurer": INSURER, "pseudonym": name}
    names = write_file(tmp_path / "names", {"pseudonyms": [row]})
    identity = write_file(tmp_path / "identity", identity_fields(stay.customer.wallet.identity))
    out = str(tmp_path / "recovery.json")
    answer("ask", "--as", "thief", "--pseudonyms", names, "--identity", identity, "--out", out)
    look = ("customer", "activity", "ward", "--home", str(home.folder), "--json")
    assert run(capsys, *look).err == ""
    answer("approve", out, "--as", "mother")
    (shown,) = answer("show", "--as", "ward")["recoveries"]
    assert [(item["status"], len(item["approvals"])) for item in shown["attempts"]] == [("open", 1)]
    assert shown["attempts"][0]["due_ms"] > 0
    warned = run(capsys, *look)
    assert (warned.code, json.loads(warned.out)["customer"]) == (0, "ward")
    for part in ("WARNING: 有人要求接管您的化名", name, shown["attempts"][0]["public_key"][:16], "1/1: c-"):
        assert part in warned.err
    assert f"veto it: xinpei recovery veto --as ward --home {home.folder}" in warned.err
    assert answer("veto", "--as", "ward")["vetoed"] == [shown["attempts"][0]["public_key"]]
    assert answer("veto", "--as", "ward")["vetoed"] == []
    for command in ("complete", "approve"):
        late = run(capsys, "recovery", command, out, "--as", "mother", "--home", str(home.folder))
        assert (late.code, "expected an open attempt, got a vetoed one" in late.err) == (1, True)
    (after,) = answer("show", "--as", "ward")["recoveries"]
    assert (after["key_version"], after["attempts"][0]["status"]) == (1, "vetoed")
    assert run(capsys, *look).err == ""

    monkeypatch.setenv("XINPEI_PASSPHRASE_FILE", write_text(tmp_path / "passphrase", "of the backup"))
    backup, place = str(tmp_path / "ward.backup"), ("--home", str(home.folder))
    export = ("wallet", "export", "ward", "--out", backup, "--new-passphrase-file", str(tmp_path / "passphrase"))
    assert run(capsys, *export, *place).code == 0
    home.wallet_path("ward").unlink()
    assert run(capsys, "wallet", "import", "ward", backup, *place).code == 0
    assert answer("show", "--as", "ward")["recoveries"] == [after]
