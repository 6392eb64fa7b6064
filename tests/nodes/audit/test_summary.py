"""The summary answers what an auditor asks, from what was proven."""

import pytest

from contracts.grants import Revoke
from nodes.audit.collect import collect_dossier
from nodes.audit.dossier import render_dossier
from nodes.audit.narration import render_summary
from nodes.audit.summary import list_deadlines, summarise
from nodes.audit.trust import Trust, describe_trust
from nodes.audit.verify import LIMITS, VerifiedClaim, verify_dossier
from tests.contracts.consortium import Case, digest
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.audit.conftest import PAYABLE, Settled, settle

DAY_MS = 86_400_000


def verified(chain: AuditedChain, case: Case) -> VerifiedClaim:
    return verify_dossier(
        render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id)), Trust(chain.genesis)
    )


def test_it_says_who_what_and_as_of_when(corrected: Settled) -> None:
    proven = verified(corrected.chain, corrected.case)
    text = "\n".join(render_summary(proven))
    for part in (
        corrected.case.claim_id,
        corrected.case.customer,
        "number 0 in the register of insurer-a",
        f"height {proven.header.height} of {proven.header.chain_id}, 2026-01-01 08:",
        proven.header.hash.hex(),
        f"notice in zh, SHA-256 {digest('notice').hex()}",
        "version 1 given at height 2",
        "no later version exists",
        "identity matched by the insurer at height 2",
        "1 after the first settlement",
        "paid by the rail's receipt",
        "opens with --reveal",
        *describe_trust(proven.ground),
        LIMITS,
    ):
        assert part in text
    assert text.count("confirmed by the recipient's signature") == 5
    facts = summarise(proven)
    assert (facts["status"], facts["corrections"], facts["closed_again"]) == ("PAID", 1, [])
    assert [item["status"] for item in facts["payments"]] == ["paid", "paid"]


def test_of_a_claim_that_is_not_settled_no_amount_is_said_to_be_hidden(chain: AuditedChain) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    text = "\n".join(render_summary(verified(chain, case)))
    assert "none: nothing is settled" in text
    assert "hidden" not in text


def test_a_revocation_is_told_with_its_place(chain: AuditedChain) -> None:
    case = settle(chain)
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    proven = verified(chain, case)
    text = "\n".join(render_summary(proven))
    assert f"version 2 revoked at height {chain.application.height}" in text
    assert "no later version" not in text
    assert summarise(proven)["consent"][0]["status"] == "REVOKED"


@pytest.mark.parametrize(
    ("decide_days", "pay_days", "results"),
    [(0, 0, ["met", "met"]), (30, 10, ["met", "met"]), (31, 11, ["missed", "missed"])],
)
def test_deadlines_count_civil_days(chain: AuditedChain, decide_days: int, pay_days: int, results: list[str]) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)), after_ms=decide_days * DAY_MS + 1)
    payment = chain.view(case).claim.payments[0]
    chain.do(chain.pay(payment, "paid"), after_ms=pay_days * DAY_MS + 1)
    rows = list_deadlines(verified(chain, case))
    assert [(row["days"], row["result"]) for row in rows] == list(zip([decide_days, pay_days], results, strict=True))


@pytest.mark.parametrize(("days", "result"), [(3, "open"), (11, "overdue")])
def test_a_payment_that_is_due_is_open_or_overdue(chain: AuditedChain, days: int, result: str) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    chain.do(after_ms=days * DAY_MS)
    row = list_deadlines(verified(chain, case))[1]
    assert (row["result"], row["until"]) == (result, None)


def test_the_labels_speak_chinese_too(settled: Settled) -> None:
    lines = render_summary(verified(settled.chain, settled.case), None, "zh")
    assert lines[0].startswith("案件")
    assert any(line.startswith("时限") for line in lines)
