"""Mandates: what an authority to act for another customer says, whether it is in force, and what it covers.

    kind        who acts                          given by                             for
    guardian    a parent or guardian (监护人)      a hospital or insurer that has seen   child, ward; countersigns for
                                                  the documents                        a youth
    delegate    whom she chose (受托人)            the customer's own key               an adult
    heir        a close relative (近亲属)           a hospital or insurer that has seen   a customer who has died
                                                  the documents

A guardian's authority says for which of three she acts, and is worth nothing for the others:

    child   under 14: she acts alone, until the 14th birthday (PIPL 31)
    youth   14 to 17: she countersigns, until the 18th birthday
    ward    under guardianship, whatever her age: she acts alone, and no birthday ends it

So a birthday is kept by block time: what was granted under an authority ends with it at the latest, whether or not the
parties have judged anew by then. After the 14th a new authority is attested; after the 18th none is.

An authority is bounded in block time and in scope, and nothing may widen it: what its holder grants stays within its
purposes, record types, sources and grantees and ends no later. What its holder says of a claim is for HPAYMT, between a
hospital of its sources and an insurer of its grantees, and never a youth's guardian's. An attested authority alone
gives no access. The grant that rests on it must still be matched by hospital and insurer, each of which compares the
holder with its own records.

With PATRQT among its purposes, an authority of a guardian or an heir lets its holder ask what the subject could: that
whoever attested it erases her records (contract `erasure`).
"""

from typing import Annotated, Literal

from contracts.grants import SOURCES_MAX, Capacity, Grant, Grantor, Minority, Purpose, RecordType
from contracts.identifiers import AuthorityId, Place
from ledger.execution.contract import Hash, Meta, Milliseconds, Name, Struct, reject

MandateKind = Literal["guardian", "delegate", "heir"]
YEAR_MS = 366 * 24 * 60 * 60 * 1000
"""A year, and no less."""
MINORITY_MS: dict[str, int] = {"child": 14 * YEAR_MS, "youth": 4 * YEAR_MS}
"""How long somebody is one at most, from the day on which it is attested."""
ANY_MANDATE = ("guardian", "delegate", "heir")


class MandateScope(Struct):
    """What the holder may grant at most; every list is sorted."""

    purposes: Annotated[tuple[Purpose, ...], Meta(min_length=1, max_length=8)]
    record_types: Annotated[tuple[RecordType, ...], Meta(min_length=1, max_length=8)]
    sources: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=SOURCES_MAX)]
    grantees: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=SOURCES_MAX)]


class Attest(Struct):
    """Transaction `attest`: by an organisation for a guardian or heir, by the customer for her delegate."""

    authority_id: AuthorityId
    kind: MandateKind
    subject: Name
    """The pseudonym that is acted for."""
    holder: Name
    """The pseudonym that acts."""
    documents: Hash
    """Salted commitment to what was seen: a birth certificate, a court's decision, a letter of attorney."""
    scope: MandateScope
    from_ms: Milliseconds
    until_ms: Milliseconds
    """From this block time on it is over: of a child's guardian at the latest on her 14th birthday, of a youth's on
    her 18th."""
    minority: Minority | None = None
    """Of a guardian: in what way the subject acts, as whoever attests it knows; None for others."""


class EndAuthority(Struct):
    """Transaction `end`: by who gave it, by its holder, or by its subject; final."""

    authority_id: AuthorityId


class Authority(Struct):
    """Table `authorities`: one authority; `ended` is all that ever changes."""

    authority_id: AuthorityId
    kind: MandateKind
    subject: Name
    holder: Name
    given_by: Name
    documents: Hash
    scope: MandateScope
    from_ms: Milliseconds
    until_ms: Milliseconds
    place: Place
    ended: Place | None
    minority: Minority | None = None


class AuthorityEvent(Struct):
    """Events `authority-attested` and `authority-ended`."""

    authority_id: AuthorityId
    kind: MandateKind
    subject: Name
    holder: Name
    given_by: Name


def find_unfit(authority: Authority, capacity: Capacity) -> str | None:
    """Return that a guardian's authority is for somebody who acts in another way than the parties know, or None."""
    if authority.kind != "guardian" or authority.minority == capacity:
        return None
    return f"{authority.authority_id} was attested for a {authority.minority}, the parties know her as {capacity}"


def find_lapse(authority: Authority, time_ms: int) -> str | None:
    """Return why an authority is not in force at a block time, or None."""
    if authority.ended is not None:
        return f"{authority.authority_id} was ended at height {authority.ended.height}"
    if time_ms < authority.from_ms:
        return f"{authority.authority_id} begins at block time {authority.from_ms}"
    if time_ms >= authority.until_ms:
        return f"{authority.authority_id} ended at block time {authority.until_ms}"
    return None


def find_erasure_widening(
    authority: Authority, hospital: str, recipient: str | None, record_types: list[RecordType]
) -> str | None:
    """Return the field in which a request for erasure goes beyond the authority that it rests on, or None.

    Args:
        authority: A guardian's or an heir's.
        hospital: Whose records.
        recipient: Who is asked, if it is not the hospital itself.
        record_types: Of the records.
    """
    scope = authority.scope
    if "PATRQT" not in scope.purposes:
        return f"purpose: PATRQT is not in {authority.authority_id}"
    if hospital not in scope.sources:
        return f"sources: {hospital} is not in {authority.authority_id}"
    if recipient is not None and recipient not in scope.grantees:
        return f"grantee: {recipient} is not in {authority.authority_id}"
    for record_type in record_types:
        if record_type not in scope.record_types:
            return f"record types: {record_type} is not in {authority.authority_id}"
    return None


def find_claim_widening(authority: Authority, hospital: str, insurer: str) -> str | None:
    """Return the field in which what is said of a claim goes beyond the authority that it rests on, or None."""
    scope = authority.scope
    if "HPAYMT" not in scope.purposes:
        return f"purpose: HPAYMT is not in {authority.authority_id}"
    if hospital not in scope.sources:
        return f"sources: {hospital} is not in {authority.authority_id}"
    if insurer not in scope.grantees:
        return f"grantee: {insurer} is not in {authority.authority_id}"
    return None


def check_claim_holder(authority: Authority, customer: str, hospital: str, insurer: str, grantor: Grantor) -> None:
    """Refuse that an authority's holder acts for the customer of a claim.

    A guardian or heir whom the insurer attested alone ends no claim against it: the claim's grant must rest on her,
    so that the hospital has matched her too. The guardian of somebody of 14 to 17 countersigns, and ends nothing.

    Args:
        authority: In force, and about the customer.
        customer: Of the claim, as the next two.
        hospital: Whose stays.
        insurer: Who settles.
        grantor: Of the claim's grant.
    """
    authority_id = authority.authority_id
    if authority.minority == "youth":
        reject("GRANTOR", f"{authority_id}: at 14 to 17 she acts for her claims herself")
    widening = find_claim_widening(authority, hospital, insurer)
    if widening is not None:
        reject("WIDENED", widening)
    if authority.given_by not in (customer, hospital) and grantor.authority != authority_id:
        reject("GRANTOR", f"{authority_id}: was attested by {authority.given_by}; {hospital} has not matched it")


def find_widening(authority: Authority, grant: Grant) -> str | None:
    """Return the field in which a grant goes beyond the authority that it rests on, or None."""
    scope = authority.scope
    if grant.purpose not in scope.purposes:
        return f"purpose: {grant.purpose} is not in {authority.authority_id}"
    if grant.grantee.organisation not in scope.grantees:
        return f"grantee: {grant.grantee.organisation} is not in {authority.authority_id}"
    for source in grant.sources:
        if source not in scope.sources:
            return f"sources: {source} is not in {authority.authority_id}"
    for record_type in grant.scope.record_types:
        if record_type not in scope.record_types:
            return f"record types: {record_type} is not in {authority.authority_id}"
    if grant.permission.expires_at_ms > authority.until_ms:
        return f"expires_at_ms: expected at most the authority's end {authority.until_ms}"
    return None
