"""Breaking the glass between two hospitals: handed over on the use, told to the customer, reviewed with its reason."""

from pathlib import Path
from typing import Any

import pytest

from contracts.emergencies import BreakGlass, GlassUse, ListWaiting
from ledger.codec import decode, encode
from nodes.agent import Answer, Call, PeerRequested
from nodes.identity import Disclosure
from nodes.roles.activity import list_looks
from nodes.roles.exchange.questions import FetchReason, ReasonGiven, Refusal, Reply, decode_reply, encode_body
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.emergencies import EmergencyError
from nodes.roles.people import PeopleError
from nodes.roles.regulator import Regulator
from nodes.roles.regulator.reviewing import ReviewError
from nodes.roles.requests import Inbox
from nodes.vault.sealing import SealContext
from tests.nodes.roles.desk import Desk, build_hospital, make_town
from tests.nodes.roles.test_regulator import build as build_regulator
from tests.nodes.roles.test_treatment import CLINICAL, meet
from tests.nodes.roles.town import TODAY, Customer, Town

REASON = "Dr Zhao, emergency room: unconscious after an accident"
GLASS: dict[str, Any] = {"purpose": "BTG", "record_types": CLINICAL}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Two hospitals and a regulator; wang was a patient of the first one."""
    town = make_town(tmp_path)
    town.install("hospital-b", build_hospital)
    town.install("regulator", build_regulator)
    return town


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = meet(town)
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    return wang


def treating(town: Town) -> Hospital:
    agent = town.agents["hospital-b"]
    assert isinstance(agent, Hospital)
    return agent


def reviewing(town: Town) -> Regulator:
    agent = town.agents["regulator"]
    assert isinstance(agent, Regulator)
    return agent


def break_glass(town: Town, reason: str = REASON) -> tuple[str, str]:
    """Return the use's id and the chain's code."""
    use_id, call = treating(town).break_glass("B-77", "hospital-a", ("discharge-summary",), reason)
    return use_id, town.post("hospital-b", call)[0].code


def received(town: Town) -> list[tuple[str, str]]:
    return sorted((item.record.record_type, item.purpose) for item in treating(town).list_received("B-77", ""))


def ask_reason(town: Town, use_id: str, peer: str) -> Reply:
    body = encode_body(FetchReason(use_id))
    effects = treating(town).step(PeerRequested(1, peer, body, town.now_ms))
    (answer,) = [effect for effect in effects if isinstance(effect, Answer)]
    return decode_reply(answer.body)


def inbox(town: Town, wang: Customer, organisation: str) -> Inbox:
    member = town.genesis.organisation(organisation)
    assert member is not None
    own = wang.pseudonym
    sealed = own.disclose(Disclosure(wang.identity, bytes(32)), organisation, member.seal_key, f"inbox.{own.name}")
    agent = town.agents[organisation]
    assert isinstance(agent, Hospital)
    answer = agent.take_inbox(own.name, sealed, own.seal_key.public_key, town.now_ms, is_telling=True)
    context = SealContext(town.genesis.chain_id, f"inbox.{own.name}", organisation, own.name)
    return decode(own.seal_key.open(answer, context), Inbox)


def test_nothing_moves_before_the_glass_is_broken_and_then_what_the_use_names(town: Town, wang: Customer) -> None:
    wang.consent(**GLASS)
    assert received(town) == []
    assert town.codes("records.append") == []
    _, code = break_glass(town)
    assert code == "OK"
    town.run_until_quiet()
    assert received(town) == [("admission", "BTG"), ("discharge-summary", "BTG")]
    assert not town.faults


def test_a_denial_of_treatment_leaves_the_emergency_and_its_records_come(town: Town, wang: Customer) -> None:
    care = wang.consent(purpose="CAREMGT", record_types=CLINICAL, days=(TODAY + 1, TODAY + 2))
    wang.revoke(care)
    wang.consent(**GLASS)
    assert break_glass(town)[1] == "OK"
    town.run_until_quiet()
    assert len(received(town)) == 2


def test_without_a_grant_for_emergencies_there_is_no_glass_to_break(town: Town, wang: Customer) -> None:
    wang.consent(purpose="CAREMGT", record_types=CLINICAL, days=(TODAY + 1, TODAY + 2))
    with pytest.raises(EmergencyError, match="no grant for emergencies that names hospital-a and hospital-b"):
        break_glass(town)
    with pytest.raises(PeopleError):
        treating(town).break_glass("B-78", "hospital-a", (), REASON)
    with pytest.raises(EmergencyError, match="types: expected some of"):
        treating(town).break_glass("B-77", "hospital-a", ("invoice",), REASON)
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(EmergencyError, match="reason: expected 1 to 500"):
            break_glass(town, reason)


def test_a_revoked_grant_is_refused_on_the_record_and_hands_nothing_over(town: Town, wang: Customer) -> None:
    grant_id = wang.consent(**GLASS)
    wang.revoke(grant_id)
    assert break_glass(town)[1] == "AUTH-013"
    town.run_until_quiet()
    assert received(town) == []
    (look,) = list_looks(town.view, wang.pseudonym.name, "attempts", "").looks
    assert (look.kind, look.status, look.by, look.condition) == ("emergency", "refused", "hospital-b", "status")


def test_an_insurer_that_signs_a_use_gets_nothing(town: Town, wang: Customer) -> None:
    grant_id = wang.consent(**GLASS)
    message = BreakGlass("glass-0123456789ab", grant_id, "hospital-a", ("admission",), bytes(32))
    assert town.post("insurer-a", Call("emergencies", "break_glass", message))[0].code == "FORBIDDEN"
    town.run_until_quiet()
    assert town.codes("records.append") == []


def test_each_use_is_told_to_the_customer_once_and_its_review_too(town: Town, wang: Customer) -> None:
    wang.consent(**GLASS)
    use_id, _ = break_glass(town)
    town.run_until_quiet()
    (notice,) = inbox(town, wang, "hospital-a").emergencies
    assert (notice.use_id, notice.recipient, notice.finding) == (use_id, "hospital-b", "")
    assert inbox(town, wang, "hospital-a").emergencies == ()
    assert inbox(town, wang, "hospital-b").emergencies == (), "the custodian tells it, not who broke the glass"
    town.post("regulator", reviewing(town).review(use_id, "unjustified", "was awake and could be asked"))
    (notice,) = inbox(town, wang, "hospital-a").emergencies
    assert notice.finding == "unjustified"
    looks = list_looks(town.view, wang.pseudonym.name, "emergencies", "").looks
    assert [(look.status, look.by) for look in looks] == [("unjustified", "hospital-b")]
    shares = list_looks(town.view, wang.pseudonym.name, "shares", "").looks
    assert {(look.purpose, look.status) for look in shares} == {("BTG", "delivered")}


def test_the_regulator_reads_the_reason_and_nobody_else_does(town: Town, wang: Customer) -> None:
    wang.consent(**GLASS)
    use_id, _ = break_glass(town)
    assert isinstance(ask_reason(town, use_id, "regulator"), ReasonGiven)
    for peer in ("insurer-a", "hospital-a", "rail"):
        reply = ask_reason(town, use_id, peer)
        assert isinstance(reply, Refusal)
        assert reply.code == "NOT_REGULATOR"
    reply = ask_reason(town, "glass-ffffffffffff", "regulator")
    assert isinstance(reply, Refusal)
    town.run_until_quiet()
    (waiting,) = reviewing(town).list_waiting()
    assert (waiting.use.use_id, waiting.reason) == (use_id, REASON)
    assert not any(REASON.encode() in value for value in town.store.entries.values())
    town.restart("regulator")
    assert reviewing(town).list_waiting()[0].reason == REASON
    town.post("regulator", reviewing(town).review(use_id, "justified", "an accident"))
    assert town.query("emergencies", "list_waiting", ListWaiting(""), tuple[GlassUse, ...]) == ()
    with pytest.raises(ReviewError, match="grounds: expected 1 to 500"):
        reviewing(town).review(use_id, "justified", " ")


def test_another_reason_than_was_committed_to_is_not_believed(
    town: Town, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wang.consent(**GLASS)
    own = treating(town)._emergencies
    honest = own._register.get

    def forge(kind: str, item: str) -> bytes | None:
        data = honest(kind, item)
        if kind != "glass" or data is None:
            return data
        text, salt = decode(data, tuple[str, bytes])
        return encode((text + ", and dying", salt))

    monkeypatch.setattr(own._register, "get", forge)
    break_glass(town)
    town.run_until_quiet()
    (waiting,) = reviewing(town).list_waiting()
    assert waiting.reason is None
    assert "reason-forged" in {event for _, event, _ in town.notes}
