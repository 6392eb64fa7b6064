"""Erasure asked by others than the subject: guardians and heirs, of the holder that knows them; nobody else."""

import pytest
from msgspec.structs import replace

from contracts.erasures import Ask
from contracts.mandates import Attest, EndAuthority, MandateKind, MandateScope
from contracts.settlements import AwaitConsent, Withdraw
from tests.contracts.consortium import Call, Case, Consortium
from tests.contracts.test_claims import revoke
from tests.contracts.test_erasure import PAYABLE, ids, rows, settle, statuses
from tests.contracts.test_mandates import DAY_MS, TYPES, attest, enrolled

SCOPE = MandateScope(("PATRQT",), TYPES, ("hospital-a",), ("insurer-a",))


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


def authorised(chain: Consortium, case: Case, kind: MandateKind, giver: str, scope: MandateScope = SCOPE) -> Attest:
    """Have `giver` let somebody have the case's records erased."""
    authority = replace(attest(chain, kind, case.customer, enrolled(chain)), scope=scope)
    chain.do((case.customer if kind == "delegate" else giver, "authorities.attest", authority))
    return authority


def ask(case: Case, authority: Attest, holder: str | None, signer: str | None = None) -> Call:
    message = Ask(case.stay_id, tuple(sorted(ids(case))), holder, authority.authority_id)
    return signer or authority.holder, "erasure.ask", message


def pay(chain: Consortium, case: Case) -> None:
    payment = chain.view(case).claim.payments[0]
    chain.do(chain.pay(payment, "accepted"), chain.pay(payment, "paid"))


def check_refused(chain: Consortium, case: Case, call: Call, code: str, words: str) -> None:
    assert chain.post(call) == [code]
    assert words in chain.reason()
    assert rows(chain, case.stay_id) == {}


@pytest.mark.parametrize("kind", ["guardian", "heir"])
@pytest.mark.parametrize("holder", ["hospital-a", "insurer-a"])
def test_whoever_a_holder_has_attested_asks_it_and_nobody_else(
    chain: Consortium, case: Case, kind: MandateKind, holder: str
) -> None:
    settle(chain, case)
    pay(chain, case)
    authority = authorised(chain, case, kind, holder)
    other = "insurer-a" if holder == "hospital-a" else "hospital-a"
    for beyond in (other, None):
        check_refused(chain, case, ask(case, authority, beyond), "GRANTOR", f"holder: expected {holder}")
    chain.do(ask(case, authority, holder))
    (row,) = rows(chain, case.stay_id).values()
    assert (row.holder, row.subject) == (holder, case.customer)
    assert {item.cause for item in row.items} == {kind}
    made = rows(chain, case.claim_id)
    assert {name: (made[name].subject, made[name].items[0].cause) for name in made} == (
        {} if holder == "hospital-a" else {"insurer-a": (case.customer, kind)}
    )
    assert chain.post(ask(case, authority, holder)) == ["ALREADY_ASKED"]


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (replace(SCOPE, purposes=("CAREMGT", "HPAYMT")), "purpose: PATRQT"),
        (replace(SCOPE, record_types=("admission", "invoice")), "record types: "),
        (replace(SCOPE, sources=("hospital-b",)), "sources: hospital-a"),
        (replace(SCOPE, grantees=("insurer-b",)), "grantee: insurer-a"),
    ],
)
def test_what_goes_beyond_the_mandate_is_refused(
    chain: Consortium, case: Case, scope: MandateScope, words: str
) -> None:
    settle(chain, case)
    pay(chain, case)
    authority = authorised(chain, case, "guardian", "insurer-a", scope)
    check_refused(chain, case, ask(case, authority, "insurer-a"), "WIDENED", words)


def test_a_delegate_never_asks_whatever_the_customer_has_signed(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    authority = authorised(chain, case, "delegate", "")
    for holder in (None, "hospital-a", "insurer-a", case.customer):
        check_refused(chain, case, ask(case, authority, holder), "GRANTOR", "guardian or heir, got a delegate's")


def test_the_guardian_of_a_youth_asks_nothing_and_that_of_a_child_or_a_ward_does(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    pay(chain, case)
    for minority, code in (("youth", "GRANTOR"), ("child", "OK"), ("ward", "ALREADY_ASKED")):
        authority = replace(
            attest(chain, "guardian", case.customer, enrolled(chain)), scope=SCOPE, minority=minority,
            until_ms=chain.application.time_ms + DAY_MS,
        )  # fmt: skip
        chain.do(("hospital-a", "authorities.attest", authority))
        assert chain.post(ask(case, authority, "hospital-a")) == [code], minority


def test_an_authority_that_is_anothers_ended_or_over_asks_nothing(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    pay(chain, case)
    authority = authorised(chain, case, "guardian", "hospital-a")
    for signer in (enrolled(chain), case.customer, "hospital-a"):
        check_refused(chain, case, ask(case, authority, "hospital-a", signer), "GRANTOR", "does not let")
    other = chain.case(chain.consent(), chain.policy())
    settle(chain, other)
    check_refused(chain, other, ask(other, authority, "hospital-a"), "GRANTOR", "does not let")
    nothing = replace(authority, authority_id="authority-0000000000000000")
    check_refused(chain, case, ask(case, nothing, "hospital-a"), "GRANTOR", "there is no authority")

    brief = replace(authority, authority_id=chain.draw("authority"), until_ms=chain.application.time_ms + DAY_MS)
    chain.do(("hospital-a", "authorities.attest", brief))
    chain.do((authority.holder, "authorities.end", EndAuthority(authority.authority_id)), after_ms=DAY_MS)
    check_refused(chain, case, ask(case, authority, "hospital-a"), "GRANTOR", "was ended at height")
    check_refused(chain, case, ask(case, brief, "hospital-a"), "GRANTOR", "ended at block time")


def test_an_end_and_a_request_in_one_block_go_by_their_order(chain: Consortium) -> None:
    for is_asked_first in (True, False):
        case = chain.case(chain.consent(), chain.policy())
        settle(chain, case)
        pay(chain, case)
        authority = authorised(chain, case, "guardian", "hospital-a")
        end: Call = ("hospital-a", "authorities.end", EndAuthority(authority.authority_id))
        asked = ask(case, authority, "hospital-a")
        calls, codes = ((asked, end), ["OK", "OK"]) if is_asked_first else ((end, asked), ["OK", "GRANTOR"])
        assert chain.post(*calls) == codes


@pytest.mark.parametrize("kind", ["guardian", "heir"])
def test_nobody_ends_a_claim_that_may_still_pay_by_asking_for_another(
    chain: Consortium, case: Case, kind: MandateKind
) -> None:
    chain.do(*chain.admit(case))
    authority = authorised(chain, case, kind, "hospital-a")
    made_up = authorised(chain, case, kind, "insurer-a")
    chain.do(*chain.discharge(case))
    asked = ask(case, authority, "hospital-a")
    check_refused(chain, case, asked, "WRONG_STATE", "expected PAID or WITHDRAWN before another asks")
    chain.do(*chain.deliver(case))
    check_refused(chain, case, ask(case, made_up, "insurer-a"), "WRONG_STATE", "before another asks")
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    check_refused(chain, case, asked, "WRONG_STATE", "got SETTLED")
    pay(chain, case)
    chain.do(asked)
    assert statuses(chain, case.stay_id, "hospital-a") == ["ASKED"] * 4


def test_a_guardian_or_an_heir_asks_of_a_claim_that_was_withdrawn(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    heir, guardian = (authorised(chain, case, kind, "hospital-a") for kind in ("heir", "guardian"))
    record = Ask(case.stay_id, (case.record("invoice"),), "hospital-a", guardian.authority_id)
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id, files_herself=False)))
    chain.do((guardian.holder, "erasure.ask", record))
    chain.do(ask(case, heir, "hospital-a"))
    causes = {item.item: item.cause for item in rows(chain, case.stay_id)["hospital-a"].items}
    assert causes.pop(case.record("invoice")) == "guardian"
    assert set(causes.values()) == {"heir"}


def test_no_holder_keeps_records_from_being_asked_for_by_letting_a_paid_claim_wait_for_consent(
    chain: Consortium, case: Case
) -> None:
    wait: Call = ("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice"))
    settle(chain, case)
    heir = authorised(chain, case, "heir", "insurer-a")
    chain.do(revoke(case), wait)
    check_refused(chain, case, ask(case, heir, "insurer-a"), "WRONG_STATE", "before another asks")
    pay(chain, case)
    assert chain.view(case).status == "AWAITING_CONSENT"
    chain.do(ask(case, heir, "insurer-a"))
