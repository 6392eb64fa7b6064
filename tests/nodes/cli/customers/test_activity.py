"""What people read of a look."""

from dataclasses import replace

import pytest

from nodes.cli.customers.activity import KINDS, STATUSES, describe
from nodes.fhir.audit_events import render_event
from tests.nodes.fhir.test_audit_events import (
    ALL,
    COUNTED,
    EMERGENCY,
    OPENED,
    ORDERED,
    REFUSED,
    SETTLEMENT,
    SHARE,
    VISIT,
)


def test_a_share_says_when_by_whom_of_what_under_which_grant_and_how_many_fields() -> None:
    first, second, third = describe(SHARE, with_fields=False)
    assert first == "2026-06-01 08:00:00  insurer-a   已送达 delivered · 发票 invoice · hospital-a"
    assert second.strip() == "HPAYMT · grant-0123456789ab version 2 · at 41-3"
    assert third.strip() == "HPAYMT/invoice/1 · 26 项 fields"
    assert "settlement.hifp_pay" in describe(SHARE, with_fields=True)[2]


def test_a_refusal_says_which_condition_failed() -> None:
    lines = describe(REFUSED, with_fields=True)
    assert "拒绝 REFUSED" in lines[0]
    assert lines[2].strip() == ("AUTH-013 授权已撤回或未生效 · status: the grant was revoked, or is not in force")
    assert len(lines) == 3


def test_an_order_names_its_law_in_both_languages() -> None:
    law = replace(ORDERED, law_zh="《刑事诉讼法》第五十四条", law_en="Criminal Procedure Law, art. 54")
    lines = describe(law, with_fields=False)
    assert "依法调取 ordered by law" in lines[0]
    assert "order-0123456789ab" in lines[1]
    assert lines[2].strip() == "《刑事诉讼法》第五十四条 · Criminal Procedure Law, art. 54"


def test_an_opening_names_the_claim_the_law_and_who_can_read_it() -> None:
    first, second = describe(OPENED, with_fields=False)
    assert "regulator   依法开示理算 calculation opened by law · 理算 calculation of claim-0123456789ab" in first
    assert second.strip() == "HLEGAL · evidence-collection · at 41-3"


def test_a_settlement_that_was_refused_says_why() -> None:
    lines = describe(SETTLEMENT, with_fields=False)
    assert "拒绝 REFUSED · 理赔使用 to settle on 发票 invoice" in lines[0]
    assert lines[2].strip() == "ERASED 已要求删除或已删除 · erasure: it was erased, or that was asked for"


def test_what_the_chain_counts_says_who_how_often_and_since_when() -> None:
    last = describe(COUNTED, with_fields=False)[-1]
    assert "共 37 次" in last
    assert last.endswith("since 07:59:55")
    assert last.strip().startswith("hospital-a:")


def test_an_emergency_without_fields_needs_no_third_line() -> None:
    assert len(describe(replace(EMERGENCY, fields=()), with_fields=True)) == 2


def test_a_visit_says_whose_rules_ran_where_and_names_no_field() -> None:
    first, second = describe(VISIT, with_fields=True)
    assert "insurer-a   规则就地计算，病历未离开 its rules computed there, no record left" in first
    assert first.endswith("入院 admission, 发票 invoice · hospital-a")
    assert second.strip() == "HPAYMT · grant-0123456789ab version 2 · at 41-3"


def test_a_look_at_an_attached_document_says_so() -> None:
    first = describe(replace(SHARE, record_types=("document",)), with_fields=False)[0]
    assert "附件 attached document · hospital-a" in first


@pytest.mark.parametrize("look", ALL)
def test_every_look_has_words_for_people_and_an_event_for_programs(look: object) -> None:
    found = next(item for item in ALL if item is look)
    assert found.status in STATUSES
    assert found.kind in KINDS
    assert render_event("xinpei-test", found)["resourceType"] == "AuditEvent"
