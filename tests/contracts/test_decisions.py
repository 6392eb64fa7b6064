"""The decision table on one application in memory, and what-if questions held against what then happens."""

from typing import Any

import pytest
from msgspec.structs import replace

from contracts.needs import Decision
from ledger.execution.loader import ContractSet
from tests.contracts.consortium import BEGUN_MS, CHAIN_ID, Consortium
from tests.contracts.decision_rows import Plan, Planner, load_rows

ROWS = load_rows()
DAY_MS = 86_400_000
TERMS = {"effect", "types", "stays", "from", "mode"}
"""Of a grant that is given, linked and not used in the row."""


def planned(chain: Consortium, row: dict[str, Any]) -> Plan:
    plan = Planner(CHAIN_ID, "unit").plan(row, chain.application.time_ms or BEGUN_MS, DAY_MS)
    chain.keys.update(plan.keys)
    return plan


def run(chain: Consortium, plan: Plan) -> None:
    for deeds in plan.phases.values():
        codes = chain.post(*[(deed.signer, deed.target, deed.message) for deed in deeds])
        assert codes == [deed.code for deed in deeds], (codes, chain.reason(), chain.faults)


def test_the_table_has_the_promised_size_and_no_row_twice() -> None:
    assert len(ROWS) >= 40
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_row_of_the_decision_table_is_answered_as_it_says(chain: Consortium, row: dict[str, Any]) -> None:
    plan = planned(chain, row)
    run(chain, plan)
    chain.post(after_ms=2 * DAY_MS)
    plan.check(chain.ask("explanations.decide", plan.question, Decision))
    if plan.append is not None:
        deed = plan.append
        before = [*chain.store.scan(b"s/")]
        assert chain.post((deed.signer, deed.target, deed.message)) == [deed.code]
        receipt = chain.receipts[0]
        if deed.code != "OK":
            assert receipt.reason, "a refusal says why"
            assert receipt.events == ()
            after = [*chain.store.scan(b"s/")]
            assert [item for item in after if b"record" in item[0]] == [item for item in before if b"record" in item[0]]


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["grants"] and set(row["grants"][-1]) <= TERMS and "capacity" not in row],
    ids=lambda row: row["name"],
)
def test_what_if_answers_as_giving_it_then_does(chain: Consortium, row: dict[str, Any]) -> None:
    plan = planned(chain, row)
    last = plan.phases["grant"].pop()
    links = [deed for deed in plan.phases["link"] if deed.message.grant_id == last.message.grant_id]
    plan.phases["link"] = [deed for deed in plan.phases["link"] if deed not in links]
    run(chain, plan)
    supposed = chain.ask("explanations.decide", replace(plan.question, what_if=last.message), Decision)
    before = chain.ask("explanations.decide", plan.question, Decision)
    assert last.message.grant_id not in [item.grant_id for item in before.considered]
    chain.do((last.signer, last.target, last.message))
    chain.do(*[(deed.signer, deed.target, deed.message) for deed in links])
    then = chain.ask("explanations.decide", plan.question, Decision)
    assert (supposed.permitted, supposed.grant_id) == (then.permitted, then.grant_id)
    assert getattr(supposed.finding, "condition", None) == getattr(then.finding, "condition", None)


def test_an_opening_that_does_not_fit_the_commitment_opens_nothing(chain: Consortium) -> None:
    row = next(row for row in ROWS if row["name"] == "time-framed: a day after the record dates")
    plan = planned(chain, row)
    run(chain, plan)
    (honest,) = plan.question.openings
    for forged in (replace(honest, last_day=honest.last_day + 1), replace(honest, salt=bytes(32))):
        decision = chain.ask("explanations.decide", replace(plan.question, openings=(forged,)), Decision)
        assert (decision.permitted, decision.dates) == (True, "unknown")


def test_what_if_supposes_a_revocation(chain: Consortium) -> None:
    row = next(row for row in ROWS if row["name"] == "deny over permit: equally wide, the denial later")
    plan = planned(chain, row)
    run(chain, plan)
    permit, denial = plan.grant_ids
    without = chain.ask("explanations.decide", replace(plan.question, without=denial), Decision)
    assert (without.permitted, without.grant_id) == (True, permit)
    neither = chain.ask("explanations.decide", replace(plan.question, without=permit), Decision)
    assert (neither.permitted, neither.grant_id) == (False, denial)


def test_of_several_permits_that_fail_the_nearest_one_says_why(contract_set: ContractSet) -> None:
    row = next(row for row in ROWS if row["name"] == "basic: a standing permit covers its types")
    revoked = {"effect": "permit", "revoked": True}
    partial = {"effect": "permit", "types": ["admission"]}
    elsewhere = {"effect": "permit", "purpose": "DSRCH"}
    for grants, condition, nearest in (
        ([revoked, partial, elsewhere], "record type", 1),
        ([partial, revoked], "record type", 0),
        ([revoked, elsewhere], "status", 0),
        ([elsewhere, revoked], "status", 1),
    ):
        chain = Consortium(contract_set)
        plan = planned(chain, {**row, "grants": grants, "expect": {"condition": condition, "code": "AUTH-013"}})
        run(chain, plan)
        decision = chain.ask("explanations.decide", plan.question, Decision)
        plan.check(decision)
        (said,) = [item for item in decision.considered if item.grant_id == plan.grant_ids[nearest]]
        assert decision.finding == said.finding
