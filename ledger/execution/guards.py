"""What metered contract code runs instead of operators and builtins: bounded before, charged by size.

A guard does what Python does, on the types a contract may hold: integers, fractions, text, bytes, tuples, lists,
dicts, enums and structs. It refuses what could grow without bound (INTEGER_BITS_MAX, SEQUENCE_ITEMS_MAX) and what
two nodes could answer differently: floats, sets, the text of objects, and letters outside ASCII where the answer
depends on a Python's own Unicode tables. A refusal is an ordinary exception, so it becomes `CONTRACT_FAULT`.

`NAMESPACE` is what the loader puts beside a contract's own names; `BUILTINS` is all that is left of Python's.
"""

import ast
import builtins
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from ledger.execution.meter import charge, charge_turn, enter_call, leave_call
from ledger.limits import INTEGER_BITS_MAX, SEQUENCE_ITEMS_MAX

ITEMS_PER_UNIT: Final = 8
"""Items or characters that one unit pays for, where C code does the loop."""

INTEGER_UNITS: Final = 4
FRACTION_UNITS: Final = 20
"""One guarded operation; a fraction's has a greatest common divisor in it."""

METHOD_UNITS: Final = 4
"""One guarded method call, whatever it does."""

_SEQUENCES = (str, bytes, tuple, list)


def check_value(value: Any) -> Any:
    """Return `value` if it is within the bounds and of a type that every node treats alike.

    Raises:
        OverflowError: If it is too large.
        TypeError: If it is a float or a set.
    """
    if isinstance(value, int):
        charge(INTEGER_UNITS)
        _check_bits(value.bit_length())
    elif isinstance(value, Fraction):
        charge(FRACTION_UNITS)
        _check_bits(max(value.numerator.bit_length(), value.denominator.bit_length()))
    elif isinstance(value, (*_SEQUENCES, dict)):
        _pay(len(value))
    elif isinstance(value, float | complex | set | frozenset):
        msg = f"contracts have no {type(value).__name__}"
        raise TypeError(msg)
    return value


def _check_bits(bits: int) -> None:
    if bits > INTEGER_BITS_MAX:
        msg = f"expected integers of at most {INTEGER_BITS_MAX} bits, got {bits}"
        raise OverflowError(msg)


def _pay(items: int) -> None:
    if items > SEQUENCE_ITEMS_MAX:
        msg = f"expected at most {SEQUENCE_ITEMS_MAX} items, got {items}"
        raise OverflowError(msg)
    charge(1 + max(items, 0) // ITEMS_PER_UNIT)


def _bits(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length()
    if isinstance(value, Fraction):
        return max(value.numerator.bit_length(), value.denominator.bit_length())
    return 0


# ---------------------------------------------------------------------------------------------- operations


def add(left: Any, right: Any) -> Any:
    """Return left + right."""
    if isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        _pay(len(left) + len(right))
        return left + right  # type: ignore[operator]
    return check_value(left + right)


def subtract(left: Any, right: Any) -> Any:
    """Return left - right."""
    return check_value(left - right)


def multiply(left: Any, right: Any) -> Any:
    """Return left * right; sizes are bounded before anything is built."""
    if isinstance(left, _SEQUENCES) and isinstance(right, int):
        _pay(len(left) * max(right, 0))
    elif isinstance(right, _SEQUENCES) and isinstance(left, int):
        _pay(len(right) * max(left, 0))
    else:
        _check_bits((_bits(left) + _bits(right)) // 2)
    return check_value(left * right)


def divide(left: Any, right: Any) -> Any:
    """Return left / right, one of which is a `Fraction`."""
    if not isinstance(left, Fraction) and not isinstance(right, Fraction):
        msg = "expected a Fraction on one side of /; use // for integers"
        raise TypeError(msg)
    return check_value(left / right)


def divide_floor(left: Any, right: Any) -> Any:
    """Return left // right."""
    return check_value(check_value(left) // check_value(right))


def remainder(left: Any, right: Any) -> Any:
    """Return left % right of numbers; text is formatted by f-strings."""
    if isinstance(left, str | bytes):
        msg = "expected a number on the left of %; format text with an f-string"
        raise TypeError(msg)
    return check_value(check_value(left) % check_value(right))


def _guarded(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: check_value(operation(left, right))


OPERATIONS: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.FloorDiv: "__floordiv__",
    ast.Mod: "__mod__",
    ast.BitAnd: "__and__",
    ast.BitOr: "__or__",
    ast.BitXor: "__xor__",
}
"""Operator to the inserted name of its guard."""

_OPERATION_GUARDS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "__add__": add,
    "__sub__": subtract,
    "__mul__": multiply,
    "__truediv__": divide,
    "__floordiv__": divide_floor,
    "__mod__": remainder,
    "__and__": _guarded(operator.and_),
    "__or__": _guarded(operator.or_),
    "__xor__": _guarded(operator.xor),
}


def change(guard: str, target: Any, value: Any) -> Any:
    """Return what a name is bound to after `target op= value`; a list is extended in place."""
    if isinstance(target, list) and guard == "__add__":
        items = list_items(value)
        _pay(len(target) + len(items))
        target.extend(items)
        return target
    if isinstance(target, list | dict):
        msg = "expected += on a list; say what else is meant in full"
        raise TypeError(msg)
    return _OPERATION_GUARDS[guard](target, value)


def change_item(guard: str, container: Any, key: Any, value: Any) -> None:
    """Do `container[key] op= value`."""
    container[key] = change(guard, container[key], value)


# --------------------------------------------------------------------------------------------------- calls


def list_items(items: Iterable[Any] = ()) -> list[Any]:
    """Return `list(items)`, charged by its length."""
    if isinstance(items, Sized):
        _pay(len(items))
        return list(items)
    result: list[Any] = []
    for item in items:
        charge_turn()
        result.append(item)
    _pay(len(result))
    return result


def tuple_items(items: Iterable[Any] = ()) -> tuple[Any, ...]:
    """Return `tuple(items)`, charged by its length."""
    return tuple(list_items(items))


def dict_items(items: Any = (), /, **named: Any) -> dict[Any, Any]:
    """Return `dict(items)`, charged by its length."""
    pairs = items if isinstance(items, Mapping) else list_items(items)
    _pay(len(pairs))
    return dict(pairs, **named)


def make_bytes(value: Any = b"") -> bytes:
    """Return `bytes(value)` of a length, of integers, or of bytes."""
    if isinstance(value, int):
        _pay(value)
        return bytes(value)
    return bytes(value) if isinstance(value, bytes) else bytes(list_items(value))


def make_int(value: Any = 0, base: int = 10) -> int:
    """Return `int(value)` of a number, or of ASCII text."""
    if isinstance(value, str):
        _check_ascii(value)
        _check_bits(3 * len(value))
        return int(value, base)
    return int(check_value(value))


def make_text(value: Any = "") -> str:
    """Return `str(value)` of a plain value."""
    return str(check_plain(value))


def check_plain(value: Any) -> Any:
    """Return `value` if every Python writes it alike; raises `TypeError` for other objects, enums included."""
    if type(value) not in (str, int, bool, Fraction, type(None)):
        msg = f"expected text or a number to write, got {type(value).__name__}"
        raise TypeError(msg)
    return check_value(value)


def check_formatted(value: Any) -> Any:
    """Return `value` if every Python formats it alike: fractions have formats from 3.12 on only."""
    if type(value) not in (str, int, bool):
        msg = f"expected text or an integer to format, got {type(value).__name__}"
        raise TypeError(msg)
    return check_value(value)


def make_range(*bounds: int) -> range:
    """Return `range(...)` of a bounded length; its turns are charged where they are made."""
    result = range(*bounds)
    if not -SEQUENCE_ITEMS_MAX <= result.start <= SEQUENCE_ITEMS_MAX or not (
        -SEQUENCE_ITEMS_MAX <= result.stop <= SEQUENCE_ITEMS_MAX
    ):
        _check_bits(max(result.start.bit_length(), result.stop.bit_length(), result.step.bit_length()))
        distance = abs(result.stop - result.start) // abs(result.step)
        if distance > SEQUENCE_ITEMS_MAX:
            msg = f"expected a range of at most {SEQUENCE_ITEMS_MAX} items, got {distance}"
            raise OverflowError(msg)
    return result


def deeper(body: Callable[[], Any]) -> Any:
    """Run the body of a lambda as a call."""
    enter_call()
    try:
        return body()
    finally:
        leave_call()


CALLS: Final[Mapping[str, str]] = {
    "list": "__list__",
    "tuple": "__tuple__",
    "dict": "__dict__",
    "bytes": "__bytes__",
    "int": "__int__",
    "str": "__str__",
    "range": "__range__",
    "Fraction": "__fraction__",
}
"""Types that stay types in annotations and `isinstance`, and are guarded where they are called."""


def make_fraction(numerator: Any = 0, denominator: Any = None) -> Fraction:
    """Return `Fraction(...)` of integers, fractions or ASCII text."""
    if isinstance(numerator, str):
        _check_ascii(numerator)
        if "e" in numerator.lower():
            msg = "expected a fraction without an exponent"
            raise ValueError(msg)
        _check_bits(3 * len(numerator))
    made: Fraction = check_value(Fraction(check_value(numerator), check_value(denominator)))
    return made


# ------------------------------------------------------------------------------------------------- methods


def _check_ascii(text: Any) -> None:
    if isinstance(text, str | bytes) and not text.isascii():
        msg = "expected ASCII: what other characters are depends on a Python's Unicode tables"
        raise ValueError(msg)


_GROWING = frozenset({"ljust", "rjust", "center", "zfill", "to_bytes"})
_UNICODE = frozenset(
    {"upper", "lower", "isalpha", "isalnum", "isdigit", "isdecimal", "isnumeric", "isupper", "islower", "isspace"}
)
_LINEAR = frozenset(
    {"split", "rsplit", "splitlines", "partition", "rpartition", "strip", "lstrip", "rstrip", "removeprefix"}
    | {"removesuffix", "count", "find", "rfind", "index", "rindex", "startswith", "endswith", "encode", "decode", "hex"}
    | {"fromhex", "from_bytes", "copy", "sort", "reverse", "insert", "remove", "pop", "update", "fromkeys"}
)
METHODS: Final = frozenset({"join", "replace", "extend"}) | _GROWING | _UNICODE | _LINEAR
"""Methods that take longer for longer values, can grow them, or depend on Unicode tables: called through
`call_method` only. A contract's own method of such a name is called the same way and behaves as ever."""


_CONSTRUCTORS = frozenset({"fromhex", "from_bytes", "fromkeys"})
_CODECS = frozenset({"utf-8", "ascii"})


def _is_builtin_type(subject: Any) -> bool:
    return isinstance(subject, type) and issubclass(subject, (*_SEQUENCES, dict, int))


def read_field(subject: Any, name: str) -> Any:
    """Return `subject.name` for a name of METHODS that is not called: a field or method of the contract's own.

    Raises:
        TypeError: For a built-in value's method, which would later be called without its bounds.
    """
    if isinstance(subject, (*_SEQUENCES, dict, int)) or _is_builtin_type(subject):
        msg = f"{name}: expected it to be called at once"
        raise TypeError(msg)
    return getattr(subject, name)


def _check_call(name: str, subject: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Refuse what would get past the bounds below, or what not every Python has."""
    if _is_builtin_type(subject) and name not in _CONSTRUCTORS:
        msg = f"{name}: expected it to be called on a value, not on a type"
        raise TypeError(msg)
    if isinstance(subject, str | bytes):
        if name in {"encode", "decode"} and (named or len(arguments) > 1 or not _CODECS.issuperset(arguments)):
            msg = f"{name}: expected UTF-8 or ASCII, without error handlers"
            raise ValueError(msg)
        if name == "replace" and named:
            msg = "replace: expected no keyword, only newer Pythons have one"
            raise TypeError(msg)


def call_method(name: str, subject: Any, *arguments: Any, **named: Any) -> Any:
    """Return `subject.name(*arguments, **named)`, bounded before it runs."""
    charge(METHOD_UNITS)
    _check_call(name, subject, arguments, named)
    if isinstance(subject, (*_SEQUENCES, dict)):
        _pay(len(subject))
        if name == "join" and isinstance(subject, str | bytes):
            parts = list_items(*arguments)
            _pay(sum(len(part) for part in parts) + len(subject) * len(parts))
            return subject.join(parts)
        if name == "replace" and isinstance(subject, str | bytes):
            _pay(len(subject) + subject.count(arguments[0]) * len(arguments[1]))
        elif name == "extend" and isinstance(subject, list):
            return change("__add__", subject, *arguments) and None
        elif name in _UNICODE:
            _check_ascii(subject)
        elif name == "sort":
            _pay_for_order(len(subject))
    if name in _GROWING and isinstance(subject, str | bytes | int):
        _pay(named.get("length", arguments[0] if arguments else 1))
    for argument in arguments:
        if isinstance(argument, Sized):
            _pay(len(argument))
    result = getattr(subject, name)(*arguments, **named)
    return check_value(result) if isinstance(result, (*_SEQUENCES, int)) else result


def pay_for(value: Any) -> Any:
    """Return `value`, charged by its length: for comparisons, searches, slices and unpackings.

    Raises:
        TypeError: For a type: before 3.12 an enum answers `in` with an exception where it now says False.
    """
    if isinstance(value, type):
        msg = f"expected a value to compare with or search in, got the type {value.__name__}"
        raise TypeError(msg)
    if isinstance(value, Sized):
        _pay(len(value))
    return value


def iterate(items: Iterable[Any]) -> Iterator[Any]:
    """Return `iter(items)`; there is no iterating over a function, which might never end."""
    return iter(items)


# ------------------------------------------------------------------------------------------------ builtins


def _over(function: Callable[..., Any]) -> Callable[..., Any]:
    """Charge a builtin that consumes an iterable by the iterable's length."""

    def consume(*arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not isinstance(arguments[0], int | str | Fraction):
            return check_value(function(list_items(arguments[0]), **named))
        return check_value(function(*arguments, **named))

    return consume


def _eager(function: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
    """Make a lazy builtin charge its items and end at once."""

    def consume(*arguments: Any, **named: Any) -> Iterator[Any]:
        return iter(list_items(function(*arguments, **named)))

    return consume


def total(items: Iterable[Any], start: Any = 0) -> Any:
    """Return `sum(items, start)` of numbers, bounded."""
    numbers = list_items(items)
    _pay(len(numbers))
    if isinstance(start, int) and all(type(number) is int for number in numbers):
        return check_value(sum(numbers, start))
    result = start
    for number in numbers:
        charge_turn()
        result = add(result, number)
    return result


def sort_items(items: Iterable[Any], **named: Any) -> list[Any]:
    """Return `sorted(items, **named)`, charged by the comparisons that it may take."""
    listed = list_items(items)
    _pay_for_order(len(listed))
    return sorted(listed, **named)


def _pay_for_order(items: int) -> None:
    charge(items * items.bit_length() // ITEMS_PER_UNIT)


def round_number(number: Any, digits: int | None = None) -> Any:
    """Return `round(number, digits)` of an integer or a fraction: halves go to the even neighbour."""
    return check_value(round(check_value(number), digits))


_PLAIN_BUILTINS = (
    *("abs", "bool", "bytes", "classmethod", "dict", "divmod", "int", "isinstance", "len", "list", "next"),
    *("property", "range", "staticmethod", "str", "tuple", "AssertionError", "ValueError", "__build_class__"),
)

BUILTINS: Final[Mapping[str, Any]] = {
    **{name: getattr(builtins, name) for name in _PLAIN_BUILTINS},
    "all": _over(all),
    "any": _over(any),
    "enumerate": _eager(enumerate),
    "filter": _eager(filter),
    "iter": iterate,
    "map": _eager(map),
    "max": _over(max),
    "min": _over(min),
    "reversed": _eager(reversed),
    "round": round_number,
    "sorted": sort_items,
    "sum": total,
    "zip": _eager(zip),
}
"""All that is left of Python's builtins; the loader adds `__import__`."""

NAMESPACE: Final[Mapping[str, Any]] = {
    **_OPERATION_GUARDS,
    "__turn__": charge_turn,
    "__enter__": enter_call,
    "__leave__": leave_call,
    "__deeper__": deeper,
    "__freeze__": MappingProxyType,
    "__iterate__": iterate,
    "__field__": read_field,
    "__formatted__": check_formatted,
    "__change__": change,
    "__change_item__": change_item,
    "__pay_for__": pay_for,
    "__plain__": check_plain,
    "__method__": call_method,
    "__list__": list_items,
    "__tuple__": tuple_items,
    "__dict__": dict_items,
    "__bytes__": make_bytes,
    "__int__": make_int,
    "__str__": make_text,
    "__range__": make_range,
    "__fraction__": make_fraction,
}
"""The names that metering inserts."""
