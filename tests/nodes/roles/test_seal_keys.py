"""An organisation's seal key is replaced: on the disk before it is on the chain, and destroyed when nobody needs it."""

from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from contracts.keys import RotateSealKey, SealKeyRecord
from contracts.proposals import CastVote, Propose, RemoveOrganisation
from ledger.codec import Struct
from ledger.errors import VerificationError
from ledger.genesis import Credentials
from nodes import process
from nodes.agent import Answer, Call, PeerRequested
from nodes.client import ApiError
from nodes.entropy import SeededEntropy
from nodes.keystore import KeystoreError, SealKeyFiles, create_keystore, load_keystore, prepare_seal_key
from nodes.members import HostedMember
from nodes.roles.exchange.questions import Refusal, decode_reply
from nodes.roles.lookup import RemovedMemberError, find_credentials, find_rail, find_seal_key
from nodes.roles.office.member_calls import MemberCalls
from nodes.roles.office.seal_keys import (
    KEPT_MS,
    destroy_former_seal_keys,
    find_missing_seal_key,
    rotate_seal_key,
)
from nodes.vault.sealing import SealContext, seal
from tests.nodes.roles.lane import Lane

ENTROPY = SeededEntropy(b"seal keys")
CONTEXT = SealContext("xinpei-test", "record-000000000001", "hospital-a", "insurer-a")
ENDED_MS = 1_000_000


class Cut(Exception):  # noqa: N818 - a power cut is no error of the program
    """A power cut."""


class Chain:
    """Stands for a member's voice and for its view: the membership contract's rows for one member."""

    def __init__(self, public_key: bytes) -> None:
        self.history = [SealKeyRecord(1, public_key, 0, None, None)]
        self.time_ms = 0
        self.is_cut = False
        self.is_silent = False
        self.folder = Path()
        self.client = cast("Any", self)
        self.signer = cast("Any", self)
        self.actor = "insurer-a"

    def ask(self, _contract: str, method: str, _message: Struct, _kind: object) -> Any:
        newest = self.history[-1]
        if method == "credentials":
            return None if newest.until_ms else Credentials(newest.seal_key, newest.version, bytes(32))
        return tuple(self.history)

    query = ask

    def call(self, _contract: str, _method: str, message: RotateSealKey) -> int:
        here = SealKeyFiles(self.folder).get(message.version)
        assert here is not None, "no key is named on the chain that is not on the disk"
        assert here.public_key == message.seal_key
        if self.is_cut:
            raise Cut
        newest = self.history[-1]
        self.history[-1] = SealKeyRecord(newest.version, newest.seal_key, 0, 5, ENDED_MS)
        self.history.append(SealKeyRecord(message.version, message.seal_key, 5, None, None))
        if self.is_silent:
            raise ApiError("UNREACHABLE", "the answer was lost")
        return 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keystore(tmp_path / "keys", SeededEntropy(b"organisation"))
    return tmp_path / "keys"


@pytest.fixture
def chain(folder: Path) -> Chain:
    chain = Chain(load_keystore(folder).seal.public_key)
    chain.folder = folder
    return chain


def rotate(chain: Chain) -> int:
    return rotate_seal_key(cast("MemberCalls", chain), chain.folder, ENTROPY)


def test_a_running_node_opens_what_is_sealed_to_the_new_key_and_what_was_sealed_to_the_old_one(chain: Chain) -> None:
    running = load_keystore(chain.folder).seal
    before = seal(running.public_key, CONTEXT, b"before")
    assert rotate(chain) == 2
    after = seal(chain.history[-1].seal_key, CONTEXT, b"after")
    assert (running.open(before, CONTEXT), running.open(after, CONTEXT)) == (b"before", b"after")
    assert before.key_id != after.key_id


def test_a_rotation_that_was_cut_before_it_was_posted_posts_the_same_key(chain: Chain) -> None:
    chain.is_cut = True
    with pytest.raises(Cut):
        rotate(chain)
    prepared = SealKeyFiles(chain.folder).get(2)
    assert prepared is not None
    chain.is_cut = False
    assert rotate(chain) == 2
    assert chain.history[-1].seal_key == prepared.public_key


def test_a_rotation_whose_answer_was_lost_is_found_on_the_chain(chain: Chain) -> None:
    chain.is_silent = True
    assert rotate(chain) == 2
    assert SealKeyFiles(chain.folder).versions == (1, 2)


def test_a_rotation_that_the_chain_refuses_is_told(chain: Chain) -> None:
    def refuse(*_: object) -> int:
        raise ApiError("STALE_KEY", "expected the current key")

    chain.call = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(ApiError, match="STALE_KEY"):
        rotate(chain)


def test_who_was_removed_replaces_nothing(chain: Chain) -> None:
    chain.history[-1] = SealKeyRecord(1, chain.history[-1].seal_key, 0, 5, ENDED_MS)
    with pytest.raises(ApiError, match="insurer-a: is a member no more"):
        rotate(chain)
    assert SealKeyFiles(chain.folder).versions == (1,)


def test_a_former_key_is_destroyed_a_week_after_its_end_and_opens_nothing_more(chain: Chain) -> None:
    running = load_keystore(chain.folder).seal
    assert isinstance(running, SealKeyFiles)
    before = seal(running.public_key, CONTEXT, b"before")
    rotate(chain)
    chain.time_ms = ENDED_MS + KEPT_MS - 1
    assert destroy_former_seal_keys(cast("Any", chain), "insurer-a", "insurer", running) == ()
    assert running.open(before, CONTEXT) == b"before"
    chain.time_ms += 1
    assert destroy_former_seal_keys(cast("Any", chain), "insurer-a", "insurer", running) == (1,)
    assert not (chain.folder / "seal-1.key").exists()
    for keys in (running, load_keystore(chain.folder).seal):
        with pytest.raises(VerificationError, match=f"sealed to key {before.key_id.hex()}, here is "):
            keys.open(before, CONTEXT)
    assert destroy_former_seal_keys(cast("Any", chain), "insurer-a", "insurer", running) == ()


def test_a_file_that_was_taken_away_opens_nothing_in_a_node_that_runs(chain: Chain) -> None:
    running = load_keystore(chain.folder).seal
    before = seal(running.public_key, CONTEXT, b"before")
    rotate(chain)
    assert running.open(before, CONTEXT) == b"before"
    (chain.folder / "seal-1.key").unlink()
    with pytest.raises(VerificationError, match="do not open for insurer-a"):
        running.open(before, CONTEXT)


@pytest.mark.parametrize("role", ["regulator", "auditor"])
def test_a_regulator_and_an_auditor_keep_what_opens_their_files(chain: Chain, role: str) -> None:
    keys = SealKeyFiles(chain.folder)
    rotate(chain)
    chain.time_ms = ENDED_MS + 100 * KEPT_MS
    assert destroy_former_seal_keys(cast("Any", chain), "insurer-a", role, keys) == ()
    assert keys.versions == (1, 2)


def test_the_newest_key_stays_even_if_its_member_was_removed(chain: Chain) -> None:
    chain.history[-1] = SealKeyRecord(1, chain.history[-1].seal_key, 0, 5, ENDED_MS)
    chain.time_ms = ENDED_MS + KEPT_MS
    keys = SealKeyFiles(chain.folder)
    assert destroy_former_seal_keys(cast("Any", chain), "insurer-a", "insurer", keys) == ()


def test_a_key_that_others_seal_to_and_is_not_here_is_told(chain: Chain, capfd: pytest.CaptureFixture[str]) -> None:
    keys = SealKeyFiles(chain.folder)
    assert find_missing_seal_key(cast("Any", chain), "insurer-a", keys) is None
    rotate(chain)
    (chain.folder / "seal-2.key").rename(chain.folder / "lost")
    assert find_missing_seal_key(cast("Any", chain), "insurer-a", keys) == 2
    process.look_after_seal_keys(cast("Any", chain), HostedMember("insurer-a", "insurer", keys, []))
    assert '"seal-key-missing", "organisation": "insurer-a", "version": 2' in capfd.readouterr().err
    (chain.folder / "seal-1.key").write_bytes(b"cut")
    with pytest.raises(KeystoreError, match=r"seal-1.key is malformed"):
        SealKeyFiles(chain.folder)


# ------------------------------------------------------------------------------------------ agents on the whole lane


def replace_on(lane: Lane, member: str, version: int = 2) -> Path:
    """Replace a member's seal key while its agent runs; return the new key's file."""
    folder = lane.town.folder / member / "keys"
    pair = prepare_seal_key(folder, version, ENTROPY)
    (receipt,) = lane.town.post(member, Call("membership", "rotate_seal_key", RotateSealKey(pair.public_key, version)))
    assert receipt.ok
    return folder / f"seal-{version}.key"


@pytest.mark.parametrize("seed", range(3))
def test_a_claim_is_paid_once_while_all_replace_their_seal_keys_within_it(tmp_path: Path, seed: int) -> None:
    lane = Lane(tmp_path, seed)
    lane.insure()
    lane.stay()
    for version in (2, 3):
        for member in ("hospital-a", "insurer-a", "rail"):
            lane.run_for(400)
            replace_on(lane, member, version)
    lane.run()
    assert lane.claim().status == "PAID"
    assert lane.bank.balance == 206_000
    assert lane.town.codes("records.dispute") == []


def test_what_is_sealed_to_a_key_that_is_lost_is_asked_for_again_and_accuses_nobody(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    lost = replace_on(lane, "insurer-a")
    lost.rename(lost.with_suffix(".lost"))
    lane.stay()
    lane.run_for(20_000)
    notes = [what for _, what, _ in lane.town.notes]
    assert "sealed-to-lost-key" in notes
    assert "handover-disputed" not in notes
    assert lane.claim().settlements == ()
    lost.with_suffix(".lost").rename(lost)
    lane.run_for(60_000)
    lane.run()
    assert lane.claim().status == "PAID"
    assert lane.town.codes("records.dispute") == []


def remove(lane: Lane, name: str) -> None:
    """Remove an organisation by the votes of all validators but itself."""
    town = lane.town
    message = Propose(RemoveOrganisation(name), bytes(32))
    basis = town.query("governance", "basis", message, bytes)
    assert town.post("regulator", Call("governance", "propose", replace(message, against=basis)))[0].ok
    for validator in town.genesis.validators.validators:
        if validator.name != name and find_credentials(town.view, name) is not None:
            assert town.post(validator.name, Call("governance", "vote", CastVote(1, approve=True)))[0].ok


def test_an_insurer_without_a_rail_settles_nothing_that_moves_and_says_why(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    assert find_rail(lane.town.view) == "rail"
    remove(lane, "rail")
    assert find_rail(lane.town.view) is None
    with pytest.raises(RemovedMemberError, match=r"rail: is no member at height \d+; nothing is sealed to it"):
        find_seal_key(lane.town.view, "rail")
    lane.stay()
    lane.run_for(20_000)
    assert (lane.claim().status, lane.claim().settlements, lane.bank.moves) == ("ASSEMBLING", (), [])
    waits = lane.insurer.show_claim(lane.claim().claim.claim_id).waits
    assert waits is not None
    assert waits.code == "RAIL"


def test_a_hospital_hands_nothing_over_to_an_insurer_that_was_removed(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    lane.insure()
    lane.stay()
    bodies: list[bytes] = []
    lane.town.loses_request = lambda _source, peer, body: peer == "hospital-a" and not bodies.append(body)  # type: ignore[func-returns-value]
    lane.run_for(5_000)
    remove(lane, "insurer-a")
    for body in bodies:
        effects = lane.town.agents["hospital-a"].step(PeerRequested(1, "insurer-a", body, lane.town.now_ms))
        (answer,) = [effect for effect in effects if isinstance(effect, Answer)]
        reply = decode_reply(answer.body)
        assert isinstance(reply, Refusal)
    assert bodies, "it was asked while it was a member"
