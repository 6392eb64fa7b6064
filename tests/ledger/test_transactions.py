"""Transactions and submissions: nobody can copy, move, split or re-sign what another has signed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import merkle
from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey, sign_request, sign_vote
from ledger.errors import DecodeError, InvalidTransactionError, VerificationError
from ledger.limits import ARGUMENTS_BYTES_MAX, SUBMISSION_TRANSACTIONS_MAX
from ledger.transactions import (
    OK,
    Event,
    Receipt,
    Submission,
    Transaction,
    batch_sign_bytes,
    make_submission,
    submission_sign_bytes,
    transactions_root,
    verify_submission,
)

CHAIN = "xinpei-test"
ALICE, MALLORY = PrivateKey(bytes([1]) * 32), PrivateKey(bytes([2]) * 32)

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
transactions = st.builds(
    Transaction,
    st.just(CHAIN),
    names,
    st.integers(1, 2**31),
    names,
    names,
    st.binary(max_size=100),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
)


def make_tx(number: int = 0, **changes: Any) -> Transaction:
    tx = Transaction(CHAIN, "alice", 1, "consent", "grant", b"\x90", number.to_bytes(16, "big"), 100, 10_000)
    return replace(tx, **changes)


def batch(count: int) -> tuple[Transaction, ...]:
    return tuple(make_tx(number) for number in range(count))


@given(transactions)
def test_a_transaction_survives_the_wire(tx: Transaction) -> None:
    assert decode(encode(tx), Transaction) == tx
    submission = make_submission(ALICE, (tx,))
    assert decode(encode(submission), Submission) == submission
    verify_submission(submission, CHAIN, ALICE.public_key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", "xinpei-other"),
        ("signer", "mallory"),
        ("key_version", 2),
        ("contract", "records"),
        ("method", "revoke"),
        ("arguments", b"\x91\x01"),
        ("nonce", b"\xff" * 16),
        ("expires_height", 101),
        ("expires_ms", 10_001),
    ],
)
def test_the_id_covers_every_field(field: str, value: Any) -> None:
    assert field in Transaction.__struct_fields__
    assert make_tx(**{field: value}).id != make_tx().id


def test_the_id_test_above_names_all_fields() -> None:
    assert len(Transaction.__struct_fields__) == 9


def test_a_copied_transaction_under_the_thiefs_name_has_another_id() -> None:
    stolen = replace(make_tx(), signer="mallory")
    assert stolen.id != make_tx().id
    verify_submission(make_submission(MALLORY, (stolen,)), CHAIN, MALLORY.public_key)


def test_a_copied_transaction_under_its_own_name_needs_its_signers_key() -> None:
    copied = make_submission(MALLORY, (make_tx(),))
    with pytest.raises(VerificationError, match="submission signature"):
        verify_submission(copied, CHAIN, ALICE.public_key)


def test_a_thief_cannot_wrap_anothers_transaction_among_her_own() -> None:
    mixed = (make_tx(0, signer="mallory"), make_tx(1))
    with pytest.raises(InvalidTransactionError, match="MIXED_SIGNERS"):
        make_submission(MALLORY, mixed)
    signature = make_submission(MALLORY, mixed[:1]).signature
    with pytest.raises(InvalidTransactionError, match="MIXED_SIGNERS"):
        verify_submission(Submission(mixed, signature), CHAIN, MALLORY.public_key)


@pytest.mark.parametrize(("field", "value"), [("key_version", 2), ("chain_id", "xinpei-other")])
def test_one_submission_has_one_key_version_and_chain(field: str, value: Any) -> None:
    with pytest.raises(InvalidTransactionError, match="MIXED_SIGNERS"):
        make_submission(ALICE, (make_tx(0), make_tx(1, **{field: value})))


def test_a_batch_cannot_be_split_reordered_or_repeated() -> None:
    whole = make_submission(ALICE, batch(4))
    txs = whole.transactions
    for forged in (txs[:1], txs[:3], txs[1:], txs[::-1], (*txs, txs[3]), (*txs[:3], make_tx(9))):
        with pytest.raises(VerificationError):
            verify_submission(Submission(forged, whole.signature), CHAIN, ALICE.public_key)


def test_the_inner_node_of_a_batch_is_no_smaller_batch() -> None:
    """The count is signed beside the root, which alone does not say how many leaves it has."""
    root = transactions_root(batch(4))
    assert batch_sign_bytes(CHAIN, "alice", 1, 2, root) != batch_sign_bytes(CHAIN, "alice", 1, 4, root)


def test_one_transaction_of_a_batch_is_proved_by_its_parts() -> None:
    txs = batch(5)
    leaves = [merkle.leaf_hash(encode(tx)) for tx in txs]
    merkle.verify_inclusion(3, 5, leaves[3], merkle.inclusion_proof(leaves, 3), transactions_root(txs))
    assert batch_sign_bytes(CHAIN, "alice", 1, 5, transactions_root(txs)) == submission_sign_bytes(txs)


def test_a_submission_for_another_chain_is_refused() -> None:
    foreign = make_submission(ALICE, (make_tx(chain_id="xinpei-other"),))
    with pytest.raises(InvalidTransactionError, match="FOREIGN_CHAIN"):
        verify_submission(foreign, CHAIN, ALICE.public_key)


def test_a_signature_for_another_purpose_is_refused() -> None:
    txs = batch(1)
    for sign in (sign_vote, sign_request):
        with pytest.raises(VerificationError):
            verify_submission(Submission(txs, sign(ALICE, submission_sign_bytes(txs))), CHAIN, ALICE.public_key)


@pytest.mark.parametrize("count", [0, SUBMISSION_TRANSACTIONS_MAX + 1])
def test_a_batch_has_1_to_256_transactions(count: int) -> None:
    with pytest.raises(InvalidTransactionError, match="BATCH_SIZE"):
        make_submission(ALICE, batch(count))
    with pytest.raises(DecodeError):
        decode(encode((batch(count), bytes(64))), Submission)
    with pytest.raises(InvalidTransactionError, match="BATCH_SIZE"):
        verify_submission(Submission(batch(count), bytes(64)), CHAIN, ALICE.public_key)


def test_the_largest_batch_is_accepted() -> None:
    verify_submission(make_submission(ALICE, batch(SUBMISSION_TRANSACTIONS_MAX)), CHAIN, ALICE.public_key)


def test_the_submission_id_covers_the_signature() -> None:
    submission = make_submission(ALICE, batch(1))
    assert replace(submission, signature=bytes(64)).id != submission.id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signer", "Alice"),
        ("key_version", 0),
        ("contract", ""),
        ("method", "a b"),
        ("arguments", bytes(ARGUMENTS_BYTES_MAX + 1)),
        ("nonce", bytes(15)),
        ("expires_height", -1),
        ("expires_ms", 2**53 + 1),
    ],
)
def test_fields_out_of_their_bounds_are_refused_on_the_wire(field: str, value: Any) -> None:
    with pytest.raises(DecodeError, match="Transaction"):
        decode(encode(make_tx(**{field: value})), Transaction)


def test_a_receipt_is_ok_only_with_the_code_ok() -> None:
    receipt = Receipt(bytes(32), OK, "", (Event("consent", "granted", b""),), 12)
    assert decode(encode(receipt), Receipt) == receipt
    assert receipt.ok
    assert not replace(receipt, code="AUTH-013").ok
