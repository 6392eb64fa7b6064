"""Consent: who may grant, who must match, and what the check says at its place."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.grants import (
    Frequency,
    Grant,
    Grantee,
    Grantor,
    GrantVersion,
    GrantView,
    IdentityCommitment,
    ListGrants,
    Revoke,
    ShowGrant,
)
from contracts.needs import Explanation, FindUsable, Need
from ledger.application import BlockInputs
from ledger.codec import encode
from ledger.errors import InvalidTransactionError
from ledger.mempool import Mempool
from ledger.transactions import Transaction, make_submission
from tests.contracts.consortium import BEGUN_MS, YEAR_MS, Call, Consortium, digest

DAY_MS = 86_400_000


def view(chain: Consortium, grant: Grant) -> GrantView:
    found: GrantView | None = chain.ask("consent.show", ShowGrant(grant.grant_id), GrantView | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def need(grant: Grant) -> Need:
    hospital, insurer = grant.sources[0], grant.grantee.organisation
    return Need(grant.grant_id, hospital, insurer, grant.subject, "invoice", None, None, "release")


def failing(chain: Consortium, wanted: Need) -> tuple[str, str] | None:
    explanation = chain.ask("consent.explain", wanted, Explanation)
    assert explanation.usable == (explanation.finding is None)
    return None if explanation.finding is None else (explanation.finding.code, explanation.finding.condition)


def unlinked(chain: Consortium, sponsor: str = "insurer-a") -> Grant:
    customer, enrolment = chain.enrol(sponsor)
    chain.do(enrolment)
    return chain.grant(customer)


def give(grant: Grant) -> Call:
    return grant.subject, "consent.grant", grant


def revoke(grant: Grant) -> Call:
    return grant.subject, "consent.revoke", Revoke(grant.grant_id)


def amended(grant: Grant, **changes: object) -> Grant:
    return replace(grant, version=grant.version + 1, previous_version=grant.version, **changes)


# ------------------------------------------------------------------------------------------- giving and linking


def test_a_grant_is_usable_when_both_parties_matched(chain: Consortium) -> None:
    grant = unlinked(chain)
    chain.do(give(grant))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    chain.do(chain.link(grant, "hospital-a"))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    chain.do(chain.link(grant, "insurer-a"))
    assert failing(chain, need(grant)) is None
    assert chain.events() == ["consent-linked"]


def test_an_insurer_that_creates_a_customer_cannot_consent_for_her_alone(chain: Consortium) -> None:
    grant = unlinked(chain, sponsor="insurer-a")
    chain.do(give(grant), chain.link(grant, "insurer-a"))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    case = chain.case(grant, chain.policy())
    _, target, admission = chain.append(case, "admission")
    assert chain.post(("insurer-a", target, admission), ("hospital-a", target, admission)) == ["FORBIDDEN", "ELIG-001"]


def test_an_organisation_cannot_sign_a_customers_grant(chain: Consortium) -> None:
    grant = unlinked(chain)
    assert chain.post(("insurer-a", "consent.grant", grant)) == ["FORBIDDEN"]


def test_one_customer_cannot_grant_for_another(chain: Consortium) -> None:
    grant, other = unlinked(chain), unlinked(chain)
    assert chain.post((other.subject, "consent.grant", grant)) == ["FORBIDDEN"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda grant: {"grantor": Grantor("guardian", grant.subject, "authority-ffffffffffff")}, "GRANTOR"),
        (lambda grant: {"grantor": Grantor("delegate", grant.subject, None)}, "GRANTOR"),
        (lambda _: {"sources": ("hospital-b", "hospital-a")}, "UNSORTED"),
        (lambda _: {"sources": ("hospital-a", "hospital-a")}, "REPEATED"),
        (lambda _: {"sources": ("hospital-z",)}, "UNKNOWN_MEMBER"),
        (lambda _: {"sources": ("insurer-b",)}, "UNKNOWN_MEMBER"),
        (lambda _: {"grantee": Grantee("hospital-b", "insurer")}, "UNKNOWN_MEMBER"),
        (lambda grant: {"identities": (*grant.identities[:1], grant.identities[0])}, "IDENTITIES"),
        (lambda _: {"purpose": "HLEGAL"}, "PURPOSE"),
        (lambda _: {"purpose": "BTG"}, "PURPOSE"),
        (lambda grant: {"permission": replace(grant.permission, expires_at_ms=BEGUN_MS)}, "EXPIRED_GRANT"),
        (lambda grant: {"permission": replace(grant.permission, erase_at_ms=BEGUN_MS)}, "EXPIRED_GRANT"),
        (lambda grant: {"scope": replace(grant.scope, record_types=("invoice", "admission"))}, "UNSORTED"),
        (lambda _: {"version": 2}, "STALE_VERSION"),
    ],
)
def test_a_grant_that_says_what_it_must_not_is_refused(
    chain: Consortium, change: Callable[[Grant], dict[str, object]], code: str
) -> None:
    grant = unlinked(chain)
    assert chain.post(give(replace(grant, **change(grant)))) == [code]


def test_a_bundled_consent_cannot_be_written_down(chain: Consortium) -> None:
    grant = unlinked(chain)
    fields = [getattr(grant, field) for field in grant.__struct_fields__]
    two_grantees = list(fields)
    two_grantees[5] = (Grantee("insurer-a", "insurer"), Grantee("insurer-b", "insurer"))
    two_purposes = list(fields)
    two_purposes[7] = ("HPAYMT", "DSRCH")
    for bundled in (two_grantees, two_purposes):
        assert chain.post((grant.subject, "consent.grant", encode(bundled))) == ["MALFORMED_ARGUMENTS"]


def test_only_parties_of_a_grant_link_it(chain: Consortium) -> None:
    grant = unlinked(chain)
    chain.do(give(grant))
    for stranger in ("hospital-b", "insurer-b", "regulator", grant.subject):
        assert chain.post(chain.link(grant, stranger)) == ["FORBIDDEN"]


def test_a_mismatch_stops_a_grant_until_the_party_matches_and_both_are_kept(chain: Consortium) -> None:
    grant = unlinked(chain)
    chain.do(give(grant), chain.link(grant, "insurer-a"), chain.link(grant, "hospital-a", "mismatch"))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    chain.do(chain.link(grant, "hospital-a"))
    assert failing(chain, need(grant)) is None
    histories = dict(view(chain, grant).links)
    assert [entry.result for entry in histories["hospital-a"].entries] == ["mismatch", "matched"]


def test_a_party_judges_a_bounded_number_of_times(chain: Consortium) -> None:
    grant = unlinked(chain)
    chain.do(give(grant))
    codes = chain.post(*[chain.link(grant, "hospital-a") for _ in range(17)])
    assert codes == ["OK"] * 16 + ["TOO_MANY"]


# ------------------------------------------------------------------------------------------- versions over time


def test_versions_are_appended_with_their_places(chain: Consortium) -> None:
    grant = chain.consent()
    second = amended(grant, notice=replace(grant.notice, language="en"))
    chain.do(give(second))
    chain.do(revoke(grant))
    versions = view(chain, grant).versions
    assert [version.status for version in versions] == ["GRANTED", "GRANTED", "REVOKED"]
    assert [version.grant for version in versions] == [grant, second, second]
    assert len({version.place.transaction_id for version in versions}) == 3
    assert versions[2].place.height == chain.application.height


def test_an_amendment_keeps_a_link_only_for_the_same_identity(chain: Consortium) -> None:
    grant = chain.consent()
    second = amended(grant, permission=replace(grant.permission, uses_max=9))
    chain.do(give(second))
    assert failing(chain, need(grant)) is None
    other = digest("another person")
    moved = (IdentityCommitment("hospital-a", other), IdentityCommitment("insurer-a", other))
    third = amended(second, identities=moved)
    chain.do(give(third))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    assert chain.post(chain.link(second, "hospital-a")) == ["STALE_VERSION"]
    chain.do(chain.link(third, "hospital-a"))
    assert failing(chain, need(grant)) == ("ELIG-001", "link")
    chain.do(chain.link(third, "insurer-a"))
    assert failing(chain, need(grant)) is None


def test_hospital_and_insurer_are_shown_one_person_and_not_two(chain: Consortium) -> None:
    grant = unlinked(chain)
    two = (grant.identities[0], IdentityCommitment("insurer-a", digest("another person")))
    assert chain.post(give(replace(grant, grant_id=chain.draw("grant"), identities=two))) == ["IDENTITIES"]
    assert "the same commitment for all parties" in chain.reason()


def test_a_grants_id_belongs_to_its_subject(chain: Consortium) -> None:
    grant, other = chain.consent(), unlinked(chain)
    taken = replace(amended(grant), subject=other.subject, grantor=Grantor("customer", other.subject, None))
    assert chain.post((other.subject, "consent.grant", taken)) == ["GRANT_TAKEN"]


def test_only_the_subject_revokes_and_only_once(chain: Consortium) -> None:
    grant = chain.consent()
    for stranger in ("insurer-a", "hospital-a", "regulator"):
        assert chain.post((stranger, "consent.revoke", Revoke(grant.grant_id))) == ["FORBIDDEN"]
    assert chain.post(revoke(grant), revoke(grant)) == ["OK", "WRONG_STATE"]
    assert chain.post(chain.link(grant, "hospital-a")) == ["WRONG_STATE"]


def test_a_stranger_who_copies_a_pending_revocation_does_not_stop_it(chain: Consortium) -> None:
    """Under her own name the copy is another transaction; with the signature taken along it is none at all."""
    grant = chain.consent()
    application, height, time_ms = chain.application, chain.application.height + 1, chain.application.time_ms + 1
    tx = Transaction(
        application.genesis.chain_id,
        grant.subject,
        1,
        "consent",
        "revoke",
        encode(Revoke(grant.grant_id)),
        bytes(16),
        height,
        time_ms,
    )
    real = make_submission(chain.keys[grant.subject], (tx,))
    renamed = make_submission(chain.keys["hospital-b"], (replace(tx, signer="hospital-b"),))
    for forged in (
        replace(real, signature=make_submission(chain.keys["hospital-b"], (tx,)).signature),
        replace(renamed, signature=real.signature),
    ):
        with pytest.raises(InvalidTransactionError, match="INVALID_SIGNATURE"):
            application.check_submission(forged, time_ms)
    mempool = Mempool()
    for item in (renamed, real):
        application.check_submission(item, time_ms)
        mempool.add(item, time_ms, is_local=False)
    executed = application.execute(BlockInputs(height, time_ms, "hospital-a", tuple(mempool.select()), ()))
    assert [receipt.code for receipt in executed.receipts] == ["FORBIDDEN", "OK"]
    application.commit(executed)
    assert failing(chain, need(grant)) is not None


def test_a_revoked_grant_is_not_amended_back_to_life(chain: Consortium) -> None:
    grant = chain.consent()
    chain.do(revoke(grant))
    again = replace(grant, version=3, previous_version=2)
    assert chain.post(give(again)) == ["GRANT_TAKEN"]
    assert failing(chain, need(grant)) == ("AUTH-013", "status")


def test_a_grant_expires_by_block_time_and_an_amendment_extends_it(chain: Consortium) -> None:
    grant = unlinked(chain)
    end_ms = chain.application.time_ms + DAY_MS
    short = replace(grant, permission=replace(grant.permission, expires_at_ms=end_ms))
    chain.do(give(short), chain.link(short, "hospital-a"), chain.link(short, "insurer-a"))
    chain.post(after_ms=DAY_MS - 1_001)
    assert chain.application.time_ms == end_ms - 1
    assert failing(chain, need(grant)) is None
    chain.post(after_ms=1)
    assert failing(chain, need(grant)) == ("AUTH-013", "expiry")
    assert view(chain, grant).status == "EXPIRED"
    longer = replace(short.permission, expires_at_ms=BEGUN_MS + YEAR_MS)
    chain.do(give(amended(short, permission=longer)))
    assert failing(chain, need(grant)) is None


# ------------------------------------------------------------------------------------------- what the check says


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"grant_id": "grant-ffffffffffff"}, "grant"),
        ({"recipient": "insurer-b"}, "recipient"),
        ({"hospital": "hospital-b"}, "source"),
        ({"subject": "c-somebody"}, "subject"),
    ],
)
def test_explain_names_the_condition_that_a_need_fails(
    chain: Consortium, change: dict[str, str], condition: str
) -> None:
    wanted = need(chain.consent())
    assert failing(chain, wanted) is None
    assert failing(chain, replace(wanted, **change)) == ("AUTH-013", condition)


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        (lambda _: {"purpose": "CAREMGT"}, "purpose"),
        (lambda grant: {"scope": replace(grant.scope, record_types=("admission",))}, "record type"),
        (lambda grant: {"permission": replace(grant.permission, mode="VIEW")}, "mode"),
        (lambda grant: {"permission": replace(grant.permission, mode="EXECUTE")}, "mode"),
        (lambda _: {"execution": "rules-visit-data"}, "execution"),
    ],
)
def test_explain_names_the_condition_that_a_grant_fails(
    chain: Consortium, change: Callable[[Grant], dict[str, object]], condition: str
) -> None:
    grant = chain.consent()
    chain.do(give(amended(grant, **change(grant))))
    assert failing(chain, need(grant)) == ("AUTH-013", condition)


def test_a_scope_with_encounters_covers_these_stays_only(chain: Consortium) -> None:
    grant = chain.consent()
    chain.do(give(amended(grant, scope=replace(grant.scope, encounters=("stay-aaaaaaaaaaaa",)))))
    assert failing(chain, replace(need(grant), stay_id="stay-aaaaaaaaaaaa")) is None
    assert failing(chain, replace(need(grant), stay_id="stay-bbbbbbbbbbbb")) == ("AUTH-013", "encounter")


def test_a_one_case_grant_serves_one_claim(chain: Consortium) -> None:
    grant = chain.consent()
    chain.do(give(amended(grant, scope=replace(grant.scope, case="one-case"))))
    policy_id = chain.policy()
    first, second = chain.case(grant, policy_id), chain.case(grant, policy_id)
    assert chain.post(*chain.admit(first)) == ["OK", "OK"]
    assert chain.post(chain.append(second, "admission")) == ["AUTH-013"]
    assert chain.reason().startswith("case: ")
    chain.do(*chain.discharge(first))


def test_every_release_is_a_use_and_the_last_one_ends_them(chain: Consortium) -> None:
    grant = chain.consent()
    chain.do(give(amended(grant, permission=replace(grant.permission, uses_max=3))))
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))
    assert chain.post(*chain.discharge(case)) == ["OK"] * 7 + ["AUTH-013"]
    assert chain.reason() == "uses: all 3 are used"


def test_a_frequency_bounds_the_releases_of_one_window(chain: Consortium) -> None:
    grant = chain.consent()
    chain.do(give(amended(grant, permission=replace(grant.permission, frequency=Frequency(3, 1)))))
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))
    assert chain.post(*chain.discharge(case)) == ["OK"] * 7 + ["AUTH-013"]
    assert chain.reason().startswith("frequency: ")
    last = case.records[-1][1]
    chain.post(after_ms=DAY_MS)
    assert chain.post(chain.share(case, last)) == ["OK"]


# ------------------------------------------------------------------------------------------- queries


def test_grants_are_listed_by_subject_and_by_party(chain: Consortium) -> None:
    grant = chain.consent("hospital-b", "insurer-a")
    chain.consent("hospital-a", "insurer-b")
    for name in (grant.subject, "hospital-b", "insurer-a"):
        query = "consent.list_of_subject" if name == grant.subject else "consent.list_of_party"
        found = chain.ask(query, ListGrants(name, ""), tuple[GrantView, ...])
        assert [item.grant_id for item in found] == [grant.grant_id]
        assert chain.ask(query, ListGrants(name, grant.grant_id), tuple[GrantView, ...]) == ()


def test_a_hospital_finds_the_usable_grants_of_a_customer(chain: Consortium) -> None:
    grant = chain.consent()
    wanted = FindUsable(grant.subject, "hospital-a", "insurer-a", "admission", None, "")
    found = chain.ask("consent.usable", wanted, tuple[GrantVersion, ...])
    assert [version.grant for version in found] == [grant]
    elsewhere = replace(wanted, hospital="hospital-b")
    assert chain.ask("consent.usable", elsewhere, tuple[GrantVersion, ...]) == ()
