"""Governance: the members' votes change who belongs, who votes and which code runs; and whom they cannot be tricked by.

The consortium has six organisations with a validator each, so five approvals weigh more than two thirds.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from contracts.governance import OPEN_MAX, PROPOSAL_MS
from contracts.keys import FindOwner, RotateKey, RotateSealKey, SealKeyRecord, rotation_message
from contracts.membership import FindActor, FindPin, FindValidators, ListRole
from contracts.proposals import (
    AddOrganisation,
    AddValidator,
    CastVote,
    ListProposals,
    ProposalView,
    Propose,
    RekeyOrganisation,
    RekeyValidator,
    RemoveOrganisation,
    RemoveValidator,
    ReplaceCredentials,
    ShowProposal,
    UpgradeContracts,
    organisation_message,
    validator_message,
)
from ledger.codec import Struct
from ledger.crypto.signatures import PrivateKey, sign_enrolment, sign_vote
from ledger.genesis import ContractPin, Credentials, PinHistory
from ledger.membership import Actor, Role, ValidatorSet
from tests.contracts.consortium import CHAIN_ID, ORGANISATIONS, Call, Consortium, digest

NAMES = tuple(name for name, _ in ORGANISATIONS)
FIVE = NAMES[:5]
CLINIC = "hospital-c"


# ---------------------------------------------------------------------------------------------------- proposals


def propose(chain: Consortium, action: Struct, by: str = "", against: bytes | None = None) -> Call:
    """Return the call that proposes an action against the state as it is; a consensus key is its own organisation's."""
    if by == "":
        by = action.name if isinstance(action, AddValidator | RekeyValidator) else "regulator"
    chain.keys.setdefault(by, PrivateKey(digest(by)))
    message = Propose(action, bytes(32))  # type: ignore[arg-type]
    basis = chain.ask("governance.basis", message, bytes) if against is None else against
    return by, "governance.propose", replace(message, against=basis)


def put(chain: Consortium, action: Struct, by: str = "") -> int:
    """Put an action to the vote; return its number."""
    chain.do(propose(chain, action, by))
    number = 1
    while show(chain, number + 1) is not None:
        number += 1
    return number


def show(chain: Consortium, number: int) -> ProposalView | None:
    return chain.ask("governance.show", ShowProposal(number), ProposalView | None)  # type: ignore[arg-type]


def status(chain: Consortium, number: int) -> str:
    view = show(chain, number)
    assert view is not None
    return view.proposal.status


def votes(number: int, *names: str, approve: bool = True) -> list[Call]:
    return [(name, "governance.vote", CastVote(number, approve)) for name in names]


def pass_(chain: Consortium, action: Struct, voters: tuple[str, ...] = FIVE) -> int:
    """Propose an action and approve it until it is done."""
    number = put(chain, action)
    chain.do(*votes(number, *voters))
    assert status(chain, number) == "passed"
    return number


def validators(chain: Consortium) -> tuple[str, ...]:
    found = chain.ask("membership.validator_set", FindValidators(), ValidatorSet)
    return tuple(item.name for item in found.validators)


def actor(chain: Consortium, name: str) -> Actor:
    found: Actor | None = chain.ask("membership.actor", FindActor(name), Actor | None)  # type: ignore[arg-type]
    assert found is not None
    return found


# ------------------------------------------------------------------------------------------------------ actions


def clinic(name: str = CLINIC, key: PrivateKey | None = None, role: Role = "hospital") -> AddOrganisation:
    key = key or PrivateKey(digest(name))
    signed = organisation_message(CHAIN_ID, name, role, key.public_key, bytes(1216), digest("ca"))
    return AddOrganisation(name, role, key.public_key, bytes(1216), digest("ca"), sign_enrolment(key, signed))


def seat(name: str, key: PrivateKey, kind: type = AddValidator) -> Struct:
    proof = sign_enrolment(key, validator_message(CHAIN_ID, name, key.public_key))
    action: Struct = kind(name, key.public_key, proof)
    return action


def rekey(name: str, key: PrivateKey, version: int = 2) -> RekeyOrganisation:
    signed = rotation_message(CHAIN_ID, name, key.public_key, version)
    return RekeyOrganisation(name, key.public_key, sign_enrolment(key, signed))


def upgrade(chain: Consortium, from_height: int, name: str = "claims") -> UpgradeContracts:
    pins = chain.application.genesis.contracts
    changed = tuple(ContractPin(pin.name, digest("new") if pin.name == name else pin.code_hash) for pin in pins)
    return UpgradeContracts(changed, from_height)


# ------------------------------------------------------------------------------------------------------- voting


def test_an_action_is_done_by_the_vote_that_makes_more_than_two_thirds(chain: Consortium) -> None:
    number = put(chain, clinic())
    chain.do(*votes(number, *FIVE[:4]))
    assert status(chain, number) == "open"
    assert chain.ask("membership.actor", FindActor(CLINIC), object) is None
    chain.do(*votes(number, FIVE[4]))
    assert chain.events() == ["voted", "proposal-closed"]
    view = show(chain, number)
    assert view is not None
    assert (view.proposal.status, view.proposal.closed_height) == ("passed", chain.application.height)
    assert (view.approvals, view.power_approving, view.power_total) == (FIVE, 5, 6)
    assert actor(chain, CLINIC).role == "hospital"


def test_a_third_of_rejections_ends_a_proposal(chain: Consortium) -> None:
    number = put(chain, clinic())
    chain.do(*votes(number, "rail", approve=False))
    assert status(chain, number) == "open"
    chain.do(*votes(number, "regulator", approve=False))
    assert status(chain, number) == "rejected"
    assert chain.post(*votes(number, "insurer-a")) == ["PROPOSAL_CLOSED"]


def test_everybody_votes_once_and_nobody_twice(chain: Consortium) -> None:
    number = put(chain, clinic())
    assert chain.post(*votes(number, "rail", "rail")) == ["OK", "ALREADY_VOTED"]
    assert chain.post(*votes(number, "rail", approve=False)) == ["ALREADY_VOTED"]
    assert chain.post(*votes(number + 1, "rail")) == ["UNKNOWN_PROPOSAL"]


def test_customers_and_members_without_a_validator_do_not_vote(chain: Consortium) -> None:
    customer, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    number = put(chain, RemoveValidator("rail"))
    assert chain.post(propose(chain, clinic(), customer)) == ["FORBIDDEN"]
    assert chain.post(*votes(number, customer)) == ["FORBIDDEN"]
    chain.do(*votes(number, "hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator"))
    other = put(chain, clinic(), by="rail")
    assert chain.post(*votes(other, "rail")) == ["FORBIDDEN"], "a member still, and it may propose"


def test_a_proposal_expires_by_itself_and_no_later_vote_counts(chain: Consortium) -> None:
    number = put(chain, clinic())
    chain.do(*votes(number, *FIVE[:4]))
    assert chain.post(*votes(number, FIVE[4]), after_ms=PROPOSAL_MS) == ["PROPOSAL_CLOSED", "OK"]
    assert status(chain, number) == "expired"


def test_what_passed_is_not_done_again(chain: Consortium) -> None:
    number = pass_(chain, clinic())
    assert chain.post(*votes(number, "regulator")) == ["PROPOSAL_CLOSED"]
    assert chain.post(propose(chain, clinic())) == ["IMPOSSIBLE"]
    assert len(actor(chain, CLINIC).keys) == 1


def test_a_proposal_is_stale_once_what_it_was_made_against_has_changed(chain: Consortium) -> None:
    first = put(chain, RemoveValidator("rail"))
    second = put(chain, RemoveValidator("insurer-b"))
    chain.do(*votes(second, "hospital-a", "hospital-b", "insurer-a"))
    chain.do(*votes(first, "hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator"))
    chain.do(*votes(second, "regulator"))
    assert status(chain, second) == "stale", "it was made for six validators"
    assert validators(chain) == ("hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator")
    assert chain.post(propose(chain, RemoveValidator("insurer-b"), against=digest("yesterday"))) == ["STALE_PROPOSAL"]


def test_open_proposals_of_one_member_are_bounded(chain: Consortium) -> None:
    chain.do(*(propose(chain, clinic(f"clinic-{number}")) for number in range(OPEN_MAX)))
    assert chain.post(propose(chain, clinic())) == ["TOO_MANY"]
    assert chain.post(propose(chain, clinic(), "rail")) == ["OK"]
    chain.do(*votes(1, "rail", "insurer-a", approve=False))
    assert chain.post(propose(chain, clinic("clinic-x"))) == ["OK"], "a closed one makes room"


def test_all_proposals_are_listed_in_pages(chain: Consortium) -> None:
    put(chain, clinic())
    put(chain, RemoveValidator("rail"))
    first, second = chain.ask("governance.list_proposals", ListProposals(""), tuple[ProposalView, ...])
    assert (first.number, second.number) == (1, 2)
    rest = chain.ask("governance.list_proposals", ListProposals(f"{1:016x}"), tuple[ProposalView, ...])
    assert rest == (second,)


# ------------------------------------------------------------------------------------------------ organisations


def test_a_new_organisation_signs_from_the_next_height_and_proved_its_key(chain: Consortium) -> None:
    stranger = PrivateKey(digest("stranger"))
    for wrong in (
        replace(clinic(), public_key=stranger.public_key),
        replace(clinic(), seal_key=bytes([1]) * 1216),
        replace(clinic(), certificate_hash=digest("other")),
        replace(clinic(), name="hospital-d"),
    ):
        assert chain.post(propose(chain, wrong)) == ["INVALID_PROOF"]
    pass_(chain, clinic())
    assert actor(chain, CLINIC).keys[0].from_height == chain.application.height + 1
    chain.keys[CLINIC] = PrivateKey(digest(CLINIC))
    assert chain.post(chain.enrol(CLINIC)[1]) == ["OK"]


@pytest.mark.parametrize("name", ["rail", "c-abcdefgh"])
def test_a_name_that_is_taken_or_a_customers_is_refused(chain: Consortium, name: str) -> None:
    assert chain.post(propose(chain, clinic(name))) == ["IMPOSSIBLE"]
    assert chain.reason().startswith("name")


def test_a_removed_organisation_signs_votes_and_connects_no_more(chain: Consortium) -> None:
    open_number = put(chain, clinic())
    chain.do(*votes(open_number, "insurer-b", "regulator"))
    pass_(chain, RemoveOrganisation("insurer-b"), ("hospital-a", "hospital-b", "insurer-a", "rail", "regulator"))
    assert "insurer-b" not in validators(chain)
    assert chain.ask("membership.credentials", FindActor("insurer-b"), object) is None
    assert actor(chain, "insurer-b").keys[0].until_height == chain.application.height + 1
    with pytest.raises(AssertionError, match="KEY_NOT_IN_FORCE"):
        chain.do(*votes(open_number, "insurer-b"))
    view = show(chain, open_number)
    assert view is not None
    assert view.approvals == ("regulator",), "its vote counts no more"
    customer, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    assert chain.post((customer, "consent.grant", chain.grant(customer, insurer="insurer-b"))) == ["UNKNOWN_MEMBER"]
    assert chain.post(propose(chain, clinic("insurer-b"))) == ["IMPOSSIBLE"], "nobody takes its name"
    assert chain.post(propose(chain, RemoveOrganisation("insurer-b"))) == ["IMPOSSIBLE"]


def test_nothing_is_shared_with_an_insurer_that_was_removed(chain: Consortium) -> None:
    case = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    chain.do(*chain.admit(case))
    pass_(chain, RemoveOrganisation("insurer-b"), ("hospital-a", "hospital-b", "insurer-a", "rail", "regulator"))
    assert chain.post(chain.share(case, case.record("admission"))) == ["AUTH-013"]
    assert chain.reason().startswith("recipient: insurer-b is a member no more")


def test_an_organisation_that_lost_its_key_gets_another_and_takes_back_what_the_old_one_said(chain: Consortium) -> None:
    open_number = put(chain, clinic())
    chain.do(*votes(open_number, "insurer-b"))
    new = PrivateKey(digest("new key of insurer-b"))
    assert chain.post(propose(chain, rekey("insurer-b", new, version=3))) == ["INVALID_PROOF"]
    pass_(chain, rekey("insurer-b", new), ("hospital-a", "hospital-b", "insurer-a", "rail", "regulator"))
    assert chain.ask("keys.owner", FindOwner(new.public_key), tuple[str]) == ("insurer-b",)
    with pytest.raises(AssertionError, match="KEY_NOT_IN_FORCE"):
        chain.do(*votes(open_number, "insurer-b"))
    view = show(chain, open_number)
    assert view is not None
    assert view.approvals == ()
    chain.keys["insurer-b"], chain.versions["insurer-b"] = new, 2
    chain.do(*votes(open_number, "insurer-b", approve=False))
    view = show(chain, open_number)
    assert view is not None
    assert (view.approvals, view.rejections) == ((), ("insurer-b",))


def test_a_removal_is_not_put_off_by_who_is_to_go_and_replaces_its_keys(chain: Consortium) -> None:
    number = put(chain, RemoveOrganisation("insurer-b"))
    new = PrivateKey(digest("dodging"))
    signed = rotation_message(CHAIN_ID, "insurer-b", new.public_key, 2)
    chain.do(
        ("insurer-b", "membership.rotate_seal_key", RotateSealKey(bytes([7]) * 1216, 2)),
        ("insurer-b", "membership.rotate_key", RotateKey(new.public_key, sign_enrolment(new, signed))),
    )
    chain.do(*votes(number, "hospital-a", "hospital-b", "insurer-a", "rail", "regulator"))
    assert status(chain, number) == "passed"


def test_who_was_removed_is_sealed_to_no_more_and_is_in_no_list(chain: Consortium) -> None:
    pass_(chain, clinic())
    hospitals = chain.ask("membership.list_role", ListRole("hospital"), tuple[str, ...])
    assert hospitals == ("hospital-a", "hospital-b", CLINIC), "the founders first, then who was admitted"
    pass_(chain, RemoveOrganisation("hospital-a"))
    kind: Any = Credentials | None
    assert chain.ask("membership.credentials", FindActor("hospital-a"), kind) is None
    (record,) = chain.ask("membership.seal_key_history", FindActor("hospital-a"), tuple[SealKeyRecord, ...])
    assert (record.until_height, record.until_ms) == (chain.application.height, chain.application.time_ms)
    assert chain.ask("membership.list_role", ListRole("hospital"), tuple[str, ...]) == ("hospital-b", CLINIC)


def test_the_members_replace_a_seal_key_and_its_history_goes_on(chain: Consortium) -> None:
    action = ReplaceCredentials("rail", bytes([7]) * 1216, digest("new ca"))
    stale = put(chain, action)
    chain.do(("rail", "membership.rotate_seal_key", RotateSealKey(bytes([8]) * 1216, 2)))
    chain.do(*votes(stale, *FIVE[:1]))
    assert status(chain, stale) == "stale", "it would undo what the member did meanwhile"
    pass_(chain, action)
    pass_(chain, ReplaceCredentials("rail", bytes([7]) * 1216, digest("newer ca")))
    found = chain.ask("membership.credentials", FindActor("rail"), Credentials)
    assert found == Credentials(bytes([7]) * 1216, 3, digest("newer ca"))
    back = ReplaceCredentials("rail", bytes([8]) * 1216, digest("newer ca"))
    assert chain.post(propose(chain, back)) == ["IMPOSSIBLE"]


def test_credentials_are_replaced_at_once(chain: Consortium) -> None:
    pass_(chain, ReplaceCredentials("rail", bytes([7]) * 1216, digest("new ca")))
    found = chain.ask("membership.credentials", FindActor("rail"), Credentials)
    assert found == Credentials(bytes([7]) * 1216, 2, digest("new ca"))


# --------------------------------------------------------------------------------------------------- validators


def test_a_new_validator_votes_two_heights_later(chain: Consortium) -> None:
    pass_(chain, clinic())
    key = chain.consensus_key(CLINIC)
    pass_(chain, seat(CLINIC, key))
    height = chain.application.height
    assert CLINIC in validators(chain)
    assert chain.application.validators(height + 1).get(CLINIC) is None
    assert chain.application.validators(height + 2).power(CLINIC) == 1
    assert chain.ask("keys.owner", FindOwner(key.public_key), tuple[str]) == (CLINIC,)


def test_a_consensus_key_is_proved_and_serves_one_name_once(chain: Consortium) -> None:
    pass_(chain, clinic())
    theirs = seat(CLINIC, chain.consensus_key("rail"))
    assert chain.post(propose(chain, theirs)) == ["IMPOSSIBLE"]
    assert chain.post(propose(chain, seat(CLINIC, chain.keys["rail"]))) == ["IMPOSSIBLE"]
    own = PrivateKey(digest("own"))
    elsewhere = sign_enrolment(own, validator_message(CHAIN_ID, "rail", own.public_key))
    vote = sign_vote(own, validator_message(CHAIN_ID, CLINIC, own.public_key))
    for proof in (elsewhere, vote):
        assert chain.post(propose(chain, AddValidator(CLINIC, own.public_key, proof))) == ["INVALID_PROOF"]
    pass_(chain, seat("rail", own, RekeyValidator))
    assert chain.post(propose(chain, seat(CLINIC, own))) == ["IMPOSSIBLE"]
    assert chain.post(propose(chain, clinic("clinic-d", own))) == ["IMPOSSIBLE"]
    assert chain.post(propose(chain, seat("rail", chain.consensus_key("rail"), RekeyValidator))) == ["IMPOSSIBLE"]


def test_nobody_proposes_a_consensus_key_in_another_s_name(chain: Consortium) -> None:
    pass_(chain, clinic())
    mine = PrivateKey(digest("mine"))
    assert chain.post(propose(chain, seat(CLINIC, mine), "regulator")) == ["FORBIDDEN"]
    assert chain.post(propose(chain, seat("rail", mine, RekeyValidator), "regulator")) == ["FORBIDDEN"]


def test_a_key_taken_after_the_proposal_makes_it_stale(chain: Consortium) -> None:
    key = PrivateKey(digest("twice"))
    first = put(chain, seat("rail", key, RekeyValidator))
    second = put(chain, clinic("clinic-d", key))
    chain.do(*votes(second, *FIVE))
    chain.do(*votes(first, "regulator"))
    view = show(chain, first)
    assert view is not None
    assert (view.proposal.status, view.proposal.reason) == ("stale", "public key: expected one that nobody ever had")


def test_validators_are_added_that_do_not_vote_and_removed_that_do(chain: Consortium) -> None:
    fresh = PrivateKey(digest("fresh"))
    pass_(chain, clinic())
    for wrong in (
        seat("rail", fresh),
        seat(CLINIC, fresh, RekeyValidator),
        RemoveValidator(CLINIC),
        RemoveValidator("nobody"),
    ):
        assert chain.post(propose(chain, wrong)) == ["IMPOSSIBLE"]


def test_the_last_validator_stays(chain: Consortium) -> None:
    rest = list(NAMES)
    while len(rest) > 1:
        leaving = rest.pop()
        pass_(chain, RemoveValidator(leaving), tuple(rest) if len(rest) > 2 else (*rest, leaving))
    assert validators(chain) == ("hospital-a",)
    assert chain.post(propose(chain, RemoveValidator("hospital-a"))) == ["IMPOSSIBLE"]
    assert chain.post(propose(chain, RemoveOrganisation("hospital-a"))) == ["IMPOSSIBLE"]
    assert "1 to 64" in chain.reason()


def shrink_to_four(chain: Consortium) -> None:
    for name in ("insurer-b", "rail"):
        pass_(chain, RemoveValidator(name), tuple(item for item in validators(chain) if item != name))
    assert validators(chain) == ("hospital-a", "hospital-b", "insurer-a", "regulator")


def test_who_would_be_left_must_be_able_to_decide(chain: Consortium) -> None:
    """While the regulator is down, three of four approve; of the three who would be left, only two are there."""
    shrink_to_four(chain)
    number = put(chain, RemoveValidator("hospital-a"), "insurer-a")
    chain.do(*votes(number, "hospital-a", "hospital-b", "insurer-a"))
    assert status(chain, number) == "open"
    chain.do(*votes(number, "regulator"))
    assert status(chain, number) == "passed"


def test_who_is_down_can_be_voted_out_by_those_who_are_left(chain: Consortium) -> None:
    shrink_to_four(chain)
    pass_(chain, RemoveValidator("regulator"), ("hospital-a", "hospital-b", "insurer-a"))


def test_a_validator_whose_key_has_just_signed_counts_among_those_who_can_decide(chain: Consortium) -> None:
    """While the regulator is down, three of four approve; with the new one, four of five can decide."""
    shrink_to_four(chain)
    pass_(chain, clinic(), ("hospital-a", "hospital-b", "insurer-a"))
    pass_(chain, seat(CLINIC, chain.consensus_key(CLINIC)), ("hospital-a", "hospital-b", "insurer-a"))
    assert len(validators(chain)) == 5


# ----------------------------------------------------------------------------------------------------- upgrades


def test_an_upgrade_pins_the_whole_set_from_a_height_on(chain: Consortium) -> None:
    from_height = chain.application.height + 9
    pass_(chain, upgrade(chain, from_height))
    claims = chain.ask("membership.pin", FindPin("claims"), PinHistory)
    assert [(item.code_hash, item.from_height) for item in claims.versions[1:]] == [(digest("new"), from_height)]
    assert len(chain.ask("membership.pin", FindPin("records"), PinHistory).versions) == 1, "unchanged"
    assert "claims" in chain.application.code.missing_later()[0]


def test_an_upgrade_comes_no_sooner_than_two_heights_after_its_vote(chain: Consortium) -> None:
    height = chain.application.height
    assert chain.post(propose(chain, upgrade(chain, height + 2))) == ["IMPOSSIBLE"]
    number = put(chain, upgrade(chain, height + 6))
    chain.do(*votes(number, *FIVE[:3]))
    chain.do(*votes(number, FIVE[3]))
    chain.do(*votes(number, FIVE[4]))
    view = show(chain, number)
    assert view is not None
    assert view.proposal.status == "stale"
    assert "from_height" in view.proposal.reason


def test_an_upgrade_names_every_contract_in_force_sorted_and_something_new(chain: Consortium) -> None:
    good = upgrade(chain, chain.application.height + 9)
    pins = chain.application.genesis.contracts
    for contracts in (good.contracts[1:], good.contracts[::-1], (*good.contracts, good.contracts[-1]), pins):
        assert chain.post(propose(chain, replace(good, contracts=contracts))) == ["IMPOSSIBLE"]


def test_an_upgrade_that_has_not_come_yet_can_be_taken_back(chain: Consortium) -> None:
    pass_(chain, upgrade(chain, chain.application.height + 50))
    pins = chain.application.genesis.contracts
    pass_(chain, UpgradeContracts(pins, chain.application.height + 5))
    assert chain.application.code.missing_later() == ()
    assert len(chain.ask("membership.pin", FindPin("claims"), PinHistory).versions) == 1
