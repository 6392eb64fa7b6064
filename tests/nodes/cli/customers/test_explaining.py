"""What `xinpei consent explain` prints of an answer."""

from typing import Any

import click
import pytest

from nodes.cli.customers.explaining import TYPE_WIDTH, _describe
from nodes.cli.terms import check_parties
from nodes.schemas.columns import measure_width
from nodes.schemas.labels import RECORD_TYPES, name_both

FINDING = {"code": "AUTH-013", "condition": "record type", "text": "invoice is not in the scope"}


def row(*, permitted: bool, purpose: str = "HPAYMT", finding: dict[str, str] | None = None) -> dict[str, Any]:
    considered = [
        {"grant_id": "grant-1", "effect": "permit", "finding": {**FINDING, "condition": "status"}},
        {"grant_id": "grant-2", "effect": "permit", "finding": FINDING},
        {"grant_id": "grant-3", "effect": "deny", "finding": FINDING},
    ]
    parties = {"hospital": "hospital-a", "recipient": "insurer-a", "record_type": "invoice", "purpose": purpose}
    answer = {"permitted": permitted, "grant_id": "grant-2", "version": 1, "dates": None, "finding": finding}
    return {**parties, **answer, "considered": considered}


def test_a_refusal_names_the_condition_and_the_grant_that_fails_it_in_both_languages() -> None:
    said = _describe(row(permitted=False, finding=FINDING), 23)
    assert said.startswith("hospital-a → insurer-a   发票 invoice                否 no   AUTH-013 ")
    assert said.endswith("不含该类记录 · record type: invoice is not in the scope (grant-2)")


def test_without_a_grant_none_is_named() -> None:
    absent = {"code": "AUTH-013", "condition": "grant", "text": "there is no grant: absence is refusal"}
    assert _describe(row(permitted=False, finding=absent), 0).endswith(
        "没有授权 · grant: there is no grant: absence is refusal"
    )


def test_what_is_for_an_emergency_alone_says_so() -> None:
    said = _describe(row(permitted=True, purpose="BTG"), 0)
    assert "可 yes  依据 under grant-2 version 1 · 仅限紧急查看" in said
    assert "breaks the glass" in said
    assert "breaks the glass" not in _describe(row(permitted=True), 0)


def test_no_name_of_a_record_type_is_wider_than_its_column() -> None:
    assert max(measure_width(name_both(RECORD_TYPES, kind.id)) for kind in RECORD_TYPES) == TYPE_WIDTH


def check_parties_refuses(option: str, name: str, *said: str) -> None:
    given: dict[str, Any] = {"hospital": "hospital-a", "recipient": "insurer-a"}
    given |= {"--from": {"hospital": name}, "--to": {"recipient": name}}[option]
    with pytest.raises(click.UsageError) as refused:
        check_parties(Members(), given)
    for part in (option, repr(name), *said):
        assert part in refused.value.message


class Members:
    """The organisations of a network, former ones too."""

    def list_role(self, role: str, *, with_former: bool) -> tuple[str, ...]:
        assert with_former
        return {"hospital": ("hospital-a",), "insurer": ("insurer-a",), "regulator": ("regulator",)}[role]


def test_an_unknown_party_is_named_by_the_option_that_gave_it() -> None:
    check_parties_refuses(
        "--to", "insurer-b", "expected an organisation of this network (hospital-a, insurer-a, regulator)"
    )
    check_parties_refuses("--from", "insurer-a", "expected a hospital of this network (hospital-a)")
    check_parties(Members(), {"hospital": None, "recipient": "regulator"})
