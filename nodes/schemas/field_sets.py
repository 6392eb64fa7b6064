"""What a document may hold when it is handed over for a purpose: held against the field set before it is sealed.

The sets themselves are data of the contracts (`contracts.field_sets`), because a receipt names one and its version.
A document type is a closed structure: what is in no field of it cannot be encoded. So to compare the structure's fields
with the set's is to compare every document of that type.
"""

from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from contracts.field_sets import find_field_set
from contracts.grants import Purpose, RecordType
from ledger.codec import Struct
from ledger.errors import LedgerError


class FieldSetError(LedgerError):
    """A document that would release more, or something else, than its purpose's field set."""


@cache
def list_fields(kind: type[Struct]) -> tuple[str, ...]:
    """Return the fields of a structure and of all within it, with dots: `settlement.hifp_pay`; sorted."""
    found: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name not in kind.__struct_fields__:
            continue
        inner = [inside for part in _list_structs(hint) for inside in list_fields(part)]
        found.extend(f"{name}.{inside}" for inside in inner)
        if not inner:
            found.append(name)
    return tuple(sorted(found))


def check_release(kind: type[Struct], record_type: RecordType, purpose: Purpose) -> None:
    """Check that documents of a type hold the fields of the set that a receipt will name, and no others.

    Args:
        kind: The document's structure.
        record_type: Of its record.
        purpose: What it is handed over for.

    Raises:
        FieldSetError: Naming the first field in question.
    """
    known = find_field_set(purpose, record_type)
    if known is None:
        msg = f"{record_type}: expected a field set for {purpose}, there is none, and so nothing is released"
        raise FieldSetError(msg)
    fields = list_fields(kind)
    for field in (*sorted(set(fields) - set(known.fields)), *sorted(set(known.fields) - set(fields))):
        msg = f"{record_type}: {field}: expected exactly the fields of {known.name}"
        raise FieldSetError(msg)


def _list_structs(hint: Any) -> list[type[Struct]]:
    """Return the structures within a type: of a tuple's items, of a union's cases."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return [hint]
    if get_origin(hint) in (Annotated, Union, UnionType, tuple):
        return [found for part in get_args(hint) for found in _list_structs(part)]
    return []
