"""Whom a claim is about: her wallet opens it, an auditor opens what was sealed to it, and nobody is shown another."""

import pytest
from msgspec.structs import replace

from contracts.grants import IdentityCommitment
from ledger.errors import VerificationError
from nodes.audit.narration import render_summary
from nodes.audit.person import RevealedPerson, describe_person, mask_number, reveal_own_person, reveal_person
from nodes.audit.reveal import ReaderError
from nodes.entropy import SeededEntropy
from nodes.identity import Identity, IdentityOpening, RecordDates, synthetic_identity
from nodes.roles.exchange.person import OpenedIdentity, PersonOpening, seal_person
from nodes.schemas.canonical_json import render
from nodes.vault.sealing import SealKeyPair
from nodes.wallet import Wallet
from tests.contracts.consortium import digest
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.audit.test_reveal import AUDITOR_KEY, BILL, FACTS, Desk

DATES = RecordDates(20_454, 20_818, digest("dates"))
PARTIES = ("hospital-a", "insurer-a")


def make_wallet(name: str) -> Wallet:
    return Wallet.create(
        synthetic_identity(name, SeededEntropy(name.encode())), SeededEntropy(b"seed of " + name.encode())
    )


WALLET = make_wallet("王芳")


@pytest.fixture
def desk(chain: AuditedChain) -> Desk:
    """Have a claim settled under a grant that WALLET's customer signed."""
    customer, enrolment = chain.enrol("insurer-a")
    commitment = WALLET.make_disclosure(chain.genesis.chain_id, *PARTIES, DATES).commitment
    words = chain.grant(customer)
    grant = replace(
        words,
        scope=replace(words.scope, dates=DATES.commitment),
        identities=tuple(IdentityCommitment(party, commitment) for party in PARTIES),
    )
    chain.do(enrolment)
    chain.do((customer, "consent.grant", grant), *(chain.link(grant, party) for party in PARTIES))
    case = chain.case(grant, chain.policy(), BILL)
    chain.admitted(case)
    chain.do(*chain.deliver(case))
    desk = Desk(chain, case, case.bill)
    desk.settle(desk.draft(FACTS))
    return desk


def opening_of(desk: Desk) -> IdentityOpening:
    return WALLET.make_disclosure(desk.chain.genesis.chain_id, *PARTIES, DATES).opening


def package(desk: Desk, opening: IdentityOpening | None, reader: str = "regulator") -> bytes:
    """Return the openings file as an insurer makes it for an auditor; without an identity, if it names nobody."""
    openings = desk.seal_for(reader, AUDITOR_KEY.public_key)
    if opening is None:
        return render(openings)
    person = PersonOpening((OpenedIdentity(desk.case.grant_id, opening),))
    sealed = seal_person(
        AUDITOR_KEY.public_key, desk.chain.genesis.chain_id, desk.case.claim_id, "insurer-a", reader, person
    )
    return render(replace(openings, person=sealed))


def reveal(desk: Desk, data: bytes) -> RevealedPerson | None:
    return reveal_person(desk.verified(), data, AUDITOR_KEY, "regulator")


def lines(desk: Desk, person: RevealedPerson | None, *, whole: bool = False) -> list[str]:
    people = describe_person(person, whole=whole)
    shown = render_summary(desk.verified(), people=people)
    return [line.removeprefix("person").strip() for line in shown if line.startswith("person")]


def test_her_wallet_alone_names_her_and_who_matched_her(desk: Desk) -> None:
    (line,) = lines(desk, reveal_own_person(desk.verified(), WALLET))
    number = WALLET.identity.document_number
    assert line.startswith(f"王芳, resident-id {'·' * 14}{number[-4:]}; matched by hospital-a at height ")
    assert "; matched by insurer-a at height " in line
    assert line.endswith(f": opens the commitment of the links in {desk.case.grant_id} version 1")
    assert number not in line


def test_the_whole_identity_is_shown_only_if_it_is_asked_for(desk: Desk) -> None:
    identity = WALLET.identity
    person = reveal_own_person(desk.verified(), WALLET)
    (masked,), (whole,) = lines(desk, person), lines(desk, person, whole=True)
    for secret in (identity.document_number, identity.birth_date):
        assert secret in whole
        assert secret not in masked
    assert identity.name not in repr(person)
    assert mask_number("A1234567") == "·" * 8, "of a short number the end would be half of it"


def test_a_wallet_that_was_renewed_still_opens_it_and_another_one_does_not(desk: Desk) -> None:
    renewed = Wallet.decode_secrets(WALLET.encode_secrets(), protected=False)
    renewed.renew(SeededEntropy(b"another seed"))
    verified = desk.verified()
    assert lines(desk, reveal_own_person(verified, renewed)) == lines(desk, reveal_own_person(verified, WALLET))
    corrected = Wallet.decode_secrets(WALLET.encode_secrets(), protected=False)
    corrected.identity = replace(WALLET.identity, name="王方")
    for stranger in (corrected, make_wallet("李四")):
        (line,) = lines(desk, reveal_own_person(verified, stranger))
        assert line.startswith(f"{desk.case.grant_id}: not opened")
        assert stranger.identity.name not in line


def test_an_auditor_is_named_the_person_that_was_sealed_to_it(desk: Desk) -> None:
    data = package(desk, opening_of(desk))
    person = reveal(desk, data)
    assert lines(desk, person) == lines(desk, reveal_own_person(desk.verified(), WALLET))
    facts = describe_person(person, whole=False)
    assert facts is not None
    assert [link["by"] for link in facts[0]["matched"]] == list(PARTIES)
    with pytest.raises(ReaderError, match="person: sealed to regulator, and insurer-b cannot open"):
        reveal_person(desk.verified(), data, AUDITOR_KEY, "insurer-b")
    with pytest.raises(VerificationError):
        reveal_person(desk.verified(), data, SealKeyPair(digest("another key")), "regulator")


def test_who_was_told_nobody_is_told_so_in_words(desk: Desk) -> None:
    assert reveal(desk, package(desk, None)) is None
    (line,) = lines(desk, None)
    assert line.startswith("not opened: ")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "李四"},
        {"document_number": "99000019900101001X"},
        {"birth_date": "1990-01-01"},
        {"phone": "13800000000"},
    ],
)
def test_another_identity_than_hospital_and_insurer_judged_is_refused(desk: Desk, change: dict[str, str]) -> None:
    honest = opening_of(desk)
    forged: Identity = replace(honest.identity, **change)
    for opening in (replace(honest, identity=forged), replace(honest, salt=bytes(32))):
        with pytest.raises(VerificationError, match="hospital and insurer judged another"):
            reveal(desk, package(desk, opening))


def test_an_identity_of_another_claim_is_refused(desk: Desk) -> None:
    person = PersonOpening((OpenedIdentity(desk.case.grant_id, opening_of(desk)),))
    key, chain_id = AUDITOR_KEY.public_key, desk.chain.genesis.chain_id
    sealed = seal_person(key, chain_id, "claim-ffffffffffff", "insurer-a", "regulator", person)
    openings = replace(desk.seal_for("regulator", key), person=sealed)
    with pytest.raises(VerificationError, match="sealed record"):
        reveal(desk, render(openings))


def test_a_grant_whose_identity_was_not_given_is_said_to_be_closed(desk: Desk) -> None:
    person = PersonOpening((OpenedIdentity("grant-0123456789abcdef", opening_of(desk)),))
    sealed = seal_person(
        AUDITOR_KEY.public_key, desk.chain.genesis.chain_id, desk.case.claim_id, "insurer-a", "regulator", person
    )
    data = render(replace(desk.seal_for("regulator", AUDITOR_KEY.public_key), person=sealed))
    (line,) = lines(desk, reveal(desk, data))
    assert line.startswith(f"{desk.case.grant_id}: not opened")


def test_a_party_that_took_its_match_back_is_not_said_to_have_matched(desk: Desk) -> None:
    chain = desk.chain
    grant = desk.verified().evidence.grants[0].versions[-1].grant
    chain.do(chain.link(grant, "insurer-a", "mismatch"))
    (line,) = lines(desk, reveal_own_person(desk.verified(), WALLET))
    assert "matched by hospital-a" in line
    assert "matched by insurer-a" not in line
