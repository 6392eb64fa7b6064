"""Order, then execute: a block's due clocks, then its transactions one after the other, to receipts and writes.

For each transaction, in this order; the first that applies ends it:

    EXPIRED               its height or time has passed, or lies further ahead than the replay window
    REPLAYED              its id is in the window, or earlier in this block
    KEY_NOT_IN_FORCE      its signer's key was retired, perhaps earlier in this block
    QUOTA_EXCEEDED        the signer has had its share of this block
    BLOCK_FULL            the block's own meter has ended; try again
    UNKNOWN_METHOD        ---- from here on its id is in the window, and it cannot be tried again
    MALFORMED_ARGUMENTS
    METER_EXHAUSTED       more charges or depth than one transaction has
    INVALID_PROOF         a `VerificationError` escaped from the contract
    a contract's code     `reject(code, reason)`, or `refuse(code, reason)`
    CONTRACT_FAULT        any other exception; its text stays in this node's `faults`
    OK

Whatever failed has written nothing. Only what a contract refuses on the record (`refuse`) keeps its writes and events
under a code that is not OK: they are the trace of the refusal. Receipts of transactions come first, in their order,
then those of the clock calls, although these run before: so that receipt n belongs to transaction n.

A reader that fails is the machine's fault: its own error propagates and the block has no result. Signatures were
verified before (`ledger.application`).
"""

from collections import Counter
from typing import Annotated, Final

from msgspec import Meta

from ledger.codec import Struct, decode, encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import ContractError, DecodeError, InvalidTransactionError, VerificationError
from ledger.execution.contract import CLOCK, Context, Frame, MethodKind, ScheduledCall, read_actor
from ledger.execution.loader import ContractSet
from ledger.execution.meter import Meter, MeterExhaustedError, charge, metered
from ledger.execution.primitives import BYTES_PER_UNIT
from ledger.execution.replay import ReplayWindow, check_expiry
from ledger.execution.state import Overlay, StateReader, encode_prefix
from ledger.genesis import Genesis
from ledger.limits import (
    BLOCK_CLOCK_CALLS_MAX,
    BLOCK_CLOCK_METER_UNITS_MAX,
    BLOCK_METER_UNITS_MAX,
    BLOCK_SIGNER_TRANSACTIONS_MAX,
    METER_UNITS_MAX,
    QUERY_METER_UNITS_MAX,
    REASON_CHARACTERS_MAX,
)
from ledger.transactions import (
    BLOCK_FULL,
    CONTRACT_FAULT,
    EXPIRED,
    INVALID_PROOF,
    KEY_NOT_IN_FORCE,
    MALFORMED_ARGUMENTS,
    METER_EXHAUSTED,
    OK,
    QUOTA_EXCEEDED,
    REPLAYED,
    SYSTEM_CODES,
    UNKNOWN_METHOD,
    Event,
    Receipt,
    Submission,
    Transaction,
)

BASE_UNITS: Final = 20
"""What a transaction costs before its contract runs."""
DUE_PREFIX: Final = encode_prefix(CLOCK, "due")


class BlockContext(Struct):
    """What all calls of one block are told."""

    chain_id: str
    height: int
    time_ms: int


class BlockResult(Struct):
    """What executing one block's contents gave; the writes are in the overlay."""

    receipts: tuple[Receipt, ...]
    """One per transaction in order, then one per clock call."""
    included: frozenset[bytes]
    """Transaction ids that entered the replay window."""
    faults: tuple[str, ...]
    """What contracts raised undeclared, for this node's operator; not part of the block."""


def next_due_ms(reader: StateReader) -> int | None:
    """Return the time of the earliest scheduled clock call, or None."""
    for key, _ in reader.scan(DUE_PREFIX):
        return int(key[len(DUE_PREFIX) :][:16], 16)
    return None


def run_genesis(contracts: ContractSet, genesis: Genesis, overlay: Overlay) -> None:
    """Run every contract's genesis hook, in the order of their names; what one raises propagates."""
    for index, loaded in enumerate(contracts.contracts.values()):
        context = Context(
            overlay,
            chain_id=genesis.chain_id,
            height=0,
            time_ms=genesis.time_ms,
            signer="genesis",
            key_version=0,
            transaction_id=genesis.hash,
            index=index,
        )
        Frame(context, overlay).contract(loaded.kind).genesis(genesis)


def run_query(
    contracts: ContractSet, overlay: Overlay, block: BlockContext, contract: str, method_name: str, arguments: bytes
) -> bytes:
    """Return the encoded answer of a query.

    Raises:
        InvalidTransactionError: `UNKNOWN_METHOD`, `MALFORMED_ARGUMENTS`, `METER_EXHAUSTED` or `CONTRACT_FAULT`.
        ContractError: If the contract rejects.
        VerificationError: If a proof in the arguments does not hold.
    """
    loaded = contracts.get(contract)
    method = loaded.method(method_name, "query") if loaded else None
    if loaded is None or method is None:
        raise InvalidTransactionError(UNKNOWN_METHOD, f"there is no query {contract}.{method_name}")
    context = Context(
        overlay,
        chain_id=block.chain_id,
        height=block.height,
        time_ms=block.time_ms,
        signer="query",
        key_version=0,
        transaction_id=bytes(32),
        index=0,
    )
    try:
        with metered(Meter(QUERY_METER_UNITS_MAX)):
            try:
                message = decode(arguments, method.message)
            except DecodeError as error:
                raise InvalidTransactionError(MALFORMED_ARGUMENTS, str(error)) from None
            instance = Frame(context, overlay, read_only=True).contract(loaded.kind)
            return encode(getattr(instance, method_name)(message))
    except (ContractError, VerificationError, InvalidTransactionError):
        raise
    except MeterExhaustedError:
        raise InvalidTransactionError(METER_EXHAUSTED, f"{contract}.{method_name}: ask for less") from None
    except Exception as error:
        if overlay.failure is not None:
            raise overlay.failure from None
        raise InvalidTransactionError(CONTRACT_FAULT, f"{contract}.{method_name}: {error!r}") from error


class BlockExecution:
    """One block while it runs."""

    def __init__(self, contracts: ContractSet, overlay: Overlay, block: BlockContext, window: ReplayWindow) -> None:
        """Begin a block.

        Args:
            contracts: What may be called.
            overlay: The parent's state, and where writes go.
            block: Height and time.
            window: The ids included before this block; only read.
        """
        self._contracts = contracts
        self._overlay = overlay
        self._block = block
        self._window = window
        self._included: set[bytes] = set()
        self._per_signer: Counter[str] = Counter()
        self._units_left = BLOCK_METER_UNITS_MAX
        self._faults: list[str] = []

    def run(self, submissions: tuple[Submission, ...]) -> BlockResult:
        """Run due clocks, then every transaction, then record the replay window.

        Raises:
            Exception: Only what the state reader raised.
        """
        count = sum(len(submission.transactions) for submission in submissions)
        clock_receipts = self._run_clocks(count)
        receipts: list[Receipt] = []
        for submission in submissions:
            for tx in submission.transactions:
                receipts.append(self._run_transaction(tx, len(receipts)))
        included = frozenset(self._included)
        self._window.write(self._overlay, self._block.height, included)
        return BlockResult((*receipts, *clock_receipts), included, tuple(self._faults))

    def _run_clocks(self, first_index: int) -> list[Receipt]:
        due: list[tuple[bytes, bytes]] = []
        for key, value in self._overlay.scan(DUE_PREFIX):
            if int(key[len(DUE_PREFIX) :][:16], 16) > self._block.time_ms or len(due) == BLOCK_CLOCK_CALLS_MAX:
                break
            due.append((key, value))
        receipts: list[Receipt] = []
        floor = BLOCK_METER_UNITS_MAX - BLOCK_CLOCK_METER_UNITS_MAX + METER_UNITS_MAX
        for key, value in due:
            if self._units_left < floor:
                break
            self._overlay.put(key, None)
            call = decode(value, ScheduledCall)
            context = self._context(CLOCK, 0, hash_tagged("xinpei/clock/v1", key), first_index + len(receipts))
            receipt = self._call(context, "clock", call.contract, call.method, call.arguments, METER_UNITS_MAX)
            self._units_left -= receipt.charges
            receipts.append(receipt)
        return receipts

    def _run_transaction(self, tx: Transaction, index: int) -> Receipt:
        transaction_id = tx.id
        refused = self._refuse(tx, transaction_id)
        if refused is not None:
            return Receipt(transaction_id, refused[0], refused[1][:REASON_CHARACTERS_MAX], (), 0)
        self._per_signer[tx.signer] += 1
        limit = min(METER_UNITS_MAX, self._units_left)
        context = self._context(tx.signer, tx.key_version, transaction_id, index)
        receipt = self._call(context, "transaction", tx.contract, tx.method, tx.arguments, limit)
        self._units_left -= receipt.charges
        if receipt.code == METER_EXHAUSTED and limit < METER_UNITS_MAX:
            return _block_full(transaction_id, receipt.charges)
        self._included.add(transaction_id)
        return receipt

    def _refuse(self, tx: Transaction, transaction_id: bytes) -> tuple[str, str] | None:
        expired = check_expiry(tx, self._block.height, self._block.time_ms)
        if expired is not None:
            return EXPIRED, expired
        if transaction_id in self._window or transaction_id in self._included:
            return REPLAYED, "this transaction was included before"
        actor = read_actor(self._overlay, tx.signer)
        try:
            if actor is None:
                return KEY_NOT_IN_FORCE, f"{tx.signer} is no actor of this chain"
            actor.public_key(tx.key_version, self._block.height)
        except VerificationError as error:
            return KEY_NOT_IN_FORCE, str(error)
        if self._per_signer[tx.signer] >= BLOCK_SIGNER_TRANSACTIONS_MAX:
            return QUOTA_EXCEEDED, f"expected at most {BLOCK_SIGNER_TRANSACTIONS_MAX} transactions a block; try again"
        if self._units_left < BASE_UNITS:
            return BLOCK_FULL, "the block's meter has ended; try again"
        return None

    def _context(self, signer: str, key_version: int, transaction_id: bytes, index: int) -> Context:
        return Context(
            self._overlay,
            chain_id=self._block.chain_id,
            height=self._block.height,
            time_ms=self._block.time_ms,
            signer=signer,
            key_version=key_version,
            transaction_id=transaction_id,
            index=index,
        )

    def _call(
        self, context: Context, kind: MethodKind, contract: str, method_name: str, arguments: bytes, limit: int
    ) -> Receipt:
        """Run one call; whatever fails reverts, except a reader's failure, which propagates."""
        meter = Meter(limit)
        frame = Frame(context, self._overlay)
        mark = self._overlay.mark()
        is_kept = False
        try:
            with metered(meter):
                code, reason = self._dispatch(frame, kind, contract, method_name, arguments)
            if code == OK and frame.refusal is not None:
                code, reason = self._read_rejection(ContractError(*frame.refusal))
                is_kept = code not in SYSTEM_CODES
        except ContractError as error:
            code, reason = self._read_rejection(error)
        except VerificationError as error:
            code, reason = self._read_failure(error)
        except MeterExhaustedError:
            code, reason = METER_EXHAUSTED, f"expected at most {METER_UNITS_MAX} charges"
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad argument must not stop every node
            self._faults.append(f"{contract}.{method_name}: {error!r}")
            code, reason = CONTRACT_FAULT, "the contract failed in a way it does not declare"
        if self._overlay.failure is not None:
            raise self._overlay.failure
        charges = min(meter.used, limit)
        if code == OK or is_kept:
            events = tuple(Event(*event) for event in frame.events)
            return Receipt(context.transaction_id, code, reason[:REASON_CHARACTERS_MAX], events, charges)
        self._overlay.revert(mark)
        return Receipt(context.transaction_id, code, reason[:REASON_CHARACTERS_MAX], (), charges)

    def _dispatch(
        self, frame: Frame, kind: MethodKind, contract: str, method_name: str, arguments: bytes
    ) -> tuple[str, str]:
        charge(BASE_UNITS + len(arguments) // BYTES_PER_UNIT)
        loaded = self._contracts.get(contract)
        method = loaded.method(method_name, kind) if loaded else None
        if loaded is None or method is None:
            return UNKNOWN_METHOD, f"there is no {kind} {contract}.{method_name}"
        try:
            message = decode(arguments, method.message)
        except DecodeError:
            return MALFORMED_ARGUMENTS, f"expected the canonical encoding of {method.message.__name__}"
        getattr(frame.contract(loaded.kind), method_name)(message)
        return OK, ""

    def _read_failure(self, error: VerificationError) -> tuple[str, str]:
        """Return a failed proof's code and reason, or a fault where a contract raised what is not plain text."""
        if len(error.args) == 1 and type(error.args[0]) is str and _is_encodable(error.args[0]):
            return INVALID_PROOF, error.args[0]
        self._faults.append(f"raised {type(error).__name__} with {error.args!r}")
        return CONTRACT_FAULT, "the contract failed in a way it does not declare"

    def _read_rejection(self, error: ContractError) -> tuple[str, str]:
        """Return a contract's code and reason, or a fault where they cannot stand in a receipt."""
        code, reason = error.code, error.reason
        try:
            decode(encode((code, reason)), _Rejection)
        except (DecodeError, UnicodeEncodeError, TypeError):
            acceptable = False
        else:
            acceptable = code not in SYSTEM_CODES
        if acceptable:
            return code, reason
        self._faults.append(f"rejected with {code!r}: {reason!r}")
        return CONTRACT_FAULT, "the contract rejected without a proper code and reason"


class _Rejection(Struct):
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: str


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _block_full(transaction_id: bytes, charges: int) -> Receipt:
    return Receipt(transaction_id, BLOCK_FULL, "the block's meter has ended; try again", (), charges)
