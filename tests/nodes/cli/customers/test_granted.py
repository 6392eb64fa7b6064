"""A customer reads her grants in Chinese and in English, side by side."""

from typing import Any

from nodes.cli.customers.granted import describe_grant, describe_line

PLACE = {"height": 7, "time_ms": 1_795_354_312_472}


def view(
    *,
    effect: str = "permit",
    status: str = "GRANTED",
    parties: tuple[str, ...] = ("hospital-a", "insurer-a"),
    **permission: Any,
) -> dict[str, Any]:
    grant = {
        "effect": effect,
        "purpose": "HPAYMT",
        "grantee": {"organisation": "insurer-a"},
        "grantor": {"kind": "guardian", "name": "c-1"},
        "scope": {"case": "one-case", "record_types": ["invoice"], "encounters": ["stay-1"]},
        "permission": {
            "mode": "STORE",
            "uses_max": None,
            "frequency": None,
            "expires_at_ms": 1_826_812_800_000,
            "erase_at_ms": 1_984_492_800_000,
            **permission,
        },
        "execution": "data-to-insurer",
        "notice": {"language": "zh", "hash": "ab" * 32},
        "identities": [{"organisation": party} for party in parties],
    }
    found = {"entries": [{"result": "matched", "capacity": "child", "place": PLACE}]}
    return {
        "grant_id": "grant-1",
        "status": status,
        "versions": [{"version": 1, "status": status, "place": PLACE, "grant": grant}],
        "links": [] if effect == "deny" else [["hospital-a", found]],
        "countersignatures": [[1, {"holder": "c-2", "place": PLACE}]],
    }


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_grant_is_one_line_and_who_has_not_looked_says_so() -> None:
    said = describe_line("hospital-a", "insurer-a", view())
    assert words(said) == (
        "grant-1 已授权 GRANTED hospital-a → insurer-a 理赔 claims (HPAYMT) · "
        "hospital-a 身份一致 matched, insurer-a 尚未核对 not linked"
    )


def test_a_party_that_is_shown_nobody_is_not_waited_for() -> None:
    said = describe_line("hospital-a", "regulator", view(parties=("hospital-a",)))
    assert words(said).endswith("hospital-a → regulator 理赔 claims (HPAYMT) · hospital-a 身份一致 matched")


def test_a_denial_is_no_grant() -> None:
    lines = describe_grant("hospital-a", "insurer-a", view(effect="deny"))
    assert words(lines[0]) == (
        "grant-1 生效中 in force 拒绝 DENIES hospital-a → insurer-a 理赔 claims (HPAYMT): 发票 invoice"
    )
    said = "\n".join(lines)
    assert "GRANTED" not in said
    assert "STORE" not in said, "a denial hands nothing over"


def test_all_of_a_grant_is_said_in_both_languages() -> None:
    shown = view(uses_max=3, frequency={"uses": 2, "days": 30})
    lines = [words(line) for line in describe_grant("hospital-a", "insurer-a", shown)[1:]]
    limits = "最多 3 次 at most 3 uses · 30 天内 2 次 2 in 30 days"
    assert lines == [
        f"内容 terms 允许 permits · 一案一授权 one case · 交付并保存 STORE · {limits}",
        "方式 execution 数据交付接收方 data to the recipient",
        "目的 purpose 理赔 claims (HPAYMT)",
        "记录 records 发票 invoice",
        "住院 stays stay-1",
        "终止 ends 2027-11-22 00:00",
        "删除期限 erase by 2032-11-20 00:00",
        "授权人 given by 监护人 guardian c-1",
        "告知书 notice zh abababababababab",
        "版本 version 1 已授权 GRANTED · 高度 height 7, 2026-11-22 21:31",
        "hospital-a 身份一致 matched, 未满十四周岁 child · 高度 height 7, 2026-11-22 21:31",
        "版本 version 1 监护人已同意 countersigned by c-2 · 高度 height 7, 2026-11-22 21:31",
    ]
