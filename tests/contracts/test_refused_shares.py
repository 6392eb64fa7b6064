"""A share that its grant does not cover: a clear reason, a receipt in the block, and nothing else."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.grants import Grant, Revoke
from contracts.stays import Share
from ledger.application import BlockInputs
from ledger.codec import encode
from ledger.transactions import Transaction, make_submission
from tests.contracts.consortium import CHAIN_ID, Case, Consortium

DAY_MS = 86_400_000


def amend(chain: Consortium, grant: Grant, **changes: object) -> None:
    amended = replace(grant, version=2, previous_version=1, **changes)
    chain.do((grant.subject, "consent.grant", amended))


def expire(chain: Consortium, grant: Grant, _case: Case) -> None:
    amend(chain, grant, permission=replace(grant.permission, expires_at_ms=chain.application.time_ms + DAY_MS))
    chain.post(after_ms=DAY_MS)


def revoke(chain: Consortium, grant: Grant, _case: Case) -> None:
    chain.do((grant.subject, "consent.revoke", Revoke(grant.grant_id)))


def use_up(chain: Consortium, grant: Grant, case: Case) -> None:
    amend(chain, grant, permission=replace(grant.permission, uses_max=1))
    chain.do(chain.append(case, "item-list"), chain.share(case, case.record("item-list")))


def narrow(chain: Consortium, grant: Grant, _case: Case) -> None:
    amend(chain, grant, scope=replace(grant.scope, record_types=("invoice",)))


def name_another_stay(chain: Consortium, grant: Grant, _case: Case) -> None:
    amend(chain, grant, scope=replace(grant.scope, encounters=("stay-ffffffffffff",)))


def only_look(chain: Consortium, grant: Grant, _case: Case) -> None:
    amend(chain, grant, permission=replace(grant.permission, mode="VIEW"))


@pytest.mark.parametrize(
    ("spoil", "condition"),
    [
        (expire, "expiry"),
        (revoke, "status"),
        (use_up, "uses"),
        (narrow, "record type"),
        (name_another_stay, "encounter"),
        (only_look, "mode"),
    ],
)
def test_a_share_under_a_spoilt_grant_is_refused_with_a_receipt_and_changes_nothing(
    chain: Consortium, spoil: Callable[[Consortium, Grant, Case], None], condition: str
) -> None:
    grant = chain.consent()
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))
    spoil(chain, grant, case)
    refused(chain, "hospital-a", Share(case.record("admission"), "insurer-a", grant.grant_id), condition)


def test_a_share_under_another_cases_grant_is_refused(chain: Consortium) -> None:
    grant = chain.consent()
    amend(chain, grant, scope=replace(grant.scope, case="one-case"))
    standing = chain.grant(grant.subject)
    chain.do(
        (grant.subject, "consent.grant", standing), *[chain.link(standing, p) for p in ("hospital-a", "insurer-a")]
    )
    policy_id = chain.policy()
    first, second = chain.case(grant, policy_id), chain.case(standing, policy_id)
    chain.do(*chain.admit(first), *chain.admit(second))
    refused(chain, "hospital-a", Share(second.record("admission"), "insurer-a", grant.grant_id), "case")


def test_a_share_under_another_hospitals_grant_is_refused(chain: Consortium) -> None:
    grant = chain.consent()
    other = chain.grant(grant.subject, "hospital-b")
    chain.do((grant.subject, "consent.grant", other), chain.link(other, "hospital-b"), chain.link(other, "insurer-a"))
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))
    refused(chain, "hospital-a", Share(case.record("admission"), "insurer-a", other.grant_id), "source")


def refused(chain: Consortium, hospital: str, share: Share, condition: str) -> None:
    """Post a share that must fail, and compare what it leaves."""

    def kept() -> list[tuple[bytes, bytes]]:
        return [item for item in chain.store.scan(b"s/") if b"records\x00" in item[0] or b"consent\x00" in item[0]]

    before = kept()
    assert before, "there is something to compare"
    assert chain.post((hospital, "records.share", share)) == ["AUTH-013"]
    (receipt,) = chain.receipts
    assert receipt.reason.startswith(f"{condition}: "), receipt.reason
    assert [event.name for event in receipt.events] == ["access-refused"]
    assert kept() == before


def test_a_grant_whose_transaction_comes_again_is_replayed_and_not_given_twice(chain: Consortium) -> None:
    customer, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    application = chain.application
    height, time_ms = application.height + 1, application.time_ms + 1
    transaction = Transaction(
        CHAIN_ID, customer, 1, "consent", "grant", encode(chain.grant(customer)), bytes(16), height + 5, time_ms + 9_000
    )
    submission = make_submission(chain.keys[customer], (transaction,))
    executed = application.execute(BlockInputs(height, time_ms, "hospital-a", (submission, submission), ()))
    assert [receipt.code for receipt in executed.receipts] == ["OK", "REPLAYED"]
