"""Keys of organisations and of a customer are replaced while the network works, and cut off at every step.

The dossier of a claim that was paid before, and of one that was under way, are verified with the keys of their time.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import VerificationError
from nodes.audit.reveal import verify_reveal
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from nodes.authentication import RequestSigner
from nodes.client import ApiError
from nodes.keystore import find_prepared_submission_key, load_keystore, prepare_submission_key
from nodes.roles.customer import Customer
from nodes.roles.renewing import KeyRenewal
from nodes.wallet import Wallet
from tests.e2e.network import ENTROPY, Network
from tests.e2e.test_commands import say, xinpei
from tests.e2e.test_lane_kills import Stay

HOSPITAL, INSURER = "hospital-a", "insurer-a"


@pytest.fixture(scope="module")
def stay_before(shared_network: Network) -> Stay:
    """Return a stay that was paid with the first keys of all."""
    shared_network.repair()
    stay = Stay(shared_network, "before-rotation")
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
        assert done == {"organisation": member, "former": former.submission_version, "version": done["former"] + 1}
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
