"""Those who act for others, on the main lane: wards, youths, heirs; and denials that race with settlements."""

import pytest
from msgspec.structs import replace

from contracts.grants import ALL_DAYS, Countersign, Grant, Grantor, ListGrants, Minority, RecordType, Revoke
from contracts.mandates import Attest, Authority, EndAuthority, MandateKind, MandateScope
from contracts.policies import NamePayee
from contracts.settlements import Acknowledge, AwaitConsent, Resume, Withdraw
from contracts.stays import Share
from contracts.steps import waited_ms
from tests.contracts.consortium import BEGUN_MS, YEAR_MS, Call, Case, Consortium, Figure, digest

DAY_MS = 86_400_000
PAYABLE = Figure.draw(206_000, "payable")
TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")


def enrolled(chain: Consortium) -> str:
    name, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    return name


def attest(
    chain: Consortium, kind: MandateKind, subject: str, holder: str, minority: Minority | None = "ward"
) -> Attest:
    """Return an authority for the main lane that outlives the consortium's grants; a guardian's is for a ward."""
    scope = MandateScope(("HPAYMT",), TYPES, ("hospital-a",), ("insurer-a",))
    until_ms = BEGUN_MS + 3 * YEAR_MS
    acts = minority if kind == "guardian" else None
    return Attest(chain.draw("authority"), kind, subject, holder, digest("documents"), scope, 0, until_ms, acts)


def given_by(chain: Consortium, authority: Attest, capacity: str) -> Grant:
    """Have an authority's holder grant, and both parties match."""
    grantor = Grantor(authority.kind, authority.holder, authority.authority_id)
    grant = replace(chain.grant(authority.subject), grantor=grantor)
    chain.do((authority.holder, "consent.grant", grant), *match(chain, grant, capacity))
    return grant


def match(chain: Consortium, grant: Grant, capacity: str) -> tuple[Call, ...]:
    return tuple(chain.link(grant, party, "matched", capacity) for party in ("hospital-a", "insurer-a"))  # type: ignore[arg-type]


def deny(chain: Consortium, case: Case) -> Call:
    words = chain.grant(case.customer)
    denial = replace(words, effect="deny", identities=(), scope=replace(words.scope, dates=ALL_DAYS))
    return case.customer, "consent.grant", denial


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


# ------------------------------------------------------------------------------------------- authorities


def test_only_who_saw_the_documents_attests_and_only_the_customer_delegates(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    guardian, delegate = attest(chain, "guardian", child, mother), attest(chain, "delegate", child, mother)
    codes = chain.post(
        (mother, "authorities.attest", guardian),
        ("regulator", "authorities.attest", guardian),
        ("insurer-a", "authorities.attest", delegate),
        (mother, "authorities.attest", delegate),
        ("insurer-a", "authorities.attest", guardian),
        ("insurer-a", "authorities.attest", guardian),
        (child, "authorities.attest", delegate),
    )
    assert codes == ["FORBIDDEN"] * 4 + ["OK", "AUTHORITY_TAKEN", "OK"]
    for query, name in (("list_of_subject", child), ("list_of_holder", mother)):
        found = chain.ask(f"authorities.{query}", ListGrants(name, ""), tuple[Authority, ...])
        assert sorted(item.kind for item in found) == ["delegate", "guardian"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"until_ms": 5, "from_ms": 6}, "PERIOD"),
        ({"until_ms": BEGUN_MS}, "PERIOD"),
        ({"minority": None}, "MINORITY"),
        ({"kind": "heir"}, "MINORITY"),
        ({"minority": "youth", "until_ms": BEGUN_MS + 5 * YEAR_MS}, "PERIOD"),
        ({"minority": "child", "until_ms": BEGUN_MS + 15 * YEAR_MS}, "PERIOD"),
        ({"holder": "c-nobody"}, "UNKNOWN_CUSTOMER"),
        ({"subject": "c-nobody"}, "UNKNOWN_CUSTOMER"),
    ],
)
def test_an_authority_without_bounds_or_people_is_refused(
    chain: Consortium, change: dict[str, object], code: str
) -> None:
    message = replace(attest(chain, "guardian", enrolled(chain), enrolled(chain)), **change)
    assert chain.post(("hospital-a", "authorities.attest", message)) == [code]


def test_nobody_acts_for_herself_or_under_another_ones_authority(chain: Consortium) -> None:
    child, mother, other = enrolled(chain), enrolled(chain), enrolled(chain)
    own = attest(chain, "guardian", child, child)
    assert chain.post(("hospital-a", "authorities.attest", own)) == ["GRANTOR"]
    authority = attest(chain, "guardian", child, mother)
    chain.do(("hospital-a", "authorities.attest", authority))
    words = replace(chain.grant(child), grantor=Grantor("guardian", other, authority.authority_id))
    assert chain.post((other, "consent.grant", words)) == ["GRANTOR"]
    assert chain.post((mother, "consent.grant", words)) == ["FORBIDDEN"]
    heir = replace(words, grantor=Grantor("heir", mother, authority.authority_id))
    assert chain.post((mother, "consent.grant", heir)) == ["GRANTOR"]


def test_an_authority_is_ended_by_those_it_concerns_and_by_nobody_else(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    for ender in ("hospital-a", mother, child):
        authority = attest(chain, "guardian", child, mother)
        end = EndAuthority(authority.authority_id)
        chain.do(("hospital-a", "authorities.attest", authority))
        codes = chain.post(("insurer-a", "authorities.end", end), *[(ender, "authorities.end", end)] * 2)
        assert codes == ["FORBIDDEN", "OK", "WRONG_STATE"]


def test_an_authority_that_has_run_out_lets_nobody_act(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    authority = replace(attest(chain, "guardian", child, mother), until_ms=chain.application.time_ms + DAY_MS)
    chain.do(("hospital-a", "authorities.attest", authority))
    words = replace(chain.grant(child), grantor=Grantor("guardian", mother, authority.authority_id))
    assert chain.post((mother, "consent.grant", words)) == ["WIDENED"]
    chain.post(after_ms=DAY_MS)
    assert chain.post((mother, "consent.grant", words)) == ["GRANTOR"]


# ------------------------------------------------------------------------------------------- wards and youths


def test_a_newborns_claim_settles_under_her_mothers_grant_and_the_mother_answers(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", child, mother, "child")
    chain.do(("hospital-a", "authorities.attest", authority))
    case = chain.case(given_by(chain, authority, "child"), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    assert case.customer == child
    answer = Acknowledge(case.claim_id, 1, authority.authority_id)
    assert chain.post(("insurer-a", "claims.acknowledge", answer), (mother, "claims.acknowledge", answer)) == [
        "GRANTOR",
        "OK",
    ]


def test_a_guardian_revokes_what_her_ward_needs_no_more_and_a_delegate_only_her_own(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", child, mother)
    chain.do(("hospital-a", "authorities.attest", authority))
    grant, own = given_by(chain, authority, "ward"), chain.grant(child)
    chain.do((child, "consent.grant", own))
    delegate = attest(chain, "delegate", child, mother)
    chain.do((child, "authorities.attest", delegate))
    codes = chain.post(
        (mother, "consent.revoke", Revoke(grant.grant_id)),
        (mother, "consent.revoke", Revoke(own.grant_id, delegate.authority_id)),
        (mother, "consent.revoke", Revoke(own.grant_id, authority.authority_id)),
        (mother, "consent.revoke", Revoke(grant.grant_id, authority.authority_id)),
    )
    assert codes == ["FORBIDDEN", "GRANTOR", "OK", "OK"]


def test_a_countersignature_is_a_guardians_for_this_version_once(chain: Consortium) -> None:
    youth, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", youth, mother, "youth")
    chain.do(("hospital-a", "authorities.attest", authority))
    grant = chain.grant(youth)
    chain.do((youth, "consent.grant", grant), *match(chain, grant, "youth"))
    signed = Countersign(grant.grant_id, 1, authority.authority_id)
    codes = chain.post(
        (youth, "consent.countersign", signed),
        (mother, "consent.countersign", replace(signed, version=2)),
        (mother, "consent.countersign", signed),
        (mother, "consent.countersign", signed),
    )
    assert codes == ["GRANTOR", "STALE_VERSION", "OK", "WRONG_STATE"]
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))


def test_a_countersignature_widens_nothing(chain: Consortium) -> None:
    youth, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", youth, mother, "youth")
    narrow = replace(authority, scope=replace(authority.scope, record_types=("invoice",)))
    chain.do(("hospital-a", "authorities.attest", narrow))
    grant = chain.grant(youth)
    chain.do((youth, "consent.grant", grant))
    signed = Countersign(grant.grant_id, 1, narrow.authority_id)
    assert chain.post((mother, "consent.countersign", signed)) == ["WIDENED"]


# ------------------------------------------------------------------------------------------- heirs


def die(chain: Consortium, case: Case) -> tuple[Call, ...]:
    """Return the judgements by which both parties say that the customer has died."""
    words = replace(chain.grant(case.customer), grant_id=case.grant_id)
    return match(chain, words, "deceased")


def test_the_claim_of_a_customer_who_died_waits_for_her_heirs_and_pays_a_payee_named_since(
    chain: Consortium, case: Case
) -> None:
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(die(chain, case)[0])
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    assert chain.post(settle) == ["ELIG-001"]
    assert chain.reason().startswith("deceased: ")
    chain.do(("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert chain.view(case).claim.steps[-1].reference == "ELIG-001 deceased"

    heir = attest(chain, "heir", case.customer, enrolled(chain))
    chain.do(("hospital-a", "authorities.attest", heir))
    grant = given_by(chain, heir, "deceased")
    chain.do((case.insurer, "claims.resume", Resume(case.claim_id, grant.grant_id)))
    outcome = replace(chain.outcome(case, PAYABLE), grant_id=grant.grant_id)
    assert chain.post(chain.settle(case, outcome)) == ["ELIG-001"]
    assert chain.reason().startswith("payee: ")
    payee = NamePayee(case.policy_id, 2, digest("heirs"))
    chain.do((case.insurer, "coverage.name_payee", payee))
    chain.do(chain.settle(case, replace(outcome, payee_version=2)))


def test_a_death_and_a_settlement_in_one_block_go_by_their_order(chain: Consortium, case: Case) -> None:
    for is_settled_first in (True, False):
        other = chain.case(chain.consent(), chain.policy())
        chain.do(*chain.admit(other), *chain.discharge(other), *chain.deliver(other))
        settle, death = chain.settle(other, chain.outcome(other, PAYABLE)), die(chain, other)[0]
        if is_settled_first:
            assert chain.post(settle, death) == ["OK", "OK"]
        else:
            assert chain.post(death, settle) == ["OK", "ELIG-001"]


# ------------------------------------------------------------------------------------------- denials and waiting


def test_a_denial_and_a_settlement_in_one_block_go_by_their_order(chain: Consortium) -> None:
    for is_settled_first in (True, False):
        case = chain.case(chain.consent(), chain.policy())
        chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
        settle = chain.settle(case, chain.outcome(case, PAYABLE))
        if is_settled_first:
            assert chain.post(settle, deny(chain, case)) == ["OK", "OK"]
            assert chain.view(case).status == "SETTLED"
        else:
            assert chain.post(deny(chain, case), settle) == ["OK", "AUTH-013"]
            assert chain.reason().startswith("denial: ")


def test_a_share_under_a_denied_grant_leaves_a_receipt_and_nothing_else(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(deny(chain, case))
    share = Share(case.record("admission"), "insurer-a", case.grant_id)
    assert chain.post(("hospital-a", "records.share", share)) == ["AUTH-013"]
    receipt = chain.receipts[0]
    assert receipt.reason.startswith("denial: ")
    assert [event.name for event in receipt.events] == ["access-refused"]


def test_a_pseudonym_has_a_bounded_number_of_denials(chain: Consortium, case: Case) -> None:
    assert chain.post(*[deny(chain, case) for _ in range(17)]) == ["OK"] * 16 + ["TOO_MANY"]


def test_while_a_claim_waits_its_clocks_stand_still(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    chain.do(("hospital-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    began_ms = chain.application.time_ms
    chain.post(after_ms=3 * DAY_MS)
    assert waited_ms(chain.view(case).claim.steps, chain.application.time_ms) == 3 * DAY_MS
    again = chain.grant(case.customer)
    chain.do((case.customer, "consent.grant", again), *match(chain, again, "adult"))
    chain.do(("hospital-a", "claims.resume", Resume(case.claim_id, again.grant_id)))
    waited = chain.application.time_ms - began_ms
    chain.post(after_ms=DAY_MS)
    assert waited_ms(chain.view(case).claim.steps, chain.application.time_ms) == waited


def test_a_customer_who_files_herself_ends_the_claim_here(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id, files_herself=True)))
    view = chain.view(case)
    assert (view.status, view.claim.steps[-1].reference) == ("WITHDRAWN", "files herself")
    assert chain.post(chain.share(case, case.record("admission"))) == ["NOT_REPORTED"]


# ------------------------------------------------------------------------------------------- made-up guardians


def made_up(
    chain: Consortium, subject: str, giver: str, kind: MandateKind = "guardian", minority: Minority = "ward"
) -> Attest:
    """Return an authority that one organisation attested for an accomplice, without the subject's knowledge."""
    authority = attest(chain, kind, subject, enrolled(chain), minority)
    chain.do((giver, "authorities.attest", authority))
    return authority


@pytest.mark.parametrize("kind", ["guardian", "heir"])
def test_a_made_up_guardian_or_heir_lifts_no_denial(chain: Consortium, case: Case, kind: MandateKind) -> None:
    chain.do(*chain.admit(case))
    customer, _, denial = deny(chain, case)
    chain.do((customer, "consent.grant", denial))
    accomplice = made_up(chain, case.customer, "insurer-a", kind)
    revoke = Revoke(denial.grant_id, accomplice.authority_id)  # type: ignore[attr-defined]
    assert chain.post((accomplice.holder, "consent.revoke", revoke)) == ["GRANTOR"]
    assert chain.post(chain.share(case, case.record("admission"))) == ["AUTH-013"]


def test_a_guardian_lifts_the_denial_that_she_gave(chain: Consortium, case: Case) -> None:
    guardian = made_up(chain, case.customer, "hospital-a")
    _, _, words = deny(chain, case)
    denial = replace(words, grantor=Grantor("guardian", guardian.holder, guardian.authority_id))  # type: ignore[type-var]
    revoke = Revoke(denial.grant_id, guardian.authority_id)  # type: ignore[attr-defined]
    chain.do((guardian.holder, "consent.grant", denial), (guardian.holder, "consent.revoke", revoke))


def test_a_guardian_whom_no_party_attested_revokes_nothing(chain: Consortium, case: Case) -> None:
    for giver, code in (("hospital-b", "GRANTOR"), ("hospital-a", "OK")):
        guardian = made_up(chain, case.customer, giver)
        revoke = Revoke(case.grant_id, guardian.authority_id)
        assert chain.post((guardian.holder, "consent.revoke", revoke)) == [code]


def test_made_up_guardians_leave_a_customer_room_for_her_own_denials(chain: Consortium, case: Case) -> None:
    guardian = made_up(chain, case.customer, "insurer-a")
    grantor = Grantor("guardian", guardian.holder, guardian.authority_id)
    theirs = [replace(deny(chain, case)[2], grantor=grantor) for _ in range(9)]  # type: ignore[type-var]
    codes = chain.post(*[(guardian.holder, "consent.grant", denial) for denial in theirs])
    assert codes == ["OK"] * 8 + ["TOO_MANY"]
    assert chain.post(*[deny(chain, case) for _ in range(9)]) == ["OK"] * 8 + ["TOO_MANY"]


def test_a_guardian_whom_the_insurer_attested_alone_countersigns_nothing_for_it(chain: Consortium) -> None:
    youth = enrolled(chain)
    grant = chain.grant(youth)
    chain.do((youth, "consent.grant", grant), *match(chain, grant, "youth"))
    guardian = made_up(chain, youth, "insurer-a", minority="youth")
    chain.do((guardian.holder, "consent.countersign", Countersign(grant.grant_id, 1, guardian.authority_id)))
    case = chain.case(grant, chain.policy())
    assert chain.post(chain.admit(case)[0]) == ["AUTH-013"]
    assert chain.reason().startswith("authority: ")


def test_a_guardian_whom_the_insurer_attested_alone_ends_no_claim_against_it(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    for giver, code in (("insurer-a", "GRANTOR"), ("hospital-b", "GRANTOR"), ("hospital-a", "OK")):
        guardian = made_up(chain, case.customer, giver)
        withdraw = Withdraw(case.claim_id, files_herself=False, authority=guardian.authority_id)
        assert chain.post((guardian.holder, "claims.withdraw", withdraw)) == [code]


def test_whoever_wants_the_records_cannot_declare_a_customer_dead_for_an_heir_of_its_making(chain: Consortium) -> None:
    heir = made_up(chain, enrolled(chain), "insurer-a", "heir")
    grant = replace(chain.grant(heir.subject), grantor=Grantor("heir", heir.holder, heir.authority_id))
    links = chain.link(grant, "hospital-a", "matched", "adult"), chain.link(grant, "insurer-a", "matched", "deceased")
    chain.do((heir.holder, "consent.grant", grant), *links)
    case = chain.case(grant, chain.policy())
    assert chain.post(chain.admit(case)[0]) == ["ELIG-001"]
    assert chain.reason().startswith("capacity: ")


def test_an_insurer_lets_no_claim_wait_for_a_type_that_it_does_not_need_or_for_uses_that_are_used(
    chain: Consortium,
) -> None:
    customer = enrolled(chain)
    words = chain.grant(customer)
    needed: tuple[RecordType, ...] = ("admission", "discharge-summary", "invoice", "item-list")
    permission = replace(words.permission, uses_max=4)
    grant = replace(words, scope=replace(words.scope, record_types=needed), permission=permission)
    chain.do((customer, "consent.grant", grant), *match(chain, grant, "adult"))
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    for record_type in ("interim-bill", "invoice"):
        wait = AwaitConsent(case.claim_id, record_type)
        assert chain.post((case.insurer, "claims.await_consent", wait)) == ["GRANT_USABLE"]
    narrow = replace(grant, version=2, previous_version=1, scope=replace(grant.scope, record_types=needed[:2]))
    chain.do((customer, "consent.grant", narrow))
    chain.do((case.insurer, "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))


# ------------------------------------------------------------------------------------------- what is not prevented


def test_a_wards_own_key_lifts_the_denial_that_her_guardian_gave(chain: Consortium) -> None:
    child, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", child, mother)
    chain.do(("hospital-a", "authorities.attest", authority))
    case = chain.case(given_by(chain, authority, "ward"), chain.policy())
    _, _, words = deny(chain, case)
    denial = replace(words, grantor=Grantor("guardian", mother, authority.authority_id))  # type: ignore[type-var]
    chain.do((mother, "consent.grant", denial))
    assert chain.post(chain.admit(case)[0]) == ["AUTH-013"]
    chain.do((child, "consent.revoke", Revoke(denial.grant_id)))  # type: ignore[attr-defined]
    chain.do(chain.admit(case)[0])


def test_the_guardian_of_a_youth_ends_no_claim_of_hers_alone(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    guardian = made_up(chain, case.customer, "hospital-a", minority="youth")
    withdraw = Withdraw(case.claim_id, files_herself=False, authority=guardian.authority_id)
    assert chain.post((guardian.holder, "claims.withdraw", withdraw)) == ["GRANTOR"]
    assert chain.post((case.customer, "claims.withdraw", replace(withdraw, authority=None))) == ["OK"]


@pytest.mark.parametrize(
    ("narrow", "field"),
    [
        ({"purposes": ("CAREMGT", "PATRQT")}, "purpose"),
        ({"sources": ("hospital-b",)}, "sources"),
        ({"grantees": ("insurer-b",)}, "grantee"),
    ],
)
def test_an_authority_about_something_else_ends_no_claim(
    chain: Consortium, case: Case, narrow: dict[str, tuple[str, ...]], field: str
) -> None:
    chain.do(*chain.admit(case))
    delegate = attest(chain, "delegate", case.customer, enrolled(chain))
    delegate = replace(delegate, scope=replace(delegate.scope, **narrow))
    chain.do((case.customer, "authorities.attest", delegate))
    withdraw = Withdraw(case.claim_id, files_herself=False, authority=delegate.authority_id)
    assert chain.post((delegate.holder, "claims.withdraw", withdraw)) == ["WIDENED"]
    assert chain.reason().startswith(field)
