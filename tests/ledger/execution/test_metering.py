"""Metering: the same answers as plain Python, the same charges on every Python."""

import ast
import hashlib
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.execution import guards
from ledger.execution.meter import Meter, MeterExhaustedError, metered
from ledger.execution.metering import insert_charges
from ledger.execution.static_check import check_source
from ledger.limits import CALL_DEPTH_MAX, INTEGER_BITS_MAX
from tests.ledger.execution.chain import ROOT

PROGRAM = dedent('''
    """Uses what contracts use; `run` answers with a tuple of plain values."""
    from enum import Enum
    from fractions import Fraction
    from typing import Final

    WEIGHTS = {"a": 3, "b": 5}
    LIMIT: Final = 2**31

    class Colour(Enum):
        RED = "red"
        BLUE = "blue"

    def double(n, *, by=2):
        """Return n times by."""
        return n * by

    def classify(n):
        match n:
            case 0:
                return "zero"
            case int() if n < 0:
                return "negative"
            case _:
                return "positive"

    def collect(items):
        result = []
        for item in items:
            if item % 3 == 0:
                continue
            if item > 90:
                break
            result.append(item)
        else:
            result += [1]
        return result

    def run(numbers, text):
        rows = {}
        for number in numbers:
            rows[f"{number % 7:02d}"] = rows.get(f"{number % 7:02d}", 0) + number
            rows["all"] = 1
            rows["all"] += number
        items = list(sorted(rows.items(), key=lambda item: (item[1], item[0])))
        share = Fraction(sum(numbers), 7) / 3 - Fraction("1/3")
        turned = [double(n) for n in numbers if n > 0 if n < LIMIT]
        pairs = dict(zip(turned, reversed(numbers)))
        best = max((number * number for number in numbers), default=0)
        first = next((n for n in numbers if n > 3), None)
        words = text.split(" ")
        joined = "-".join(word for word in words if word in ("x", "ab"))
        count = 0
        while count < len(words):
            count += 1
        nested = [[row * column for column in range(3)] for row in range(3)]
        spread = (*numbers, *words)
        merged = {**pairs, **WEIGHTS}
        return (
            tuple(items), share, tuple(turned), tuple(pairs.items()), best, first, joined, count, str(best),
            tuple(tuple(row) for row in nested), spread[1:], tuple(merged), any(n < 0 for n in numbers), all(numbers),
            tuple(enumerate(words)), text.replace("a", "bb"), text.upper(), text[::-1], int("12") // 5, -7 % 3,
            round(share), Colour("red").value, [colour.value for colour in Colour], classify(best), collect(numbers),
            (lambda a, b=2: a + b)(1), double(3, by=5), bytes(3) + b"x" * 2, (5).to_bytes(2, "big"),
            int.from_bytes(b"ab", "big"), divmod(17, 5), sum((Fraction(1, 2), 3)), isinstance(first, int),
            text.count("a"), text.startswith("a"), 6 & 3 | 8 ^ 1, not numbers, min(3, 1), f"{text}{first}",
        )
''')

SMALL = st.lists(st.integers(-100, 100), max_size=12)
TEXT = st.text(alphabet="ab x", max_size=20)


def compile_program(source: str) -> dict[str, object]:
    """Return a program's metered namespace."""
    namespace: dict[str, object] = {"__name__": "program", **guards.NAMESPACE}
    namespace["__builtins__"] = {**guards.BUILTINS, "__import__": __import__}
    exec(compile(insert_charges(ast.parse(source)), "<program>", "exec"), namespace)  # noqa: S102
    return namespace


def run(source: str, *arguments: object, limit: int = 10**6) -> tuple[object, int]:
    """Return a program's answer and its charges."""
    namespace = compile_program(source)
    meter = Meter(limit)
    with metered(meter):
        answer = namespace["run"](*arguments)  # type: ignore[operator]
    return answer, meter.used


METERED = compile_program(PROGRAM)
PLAIN: dict[str, object] = {}
exec(PROGRAM, PLAIN)  # noqa: S102


def test_the_program_is_a_contracts_code() -> None:
    assert check_source("contracts.program", PROGRAM).refusals == ()


@given(SMALL, TEXT)
def test_metered_code_answers_as_plain_python_does(numbers: list[int], text: str) -> None:
    meter = Meter(10**6)
    with metered(meter):
        answer = METERED["run"](list(numbers), text)  # type: ignore[operator]
    assert answer == PLAIN["run"](list(numbers), text)  # type: ignore[operator]
    assert meter.used > 0
    assert meter.depth == 0


def test_charges_grow_with_the_work() -> None:
    source = "def run(n):\n    for _ in range(n):\n        pass\n"
    assert run(source, 1000)[1] - run(source, 10)[1] == 990


def test_the_limit_is_exact() -> None:
    source = "def run(n):\n    for _ in range(n):\n        pass\n"
    used = run(source, 50)[1]
    assert run(source, 50, limit=used)[1] == used
    with pytest.raises(MeterExhaustedError):
        run(source, 50, limit=used - 1)


def test_without_a_meter_nothing_is_counted() -> None:
    assert METERED["run"]([1, 2], "a") == PLAIN["run"]([1, 2], "a")  # type: ignore[operator]


@pytest.mark.parametrize("depth", [CALL_DEPTH_MAX - 1, CALL_DEPTH_MAX])
def test_depth_ends_at_the_same_call_everywhere(depth: int) -> None:
    functions = [f"def f{level}():\n    return f{level + 1}()\n" for level in range(depth - 1)]
    source = "".join(functions) + f"def f{depth - 1}():\n    return 7\ndef run():\n    return f0()\n"
    if depth < CALL_DEPTH_MAX:
        assert run(source)[0] == 7
    else:
        with pytest.raises(MeterExhaustedError):
            run(source)


@given(st.integers(-(2**600), 2**600), st.integers(-(2**600), 2**600), st.sampled_from(("+", "-", "*", "//", "%")))
def test_integers_are_exact_or_refused(left: int, right: int, sign: str) -> None:
    source = f"def run(a, b):\n    return a {sign} b\n"
    plain: dict[str, object] = {}
    exec(source, plain)  # noqa: S102
    try:
        expected = plain["run"](left, right)  # type: ignore[operator]
    except ZeroDivisionError:
        with pytest.raises((ZeroDivisionError, OverflowError)):
            run(source, left, right)
        return
    within = expected.bit_length() <= INTEGER_BITS_MAX
    try:
        assert run(source, left, right)[0] == expected
        assert within
    except OverflowError:
        assert not within or max(left.bit_length(), right.bit_length()) > INTEGER_BITS_MAX


def test_a_list_is_changed_in_place_as_in_python() -> None:
    source = "def run():\n    a = [1]\n    b = a\n    b += (2, 3)\n    b.extend([4])\n    return a\n"
    assert run(source)[0] == [1, 2, 3, 4]


def test_an_evaluation_happens_once() -> None:
    source = dedent("""
        def run():
            seen = []
            def note(value):
                seen.append(value)
                return value
            rows = {1: 10}
            rows[note(1)] += note(5)
            note(2) < note(3) < note(4)
            return (rows[1], tuple(seen))
    """)
    assert run(source)[0] == (15, (1, 5, 2, 3, 4))


def fingerprint() -> str:
    """Return one line about the program's answer and charges; the same on every Python."""
    answer, used = run(PROGRAM, list(range(-20, 120, 7)), "a x ab  b x")
    return f"{hashlib.sha256(repr(answer).encode()).hexdigest()} {used}"


def test_answers_and_charges_are_those_that_are_written_down() -> None:
    expected = (Path(__file__).parent / "metering_fingerprint.txt").read_text(encoding="utf-8").strip()
    assert fingerprint() == expected, "charges changed: raise PROTOCOL_VERSION, or this Python differs from the others"


@pytest.mark.parametrize("seed", ["0", "1"])
def test_charges_do_not_depend_on_the_hash_seed(seed: str) -> None:
    command = [
        sys.executable,
        "-c",
        "from tests.ledger.execution.test_metering import fingerprint; print(fingerprint())",
    ]
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == fingerprint()
