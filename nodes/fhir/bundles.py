"""A Bundle's bytes, parsed with care, and its resources by type and by reference.

JSON's traps are shut here: a size bound before parsing, decimals instead of floats, no NaN, no key twice (two parsers
would read two bills), no nesting without end.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from nodes.fhir.errors import FhirError
from nodes.fhir.resources import Element, Reference

BUNDLE_BYTES_MAX = 16 * 1024 * 1024
"""A whole life is under 1 MB; this leaves room for a long stay's item lists."""

Resource = TypeVar("Resource", bound=Element)


class Bundle:
    """The resources of one Bundle, found by type or by reference."""

    def __init__(self, data: bytes) -> None:
        """Parse a Bundle.

        Args:
            data: Its JSON, UTF-8.

        Raises:
            FhirError: If it is too large, no JSON, or no Bundle.
        """
        plain = _parse_json(data)
        kind = plain.get("resourceType") if isinstance(plain, dict) else None
        if not isinstance(plain, dict) or kind != "Bundle":
            msg = f"resourceType: expected Bundle, got {str(kind)[:40]}"
            raise FhirError(msg)
        self._by_type: dict[str, list[dict[str, object]]] = {}
        self._by_reference: dict[str, tuple[str, str]] = {}
        entries = plain.get("entry", [])
        if not isinstance(entries, list):
            msg = "Bundle.entry: expected a list"
            raise FhirError(msg)
        for place, entry in enumerate(entries):
            self._add(place, entry)

    def _add(self, place: int, entry: object) -> None:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(entry, dict) or not isinstance(resource, dict) or not isinstance(kind, str):
            msg = f"Bundle.entry[{place}]: expected a resource with its resourceType"
            raise FhirError(msg)
        self._by_type.setdefault(kind, []).append(resource)
        id_ = resource.get("id")
        if not isinstance(id_, str):
            return
        url = entry.get("fullUrl")
        relative = f"{kind}/{id_}"
        for reference in [relative, url] if isinstance(url, str) and url != relative else [relative]:
            if reference in self._by_reference:
                msg = f"Bundle.entry[{place}]: {reference[:80]} stands for two resources"
                raise FhirError(msg)
            self._by_reference[reference] = (kind, id_)

    def resources(self, kind: str, model: type[Resource]) -> Iterator[Resource]:
        """Yield every resource of one type, in the bundle's order.

        Args:
            kind: FHIR's name of the type, such as `Encounter`.
            model: What is read of it.

        Raises:
            FhirError: If one lacks what is read of it.
        """
        for plain in self._by_type.get(kind, []):
            try:
                yield model.model_validate(plain)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False, include_context=False)[0]
                path = ".".join(str(part) for part in first["loc"])
                msg = f"{kind} {str(plain.get('id'))[:64]}: {path}: {first['msg']}"
                raise FhirError(msg) from None

    def resolve(self, reference: Reference | None) -> tuple[str, str] | None:
        """Return type and id of what a reference points to within the bundle, or None."""
        if reference is None or reference.reference is None:
            return None
        return self._by_reference.get(reference.reference)


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, reading no more than a bundle may have.

    Raises:
        FhirError: If it is larger, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise FhirError(msg) from None
    return data


def _parse_json(data: bytes) -> object:
    if len(data) > BUNDLE_BYTES_MAX:
        msg = f"bundle: expected at most {BUNDLE_BYTES_MAX} bytes, got more"
        raise FhirError(msg)
    try:
        plain: object = json.loads(
            data.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_repetition,
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120] or "a number"
        msg = f"bundle: expected JSON in UTF-8 ({detail})"
        raise FhirError(msg) from None
    return plain


def _refuse_constant(name: str) -> object:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _refuse_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"the key {twice[:40]!r} stands twice in one object"
        raise ValueError(msg)
    return plain
