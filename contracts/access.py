"""Access: who asks to see a customer's records, and a regulator's statutory access; nothing of it is silent.

Rules:

    1. A member asks for a record type of a stay under a grant. The contract decides by the same conditions as a share,
       of a named record also whether it is withheld from everybody, and enters the attempt either way. A permit hands
       nothing over: the hospital's share does, and counts as the use.
    2. A regulator orders one record under a law (HLEGAL), with the order's number committed to. It needs no grant, and
       no denial of the customer stands against it. Anybody else who tries is refused on the record.
    3. The order's entry is the door, as a share is: the custodian hands over after it is committed and not before.
       The regulator answers once: opened, or disputed. Orders do not lapse.
    4. A regulator is a holder of what it ordered, and an erasure reaches it (contract `erasure`): when the customer
       asks, and when the grant under which the record was entered has its recipient erase. What it has erased it does
       not get again.
    5. Every entry stands under the customer's pseudonym (contract `attempts`), and its event names it.
    6. Who is asked point to point for what it keeps, and turns the question away, enters that: one entry for each
       asker, thing and day, and at most REFUSALS_MAX of one asker a day. Why nothing stands behind the question is
       what the chain says; that it was asked is the custodian's word. Where a share or order stands, nothing is
       entered (COVERED), nor about what the chain does not know.

    table          key                   value
    orders         order id              Order, with its answer
    open           regulator, order id   OrderIndex: not yet answered
    by_regulator   regulator, order id   OrderIndex
    by_record      record id, regulator  LatestOrder
    refused        thing, asker          Refused: the latest entry
    refused_today  custodian, asker      RefusedToday
"""

from contracts.attempts import Asked, Attempt, Attempts
from contracts.calendar import DAY_MS, UTC_OFFSET_MS
from contracts.consent import Consent
from contracts.emergencies import Emergencies, ShowUse
from contracts.field_sets import name_ordered_set
from contracts.identifiers import Place, locate
from contracts.membership import Membership
from contracts.needs import Finding
from contracts.orders import (
    AnswerOrder,
    Ask,
    FindOrder,
    LatestOrder,
    ListHolders,
    ListOrders,
    Order,
    OrderAnswer,
    OrderEvent,
    OrderIndex,
    PlaceOrder,
    ShowOrder,
    find_mismatch,
)
from contracts.records import Records
from contracts.refusals import (
    REFUSALS_MAX,
    FindRefused,
    Refused,
    RefusedToday,
    RefusedView,
    TurnAway,
    attempt_fetch,
    attempt_reason,
    find_share,
    find_unshared,
)
from contracts.retention import Retention
from contracts.stays import Record, ShowRecord
from ledger.execution.contract import Actor, Contract, Rows, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Access(Contract):
    """The register of orders, and the door for whoever asks."""

    name = "access"
    orders = Table("orders", Order)
    open_orders = Table("open", OrderIndex)
    by_regulator = Table("by_regulator", OrderIndex)
    by_record = Table("by_record", LatestOrder)
    refused = Table("refused", Refused)
    refused_today = Table("refused_today", RefusedToday)

    @transaction
    def ask(self, message: Ask) -> None:
        """Ask for a record; the entry says whether it may be handed over."""
        recipient = self.call(Membership).require_member().name
        stay = self.call(Records).find_stay(message.stay_id)
        records, attempts = self.call(Records), self.call(Attempts)
        withheld = None
        if message.record_id is not None:
            record = records.find(message.record_id)
            if (record.stay_id, record.record_type) != (message.stay_id, message.record_type):
                reject("FOREIGN_RECORD", f"{message.record_id}: is no {message.record_type} of {message.stay_id}")
            withheld = records.find_withheld(record, stay)
        asked = Asked("ask", recipient, stay, message.record_type, message.record_id, message.grant_id, message.purpose)
        finding = attempts.failing(asked) or withheld or attempts.find_crowding(stay.subject)
        if finding is None:
            attempts.note(asked, None)
        else:
            attempts.refuse_on_record(asked, finding)

    @transaction
    def order(self, message: PlaceOrder) -> None:
        """Order a record under a law."""
        member = self.call(Membership).require_member()
        record = self.call(Records).find(message.record_id)
        if self.orders.get(message.order_id) is not None:
            reject("ORDER_TAKEN", f"{message.order_id} is entered already")
        place = locate(self.context)
        retention = self.call(Retention)
        finding = (
            find_unentitled(member)
            or find_mismatch(message.basis, member.role)
            or retention.find_erased(record.stay_id, record.record_id, member.name)
            or self.call(Attempts).find_crowding(record.subject)
        )
        self._note(message, record, place, finding)
        if finding is not None:
            self.refuse(finding.code, f"{finding.condition}: {finding.text}")
            return
        order = Order(
            message.order_id,
            record.record_id,
            record.stay_id,
            record.record_type,
            record.hospital,
            record.subject,
            member.name,
            message.basis,
            message.number,
            name_ordered_set(self.call(Records).find_stay(record.stay_id).purpose, record.record_type),
            place,
            None,
        )
        self.orders.put(order.order_id, order)
        for table in (self.open_orders, self.by_regulator):
            table.put((order.regulator, order.order_id), OrderIndex(place))
        latest = self.by_record.get((order.record_id, order.regulator))
        if latest is None:
            retention.remind_regulator(record, order.regulator)
        is_delivered = latest is not None and latest.is_delivered
        self.by_record.put((order.record_id, order.regulator), LatestOrder(order.order_id, is_delivered))
        self._emit("access-ordered", order)

    @transaction
    def answer(self, message: AnswerOrder) -> None:
        """Say what came of an order."""
        order = self.orders.get(message.order_id)
        if order is None:
            reject("UNKNOWN_ORDER", f"there is no order {message.order_id}")
        if order.regulator != self.context.signer:
            reject("FORBIDDEN", f"{message.order_id}: expected {order.regulator}, got {self.context.signer}")
        if order.answer is not None:
            reject("WRONG_STATE", f"{message.order_id}: was answered at height {order.answer.place.height}")
        result = OrderAnswer(
            "DELIVERED" if message.reason is None else "DISPUTED", message.reason, locate(self.context)
        )
        latest = self.by_record.get((order.record_id, order.regulator))
        assert latest is not None, "what was ordered has a latest order"
        if result.result == "DELIVERED" and not latest.is_delivered:
            self.by_record.put((order.record_id, order.regulator), replace(latest, is_delivered=True))
        answered = replace(order, answer=result)
        self.orders.put(order.order_id, answered)
        self.open_orders.delete((order.regulator, order.order_id))
        self._emit("access-answered", answered)

    @transaction
    def turn_away(self, message: TurnAway) -> None:
        """Enter, as a custodian, that somebody asked for something and was not given it."""
        custodian = self.call(Membership).require_member().name
        attempt, finding = self._judge(message.about, message.asker, custodian)
        known = self.refused.get((message.about, message.asker))
        tally = self._tally(custodian, message.asker)
        if known is not None and known.day == tally.day:
            reject("ALREADY_REFUSED", f"{message.about}: that {message.asker} was refused it today is entered")
        if tally.entries >= REFUSALS_MAX:
            reject("TOO_MANY", f"{message.asker}: expected at most {REFUSALS_MAX} refusals at {custodian} a day")
        self.refused.put((message.about, message.asker), Refused(tally.day, attempt.place))
        self.refused_today.put((custodian, message.asker), replace(tally, entries=tally.entries + 1))
        self.call(Attempts).decide(attempt, finding)

    @query
    def find_refused(self, message: FindRefused) -> RefusedView:
        """Return how a question stands that a custodian turned away; rejected where there is nothing to enter."""
        _, finding = self._judge(message.about, message.asker, message.custodian)
        known = self.refused.get((message.about, message.asker))
        return RefusedView(finding, known, self._tally(message.custodian, message.asker))

    @query
    def show(self, message: ShowOrder) -> Order | None:
        """Return an order, or None."""
        return self.orders.get(message.order_id)

    @query
    def latest(self, message: FindOrder) -> Order | None:
        """Return a regulator's latest order of a record, or None."""
        found = self.by_record.get((message.record_id, message.regulator))
        return None if found is None else self.orders.get(found.order_id)

    @query
    def held(self, message: ListHolders) -> tuple[Order, ...]:
        """Return the latest order of each regulator that has a record or waits for it."""
        return tuple(self._held(message.record_id))

    @query
    def list_open(self, message: ListOrders) -> tuple[Order, ...]:
        """Return a regulator's orders that it has not answered."""
        return self._page(self.open_orders, message)

    @query
    def list_of_regulator(self, message: ListOrders) -> tuple[Order, ...]:
        """Return a regulator's orders."""
        return self._page(self.by_regulator, message)

    def regulators_of(self, record_id: str) -> list[str]:
        """Return the regulators that have a record by an order, or wait for it, sorted."""
        return [order.regulator for order in self._held(record_id)]

    def _held(self, record_id: str) -> list[Order]:
        """Return the latest order of each regulator that has a record or waits for it."""
        found: list[Order] = []
        for _, latest in self.by_record.scan(record_id):
            order = self.orders.get(latest.order_id)
            assert order is not None, "an index names an order that exists"
            if latest.is_delivered or order.answer is None:
                found.append(order)
        return found

    def _judge(self, about: str, asker: str, custodian: str) -> tuple[Attempt, Finding]:
        """Return what was asked of a custodian and why nothing stands behind it; reject where there is no refusal."""
        actor = self.context.actor(asker)
        if actor is None or actor.role == "customer" or asker == custodian:
            reject("UNKNOWN_ASKER", f"asker: expected another organisation than {custodian}, got {asker}")
        if about.startswith("record-"):
            keeper, attempt, finding = self._judge_record(about, actor)
        elif about.startswith("order-"):
            keeper, attempt, finding = self._judge_order(about, actor)
        else:
            keeper, attempt, finding = self._judge_use(about, actor)
        if keeper != custodian:
            reject("FORBIDDEN", f"{about}: expected {keeper}, who keeps it, got {custodian}")
        if finding is None:
            reject("COVERED", f"{about}: {asker} may have it, or has had it")
        return attempt, finding

    def _judge_record(self, record_id: str, asker: Actor) -> tuple[str, Attempt, Finding | None]:
        view = self.call(Records).record(ShowRecord(record_id))
        if view is None:
            reject("UNKNOWN_RECORD", f"there is no record {record_id}")
        stay = self.call(Records).find_stay(view.record.stay_id)
        consent = self.call(Consent)
        finding = find_unshared(self.call(Membership), consent, self.call(Retention), view, stay, asker.name)
        attempt = attempt_fetch(view.record, stay, asker, locate(self.context))
        share = find_share(view, asker.name)
        if share is not None:
            grant_id = share.share.grant_id
            attempt = replace(attempt, grant_id=grant_id, grant_version=consent.latest_version(grant_id))
        return stay.hospital, attempt, finding

    def _judge_order(self, order_id: str, asker: Actor) -> tuple[str, Attempt, Finding | None]:
        order = self.orders.get(order_id)
        if order is None:
            reject("UNKNOWN_ORDER", f"there is no order {order_id}")
        record = self.call(Records).find(order.record_id)
        stay = self.call(Records).find_stay(record.stay_id)
        attempt = attempt_fetch(record, stay, asker, locate(self.context))
        attempt = replace(attempt, purpose="HLEGAL", order_id=order_id, basis=order.basis)
        if order.regulator == asker.name:
            return order.hospital, attempt, None
        return order.hospital, attempt, Finding("NOT_ORDERED", "order", f"{order_id} is {order.regulator}'s")

    def _judge_use(self, use_id: str, asker: Actor) -> tuple[str, Attempt, Finding | None]:
        use = self.call(Emergencies).show(ShowUse(use_id))
        if use is None:
            reject("UNKNOWN_USE", f"there is no use {use_id}")
        return use.recipient, attempt_reason(use, asker, locate(self.context)), find_unentitled(asker)

    def _tally(self, custodian: str, asker: str) -> RefusedToday:
        """Return how many refusals of an asker a custodian has entered today."""
        today = (self.context.time_ms + UTC_OFFSET_MS) // DAY_MS
        tally = self.refused_today.get((custodian, asker))
        return tally if tally is not None and tally.day == today else RefusedToday(today, 0)

    def _note(self, message: PlaceOrder, record: Record, place: Place, finding: Finding | None) -> None:
        attempts = self.call(Attempts)
        signer = self.context.signer
        stay = self.call(Records).find_stay(record.stay_id)
        permit = Attempt(
            subject=record.subject,
            kind="order",
            recipient=signer,
            role=attempts.role_of(signer),
            signer=signer,
            hospital=record.hospital,
            stay_id=record.stay_id,
            record_id=record.record_id,
            record_type=record.record_type,
            purpose="HLEGAL",
            grant_id=None,
            grant_version=0,
            order_id=message.order_id,
            decision="permit",
            code="",
            condition="",
            field_set=name_ordered_set(stay.purpose, record.record_type),
            place=place,
            claim_id=stay.claim_id,
            basis=message.basis,
        )
        attempts.decide(permit, finding)

    def _page(self, table: Rows[OrderIndex], message: ListOrders) -> tuple[Order, ...]:
        return tuple(self._order(key[-1]) for key, _ in table.scan(message.regulator, message.after, LIST_ROWS_MAX))

    def _order(self, order_id: str) -> Order:
        order = self.orders.get(order_id)
        assert order is not None, "an index names an order that exists"
        return order

    def _emit(self, event: str, order: Order) -> None:
        self.emit(
            event,
            OrderEvent(order.order_id, order.record_id, order.stay_id, order.hospital, order.regulator, order.subject),
        )


def find_unentitled(member: Actor) -> Finding | None:
    """Return that a member is none to whom a law gives access without a grant, or None."""
    if member.role == "regulator":
        return None
    return Finding("AUTH-013", "role", f"this is a regulator's, {member.name} is of role {member.role}")
