"""A hospital whose node lacks the latest blocks while its desk works: what was granted before the discharge counts."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.grants import ALL_DAYS
from ledger.application import Application
from nodes.agent import Call
from nodes.network.hosting import NodeView
from nodes.roles.lookup import find_grant
from tests.ledger.execution.chain import MemoryStore
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.town import Customer, Town, contract_set

A_MINUTE_MS = 60_000


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path)


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = Customer(town, "wang")
    know(town, wang)
    return wang


def lose_chain(town: Town) -> NodeView:
    """Have the hospital's node begin again with the genesis alone; return what it saw before."""
    store = MemoryStore()
    application = Application(town.genesis, contract_set(), store)
    store.write(application.genesis_writes())
    known, town.view = town.view, NodeView(application, application.read)
    town.restart("hospital-a")
    return known


def catch_up(town: Town, known: NodeView) -> None:
    town.view = known
    town.restart("hospital-a")
    town.pass_time(A_MINUTE_MS)
    town.add_block(())
    town.run_until_quiet()


def admit_and_discharge(town: Town) -> None:
    """Begin and end a stay at a desk that knows of no grant."""
    desk = Desk(town)
    town.pass_time(A_MINUTE_MS)
    assert desk.admit().lanes == ()
    town.pass_time(A_MINUTE_MS)
    assert desk.discharge("S-01").lanes == ()


def test_a_grant_from_before_is_reported_under_once_the_node_has_caught_up(town: Town, wang: Customer) -> None:
    wang.consent()
    known = lose_chain(town)
    admit_and_discharge(town)
    catch_up(town, known)
    (lane,) = Desk(town).agent.show("S-01").lanes
    assert lane.state == "delivered"
    assert len(town.codes("claims.report")) == 1


def test_a_grant_that_was_revoked_meanwhile_hands_nothing_over_until_there_is_another(
    town: Town, wang: Customer
) -> None:
    grant = wang.consent()
    known = lose_chain(town)
    admit_and_discharge(town)
    stale, town.view = town.view, known
    town.pass_time(A_MINUTE_MS)
    wang.revoke(grant)
    town.view = stale
    catch_up(town, known)
    (lane,) = Desk(town).agent.show("S-01").lanes
    assert lane.state != "delivered"
    assert town.codes("claims.report") == town.codes("records.append") == []
    wang.consent()
    town.run_until_quiet()
    (lane,) = Desk(town).agent.show("S-01").lanes
    assert lane.state == "delivered"


@pytest.mark.parametrize("defect", ["revoked before", "given after", "not matched", "denied"])
def test_what_was_not_in_force_at_the_discharge_opens_nothing(town: Town, wang: Customer, defect: str) -> None:
    match defect:
        case "revoked before":
            wang.revoke(wang.consent())
        case "not matched":
            wang.enrol()
            wang.grant()
        case "denied":
            permit = find_grant(town.view, wang.consent())
            assert permit is not None
            words = permit.versions[-1].grant
            scope = replace(words.scope, dates=ALL_DAYS)
            denial = replace(words, grant_id="grant-00000000000000dd", scope=scope, identities=(), effect="deny")
            assert wang.post(Call("consent", "grant", denial)).ok
    known = lose_chain(town)
    admit_and_discharge(town)
    if defect == "given after":
        wang.enrol()
        grant_id = wang.grant()
    catch_up(town, known)
    if defect == "given after":
        for party in (wang.hospital, wang.insurer):
            wang.disclose(grant_id, party)
        town.run_until_quiet()
    assert Desk(town).agent.show("S-01").lanes == ()
    assert town.codes("claims.report") == []


def test_it_is_decided_once_and_no_later_grant_changes_it(town: Town, wang: Customer) -> None:
    known = lose_chain(town)
    admit_and_discharge(town)
    catch_up(town, known)
    wang.consent()
    for _ in range(2):
        town.run_until_quiet()
        town.restart("hospital-a")
    assert Desk(town).agent.show("S-01").lanes == ()
