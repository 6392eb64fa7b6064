"""A wallet learns from nodes which organisations there are, and believes what the chain proves and no more."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from msgspec.structs import replace

from contracts.keys import RotateSealKey
from contracts.proposals import AddOrganisation, CastVote, Propose, RemoveOrganisation, organisation_message
from ledger.codec import Struct, encode
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.errors import DecodeError, VerificationError
from ledger.genesis import Credentials
from nodes.api.organisations import Shown, collect_organisations
from nodes.client import ApiError
from nodes.config import Home
from nodes.entropy import SeededEntropy
from nodes.roles.customer import organisations
from nodes.roles.customer.organisations import (
    Organisations,
    OrganisationsError,
    OrganisationsProof,
    Standing,
    verify_organisations,
)
from tests.contracts.consortium import digest, load
from tests.nodes.audit.chain import VALIDATORS, AuditedChain

NEW_KEY = bytes([7]) * 1216
JOINED = "clinic"


def decide(chain: AuditedChain, action: Struct) -> None:
    message = Propose(action, bytes(32))  # type: ignore[arg-type]
    basis = chain.ask("governance.basis", message, bytes)
    chain.do(("regulator", "governance.propose", replace(message, against=basis)))
    number = chain.number = getattr(chain, "number", 0) + 1  # type: ignore[attr-defined]
    votes = [(name, "governance.vote", CastVote(number, approve=True)) for name in VALIDATORS if name != JOINED]
    assert "OK" in chain.post(*votes)


def admit(chain: AuditedChain) -> None:
    key = PrivateKey(digest(JOINED))
    signed = organisation_message(chain.genesis.chain_id, JOINED, "hospital", key.public_key, NEW_KEY, digest("ca"))
    proof = sign_enrolment(key, signed)
    decide(chain, AddOrganisation(JOINED, "hospital", key.public_key, NEW_KEY, digest("ca"), proof))


def show(chain: AuditedChain) -> OrganisationsProof:
    return collect_organisations(chain.application, chain.blocks)


@pytest.fixture
def chain() -> AuditedChain:
    chain = AuditedChain(load())
    chain.do(chain.enrol("insurer-a")[1])
    return chain


def test_the_chain_proves_who_joined_who_was_removed_and_which_key_is_sealed_to(chain: AuditedChain) -> None:
    admit(chain)
    decide(chain, RemoveOrganisation("hospital-b"))
    chain.do(("insurer-a", "membership.rotate_seal_key", RotateSealKey(NEW_KEY, 2)))
    height, shown = verify_organisations(encode(show(chain)), chain.genesis)
    assert height == chain.application.height
    standing = {item.actor.name: item for item in shown}
    assert standing[JOINED].credentials == Credentials(NEW_KEY, 1, digest("ca"))
    assert standing["hospital-b"].credentials is None
    assert standing["insurer-a"].credentials == Credentials(NEW_KEY, 2, bytes(32))


def with_standing(proof: OrganisationsProof, name: str, change: Callable[[Standing], Standing]) -> bytes:
    standings = tuple(change(item) if item.actor.name == name else item for item in proof.standings)
    return encode(replace(proof, standings=standings))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("insurer-a", lambda item: replace(item, credentials=replace(item.credentials, seal_key=NEW_KEY))),
        ("insurer-a", lambda item: replace(item, credentials=None)),
        ("insurer-a", lambda item: replace(item, actor=replace(item.actor, role="hospital"))),
        ("hospital-b", lambda item: replace(item, credentials=Credentials(NEW_KEY, 1, bytes(32)))),
        ("rail", lambda item: replace(item, actor=replace(item.actor, name="clinic-d"))),
    ],
)
def test_a_node_gives_nobody_another_key_role_place_or_name(
    chain: AuditedChain, name: str, change: Callable[[Standing], Standing]
) -> None:
    decide(chain, RemoveOrganisation("hospital-b"))
    with pytest.raises(VerificationError):
        verify_organisations(with_standing(show(chain), name, change), chain.genesis)


def test_a_state_that_the_validators_of_the_genesis_did_not_decide_proves_nothing(chain: AuditedChain) -> None:
    with pytest.raises(VerificationError):
        verify_organisations(encode(show(chain)), AuditedChain(load(), "other").genesis)
    shown = show(chain)
    cut = replace(shown.steps[-1].commit, signatures=shown.steps[-1].commit.signatures[:2])
    with pytest.raises(VerificationError):
        verify_organisations(encode(replace(shown, steps=(replace(shown.steps[-1], commit=cut),))), chain.genesis)
    with pytest.raises(DecodeError):
        verify_organisations(encode(shown)[:-1], chain.genesis)


class Nodes:
    """What each node of a network answers; the wallet's home names three."""

    def __init__(self, chain: AuditedChain, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chain = chain
        self.answers: dict[str, bytes | ApiError] = {}
        self.asked: list[str] = []
        self.signers: set[str] = set()
        monkeypatch.setattr(organisations, "Client", self._connect)
        names = ("hospital-a", "hospital-b", "insurer-a")
        self.home = SimpleNamespace(
            load_network=lambda: SimpleNamespace(
                nodes=tuple(SimpleNamespace(organisation=name) for name in names),
                hosted={"rail": "insurer-a"},
                address=lambda node: SimpleNamespace(organisation=node),
            ),
            authority_path=lambda _node: Path(),
        )

    def _connect(self, address: Any, _authority: Path, signer: Any, *_: object) -> Any:
        self.asked.append(address.organisation)
        self.signers.add(signer.actor)
        answer = self.answers.get(address.organisation, ApiError("UNREACHABLE", "it is stopped"))

        class Connection:
            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                return

            def get_bytes(self, _path: str) -> bytes:
                if isinstance(answer, ApiError):
                    raise answer
                return answer

        return Connection()

    def wallet(self) -> Organisations:
        return Organisations(cast("Home", self.home), self.chain.genesis, SeededEntropy(b"wallet"))


@pytest.fixture
def nodes(chain: AuditedChain, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    return Nodes(chain, monkeypatch)


def test_of_two_answers_the_later_state_counts(chain: AuditedChain, nodes: Nodes) -> None:
    nodes.answers["hospital-a"] = encode(show(chain))
    admit(chain)
    decide(chain, RemoveOrganisation("hospital-b"))
    nodes.answers["insurer-a"] = encode(show(chain))
    wallet = nodes.wallet()
    assert wallet.list_role("hospital") == ("hospital-a", JOINED)
    assert wallet.list_role("hospital", with_former=True) == ("hospital-a", "hospital-b", JOINED)
    assert nodes.asked == ["hospital-a", "hospital-b", "insurer-a"], "one was stopped, so a third was asked"
    assert len(nodes.signers) == 3, "under a name made for each question"
    assert not wallet.is_reachable("hospital-b")
    assert not wallet.is_reachable(JOINED), "nobody has told this home where its node is"
    for refused in (wallet.check_member, lambda name, _role: wallet.find_seal_key(name)):
        with pytest.raises(OrganisationsError, match="a member no more at height"):
            refused("hospital-b", "hospital")
    wallet.check("hospital-b", "hospital")


def test_a_members_own_node_is_asked_before_it_is_sealed_to(chain: AuditedChain, nodes: Nodes) -> None:
    """Two nodes that lag, or lie by showing a state from before, do not hide a key from whom it is for."""
    before = encode(show(chain))
    nodes.answers = {"hospital-a": before, "hospital-b": before}
    for member in ("insurer-a", "rail"):
        chain.do((member, "membership.rotate_seal_key", RotateSealKey(NEW_KEY, 2)))
    wallet = nodes.wallet()
    assert wallet.find_seal_key("insurer-a") == bytes(1216), "its own node does not answer"
    nodes.answers["insurer-a"] = encode(show(chain))
    wallet = nodes.wallet()
    assert wallet.find_seal_key("hospital-a") == bytes(1216)
    assert wallet.find_seal_key("rail") == NEW_KEY, "its node is the one that hosts it"
    assert wallet.find_seal_key("insurer-a") == NEW_KEY


def test_who_is_left_out_of_an_answer_is_not_forgotten(chain: AuditedChain, nodes: Nodes) -> None:
    admit(chain)
    shown = show(chain)
    nodes.answers = {"hospital-a": encode(shown), "hospital-b": encode(_leave_out(chain, "insurer-b"))}
    assert nodes.wallet().list_role("insurer") == ("insurer-a", "insurer-b")


def _leave_out(chain: AuditedChain, name: str) -> OrganisationsProof:
    """Return what a node shows that leaves an organisation out: the proof of the rest holds."""
    application = chain.application
    fewer = SimpleNamespace(
        members=application.members,
        roles=lambda: {key: role for key, role in application.roles().items() if key != name},
        read=application.read,
        roots=application.roots,
        prove=application.prove,
        header=application.header,
        validator_sets=application.validator_sets,
        validators=application.validators,
    )
    found = collect_organisations(cast("Any", fewer), chain.blocks)
    assert verify_organisations(encode(found), chain.genesis)[0] == application.height
    return found


def test_a_node_that_shows_what_does_not_hold_is_passed_over(chain: AuditedChain, nodes: Nodes) -> None:
    forged = with_standing(
        show(chain), "insurer-a", lambda item: replace(item, credentials=Credentials(NEW_KEY, 9, bytes(32)))
    )
    nodes.answers = {"hospital-a": forged}
    with pytest.raises(OrganisationsError, match=r"no node shows who the members are: hospital-a: .*; hospital-b: "):
        nodes.wallet().list_role("insurer")
    nodes.answers["hospital-b"] = encode(show(chain))
    assert nodes.wallet().find_seal_key("insurer-a") == bytes(1216)


def test_an_empty_chain_has_the_members_of_the_genesis_and_strangers_are_refused(nodes: Nodes) -> None:
    nodes.answers["hospital-a"] = ApiError("NOT_FOUND", "there is no block yet", 404)
    wallet = nodes.wallet()
    assert wallet.list_role("insurer") == ("insurer-a", "insurer-b")
    for name in ("insurer-a", "hospital-z"):
        with pytest.raises(OrganisationsError, match=f"hospital: expected one of hospital-a, hospital-b, got {name}"):
            wallet.check_member(name, "hospital")
    with pytest.raises(OrganisationsError, match="hospital-z: is no member; nothing is sealed to it"):
        wallet.find_seal_key("hospital-z")


def test_an_answer_serves_for_a_moment_and_not_longer(
    chain: AuditedChain, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers = dict.fromkeys(("hospital-a", "hospital-b"), encode(show(chain)))
    wallet = nodes.wallet()
    wallet.list_role("hospital")
    wallet.list_role("insurer")
    assert len(nodes.asked) == 2
    monkeypatch.setattr(organisations, "FRESH_SECONDS", 0.0)
    wallet.list_role("hospital")
    assert len(nodes.asked) == 4
    wallet.ask_all()
    assert nodes.asked[4:7] == ["hospital-a", "hospital-b", "insurer-a"]


def test_the_proof_is_made_once_for_a_height_however_many_ask(chain: AuditedChain) -> None:
    shown = Shown()
    first = shown.get(chain.application, chain.blocks)
    assert shown.get(chain.application, chain.blocks) is first
    admit(chain)
    height, standings = verify_organisations(shown.get(chain.application, chain.blocks), chain.genesis)
    assert (height, JOINED in {item.actor.name for item in standings}) == (chain.application.height, True)
