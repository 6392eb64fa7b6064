"""The application: blocks without side effects, signatures, the replay window, clocks, failures of the machine."""

import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest

from ledger.application import Application
from ledger.blocks import PREVOTE, Block, BlockHeader, Vote
from ledger.codec import encode
from ledger.consensus.evidence import offence_id, pair_votes
from ledger.errors import ContractError, InvalidBlockError, InvalidTransactionError, LedgerError
from ledger.execution.loader import MissingContractError
from ledger.execution.state import encode_key
from ledger.execution.store import STATE, offence_key, validators_key
from ledger.genesis import ContractPin, Genesis
from ledger.limits import BLOCK_CLOCK_CALLS_MAX, EXPIRY_HEIGHTS_MAX, EXPIRY_MS_MAX
from ledger.membership import Validator, ValidatorSet
from ledger.state_tree import verify_state
from ledger.transactions import Submission, make_submission
from tests.ledger.execution.chain import KEYS, ROOT, Chain, MemoryStore, load

CONTRACTS = load()


@pytest.fixture
def chain() -> Chain:
    return Chain(CONTRACTS)


def add(chain: Chain, key: str = "x", amount: int = 1, signer: str = "alice", **changes: int | str) -> Submission:
    return chain.submit("counter.add", (key, amount), signer, **changes)


def code_of(check: Callable[[], object]) -> str:
    with pytest.raises(InvalidTransactionError) as caught:
        check()
    return caught.value.code


# ------------------------------------------------------------------------------------------- execute and commit


def test_execute_changes_nothing_until_commit(chain: Chain) -> None:
    before = dict(chain.store.entries)
    executed = chain.application.execute(chain.inputs(add(chain)))
    assert chain.application.height == 0
    assert chain.total("x") == 0
    assert chain.store.entries == before
    chain.application.commit(executed)
    assert chain.application.height == 1
    assert chain.total("x") == 1


def test_two_candidates_of_one_height_do_not_know_each_other(chain: Chain) -> None:
    first = chain.application.execute(chain.inputs(add(chain, "x")))
    second = chain.application.execute(chain.inputs(add(chain, "y")))
    assert first.block.header.hash != second.block.header.hash
    assert chain.application.candidate(first.block.header.hash) is first
    chain.application.commit(second)
    assert (chain.total("x"), chain.total("y")) == (0, 1)
    assert chain.application.candidate(first.block.header.hash) is None


def test_a_block_can_follow_before_the_driver_has_stored_the_one_before(chain: Chain) -> None:
    unstored = []
    for _ in range(3):
        executed = chain.application.execute(chain.inputs(add(chain)))
        chain.application.commit(executed)
        unstored.append(executed)
    assert chain.total("x") == 3
    for executed in unstored:
        chain.store.write(executed.writes)
    reopened = Application(chain.genesis, chain.contracts, chain.store)
    assert reopened.header == chain.application.header
    assert reopened.query("counter", "read", encode(("x",))) == encode((3,))


def test_a_reopened_application_makes_the_same_next_block(chain: Chain) -> None:
    for _ in range(3):
        chain.add_block(add(chain))
    inputs = chain.inputs(add(chain))
    reopened = Application(chain.genesis, chain.contracts, chain.store)
    assert reopened.genesis_writes() == {}
    assert reopened.execute(inputs).block == chain.application.execute(inputs).block


def found_again(genesis: Genesis, *, label: str = "test", contracts: tuple[ContractPin, ...] | None = None) -> Genesis:
    """Return a genesis like another one, with the chain id that its own content makes it."""
    pins = genesis.contracts if contracts is None else contracts
    return Genesis.found(
        genesis.protocol_version, label, genesis.time_ms, genesis.validators, genesis.organisations, pins
    )


def test_a_store_of_another_chain_is_refused(chain: Chain) -> None:
    other = found_again(chain.genesis, label="other")
    with pytest.raises(LedgerError, match="expected the chain of genesis"):
        Application(other, chain.contracts, chain.store)


def test_a_genesis_that_pins_other_code_is_refused(chain: Chain) -> None:
    pins = tuple(msgspec.structs.replace(pin, code_hash=bytes(32)) for pin in chain.genesis.contracts)
    other = found_again(chain.genesis, contracts=pins)
    with pytest.raises(MissingContractError, match="contract counter: code 0000"):
        Application(other, chain.contracts, MemoryStore())


def test_the_same_blocks_have_the_same_hashes_whatever_the_hash_seed() -> None:
    script = (
        "from tests.ledger.execution.chain import Chain, load\n"
        "chain = Chain(load())\n"
        "for number in range(3):\n"
        "    batch = [chain.submit('counter.add', (f'k{n}', n - 1)) for n in range(8)]\n"
        "    chain.add_block(*batch, chain.submit('counter.alarm', (chain.application.time_ms + 1, 'late')))\n"
        "print(chain.application.head_hash.hex(), [pin.code_hash.hex() for pin in chain.contracts.pins()])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1


# ------------------------------------------------------------------------------------------------- check_block


def test_an_honest_block_passes_and_is_executed_once(chain: Chain) -> None:
    other = Chain(CONTRACTS)
    block = other.application.execute(other.inputs(add(other))).block
    executed = chain.application.check_block(block)
    assert executed.block == block
    assert chain.application.check_block(block) is executed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("protocol_version", 2),
        ("chain_id", "other"),
        ("height", 2),
        ("time_ms", 1_000_000),
        ("proposer", "stranger"),
        ("parent_hash", bytes(32)),
        ("transaction_count", 2),
        ("history_root", bytes(32)),
        ("transactions_root", bytes(32)),
        ("receipts_root", bytes(32)),
        ("evidence_root", bytes(32)),
        ("state_root", bytes(32)),
        ("validators_hash", bytes(32)),
        ("next_validators_hash", bytes(32)),
    ],
)
def test_a_header_that_lies_in_one_field_is_refused_by_its_name(chain: Chain, field: str, value: object) -> None:
    block = chain.application.execute(chain.inputs(add(chain))).block
    lie = Block(msgspec.structs.replace(block.header, **{field: value}), block.submissions, block.evidence)
    with pytest.raises(InvalidBlockError) as caught:
        chain.application.check_block(lie)
    assert caught.value.field == field


def test_every_header_field_is_compared() -> None:
    mark = test_a_header_that_lies_in_one_field_is_refused_by_its_name.pytestmark[0]  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(BlockHeader.__struct_fields__)


def test_another_body_under_a_known_header_is_refused(chain: Chain) -> None:
    block = chain.application.execute(chain.inputs(add(chain))).block
    with pytest.raises(InvalidBlockError, match="transaction"):
        chain.application.check_block(Block(block.header, (add(chain),), ()))


def test_a_root_that_differs_names_the_contract(chain: Chain) -> None:
    theirs = chain.application.execute(chain.inputs(add(chain, amount=2)))
    ours = chain.application.execute(chain.inputs(add(chain, amount=3)))
    lie = msgspec.structs.replace(ours.block.header, state_root=theirs.roots.root)
    with pytest.raises(InvalidBlockError) as caught:
        chain.application.check_block(Block(lie, ours.block.submissions, ()), theirs.roots)
    assert caught.value.field == "state_root of counter, replay"


def test_a_submission_twice_in_one_block_is_refused(chain: Chain) -> None:
    submission = add(chain)
    block = chain.application.execute(chain.inputs(submission, submission)).block
    chain.application = Application(chain.genesis, chain.contracts, chain.store)
    with pytest.raises(InvalidBlockError, match="2 different ones"):
        chain.application.check_block(block)


def test_a_block_with_a_forged_signature_is_refused(chain: Chain) -> None:
    forged = msgspec.structs.replace(add(chain), signature=bytes(64))
    other = Chain(CONTRACTS)
    block = other.application.execute(other.inputs(forged)).block
    with pytest.raises(InvalidBlockError, match=r"submissions\[0\].*INVALID_SIGNATURE"):
        chain.application.check_block(block)


# -------------------------------------------------------------------------------------------- check_submission


def test_a_good_submission_passes_twice(chain: Chain) -> None:
    submission = add(chain)
    chain.application.check_submission(submission, 0)
    chain.application.check_submission(submission, 0)


def test_refusals_of_submissions_name_their_code(chain: Chain) -> None:
    check = chain.application.check_submission
    assert code_of(lambda: check(add(chain, signer="stranger"), 0)) == "UNKNOWN_SIGNER"
    assert code_of(lambda: check(add(chain, key_version=2), 0)) == "KEY_NOT_IN_FORCE"
    assert code_of(lambda: check(add(chain, chain_id="other"), 0)) == "FOREIGN_CHAIN"
    assert code_of(lambda: check(add(chain, expires_height=0), 0)) == "EXPIRED"
    assert code_of(lambda: check(add(chain, expires_height=EXPIRY_HEIGHTS_MAX + 2), 0)) == "EXPIRED"
    assert code_of(lambda: check(add(chain), chain.application.time_ms + 60_001)) == "EXPIRED"
    far = chain.application.time_ms + EXPIRY_MS_MAX + 2
    assert code_of(lambda: check(add(chain, expires_ms=far), 0)) == "EXPIRED"
    mine = add(chain)
    assert code_of(lambda: check(msgspec.structs.replace(mine, signature=bytes(64)), 0)) == "INVALID_SIGNATURE"
    mixed = Submission((mine.transactions[0], add(chain, signer="bob").transactions[0]), bytes(64))
    assert code_of(lambda: check(mixed, 0)) == "MIXED_SIGNERS"
    large = tuple(chain.transaction("counter.add", bytes(16_000)) for _ in range(40))
    assert code_of(lambda: check(make_submission(KEYS["alice"], large), 0)) == "SUBMISSION_SIZE"


def test_a_copied_transaction_does_not_burn_the_original(chain: Chain) -> None:
    original = add(chain)
    stolen = Submission(original.transactions, make_submission(KEYS["bob"], original.transactions).signature)
    assert code_of(lambda: chain.application.check_submission(stolen, 0)) == "INVALID_SIGNATURE"
    renamed = make_submission(KEYS["bob"], (msgspec.structs.replace(original.transactions[0], signer="bob"),))
    executed = chain.add_block(renamed)
    assert executed.receipts[0].ok
    chain.application.check_submission(original, 0)
    assert chain.add_block(original).receipts[0].ok
    assert chain.total("x") == 2


def test_a_verified_submission_is_not_trusted_after_its_key_was_retired(chain: Chain) -> None:
    submission = add(chain, signer="bob")
    chain.application.check_submission(submission, 0)
    chain.add_block(chain.submit("membership.retire", ("bob", 2)))
    assert code_of(lambda: chain.application.check_submission(submission, 0)) == "KEY_NOT_IN_FORCE"


# --------------------------------------------------------------------------------------------------- execution


def test_a_key_retired_earlier_in_the_block_signs_nothing_more(chain: Chain) -> None:
    executed = chain.add_block(
        add(chain, signer="bob"), chain.submit("membership.retire", ("bob", 1)), add(chain, signer="bob")
    )
    assert [receipt.code for receipt in executed.receipts] == ["OK", "OK", "KEY_NOT_IN_FORCE"]
    assert chain.total("x") == 1


def test_a_replay_is_recorded_and_changes_nothing(chain: Chain) -> None:
    submission = add(chain)
    assert chain.add_block(submission).receipts[0].ok
    assert code_of(lambda: chain.application.check_submission(submission, 0)) == "REPLAYED"
    assert chain.add_block(submission).receipts[0].code == "REPLAYED"
    assert chain.add_block(add(chain), submission).receipts[1].code == "REPLAYED"
    assert chain.total("x") == 2


def test_a_replay_inside_one_batch_is_recorded(chain: Chain) -> None:
    tx = chain.transaction("counter.add", ("x", 1))
    executed = chain.add_block(make_submission(KEYS["alice"], (tx, tx)))
    assert [receipt.code for receipt in executed.receipts] == ["OK", "REPLAYED"]


def test_the_replay_window_survives_a_restart_and_ends(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.execution.replay.EXPIRY_HEIGHTS_MAX", 5)
    submission = chain.submit("counter.add", ("x", 1), expires_height=6)
    chain.add_block(submission)
    entry = STATE + encode_key("replay", "ids", 1)
    for height in range(2, 7):
        chain.application = Application(chain.genesis, chain.contracts, chain.store)
        assert chain.add_block(submission).receipts[0].code == "REPLAYED", height
        assert entry in chain.store.entries
    assert chain.add_block(submission).receipts[0].code == "EXPIRED"
    assert entry not in chain.store.entries
    assert chain.total("x") == 1


def test_a_failed_transaction_leaves_its_trace_and_nothing_else(chain: Chain) -> None:
    executed = chain.add_block(add(chain, amount=-5), add(chain, amount=2))
    assert [receipt.code for receipt in executed.receipts] == ["NEGATIVE", "OK"]
    assert executed.receipts[0].reason == "expected an amount of 0 or more"
    assert executed.receipts[0].events == ()
    assert [event.name for event in executed.receipts[1].events] == ["changed"]
    assert chain.total("x") == 2


def test_calls_that_do_not_fit_get_a_receipt(chain: Chain) -> None:
    executed = chain.add_block(
        chain.submit("nothing.add", ("x", 1)),
        chain.submit("counter.change", ("x", 1)),
        chain.submit("counter.read", ("x",)),
        chain.submit("counter.ring", ("x", 1)),
        chain.submit("counter.add", ("x", "one")),
        chain.submit("counter.add", b"\xc1"),
        chain.submit("counter.add", encode(("x", 1)) + b"\x00"),
    )
    assert [receipt.code for receipt in executed.receipts] == ["UNKNOWN_METHOD"] * 4 + ["MALFORMED_ARGUMENTS"] * 3
    assert chain.total("x") == 0


def test_a_signer_has_a_quota_and_may_try_again(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.execution.executor.BLOCK_SIGNER_TRANSACTIONS_MAX", 2)
    batch = [add(chain, amount=-1) for _ in range(3)]
    executed = chain.add_block(*batch, add(chain, signer="bob"))
    assert [receipt.code for receipt in executed.receipts] == ["NEGATIVE", "NEGATIVE", "QUOTA_EXCEEDED", "OK"]
    assert chain.add_block(batch[2]).receipts[0].code == "NEGATIVE"


def test_replays_do_not_use_up_a_signers_quota(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.execution.executor.BLOCK_SIGNER_TRANSACTIONS_MAX", 2)
    old = [add(chain), add(chain)]
    chain.add_block(*old)
    assert [receipt.code for receipt in chain.add_block(*old, add(chain)).receipts] == ["REPLAYED", "REPLAYED", "OK"]


def test_a_block_whose_meter_has_ended_lets_the_rest_try_again(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = chain.add_block(add(chain)).receipts[0].charges
    monkeypatch.setattr("ledger.execution.executor.BLOCK_METER_UNITS_MAX", 2 * cost + cost // 2)
    batch = [add(chain) for _ in range(4)]
    receipts = chain.add_block(*batch).receipts
    assert [receipt.code for receipt in receipts] == ["OK", "OK", "BLOCK_FULL", "BLOCK_FULL"]
    assert chain.total("x") == 3
    assert [receipt.code for receipt in chain.add_block(*batch[2:]).receipts] == ["OK", "OK"]


# ------------------------------------------------------------------------------------------------------ clocks


def test_a_clock_rings_once_in_the_first_block_that_reaches_it(chain: Chain) -> None:
    assert chain.application.next_due_ms() is None
    due = chain.application.time_ms + 2_500
    chain.add_block(chain.submit("counter.alarm", (due, "x")))
    assert chain.application.next_due_ms() == due
    chain.add_block(after_ms=1_499)
    assert chain.total("x") == 0
    executed = chain.add_block(add(chain), after_ms=1)
    assert executed.block.header.transaction_count == 1
    assert [receipt.ok for receipt in executed.receipts] == [True, True]
    assert executed.receipts[0].transaction_id == executed.block.submissions[0].transactions[0].id
    assert chain.total("x") == 2
    assert chain.application.next_due_ms() is None
    assert len(chain.add_block().receipts) == 0


def test_a_flood_of_clocks_is_spread_over_blocks(chain: Chain) -> None:
    due = chain.application.time_ms + 1
    count = BLOCK_CLOCK_CALLS_MAX + 1
    chain.add_block(*(chain.submit("counter.alarm", (due, f"k{number}")) for number in range(count)))
    assert len(chain.add_block().receipts) == BLOCK_CLOCK_CALLS_MAX
    assert chain.application.next_due_ms() == due
    assert len(chain.add_block().receipts) == 1


# ----------------------------------------------------------------------------------------- queries and proofs


def test_a_query_writes_nothing(chain: Chain) -> None:
    with pytest.raises(ContractError, match="READ_ONLY"):
        chain.application.query("counter", "cheat", encode(("x", 1)))
    assert chain.total("x") == 0


def test_queries_that_do_not_fit_are_refused(chain: Chain) -> None:
    query = chain.application.query
    assert code_of(lambda: query("nothing", "read", b"")) == "UNKNOWN_METHOD"
    assert code_of(lambda: query("counter", "add", encode(("x", 1)))) == "UNKNOWN_METHOD"
    assert code_of(lambda: query("counter", "read", b"\xc0")) == "MALFORMED_ARGUMENTS"


def test_rows_come_sorted(chain: Chain) -> None:
    chain.add_block(*(add(chain, key) for key in ("b", "a", "c")))
    assert chain.application.query("counter", "keys", encode((0,))) == encode(("a", "b", "c"))


def test_a_page_of_rows_is_as_long_as_asked_and_no_row_behind_it_is_read(chain: Chain) -> None:
    chain.add_block(*(add(chain, key) for key in ("d", "b", "a", "c")))
    chain.add_block()
    chain.store.rows_read = 0
    assert chain.application.query("counter", "keys", encode((2,))) == encode(("a", "b"))
    assert chain.store.rows_read == 2
    assert chain.application.query("counter", "keys", encode((9,))) == encode(("a", "b", "c", "d"))


def test_an_entry_is_proved_under_the_latest_header(chain: Chain) -> None:
    chain.add_block(add(chain, "x"), add(chain, "y"))
    header = chain.application.header
    assert header is not None
    present, absent = encode_key("counter", "totals", "x"), encode_key("counter", "totals", "z")
    verify_state(header.state_root, present, chain.application.read(present), chain.application.prove(present))
    verify_state(header.state_root, absent, None, chain.application.prove(absent))


# -------------------------------------------------------------------------------------------------- validators


def test_a_new_validator_set_acts_two_heights_later(chain: Chain) -> None:
    new = ValidatorSet((Validator("alice", KEYS["alice"].public_key, 1),))
    old = chain.genesis.validators
    chain.add_block(chain.submit("membership.elect", new))
    assert [chain.application.validators(height) for height in (0, 1, 2, 3)] == [old, old, old, new]
    header = chain.add_block().block.header
    assert (header.validators_hash, header.next_validators_hash) == (old.hash, new.hash)
    reopened = Application(chain.genesis, chain.contracts, chain.store)
    assert [reopened.validators(height) for height in (2, 3, 4)] == [old, new, new]
    assert chain.add_block().block.header.validators_hash == new.hash


def test_the_state_root_covers_who_votes_and_which_offences_were_included(chain: Chain) -> None:
    new = ValidatorSet((Validator("alice", KEYS["alice"].public_key, 1),))
    pair = pair_votes(*(Vote(PREVOTE, 1, 0, block_hash, "alice", bytes(64)) for block_hash in (None, bytes(32))))
    inputs = chain.inputs(chain.submit("membership.elect", new))
    executed = chain.application.execute(msgspec.structs.replace(inputs, evidence=(pair,)))
    assert not chain.application.includes_evidence(pair)
    chain.application.commit(executed)
    assert chain.application.includes_evidence(pair)
    for key, value in (
        (validators_key(0), encode(chain.genesis.validators)),
        (validators_key(3), encode(new)),
        (offence_key(offence_id(pair)), encode(1)),
    ):
        verify_state(executed.block.header.state_root, key, value, chain.application.prove(key))


# ----------------------------------------------------------------------------------------- the machine's faults


@pytest.mark.parametrize("part", [b"counter\x00totals", b"membership\x00actors", b"clock\x00due", b"n/"])
@pytest.mark.parametrize("failure", [OSError("disk"), LookupError("store"), LedgerError("corrupt")])
def test_a_reader_that_fails_never_becomes_a_receipt(chain: Chain, part: bytes, failure: Exception) -> None:
    chain.add_block(add(chain))
    chain.application = Application(chain.genesis, chain.contracts, chain.store)
    chain.store.failing_part, chain.store.failure = part, failure
    inputs = chain.inputs(add(chain))
    with pytest.raises(type(failure)) as caught:
        chain.application.execute(inputs)
    assert caught.value is failure
    chain.store.failure = None
    chain.add_block(add(chain))
    assert chain.total("x") == 2


def test_a_reader_that_fails_in_a_query_is_not_the_contracts_fault(chain: Chain) -> None:
    chain.application = Application(chain.genesis, chain.contracts, chain.store)
    chain.store.failing_part, chain.store.failure = b"totals", OSError("disk")
    with pytest.raises(OSError, match="disk"):
        chain.application.query("counter", "read", encode(("x",)))
