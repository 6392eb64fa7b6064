"""Blocks are run with the code that the pins in the state name for their height."""

from textwrap import dedent

import pytest

from ledger.application import Application, BlockInputs
from ledger.codec import encode
from ledger.errors import InvalidTransactionError, LedgerError
from ledger.execution.loader import ContractSet, load_contracts
from ledger.execution.pins import pins_at, upgrade_heights
from ledger.genesis import ContractPin, PinHistory, PinVersion
from tests.ledger.execution.chain import API, COUNTER, Chain, MemoryStore, load, platform

MEMBERSHIP = API.replace("(", "(PinHistory, PinVersion, ", 1) + dedent('''
    class Pin(Struct):
        name: str
        code_hash: bytes
        from_height: int

    class Membership(Contract):
        """Who may sign, and which code is in force."""

        name = "membership"
        actors = Table("actors", Actor)
        validators = Table("validators", ValidatorSet)
        pins = Table("pins", PinHistory)

        def genesis(self, genesis: Genesis) -> None:
            for item in genesis.organisations:
                key = KeyRecord(1, item.public_key, 0, None)
                self.actors.put(item.name, Actor(item.name, item.role, (key,), None))
            for pin in genesis.contracts:
                self.pins.put(pin.name, PinHistory((PinVersion(pin.code_hash, 0),)))

        @transaction
        def pin(self, message: Pin) -> None:
            known = self.pins.get(message.name)
            if known is not None:
                version = PinVersion(message.code_hash, message.from_height)
                self.pins.put(message.name, PinHistory((*known.versions, version)))
''')
OLD = load_contracts({"contracts.membership": MEMBERSHIP, "contracts.counter": COUNTER} | platform())
NEW = load_contracts(
    {"contracts.membership": MEMBERSHIP, "contracts.counter": COUNTER.replace("row.total +", "row.total + 10 +")}
    | platform()
)
COUNTER_HASHES = {name: pins[0].code_hash for name, pins in {"old": OLD.pins(), "new": NEW.pins()}.items()}


class Library:
    """Several contract sets."""

    def __init__(self, *sets: ContractSet) -> None:
        self.sets = sets

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        for known in self.sets:
            if known.pins() == pins:
                return known
        return self.sets[0].find(pins)


def make_chain(*sets: ContractSet) -> Chain:
    """Return a chain that began with the old counter and can find these sets."""
    chain = Chain(OLD)
    chain.application = Application(chain.genesis, Library(*sets), MemoryStore())
    chain.store.entries.clear()
    chain.application = Application(chain.genesis, Library(*sets), chain.store)
    chain.store.write(chain.application.genesis_writes())
    return chain


def upgrade(chain: Chain, from_height: int) -> None:
    """Decide that the new counter is in force from a height on."""
    assert chain.run("membership.pin", ("counter", COUNTER_HASHES["new"], from_height)).ok


def test_the_new_code_runs_from_its_height_on_and_the_old_code_until_then() -> None:
    chain = make_chain(OLD, NEW)
    upgrade(chain, 4)
    assert chain.application.contracts is OLD
    totals = []
    for _ in range(4):
        chain.run("counter.add", ("x", 1))
        totals.append(chain.total("x"))
    assert totals == [1, 2, 13, 24], "heights 2 and 3 with the old code, 4 and 5 with the new"


def test_old_heights_are_executed_again_with_old_code() -> None:
    chain = make_chain(OLD, NEW)
    upgrade(chain, 3)
    blocks = [chain.add_block(chain.submit("counter.add", ("x", 1))).block for _ in range(4)]
    again = make_chain(OLD, NEW)
    upgrade(again, 3)
    for block in blocks:
        executed = again.application.check_block(block)
        again.application.commit(executed)
        again.store.write(executed.writes)
    assert again.application.head_hash == chain.application.head_hash
    assert again.total("x") == chain.total("x")


def test_a_node_without_the_code_has_no_result_for_its_height_and_says_which_code_is_missing() -> None:
    chain = make_chain(OLD)
    upgrade(chain, 3)
    assert len(chain.application.code.missing_later()) == 1
    assert COUNTER_HASHES["new"].hex() in chain.application.code.missing_later()[0]
    assert chain.application.code.missing == ""
    chain.run("counter.add", ("x", 1))
    missing = chain.application.code.missing
    assert missing.startswith(f"height 3: contract counter: code {COUNTER_HASHES['new'].hex()} is pinned")
    assert COUNTER_HASHES["old"].hex() in missing
    with pytest.raises(LedgerError, match="height 3"):
        chain.application.execute(BlockInputs(3, chain.application.time_ms + 1, "alice", (), ()))
    with pytest.raises(LedgerError, match="height 3: contract counter"):
        Application(chain.genesis, Library(OLD), chain.store)
    chain.application = Application(chain.genesis, Library(OLD, NEW), chain.store)
    chain.run("counter.add", ("x", 1))
    assert chain.total("x") == 12


def test_queries_use_the_code_of_the_next_block() -> None:
    asking = NEW.contracts["counter"]
    assert asking.code_hash == COUNTER_HASHES["new"]
    chain = make_chain(OLD, load_contracts_with_query())
    changed = load_contracts_with_query().pins()[0].code_hash
    assert chain.run("membership.pin", ("counter", changed, 3)).ok
    with pytest.raises(InvalidTransactionError, match=r"counter\.double"):
        chain.application.query("counter", "double", encode(("x",)))
    chain.run("counter.add", ("x", 21))
    assert chain.application.query("counter", "double", encode(("x",))) == encode((42,))


def load_contracts_with_query() -> ContractSet:
    """Return a set whose counter has one query more."""
    first = "    @query\n    def keys("
    lines = (
        "@query",
        "def double(self, message: Read) -> Total:",
        "    return Total(2 * self.read(message).total)",
        "",
    )
    text = COUNTER.replace(first, "\n".join(f"    {line}" for line in lines) + f"\n{first}")
    assert text != COUNTER
    return load_contracts({"contracts.membership": MEMBERSHIP, "contracts.counter": text} | platform())


def test_a_contract_without_a_history_keeps_the_pin_of_the_genesis() -> None:
    chain = Chain(load())
    chain.run("counter.add", ("x", 1))
    assert chain.application.contracts.pins() == chain.genesis.contracts


def test_pins_by_height() -> None:
    first, second, other = (bytes([number]) * 32 for number in range(3))
    histories = {"a": PinHistory((PinVersion(first, 0), PinVersion(second, 7)))}
    genesis = (ContractPin("a", first), ContractPin("b", other))
    assert pins_at(genesis, histories, 6) == genesis
    assert pins_at(genesis, histories, 7) == (ContractPin("a", second), ContractPin("b", other))
    assert upgrade_heights(histories, 6) == (7,)
    assert upgrade_heights(histories, 7) == ()
