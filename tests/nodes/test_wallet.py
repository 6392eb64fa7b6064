"""The wallet: unlinkable pseudonyms, answers for those who may ask, and a file that only its owner opens."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import customers
from ledger.codec import decode, encode
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from nodes.authentication import pseudonym_name
from nodes.entropy import SeededEntropy, SystemEntropy
from nodes.identity import (
    Disclosure,
    Identity,
    RecordDates,
    check_digit,
    check_identity,
    commit_identity,
    synthetic_identity,
)
from nodes.passphrase import PassphraseError
from nodes.vault.sealing import SealContext, SealKeyPair, seal
from nodes.wallet import (
    Challenge,
    Wallet,
    WalletError,
    check_answer,
    enrolment_sign_bytes,
    make_challenge,
)

CHAIN = "xinpei-test"
DATES = RecordDates(20_454, 20_818, bytes(32))
IDENTITY = synthetic_identity("林小雨", SeededEntropy(b"lin"))
PASSPHRASE = "桂花 and rain"


@pytest.fixture
def wallet() -> Wallet:
    return Wallet.create(IDENTITY, SeededEntropy(b"wallet"))


def test_a_seed_gives_the_same_pseudonym_every_time(wallet: Wallet) -> None:
    again = Wallet.create(IDENTITY, SeededEntropy(b"wallet")).pseudonym(CHAIN, "hospital-a", "insurer-a")
    first = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    assert (first.name, first.seal_key.public_key) == (again.name, again.seal_key.public_key)


def test_two_members_who_compare_find_nothing_that_two_pseudonyms_share(wallet: Wallet) -> None:
    pairs = [
        (CHAIN, "hospital-a", "insurer-a"),
        (CHAIN, "hospital-b", "insurer-a"),
        (CHAIN, "hospital-a", "insurer-b"),
        (CHAIN, "insurer-a", "hospital-a"),
        ("another-chain", "hospital-a", "insurer-a"),
    ]
    pseudonyms = [wallet.pseudonym(*pair) for pair in pairs]
    assert len({item.name for item in pseudonyms}) == len(pairs)
    assert len({item.key.public_key for item in pseudonyms}) == len(pairs)
    assert len({item.seal_key.public_key for item in pseudonyms}) == len(pairs)
    dates = [RecordDates(1, 2, bytes([number]) * 32) for number in range(3)]
    salts = {wallet.make_disclosure(*pair, opened).salt for pair in pairs for opened in dates}
    assert len(salts) == len(pairs) * len(dates)


def test_names_and_enrolment_proofs_are_those_the_contract_checks(wallet: Wallet) -> None:
    pseudonym = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    key = pseudonym.key.public_key
    assert pseudonym.name == customers.pseudonym(key) == pseudonym_name(key)
    message = customers.enrolment_message(CHAIN, pseudonym.name, key, "hospital-a")
    assert enrolment_sign_bytes(CHAIN, pseudonym.name, key, "hospital-a") == message
    verify("enrolment", key, message, pseudonym.prove_enrolment("hospital-a"))
    with pytest.raises(VerificationError):
        verify("enrolment", key, message, pseudonym.prove_enrolment("insurer-a"))


def test_a_challenge_is_answered_for_its_own_organisation_and_moment(wallet: Wallet) -> None:
    pseudonym = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    key = pseudonym.key.public_key
    challenge = make_challenge(CHAIN, "hospital-a", pseudonym.name, SeededEntropy(b"1"))
    answer = pseudonym.answer(challenge)
    check_answer(challenge, key, answer)
    for other in (
        make_challenge(CHAIN, "hospital-a", pseudonym.name, SeededEntropy(b"2")),
        make_challenge(CHAIN, "insurer-a", pseudonym.name, SeededEntropy(b"1")),
    ):
        with pytest.raises(VerificationError, match="challenge signature"):
            check_answer(other, key, answer)


def test_a_challenge_of_a_third_party_or_for_somebody_else_is_not_answered(wallet: Wallet) -> None:
    pseudonym = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    for challenge, field in (
        (Challenge(CHAIN, "hospital-b", pseudonym.name, bytes(32)), "organisation"),
        (Challenge("another-chain", "hospital-a", pseudonym.name, bytes(32)), "chain_id"),
        (Challenge(CHAIN, "hospital-a", "c-somebody", bytes(32)), "pseudonym"),
    ):
        with pytest.raises(VerificationError, match=f"challenge {field}: expected"):
            pseudonym.answer(challenge)


def test_an_answer_by_another_key_than_the_one_in_force_is_refused(wallet: Wallet) -> None:
    pseudonym = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    thief = wallet.pseudonym(CHAIN, "hospital-a", "insurer-b")
    challenge = make_challenge(CHAIN, "hospital-a", pseudonym.name, SystemEntropy())
    with pytest.raises(VerificationError, match="challenge signature"):
        check_answer(challenge, thief.key.public_key, pseudonym.answer(challenge))


def test_an_identity_is_disclosed_to_the_two_parties_only(wallet: Wallet) -> None:
    pseudonym = wallet.pseudonym(CHAIN, "hospital-a", "insurer-a")
    hospital = SealKeyPair(b"h" * 32)
    disclosure = wallet.make_disclosure(CHAIN, "hospital-a", "insurer-a", DATES)
    sealed = pseudonym.disclose(disclosure, "hospital-a", hospital.public_key, "identity.grant-0123456789ab")
    context = SealContext(CHAIN, "identity.grant-0123456789ab", pseudonym.name, "hospital-a")
    opened = decode(hospital.open(sealed, context), Disclosure)
    assert opened.identity == IDENTITY
    assert opened.commitment == commit_identity(IDENTITY, disclosure.salt)
    assert IDENTITY.document_number.encode() not in encode(sealed)
    with pytest.raises(VerificationError, match="recipient: expected hospital-a or insurer-a, got insurer-b"):
        pseudonym.disclose(disclosure, "insurer-b", hospital.public_key, "identity.grant-0123456789ab")


def test_a_replaced_key_keeps_the_name_and_former_seal_keys_open(wallet: Wallet, tmp_path: Path) -> None:
    pair = (CHAIN, "hospital-a", "insurer-a")
    before, other = wallet.pseudonym(*pair), wallet.pseudonym(CHAIN, "hospital-b", "insurer-a")
    context = SealContext(CHAIN, "opening.claim-1", "insurer-a", before.name)
    sealed = seal(before.seal_key.public_key, context, b"what was paid")
    wallet.renew(SystemEntropy())
    assert wallet.pseudonym(*pair).key.public_key == before.key.public_key
    wallet.hold(*pair, before.name, 2)
    wallet.save(tmp_path / "lin.wallet", PASSPHRASE, SystemEntropy())
    after = Wallet.load(tmp_path / "lin.wallet", PASSPHRASE).pseudonym(*pair)
    assert (after.name, after.key_version) == (before.name, 2)
    assert after.key.public_key == wallet.next_key(*pair).public_key != before.key.public_key
    assert after.seal_key.public_key != before.seal_key.public_key
    assert after.seal_key.open(sealed, context) == b"what was paid"
    again = Wallet.load(tmp_path / "lin.wallet", PASSPHRASE)
    untouched = again.pseudonym(CHAIN, "hospital-b", "insurer-a")
    assert (untouched.name, untouched.key_version) == (other.name, 1)
    assert (again.is_renewing, again.is_new(*pair), again.is_new(CHAIN, "hospital-b", "insurer-a")) == (
        True,
        True,
        False,
    )


def test_once_all_is_renewed_a_pseudonym_that_nobody_knows_comes_from_the_new_seed(
    wallet: Wallet, tmp_path: Path
) -> None:
    pair, fresh = (CHAIN, "hospital-a", "insurer-a"), (CHAIN, "hospital-b", "insurer-a")
    kept, old = wallet.pseudonym(*pair), wallet.pseudonym(*fresh)
    wallet.renew(SystemEntropy())
    wallet.hold(*pair, kept.name, 2)
    wallet.settle()
    wallet.save(tmp_path / "lin.wallet", None, SystemEntropy())
    again = Wallet.load(tmp_path / "lin.wallet", None)
    assert not again.is_renewing
    assert again.pseudonym(*pair).name == kept.name
    new = again.pseudonym(*fresh)
    assert (new.name == old.name, new.key_version) == (False, 1)
    assert new.name == pseudonym_name(new.key.public_key)


def test_a_wallet_that_names_a_seed_it_has_not_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.wallet"
    wallet.save(path, None, SystemEntropy())
    header, body = path.read_bytes().split(b"\n", 1)
    fields = msgspec.msgpack.decode(body)
    fields[3] = 1
    path.write_bytes(header + b"\n" + msgspec.msgpack.encode(fields))
    with pytest.raises(WalletError, match="changed or cut off"):
        Wallet.load(path, None)


def test_a_file_that_asks_for_too_much_memory_or_time_is_refused_unopened(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.wallet"
    wallet.save(path, PASSPHRASE, SystemEntropy())
    header, body = path.read_bytes().split(b"\n", 1)
    for place, hostile in ((1, 16 * 1024 * 1024), (2, 1_000), (3, 10_000)):
        fields = msgspec.msgpack.decode(body)
        fields[place] = hostile
        path.write_bytes(header + b"\n" + msgspec.msgpack.encode(fields))
        with pytest.raises(WalletError, match="does not open"):
            Wallet.load(path, PASSPHRASE)


def test_a_protected_wallet_opens_with_its_passphrase_only(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "wallets" / "lin.wallet"
    wallet.save(path, PASSPHRASE, SystemEntropy())
    assert path.stat().st_mode & 0o777 == 0o600
    assert wallet.protected
    data = path.read_bytes()
    assert b"\xe6\x9e\x97" not in data  # the first character of her name
    assert IDENTITY.document_number.encode() not in data
    loaded = Wallet.load(path, PASSPHRASE)
    assert loaded.protected
    assert loaded.identity == IDENTITY
    assert loaded.pseudonym(CHAIN, "h", "i").name == wallet.pseudonym(CHAIN, "h", "i").name
    for wrong in ("", PASSPHRASE + " ", "xinpei"):
        with pytest.raises(WalletError, match="wrong passphrase, or the file was changed") as caught:
            Wallet.load(path, wrong)
        assert not wrong or wrong not in str(caught.value)
    with pytest.raises(WalletError, match="is protected; give its passphrase"):
        Wallet.load(path, None)


@pytest.mark.parametrize("protection", [PASSPHRASE, None])
def test_a_changed_or_cut_wallet_does_not_open(wallet: Wallet, tmp_path: Path, protection: str | None) -> None:
    path = tmp_path / "lin.wallet"
    wallet.save(path, protection, SystemEntropy())
    good = path.read_bytes()
    body = good.index(b"\n") + 1
    for changed in (
        good[:-1],
        good + b"\x00",
        good[:body],
        good[:body] + bytes([good[body] ^ 1]) + good[body + 1 :],
        good[:3],
        b"",
    ):
        path.write_bytes(changed)
        with pytest.raises(WalletError):
            Wallet.load(path, protection)
    if protection:
        path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
        with pytest.raises(WalletError, match="wrong passphrase, or the file was changed"):
            Wallet.load(path, protection)


def test_a_wallet_without_passphrase_says_so_in_its_first_line(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.wallet"
    wallet.save(path, None, SystemEntropy())
    assert path.read_bytes().startswith(b"xinpei-wallet/1 NOT PROTECTED")
    assert not Wallet.load(path, None).protected
    with pytest.raises(WalletError, match="this file has no protection; was it exchanged"):
        Wallet.load(path, PASSPHRASE)


def test_an_empty_passphrase_protects_nothing_and_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match="at least one character"):
        wallet.save(tmp_path / "lin.wallet", "", SystemEntropy())
    assert list(tmp_path.iterdir()) == []


def test_a_wallet_others_can_read_or_that_is_missing_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.wallet"
    with pytest.raises(WalletError, match="found none"):
        Wallet.load(path, None)
    wallet.save(path, None, SystemEntropy())
    path.chmod(0o604)
    with pytest.raises(WalletError, match="expected mode 0600, got 0604"):
        Wallet.load(path, None)


def test_neither_wallet_nor_identity_prints_what_it_holds(wallet: Wallet) -> None:
    disclosure = wallet.make_disclosure(CHAIN, "hospital-a", "insurer-a", DATES)
    shown = f"{wallet!r} {wallet.identity!r} {disclosure!r} {disclosure.opening!r} {[wallet.identity]}"
    assert IDENTITY.name not in shown
    assert IDENTITY.document_number not in shown


@given(st.binary(min_size=1, max_size=8))
def test_synthetic_people_are_valid_and_nobody(seed: bytes) -> None:
    identity = synthetic_identity("某人", SeededEntropy(seed))
    check_identity(identity)
    assert identity.document_number.startswith("990000")


def test_the_check_digit_is_that_of_the_standard() -> None:
    """The two worked examples of GB 11643-1999."""
    assert check_digit("11010519491231002") == "X"
    assert check_digit("44052418800101001") == "4"


@given(st.integers(0, 16), st.integers(1, 9))
def test_a_mistyped_digit_of_a_resident_id_is_told_without_repeating_it(position: int, by: int) -> None:
    number = IDENTITY.document_number
    changed = number[:position] + str((int(number[position]) + by) % 10) + number[position + 1 :]
    with pytest.raises(VerificationError, match="check digit") as caught:
        check_identity(Identity("resident-id", changed, IDENTITY.name, IDENTITY.birth_date))
    assert changed not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "birth_date", "sentence"),
    [
        (IDENTITY.document_number, "2024-02-30", "birth_date: expected a calendar date"),
        (IDENTITY.document_number, "1900-01-01", "differs from the one inside"),
        (IDENTITY.document_number[:17], IDENTITY.birth_date, "17 digits and a check digit"),
        ("٩" * 17 + "X", IDENTITY.birth_date, "17 digits and a check digit"),
    ],
)
def test_an_identity_that_contradicts_itself_is_refused(number: str, birth_date: str, sentence: str) -> None:
    with pytest.raises(VerificationError, match=sentence):
        check_identity(Identity("resident-id", number, IDENTITY.name, birth_date))


def test_other_documents_have_numbers_of_their_own_form() -> None:
    check_identity(Identity("passport", "E00000000", "Somebody", "1961-03-07", "+86 000"))
