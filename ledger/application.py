"""The application: blocks in, results and state out, without side effects until `commit`.

`execute` runs a block's inputs on the latest committed state and returns everything that follows from them: the
finished block, its receipts, and the writes that a store puts down in one batch. Nothing else changes, so several
candidates for one height can exist; `commit` makes one of them the state.

    s/   state entries: as contracts see them, and under the system's own names the replay window, the validator sets
         by height, the offences whose evidence was included, and who committed them
    n/   nodes of the state tree
    m/   this module's own: the latest header, the history's frontier and the roots, which follow from that header

All three key spaces are read through one injected `StateReader`; what it raises propagates and stops the node. A
driver may store a committed block's writes a little after `commit`: until the reader has them they are read from
memory.

Time enters as `now_ms` of a check and as the block's time. Whether a block's time is near the clock, who proposes in
which round, and whether evidence holds is consensus; the application takes these as given.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger import state_tree
from ledger.blocks import Block, BlockHeader, Evidence, evidence_root, receipts_root, submissions_root
from ledger.codec import Struct, decode, encode
from ledger.consensus.evidence import offence_id, offender
from ledger.errors import DecodeError, InvalidBlockError, LedgerError
from ledger.execution.contract import MEMBERSHIP
from ledger.execution.executor import (
    BlockContext,
    BlockExecution,
    next_due_ms,
    run_genesis,
    run_query,
)
from ledger.execution.gate import Gate
from ledger.execution.loader import ContractSet
from ledger.execution.members import read_members, read_roles
from ledger.execution.pins import CodeInForce, ContractLibrary
from ledger.execution.replay import ReplayWindow
from ledger.execution.state import Overlay, StateReader, encode_key
from ledger.execution.store import (
    FRONTIER,
    GENESIS,
    HEADER,
    ROOTS,
    STATE,
    VALIDATORS,
    NodeView,
    View,
    offence_key,
    offender_key,
    store_writes,
    validators_key,
)
from ledger.genesis import Credentials, Genesis
from ledger.limits import (
    CANDIDATES_MAX,
    EVIDENCE_AGE_HEIGHTS_MAX,
    PROTOCOL_VERSION,
    VALIDATOR_SET_DELAY_HEIGHTS,
)
from ledger.membership import Role, ValidatorSet
from ledger.merkle import Frontier, leaf_hash
from ledger.state_tree import StateProof, StateRoots, differing_contracts
from ledger.transactions import Receipt, Submission

_VALIDATORS_KEY: Final = encode_key(MEMBERSHIP, "validators", "current")
"""Where the membership contract says who should vote; read after every block."""


class BlockInputs(Struct):
    """What a proposer chooses; everything else in a block follows from it."""

    height: int
    time_ms: int
    proposer: str
    submissions: tuple[Submission, ...]
    evidence: tuple[Evidence, ...]
    """Verified by the replica."""


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block with all that follows from it; nothing of it is state before `commit`."""

    block: Block
    receipts: tuple[Receipt, ...]
    """One per transaction in order, then one per clock call."""
    writes: dict[bytes, bytes | None]
    """Store keys under `s/`, `n/` and `m/`; None deletes. One batch."""
    roots: StateRoots
    """Per contract, so that two nodes that differ can say where."""
    next_validators: ValidatorSet
    """Who votes on the next height."""
    new_validators: ValidatorSet | None
    """Who votes from VALIDATOR_SET_DELAY_HEIGHTS on, if this block changed it."""
    included: frozenset[bytes]
    """Transaction ids that entered the replay window."""
    faults: tuple[str, ...]
    """What contracts raised undeclared: for the operator's log, not part of the block."""

    def state_keys(self) -> Iterator[bytes]:
        """Yield the state entries that the block wrote."""
        return (key[len(STATE) :] for key in self.writes if key.startswith(STATE))


class Application:
    """The latest committed state of one chain, and what can be asked of it."""

    def __init__(self, genesis: Genesis, library: ContractLibrary, reader: StateReader) -> None:
        """Open a chain's state; an empty reader means before `genesis_writes` were stored.

        Args:
            genesis: What the chain was founded on.
            library: Finds the contracts that are in force at a height.
            reader: The store, over all three key spaces.

        Raises:
            LedgerError: If the library lacks what the next block runs with, or the store is another chain's.
        """
        self.genesis = genesis
        self.code = CodeInForce(library, genesis.contracts)
        """Which contracts run, and which are missing here."""
        self._reader = reader
        self._recent = Overlay(reader)
        self._candidates: OrderedDict[bytes, ExecutedBlock] = OrderedDict()
        self._header: BlockHeader | None = None
        self._due: tuple[int, int | None] | None = None
        """What `next_due_ms` says, and of which height: it is asked at every input."""
        self._genesis_writes: dict[bytes, bytes | None] = {}
        stored = reader.get(GENESIS)
        if stored is None:
            self._genesis_writes = self._found()
            for key, value in self._genesis_writes.items():
                self._recent.put(key, value)
        elif stored != genesis.hash:
            msg = f"store: expected the chain of genesis {genesis.hash.hex()}, got {stored.hex()}"
            raise LedgerError(msg)
        header = reader.get(HEADER)
        self._header = None if header is None else decode(header, BlockHeader)
        self._frontier = decode(self._stored(FRONTIER), Frontier)
        self._roots = decode(self._stored(ROOTS), StateRoots)
        self._window = ReplayWindow(self._state())
        self._gate = Gate(genesis.chain_id, self._state, self._window)
        self.code.turn(self._state(), self.height + 1)
        if self.code.missing:
            raise LedgerError(self.code.missing)
        self._sets = [
            (int(key[len(VALIDATORS) :], 16), decode(value, ValidatorSet))
            for key, value in self._state().scan(VALIDATORS)
        ]

    # ------------------------------------------------------------------------------------ the committed state

    @property
    def height(self) -> int:
        """The latest committed height; 0 before block 1."""
        return 0 if self._header is None else self._header.height

    @property
    def header(self) -> BlockHeader | None:
        """The latest committed header; None before block 1."""
        return self._header

    @property
    def head_hash(self) -> bytes:
        """What the next block names as its parent: the latest block's hash, or the genesis hash."""
        return self.genesis.hash if self._header is None else self._header.hash

    @property
    def time_ms(self) -> int:
        """The latest block's time, or the genesis time; the next block's is later."""
        return self.genesis.time_ms if self._header is None else self._header.time_ms

    @property
    def roots(self) -> StateRoots:
        """The latest state's roots, per contract."""
        return self._roots

    @property
    def contracts(self) -> ContractSet:
        """The contracts in force: what the next block is run with, and queries too."""
        return self.code.current

    def validators(self, height: int) -> ValidatorSet:
        """Return who votes at `height`, 0 <= height <= the latest committed height + 2."""
        assert 0 <= height <= self.height + VALIDATOR_SET_DELAY_HEIGHTS, f"validators of {height} are not known yet"
        return next(voters for since, voters in reversed(self._sets) if since <= height)

    @property
    def validator_sets(self) -> tuple[tuple[int, ValidatorSet], ...]:
        """Every set of the chain with the first height it votes on, the genesis' first."""
        return tuple(self._sets)

    def includes_evidence(self, evidence: Evidence) -> bool:
        """Whether a committed block includes evidence of this offence: it is included once."""
        return self._state().get(offence_key(offence_id(evidence))) is not None

    def is_on_record(self, validator: str) -> bool:
        """Whether a block of the last EVIDENCE_AGE_HEIGHTS_MAX heights includes evidence against a validator."""
        stored = self._state().get(offender_key(validator))
        return stored is not None and decode(stored, int) > self.height - EVIDENCE_AGE_HEIGHTS_MAX

    def next_due_ms(self) -> int | None:
        """Return when the earliest contract clock is due, or None: a reason to make a block without submissions."""
        if self._due is None or self._due[0] != self.height:
            self._due = (self.height, next_due_ms(self._state()))
        return self._due[1]

    def members(self) -> dict[str, Credentials]:
        """Return who belongs to the network now, with credentials."""
        return read_members(self._state(), self.genesis)

    def roles(self) -> dict[str, Role]:
        """Return the role of every organisation that belongs to the network or ever did, by the state."""
        return read_roles(self._state())

    def has_due(self, time_ms: int) -> bool:
        """Whether a block at `time_ms` has something to do without submissions: a clock, or a change of validators.

        A decided change acts two heights later; the block in between is made at once, so that an idle chain does not
        leave it hanging.
        """
        due_ms = self.next_due_ms()
        if due_ms is not None and due_ms <= time_ms:
            return True
        return self.validators(self.height + 1) != self.validators(self.height + VALIDATOR_SET_DELAY_HEIGHTS)

    def query(self, contract: str, method: str, arguments: bytes) -> bytes:
        """Return the encoded answer of a contract's query on the latest state.

        Raises:
            InvalidTransactionError: If there is no such query, or its arguments or its work do not fit.
            ContractError: If the contract rejects.
            VerificationError: If a proof in the arguments does not hold.
        """
        overlay = Overlay(self._state())
        block = BlockContext(self.genesis.chain_id, self.height, self.time_ms)
        return run_query(self.contracts, overlay, block, contract, method, arguments)

    def read(self, state_key: bytes) -> bytes | None:
        """Return one state entry's value, as `prove` proves it."""
        return self._state().get(state_key)

    def prove(self, state_key: bytes) -> StateProof:
        """Return the proof of one entry, or of its absence, under the latest header's state root."""
        return state_tree.prove(NodeView(self._recent), self._roots, state_key)

    def genesis_writes(self) -> dict[bytes, bytes | None]:
        """Return what a store holds before block 1; empty if it already does."""
        return self._genesis_writes

    # -------------------------------------------------------------------------------------------- submissions

    def check_submission(self, submission: Submission, now_ms: int) -> None:
        """Refuse what may not wait for a block: to be asked before the mempool takes it.

        Args:
            submission: What a client sent.
            now_ms: This node's clock.

        Raises:
            InvalidTransactionError: With the code a receipt would carry, or of `ledger.transactions`.
        """
        self._gate.check(submission, self.height + 1, max(now_ms, self.time_ms + 1))

    # ------------------------------------------------------------------------------------------------- blocks

    def execute(self, inputs: BlockInputs) -> ExecutedBlock:
        """Return the block that these inputs make on the latest state, with its results.

        Args:
            inputs: Height and time above the latest block's; submissions that passed `check_submission`.
        """
        assert inputs.height == self.height + 1, f"expected height {self.height + 1}, got {inputs.height}"
        assert inputs.time_ms > self.time_ms, f"expected a time after {self.time_ms}, got {inputs.time_ms}"
        overlay = Overlay(self._state())
        context = BlockContext(self.genesis.chain_id, inputs.height, inputs.time_ms)
        result = BlockExecution(self.contracts, overlay, context, self._window).run(inputs.submissions)
        next_validators = self.validators(inputs.height + 1)
        new_validators = self._changed_validators(overlay, next_validators)
        if new_validators is not None:
            overlay.put(validators_key(inputs.height + VALIDATOR_SET_DELAY_HEIGHTS), encode(new_validators))
        for item in inputs.evidence:
            overlay.put(offence_key(offence_id(item)), encode(inputs.height))
            overlay.put(offender_key(offender(item)), encode(inputs.height))
        update = state_tree.update(NodeView(self._recent), self._roots, overlay.writes)
        header = BlockHeader(
            protocol_version=PROTOCOL_VERSION,
            chain_id=self.genesis.chain_id,
            height=inputs.height,
            time_ms=inputs.time_ms,
            proposer=inputs.proposer,
            parent_hash=self.head_hash,
            transaction_count=sum(len(submission.transactions) for submission in inputs.submissions),
            history_root=self._frontier.root(),
            transactions_root=submissions_root(inputs.submissions),
            receipts_root=receipts_root(result.receipts),
            evidence_root=evidence_root(inputs.evidence),
            state_root=update.roots.root,
            validators_hash=self.validators(inputs.height).hash,
            next_validators_hash=next_validators.hash,
        )
        writes = store_writes(overlay, update)
        writes[HEADER] = encode(header)
        writes[FRONTIER] = encode(self._frontier.append(leaf_hash(header.hash)))
        executed = ExecutedBlock(
            block=Block(header, inputs.submissions, inputs.evidence),
            receipts=result.receipts,
            writes=writes,
            roots=update.roots,
            next_validators=next_validators,
            new_validators=new_validators,
            included=result.included,
            faults=result.faults,
        )
        self._candidates[header.hash] = executed
        if len(self._candidates) > CANDIDATES_MAX:
            self._candidates.popitem(last=False)
        return executed

    def check_block(self, block: Block, proposer_roots: StateRoots | None = None) -> ExecutedBlock:
        """Execute a proposed block and compare every field of its header with what follows from its contents.

        Args:
            block: The proposal.
            proposer_roots: The proposer's state roots where they are known: to name the contract that differs.

        Raises:
            InvalidBlockError: Naming the first field that differs.
        """
        known = self._candidates.get(block.header.hash)
        if known is not None and known.block == block:
            return known
        self._check_header(block.header)
        self._gate.check_contents(block, self.height + 1)
        header = block.header
        executed = self.execute(
            BlockInputs(header.height, header.time_ms, header.proposer, block.submissions, block.evidence)
        )
        for field in BlockHeader.__struct_fields__:
            expected, actual = getattr(executed.block.header, field), getattr(header, field)
            if expected != actual:
                where = ""
                if field == "state_root" and proposer_roots is not None:
                    where = f" of {', '.join(differing_contracts(executed.roots, proposer_roots))}"
                raise InvalidBlockError(field + where, _show(expected), _show(actual))
        return executed

    def _check_header(self, header: BlockHeader) -> None:
        """Refuse, before anything is executed, a header that cannot follow the latest block."""
        for field, expected in (
            ("protocol_version", PROTOCOL_VERSION),
            ("chain_id", self.genesis.chain_id),
            ("height", self.height + 1),
            ("parent_hash", self.head_hash),
        ):
            actual = getattr(header, field)
            if actual != expected:
                raise InvalidBlockError(field, _show(expected), _show(actual))
        if header.time_ms <= self.time_ms:
            raise InvalidBlockError("time_ms", f"more than {self.time_ms}", header.time_ms)
        if self.validators(header.height).get(header.proposer) is None:
            raise InvalidBlockError("proposer", "a validator of this height", header.proposer)

    def candidate(self, block_hash: bytes) -> ExecutedBlock | None:
        """Return what was executed for this block hash at the next height, if it is still known."""
        return self._candidates.get(block_hash)

    def commit(self, executed: ExecutedBlock) -> None:
        """Make an executed block the latest state; the driver stores its writes.

        Args:
            executed: What `execute` or `check_block` gave for the next height.
        """
        header = executed.block.header
        assert header.height == self.height + 1, f"expected height {self.height + 1}, got {header.height}"
        assert header.parent_hash == self.head_hash, "the block does not follow the latest one"
        if self._is_stored():
            self._recent = Overlay(self._reader)
            self._genesis_writes = {}
        for key, value in executed.writes.items():
            self._recent.put(key, value)
        self._header = header
        self._frontier = self._frontier.append(leaf_hash(header.hash))
        self._roots = executed.roots
        self._window.advance(header.height, executed.included)
        if executed.new_validators is not None:
            self._sets.append((header.height + VALIDATOR_SET_DELAY_HEIGHTS, executed.new_validators))
        self._candidates.clear()
        self.code.turn(self._state(), self.height + 1, executed.state_keys())

    # ------------------------------------------------------------------------------------------------ private

    def _state(self) -> View:
        return View(self._recent, STATE)

    def _stored(self, key: bytes) -> bytes:
        value = self._recent.get(key)
        assert value is not None, f"the store has no {key!r}"
        return value

    def _is_stored(self) -> bool:
        """Whether the reader has everything up to the latest committed block."""
        if self._header is None:
            return self._reader.get(GENESIS) is not None
        return self._reader.get(HEADER) == encode(self._header)

    def _found(self) -> dict[bytes, bytes | None]:
        """Run the genesis hooks on nothing and return what the store then holds."""
        overlay = Overlay(View(self._recent, STATE))
        run_genesis(self.code.of_genesis(), self.genesis, overlay)
        overlay.put(validators_key(0), encode(self.genesis.validators))
        update = state_tree.update(NodeView(self._recent), StateRoots(), overlay.writes)
        writes = store_writes(overlay, update)
        writes[GENESIS] = self.genesis.hash
        writes[FRONTIER] = encode(Frontier().append(leaf_hash(self.genesis.hash)))
        return writes

    def _changed_validators(self, overlay: Overlay, current: ValidatorSet) -> ValidatorSet | None:
        """Return the set that the membership contract asks for, if it differs from the next height's.

        A set that is none (too large, two keys alike) changes nothing: the contract should have refused it, and a
        chain without voters could not repair it.
        """
        if _VALIDATORS_KEY not in overlay.writes:
            return None
        wanted = overlay.get(_VALIDATORS_KEY)
        try:
            validators = None if wanted is None else decode(wanted, ValidatorSet)
        except DecodeError:
            return None
        return validators if validators != current else None


def _show(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
