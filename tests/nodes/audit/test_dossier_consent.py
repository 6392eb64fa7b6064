"""Dossiers of claims under a guardian's, a youth's and an heir's grant, and of customers who have denied something."""

import pytest
from msgspec.structs import replace

from contracts.grants import ALL_DAYS, Countersign, Grant, Revoke
from contracts.mandates import Attest, EndAuthority
from ledger.errors import VerificationError
from nodes.audit.collect import collect_dossier
from nodes.audit.consent import check_consent
from nodes.audit.dossier import render_dossier
from nodes.audit.evidence import Evidence
from nodes.audit.packing import pack, unpack
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from tests.contracts.consortium import Case, digest
from tests.contracts.test_mandates import attest, enrolled, given_by, match
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.audit.conftest import PAYABLE, settle


def settled_under(chain: AuditedChain, grant: Grant) -> Case:
    case = chain.case(grant, chain.policy())
    chain.admitted(case)
    chain.do(*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE)))
    chain.paid(case)
    return case


def verified(chain: AuditedChain, case: Case) -> Evidence:
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    return verify_dossier(data, Trust(chain.genesis)).evidence


def evidence_of(chain: AuditedChain, case: Case) -> Evidence:
    return unpack(collect_dossier(chain.application, chain.blocks, case.claim_id).evidence, Evidence)


def denial_of(chain: AuditedChain, case: Case, **scope: object) -> Grant:
    words = chain.grant(case.customer)
    return replace(words, effect="deny", identities=(), scope=replace(words.scope, dates=ALL_DAYS, **scope))


def guarded(chain: AuditedChain) -> tuple[Attest, Case]:
    authority = attest(chain, "guardian", enrolled(chain), enrolled(chain))
    chain.do(("hospital-a", "authorities.attest", authority))
    return authority, settled_under(chain, given_by(chain, authority, "ward"))


def test_a_dossier_without_denials_proves_that_there_was_none(chain: AuditedChain) -> None:
    case = settle(chain)
    assert verified(chain, case).denials == ()
    chain.do((case.customer, "consent.grant", denial_of(chain, case)))
    hidden = replace(evidence_of(chain, case), denials=())
    dossier = collect_dossier(chain.application, chain.blocks, case.claim_id)
    with pytest.raises(VerificationError, match="state proof"):
        verify_dossier(render_dossier(replace(dossier, evidence=pack(hidden))), Trust(chain.genesis))


def test_a_denial_after_the_settlement_is_shown_with_all_its_versions_and_harms_nothing(chain: AuditedChain) -> None:
    case = settle(chain)
    denial = denial_of(chain, case)
    chain.do((case.customer, "consent.grant", denial))
    chain.do((case.customer, "consent.revoke", Revoke(denial.grant_id)))
    (shown,) = verified(chain, case).denials
    assert [version.status for version in shown.versions] == ["GRANTED", "REVOKED"]


def test_a_denial_of_something_else_before_the_settlement_harms_nothing(chain: AuditedChain) -> None:
    grant = chain.consent()
    case = chain.case(grant, chain.policy())
    chain.do((case.customer, "consent.grant", denial_of(chain, case, record_types=("interim-bill",))))
    assert len(verified(chain, settled_under(chain, grant)).denials) == 1


def test_a_denial_that_stood_against_a_share_is_named(chain: AuditedChain) -> None:
    case = settle(chain)
    chain.do((case.customer, "consent.grant", denial_of(chain, case)))
    evidence = evidence_of(chain, case)
    check_consent(evidence)
    (denied,) = evidence.denials
    early = replace(denied.versions[0], place=evidence.grants[0].links[1].entries[0].place)
    with pytest.raises(VerificationError, match=r"denial: grant-.* denies it"):
        check_consent(replace(evidence, denials=(replace(denied, versions=(early,)),)))
    permit = replace(early, grant=replace(early.grant, effect="permit"))
    with pytest.raises(VerificationError, match="effect: expected deny"):
        check_consent(replace(evidence, denials=(replace(denied, versions=(permit,)),)))


def test_a_claim_under_a_guardians_grant_shows_who_attested_her_and_her_signature(chain: AuditedChain) -> None:
    authority, case = guarded(chain)
    evidence = verified(chain, case)
    assert [item.holder for item in evidence.authorities] == [authority.holder]
    signers = [batch.signer for batch in evidence.batches]
    assert authority.holder in signers
    assert case.customer not in signers


def test_an_authority_that_ended_afterwards_is_shown_and_one_that_ended_before_is_named(chain: AuditedChain) -> None:
    authority, case = guarded(chain)
    chain.do(("hospital-a", "authorities.end", EndAuthority(authority.authority_id)))
    evidence = verified(chain, case)
    (shown,) = evidence.authorities
    assert shown.ended is not None
    early = replace(shown, ended=evidence.grants[0].links[1].entries[0].place)
    with pytest.raises(VerificationError, match=r"authority: authority-.* was ended"):
        check_consent(replace(evidence, authorities=(early,)))
    with pytest.raises(VerificationError, match="authorities: expected"):
        check_consent(replace(evidence, authorities=()))
    other = replace(shown, holder="c-somebody", ended=None)
    with pytest.raises(VerificationError, match="authority holder"):
        check_consent(replace(evidence, authorities=(other,)))


def test_a_guardians_revocation_is_shown_with_what_she_rested_on(chain: AuditedChain) -> None:
    authority, case = guarded(chain)
    chain.do((authority.holder, "consent.revoke", Revoke(case.grant_id, authority.authority_id)))
    assert [version.status for version in verified(chain, case).grants[0].versions] == ["GRANTED", "REVOKED"]


def test_a_claim_of_a_youth_shows_both_signatures(chain: AuditedChain) -> None:
    youth, mother = enrolled(chain), enrolled(chain)
    authority = attest(chain, "guardian", youth, mother, "youth")
    chain.do(("hospital-a", "authorities.attest", authority))
    grant = chain.grant(youth)
    chain.do((youth, "consent.grant", grant), *match(chain, grant, "youth"))
    chain.do((mother, "consent.countersign", Countersign(grant.grant_id, 1, authority.authority_id)))
    evidence = verified(chain, settled_under(chain, grant))
    assert {youth, mother} <= {batch.signer for batch in evidence.batches}
    bare = replace(evidence.grants[0], countersignatures=())
    with pytest.raises(VerificationError, match="countersignature: at 14 to 17 both sign"):
        check_consent(replace(evidence, grants=(bare,), authorities=()))


def test_a_claim_that_heirs_went_on_with_is_verified(chain: AuditedChain) -> None:
    customer = enrolled(chain)
    authority = attest(chain, "heir", customer, enrolled(chain))
    chain.do(("hospital-a", "authorities.attest", authority))
    grant = given_by(chain, authority, "deceased")
    evidence = verified(chain, settled_under(chain, grant))
    assert evidence.grants[0].links[0].entries[0].capacity == "deceased"
    histories = tuple(
        replace(history, entries=tuple(replace(entry, capacity="adult") for entry in history.entries))
        for history in evidence.grants[0].links
    )
    with pytest.raises(VerificationError, match="grantor: for a subject who is adult"):
        check_consent(replace(evidence, grants=(replace(evidence.grants[0], links=histories),)))


def test_documents_of_an_authority_are_committed_to_and_not_shown(chain: AuditedChain) -> None:
    _, case = guarded(chain)
    (shown,) = verified(chain, case).authorities
    assert shown.documents == digest("documents")
