"""The static check: each thing a contract may not contain is refused with its line and what to write instead."""

from textwrap import dedent

import pytest

from ledger.execution.static_check import check_source
from tests.ledger.execution.chain import COUNTER, MEMBERSHIP

REFUSED = {
    "import os": "found import;",
    "import typing": "import",
    "from os import path": "an import of os",
    "from time import time": "an import of time",
    "from random import random": "an import of random",
    "from ledger.codec import encode": "an import of ledger.codec",
    "from ledger.execution.contract import *": "import *",
    "from . import consent": "from . import",
    "from typing import sys": "from typing import sys",
    "from fractions import Fraction as F": "Fraction under another name",
    "from contracts.consent import find as list": "the name list",
    "x = 1.5": "the number 1.5",
    "x = 2j": "the number 2j",
    "def f(a: int, b: int) -> int:\n    return a / b": "/ between integers",
    "x = 7 / 2": "/ between integers",
    "def f(a: int) -> int:\n    return a ** 2": "**",
    "def f(a: int) -> int:\n    a **= 2": "**",
    "x = 10 ** 400": "**",
    "def f(a: int) -> int:\n    return 1 << a": "<<",
    "def f(a: int) -> int:\n    a <<= 1": "<<",
    "def f():\n    return {1, 2}": "a set display",
    "def f(a):\n    return {x for x in a}": "a set comprehension",
    "def f(a):\n    return set(a)": "the name set",
    "def f(a):\n    return frozenset(a)": "the name frozenset",
    "def f(a):\n    return a.keys().isdisjoint(a)": "the set method isdisjoint",
    "def f(a):\n    return hash(a)": "the name hash",
    "def f(a):\n    return id(a)": "the name id",
    "def f(a):\n    return repr(a)": "the name repr",
    "def f(a):\n    return eval(a)": "the name eval",
    "def f(a):\n    exec(a)": "the name exec",
    "def f(a):\n    return open(a)": "the name open",
    "def f(a):\n    return getattr(a, 'x')": "the name getattr",
    "def f(a):\n    setattr(a, 'x', 1)": "the name setattr",
    "def f(a):\n    return vars(a)": "the name vars",
    "def f():\n    return globals()": "the name globals",
    "def f(a):\n    return type(a)": "the name type",
    "def f():\n    return float('inf')": "the name float",
    "def f():\n    return __builtins__": "the name __builtins__",
    "def f(a):\n    return a.__class__": "the attribute __class__",
    "def f(a):\n    return a._secret": "the attribute _secret",
    "class A:\n    def f(self):\n        return self.__frame": "the attribute __frame",
    "class A:\n    def f(self):\n        return self._Contract__frame": "the attribute _Contract__frame",
    "def f(a):\n    return a.gi_frame": "the attribute gi_frame",
    "def f(a):\n    return '{0.x}'.format(a)": "the attribute format",
    "def f(a):\n    return f'{a!r}'": "a conversion in an f-string",
    "def f(a):\n    return f'{a:.2f}'": "this format in an f-string",
    "def f(a):\n    return f'{a:999999999}'": "this format in an f-string",
    "def f(a, b):\n    return f'{a:{b}}'": "this format in an f-string",
    "def f(a):\n    a.x = 1": "an assignment to .x",
    "def f(a):\n    a.x += 1": "an assignment to .x",
    "def f(a):\n    del a[0]": "del",
    "def f(a):\n    a[0:1] += [1]": "the change of a slice",
    "x = 1\ndef f():\n    global x": "global",
    "def f():\n    x = 1\n    def g():\n        nonlocal x": "nonlocal",
    "async def f():\n    pass": "async def",
    "def f():\n    yield 1": "yield",
    "def f(a):\n    yield from a": "yield from",
    "def f(a):\n    with a:\n        pass": "with",
    "def f(a):\n    try:\n        a()\n    except:\n        pass": "this except",
    "def f(a):\n    try:\n        a()\n    except Exception:\n        pass": "this except",
    "from ledger.execution.contract import VerificationError\n"
    "def f(a):\n    try:\n        a()\n    except VerificationError as error:\n        return error": "as error",
    "def f(a):\n    try:\n        a()\n    finally:\n        return 1": "finally",
    "def f(a):\n    raise a": "this raise",
    "def f():\n    raise KeyError": "this raise",
    "def f():\n    while True:\n        pass": "a loop without an end",
    "def f():\n    while 1:\n        pass": "a loop without an end",
    "def f(a):\n    return f(a)": "recursion (f -> f)",
    "def f(a):\n    return g(a)\ndef g(a):\n    return f(a)": "recursion (f -> g -> f)",
    "def f(a):\n    h = f\n    return h(a)": "recursion",
    "class A:\n    def f(self):\n        return self.g()\n    def g(self):\n        return self.f()": "A.f -> A.g",
    "class A:\n    @staticmethod\n    def f():\n        return A.f()": "recursion",
    "def f(a=[]):\n    return a": "a mutable default",
    "g = lambda a={}: a": "a mutable default",
    "ITEMS = [1, 2]": "a mutable value",
    "ITEMS = {'a': [1]}": "a mutable value",
    "ITEMS = list((1, 2))": "a mutable value",
    "ITEMS = (x for x in (1, 2))": "a mutable value",
    "ITEMS = (sorted((1, 2)),)": "a mutable value",
    "class A:\n    items: list[int] = []": "a mutable value",
    "for x in (1, 2):\n    pass": "a statement with effects",
    "class A(metaclass=B):\n    pass": "the class keyword metaclass",
    "class A(f()):\n    pass": "a computed base class",
    "class A:\n    def __eq__(self, other):\n        return True": "the method __eq__",
    "class A:\n    def __getattr__(self, name):\n        return 1": "the method __getattr__",
    "def g(f):\n    return f\n@g\ndef f():\n    pass": "this decorator",
    "int = str": "an assignment to int",
    "def f(list):\n    pass": "a parameter list",
    "def len(a):\n    pass": "a function len",
    "class dict:\n    pass": "a class dict",
    "def f(a):\n    match a:\n        case int(_x=1):\n            pass": "the attribute _x",
    "def f(a):\n    return tuple(map(str, a))": "the type str as a value",
    "def f(a):\n    s = str\n    return s(a)": "the type str as a value",
    "def f(a):\n    return sorted(a, key=str)": "the type str as a value",
    "def f(a, g=bytes):\n    return g(a)": "the type bytes as a value",
    "def f(a):\n    return (int, bytes)[1](a)": "the type bytes as a value",
    "def f(a):\n    def g(b: [c for c in a]):\n        return b\n    return g": "this annotation",
    "def f(a):\n    b: int | max(a) = 1\n    return b": "this annotation",
    "def f(a) -> (lambda: a)():\n    return a": "this annotation",
    "def f(a):\n    return a.is_integer()": "the attribute is_integer",
    "from typing import Any": "import Any",
    "type Row = int": "a syntax error",
    "def f[T](a: T) -> T:\n    return a": "a syntax error",
    "def f(:": "a syntax error",
}


@pytest.mark.parametrize("source", REFUSED, ids=[source.replace("\n", " ") for source in REFUSED])
def test_what_is_not_deterministic_or_bounded_is_refused(source: str) -> None:
    found = [str(refusal) for refusal in check_source("contracts.bad", source).refusals]
    assert any(REFUSED[source] in refusal for refusal in found), found
    assert all(refusal.startswith("contracts/bad.py:") and "; write " in refusal for refusal in found)


def test_a_refusal_names_file_line_finding_and_remedy() -> None:
    refusal = check_source("contracts.consent", "X = 1\n\n\ndef f(a):\n    return set(a)\n").refusals[0]
    assert str(refusal) == "contracts/consent.py:5: found the name set; write a dict or a sorted tuple"


@pytest.mark.parametrize("source", [MEMBERSHIP, COUNTER])
def test_ordinary_contracts_pass(source: str) -> None:
    assert check_source("contracts.good", source).refusals == ()


def test_ordinary_code_passes() -> None:
    source = '''
    """A module."""
    from collections.abc import Callable
    from enum import Enum, unique
    from fractions import Fraction
    from typing import Annotated, Final

    from contracts import other
    from contracts.other import thing
    from ledger.execution.contract import Contract, DecodeError, Meta, Struct, VerificationError, decode, reject, verify

    LIMIT: Final = 2**53
    NAMES = {"a": 1, "b": 2}
    VALUES = tuple(NAMES[name] for name in sorted(["a", "b"]))

    @unique
    class Status(Enum):
        ACTIVE = "active"

    class Row(Struct, tag="row"):
        amount: Annotated[int, Meta(ge=0)]
        def __post_init__(self) -> None:
            if self.amount > LIMIT:
                raise ValueError("too much")
        @property
        def double(self) -> int:
            return self.amount * 2

    class Thing(Contract):
        name = "thing"
        def run(self, rows: tuple[Row, ...]) -> Fraction:
            total = sum(row.amount for row in rows)
            share = Fraction(total, 3) / 2
            best = max(rows, key=lambda row: row.amount)
            sizes: dict[str, int] = dict.fromkeys(("a",), int.from_bytes(b"", "big"))
            assert isinstance(sizes, dict) and decode(b"\\x00", int) == 0
            for number, row in enumerate(sorted(rows, key=lambda row: row.double)):
                total += number + self._weigh(row)
            while total > 0:
                total -= 1
            try:
                verify("vote", b"", b"", b"")
            except VerificationError:
                reject("SIGNATURE", f"expected a signature for {total:04d}")
            match best:
                case Row(amount=0):
                    return share
            return thing(other.half(share))
        def _weigh(self, row: Row) -> int:
            return NAMES["a"] if row.amount else 0
    '''
    assert check_source("contracts.good", dedent(source)).refusals == ()
