"""Two insurers of one invoice, as their agents live it: the second pays what the first has left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from msgspec.structs import replace

from contracts.listings import ClaimView
from contracts.settlements import Follow, Release, SettledBefore, Withdraw
from ledger.codec import Struct, decode
from ledger.errors import VerificationError
from nodes.agent import Call
from nodes.cli.claims.own_opening import open_latest
from nodes.roles.customer.coordinating import coordinate
from nodes.roles.customer.customer import CustomerError
from nodes.roles.exchange.coordination import PaidBefore, paid_before_context, seal_paid_before
from nodes.roles.exchange.opening import ClaimOpening, open_opening, opening_context
from nodes.roles.insurer import Insurer
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.lookup import find_claim, find_order
from nodes.schemas import canonical_json
from nodes.vault.sealing import AmountOpening, Sealed
from nodes.wallet import Pseudonym
from tests.nodes.roles.lane import POLICY_DAYS, Lane, build_insurer
from tests.nodes.roles.test_insurer import plain_bill
from tests.nodes.roles.town import Customer

FIRST_PAYS, SECOND_PAYS = 382_800, 153_120
"""(6,480.00 - 100.00) x 60 %, and (6,480.00 - 3,828.00 - 100.00) x 60 %."""


@dataclass
class Side:
    """One of the two claims, with its insurer and the customer's pseudonym for it."""

    customer: Customer
    insurer: Insurer
    claim_id: str

    @property
    def shown(self) -> ClaimView:
        view = find_claim(self.customer.town.view, self.claim_id)
        assert view is not None
        return view

    def opening(self) -> ClaimOpening:
        name = self.customer.pseudonym.name
        data, version = self.insurer.customer_opening(self.claim_id, name)
        chain_id = self.customer.town.genesis.chain_id
        context = opening_context(chain_id, self.claim_id, version, self.insurer.name, name)
        return open_opening(self.customer.pseudonym.seal_key, decode(data, Sealed), context)


@dataclass
class Pair:
    """The claim that was paid, and the one that waits."""

    lane: Lane
    first: Side
    second: Side

    def tell(self, paid: PaidBefore, customer: Customer | None = None) -> None:
        """Hand the second insurer what the first paid."""
        teller = (customer or self.second.customer).pseudonym
        member = self.lane.town.genesis.organisation(self.second.insurer.name)
        assert member is not None
        chain_id = self.lane.town.genesis.chain_id
        context = paid_before_context(chain_id, self.second.claim_id, teller.name, member.name)
        sealed = seal_paid_before(member.seal_key, context, paid)
        self.lane.town.operate(
            member.name,
            lambda agent: agent.take_paid_before(self.second.claim_id, teller.name, sealed, self.lane.town.now_ms),
        )

    def paid(self) -> PaidBefore:
        version = self.first.shown.claim.settlement_version
        return PaidBefore(SettledBefore(self.first.claim_id, version), self.first.opening().payable)

    def state(self) -> None:
        """State the order under both pseudonyms."""
        after = self.paid().after
        release = Release(after.claim_id, after.version, self.second.claim_id)
        assert self.first.customer.post(Call("coordination", "release", release)).ok
        assert self.second.customer.post(Call("coordination", "follow", Follow(self.second.claim_id, after))).ok


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Both insurers have the stay; one has paid it."""
    lane = Lane(tmp_path)
    lane.town.install("insurer-b", build_insurer)
    wang = lane.insure()
    other = Customer(lane.town, "wang", insurer="insurer-b", wallet=wang.wallet)
    lane.town.operate("insurer-b", lambda insurer: insurer.register_person("w", wang.identity))
    payee = ("wang", "6222 0003")
    lane.town.operate(
        "insurer-b", lambda insurer: insurer.issue_policy("w", "inpatient-100", POLICY_DAYS, payee, lane.town.now_ms)
    )
    other.consent()
    lane.stay(**plain_bill("6480.00", "70000001"))
    lane.run()
    sides = []
    for customer in (wang, other):
        agent: Any = lane.town.agents[customer.insurer]
        (summary,) = agent.list_claims()
        sides.append(Side(customer, agent, summary.claim_id))
    first, second = sorted(sides, key=lambda side: side.shown.status != "PAID")
    return Pair(lane, first, second)


def test_the_second_insurer_waits_and_says_for_what(pair: Pair) -> None:
    assert (pair.first.shown.status, pair.second.shown.status) == ("PAID", "ASSEMBLING")
    assert pair.lane.bank.balance == FIRST_PAYS
    waits = pair.second.insurer.show_claim(pair.second.claim_id).waits
    assert waits is not None
    assert waits.code == "DUPL-002"
    lanes = [item for summary in pair.lane.desk.agent.list_stays() for item in summary.lanes]
    (message,) = [item.message for item in lanes if item.waits_for]
    assert message.startswith("DUPL-002 该项目已赔付 · The item was paid before; ")
    assert message.endswith("once it has, the customer tells what is left: claim coordinate")


def test_the_second_pays_what_is_left_and_both_together_never_more_than_the_cost(pair: Pair) -> None:
    pair.tell(pair.paid())
    assert not pair.second.shown.settlements
    pair.state()
    pair.lane.run()
    assert pair.second.shown.status == "PAID"
    assert pair.second.shown.settlements[0].outcome.after == pair.paid().after
    opening = pair.second.opening()
    assert opening.payable.amount == SECOND_PAYS
    assert [(item.payer, item.amount) for item in opening.case.other_payments] == [("insurer", FIRST_PAYS)]
    assert pair.lane.bank.balance == FIRST_PAYS + SECOND_PAYS <= 648_000


def test_an_order_without_the_amount_and_an_amount_without_the_order_move_nothing(pair: Pair) -> None:
    pair.state()
    pair.lane.run_for(5_000)
    assert not pair.second.shown.settlements
    waits = pair.second.insurer.show_claim(pair.second.claim_id).waits
    assert waits is not None
    assert "has not told what" in waits.reason
    pair.tell(pair.paid())
    pair.lane.run()
    assert pair.lane.bank.balance == FIRST_PAYS + SECOND_PAYS


def test_what_does_not_open_the_first_settlement_is_refused(pair: Pair) -> None:
    true = pair.paid()
    wrong = replace(true.opening, amount=true.opening.amount - 1)
    for opening in (wrong, AmountOpening("payable", 0, bytes(32))):
        with pytest.raises(VerificationError):
            pair.tell(PaidBefore(true.after, opening))
    for after in (replace(true.after, version=2), SettledBefore(pair.second.claim_id, 1)):
        with pytest.raises(InsurerError):
            pair.tell(PaidBefore(after, true.opening))
    pair.state()
    pair.lane.run_for(5_000)
    assert not pair.second.shown.settlements


def test_nobody_else_tells_what_was_paid(pair: Pair) -> None:
    stranger = pair.lane.know("stranger")
    with pytest.raises(InsurerError, match="expected one of"):
        pair.tell(pair.paid(), stranger)
    with pytest.raises(InsurerError, match="expected one of"):
        pair.tell(pair.paid(), pair.first.customer)


def test_of_a_claim_that_is_withdrawn_nothing_is_taken_in_any_more(pair: Pair) -> None:
    paid = pair.paid()
    pair.tell(paid)
    assert pair.second.customer.post(Call("claims", "withdraw", Withdraw(pair.second.claim_id))).ok
    pair.lane.run()
    assert not pair.second.insurer._casebook.holds(pair.second.claim_id)
    with pytest.raises(InsurerError, match="nothing more is kept of it"):
        pair.tell(paid)
    assert not pair.second.insurer._casebook.holds(pair.second.claim_id)


def test_what_was_told_survives_a_restart_of_the_second_insurer(pair: Pair) -> None:
    pair.tell(pair.paid())
    pair.lane.town.restart(pair.second.insurer.name)
    pair.state()
    pair.lane.run()
    assert pair.lane.bank.balance == FIRST_PAYS + SECOND_PAYS


def test_the_first_claim_tells_nothing_else(pair: Pair) -> None:
    """What the second insurer opens is one amount: no policy, no line, no decision of the first."""
    order = find_order(pair.lane.town.view, pair.second.claim_id)
    assert order is not None
    assert PaidBefore.__struct_fields__ == ("after", "opening")
    with pytest.raises(InsurerError, match="expected one of"):
        pair.second.insurer.show_claim(pair.first.claim_id)


class Door:
    """An insurer's API as a customer meets it, without the wire."""

    def __init__(self, pair: Pair, side: Side) -> None:
        self.pair = pair
        self.side = side

    def __enter__(self) -> Self:
        """Use it in a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it."""

    def get(self, path: str) -> Any:
        claim_id, _, what = path.removeprefix("/v1/claims/").partition("/")
        view = self.pair.lane.town.view
        if what == "opening":
            sealed, version = self.side.insurer.customer_opening(claim_id, self.side.customer.pseudonym.name)
            return {"version": version, "sealed": sealed.hex()}
        return canonical_json.plain(find_order(view, claim_id) if what else find_claim(view, claim_id))

    def post(self, path: str, form: dict[str, str]) -> None:
        sealed = decode(bytes.fromhex(form["sealed"]), Sealed)
        name, town = self.side.customer.pseudonym.name, self.pair.lane.town
        town.operate(
            self.side.insurer.name, lambda agent: agent.take_paid_before(path.split("/")[3], name, sealed, town.now_ms)
        )


class Wallet:
    """What `coordinate` asks of a customer, over those doors."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.chain_id = pair.lane.town.genesis.chain_id
        self.organisations = self
        self.posted: list[str] = []

    def client(self, pseudonym: Pseudonym, organisation: str) -> Door:
        side = next(side for side in (self.pair.first, self.pair.second) if side.insurer.name == organisation)
        assert side.customer.pseudonym.name == pseudonym.name
        return Door(self.pair, side)

    def pseudonym(self, hospital: str, insurer: str) -> Pseudonym:
        assert (hospital, insurer) == ("hospital-a", self.pair.first.insurer.name)
        return self.pair.first.customer.pseudonym

    def find_seal_key(self, organisation: str) -> bytes:
        member = self.pair.lane.town.genesis.organisation(organisation)
        assert member is not None
        return member.seal_key

    def transact(self, _: Door, pseudonym: Pseudonym, contract: str, method: str, message: Struct) -> None:
        side = next(s for s in (self.pair.first, self.pair.second) if s.customer.pseudonym.name == pseudonym.name)
        assert side.customer.post(Call(contract, method, message)).ok
        self.posted.append(method)


def test_the_wallet_opens_seals_and_states_and_again_does_nothing_new(pair: Pair) -> None:
    wallet: Any = Wallet(pair)
    asked = (wallet, pair.second.customer.pseudonym, pair.second.claim_id, open_latest)
    done = coordinate(*asked)
    assert (done.after, done.insurer, done.amount) == (pair.first.claim_id, pair.first.insurer.name, FIRST_PAYS)
    assert coordinate(*asked) == done
    assert wallet.posted == ["release", "follow"]
    pair.lane.run()
    assert pair.lane.bank.balance == FIRST_PAYS + SECOND_PAYS


def test_the_wallet_says_when_nobody_pays_first(pair: Pair) -> None:
    wallet: Any = Wallet(pair)
    with pytest.raises(CustomerError, match="no other insurer pays an invoice of it first"):
        coordinate(wallet, pair.first.customer.pseudonym, pair.first.claim_id, open_latest)
