"""Re-execution finds what differs, at its height and by its name, and nothing on an honest chain."""

import pytest
from msgspec.structs import replace

from ledger.blocks import Block
from ledger.codec import encode
from ledger.errors import LedgerError
from ledger.execution.loader import ContractSet
from nodes.audit.reexecution import Progress, ReexecutionError, verify_chain
from nodes.storage.blocks import STATE_PREFIX
from tests.nodes.audit.chain import AuditedChain, certify, forge_genesis
from tests.nodes.audit.conftest import settle

HEIGHT = 5


@pytest.fixture
def stored(contract_set: ContractSet) -> AuditedChain:
    chain = AuditedChain(contract_set)
    settle(chain)
    return chain


def run(chain: AuditedChain) -> list[Progress]:
    return list(verify_chain(chain.genesis, chain.blocks, chain.contracts))


def refused(chain: AuditedChain) -> ReexecutionError:
    with pytest.raises(ReexecutionError) as caught:
        run(chain)
    return caught.value


def key(prefix: bytes, height: int = HEIGHT) -> bytes:
    return prefix + height.to_bytes(8)


def block(chain: AuditedChain) -> Block:
    found = chain.blocks.block(HEIGHT)
    assert found is not None
    return found


def put_block(chain: AuditedChain, changed: Block) -> None:
    """Store another block with a commit of the real validators."""
    chain.engine.entries[key(b"b/")] = encode(changed)
    chain.engine.entries[key(b"c/")] = encode(certify(changed.header, chain.genesis.validators))


def test_an_honest_chain_gives_itself_again(stored: AuditedChain) -> None:
    progress = run(stored)
    assert [step.height for step in progress] == list(range(1, stored.application.height + 1))
    assert progress[-1].height == progress[-1].of
    assert progress[-1].transactions > 20
    assert progress[-1].blocks_per_second > 0


def test_an_empty_chain_has_nothing_to_run(chain: AuditedChain) -> None:
    assert run(chain) == []


@pytest.mark.parametrize("field", ["state_root", "receipts_root", "history_root", "transactions_root"])
def test_a_root_that_does_not_follow_is_named(stored: AuditedChain, field: str) -> None:
    found = block(stored)
    put_block(stored, replace(found, header=replace(found.header, **{field: bytes(32)})))
    error = refused(stored)
    assert (error.height, error.field) == (HEIGHT, field)


def test_a_dropped_submission_is_named(stored: AuditedChain) -> None:
    found = block(stored)
    put_block(stored, replace(found, submissions=found.submissions[1:]))
    error = refused(stored)
    assert (error.height, error.field) == (HEIGHT, "transaction_count")


def test_a_submission_that_its_signer_did_not_sign_is_named(stored: AuditedChain) -> None:
    found = block(stored)
    forged = replace(found.submissions[0], signature=bytes(64))
    put_block(stored, replace(found, submissions=(forged, *found.submissions[1:])))
    error = refused(stored)
    assert (error.height, error.field) == (HEIGHT, "submissions[0]")


def test_a_commit_without_quorum_is_named(stored: AuditedChain) -> None:
    weak = certify(block(stored).header, stored.genesis.validators, 2)
    stored.engine.entries[key(b"c/")] = encode(weak)
    error = refused(stored)
    assert (error.height, error.field) == (HEIGHT, "commit")


def test_a_receipt_that_says_otherwise_is_named(stored: AuditedChain) -> None:
    receipts = stored.blocks.receipts(HEIGHT)
    assert receipts is not None
    changed = (replace(receipts[0], code="REPLAYED", reason="never happened"), *receipts[1:])
    stored.engine.entries[key(b"r/")] = encode(changed)
    error = refused(stored)
    assert (error.height, error.field) == (HEIGHT, "receipts[0]")
    for other in (receipts[1:] if len(receipts) > 1 else (), (*receipts, receipts[0])):
        stored.engine.entries[key(b"r/")] = encode(other)
        assert refused(stored).field.startswith("receipts")


def test_a_state_entry_that_was_edited_on_disk_is_named(stored: AuditedChain) -> None:
    claim_key = next(name for name in stored.engine.entries if name.startswith(STATE_PREFIX + b"claims\x00claims\x00"))
    original = stored.engine.entries[claim_key]
    stored.engine.entries[claim_key] = original[:-1] + b"\x00"
    assert refused(stored).field.startswith("state entry claims claims claim-")
    del stored.engine.entries[claim_key]
    assert "no entry" in str(refused(stored))


def test_a_missing_block_is_named(stored: AuditedChain) -> None:
    del stored.engine.entries[key(b"b/")]
    assert refused(stored).height == HEIGHT


def test_other_contracts_than_the_genesis_pins_are_refused(stored: AuditedChain) -> None:
    genesis = forge_genesis(stored.genesis, contracts=())
    with pytest.raises(LedgerError, match="not pinned"):
        list(verify_chain(genesis, stored.blocks, stored.contracts))
