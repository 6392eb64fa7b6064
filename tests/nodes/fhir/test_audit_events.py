"""AuditEvents are sound R4, keep BALP's shapes, and say of every look what the receipt says."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from contracts.field_sets import list_fields
from nodes.fhir.audit_events import render_bundle, render_event
from nodes.schemas.looks import Look

SHARE = Look(
    id="record-0123456789ab.insurer-a.1",
    subject="customer-00aa",
    kind="share",
    status="delivered",
    by="insurer-a",
    role="insurer",
    signer="hospital-a",
    hospital="hospital-a",
    stay="stay-0123456789ab",
    record="record-0123456789ab",
    record_types=("invoice",),
    purpose="HPAYMT",
    grant="grant-0123456789ab",
    grant_version=2,
    order=None,
    basis=None,
    law_zh=None,
    law_en=None,
    code="",
    condition="",
    field_set="HPAYMT/invoice/1",
    fields=list_fields("HPAYMT/invoice/1"),
    height=41,
    index=3,
    time_ms=1_780_272_000_123,
    transaction="ab" * 32,
    answered_ms=1_780_272_001_000,
)
REFUSED = replace(
    SHARE, id="attempt-1", status="refused", code="AUTH-013", condition="status", field_set=None, fields=(), index=4
)
ASKED = replace(SHARE, id="attempt-2", kind="ask", status="permitted", signer="insurer-a", index=5)
EMERGENCY = replace(
    SHARE, id="glass-0123456789ab", kind="emergency", status="used", by="hospital-b", role="hospital", purpose="BTG"
)
ORDERED = replace(
    SHARE,
    id="attempt-3",
    kind="order",
    status="ordered",
    by="regulator",
    role="regulator",
    purpose="HLEGAL",
    grant=None,
    grant_version=0,
    order="order-0123456789ab",
    basis="evidence-collection",
    field_set="HLEGAL/invoice/1",
)
OVERREACH = replace(ORDERED, status="refused", by="insurer-a", code="AUTH-013", condition="role", field_set=None)
VISIT = replace(
    SHARE,
    id="claim-0123456789ab.1.stay-0123456789ab",
    kind="visit",
    status="visited",
    record=None,
    record_types=("admission", "invoice"),
    field_set=None,
    fields=(),
    answered_ms=None,
)
SETTLEMENT = replace(
    REFUSED,
    id="attempt-4",
    kind="settlement",
    signer="insurer-a",
    claim="claim-0123456789ab",
    record=None,
    code="ERASED",
    condition="erasure",
)
OPENED = replace(
    ORDERED,
    id="attempt-5",
    kind="opening",
    status="opened",
    signer="insurer-a",
    stay=None,
    claim="claim-0123456789ab",
    record=None,
    record_types=(),
    order=None,
    field_set=None,
    fields=(),
    answered_ms=None,
)
COUNTED = replace(REFUSED, id="counted-1", kind="ask", by="insurer-b", count=37, since_ms=SHARE.time_ms - 5_000)
ALL = (SHARE, REFUSED, ASKED, EMERGENCY, ORDERED, OVERREACH, VISIT, SETTLEMENT, OPENED, COUNTED)

CODING = {"system": "uri", "code": "code", "display": "string"}
REFERENCE = {"type": "uri", "identifier": {"system": "uri", "value": "string"}, "display": "string"}
CONCEPT = {"coding": [CODING], "text": "string"}
AUDIT_EVENT: dict[str, Any] = {
    "resourceType": "code",
    "id": "id",
    "meta": {"profile": ["uri"]},
    "type": CODING,
    "subtype": [CODING],
    "action": ("C", "R", "U", "D", "E"),
    "recorded": "instant",
    "outcome": ("0", "4", "8", "12"),
    "outcomeDesc": "string",
    "purposeOfEvent": [CONCEPT],
    "agent": [
        {
            "type": CONCEPT,
            "role": [CONCEPT],
            "who": REFERENCE,
            "requestor": "boolean",
            "network": {"address": "string", "type": ("1", "2", "3", "4", "5")},
            "purposeOfUse": [CONCEPT],
        }
    ],
    "source": {"observer": REFERENCE, "type": [CODING]},
    "entity": [
        {"what": REFERENCE, "type": CODING, "role": CODING, "detail": [{"type": "string", "valueString": "string"}]}
    ],
}
"""The elements of R4's AuditEvent that are written here, with their types."""
REQUIRED = {
    "": {"resourceType", "type", "recorded", "agent", "source"},
    "agent": {"requestor"},
    "source": {"observer"},
    "detail": {"type", "valueString"},
}
PATTERNS = {
    "id": r"[A-Za-z0-9.-]{1,64}",
    "code": r"[^\s]+(\s[^\s]+)*",
    "uri": r"\S+",
    "string": r"[ \r\n\t\S]+",
    "instant": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
}


def check(value: Any, shape: Any, path: str) -> None:
    """Check a value against R4's structure: known elements only, none empty, each of its type."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), path
        assert value, path
        assert set(value) <= set(shape), (path, set(value) - set(shape))
        assert REQUIRED.get(path.rpartition(".")[2], set()) <= set(value), path
        for name, item in value.items():
            check(item, shape[name], f"{path}.{name}" if path else name)
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        assert value, path
        for item in value:
            check(item, shape[0], path)
    elif isinstance(shape, tuple):
        assert value in shape, (path, value)
    elif shape == "boolean":
        assert isinstance(value, bool), path
    else:
        assert isinstance(value, str), path
        assert re.fullmatch(PATTERNS[shape], value), (path, value)


def codes(event: dict[str, Any], element: str) -> list[str]:
    return [
        item["type"]["coding"][0]["code"] if element == "agent" else item["type"]["code"] for item in event[element]
    ]


@pytest.mark.parametrize("look", ALL)
def test_an_audit_event_has_the_structure_of_r4(look: Look) -> None:
    check(render_event("xinpei-test", look), AUDIT_EVENT, "")


def test_the_structure_check_finds_what_is_wrong() -> None:
    event = render_event("xinpei-test", SHARE)
    for broken in (
        event | {"outcome": "1"},
        event | {"recorded": "2026-06-01"},
        event | {"agents": []},
        event | {"agent": []},
        event | {"agent": [{"who": event["agent"][0]["who"]}]},
        {name: item for name, item in event.items() if name != "source"},
    ):
        with pytest.raises(AssertionError):
            check(broken, AUDIT_EVENT, "")


def test_a_share_is_a_disclosure_with_the_fields_that_were_released() -> None:
    event = render_event("xinpei-test", SHARE)
    assert event["meta"]["profile"][0].endswith("/IHE.BasicAudit.PrivacyDisclosure.Source")
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"]) == ("110106", "disclose", "R")
    assert (event["outcome"], event["recorded"]) == ("0", "2026-06-01T00:00:00.123Z")
    assert codes(event, "agent") == ["110153", "110152", "159541003", "429577009"]
    assert event["agent"][0]["who"] == event["source"]["observer"], "the audit source is this agent too"
    assert [agent["who"]["identifier"]["value"] for agent in event["agent"] if agent["requestor"]] == ["insurer-a"]
    assert codes(event, "entity") == ["1", "Consent", "2"]
    fields = [item["valueString"] for item in event["entity"][2]["detail"] if item["type"] == "field"]
    assert fields == list(list_fields("HPAYMT/invoice/1"))


@pytest.mark.parametrize(
    ("look", "outcome"),
    [(REFUSED, "8"), (ASKED, "0"), (EMERGENCY, "0"), (VISIT, "0"), (SETTLEMENT, "8"), (COUNTED, "8")],
)
def test_a_decision_on_consent_has_balps_agents_and_nothing_but_patient_and_consent(look: Look, outcome: str) -> None:
    event = render_event("xinpei-test", look)
    assert event["meta"]["profile"][0].endswith("/IHE.BasicAudit.AuthZconsent")
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"]) == ("110113", "AuthZ-Consent", "E")
    assert event["outcome"] == outcome
    assert codes(event, "agent") == ["110150", "IRCP", "PROV", "authserver"]
    assert [agent["requestor"] for agent in event["agent"]] == [False, True, False, False]
    assert event["agent"][3]["who"] == event["source"]["observer"]
    assert codes(event, "entity") == ["1", "Consent"]
    assert event["entity"][0]["what"]["type"] == "Patient"
    assert event["entity"][1]["what"]["identifier"]["value"] == "grant-0123456789ab"


def test_a_refusal_says_which_condition_failed_and_releases_no_field() -> None:
    event = render_event("xinpei-test", REFUSED)
    assert event["outcomeDesc"] == "AUTH-013 status"
    details = {item["type"] for item in event["entity"][1]["detail"]}
    assert {"record", "record-type", "grant-version"} <= details
    assert not {"field", "field-set"} & details


def test_a_visit_is_a_permit_and_no_disclosure_and_its_client_is_the_hospital() -> None:
    event = render_event("xinpei-test", VISIT)
    assert (event["id"], event["outcomeDesc"]) == ("41-3.stay-0123456789ab", "visited")
    assert [agent["who"]["identifier"]["value"] for agent in event["agent"][:2]] == ["hospital-a", "insurer-a"]
    details = [(item["type"], item["valueString"]) for item in event["entity"][1]["detail"]]
    assert {("stay", "stay-0123456789ab"), ("record-type", "admission"), ("record-type", "invoice")} <= set(details)
    assert not {"record", "field", "field-set"} & {name for name, _ in details}
    other = render_event("xinpei-test", replace(VISIT, stay="stay-ba9876543210"))
    assert other["id"] != event["id"], "one transaction may visit several stays"


def test_a_statutory_order_names_its_law_and_no_consent() -> None:
    event = render_event("xinpei-test", ORDERED)
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "HLEGAL"
    assert codes(event, "entity") == ["1", "2"]
    details = {item["type"]: item["valueString"] for item in event["entity"][1]["detail"]}
    assert (details["order"], details["legal-basis"]) == ("order-0123456789ab", "evidence-collection")
    assert "429577009" not in codes(event, "agent"), "the customer has authorised nothing"
    refused = render_event("xinpei-test", OVERREACH)
    assert (refused["outcome"], refused["subtype"][0]["code"], "meta" in refused) == ("8", "AuthZ-Role", False)


def test_a_claim_that_is_opened_is_a_disclosure_by_its_insurer_under_a_law() -> None:
    event = render_event("xinpei-test", OPENED)
    assert (event["type"]["code"], event["outcome"], event["action"]) == ("110106", "0", "R")
    assert event["meta"]["profile"][0].endswith("/IHE.BasicAudit.PrivacyDisclosure.Source")
    assert codes(event, "agent") == ["110153", "110152", "159541003"]
    assert [agent["who"]["identifier"]["value"] for agent in event["agent"][1:]] == ["regulator", "insurer-a"]
    (_, claim) = event["entity"]
    assert (claim["what"]["type"], claim["what"]["identifier"]["value"]) == ("Claim", "claim-0123456789ab")
    assert {"type": "legal-basis", "valueString": "evidence-collection"} in claim["detail"]
    named = render_event("xinpei-test", replace(OPENED, names_person=True))
    assert (event["outcomeDesc"], named["outcomeDesc"]) == ("opened", "opened, with who the customer is")


def test_what_the_chain_counts_is_one_event_that_says_how_many_and_since_when() -> None:
    details = {
        item["type"]: item["valueString"] for item in render_event("xinpei-test", COUNTED)["entity"][1]["detail"]
    }
    assert (details["count"], details["since"]) == ("37", "2026-05-31T23:59:55.123Z")
    assert "count" not in {item["type"] for item in render_event("xinpei-test", REFUSED)["entity"][1]["detail"]}


def test_a_bundle_is_json_with_one_entry_for_each_look() -> None:
    bundle = json.loads(json.dumps(render_bundle("xinpei-test", ALL)))
    assert (bundle["resourceType"], bundle["type"], len(bundle["entry"])) == ("Bundle", "collection", len(ALL))
    assert len({entry["fullUrl"] for entry in bundle["entry"][:3]}) == 3
