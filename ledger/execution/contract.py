"""The contract API: the one module of the core that a contract sees.

A contract is a class with typed tables and methods marked by what may call them:

    class Counter(Contract):
        name = "counter"
        totals = Table("totals", Total)

        @transaction
        def add(self, message: Add) -> None: ...            # by a signed transaction
        @query
        def read(self, message: Read) -> Total: ...         # by anyone, writes nothing
        @clock
        def lapse(self, message: Lapse) -> None: ...        # by the executor when due
        def check(self, name: str) -> Total: ...            # unmarked: by other contracts only
        def genesis(self, genesis: Genesis) -> None: ...    # once, before block 1

A marked method takes exactly one message, a `Struct`; its type is read from the annotation. `reject(code, reason)`
reverts the transaction and is recorded. `self.refuse(code, reason)` gives the receipt the same, and what was written
stands: for a refusal that is itself an entry. A `VerificationError` that escapes is recorded as `INVALID_PROOF`,
anything else as `CONTRACT_FAULT` without its text. What costs more than a loop turn (cryptography, tables, the codec)
is charged to the transaction's meter here.

A contract instance lives for one transaction and keeps nothing: state lives in tables. This is a convention that
`static_check` enforces on reviewed code of the consortium; Python in one process is no sandbox.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Any, ClassVar, Generic, Literal, NoReturn, TypeVar, cast, overload

from msgspec import Meta
from msgspec.structs import replace

from ledger import codec
from ledger.codec import (
    Amount,
    ChainId,
    Day,
    Hash,
    Height,
    Milliseconds,
    Name,
    Nonce,
    Point,
    PublicKey,
    Signature,
    Struct,
)
from ledger.crypto.commitments import GROUP_ORDER, IDENTITY
from ledger.errors import ContractError, DecodeError, VerificationError
from ledger.execution.meter import charge
from ledger.execution.primitives import (
    BYTES_PER_UNIT,
    add_commitments,
    check_commitment,
    commit_salted,
    decode,
    encode,
    hash_bytes,
    hash_tagged,
    subtract_commitments,
    verify,
    verify_amount,
    verify_difference,
    verify_total,
)
from ledger.execution.state import Key, KeyPart, Overlay, decode_key, encode_key, encode_prefix, encode_start
from ledger.genesis import ContractPin, Credentials, Genesis, Organisation, PinHistory, PinVersion, SealKey
from ledger.limits import (
    AMOUNT_MINOR_UNITS_MAX,
    CONTRACTS_MAX,
    EVENT_BYTES_MAX,
    EVENTS_PER_TRANSACTION_MAX,
    STATE_VALUE_BYTES_MAX,
    VALIDATORS_MAX,
)
from ledger.membership import CUSTOMER_PREFIX, Actor, KeyRecord, Role, Validator, ValidatorSet

__all__ = [
    "AMOUNT_MINOR_UNITS_MAX",
    "CONTRACTS_MAX",
    "CUSTOMER_PREFIX",
    "GROUP_ORDER",
    "IDENTITY",
    "VALIDATORS_MAX",
    "Actor",
    "Amount",
    "Annotated",
    "ChainId",
    "Context",
    "Contract",
    "ContractError",
    "ContractPin",
    "Credentials",
    "Day",
    "DecodeError",
    "Genesis",
    "Hash",
    "Height",
    "KeyRecord",
    "Literal",
    "Meta",
    "Milliseconds",
    "Name",
    "Nonce",
    "Organisation",
    "PinHistory",
    "PinVersion",
    "Point",
    "PublicKey",
    "Role",
    "Rows",
    "SealKey",
    "Signature",
    "Struct",
    "Table",
    "Validator",
    "ValidatorSet",
    "VerificationError",
    "add_commitments",
    "check_commitment",
    "clock",
    "commit_salted",
    "decode",
    "encode",
    "hash_bytes",
    "hash_tagged",
    "query",
    "reject",
    "replace",
    "subtract_commitments",
    "transaction",
    "verify",
    "verify_amount",
    "verify_difference",
    "verify_total",
]

V = TypeVar("V")
C = TypeVar("C", bound="Contract")
Method = TypeVar("Method", bound=Callable[..., object])
MethodKind = Literal["transaction", "query", "clock"]

MEMBERSHIP = "membership"
"""The contract whose table `actors` says which organisations may sign; the application reads it too."""
CUSTOMERS = "customers"
"""The contract whose table `actors` says which pseudonyms may sign."""
ACTORS = "actors"
CLOCK = "clock"
"""The system's own name for the schedule; no contract may have it."""

ROW_UNITS = 50
"""Meter units of one table access, about 5 us where a store reads it; with BYTES_PER_UNIT more for long values."""
SCHEDULE_UNITS = 100


class ScheduledCall(Struct):
    """A clock method's call that waits for its time."""

    contract: Name
    method: str
    arguments: bytes


class Context:
    """What a contract knows about the call it is in."""

    __slots__ = ("__overlay", "chain_id", "height", "index", "key_version", "signer", "time_ms", "transaction_id")

    def __init__(
        self,
        overlay: Overlay,
        *,
        chain_id: str,
        height: int,
        time_ms: int,
        signer: str,
        key_version: int,
        transaction_id: bytes,
        index: int,
    ) -> None:
        """Describe one call.

        Args:
            overlay: Where actors are looked up.
            chain_id: The chain it runs on.
            height: The block's height; 0 in the genesis hooks.
            time_ms: The block's time.
            signer: Whose signature covers it; `clock` for a clock method, `genesis` for a genesis hook.
            key_version: Which of the signer's keys; 0 where nobody signed.
            transaction_id: 32 bytes; of a clock method's call, the hash of its schedule entry.
            index: The place of its receipt in the block.
        """
        self.__overlay = overlay
        self.chain_id = chain_id
        self.height = height
        self.time_ms = time_ms
        self.signer = signer
        self.key_version = key_version
        self.transaction_id = transaction_id
        self.index = index

    def actor(self, name: str) -> Actor | None:
        """Return the actor of this name as it is now, or None."""
        charge(ROW_UNITS)
        return read_actor(self.__overlay, name)


def actor_key(name: str) -> bytes:
    """Return the state key of the actor of this name: pseudonyms and organisations are kept by two contracts."""
    return encode_key(CUSTOMERS if name.startswith(CUSTOMER_PREFIX) else MEMBERSHIP, ACTORS, name)


def read_actor(state: Any, name: str) -> Actor | None:
    """Return the actor of this name from the state of the contract that keeps it, or None."""
    value = state.get(actor_key(name))
    return None if value is None else codec.decode(value, Actor)


class Frame:
    """One transaction in progress: its context, its state, and what it has emitted so far.

    Every contract that takes part is one instance bound to the same frame.
    """

    def __init__(self, context: Context, overlay: Overlay, *, read_only: bool = False) -> None:
        """Begin a transaction.

        Args:
            context: What the contracts are told.
            overlay: What they read and write.
            read_only: For queries: any write, event or schedule is refused.
        """
        self.context = context
        self.overlay = overlay
        self.read_only = read_only
        self.events: list[tuple[str, str, bytes]] = []
        """(contract, event name, encoded data), in the order of emission."""
        self.scheduled = 0
        self.refusal: tuple[str, str] | None = None
        """(code, reason) of a refusal that keeps what was written; the last one stands."""
        self._contracts: dict[type[Contract], Contract] = {}

    def contract(self, kind: type[C]) -> C:
        """Return the instance of `kind` that is bound to this transaction."""
        instance = self._contracts.get(kind)
        if instance is None:
            instance = self._contracts[kind] = kind(self)
        return cast("C", instance)

    def check_writable(self) -> None:
        """Refuse a write inside a query; raises `ContractError`."""
        if self.read_only:
            reject("READ_ONLY", "a query writes nothing")


class Rows(Generic[V]):
    """A table bound to one transaction's state."""

    def __init__(self, frame: Frame, contract: str, table: str, kind: type[V]) -> None:
        """Bind a table.

        Args:
            frame: The transaction.
            contract: The contract that owns the rows.
            table: The table's name.
            kind: The type of every value.
        """
        self.__frame = frame
        self.__contract = contract
        self.__table = table
        self.__kind = kind

    def get(self, key: Key) -> V | None:
        """Return the row at `key`, or None."""
        value = self.__frame.overlay.get(encode_key(self.__contract, self.__table, key))
        if value is None:
            charge(ROW_UNITS)
            return None
        return self.__read(value)

    def put(self, key: Key, value: V) -> None:
        """Write the row at `key`."""
        self.__frame.check_writable()
        encoded = codec.encode(value)
        charge(ROW_UNITS + len(encoded) // BYTES_PER_UNIT)
        if len(encoded) > STATE_VALUE_BYTES_MAX:
            msg = f"{self.__table}: expected a row of at most {STATE_VALUE_BYTES_MAX} bytes, got {len(encoded)}"
            raise ValueError(msg)
        codec.decode(encoded, self.__kind)
        self.__frame.overlay.put(encode_key(self.__contract, self.__table, key), encoded)

    def delete(self, key: Key) -> None:
        """Remove the row at `key`, if there is one."""
        self.__frame.check_writable()
        charge(ROW_UNITS)
        state_key = encode_key(self.__contract, self.__table, key)
        if self.__frame.overlay.get(state_key) is not None:
            self.__frame.overlay.put(state_key, None)

    def scan(
        self, prefix: Key = (), after: KeyPart = "", rows_max: int | None = None
    ) -> Iterator[tuple[tuple[str, ...], V]]:
        """Return the rows below `prefix` as (key parts as text, value), sorted by key, as they are now.

        Rows are read as they are asked for: who stops early pays for what was read.

        Args:
            prefix: The first parts of the keys.
            after: Only rows whose next part sorts after this one; the others are not read. Empty for all.
            rows_max: The length of a page: no row behind it is read. None for all.
        """
        charge(ROW_UNITS)
        state_prefix = encode_prefix(self.__contract, self.__table, prefix)
        start = None if after == "" else encode_start(state_prefix, after)
        entries = islice(self.__frame.overlay.scan(state_prefix, start), rows_max)
        return ((decode_key(key)[2:], self.__read(value)) for key, value in entries)

    def __read(self, value: bytes) -> V:
        charge(ROW_UNITS + len(value) // BYTES_PER_UNIT)
        return codec.decode(value, self.__kind)


class Table(Generic[V]):
    """A contract's table: declared on the class, `Rows` on the instance."""

    def __init__(self, name: str, kind: type[V]) -> None:
        """Declare a table.

        Args:
            name: Its name inside the contract; part of every state key.
            kind: The type of its values, one the codec can decode.
        """
        self.name = name
        self.kind = kind

    @overload
    def __get__(self, instance: None, owner: type["Contract"]) -> "Table[V]": ...
    @overload
    def __get__(self, instance: "Contract", owner: type["Contract"]) -> Rows[V]: ...
    def __get__(self, instance: "Contract | None", owner: type["Contract"]) -> "Table[V] | Rows[V]":
        """Return the table itself from a class, its rows from an instance."""
        if instance is None:
            return self
        return Rows(instance._frame__(), owner.name, self.name, self.kind)


class Contract:
    """What every contract inherits: its transaction, its neighbours, its events and its clock."""

    name: ClassVar[str]
    """The contract's name on the chain; `replay` and `clock` belong to the system."""

    def __init__(self, frame: Frame) -> None:
        """Bind to one transaction; contracts are never constructed by contracts."""
        self.__frame = frame

    def _frame__(self) -> Frame:
        return self.__frame

    @property
    def context(self) -> Context:
        """Who calls, when, and in which transaction."""
        return self.__frame.context

    def call(self, kind: type[C]) -> C:
        """Return another contract, bound to this transaction: its writes stand or fall with ours."""
        return self.__frame.contract(kind)

    def emit(self, name: str, data: Struct) -> None:
        """Record an event for followers; public like everything on the chain.

        Args:
            name: Lower case with hyphens, such as `claim-settled`.
            data: A struct of at most EVENT_BYTES_MAX bytes.
        """
        self.__frame.check_writable()
        encoded = codec.encode(data)
        charge(ROW_UNITS + len(encoded) // BYTES_PER_UNIT)
        if len(encoded) > EVENT_BYTES_MAX or len(self.__frame.events) >= EVENTS_PER_TRANSACTION_MAX:
            msg = f"{name}: expected at most {EVENTS_PER_TRANSACTION_MAX} events of {EVENT_BYTES_MAX} bytes"
            raise ValueError(msg)
        codec.decode(codec.encode(name), Name)
        self.__frame.events.append((self.name, name, encoded))

    def schedule(self, due_ms: int, method: str, message: Struct) -> None:
        """Have a clock method of this contract run by the first block whose time reaches `due_ms`.

        Args:
            due_ms: Block time, milliseconds; in the past means in the next block.
            method: The name of a method marked with `clock`.
            message: What it will be given.
        """
        self.__frame.check_writable()
        arguments = codec.encode(message)
        charge(SCHEDULE_UNITS + len(arguments) // BYTES_PER_UNIT)
        if method_kind(getattr(type(self), method, None)) != CLOCK:
            msg = f"{self.name}.{method}: expected a clock method to schedule"
            raise ValueError(msg)
        context = self.__frame.context
        key = encode_key(CLOCK, "due", (due_ms, context.height, context.index, self.__frame.scheduled))
        self.__frame.overlay.put(key, codec.encode(ScheduledCall(self.name, method, arguments)))
        self.__frame.scheduled += 1

    def refuse(self, code: str, reason: str) -> None:
        """Refuse on the record: the receipt carries the code, and what this transaction has written stands.

        Whoever refuses so returns right after, having written nothing but the trace of the refusal.

        Args:
            code: As for `reject`.
            reason: One sentence without personal data.
        """
        self.__frame.check_writable()
        self.__frame.refusal = (code, reason)

    def genesis(self, genesis: Genesis) -> None:
        """Write the contract's initial state; nothing unless overridden."""


def transaction(method: Method) -> Method:
    """Mark a method that signed transactions call."""
    return _mark(method, "transaction")


def query(method: Method) -> Method:
    """Mark a method that anyone may ask; it writes nothing and returns its answer."""
    return _mark(method, "query")


def clock(method: Method) -> Method:
    """Mark a method that the executor runs when its scheduled time has come."""
    return _mark(method, "clock")


def method_kind(method: object) -> MethodKind | None:
    """Return how a method is marked, or None."""
    kind: MethodKind | None = getattr(method, "__contract_method__", None)
    return kind


def _mark(method: Method, kind: MethodKind) -> Method:
    method.__contract_method__ = kind  # type: ignore[attr-defined]
    return method


def reject(code: str, reason: str) -> NoReturn:
    """Refuse: revert the transaction and record why.

    Args:
        code: A reason code, HCX's where HCX has one (`AUTH-013`).
        reason: One sentence without personal data.

    Raises:
        ContractError: Always.
    """
    raise ContractError(code, reason)
