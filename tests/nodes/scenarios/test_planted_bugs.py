"""Every check of what blocks mean finds what it is for: contracts, agents and clients with a planted bug."""

from collections.abc import Callable
from dataclasses import replace as copy

import pytest
from msgspec.structs import replace

from contracts.settlements import Settle
from ledger.application import ExecutedBlock
from ledger.blocks import Block
from ledger.codec import decode, encode
from ledger.errors import InvalidBlockError, LedgerError
from ledger.replica.candidates import Candidates
from ledger.state_tree import StateRoots
from ledger.transactions import Receipt, Transaction
from nodes.agent import Agent, AgentEffect, AgentInput, Submit
from nodes.roles.exchange.questions import FetchRecord, PaymentOrder, Refusal
from nodes.roles.hospital.handover import Given, Handover
from nodes.roles.lookup import find_credentials, find_record
from nodes.roles.rail import Rail
from nodes.roles.rail.bank import BankState, PromptBank
from nodes.scenarios import faults
from nodes.scenarios.auditor import Auditor
from nodes.scenarios.household import Kit, build_insurer
from nodes.scenarios.plans import Plan
from nodes.scenarios.town import Town
from nodes.simulator.checks import InvariantError
from tests.nodes.scenarios.conftest import Found, load

STAY = Plan(begins_ms=0, admitted_ms=0, stays_ms=2_000)
REVOKED = Plan(begins_ms=0, admitted_ms=0, stays_ms=2_000, revokes_ms=0)
CORRECTED = Plan(begins_ms=500, admitted_ms=0, stays_ms=2_000, corrected_ms=1_000)


def test_n4f0_without_a_bug_everything_settles_and_the_money_adds_up(found: Found) -> None:
    scenario = found(STAY, REVOKED, CORRECTED)
    scenario.run()
    assert len(scenario.auditor.settlements) >= 3
    assert scenario.moved > 0


def test_n4f0_a_hospital_that_replaces_its_key_meanwhile_is_paid_for_with_the_new_one(found: Found) -> None:
    scenario = found(STAY, CORRECTED, rotates_ms=4_000)
    scenario.run()
    view = scenario.town.view("hospital-a")
    assert view is not None
    actor = view.actor("hospital-a")
    assert actor is not None
    assert len(actor.keys) == 2
    credentials = find_credentials(view, "insurer-a")
    assert credentials is not None
    assert credentials.seal_version == 2, "and the insurer has replaced what records are sealed to"
    assert len(scenario.auditor.settlements) == 3


def test_contracts_that_overlook_a_revocation_are_found(found: Found) -> None:
    contracts = load("contracts.conditions", 'if status != "GRANTED":', 'if status == "DENIED":')
    scenario = found(REVOKED, REVOKED, REVOKED, contracts=contracts)
    scenario.estate.answered = lambda _node, _body: None  # the check of hand-overs looks away
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "consent"


def test_contracts_that_overlook_a_missing_link_are_found(found: Found) -> None:
    at_recipient = "        or _find_recipient_failing(need, latest, facts.at_recipient)\n"
    of_grantor = "        or find_grantor_failing(facts, time_ms)\n"  # it takes both links for granted
    scenario = found(STAY, contracts=load("contracts.conditions", at_recipient + of_grantor, ""))
    (customer,) = scenario.customers
    customer.discloses_to = (customer.hospital,)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "consent"


def test_contracts_that_let_two_claims_consume_one_invoice_are_found(found: Found) -> None:
    contracts = load("contracts.invoices", "elif lock.claim_id != claim_id:", 'elif claim_id == "":')
    scenario = found(STAY, STAY, contracts=contracts)
    first, second = scenario.customers
    second.illness = first.illness
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "double-settlement"


TWICE: dict[str, Callable[[Settle, Settle], Settle]] = {
    "the same closings are settled already": lambda first, _second: replace(
        first, outcome=replace(first.outcome, version=2), payment_id="payment-" + 12 * "0"
    ),
    "is settled by": lambda first, second: replace(
        second, outcome=replace(second.outcome, closings=first.outcome.closings)
    ),
    "is another settlement's": lambda first, second: replace(second, payment_id=first.payment_id),
}


def retell(blocks: list[ExecutedBlock], twice: Callable[[Settle, Settle], Settle]) -> None:
    """Have an auditor read the blocks, the second settlement changed."""
    auditor, settled = Auditor(), list[Settle]()

    def change(tx: Transaction) -> Transaction:
        if (tx.contract, tx.method) != ("claims", "settle"):
            return tx
        settled.append(decode(tx.arguments, Settle))
        return tx if len(settled) == 1 else replace(tx, arguments=encode(twice(*settled)))

    for executed in blocks:
        changed = tuple(
            replace(item, transactions=tuple(map(change, item.transactions))) for item in executed.block.submissions
        )
        auditor.take_block(copy(executed, block=replace(executed.block, submissions=changed)))


def test_blocks_that_settle_something_twice_are_found(found: Found) -> None:
    scenario = found(STAY, STAY)
    blocks: list[ExecutedBlock] = []
    scenario.simulation.checks.follow(blocks.append)
    scenario.run()
    retell(blocks, lambda _first, second: second)
    for said, twice in TWICE.items():
        with pytest.raises(InvariantError, match=said) as error:
            retell(blocks, twice)
        assert error.value.check == "double-settlement"


class GenerousBank(PromptBank):
    """Moves one 分 more than it was told."""

    def move(self, order: PaymentOrder) -> BankState:
        opening = order.opening
        return super().move(replace(order, opening=replace(opening, amount=opening.amount + 1)))


def test_a_rail_that_moves_another_amount_is_found(found: Found) -> None:
    scenario = found(STAY)
    scenario.estate.special["rail"] = lambda kit: Rail(
        kit.name, kit.view, kit.keystore, kit.register, GenerousBank(kit.register)
    )
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "money"


def test_a_custodian_that_hands_over_what_was_not_shared_is_found(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hand_over(self: Handover, peer: str, question: FetchRecord) -> Given | Refusal:
        view = find_record(self._view, question.record_id)
        assert view is not None
        return self._hand_over(peer, view.record)

    monkeypatch.setattr(Handover, "answer", hand_over)
    scenario = found(
        Plan(begins_ms=0, admitted_ms=0, stays_ms=60_000), hospitals=2, insurers=2, liars=(("insurer-b", "forges"),)
    )
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "hand-over"


class Idler:
    """An insurer that does everything but settle."""

    def __init__(self, inner: Agent) -> None:
        self.name = inner.name
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        """Have operators find the agent's methods."""
        return getattr(self._inner, name)

    def step(self, event: AgentInput) -> list[AgentEffect]:
        return [effect for effect in self._inner.step(event) if not _settles(effect)]


def _settles(effect: AgentEffect) -> bool:
    return isinstance(effect, Submit) and any(call.method == "settle" for call in effect.calls)


def build_idler(kit: Kit) -> Agent:
    return Idler(build_insurer(kit))


def test_an_insurer_that_never_settles_is_found_within_the_bound(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 30_000)
    scenario = found(STAY)
    scenario.estate.special["insurer-a"] = build_idler
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "liveness"
    assert "claim-" in str(error.value)


def test_a_node_that_holds_a_decided_block_to_be_invalid_halts_and_is_found(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = found(STAY)
    node = scenario.simulation.nodes["hospital-b"]
    judge = Candidates.judge

    def judge_otherwise(self: Candidates, block: Block, roots: StateRoots | None = None) -> LedgerError | None:
        if node.replica is not None and self._application is node.replica.application and block.header.height == 2:
            self._blocks[block.header.hash] = block
            return InvalidBlockError("state_root", "another", "this")
        return judge(self, block, roots)

    monkeypatch.setattr(Candidates, "judge", judge_otherwise)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "halted"
    assert "hospital-b: height 2" in str(error.value)


def test_a_node_that_acknowledges_before_the_block_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_early(self: Town, member: str, transaction_id: bytes) -> Receipt:
        told = Receipt(transaction_id, "OK", "", (), 0)
        self.simulation.checks.note_acknowledged(told)
        return told

    monkeypatch.setattr(Town, "find", find_early)
    scenario = found(STAY)
    with pytest.raises(InvariantError) as error:
        scenario.run()
    assert error.value.check == "acknowledged"
