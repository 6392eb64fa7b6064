"""The notice says everything that the law asks for, of these terms, in both languages."""

from datetime import date
from typing import Literal

import pytest
from msgspec.structs import replace

from nodes.schemas.notice import RECORD_TYPE_NAMES, Language, NoticeTerms, hash_notice, render_notice
from nodes.schemas.terms import HEALTH_TYPES, TREATMENT_TYPES, TermsError, check_terms, default_terms

TERMS = default_terms("hospital-a", "insurer-a", date(2026, 3, 1))
NOTICE = NoticeTerms(TERMS, "010-1", "010-2")
WORDS: dict[Language, tuple[str, ...]] = {
    "zh": (
        "敏感个人信息",
        "单独同意",
        "随时撤回",
        "更正和删除",
        "自动化决定",
        "人工复核",
        "未满十四周岁",
        "必要性",
        "前删除",
    ),
    "en": (
        "sensitive",
        "at any time",
        "corrected or",
        "computed by a program",
        "review",
        "erase by",
        "separate",
        "14",
    ),
}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_notice_names_both_parties_with_their_contacts_the_kinds_and_the_rights(language: Language) -> None:
    text = render_notice(NOTICE, language)
    for word in ("hospital-a", "010-1", "insurer-a", "010-2", "HPAYMT", *WORDS[language]):
        assert word in text, word
    for record_type in TERMS.record_types:
        assert RECORD_TYPE_NAMES[record_type][0 if language == "zh" else 1] in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_other_terms_are_another_notice_with_another_hash(language: Language) -> None:
    changes = {
        "recipient": "insurer-b",
        "record_types": ("invoice",),
        "erase_day": TERMS.erase_day + 1,
        "expires_day": TERMS.expires_day + 1,
        "mode": "VIEW",
        "case": "one-case",
        "uses_max": 3,
        "effect": "deny",
    }
    hashes = {hash_notice(render_notice(NOTICE, language))}
    for field, value in changes.items():
        changed = NoticeTerms(replace(TERMS, **{field: value}), "010-1", "010-2")
        hashes.add(hash_notice(render_notice(changed, language)))
    assert len(hashes) == len(changes) + 1


@pytest.mark.parametrize(
    ("language", "lacking", "said"),
    [
        ("zh", ("费用", "理赔", "产品条款", "案件"), ("诊疗由人决定", "抢救")),
        ("en", ("expenses", "payout", "claim"), ("people decide how you are treated", "in an emergency")),
    ],
)
def test_a_notice_of_treatment_speaks_of_no_claim(
    language: Language, lacking: tuple[str, ...], said: tuple[str, ...]
) -> None:
    terms = replace(TERMS, recipient="hospital-b", role="hospital", purpose="BTG", record_types=TREATMENT_TYPES)
    text = render_notice(NoticeTerms(terms, "010-1", "010-2"), language)
    for word in ("hospital-b", *said):
        assert word in text, word
    for word in lacking:
        assert word not in text, word


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "one-case"}, "scope: a grant to a hospital is standing"),
        ({"stays": ("stay-0123456789ab",)}, "scope: a grant to a hospital is standing"),
        ({"purpose": "HPAYMT"}, "purpose: a hospital is given records to treat"),
        ({"record_types": ("admission", "invoice")}, "types: to a hospital, expected admission"),
        ({"record_types": ("discharge-summary",)}, "types: to a hospital, expected admission"),
        ({"mode": "VIEW"}, "mode: a hospital keeps"),
    ],
)
def test_a_grant_to_a_hospital_under_which_nothing_could_be_handed_over_is_not_drawn_up(
    change: dict[str, object], words: str
) -> None:
    terms = replace(TERMS, recipient="hospital-b", role="hospital", purpose="CAREMGT", record_types=TREATMENT_TYPES)
    check_terms(terms, date(2026, 3, 1))
    with pytest.raises(TermsError, match=words):
        check_terms(replace(terms, **change), date(2026, 3, 1))
    check_terms(replace(terms, effect="deny", stays=("stay-0123456789ab",)), date(2026, 3, 1))


HEALTH = replace(TERMS, recipient="regulator", role="regulator", purpose="PUBHLTH", record_types=HEALTH_TYPES)


@pytest.mark.parametrize(
    ("language", "lacking", "said"),
    [
        ("zh", ("费用", "产品条款", "案件", "医务人员", "均一致"), ("公共卫生", "不知悉您是谁", "得不到您的证件信息")),
        (
            "en",
            ("expenses", "payout", "file a claim", "Physicians"),
            ("public health", "not told who you are", "match"),
        ),
    ],
)
def test_a_notice_of_public_health_names_both_handlers_and_says_that_the_recipient_is_not_told_who_she_is(
    language: Language, lacking: tuple[str, ...], said: tuple[str, ...]
) -> None:
    text = render_notice(NoticeTerms(HEALTH, "https://a.example:1", "https://r.example:2"), language)
    for word in ("hospital-a", "https://a.example:1", "regulator", "https://r.example:2", "PUBHLTH", *said):
        assert word in text, word
    for word in lacking:
        assert word not in text, word
    assert max(len(line) for line in text.splitlines()) <= 120


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purpose": "HPAYMT"}, "purpose: a regulator is granted records for public health"),
        ({"purpose": "CAREMGT"}, "purpose: a regulator is granted records for public health"),
        ({"purpose": "DSRCH"}, "purpose: no member of a network does research"),
        ({"record_types": ("admission", "invoice")}, "types: to a regulator, expected admission"),
        ({"record_types": ("admission", "document")}, "types: to a regulator, expected admission"),
        ({"case": "one-case"}, "scope: a grant to a regulator is standing"),
        ({"mode": "VIEW"}, "mode: a regulator keeps"),
        ({"role": "insurer", "recipient": "insurer-a"}, "purpose: PUBHLTH is for a regulator, and insurer-a is none"),
        ({"role": "hospital", "recipient": "hospital-b"}, "purpose: a hospital is given records to treat"),
    ],
)
def test_a_grant_to_a_regulator_under_which_nothing_could_be_handed_over_is_not_drawn_up(
    change: dict[str, object], words: str
) -> None:
    check_terms(HEALTH, date(2026, 3, 1))
    with pytest.raises(TermsError, match=words):
        check_terms(replace(HEALTH, **change), date(2026, 3, 1))


@pytest.mark.parametrize("role", ["insurer", "hospital", "regulator"])
def test_research_is_granted_to_nobody_and_may_be_denied_to_everybody(
    role: Literal["insurer", "hospital", "regulator"],
) -> None:
    terms = replace(TERMS, recipient="somebody", role=role, purpose="DSRCH")
    with pytest.raises(TermsError, match="no member of a network does research"):
        check_terms(terms, date(2026, 3, 1))
    check_terms(replace(terms, effect="deny"), date(2026, 3, 1))


@pytest.mark.parametrize("mode", ["STORE", "EXECUTE"])
def test_no_line_runs_off_the_page(mode: Literal["STORE", "EXECUTE"]) -> None:
    execution: Literal["data-to-insurer", "rules-visit-data"] = (
        "rules-visit-data" if mode == "EXECUTE" else "data-to-insurer"
    )
    terms = replace(TERMS, mode=mode, execution=execution, uses_max=1000, frequency=(100, 365))
    text = render_notice(
        NoticeTerms(terms, "https://hospital-a.example:30730", "https://insurer-a.example:30734"), "en"
    )
    assert max(len(line) for line in text.splitlines()) <= 120
