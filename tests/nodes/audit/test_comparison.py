"""Two stores of one chain: equal ones are, and the first place that differs is found by its name."""

import copy

import pytest
from msgspec.structs import replace

from ledger.codec import encode
from ledger.execution.loader import ContractSet
from ledger.execution.store import ROOTS
from ledger.state_tree import EMPTY, ContractRoot, StateRoots
from nodes.audit.comparison import ENTRIES_MAX, BlockDifference, Comparison, StateDifference, compare_chains
from nodes.storage.blocks import STATE_PREFIX, BlockStore
from tests.nodes.audit.chain import AuditedChain, MemoryEngine, certify
from tests.nodes.audit.conftest import settle

HEIGHT = 5


class Pair:
    """A chain and a second store of it, to tamper with."""

    def __init__(self, chain: AuditedChain) -> None:
        self.chain = chain
        self.engine = MemoryEngine()
        self.engine.entries = copy.copy(chain.engine.entries)

    @property
    def second(self) -> BlockStore:
        return BlockStore(self.engine, self.chain.genesis.chain_id, self.chain.genesis.hash)

    def compare(self) -> Comparison:
        return compare_chains(self.chain.blocks, self.second, lambda _at, _of: None)

    def block(self) -> BlockDifference:
        """Return the first difference of blocks; the states are equal."""
        found = self.compare()
        assert not found.is_equal
        assert found.states == ()
        assert found.block is not None
        assert found.block.faults[0] == ""
        return found.block

    def states(self) -> tuple[StateDifference, ...]:
        """Return what differs in the states; the blocks are equal."""
        found = self.compare()
        assert not found.is_equal
        assert found.block is None
        assert found.states
        return found.states


@pytest.fixture(scope="module")
def settled_chain(contract_set: ContractSet) -> AuditedChain:
    chain = AuditedChain(contract_set)
    settle(chain)
    return chain


@pytest.fixture
def pair(settled_chain: AuditedChain) -> Pair:
    return Pair(settled_chain)


def key(prefix: bytes, height: int = HEIGHT) -> bytes:
    return prefix + height.to_bytes(8)


def test_a_store_equals_its_copy(pair: Pair) -> None:
    seen: list[tuple[int, int]] = []
    found = compare_chains(pair.chain.blocks, pair.second, lambda at, of: seen.append((at, of)))
    last = pair.chain.application.height
    assert found == Comparison((last, last), None, ())
    assert found.is_equal
    assert seen == [(height, last) for height in range(1, last + 1)]


def test_a_store_that_is_behind_does_not_differ_and_its_state_is_not_compared(contract_set: ContractSet) -> None:
    chain = AuditedChain(contract_set)
    chain.consent()
    pair = Pair(chain)
    before = chain.application.height
    chain.consent()
    assert pair.compare() == Comparison((chain.application.height, before), None, None)
    assert pair.compare().is_equal


def test_an_edited_header_is_named_by_its_field_and_the_honest_copy_is_certified(pair: Pair) -> None:
    block = pair.chain.blocks.block(HEIGHT)
    assert block is not None
    pair.engine.entries[key(b"b/")] = encode(replace(block, header=replace(block.header, state_root=bytes(32))))
    found = pair.block()
    assert (found.height, [item.field for item in found.fields]) == (HEIGHT, ["header.state_root"])
    assert found.fields[0].second == bytes(32).hex()
    assert "certifies another block" in found.faults[1]


def test_of_two_tampered_heights_the_first_is_named(pair: Pair) -> None:
    for height in (HEIGHT + 2, HEIGHT):
        del pair.engine.entries[key(b"r/", height)]
    found = pair.block()
    assert (found.height, found.fields[0].field, found.fields[0].second) == (HEIGHT, "receipts[0]", "nothing")


def test_a_fork_that_both_quorums_certified_is_certified_on_both_sides(pair: Pair) -> None:
    block = pair.chain.blocks.block(HEIGHT)
    assert block is not None
    forked = replace(block, header=replace(block.header, time_ms=block.header.time_ms + 1))
    pair.engine.entries[key(b"b/")] = encode(forked)
    pair.engine.entries[key(b"c/")] = encode(certify(forked.header, pair.chain.genesis.validators))
    found = pair.block()
    assert [item.field for item in found.fields] == ["header.time_ms"]
    assert found.faults == ("", "")


def test_an_edited_submission_is_named(pair: Pair) -> None:
    block = pair.chain.blocks.block(HEIGHT)
    assert block is not None
    forged = replace(block.submissions[0], signature=bytes(64))
    pair.engine.entries[key(b"b/")] = encode(replace(block, submissions=(forged, *block.submissions[1:])))
    found = pair.block()
    assert (found.height, found.fields[0].field) == (HEIGHT, "submissions[0]")
    assert found.fields[0].first != found.fields[0].second
    assert "transactions_root" in found.faults[1]


def test_an_edited_receipt_is_named(pair: Pair) -> None:
    receipts = pair.chain.blocks.receipts(HEIGHT)
    assert receipts is not None
    changed = (*receipts[:-1], replace(receipts[-1], code="REPLAYED"))
    pair.engine.entries[key(b"r/")] = encode(changed)
    found = pair.block()
    assert found.fields[0].field == f"receipts[{len(receipts) - 1}]"
    assert (found.fields[0].first[:2], found.fields[0].second[:8]) == ("OK", "REPLAYED")


def test_a_missing_block_is_named(pair: Pair) -> None:
    del pair.engine.entries[key(b"b/")]
    found = pair.block()
    assert (found.height, found.fields[0].field, found.fields[0].second) == (HEIGHT, "block", "nothing")


def test_the_certificate_of_another_quorum_is_no_difference(pair: Pair) -> None:
    block, commit = pair.chain.blocks.block(HEIGHT), pair.chain.blocks.commit(HEIGHT)
    assert block is not None
    assert commit is not None
    validators = pair.chain.genesis.validators
    absent = commit.signatures[0].validator
    others = replace(validators, validators=tuple(item for item in validators.validators if item.name != absent))
    other = certify(block.header, others)
    assert other.signatures != commit.signatures
    pair.engine.entries[key(b"c/")] = encode(other)
    assert pair.compare().is_equal


def test_a_certificate_without_quorum_is_a_difference(pair: Pair) -> None:
    block = pair.chain.blocks.block(HEIGHT)
    assert block is not None
    pair.engine.entries[key(b"c/")] = encode(certify(block.header, pair.chain.genesis.validators, 2))
    found = pair.block()
    assert (found.height, found.fields[0].field) == (HEIGHT, "commit")
    assert found.faults[1] != ""


def test_an_edited_entry_is_named_with_its_contract(pair: Pair) -> None:
    name = next(item for item in pair.engine.entries if item.startswith(STATE_PREFIX + b"claims\x00claims\x00"))
    pair.engine.entries[name] = pair.engine.entries[name][:-1] + b"\x7f"
    (state,) = pair.states()
    assert (state.contract, state.count) == ("claims", 1)
    assert state.entries[0].field.startswith("claims claims claim-")
    del pair.engine.entries[name]
    (state,) = pair.states()
    assert state.entries[0].second == "no entry"


def test_entries_of_several_contracts_are_counted_and_the_first_are_named(pair: Pair) -> None:
    for number in range(ENTRIES_MAX + 5):
        pair.engine.entries[STATE_PREFIX + b"records\x00made-up\x00%02d" % number] = b"\x01"
    pair.engine.entries[STATE_PREFIX + b"zzz\x00last\x00key"] = b"\x01"
    records, last = pair.states()
    assert (records.contract, records.count, len(records.entries)) == ("records", ENTRIES_MAX + 5, ENTRIES_MAX)
    assert (records.entries[0].field, records.entries[0].first) == ("records made-up 00", "no entry")
    assert (last.contract, last.count) == ("zzz", 1)


def test_a_root_that_differs_over_equal_entries_is_named(pair: Pair) -> None:
    pair.engine.entries[ROOTS] = encode(StateRoots((ContractRoot("claims", EMPTY),)))
    contracts = {state.contract: state for state in pair.states()}
    assert contracts["claims"] == StateDifference("claims", 0, ())
