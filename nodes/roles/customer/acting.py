"""A customer acts for another: as a guardian, an heir or a delegate; what she needs is on the chain before she does.

A guardian or an heir has it attested, by the hospital for a grant and by each holder for what it is to erase; a
delegate's authority is the other's own act. To say of whom she speaks she uses the other's wallet, which a guardian
keeps for her ward.
"""

import base64

from contracts.grants import Countersign
from contracts.mandates import MandateKind
from ledger.codec import encode
from nodes.client import Client
from nodes.roles.authorising import Act
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.customer.offers import Behalf
from nodes.schemas.terms import GrantTerms
from nodes.wallet import Pseudonym


def act_for(person: Customer, other: Customer, kind: MandateKind, terms: GrantTerms) -> Behalf:
    """Return on whose behalf terms are granted, having had the hospital attest it where it has not.

    Args:
        person: Who acts.
        other: For whom.
        kind: As what. A delegate's authority is looked up (`Customer.delegate`).
        terms: What is to be granted.

    Raises:
        ApiError: If the hospital's records do not name the one for the other.
        CustomerError: If a delegate has no authority in force for these parties.
    """
    pseudonym, theirs = person.pseudonym_for(terms), other.pseudonym_for(terms)
    with other.client(theirs, terms.hospital) as client:
        other.enrol(client, theirs)
    with person.client(pseudonym, terms.hospital) as client:
        person.enrol(client, pseudonym)
        if kind == "delegate":
            return Behalf(kind, other.wallet, theirs, _find_delegation(client, theirs.name, terms))
        authority = _have_attested(person, client, "grant", kind, other, theirs, terms.recipient)
    return Behalf(kind, other.wallet, theirs, authority)


def countersign(person: Customer, grant_id: str, other: Customer, terms: GrantTerms) -> None:
    """Agree, as a guardian, to what a customer of 14 to 17 granted.

    Raises:
        ApiError: If the hospital's records do not name the guardian for her, or the chain refuses.
        CustomerError: If there is no such grant of hers.
    """
    _, found = other.find_grant(grant_id)
    versions = found["versions"]
    assert isinstance(versions, list), "a grant has versions"
    behalf = act_for(person, other, "guardian", terms)
    pseudonym = person.pseudonym_for(terms)
    message = Countersign(str(found["grant_id"]), int(versions[-1]["version"]), behalf.authority)
    with person.client(pseudonym, terms.hospital) as client:
        person.transact(client, pseudonym, "consent", "countersign", message)


def stand_in(person: Customer, other: Customer, kind: MandateKind, theirs: Pseudonym, holder: str) -> str:
    """Have a holder of another's records attest that somebody may have it erase them; return the authority.

    Args:
        person: Who stands in.
        other: Her ward, or who has died.
        kind: As what she stands in.
        theirs: The pseudonym that the records are about.
        holder: The hospital, or whom the records were shared with: the insurer, or another hospital.

    Raises:
        ApiError: If the holder's records do not name the one for the other, or the other is 14 to 17.
        CustomerError: If the holder is a regulator.
    """
    if person.is_regulator(holder):
        msg = (
            f"holder: {holder} is not told who is who, so it erases for nobody but the customer herself; what a grant "
            "of hers gave it goes by the grant's own clock"
        )
        raise CustomerError(msg)
    pseudonym = person.pseudonym(theirs.hospital, theirs.insurer)
    with person.client(pseudonym, holder) as client:
        person.enrol(client, pseudonym)
        recipient = theirs.insurer if holder == theirs.hospital else holder
        return _have_attested(person, client, "erase", kind, other, theirs, recipient)


def _have_attested(
    person: Customer, client: Client, act: Act, kind: MandateKind, other: Customer, theirs: Pseudonym, recipient: str
) -> str:
    sealed = person.seal_both(other.wallet, theirs, client.address.organisation)
    form = {
        "act": act,
        "kind": kind,
        "subject": theirs.name,
        "hospital": theirs.hospital,
        "grantee": recipient,
        "sealed": base64.b64encode(encode(sealed)).decode(),
    }
    return str(client.post("/v1/authorities", form)["authority"])


def _find_delegation(client: Client, subject: str, terms: GrantTerms) -> str:
    for item in client.get("/v1/authorities")["acts_for"]:
        scope = item["scope"]
        covers = terms.recipient in scope["grantees"] and terms.hospital in scope["sources"]
        if (item["kind"], item["subject"], item["ended"]) == ("delegate", subject, None) and covers:
            return str(item["authority_id"])
    msg = f"delegate: expected an authority for {terms.hospital} and {terms.recipient}; see `xinpei consent delegate`"
    raise CustomerError(msg)
