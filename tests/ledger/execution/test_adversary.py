"""Contracts that misbehave: whatever one does, it gets a receipt, writes nothing, and the next transaction runs."""

from textwrap import indent

import pytest

from ledger.application import ExecutedBlock
from ledger.execution.loader import ContractSet
from ledger.limits import METER_UNITS_MAX
from tests.ledger.execution.chain import API, Chain, load

TEMPLATE = (
    API
    + """
from enum import Enum, StrEnum
from fractions import Fraction

class Ask(Struct):
    n: int
    text: str

class Row(Struct):
    value: int | str | tuple[int, ...]

class Colour(Enum):
    RED = "red"

class Word(StrEnum):
    RED = "red"

def twice(function, argument):
    return function(function, argument)

class Attacker(Contract):
    name = "attacker"
    rows = Table("rows", Row)

    @transaction
    def run(self, message: Ask) -> None:
        self.rows.put("trace", Row(1))
        n = message.n
        text = message.text
"""
)

FAULTS = {
    "a key that is missing": ("{}[n]", "KeyError"),
    "a division by zero": ("n // 0", "ZeroDivisionError"),
    "an assertion": ("assert n == 0", "AssertionError"),
    "a value error": ("raise ValueError('private')", "ValueError"),
    "a type error": ("n + text", "TypeError"),
    "an attribute that is missing": ("message.nothing", "AttributeError"),
    "an index beyond the end": ("(1,)[n]", "IndexError"),
    "a huge integer by multiplication": ("x = 7\nfor _ in range(400):\n    x = x * x", "OverflowError"),
    "a huge integer by addition": ("x = 1\nfor _ in range(600):\n    x += x", "OverflowError"),
    "a huge integer from text": ("int('9' * 4000)", "OverflowError"),
    "a huge integer from bytes": ("int.from_bytes(b'9' * 4000, 'big')", "OverflowError"),
    "a huge fraction": ("x = Fraction(1, 3)\nfor _ in range(400):\n    x = x * x", "OverflowError"),
    "a huge fraction from text": ("Fraction('1' + '0' * 1000)", "OverflowError"),
    "a fraction with an exponent": ("Fraction('1e400')", "without an exponent"),
    "a string bomb by repetition": ("x = text * 10000000", "OverflowError"),
    "a string bomb by join": ("('a' * 100000).join(tuple('b' * 1000))", "OverflowError"),
    "a string bomb by replace": ("('a' * 100000).replace('a', 'b' * 100000)", "OverflowError"),
    "a string bomb by padding": ("text.ljust(100000000)", "OverflowError"),
    "a string bomb by percent": ("text % n", "TypeError"),
    "a bytes bomb": ("bytes(100000000)", "OverflowError"),
    "a bytes bomb by to_bytes": ("n.to_bytes(100000000, 'big')", "OverflowError"),
    "a tuple bomb": ("(1,) * 100000000", "OverflowError"),
    "a range without measure": ("sum(range(10**12))", "OverflowError"),
    "a set out of keys": ("{'a': 1}.keys() | {'b': 2}.keys()", "no set"),
    "a float out of a division": ("(n + 1) / (n + 2)", "expected a Fraction"),
    "an object's address": ("f'{self}'", "expected text or a number"),
    "an object's address by str": ("str(self)", "expected text or a number"),
    "the text of an enum": ("f'{Colour.RED}'", "expected text or a number"),
    "letters of a Python's own tables": ("'ÄÖ'.lower()", "expected ASCII"),
    "digits of a Python's own tables": ("int('٣')", "expected ASCII"),
    "a row that is too large": ("self.rows.put('big', Row('x' * 70000))", "at most 65536 bytes"),
    "a row of another type": ("self.rows.put('odd', Row(Fraction(1, 2)))", "Fraction"),
    "a row that cannot be encoded": ("self.rows.put('odd', Row('\\ud800'))", "UnicodeEncodeError"),
    "a key with a zero byte": ("self.rows.put('a\\x00b', Row(1))", "without NUL"),
    "a key that is negative": ("self.rows.put(0 - 1, Row(1))", "key part"),
    "a key without parts": ("self.rows.put((), Row(1))", "at least one part"),
    "too many events": ("for _ in range(33):\n    self.emit('again', message)", "at most 32 events"),
    "an event that is too large": ("self.emit('big', Ask(1, 'x' * 5000))", "of 4096 bytes"),
    "an event with a bad name": ("self.emit('No Name', message)", "Error"),
    "a clock that is none": ("self.schedule(1, 'run', message)", "expected a clock method"),
    "a rejection as OK": ("reject('OK', 'fine')", "rejected with"),
    "a rejection under a system code": ("reject('REPLAYED', 'again')", "rejected with"),
    "a rejection without a code": ("reject('', 'why')", "rejected with"),
    "a rejection with a long code": ("reject('X' * 65, 'why')", "rejected with"),
    "a rejection with a number": ("reject(7, 'why')", "rejected with"),
    "a rejection that cannot be encoded": ("reject('BAD', '\\ud800')", "rejected with"),
    "a constant dict that is changed": ("NAMES['a'] = 2", "does not support item assignment"),
    "a length below nothing": ("bytes(0 - 1000000000)", "ValueError"),
    "a method that grows, kept for later": ("f = text.ljust\nf(100000000)", "TypeError"),
    "a method that grows, passed on": ("tuple(map(text.ljust, (100000000,)))", "TypeError"),
    "a method of a type that grows": ("str.ljust('a', 100000000)", "TypeError"),
    "letters of a Python's own tables by a type's method": ("str.lower('ÄÖ')", "TypeError"),
    "letters of a Python's own tables by an enum's method": ("Word.lower('ÄÖ')", "TypeError"),
    "names of a Python's own tables": ("'é'.encode('ascii', 'namereplace')", "expected UTF-8 or ASCII"),
    "letters named by a Python's own tables": ("b'a'.decode('unicode_escape')", "expected UTF-8 or ASCII"),
    "a replacement that newer Pythons count": ("'aa'.replace('a', 'b', count=1)", "TypeError"),
    "a member looked for in an enum": ("'red' in Colour", "TypeError"),
    "a fraction in a format that newer Pythons have": ("f'{Fraction(1, 2):>10}'", "expected text or an integer"),
    "an iterator over a function without end": ("5 in iter(text.isascii, 2)", "TypeError"),
    "a proof's error that holds an address": ("raise VerificationError(self)", "raised"),
    "a proof's error of several parts": ("raise VerificationError('a', 'b')", "raised"),
    "a proof's error that cannot be encoded": ("raise VerificationError('\\ud800')", "raised"),
    "bytes that decode to nothing": ("decode(b'\\xc1', Ask)", "DecodeError"),
}

EXHAUSTIONS = {
    "a meter turned back by lengths below nothing": "while n != 0:\n    text.ljust(0 - 1000000)",
    "merging without end": "x = {i: i for i in range(2000)}\nwhile n != 0:\n    x | x",
    "taking apart without end": "x = (1,) * 200000\nwhile n != 0:\n    *y, last = x",
    "searching values without end": "x = {i: i for i in range(999)}\nn = 0 - 1\nwhile n not in x.values():\n    n = n",
    "splitting without end": "x = 'a b ' * 100000\nwhile n != 0:\n    x.split(' ')",
    "searching without end": "x = [i for i in range(20000)]\nwhile n != 0:\n    n = n if 20001 in x else n + 0",
    "comparing without end": "x = 'a' * 200000\ny = 'a' * 200000\nwhile n != 0:\n    x == y",
    "slicing without end": "x = 'a' * 200000\nwhile n != 0:\n    x[1:]",
    "unpacking without end": "x = (1,) * 200000\nwhile n != 0:\n    (*x, 1)",
    "formatting without end": "x = 'a'\nwhile n != 0:\n    x = f'{x}{x}' if len(x) < 200000 else x",
    "a string bomb by doubling in place": "x = text\nfor _ in range(64):\n    x += x",
    "a string bomb by doubling": "x = text\nfor _ in range(64):\n    x = x + x",
    "a list bomb by extend": "x = [1]\nfor _ in range(64):\n    x.extend(x)",
    "a list bomb": "x = [1]\nfor _ in range(64):\n    x += x",
    "a loop without end": "while n != 0:\n    n = n",
    "a loop that is too long": "for _ in range(500000):\n    pass",
    "a comprehension that is too long": "x = [i for i in range(500000)]",
    "a generator expression that is too long": "any(i < 0 for i in range(500000))",
    "loops inside loops": "for _ in range(1000):\n    for _ in range(1000):\n        pass",
    "recursion through an argument": "f = lambda g, a: g(g, a)\ntwice(f, n)",
    "recursion through a deeper lambda": "f = lambda g: (lambda: g(g))()\nf(f)",
    "signatures without number": "while n != 0:\n    try:\n        verify('vote', bytes(32), b'', bytes(64))\n"
    "    except VerificationError:\n        n = n",
    "hashing without end": "x = b'a' * 1000000\nwhile n != 0:\n    x[:1000000]\n    hash_tagged('t', x)",
    "scans without end": "while n != 0:\n    tuple(self.rows.scan())",
    "sums of long ranges": "for _ in range(1000):\n    sum(range(100000))",
    "sorting without end": "x = 'ab' * 400000\nwhile n != 0:\n    sorted(x)",
    "clocks without number": "for i in range(1000000):\n    self.schedule(i, 'tick', message)",
}


def load_attacker(body: str, definitions: str = "") -> ContractSet:
    """Return contracts among which is one whose transaction does this."""
    source = TEMPLATE.replace("class Ask", f"NAMES = {{'a': 1}}\n{definitions}\nclass Ask") + indent(body, " " * 8)
    source += "\n\n    @clock\n    def tick(self, message: Ask) -> None:\n        reject('LATE', 'too late')\n"
    return load(attacker=source)


def attack(body: str, definitions: str = "") -> tuple[Chain, ExecutedBlock]:
    """Run one attack in a block, with an honest transaction after it."""
    chain = Chain(load_attacker(body, definitions))
    executed = chain.add_block(chain.submit("attacker.run", (1, "text")), chain.submit("counter.add", ("x", 1)))
    return chain, executed


@pytest.mark.parametrize("attempt", FAULTS)
def test_a_fault_reverts_and_hides_its_text(attempt: str) -> None:
    body, fault = FAULTS[attempt]
    chain, executed = attack(body)
    receipt, honest = executed.receipts
    assert (receipt.code, receipt.events) == ("CONTRACT_FAULT", ())
    assert 0 <= receipt.charges <= METER_UNITS_MAX
    assert "private" not in receipt.reason
    assert len(executed.faults) == 1
    assert fault in executed.faults[0]
    assert honest.ok
    assert not any(b"attacker\x00" in key for key in chain.store.entries)


@pytest.mark.parametrize("attempt", EXHAUSTIONS)
def test_exhaustion_ends_the_transaction_only(attempt: str) -> None:
    chain, executed = attack(EXHAUSTIONS[attempt])
    receipt, honest = executed.receipts
    assert receipt.code == "METER_EXHAUSTED"
    assert receipt.charges <= METER_UNITS_MAX
    assert honest.ok
    assert not any(b"attacker\x00" in key for key in chain.store.entries)


def test_exhaustion_cannot_be_caught() -> None:
    body = "try:\n    while n != 0:\n        n = n\nexcept VerificationError:\n    n = n\n"
    _, executed = attack(body)
    assert executed.receipts[0].code == "METER_EXHAUSTED"


def test_a_proof_that_does_not_hold_has_its_own_code() -> None:
    _, executed = attack("verify('vote', bytes(32), b'', bytes(64))")
    assert executed.receipts[0].code == "INVALID_PROOF"


def test_a_caught_proof_is_no_failure() -> None:
    handled = "except VerificationError:\n    self.rows.put('bad', Row(2))"
    body = f"try:\n    verify('vote', bytes(32), b'', bytes(64))\n{handled}"
    chain, executed = attack(body)
    assert executed.receipts[0].ok
    assert len([key for key in chain.store.entries if key.startswith(b"s/attacker\x00rows")]) == 2


def test_long_reasons_are_cut() -> None:
    _, executed = attack("reject('LONG', 'x' * 1000)")
    assert (executed.receipts[0].code, len(executed.receipts[0].reason)) == ("LONG", 300)


def test_a_clock_that_fails_gets_a_receipt_and_is_not_run_again() -> None:
    chain, executed = attack("self.schedule(0, 'tick', message)")
    assert executed.receipts[0].ok
    assert [receipt.code for receipt in chain.add_block().receipts] == ["LATE"]
    assert chain.add_block().receipts == ()


def test_a_message_may_refuse_itself() -> None:
    definitions = (
        "class Checked(Struct):\n    n: int\n    def __post_init__(self) -> None:\n"
        "        if self.n > 5:\n            raise ValueError('too much')\n"
    )
    _, executed = attack("decode(encode((1,)), Checked)", definitions)
    assert executed.receipts[0].ok
    _, executed = attack("decode(encode((9,)), Checked)", definitions)
    assert executed.receipts[0].code == "CONTRACT_FAULT"


def test_a_refusal_on_the_record_keeps_what_it_wrote_under_its_code() -> None:
    chain, executed = attack("self.emit('refused', Row(1))\nself.refuse('AUTH-013', 'status: revoked')")
    receipt, honest = executed.receipts
    assert (receipt.code, receipt.reason, receipt.ok) == ("AUTH-013", "status: revoked", False)
    assert [event.name for event in receipt.events] == ["refused"]
    assert any(b"attacker\x00" in key for key in chain.store.entries)
    assert honest.ok


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("self.refuse('AUTH-013', 'status')\nreject('LATER', 'and rejected')", "LATER"),
        ("self.refuse('AUTH-013', 'status')\nassert n == 0", "CONTRACT_FAULT"),
        ("self.refuse('AUTH-013', 'status')\nwhile n != 0:\n    n = n", "METER_EXHAUSTED"),
        ("self.refuse('', 'no code')", "CONTRACT_FAULT"),
        ("self.refuse('OK', 'a code of the system')", "CONTRACT_FAULT"),
        ("self.refuse('CONTRACT_FAULT', 'another one')", "CONTRACT_FAULT"),
        ("self.refuse('REPLAYED', 'another one')", "CONTRACT_FAULT"),
    ],
)
def test_a_refusal_that_fails_or_has_no_proper_code_writes_nothing(body: str, code: str) -> None:
    chain, executed = attack(body)
    receipt, honest = executed.receipts
    assert (receipt.code, receipt.events) == (code, ())
    assert honest.ok
    assert not any(b"attacker\x00" in key for key in chain.store.entries)
