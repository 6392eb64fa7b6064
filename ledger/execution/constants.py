"""What a contract module may keep between transactions: nothing that can change.

The static check refuses lists and dicts that are written at a module's or class's level; what a function returned
there, or hides in a closure, shows only when the module was executed. State that outlives a transaction would differ
between nodes that executed different candidates of one block, so it lives in tables alone.
"""

from collections.abc import Iterator, Mapping
from types import CellType, FunctionType, MappingProxyType, MethodType
from typing import Any

from ledger.codec import Struct


def find_changeable(namespace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of an executed module, classes' attributes included, that keep a value that can change.

    Args:
        namespace: The module's; names with double underscores belong to Python or to metering.
    """
    module = namespace["__name__"]
    for name, value in namespace.items():
        if name.startswith("__"):
            continue
        if isinstance(value, type) and value.__module__ == module:
            if issubclass(value, Struct) and not value.__struct_config__.frozen:
                yield name
            for attribute, item in vars(value).items():
                if not attribute.startswith("_") and _can_change(item, ()):
                    yield f"{name}.{attribute}"
        elif _can_change(value, ()):
            yield name


def _can_change(value: Any, above: tuple[int, ...]) -> bool:
    """Whether a value, or anything it holds, can change; `above` are the functions it was reached through."""
    if isinstance(value, list | dict | set | bytearray | Iterator):
        return True
    return any(_can_change(part, (*above, id(value))) for part in _parts(value) if id(part) not in above)


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, MappingProxyType):
        return (*value.keys(), *value.values())
    if isinstance(value, Struct):
        return tuple(getattr(value, field) for field in value.__struct_fields__)
    if isinstance(value, FunctionType):
        named = (value.__kwdefaults__ or {}).values()
        return (*(value.__defaults__ or ()), *named, *map(_read_cell, value.__closure__ or ()))
    if isinstance(value, MethodType):
        return (value.__self__, value.__func__)
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget,)
    return ()


def _read_cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
