"""Loading contracts: closures and their hashes, imports, method tables, and what cannot be loaded."""

import ast

import pytest

from ledger.execution.loader import PLATFORM_MODULES, ContractLoadError, hash_modules, load_contracts
from tests.ledger.execution.chain import API, COUNTER, MEMBERSHIP, ROOT, Chain, load, platform

RULES = '"""Rules."""\nLIMIT = 10\n\n\ndef is_large(n: int) -> bool:\n    return n > LIMIT\n'
USER = (
    API
    + """
from contracts.counter import Add, Counter
from contracts.rules import is_large
from contracts import rules

class Send(Struct):
    amount: int

class User(Contract):
    name = "user"

    @transaction
    def send(self, message: Send) -> None:
        if is_large(message.amount) or message.amount > rules.LIMIT:
            reject("LARGE", "expected at most 10")
        self.call(Counter).change("sent", message.amount)
        if message.amount == 7:
            reject("SEVEN", "anything but 7")
"""
)


def refusal(**modules: str) -> str:
    with pytest.raises(ContractLoadError) as caught:
        load(**modules)
    return str(caught.value)


def test_contracts_call_each_other_in_one_transaction() -> None:
    chain = Chain(load(rules=RULES, user=USER))
    assert chain.run("user.send", (3,)).events[0].contract == "counter"
    assert chain.run("user.send", (7,)).code == "SEVEN"
    assert chain.run("user.send", (11,)).code == "LARGE"
    assert chain.total("sent") == 3


def test_a_code_hash_covers_the_whole_closure_and_no_more() -> None:
    before = load(rules=RULES, user=USER)
    after = load(rules=RULES.replace("10", "20"), user=USER)
    changed = {pin.name for pin, other in zip(before.pins(), after.pins(), strict=True) if pin != other}
    assert changed == {"user"}


@pytest.mark.parametrize("module", PLATFORM_MODULES)
def test_a_code_hash_covers_the_platform(module: str) -> None:
    contracts = {"contracts.counter": COUNTER, "contracts.membership": MEMBERSHIP}
    changed = platform()
    changed[module] += "\n# changed\n"
    before, after = load_contracts(contracts | platform()), load_contracts(contracts | changed)
    assert all(pin != other for pin, other in zip(before.pins(), after.pins(), strict=True))


def test_a_platform_that_was_not_given_is_asked_for() -> None:
    with pytest.raises(ContractLoadError, match=r"expected the text of ledger\.codec"):
        load_contracts({"contracts.counter": COUNTER})


def test_a_method_table_names_messages_and_results() -> None:
    counter = load().get("counter")
    assert counter is not None
    methods = {name: (method.kind, method.message.__name__) for name, method in counter.methods.items()}
    assert methods == {
        "add": ("transaction", "Add"),
        "alarm": ("transaction", "Alarm"),
        "cheat": ("query", "Add"),
        "keys": ("query", "Total"),
        "read": ("query", "Read"),
        "ring": ("clock", "Add"),
    }
    assert counter.methods["keys"].result == tuple[str, ...]
    assert counter.method("add", "query") is None


def test_two_sets_share_nothing() -> None:
    first, second = load().get("counter"), load().get("counter")
    assert first is not None
    assert second is not None
    assert first.kind is not second.kind


def test_a_cycle_of_imports_is_refused() -> None:
    first = '"""First."""\nfrom contracts.second import two\n\n\ndef one() -> int:\n    return two()\n'
    second = '"""Second."""\nfrom contracts.first import one\n\n\ndef two() -> int:\n    return one()\n'
    assert "contracts.first -> contracts.second -> contracts.first; cut the cycle" in refusal(
        first=first, second=second
    )


def test_an_import_that_was_not_given_is_refused() -> None:
    assert "contracts.missing: imported by contracts.first" in refusal(first="from contracts.missing import x\n")


def test_refused_source_names_every_place() -> None:
    text = refusal(bad="X = 1.5\n\nY = {1, 2}\n")
    first, second = text.splitlines()
    assert first.startswith("contracts/bad.py:1: found the number 1.5; write integers of the smallest unit")
    assert second == "contracts/bad.py:3: found a set display; write a tuple, sorted where order matters"


@pytest.mark.parametrize("name", ["replay", "consensus", "clock", "counter", "", "Not A Name", "a\x00b"])
def test_a_contract_needs_a_name_of_its_own(name: str) -> None:
    assert "expected a contract name of its own" in refusal(z=API + f"class Z(Contract):\n    name = {name!r}\n")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("def run(self) -> None", "exactly one parameter"),
        ("def run(self, a: int) -> None", "exactly one parameter"),
        ("def run(self, a) -> None", "exactly one parameter"),
        ("def run(self, a: Ask, b: Ask) -> None", "exactly one parameter"),
        ("def run(self, a: Odd) -> None", "a type that the codec can decode"),
    ],
)
def test_a_marked_method_takes_one_message(method: str, words: str) -> None:
    structs = "class Ask(Struct):\n    n: int\n\nclass Odd(Struct):\n    n: str | bytes\n"
    source = f"{API}{structs}class Z(Contract):\n    name = 'z'\n    @transaction\n    {method}:\n        pass\n"
    assert words in refusal(z=source)


def test_a_table_holds_what_the_codec_can_decode() -> None:
    source = API + "class Z(Contract):\n    name = 'z'\n    rows = Table('rows', str | bytes)\n"
    assert "z.rows: expected a type that the codec can decode" in refusal(z=source)


def test_a_module_that_runs_for_ever_is_refused() -> None:
    source = '"""Slow."""\nSLOW = tuple(n for n in range(1000000))\n'
    assert "contracts.slow: cannot be executed: MeterExhaustedError" in refusal(slow=source)


def test_a_module_sees_nothing_of_its_host() -> None:
    assert "cannot be executed: NameError" in refusal(host="X = Y\nif False:\n    Y = 1\n")


KEEPERS = {
    "a list from a function": "def make():\n    return [1]\n\n\nKEPT = make()\n",
    "a list inside a tuple": "def make():\n    return (1, [1])\n\n\nKEPT = make()\n",
    "a list in a constant dict": "def make():\n    return [1]\n\n\nKEPT = {'a': make()}\n",
    "an iterator": "def make():\n    return iter((1, 2))\n\n\nKEPT = make()\n",
    "a list in a closure": "def make():\n    kept = [1]\n    return lambda: kept\n\n\nKEPT = make()\n",
    "a list in a default": "def make():\n    kept = [1]\n    return lambda a=kept: a\n\n\nKEPT = make()\n",
    "a list in a struct": API
    + "class Row(Struct):\n    n: tuple[int, ...]\n\ndef make():\n    return [1]\n\nKEPT = Row(make())\n",
    "a list on a class": "def make():\n    return [1]\n\n\nclass Keeper:\n    KEPT = make()\n",
    "a struct that can change": API + "class Row(Struct, frozen=False):\n    n: int\n",
}


@pytest.mark.parametrize("keeper", KEEPERS)
def test_nothing_that_can_change_outlives_a_transaction(keeper: str) -> None:
    assert "a value that can change" in refusal(keeper=KEEPERS[keeper])


def test_what_cannot_change_may_be_kept() -> None:
    source = (
        API
        + "from enum import Enum\nfrom fractions import Fraction\n\nclass Kind(Enum):\n    A = 'a'\n\n"
        + "class Row(Struct):\n    n: tuple[int, ...]\n"
        + "    @property\n    def size(self) -> int:\n        return len(self.n)\n\n"
        + "def make(n: int) -> Row:\n    return Row((n,))\n\nROWS = (make(1), make(2))\nBY = {'a': ROWS, 'b': Kind.A}\n"
        + "HALF = Fraction(1, 2)\nPICK = lambda row, rows=ROWS: rows\n"
    )
    assert load(keeper=source).get("counter") is not None


def test_a_code_hash_covers_all_that_the_contract_api_is_made_of() -> None:
    waiting, closure = ["ledger.execution.contract", "ledger.execution.metering"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in closure or not (ROOT / f"{name.replace('.', '/')}.py").exists():
            continue
        closure.add(name)
        for node in ast.walk(ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ledger"):
                waiting += [node.module, *(f"{node.module}.{item.name}" for item in node.names)]
    assert closure <= set(PLATFORM_MODULES), sorted(closure - set(PLATFORM_MODULES))


def test_modules_are_hashed_without_being_executed() -> None:
    sources = platform() | {"contracts.membership": MEMBERSHIP, "contracts.counter": COUNTER, "contracts.rules": RULES}
    hashes = hash_modules(sources)
    loaded = load_contracts(sources).get("counter")
    assert loaded is not None
    assert hashes["contracts.counter"] == loaded.code_hash
    faulty = {**sources, "contracts.rules": RULES + "BROKEN = 1 // 0\n"}
    assert hash_modules(faulty)["contracts.rules"] != hashes["contracts.rules"]
    with pytest.raises(ContractLoadError, match="ZeroDivisionError"):
        load_contracts(faulty)
