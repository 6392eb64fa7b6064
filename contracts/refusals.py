"""Refusals: questions point to point that a custodian's node turned away, as it enters them on the chain.

A question between two nodes travels over mutual TLS and is signed by nobody. So an entry of this kind is the
custodian's signed word that it was asked, and no proof against the asker. What the chain can tell it says itself: why
nothing stands behind the question. Where something does, the custodian can enter nothing.
"""

from typing import Annotated

from contracts.attempts import Attempt
from contracts.conditions import CLAIM_PURPOSE
from contracts.consent import Consent
from contracts.emergencies import GlassUse
from contracts.entries import need_to_enter
from contracts.identifiers import Place
from contracts.membership import Membership
from contracts.needs import Finding
from contracts.retention import Retention
from contracts.stays import Record, RecordView, ShareView, Stay
from ledger.execution.contract import Actor, Day, Meta, Name, Struct

REFUSALS_MAX = 256
"""Refusals of one asker that one custodian enters in a day: nobody has it fill the chain by asking for ever more."""

About = Annotated[str, Meta(pattern=r"^(record|order|glass)-[0-9a-f]{12,32}\Z")]
"""What the question named: a record, a regulator's order, or a break-glass use whose reason was asked for."""


class TurnAway(Struct):
    """Transaction `access.turn_away`: a custodian says that it was asked for something and did not give it."""

    about: About
    asker: Name


class Refused(Struct):
    """Table `refused`: the latest refusal of one asker and one thing."""

    day: Day
    """Civil day at UTC+8, by block time: one entry a day."""
    place: Place


class RefusedToday(Struct):
    """Table `refused_today`: how many refusals of one asker a custodian has entered on its latest day."""

    day: Day
    entries: Annotated[int, Meta(ge=0, le=REFUSALS_MAX)]


class FindRefused(Struct):
    """Query `access.find_refused`: how a question stands that a custodian turned away."""

    about: About
    asker: Name
    custodian: Name


class RefusedView(Struct):
    """How such a question stands."""

    finding: Finding
    """Why nothing stands behind it, as the chain sees it now."""
    latest: Refused | None
    """The latest entry about asker and thing."""
    today: RefusedToday
    """What the custodian has entered of the asker on the day of the latest block."""


def find_share(view: RecordView, asker: str) -> ShareView | None:
    """Return the latest share of a record with whoever asks for it, or None."""
    shares = [item for item in view.shares if item.share.recipient == asker]
    return shares[-1] if shares else None


def find_unshared(
    membership: Membership, consent: Consent, retention: Retention, view: RecordView, stay: Stay, asker: str
) -> Finding | None:
    """Return why a record is not handed to whoever asks for it, or None if a share that stands says that it is.

    The conditions are those that the custodian looks at when it hands over, in its order. A share that was answered
    withholds nothing: the asker has had what it was for.

    Args:
        membership: The register of members.
        consent: The register of grants.
        retention: What holders were asked to erase.
        view: The record with its shares.
        stay: Its stay.
        asker: Who asks.
    """
    record_id, item = view.record.record_id, find_share(view, asker)
    if not membership.is_member(asker):
        return Finding("AUTH-013", "recipient", f"{asker} is a member no more")
    if item is None:
        return Finding("NOT_SHARED", "no share", f"{record_id}: was never shared with {asker}")
    if item.status == "LAPSED":
        return Finding("NOT_SHARED", "share lapsed", f"{record_id}: {asker} did not answer its share in time")
    if item.status != "SHARED":
        return None
    finding = retention.find_erasure(stay.stay_id, record_id, stay.hospital, asker)
    if finding is not None:
        return finding
    if stay.claim_id is None and stay.purpose == CLAIM_PURPOSE:
        return Finding("NOT_REPORTED", "claim", f"{stay.stay_id}: expected a claim that needs the record")
    return consent.failing(need_to_enter(stay, item.share.grant_id, view.record.record_type))


def attempt_fetch(record: Record, stay: Stay, asker: Actor, place: Place) -> Attempt:
    """Return the attempt to have a record of its custodian, before it is decided."""
    return Attempt(
        subject=record.subject,
        kind="fetch",
        recipient=asker.name,
        role=asker.role,
        signer=record.hospital,
        hospital=record.hospital,
        stay_id=record.stay_id,
        record_id=record.record_id,
        record_type=record.record_type,
        purpose=stay.purpose,
        grant_id=None,
        grant_version=0,
        order_id=None,
        decision="permit",
        code="",
        condition="",
        field_set=None,
        place=place,
        claim_id=stay.claim_id,
    )


def attempt_reason(use: GlassUse, asker: Actor, place: Place) -> Attempt:
    """Return the attempt to be told why a hospital broke the glass, before it is decided."""
    return Attempt(
        subject=use.subject,
        kind="fetch",
        recipient=asker.name,
        role=asker.role,
        signer=use.recipient,
        hospital=use.hospital,
        stay_id=None,
        record_id=None,
        record_type=None,
        purpose="BTG",
        grant_id=use.grant_id,
        grant_version=use.grant_version,
        order_id=None,
        decision="permit",
        code="",
        condition="",
        field_set=None,
        place=place,
    )
