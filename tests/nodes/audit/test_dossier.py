"""Dossiers hold for honest claims, and for nothing that was changed, left out or put in."""

import json
import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from contracts.grants import Revoke
from contracts.keys import RotateKey, rotation_message
from contracts.outcomes import decision_message
from contracts.settlements import Withdraw
from ledger.codec import Struct
from ledger.crypto.commitments import add_commitments
from ledger.crypto.signatures import PrivateKey, sign_decision, sign_enrolment
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from nodes.audit.collect import CollectionError, collect_dossier
from nodes.audit.consent import check_consent
from nodes.audit.dossier import Certificate, Dossier, render_dossier
from nodes.audit.evidence import Evidence, list_entries
from nodes.audit.packing import pack, unpack
from nodes.audit.rules import check_figures, check_parts
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from tests.contracts.consortium import YEAR_MS, Case, Figure, digest
from tests.nodes.audit.chain import VALIDATORS, AuditedChain, certify, set_of
from tests.nodes.audit.conftest import PAYABLE, RAISED, Settled, correct, settle
from tests.nodes.audit.forest import Forest

BYTES_MAX = (11_800, 13_700, 15_500, 17_500, 19_400)
"""In a state of a million keys, by the number of corrections."""
BYTES_MAX_AT_A_BILLION = (14_500, 16_100, 18_000, 20_000, 22_000)


def evidence_of(dossier: Dossier) -> Evidence:
    return unpack(dossier.evidence, Evidence)


def with_evidence(dossier: Dossier, **changes: object) -> bytes:
    return render_dossier(replace(dossier, evidence=pack(replace(evidence_of(dossier), **changes))))


def refused(data: bytes, settled: Settled, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        verify_dossier(data, Trust(settled.chain.genesis))


# ------------------------------------------------------------------------------------------- what holds


def test_a_paid_claim_is_verified_from_the_genesis_alone(settled: Settled) -> None:
    verified = verify_dossier(settled.data, Trust(settled.chain.genesis))
    claim = verified.evidence.claim
    assert (claim.claim_id, claim.status) == (settled.case.claim_id, "PAID")
    assert verified.header == settled.chain.application.header
    assert [share.record_id for share in verified.evidence.shares] == [record for _, record in settled.case.records]


def test_a_corrected_claim_shows_both_settlements_and_every_part_of_both(corrected: Settled) -> None:
    verified = verify_dossier(corrected.data, Trust(corrected.chain.genesis))
    evidence = verified.evidence
    assert [settlement.difference for settlement in evidence.settlements] == [
        PAYABLE.point,
        RAISED.minus(PAYABLE).point,
    ]
    assert [closing.version for closing in evidence.closings] == [1, 2]
    assert len(evidence.shares) == 5


def test_a_claim_is_verified_at_every_step_of_its_life(chain: AuditedChain) -> None:
    case = chain.case(chain.consent(), chain.policy())
    seen = []
    for calls in (
        chain.admit(case),
        chain.discharge(case),
        (*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE))),
    ):
        chain.do(*calls)
        data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
        seen.append(verify_dossier(data, Trust(chain.genesis)).evidence.claim.status)
    assert seen == ["REPORTED", "REPORTED", "SETTLED"]


def test_a_withdrawn_claim_is_verified(chain: AuditedChain) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id)))
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    assert verify_dossier(data, Trust(chain.genesis)).evidence.claim.status == "WITHDRAWN"


def test_a_revocation_after_the_settlement_is_shown_and_harms_nothing(chain: AuditedChain) -> None:
    case = settle(chain)
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    versions = verify_dossier(data, Trust(chain.genesis)).evidence.grants[0].versions
    assert [(version.version, version.status) for version in versions] == [(1, "GRANTED"), (2, "REVOKED")]


def test_an_amended_grant_is_shown_with_the_version_after_the_one_used(chain: AuditedChain) -> None:
    case = settle(chain)
    words = collect_dossier(chain.application, chain.blocks, case.claim_id)
    grant = evidence_of(words).grants[0].versions[0].grant
    for version in (2, 3, 4):
        amended = replace(grant, version=version, previous_version=version - 1)
        chain.do((case.customer, "consent.grant", amended))
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    versions = verify_dossier(data, Trust(chain.genesis)).evidence.grants[0].versions
    assert [version.version for version in versions] == [1, 2, 4]


def test_another_claim_may_have_moved_the_balance_in_between(chain: AuditedChain) -> None:
    case = settle(chain)
    grant = evidence_of(collect_dossier(chain.application, chain.blocks, case.claim_id)).grants[0].versions[0].grant
    other = chain.case(grant, case.policy_id)
    chain.admitted(other)
    chain.do(
        *chain.deliver(other),
        chain.settle(
            other, replace(chain.outcome(other, RAISED, PAYABLE), accumulator_sequence=1, **_sum(chain, case))
        ),
    )
    data = render_dossier(collect_dossier(chain.application, chain.blocks, other.claim_id))
    verified = verify_dossier(data, Trust(chain.genesis))
    assert [balance.sequence for balance in verified.evidence.balances] == [1]


def _sum(chain: AuditedChain, case: Case) -> dict[str, object]:
    first = chain.view(case).settlements[0].outcome
    return {
        "deductible_used_after": add_commitments(first.deductible_used_after, first.deductible),
        "deductible": first.deductible,
    }


def test_a_rotated_key_is_shown_with_its_entry(chain: AuditedChain) -> None:
    new = PrivateKey(digest("hospital's second key"))
    proof = sign_enrolment(new, rotation_message(chain.genesis.chain_id, "hospital-a", new.public_key, 2))
    chain.do(("hospital-a", "membership.rotate_key", RotateKey(new.public_key, proof)))
    chain.keys["hospital-a"], chain.key_versions["hospital-a"] = new, 2
    case = settle(chain)
    dossier = collect_dossier(chain.application, chain.blocks, case.claim_id)
    assert [actor.name for actor in evidence_of(dossier).actors] == ["hospital-a", "insurer-a", "rail"]
    verify_dossier(render_dossier(dossier), Trust(chain.genesis))
    settled = Settled(chain, case)
    hospital, *rest = evidence_of(dossier).actors
    refused(forged(settled, actors=tuple(rest)), settled, "hospital-a role: expected hospital, got None")
    first = replace(hospital, keys=hospital.keys[:1])
    refused(forged(settled, actors=(first, *rest)), settled, "hospital-a: key version 2 is not among its keys")
    later = replace(hospital, keys=(hospital.keys[0], replace(hospital.keys[1], from_height=10_000)))
    refused(forged(settled, actors=(later, *rest)), settled, "hospital-a: key version 2 .* was not in force")
    more = replace(hospital, name="hospital-b")
    refused(forged(settled, actors=(hospital, more, *rest)), settled, "actors: expected")


def test_there_is_no_dossier_of_a_claim_that_does_not_exist(settled: Settled, chain: AuditedChain) -> None:
    with pytest.raises(CollectionError, match="there is no claim"):
        collect_dossier(settled.chain.application, settled.chain.blocks, "claim-ffffffffffff")
    with pytest.raises(CollectionError):
        collect_dossier(chain.application, chain.blocks, "claim-ffffffffffff")


def test_a_claim_older_than_this_nodes_blocks_is_built_elsewhere(
    chain: AuditedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = settle(chain)
    monkeypatch.setattr(chain.blocks, "_first", chain.application.height + 1)
    monkeypatch.setattr(chain.blocks, "find_transaction", lambda _: None)
    with pytest.raises(CollectionError, match=r"begin at height .* build this at a node that has the blocks before"):
        collect_dossier(chain.application, chain.blocks, case.claim_id)


# ------------------------------------------------------------------------------------------- every byte


def test_no_byte_of_a_dossier_can_be_another(chain: AuditedChain) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    verify_dossier(data, Trust(chain.genesis))
    for index in range(len(data)):
        flipped = data[:index] + bytes([data[index] ^ (0x01, 0x02, 0x20)[index % 3]]) + data[index + 1 :]
        with pytest.raises(VerificationError):
            verify_dossier(flipped, Trust(chain.genesis))


def test_a_byte_more_or_less_is_refused(settled: Settled) -> None:
    data = settled.data
    for changed in (data + b"\n", data[:-1], b" " + data, data.replace(b"\n", b"\r\n"), b"", b"[]", b"\xff"):
        refused(changed, settled, "canonical form")


@pytest.mark.parametrize(
    "spelling", [b'"\\ud800"', b"99999999999999999999999", b"-99999999999999999999999", b"NaN", b"1e3", b"null", b"{}"]
)
def test_json_that_no_codec_holds_is_refused(settled: Settled, spelling: bytes) -> None:
    data = settled.data
    refused(data.replace(b'"%s"' % settled.chain.chain_id.encode(), spelling, 1), settled, "canonical form")
    refused(data.replace(b'"%s"' % settled.case.claim_id.encode(), spelling, 1), settled, "canonical form")


def leaves_of(value: object, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Return the paths to everything in plain lists that is no list."""
    if not isinstance(value, list):
        return [path]
    return [leaf for index, item in enumerate(value) for leaf in leaves_of(item, (*path, index))]


def changed_at(value: Any, path: tuple[int, ...]) -> Any:
    if path:
        return [changed_at(item, path[1:]) if index == path[0] else item for index, item in enumerate(value)]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return value[:-1] + ("0" if value[-1:] != "0" else "1")


def test_every_value_of_the_evidence_is_bound(corrected: Settled) -> None:
    dossier = corrected.dossier
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(evidence_of(dossier)))
    paths = leaves_of(plain)
    assert len(paths) > 400
    accepted = []
    for path in paths:
        try:
            evidence = msgspec.convert(changed_at(plain, path), Evidence)
        except msgspec.ValidationError:
            continue
        data = render_dossier(replace(dossier, evidence=pack(evidence)))
        try:
            verify_dossier(data, Trust(corrected.chain.genesis))
        except VerificationError:
            continue
        accepted.append(path)
    assert accepted == []


def test_every_field_of_the_certificates_is_bound(settled: Settled) -> None:
    dossier = settled.dossier
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(dossier.certificates[0]))
    for path in leaves_of(plain):
        try:
            certificate = msgspec.convert(changed_at(plain, path), Certificate)
        except msgspec.ValidationError:
            continue
        with pytest.raises(VerificationError):
            verify_dossier(render_dossier(replace(dossier, certificates=(certificate,))), Trust(settled.chain.genesis))


@pytest.mark.parametrize("field", Evidence.__struct_fields__)
def test_nothing_may_be_left_out_or_stand_twice(corrected: Settled, field: str) -> None:
    dossier = corrected.dossier
    value = getattr(evidence_of(dossier), field)
    if not isinstance(value, tuple) or not value:
        return
    for changed in (value[1:], value[:-1], (*value, value[-1]), value[::-1] if len(value) > 1 else ()):
        if changed == value:
            continue
        with pytest.raises(VerificationError):
            verify_dossier(with_evidence(dossier, **{field: changed}), Trust(corrected.chain.genesis))


def test_what_is_not_needed_is_refused(settled: Settled) -> None:
    dossier = settled.dossier
    refused(with_evidence(dossier, zero_blindings=(bytes(32),)), settled, "zero_blindings")
    claim = evidence_of(dossier).claim
    refused(with_evidence(dossier, claim=replace(claim, counted=None)), settled, "state proof: claims: expected root")


# ------------------------------------------------------------------------------------------- who certified


def test_a_commit_by_two_of_four_is_refused(settled: Settled) -> None:
    certificate = settled.dossier.certificates[0]
    weak = replace(certificate, commit=certify(certificate.header, settled.chain.genesis.validators, 2))
    refused(render_dossier(replace(settled.dossier, certificates=(weak,))), settled, "no quorum")


def test_a_commit_by_strangers_is_refused(settled: Settled) -> None:
    certificate = settled.dossier.certificates[0]
    strangers = set_of("mallory-1", "mallory-2", "mallory-3", "mallory-4")
    foreign = replace(certificate, commit=certify(certificate.header, strangers))
    refused(render_dossier(replace(settled.dossier, certificates=(foreign,))), settled, "no validator of this height")


def test_a_commit_for_another_header_is_refused(settled: Settled, corrected: Settled) -> None:
    certificate = settled.dossier.certificates[0]
    swapped = replace(certificate, commit=corrected.dossier.certificates[0].commit)
    refused(render_dossier(replace(settled.dossier, certificates=(swapped,))), settled, "another block")


def test_a_header_of_another_chain_is_refused(settled: Settled, contract_set: ContractSet) -> None:
    other = AuditedChain(contract_set, "other")
    refused(render_dossier(settled.dossier), Settled(other, settled.case), f"chain id: expected {other.chain_id}")
    renamed = replace(settled.dossier, chain_id=other.chain_id, genesis_hash=other.genesis.hash)
    refused(render_dossier(renamed), Settled(other, settled.case), f"header chain id: expected {other.chain_id}")
    refused(render_dossier(replace(settled.dossier, genesis_hash=digest("another"))), settled, "genesis hash")


def test_a_state_that_nobody_certified_is_refused(settled: Settled, corrected: Settled) -> None:
    swapped = replace(settled.dossier, proof=corrected.dossier.proof)
    refused(render_dossier(swapped), settled, "expected state root")
    first = evidence_of(settled.dossier)
    poorer = replace(first.payments[0], status="returned")
    refused(with_evidence(settled.dossier, payments=(poorer,)), settled, "state proof: claims: expected root")


def test_a_checkpoint_must_be_among_the_headers(settled: Settled) -> None:
    header = settled.dossier.certificates[0].header
    verify_dossier(settled.data, Trust(settled.chain.genesis, header.hash))
    with pytest.raises(VerificationError, match="checkpoint"):
        verify_dossier(settled.data, Trust(settled.chain.genesis, digest("another header")))


def test_a_change_of_the_validator_set_is_walked(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    later = set_of("hospital-a", "insurer-a", "regulator")
    chain.application._sets.append((5, later))
    settled = Settled(chain, settle(chain))
    dossier = settled.dossier
    assert [certificate.header.height for certificate in dossier.certificates] == [4, chain.application.height]
    assert dossier.certificates[0].next_validators == later
    verified = verify_dossier(settled.data, Trust(chain.genesis))
    assert (verified.ground.validators, verified.ground.set_changes) == (later, 1)
    refused(render_dossier(replace(dossier, certificates=dossier.certificates[1:])), settled, "show the header")
    unnamed = replace(dossier.certificates[0], next_validators=None)
    refused(
        render_dossier(replace(dossier, certificates=(unnamed, dossier.certificates[1]))), settled, "hand in the set"
    )


def test_a_dossier_at_the_very_header_that_changes_the_set_names_the_next_one(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    settled = Settled(chain, settle(chain))
    later = set_of("hospital-a", "insurer-a", "regulator")
    chain.application._sets.append((chain.application.height + 2, later))
    chain.do()
    assert settled.dossier.certificates[0].next_validators == later
    assert verify_dossier(settled.data, Trust(chain.genesis)).ground.validators == set_of(*VALIDATORS)


def test_headers_that_change_nothing_are_not_carried_along(settled: Settled) -> None:
    block = settled.chain.blocks.block(3)
    assert block is not None
    extra = Certificate(block.header, certify(block.header, settled.chain.genesis.validators), None, None)
    dossier = settled.dossier
    refused(
        render_dossier(replace(dossier, certificates=(extra, *dossier.certificates))),
        settled,
        "changes no validator set",
    )


# --------------------------------------------------------------------- rules, as if validators had let it pass


def broken(settled: Settled, **changes: object) -> Evidence:
    return replace(evidence_of(settled.dossier), **changes)


def changed(evidence: Evidence, path: str, **fields: object) -> Any:
    """Return the evidence with fields of the struct at a dotted path changed."""

    def go(value: Any, parts: list[str]) -> Any:
        if not parts:
            return replace(value, **fields)
        if isinstance(value, tuple):
            place = int(parts[0])
            return (*value[:place], go(value[place], parts[1:]), *value[place + 1 :])
        return replace(value, **{parts[0]: go(getattr(value, parts[0]), parts[1:])})

    return go(evidence, path.split("."))


GRANT = "grants.0.versions.0"


@pytest.mark.parametrize(
    ("path", "fields", "match"),
    [
        (f"{GRANT}.grant", {"purpose": "CAREMGT"}, "purpose: expected HPAYMT"),
        (f"{GRANT}.grant", {"subject": "c-somebody"}, "subject: expected c-"),
        (f"{GRANT}.grant.grantee", {"organisation": "insurer-b"}, "grantee: expected insurer-a"),
        (f"{GRANT}.grant", {"sources": ("hospital-b",)}, "sources: expected hospital-a"),
        (f"{GRANT}.grant.scope", {"record_types": ("admission",)}, "record types: expected"),
        (f"{GRANT}.grant.scope", {"encounters": ("stay-ffffffffffff",)}, "encounters: expected"),
        (f"{GRANT}.grant.permission", {"expires_at_ms": 1}, "expected before its end"),
        (GRANT, {"status": "REVOKED"}, "status: expected GRANTED, got REVOKED"),
        (f"{GRANT}.place", {"height": 9_999}, "was given before"),
        ("grants.0.links.0.entries.0", {"result": "mismatch"}, "link: hospital-a found a mismatch"),
        ("grants.0.links.1.entries.0", {"identity": bytes(32)}, "link: insurer-a has not yet matched"),
        ("grants.0.links.1.entries.0.place", {"height": 9_999}, "link: insurer-a has not yet matched"),
        ("shares.0", {"grant_version": 2}, "versions: expected"),
        ("shares.0", {"grant_id": "grant-ffffffffffff"}, "grants: expected"),
    ],
)
def test_consent_that_did_not_cover_is_named(
    settled: Settled, path: str, fields: dict[str, object], match: str
) -> None:
    with pytest.raises(VerificationError, match=match):
        check_consent(changed(evidence_of(settled.dossier), path, **fields))


def test_a_grant_revoked_before_a_share_is_named(chain: AuditedChain) -> None:
    case = settle(chain)
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    evidence = evidence_of(collect_dossier(chain.application, chain.blocks, case.claim_id))
    check_consent(evidence)
    share = evidence.shares[0].place
    same_block_earlier = {"height": share.height, "index": share.index - 1}
    early = changed(evidence, "grants.0.versions.1.place", **same_block_earlier)
    with pytest.raises(VerificationError, match=r"order: expected share of .* before version 2"):
        check_consent(early)


@pytest.mark.parametrize(
    ("path", "fields", "match"),
    [
        ("shares.0", {"recipient": "insurer-b"}, "recipient: expected insurer-a"),
        ("shares.0", {"hospital": "hospital-b"}, "hospital: expected hospital-a"),
        ("shares.0", {"subject": "c-x"}, "subject"),
        ("shares.0.place", {"height": 9_999}, "order: expected share of"),
        ("closings.0.place", {"height": 9_999}, "order: expected closing 1"),
        ("stays.0", {"claim_id": None}, "claim: expected claim-"),
        ("stays.0", {"subject": "c-x"}, "subject"),
        ("stays.0", {"hospital": "hospital-b"}, "hospital"),
    ],
)
def test_parts_that_were_not_shared_in_time_are_named(
    settled: Settled, path: str, fields: dict[str, object], match: str
) -> None:
    with pytest.raises(VerificationError, match=match):
        check_parts(changed(evidence_of(settled.dossier), path, **fields))


def test_a_missing_share_is_named(settled: Settled) -> None:
    evidence = evidence_of(settled.dossier)
    with pytest.raises(VerificationError, match="shares: expected"):
        check_parts(replace(evidence, shares=evidence.shares[1:]))


@pytest.mark.parametrize(
    ("path", "fields", "match"),
    [
        ("settlements.0.outcome", {"payable": RAISED.point}, "figures: .* paid_after"),
        ("settlements.1.outcome", {"paid_after": PAYABLE.point}, "settlement 2 figures: .* paid_after"),
        ("settlements.1.outcome", {"deductible": PAYABLE.point}, "deductible_used_after"),
        ("settlements.1", {"difference": RAISED.point}, "settlement 2 difference"),
        ("settlements.1", {"balance_sequence": 3}, "balance sequence"),
        ("settlements.1.outcome", {"version": 3}, "settlements: expected"),
        ("settlements.0.outcome", {"disposition": "none"}, "payment: expected None"),
        ("payments.0", {"amount": RAISED.point}, "amount: expected"),
        ("payments.0", {"direction": "recovery"}, "direction"),
        ("payments.0", {"status": "returned"}, "status"),
        ("payments.0", {"settlement_version": 2}, "settlement"),
        ("claim", {"status": "SETTLED"}, "claim's last step"),
        ("claim", {"payments": ()}, "payments: expected"),
    ],
)
def test_figures_that_do_not_add_up_are_named(
    corrected: Settled, path: str, fields: dict[str, object], match: str
) -> None:
    with pytest.raises(VerificationError, match=match):
        check_figures(changed(evidence_of(corrected.dossier), path, **fields))


def test_a_settlement_that_moves_nothing_needs_the_proof_of_that(chain: AuditedChain) -> None:
    case = settle(chain)
    correct(chain, case, PAYABLE)
    dossier = collect_dossier(chain.application, chain.blocks, case.claim_id)
    evidence = verify_dossier(render_dossier(dossier), Trust(chain.genesis)).evidence
    assert [settlement.outcome.disposition for settlement in evidence.settlements] == ["payout", "none"]
    settled = Settled(chain, case)
    for blindings in ((), (bytes([1]) + bytes(31),), (*evidence.zero_blindings, bytes(32))):
        with pytest.raises(VerificationError):
            verify_dossier(with_evidence(dossier, zero_blindings=blindings), Trust(settled.chain.genesis))


def test_a_dropped_payment_is_named(corrected: Settled) -> None:
    evidence = evidence_of(corrected.dossier)
    claim = replace(evidence.claim, payments=evidence.claim.payments[:1])
    with pytest.raises(VerificationError, match="settlement 2 payment: expected one for its payout, got none"):
        check_figures(replace(evidence, claim=claim, payments=evidence.payments[:1]))


# ------------------------------------------------------------------------------------------- who signed


def forged(settled: Settled, **changes: object) -> bytes:
    """Return a dossier of changed evidence in a state that the validators certified all the same."""
    dossier = settled.dossier
    evidence = replace(evidence_of(dossier), **changes)
    forest = Forest(list_entries(evidence, dossier.genesis_hash), 100)
    header = replace(dossier.certificates[0].header, state_root=forest.roots.root)
    validators = settled.chain.genesis.validators
    certificate = Certificate(header, certify(header, validators), None, validators)
    return render_dossier(
        replace(dossier, certificates=(certificate,), proof=pack(forest.prove()), evidence=pack(evidence))
    )


def test_the_forger_of_these_tests_gets_an_honest_dossier_through(settled: Settled) -> None:
    verify_dossier(forged(settled), Trust(settled.chain.genesis))


def test_a_decision_signed_by_another_insurer_is_refused(settled: Settled) -> None:
    settlement = evidence_of(settled.dossier).settlements[0]
    message = decision_message(settled.chain.genesis.chain_id, "insurer-a", settlement.outcome)
    by_another = replace(settlement, signature=sign_decision(settled.chain.keys["insurer-b"], message))
    refused(forged(settled, settlements=(by_another,)), settled, "decision of insurer-a: decision signature")


def test_an_entry_that_another_transaction_made_is_refused(settled: Settled) -> None:
    evidence = evidence_of(settled.dossier)
    words = changed(evidence, f"{GRANT}.grant.notice", hash=digest("another notice")).grants
    refused(forged(settled, grants=words), settled, "grant-.* version 1: expected transaction")


@pytest.mark.parametrize(("batch", "what"), [(0, "grant"), (1, "share"), (2, "confirmation"), (3, "receipt")])
def test_a_signature_that_is_not_the_partys_is_refused(settled: Settled, batch: int, what: str) -> None:
    batches = list(evidence_of(settled.dossier).batches)
    stranger = batches[(batch + 1) % len(batches)].signature
    batches[batch] = replace(batches[batch], signature=stranger)
    refused(with_evidence(settled.dossier, batches=tuple(batches)), settled, f"^{what}.* submission signature")


def test_nobody_signs_in_anothers_place(settled: Settled) -> None:
    for place, batch in enumerate(evidence_of(settled.dossier).batches):
        batches = list(evidence_of(settled.dossier).batches)
        batches[place] = replace(batch, signer="insurer-b")
        refused(with_evidence(settled.dossier, batches=tuple(batches)), settled, "signer|actors|expected root")


def test_a_key_that_is_not_the_pseudonyms_is_refused(settled: Settled) -> None:
    key = settled.chain.keys["insurer-b"].public_key
    refused(with_evidence(settled.dossier, customer_keys=(key,)), settled, "customer keys: expected")


def test_a_receipt_of_no_rail_is_refused(settled: Settled) -> None:
    actors = tuple(
        replace(item, role="regulator") if item.name == "rail" else item for item in evidence_of(settled.dossier).actors
    )
    refused(forged(settled, actors=actors), settled, "signer's role: expected rail, got regulator")


@pytest.mark.parametrize(("name", "role"), [("hospital-a", "hospital"), ("insurer-a", "insurer")])
def test_a_party_of_another_role_is_refused(settled: Settled, name: str, role: str) -> None:
    actors = tuple(
        replace(item, role="rail") if item.name == name else item for item in evidence_of(settled.dossier).actors
    )
    refused(forged(settled, actors=actors), settled, f"{name} role: expected {role}, got rail")


# ------------------------------------------------------------------------------------------- size and time


def grown(settled: Settled, key_count: int, seed: int = 1) -> bytes:
    """Return the dossier as it would be in a state of so many keys."""
    dossier = settled.dossier
    forest = Forest(list_entries(evidence_of(dossier), dossier.genesis_hash), key_count, seed)
    header = replace(dossier.certificates[0].header, state_root=forest.roots.root, height=2**31)
    validators = settled.chain.genesis.validators
    certificate = Certificate(header, certify(header, validators), None, validators)
    return render_dossier(replace(dossier, certificates=(certificate,), proof=pack(forest.prove())))


@pytest.fixture(scope="module")
def often_corrected(contract_set: ContractSet) -> list[Settled]:
    """Claims that were settled and paid once, and corrected and paid once to four times."""
    found = []
    for count in range(5):
        chain = AuditedChain(contract_set)
        case = settle(chain)
        for number in range(count):
            correct(chain, case, Figure.draw(RAISED.amount + 10_000 * number, f"raised {number}"))
        found.append(Settled(chain, case))
    return found


@pytest.mark.parametrize(("key_count", "bytes_max"), [(10**6, BYTES_MAX), (10**9, BYTES_MAX_AT_A_BILLION)])
def test_a_dossier_stays_small_however_large_the_state_and_however_often_it_was_corrected(
    often_corrected: list[Settled], key_count: int, bytes_max: tuple[int, ...]
) -> None:
    for corrections, settled in enumerate(often_corrected):
        sizes = []
        for seed in range(4):
            data = grown(settled, key_count, seed)
            evidence = verify_dossier(data, Trust(settled.chain.genesis)).evidence
            assert len(evidence.settlements) == corrections + 1
            sizes.append(len(data))
        assert bytes_max[corrections] - 1_000 < max(sizes) < bytes_max[corrections], sizes


def test_verification_takes_a_fraction_of_a_second(corrected: Settled) -> None:
    data = grown(corrected, 1_000_000)
    times = []
    for _ in range(5):
        begun = time.process_time()
        verify_dossier(data, Trust(corrected.chain.genesis))
        times.append(time.process_time() - begun)
    assert min(times) < 0.05


def test_the_file_is_json_that_says_what_it_is(settled: Settled) -> None:
    plain = json.loads(settled.data)
    assert plain["format"] == "xinpei-dossier/1"
    assert plain["claim_id"] == settled.case.claim_id
    assert settled.case.customer.encode() not in settled.data


def test_a_claim_with_years_in_between_is_verified(chain: AuditedChain) -> None:
    case = settle(chain)
    chain.do(after_ms=YEAR_MS // 2)
    correct(chain, case)
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    assert isinstance(verify_dossier(data, Trust(chain.genesis)).evidence, Struct)
