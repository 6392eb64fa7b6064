"""The codec's structs as tables: one row for each field, in the order in which it is encoded."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from ledger.codec import Struct
from scripts.reference.source import Source, cell, code, fields, render_docstring, table

UNITS = {"bytes": "bytes", "str": "characters", "tuple": "items"}
LARGE = 2**20


def list_structs(source: Source) -> list[type[Struct]]:
    """Return the structs that a module defines, in its order."""
    return [
        kind
        for kind in vars(source.module).values()
        if inspect.isclass(kind) and issubclass(kind, Struct) and kind.__module__ == source.name and kind is not Struct
    ]


def render_struct(source: Source, kind: type[Struct], level: str = "###") -> str:
    """Return a struct's section: what it is, its tag, its fields."""
    definition = source.definition(kind.__name__)
    first = 0 if kind.__struct_config__.tag is None else 1
    rows = []
    for place, (name, annotation, default, text) in enumerate(fields(definition), start=first):
        shown, bounds = describe_type(source, annotation)
        if default is not None:
            bounds = "; ".join([*filter(None, [bounds]), f"default {ast.unparse(default)}"])
        rows.append((str(place), code(name), code(shown), bounds, cell(text)))
    parts = [f"{level} {kind.__name__}", render_docstring(ast.get_docstring(definition) or "")]
    if kind.__struct_config__.tag is not None:
        parts.append(f"Element 0 is the tag `{kind.__struct_config__.tag}`.")
    if not rows:
        parts.append("No fields.")
    parts.append(table("#", "field", "type", "bounds", "meaning", rows=rows))
    return "\n\n".join(part for part in parts if part)


def render_aliases(source: Source) -> str:
    """Return a table of the types that a module gives a name to; empty if it names none."""
    rows = []
    for name, expression, text in source.constants():
        if is_type(expression) and not name.startswith("_"):
            shown, bounds = describe_type(source, expression)
            rows.append((code(name), code(shown), bounds, cell(text)))
    return table("name", "type", "bounds", "meaning", rows=rows)


def is_type(expression: ast.expr) -> bool:
    """Whether the right side of an assignment is a type: annotated, a choice of values, or a union."""
    if isinstance(expression, ast.Subscript):
        return isinstance(expression.value, ast.Name) and expression.value.id in {"Annotated", "Literal"}
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr):
        return all(isinstance(part, ast.Name | ast.Subscript | ast.Constant | ast.BinOp) for part in _sides(expression))
    return False


def describe_type(source: Source, annotation: ast.expr) -> tuple[str, str]:
    """Return a type without its bounds, and its bounds in words."""
    bounds = list(_bounds(source, annotation))
    stripped = _Stripper().visit(ast.parse(ast.unparse(annotation), mode="eval").body)
    return ast.unparse(stripped).replace("'", '"').strip('"'), "; ".join(bounds)


def describe_number(value: int) -> str:
    """Return a number for people: powers of two as such, others with thousands marked."""
    if value >= LARGE and value & (value - 1) == 0:
        return f"2^{value.bit_length() - 1}"
    return f"{value:,}"


class _Stripper(ast.NodeTransformer):
    """Leaves of `Annotated[X, ...]` only X."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated":
            assert isinstance(node.slice, ast.Tuple), "Annotated has a type and its bounds"
            return node.slice.elts[0]
        return node


def _sides(expression: ast.BinOp) -> tuple[ast.expr, ast.expr]:
    return expression.left, expression.right


def _bounds(source: Source, annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Annotated"):
            continue
        assert isinstance(node.slice, ast.Tuple), "Annotated has a type and its bounds"
        kind = node.slice.elts[0]
        base = kind.value if isinstance(kind, ast.Subscript) else kind
        unit = UNITS.get(ast.unparse(base), "")
        for meta in node.slice.elts[1:]:
            if isinstance(meta, ast.Call):
                values = {word.arg: _evaluate(source, word.value) for word in meta.keywords if word.arg}
                yield from _describe_bounds(values, unit)


def _describe_bounds(values: dict[str, Any], unit: str) -> Iterator[str]:
    least, most = values.get("min_length", values.get("ge")), values.get("max_length", values.get("le"))
    suffix = f" {unit}" if unit else ""
    if least is not None and least == most:
        yield f"{describe_number(least)}{suffix}"
    elif least is not None and most is not None:
        yield f"{describe_number(least)} to {describe_number(most)}{suffix}"
    elif most is not None:
        yield f"at most {describe_number(most)}{suffix}"
    elif least is not None:
        yield f"at least {describe_number(least)}{suffix}"
    if "pattern" in values:
        yield f"pattern {code(values['pattern'])}"


def _evaluate(source: Source, expression: ast.expr) -> Any:
    """Return the value of a bound: a constant, a name of the module, or arithmetic over these."""
    match expression:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return getattr(source.module, name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(source, operand)
        case ast.BinOp(left=left, op=operator, right=right):
            one, other = _evaluate(source, left), _evaluate(source, right)
            match operator:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
                case ast.FloorDiv():
                    return one // other
                case ast.Pow():
                    return one**other
    msg = f"{source.name}: a bound is expected to be a constant or arithmetic, got {ast.unparse(expression)}"
    raise ValueError(msg)
