"""What organisations ask of a customer, and what of hers waits for her: her wallet looks, and answers or declines."""

import base64
from typing import Any

from ledger.codec import Struct, decode, encode
from nodes.client import ApiError
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.requests import ConsentRequest, Inbox, RequestView
from nodes.schemas.canonical_json import plain
from nodes.vault.sealing import SealContext, Sealed
from nodes.wallet import Pseudonym


def take_inboxes(person: Customer) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what every organisation asks of a customer, and which claims wait for her; notices are told once.

    Organisations that do not know her have nothing for her.
    """
    requests: dict[str, dict[str, Any]] = {}
    notices: list[dict[str, Any]] = []
    for hospital, insurer in person.pairs():
        pseudonym = person.pseudonym(hospital, insurer)
        for organisation in person.receptions(pseudonym):
            inbox = _take_inbox(person, pseudonym, organisation, is_telling=True)
            requests |= {item.request.request_id: _fields(item) for item in inbox.requests}
            notices += [_fields(item) for item in (*inbox.notices, *inbox.emergencies)]
    return [requests[key] for key in sorted(requests)], notices


def find_request(person: Customer, request_id: str) -> ConsentRequest:
    """Return what is asked of a customer by its id or the start of it.

    Raises:
        CustomerError: If none or several begin so, or it is answered.
    """
    views: dict[str, RequestView] = {}
    for hospital, insurer in person.pairs():
        pseudonym = person.pseudonym(hospital, insurer)
        for organisation in person.receptions(pseudonym):
            inbox = _take_inbox(person, pseudonym, organisation, is_telling=False)
            views |= {item.request.request_id: item for item in inbox.requests}
    found = [item for key, item in views.items() if key.startswith(request_id)]
    if len(found) != 1:
        msg = f"request: expected one of your requests, got {request_id[:64]!r}, which fits {len(found)} of them"
        raise CustomerError(msg)
    if found[0].status != "REQUESTED":
        msg = f"{found[0].request.request_id}: expected REQUESTED, got {found[0].status}"
        raise CustomerError(msg)
    return found[0].request


def deny_request(person: Customer, request: ConsentRequest) -> None:
    """Tell whoever asked that she does not agree."""
    with person.client(person.pseudonym_for(request.terms), request.asked_by) as client:
        client.post(f"/v1/consent-requests/{request.request_id}/denial", {})


def _take_inbox(person: Customer, pseudonym: Pseudonym, organisation: str, *, is_telling: bool) -> Inbox:
    purpose = f"inbox.{pseudonym.name}"
    form: dict[str, object] = {
        "sealed": base64.b64encode(encode(person.disclose_herself(pseudonym, organisation, purpose))).decode(),
        "seal_key": base64.b64encode(pseudonym.seal_key.public_key).decode(),
        "is_telling": is_telling,
    }
    with person.client(pseudonym, organisation) as client:
        try:
            answer = client.post("/v1/consent-requests/inbox", form)
        except ApiError as error:
            if error.code == "REFUSED":  # who she is means nothing to them: there is nothing for her
                return Inbox((), ())
            raise
    context = SealContext(person.chain_id, purpose, organisation, pseudonym.name)
    return decode(pseudonym.seal_key.open(decode(bytes.fromhex(answer["sealed"]), Sealed), context), Inbox)


def _fields(value: Struct) -> dict[str, Any]:
    """Return a struct as JSON values."""
    found = plain(value)
    assert isinstance(found, dict), "a struct has fields"
    return found
