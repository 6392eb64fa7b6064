"""What a customer is told when her wallet looks: who had what from whom."""

from nodes.cli.customers.requests import _describe, _tell, _tell_emergency

USE = {"hospital": "hospital-a", "recipient": "hospital-b", "record_types": ["admission"], "use_id": "glass-1"}


def test_an_emergency_is_told_from_whose_records_they_were_to_who_looked() -> None:
    told = _tell_emergency({**USE, "finding": ""}, "wang")
    assert "hospital-a → hospital-b: 入院 admission · glass-1" in told[1]
    assert "为抢救您查看了您的病历" in told[0]
    assert told[-1].endswith("xinpei customer activity wang")


def test_its_review_is_told_with_the_finding_and_which_use_it_was() -> None:
    told = _tell_emergency({**USE, "finding": "unjustified"}, "wang")
    assert "UNJUSTIFIED" in told[0]
    assert "hospital-a → hospital-b" in told[1]


def test_a_request_is_shown_in_both_languages_with_its_reason() -> None:
    terms = {"hospital": "hospital-a", "recipient": "insurer-a", "purpose": "HPAYMT", "case": "one-case"}
    asked = {"request_id": "grant-1", "terms": {**terms, "record_types": ["invoice"]}, "reason": "核对"}
    line, reason = _describe({"status": "REQUESTED", "request": asked})
    said = "grant-1 待您答复 REQUESTED hospital-a → insurer-a 理赔 claims (HPAYMT) · 一案一授权 one case: 发票 invoice"
    assert " ".join(line.split()) == said
    assert reason == "  理由 reason  核对"
    assert len(_describe({"status": "DENIED", "request": {**asked, "reason": ""}})) == 1


def test_a_claim_that_waits_says_why_in_both_languages_under_the_id_that_people_read() -> None:
    parties = {"hospital": "hospital-a", "insurer": "insurer-a", "execution": "rules-visit-data"}
    told = _tell({"claim_id": "claim-7f3a00112233", "reason": "AUTH-013 expiry", **parties}, "wang")
    assert told[0].startswith("C-7f3a 等待您的同意(AUTH-013 授权已到期),")
    assert told[1].startswith(
        "C-7f3a waits for your consent (AUTH-013 expiry: the grant has ended), hospital-a → insurer-a"
    )
    assert told[2].endswith("--to insurer-a --execution rules-visit-data"), "what stayed at the hospital stays there"
