"""Looks at a customer's records as FHIR R4 `AuditEvent`s, in the shapes of IHE's Basic Audit Log Patterns (BALP).

    look                                  type                        subtype         action   profile
    a share, an order that is permitted   DCM 110106 Export           disclose        R        PrivacyDisclosure.Source
    an ask, an emergency, a visit         DCM 110113 Security Alert   AuthZ-Consent   E        AuthZconsent
    what is refused under a grant         DCM 110113 Security Alert   AuthZ-Consent   E        AuthZconsent
    an opening of a claim that is entered DCM 110106 Export           disclose        R        PrivacyDisclosure.Source
    an order or opening that is refused,  DCM 110113 Security Alert   AuthZ-Role      E        none: no consent
    a fetch with no share behind it

A visit is no disclosure: rules ran on the records under the grant and none was released, which is a permit with the
hospital as its client. It has one event for each stay.

Attempts that the chain counts are one event, of the latest: its details say how many there were, and since when.

`outcome` is 0 for what was permitted and 8 for what was refused, with the condition that failed in `outcomeDesc`. The
chain is the audit source and the authoriser, so a disclosure's source agent is the chain as well; the hospital that
hands over is its custodian, and of a claim that is opened the insurer. People are identifiers of the chain
(pseudonyms, grants, records), never names. BALP's authorisation decision has room for the patient and the consent
alone: what was asked for stands in the details of the consent. Networks are told as URIs of the chain: a node's
address is not on it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from nodes.schemas.looks import Look

DCM = "http://dicom.nema.org/resources/ontology/DCM"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
SECURITY_ROLE = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
SNOMED = "http://snomed.info/sct"
AUTHZ = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition"
SUCCESS, SERIOUS_FAILURE = "0", "8"

Json = dict[str, Any]


def render_bundle(chain_id: str, looks: Iterable[Look]) -> Json:
    """Return a Bundle of type `collection` with one AuditEvent for every look."""
    events = [render_event(chain_id, look) for look in looks]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:xinpei:{chain_id}:{event['id']}", "resource": event} for event in events],
    }


def render_event(chain_id: str, look: Look) -> Json:
    """Return one look as an AuditEvent."""
    is_refused = look.status == "refused"
    is_disclosure = not is_refused and look.kind in ("share", "order", "opening")
    event: Json = {"resourceType": "AuditEvent", "id": _name_event(look)}
    profile = _name_profile(look, is_disclosure=is_disclosure)
    if profile is not None:
        event["meta"] = {"profile": [f"{PROFILES}/IHE.BasicAudit.{profile}"]}
    event |= {
        "type": _coding(DCM, "110106", "Export") if is_disclosure else _coding(DCM, "110113", "Security Alert"),
        "subtype": [_subtype(look, is_disclosure=is_disclosure)],
        "action": "R" if is_disclosure else "E",
        "recorded": _instant(look.time_ms),
        "outcome": SERIOUS_FAILURE if is_refused else SUCCESS,
        "outcomeDesc": f"{look.code} {look.condition}" if is_refused else _name_outcome(look),
        "purposeOfEvent": [{"coding": [_coding(ACT_REASON, look.purpose)]}],
        "agent": _disclosers(chain_id, look) if is_disclosure else _deciders(chain_id, look),
        "source": {"observer": _chain(chain_id), "type": [_coding(SOURCE_TYPE, "6", "Security Server")]},
        "entity": _entities(chain_id, look, is_disclosure=is_disclosure),
    }
    return event


def _name_outcome(look: Look) -> str:
    return f"{look.status}, with who the customer is" if look.names_person else look.status


def _name_event(look: Look) -> str:
    """Return the look's place in the chain; of a visit with the stay, because one transaction may visit several."""
    place = f"{look.height}-{look.index}"
    return f"{place}.{look.stay}" if look.kind == "visit" else place


def _name_profile(look: Look, *, is_disclosure: bool) -> str | None:
    if is_disclosure:
        return "PrivacyDisclosure.Source"
    return "AuthZconsent" if look.grant is not None else None


def _subtype(look: Look, *, is_disclosure: bool) -> Json:
    if is_disclosure:
        return _coding(LIFECYCLE, "disclose")
    return _coding(AUTHZ, "AuthZ-Consent" if look.grant is not None else "AuthZ-Role")


def _disclosers(chain_id: str, look: Look) -> list[Json]:
    """Return the agents of a disclosure: source, recipient, custodian, and the customer who authorised it."""
    chain = _network(f"urn:xinpei:{chain_id}")
    custodian = look.signer if look.kind == "opening" else look.hospital
    agents = [
        _agent(_coding(DCM, "110153", "Source Role ID"), _chain(chain_id), network=chain),
        _agent(
            _coding(DCM, "110152", "Destination Role ID"),
            _organisation(chain_id, look.by),
            is_requestor=True,
            role=look.role,
            network=_network(f"urn:xinpei:{chain_id}:{look.by}"),
        ),
        _agent(_coding(SNOMED, "159541003", "Record keeping/library clerk"), _organisation(chain_id, custodian)),
    ]
    if look.grant is not None:
        patient = _reference(chain_id, "Patient", look.subject)
        agents.append(_agent(_coding(SNOMED, "429577009", "Patient Advocate"), patient))
    return agents


def _deciders(chain_id: str, look: Look) -> list[Json]:
    """Return the agents of an authorisation decision: client, user, the user's organisation, authoriser."""
    who = _organisation(chain_id, look.by)
    network = _network(f"urn:xinpei:{chain_id}:{look.signer}")
    return [
        _agent(_coding(DCM, "110150", "Application"), _organisation(chain_id, look.signer), network=network),
        _agent(
            _coding(PARTICIPATION, "IRCP", "information recipient"),
            who,
            is_requestor=True,
            role=look.role,
            purpose=look.purpose,
        ),
        _agent(_coding(ROLE_CLASS, "PROV", "healthcare provider"), who),
        _agent(_coding(SECURITY_ROLE, "authserver", "authorization server"), _chain(chain_id)),
    ]


def _entities(chain_id: str, look: Look, *, is_disclosure: bool) -> list[Json]:
    patient = {
        "what": _reference(chain_id, "Patient", look.subject),
        "type": _coding(ENTITY_TYPE, "1", "Person"),
        "role": _coding(OBJECT_ROLE, "1", "Patient"),
    }
    details = _details(look)
    entities = [patient]
    if look.grant is not None:
        consent: Json = {
            "what": _reference(chain_id, "Consent", look.grant),
            "type": _coding(RESOURCE_TYPES, "Consent", "Consent"),
        }
        entities.append(consent if is_disclosure else consent | {"detail": details})
    if is_disclosure or look.grant is None:
        record: Json = {"type": _coding(ENTITY_TYPE, "2", "System Object"), "role": _coding(OBJECT_ROLE, "3", "Report")}
        if look.record is not None:
            record["what"] = _reference(chain_id, "DocumentReference", look.record)
        elif look.claim is not None:
            record["what"] = _reference(chain_id, "Claim", look.claim)
        entities.append(record | {"detail": details})
    return entities


def _details(look: Look) -> list[Json]:
    """Return what FHIR has no element for: what was asked for, under what, and the released fields."""
    found: list[tuple[str, str | None]] = [
        ("status", look.status),
        ("stay", look.stay),
        ("claim", look.claim),
        ("record", look.record),
        *(("record-type", record_type) for record_type in look.record_types),
        ("grant-version", str(look.grant_version) if look.grant is not None else None),
        ("order", look.order),
        ("legal-basis", look.basis),
        ("field-set", look.field_set),
        *(("field", field) for field in look.fields),
        ("count", str(look.count) if look.count > 1 else None),
        ("since", None if look.since_ms is None else _instant(look.since_ms)),
        ("height", str(look.height)),
        ("transaction", look.transaction),
    ]
    return [{"type": name, "valueString": value} for name, value in found if value is not None]


def _agent(
    kind: Json,
    who: Json,
    *,
    is_requestor: bool = False,
    role: str = "",
    network: Json | None = None,
    purpose: str | None = None,
) -> Json:
    agent: Json = {"type": {"coding": [kind]}, "who": who, "requestor": is_requestor}
    if role:
        agent["role"] = [{"text": role}]
    if network is not None:
        agent["network"] = network
    if purpose is not None:
        agent["purposeOfUse"] = [{"coding": [_coding(ACT_REASON, purpose)]}]
    return agent


def _chain(chain_id: str) -> Json:
    return {"type": "Device", "identifier": {"system": "urn:xinpei", "value": chain_id}, "display": "Xinpei"}


def _organisation(chain_id: str, name: str) -> Json:
    return _reference(chain_id, "Organization", name) | {"display": name}


def _reference(chain_id: str, resource: str, value: str) -> Json:
    return {"type": resource, "identifier": {"system": f"urn:xinpei:{chain_id}", "value": value}}


def _network(address: str) -> Json:
    return {"address": address, "type": "5"}


def _coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code} | ({} if display is None else {"display": display})


def _instant(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
