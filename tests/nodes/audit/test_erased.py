"""A dossier of a claim of which something was erased: it says so, by whom and when, and proves the rest."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.erasures import ASK_RECORDS_MAX, ITEMS_MAX, Ask, Certify, ErasureRow, Restrict
from contracts.proposals import (
    AddOrganisation,
    CastVote,
    ListProposals,
    ProposalView,
    Propose,
    RemoveOrganisation,
    organisation_message,
)
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.errors import VerificationError
from nodes.api.records import show_record
from nodes.audit.collect import collect_dossier
from nodes.audit.dossier import Dossier, render_dossier
from nodes.audit.evidence import Evidence
from nodes.audit.narration import render_summary
from nodes.audit.packing import pack, unpack
from nodes.audit.summary import find_erased_openings, summarise
from nodes.audit.trust import Trust
from nodes.audit.verify import VerifiedClaim, verify_dossier
from nodes.network.hosting import NodeView
from nodes.roles.lookup import find_record
from tests.contracts.consortium import Call, Case, digest
from tests.nodes.audit.chain import VALIDATORS, AuditedChain
from tests.nodes.audit.conftest import settle

LAST_OF_2031 = 22_644
DOSSIER_BYTES_MAX = 20_000


@pytest.fixture
def case(chain: AuditedChain) -> Case:
    return settle(chain)


def ask(case: Case) -> Call:
    return case.customer, "erasure.ask", Ask(case.stay_id, tuple(record_id for _, record_id in case.records), None)


def certify(holder: str, case: Case) -> Call:
    return holder, "erasure.certify", Certify(case.stay_id, tuple(record_id for _, record_id in case.records))


def certify_claim(holder: str, case: Case) -> Call:
    return holder, "erasure.certify", Certify(case.claim_id, (case.claim_id,))


def erase(chain: AuditedChain, case: Case) -> None:
    chain.do(ask(case))
    chain.do(certify("hospital-a", case), certify("insurer-a", case))
    chain.do(certify_claim("insurer-a", case), certify_claim("rail", case))


def collect(chain: AuditedChain, case: Case) -> Dossier:
    return collect_dossier(chain.application, chain.blocks, case.claim_id)


def verified(chain: AuditedChain, case: Case) -> VerifiedClaim:
    return verify_dossier(render_dossier(collect(chain, case)), Trust(chain.genesis))


def changed(chain: AuditedChain, case: Case, **changes: Any) -> bytes:
    dossier = collect(chain, case)
    evidence = unpack(dossier.evidence, Evidence)
    return render_dossier(replace(dossier, evidence=pack(replace(evidence, **changes))))


def test_it_says_what_was_erased_by_whom_and_when_and_proves_the_rest(chain: AuditedChain, case: Case) -> None:
    erase(chain, case)
    proven = verified(chain, case)
    facts = summarise(proven)
    assert len(facts["erasures"]) == 10
    assert {(item["holder"], item["status"], item["cause"]) for item in facts["erasures"]} == {
        ("hospital-a", "ERASED", "request"),
        ("insurer-a", "ERASED", "request"),
        ("rail", "ERASED", "request"),
    }
    assert (facts["status"], len(facts["shares"]), len(facts["settlements"])) == ("PAID", 4, 1)
    text = "\n".join(render_summary(proven))
    height = chain.application.height
    assert f"what was made of the claim at insurer-a: erased, at height {height}" in text
    assert "asked for by the customer at height" in text
    erased = find_erased_openings(proven)
    assert erased is not None
    assert f"erased: insurer-a has certified at height {height}" in text
    assert "删除" in "\n".join(render_summary(proven, language="zh"))


def test_a_rail_that_the_members_admitted_later_is_shown_and_still_when_it_was_removed(
    chain: AuditedChain, case: Case
) -> None:
    admit_rail(chain, "rail-b")
    erase(chain, case)
    chain.do(certify_claim("rail-b", case))
    assert chain.application.roles()["rail-b"] == "rail"
    assert "rail-b" in {item["holder"] for item in summarise(verified(chain, case))["erasures"]}
    pass_(chain, RemoveOrganisation("rail-b"))
    assert "rail-b" not in chain.application.members()
    assert "rail-b" in {item["holder"] for item in summarise(verified(chain, case))["erasures"]}


def test_a_customers_page_awaits_the_rail_that_was_to_pay_whoever_else_answers(chain: AuditedChain, case: Case) -> None:
    admit_rail(chain, "a-rail")
    chain.do(ask(case))
    assert holders_of_claim(chain, case) == {"insurer-a": "asked", "rail": "asked"}
    chain.do(certify_claim("a-rail", case))
    assert holders_of_claim(chain, case) == {"insurer-a": "asked", "a-rail": "erased", "rail": "asked"}
    chain.do(certify_claim("rail", case))
    assert holders_of_claim(chain, case) == {"insurer-a": "asked", "a-rail": "erased", "rail": "erased"}


def holders_of_claim(chain: AuditedChain, case: Case) -> dict[str, str]:
    """Return what a customer is shown of what was made of her claim."""
    node: Any = SimpleNamespace(view=NodeView(chain.application, chain.application.read), application=chain.application)
    view = find_record(node.view, case.records[0][1])
    assert view is not None
    caller: Any = SimpleNamespace(name=view.record.subject, role="customer")
    found = asyncio.run(show_record(node, caller, view.record.record_id))
    return {item.holder: item.status for item in found.made_of_it}


def admit_rail(chain: AuditedChain, name: str) -> None:
    """Have the members admit another rail."""
    key = chain.keys[name] = PrivateKey(digest(name))
    signed = organisation_message(chain.genesis.chain_id, name, "rail", key.public_key, bytes(1216), digest("ca"))
    proof = sign_enrolment(key, signed)
    pass_(chain, AddOrganisation(name, "rail", key.public_key, bytes(1216), digest("ca"), proof))


def pass_(chain: AuditedChain, action: AddOrganisation | RemoveOrganisation) -> None:
    """Have the members do it."""
    against = chain.ask("governance.basis", Propose(action, bytes(32)), bytes)
    chain.do(("regulator", "governance.propose", Propose(action, against)))
    number = max(
        item.number for item in chain.ask("governance.list_proposals", ListProposals(""), tuple[ProposalView, ...])
    )
    chain.do(*((name, "governance.vote", CastVote(number, approve=True)) for name in VALIDATORS[:3]))


def test_it_says_under_which_law_something_is_kept(chain: AuditedChain, case: Case) -> None:
    chain.do(ask(case))
    message = Restrict(case.claim_id, (case.claim_id,), "insurance-claim-file", LAST_OF_2031)
    chain.do(("insurer-a", "erasure.restrict", message))
    proven = verified(chain, case)
    english, chinese = ("\n".join(render_summary(proven, language=language)) for language in ("en", "zh"))
    assert "kept until 2031-12-31: Insurance Law, art. 87" in english
    assert "kept until 2031-12-31: 《保险法》第八十七条" in chinese
    assert find_erased_openings(proven) is None


def test_a_claim_of_which_nothing_was_erased_proves_that(chain: AuditedChain, case: Case) -> None:
    proven = verified(chain, case)
    assert (proven.evidence.erasures, summarise(proven)["erasures"]) == ((), [])


@pytest.mark.parametrize("place", range(3))
def test_an_erasure_by_hospital_or_insurer_cannot_be_left_out(chain: AuditedChain, case: Case, place: int) -> None:
    erase(chain, case)
    rows = list(verified(chain, case).evidence.erasures)
    assert [row.holder for row in rows] == ["insurer-a", "rail", "hospital-a", "insurer-a"]
    left_out = [row for row in rows if row.holder != "rail"][place]
    data = changed(chain, case, erasures=tuple(row for row in rows if row != left_out))
    with pytest.raises(VerificationError):
        verify_dossier(data, Trust(chain.genesis))


@pytest.mark.parametrize("left_out", ["first", "last"])
def test_of_a_long_stay_every_row_is_shown_and_none_can_be_left_out(
    chain: AuditedChain, case: Case, left_out: str
) -> None:
    asked = [record_id for _, record_id in case.records]
    while len(asked) <= ITEMS_MAX:
        record_id, entry = chain.draw_summary(case)
        reversal_id, reversal = chain.draw_summary(case, record_id)
        chain.do(entry, reversal)
        asked += [record_id, reversal_id]
    asked.sort()
    for first in range(0, len(asked), ASK_RECORDS_MAX):
        some = tuple(asked[first : first + ASK_RECORDS_MAX])
        chain.do((case.customer, "erasure.ask", Ask(case.stay_id, some, case.hospital)))
    proven = verified(chain, case)
    one, two = proven.evidence.erasures
    assert [(row.holder, row.number) for row in (one, two)] == [("hospital-a", 1), ("hospital-a", 2)]
    assert len(summarise(proven)["erasures"]) == len(asked)
    kept = two if left_out == "first" else one
    with pytest.raises(VerificationError):
        verify_dossier(changed(chain, case, erasures=(kept,)), Trust(chain.genesis))


def test_an_erasure_that_nobody_certified_cannot_be_put_in(chain: AuditedChain, case: Case) -> None:
    chain.do(ask(case))
    rows = verified(chain, case).evidence.erasures
    erased = replace(rows[0].items[0].steps[0], status="ERASED")
    item = replace(rows[0].items[0], steps=(*rows[0].items[0].steps, erased))
    forged = (replace(rows[0], items=(item,)), *rows[1:])
    with pytest.raises(VerificationError):
        verify_dossier(changed(chain, case, erasures=forged), Trust(chain.genesis))


def test_a_row_of_another_claim_is_refused(chain: AuditedChain, case: Case) -> None:
    other = settle(chain)
    erase(chain, case)
    erase(chain, other)
    foreign = verified(chain, other).evidence.erasures
    own = verified(chain, case).evidence.erasures
    both = tuple(sorted((*own, *foreign), key=_place))
    with pytest.raises(VerificationError):
        verify_dossier(changed(chain, case, erasures=both), Trust(chain.genesis))
    with pytest.raises(VerificationError):
        verify_dossier(changed(chain, case, erasures=(*own, own[-1])), Trust(chain.genesis))


def test_it_stays_below_its_size_with_everything_erased(chain: AuditedChain, case: Case) -> None:
    before = len(render_dossier(collect(chain, case)))
    erase(chain, case)
    after = len(render_dossier(collect(chain, case)))
    assert before < after < DOSSIER_BYTES_MAX


def _place(row: ErasureRow) -> tuple[str, str]:
    return row.scope, row.holder
