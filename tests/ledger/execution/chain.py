"""A chain small enough to test on: contracts as source text, a store in memory, three actors, and blocks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

from msgspec.structs import replace

from ledger.application import Application, BlockInputs, ExecutedBlock
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey
from ledger.execution.loader import PLATFORM_MODULES, ContractSet, load_contracts
from ledger.genesis import Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Validator, ValidatorSet
from ledger.transactions import Receipt, Submission, Transaction, make_submission

ROOT = Path(__file__).parents[3]
TIME_MS = 1_000_000
KEYS = {name: PrivateKey(bytes([number]) * 32) for number, name in enumerate(("alice", "bob", "stranger"), start=1)}
ACTORS = ("alice", "bob")

API = "from ledger.execution.contract import *\n".replace(
    "*",
    "(Actor, Contract, DecodeError, Genesis, KeyRecord, Struct, Table, ValidatorSet, VerificationError, clock, "
    "decode, encode, hash_tagged, query, reject, transaction, verify)",
)

MEMBERSHIP = API + dedent('''
    class Retire(Struct):
        name: str
        until_height: int

    class Membership(Contract):
        """Who may sign."""

        name = "membership"
        actors = Table("actors", Actor)
        validators = Table("validators", ValidatorSet)

        def genesis(self, genesis: Genesis) -> None:
            for item in genesis.organisations:
                key = KeyRecord(1, item.public_key, 0, None)
                self.actors.put(item.name, Actor(item.name, item.role, (key,), None))

        @transaction
        def retire(self, message: Retire) -> None:
            actor = self.actors.get(message.name)
            if actor is not None:
                key = KeyRecord(1, actor.keys[0].public_key, 0, message.until_height)
                self.actors.put(message.name, Actor(actor.name, actor.role, (key,), None))

        @transaction
        def elect(self, message: ValidatorSet) -> None:
            self.validators.put("current", message)
''')

COUNTER = API + dedent('''
    class Add(Struct):
        key: str
        amount: int

    class Read(Struct):
        key: str

    class Alarm(Struct):
        due_ms: int
        key: str

    class Total(Struct):
        total: int

    class Counter(Contract):
        """Adds up."""

        name = "counter"
        totals = Table("totals", Total)

        @transaction
        def add(self, message: Add) -> None:
            self.change(message.key, message.amount)
            if message.amount < 0:
                reject("NEGATIVE", "expected an amount of 0 or more")

        @transaction
        def alarm(self, message: Alarm) -> None:
            self.schedule(message.due_ms, "ring", Add(message.key, 1))

        @clock
        def ring(self, message: Add) -> None:
            self.change(message.key, message.amount)

        @query
        def read(self, message: Read) -> Total:
            return self.totals.get(message.key) or Total(0)

        @query
        def keys(self, message: Total) -> tuple[str, ...]:
            return tuple(key[0] for key, _ in self.totals.scan(rows_max=message.total or None))

        @query
        def cheat(self, message: Add) -> Total:
            self.change(message.key, message.amount)
            return Total(0)

        def change(self, key: str, amount: int) -> None:
            row = self.totals.get(key) or Total(0)
            self.totals.put(key, Total(row.total + amount))
            self.emit("changed", Add(key, amount))
''')


class MemoryStore:
    """A sorted store of bytes; fails on demand."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.failure: Exception | None = None
        self.failing_part = b""
        self.rows_read = 0

    def get(self, key: bytes) -> bytes | None:
        self._fail(key)
        return self.entries.get(key)

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        self._fail(prefix)
        first = start or prefix
        for key in sorted(key for key in self.entries if key.startswith(prefix) and key >= first):
            self.rows_read += 1
            yield key, self.entries[key]

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def _fail(self, key: bytes) -> None:
        if self.failure is not None and self.failing_part in key:
            raise self.failure


def load(**modules: str) -> ContractSet:
    """Load contract modules by their short names, with the membership and counter contracts."""
    sources = {f"contracts.{name}": dedent(text) for name, text in modules.items()}
    sources |= {"contracts.membership": MEMBERSHIP, "contracts.counter": COUNTER}
    return load_contracts(sources | platform())


def platform() -> dict[str, str]:
    """Return the core's sources that code hashes cover."""
    return {name: (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in PLATFORM_MODULES}


def make_genesis(contracts: ContractSet) -> Genesis:
    """Return a genesis of two organisations that both validate."""
    organisations = tuple(
        Organisation(name, "hospital", KEYS[name].public_key, bytes(1216), bytes(32)) for name in ACTORS
    )
    validators = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in ACTORS))
    return Genesis.found(PROTOCOL_VERSION, "test", TIME_MS, validators, organisations, contracts.pins())


class Chain:
    """An application with its store; blocks are stored as soon as they are committed."""

    def __init__(self, contracts: ContractSet | None = None) -> None:
        self.contracts = contracts or load()
        self.genesis = make_genesis(self.contracts)
        self.store = MemoryStore()
        self.application = Application(self.genesis, self.contracts, self.store)
        self.store.write(self.application.genesis_writes())
        self._nonce = 0

    def transaction(self, method: str, message: object, signer: str = "alice", **changes: int | str) -> Transaction:
        """Return a transaction that has not been made before."""
        self._nonce += 1
        contract, _, name = method.partition(".")
        arguments = message if isinstance(message, bytes) else encode(message)
        template = Transaction(
            chain_id=self.genesis.chain_id,
            signer=signer,
            key_version=1,
            contract=contract,
            method=name,
            arguments=arguments,
            nonce=self._nonce.to_bytes(16, "big"),
            expires_height=self.application.height + 10,
            expires_ms=self.application.time_ms + 60_000,
        )
        return replace(template, **changes)

    def submit(self, method: str, message: object, signer: str = "alice", **changes: int | str) -> Submission:
        """Return a signed submission of one transaction."""
        return make_submission(KEYS[signer], (self.transaction(method, message, signer, **changes),))

    def inputs(self, *submissions: Submission, after_ms: int = 1_000) -> BlockInputs:
        """Return the next block's inputs."""
        time_ms = self.application.time_ms + after_ms
        return BlockInputs(self.application.height + 1, time_ms, "alice", submissions, ())

    def add_block(self, *submissions: Submission, after_ms: int = 1_000) -> ExecutedBlock:
        """Execute, commit and store one block."""
        executed = self.application.execute(self.inputs(*submissions, after_ms=after_ms))
        self.application.commit(executed)
        self.store.write(executed.writes)
        return executed

    def run(self, method: str, message: object) -> Receipt:
        """Return the receipt of one transaction in a block of its own."""
        return self.add_block(self.submit(method, message)).receipts[0]

    def total(self, key: str) -> int:
        """Return the counter's total."""
        answer = self.application.query("counter", "read", encode((key,)))
        return int.from_bytes(answer[1:], "big") if len(answer) == 2 else -1
