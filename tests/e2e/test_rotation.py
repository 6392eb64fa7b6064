"""An organisation's submission key is replaced while the network works, and a command is killed in between.

The dossier of a claim that was paid before, and of one that was under way, are verified with the keys of their time.
"""

from pathlib import Path

import pytest

from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from nodes.authentication import RequestSigner
from nodes.client import ApiError
from nodes.keystore import find_prepared_submission_key, load_keystore, prepare_submission_key
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

    Path(folder / f"submission-{version}.key").rename(folder / f"submission-{version}.next")
    assert load_keystore(folder).submission_version == version - 1
    shown = say(network.home, "key", "show", "--as", member)["submission_keys"]
    assert (shown[-1]["version"], shown[-1]["is_here"]) == (version, True)
    assert (folder / f"submission-{version}.key").exists(), "whoever is taken with it makes it lasting"
    assert find_prepared_submission_key(folder, version + 1) is None
    network.check_agreement()
