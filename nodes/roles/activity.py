"""Who has looked at a customer's records: every receipt about her on the chain, in one shape.

    receipt            of contract     becomes a look of kind       status
    ShareReceipt       records         share                        shared, delivered, disputed, lapsed
    Attempt            attempts        share, ask, emergency,       refused, permitted
                                       visit, settlement
                                       fetch                        refused: the custodian's node turned it away
                                       order                        ordered, delivered, disputed, refused
                                       opening                      opened, refused
    Counted            attempts        as its latest attempt        refused, so many times
    GlassUse           emergencies     emergency                    used, and justified or unjustified once reviewed
    ExecutionReceipt   visits          visit, one for each stay     visited: rules ran there, no record was released

A page is of one source, because each is listed by a key of its own; whoever reads all of them sorts by place. An
attached document is a record, so its shares, questions and orders are those of any other.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypedDict, cast

from contracts.attempts import LIST_ROWS_MAX as ATTEMPTS_MAX
from contracts.attempts import Attempt, AttemptView, CountedView, ListAttempts
from contracts.emergencies import LIST_ROWS_MAX as USES_MAX
from contracts.emergencies import GlassUse
from contracts.executions import ExecutionReceipt, ListExecutions, VisitedStay
from contracts.grants import ListGrants
from contracts.identifiers import Place
from contracts.orders import Order, ShowOrder, find_basis
from contracts.stays import ListSeen, ShareView
from contracts.visits import LIST_ROWS_MAX as VISITS_MAX
from ledger.errors import DecodeError
from nodes.agent import ChainView
from nodes.schemas.looks import Look

Source = Literal["shares", "attempts", "counted", "emergencies", "visits"]
SOURCES: tuple[Source, ...] = ("shares", "attempts", "counted", "emergencies", "visits")


@dataclass(frozen=True, slots=True)
class Page:
    """Looks of one source."""

    looks: tuple[Look, ...]
    next: str | None
    """Where the next page begins; None on the last one."""


def list_looks(view: ChainView, subject: str, source: Source, after: str) -> Page:
    """Return a page of what one source has about a pseudonym.

    Args:
        view: The latest committed state.
        subject: The pseudonym.
        source: Which receipts.
        after: `next` of the page before; empty for the first.

    Raises:
        DecodeError: If `after` is no place in this source.
    """
    if source == "shares":
        shares = view.query("records", "seen", ListSeen(subject, after), tuple[ShareView, ...])
        looks = tuple(_describe_share(view, item) for item in shares)
        return Page(looks, shares[-1].share.record_id if shares else None)
    if source in ("attempts", "counted"):
        if after and not (after.isascii() and after.isdigit() and len(after) <= 12):
            msg = f"after: expected the number of an attempt, got {after[:32]!r}"
            raise DecodeError(msg)
        return _list_attempts(view, ListAttempts(subject, int(after or "0")), is_counted=source == "counted")
    if source == "visits":
        visits = view.query("visits", "of_subject", ListExecutions(subject, after), tuple[ExecutionReceipt, ...])
        looks = tuple(_describe_visit(view, visit, stay) for visit in visits for stay in visit.stays)
        return Page(looks, visits[-1].claim_id if len(visits) >= VISITS_MAX else None)
    uses = view.query("emergencies", "list_of_subject", ListGrants(subject, after), tuple[GlassUse, ...])
    return Page(tuple(_describe_use(item) for item in uses), uses[-1].use_id if len(uses) == USES_MAX else None)


def _list_attempts(view: ChainView, asked: ListAttempts, *, is_counted: bool) -> Page:
    if is_counted:
        counted = view.query("attempts", "counted_of_subject", asked, tuple[CountedView, ...])
        looks = tuple(_describe_counted(view, item) for item in counted)
        return Page(looks, str(counted[-1].sequence) if len(counted) == ATTEMPTS_MAX else None)
    attempts = view.query("attempts", "of_subject", asked, tuple[AttemptView, ...])
    looks = tuple(_describe_attempt(view, f"attempt-{item.sequence}", item.attempt, item.fields) for item in attempts)
    return Page(looks, str(attempts[-1].sequence) if len(attempts) == ATTEMPTS_MAX else None)


def find_order(view: ChainView, order_id: str) -> Order | None:
    """Return a regulator's order."""
    return view.query("access", "show", ShowOrder(order_id), cast("type[Order | None]", Order | None))


def purpose_of(field_set: str) -> str:
    """Return the purpose that a field set is for: it stands first in its name."""
    return field_set.partition("/")[0]


def _describe_share(view: ChainView, item: ShareView) -> Look:
    share = item.share
    return Look(
        id=f"{share.record_id}.{share.recipient}.{share.sequence}",
        subject=share.subject,
        kind="share",
        status=item.status.lower(),
        by=share.recipient,
        role=_role(view, share.recipient),
        signer=share.hospital,
        hospital=share.hospital,
        stay=share.stay_id,
        record=share.record_id,
        record_types=(share.record_type,),
        purpose=purpose_of(share.field_set),
        grant=share.grant_id,
        grant_version=share.grant_version,
        field_set=share.field_set,
        fields=item.fields,
        answered_ms=None if item.handover is None else item.handover.place.time_ms,
        **_locate(share.place),
    )


def _describe_attempt(view: ChainView, look_id: str, attempt: Attempt, fields: tuple[str, ...] = ()) -> Look:
    is_order = attempt.order_id is not None and attempt.decision == "permit"
    order = find_order(view, attempt.order_id) if is_order and attempt.order_id is not None else None
    basis = None if attempt.basis is None else find_basis(attempt.basis)
    status = "refused" if attempt.decision == "deny" else "opened" if attempt.kind == "opening" else "permitted"
    if order is not None:
        status = "ordered" if order.answer is None else order.answer.result.lower()
    return Look(
        id=look_id,
        subject=attempt.subject,
        kind=attempt.kind,
        status=status,
        by=attempt.recipient,
        role=attempt.role or "",
        signer=attempt.signer,
        hospital=attempt.hospital,
        stay=attempt.stay_id,
        claim=attempt.claim_id,
        record=attempt.record_id,
        record_types=() if attempt.record_type is None else (attempt.record_type,),
        purpose=attempt.purpose,
        grant=attempt.grant_id,
        grant_version=attempt.grant_version,
        order=attempt.order_id,
        basis=attempt.basis,
        law_zh=None if basis is None else basis.law_zh,
        law_en=None if basis is None else basis.law_en,
        code=attempt.code,
        condition=attempt.condition,
        field_set=attempt.field_set,
        fields=fields,
        names_person=attempt.names_person,
        answered_ms=None if order is None or order.answer is None else order.answer.place.time_ms,
        **_locate(attempt.place),
    )


def _describe_counted(view: ChainView, item: CountedView) -> Look:
    counted = item.counted
    latest = _describe_attempt(view, f"counted-{item.sequence}", counted.latest)
    return replace(latest, count=counted.count, since_ms=counted.first.time_ms)


def _describe_use(use: GlassUse) -> Look:
    return Look(
        id=use.use_id,
        subject=use.subject,
        kind="emergency",
        status="used" if use.review is None else use.review.finding,
        by=use.recipient,
        role="hospital",
        signer=use.recipient,
        hospital=use.hospital,
        record_types=use.record_types,
        purpose="BTG",
        grant=use.grant_id,
        grant_version=use.grant_version,
        **_locate(use.place),
    )


def _describe_visit(view: ChainView, visit: ExecutionReceipt, stay: VisitedStay) -> Look:
    return Look(
        id=f"{visit.claim_id}.{visit.sequence}.{stay.stay_id}",
        subject=visit.subject,
        kind="visit",
        status="visited",
        by=visit.recipient,
        role=_role(view, visit.recipient),
        signer=visit.hospital,
        hospital=visit.hospital,
        stay=stay.stay_id,
        claim=visit.claim_id,
        record_types=tuple(dict.fromkeys(stay.record_types)),
        purpose="HPAYMT",
        grant=visit.grant_id,
        grant_version=visit.grant_version,
        **_locate(visit.place),
    )


class _Located(TypedDict):
    """The fields of a look that say where its receipt stands."""

    height: int
    index: int
    time_ms: int
    transaction: str


def _locate(place: Place) -> _Located:
    return {
        "height": place.height,
        "index": place.index,
        "time_ms": place.time_ms,
        "transaction": place.transaction_id.hex(),
    }


def _role(view: ChainView, name: str) -> str:
    actor = view.actor(name)
    return "" if actor is None else actor.role
