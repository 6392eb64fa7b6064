"""Validators join, are re-keyed and removed while a network works; and the checks find it when they should not have."""

import pytest

from ledger.replica.signer import SigningKey
from nodes.scenarios import elections, faults
from nodes.scenarios.options import Changes
from nodes.scenarios.plans import Plan
from nodes.simulator.checks import InvariantError
from nodes.simulator.node import Node
from nodes.simulator.snapshots import SnapshotPolicy
from tests.nodes.scenarios.conftest import Found, load

STAY = Plan(begins_ms=0, admitted_ms=0, stays_ms=2_000)
JOINS = Changes(begins_ms=1_000, joins="hospital-c")


def test_n5f1_one_joins_one_loses_its_signer_state_and_is_given_a_key_and_one_is_removed(found: Found) -> None:
    changes = Changes(1_000, joins="hospital-c", rekeys="hospital-b", loses_signer=True, removes="insurer-b")
    scenario = found(STAY, hospitals=3, insurers=2, changes=changes)
    assert set(scenario.roster.decided) == {"hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator"}
    scenario.run()
    assert scenario.roster.passed == ["add-validator", "rekey-validator", "remove-validator"]
    assert set(scenario.roster.decided) == {"hospital-a", "hospital-b", "hospital-c", "insurer-a", "regulator"}
    node = scenario.simulation.nodes["hospital-b"]
    assert [key.public_key for key in node.keys].index(scenario.roster.decided["hospital-b"]) == 1
    assert node.disk.signers.keys() == {node.keys[1].public_key}, "the first key has no state, and has signed nothing"
    signed = {signature.validator for _, commit in node.disk.blocks.values() for signature in commit.signatures}
    assert "hospital-c" in signed
    assert len(scenario.auditor.settlements) == 1


def test_n4f1_a_member_that_lost_its_disk_begins_from_a_snapshot_and_votes_with_the_key_it_is_given(
    found: Found,
) -> None:
    changes = Changes(40_000, rekeys="hospital-b", loses_signer=True, loses_store=True)
    scenario = found(STAY, changes=changes, snapshots=SnapshotPolicy(3, 6, 3, taker_crashes=0.2, crashes_left=2))
    scenario.run()
    node = scenario.simulation.nodes["hospital-b"]
    assert scenario.simulation.happened["wiped stores"] == 1
    assert scenario.simulation.happened["snapshots taken"] >= 1
    assert 0 < node.disk.base_height < node.disk.height
    assert scenario.roster.decided["hospital-b"] == node.keys[1].public_key


def test_a_planned_new_key_votes_from_its_height_on_and_the_old_one_before(found: Found) -> None:
    scenario = found(STAY, hospitals=2, insurers=1, changes=Changes(1_000, rekeys="hospital-b"))
    scenario.run()
    assert scenario.roster.passed == ["rekey-validator"]
    assert scenario.roster.at(1) != scenario.roster.decided


def test_contracts_that_elect_with_too_few_votes_are_found(found: Found) -> None:
    quorum = "if validators.is_quorum(_power(validators, approving)) and"
    contracts = load("contracts.governance", quorum, "if validators.total_power > 0 or")
    scenario = found(STAY, hospitals=3, insurers=1, contracts=contracts, changes=JOINS)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "roster"
    assert "add-validator passed" in str(error.value)


def test_nodes_that_let_the_elected_vote_too_late_are_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.application.VALIDATOR_SET_DELAY_HEIGHTS", 3)
    scenario = found(STAY, hospitals=3, insurers=1, changes=JOINS)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "roster"
    assert "is not voted on by those who were elected" in str(error.value)


def test_a_validator_that_does_not_take_up_its_new_key_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def overlook(self: Node) -> tuple[SigningKey, ...]:
        return (SigningKey(self.keys[0], self.disk.signers.get(self.keys[0].public_key)),)

    monkeypatch.setattr(Node, "signing_keys", overlook)
    scenario = found(STAY, hospitals=3, insurers=1, changes=Changes(1_000, rekeys="hospital-b"))
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "liveness"
    assert "hospital-b votes at the end: the key is not the one" in str(error.value)


def test_members_that_come_to_no_decision_are_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 30_000)
    monkeypatch.setattr(elections, "_vote", lambda *_: None)
    scenario = found(STAY, hospitals=3, insurers=1, changes=JOINS)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "liveness"
    assert "hospital-c joins" in str(error.value)
