"""docs/reference/contracts.md from the contract classes, their messages and the codes they reject with."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import FunctionType

from ledger.execution.contract import Contract, Table, method_kind
from scripts.reference.source import Source, cell, code, first_line, list_modules, load, page, table
from scripts.reference.structs import list_structs, render_aliases, render_struct

INTRODUCTION = """
What the members agreed on: each contract with its rules, tables, methods and reject codes, and every message and entry
with its fields. The words are those of the source, which every node pins by hash; types that are not described here are
those of the [wire format](wire-format.md).

A **transaction** is called by a signed transaction, a **query** by anyone who may ask a node and writes nothing, a
**clock** method by the executor when it is due. An **inner** method is for other contracts only. Each marked method
takes one message, whose canonical encoding is the transaction's `arguments`.
"""

CODE = re.compile(r"[A-Z]{4}-[0-9]{3}")
KINDS = {"transaction": 0, "query": 1, "clock": 2, "inner": 3}


def render() -> str:
    """Return the page."""
    names = list_modules("contracts")
    contracts = [name for name in names if list_contracts(load(name))]
    others = [name for name in names if name not in contracts and name != "contracts"]
    return page(
        "Contracts",
        INTRODUCTION,
        load("ledger.transactions").docstring.partition("System codes")[1]
        + load("ledger.transactions").docstring.partition("System codes")[2],
        *(part for name in contracts for part in _render_contract(load(name))),
        "## What they share",
        *(part for name in others for part in _render_module(load(name))),
    )


def list_contracts(source: Source) -> list[type[Contract]]:
    """Return the contract classes that a module defines."""
    return [
        kind
        for kind in vars(source.module).values()
        if inspect.isclass(kind) and issubclass(kind, Contract) and kind.__module__ == source.name
    ]


def _render_contract(source: Source) -> Iterator[str]:
    for kind in list_contracts(source):
        yield f"## {kind.name}\n\nModule `{source.name}`.\n\n{source.docstring}"
        yield f"### Tables of {kind.name}\n\n{tables}" if (tables := _render_tables(kind)) else ""
        yield f"### Methods of {kind.name}\n\n{_render_methods(source, kind)}"
    yield _render_codes(source)
    yield from (render_struct(source, kind) for kind in list_structs(source))


def _render_module(source: Source) -> Iterator[str]:
    yield f"## `{source.name}`\n\n{source.docstring}"
    yield render_aliases(source)
    yield _render_codes(source)
    yield from (render_struct(source, kind) for kind in list_structs(source))


def _render_tables(kind: type[Contract]) -> str:
    tables = [value for value in vars(kind).values() if isinstance(value, Table)]
    rows = [(code(f"{kind.name}.{item.name}"), code(item.kind.__name__)) for item in tables]
    return table("table", "value", rows=rows)


def _render_methods(source: Source, kind: type[Contract]) -> str:
    rows = []
    for node in source.definition(kind.__name__).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or node.name == "genesis":
            continue
        method = vars(kind)[node.name]
        if not isinstance(method, FunctionType):
            continue
        called_as = method_kind(method) or "inner"
        arguments = ", ".join(ast.unparse(item.annotation) for item in node.args.args if item.annotation)
        result = "" if node.returns is None else ast.unparse(node.returns)
        shown = "" if result == "None" else result
        row = (called_as, code(node.name), code(arguments), code(shown), cell(first_line(ast.get_docstring(node))))
        rows.append(row)
    rows.sort(key=lambda row: KINDS[row[0]])
    return table("called as", "method", "takes", "returns", "what it does", rows=rows)


def _render_codes(source: Source) -> str:
    """Return the codes that a module rejects with, and the sentences; a computed part is an ellipsis."""
    sentences: dict[str, list[str]] = {}
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in {"reject", "Finding", "_refused"}):
            continue
        texts = [_template(argument) for argument in node.args]
        if node.args and len(texts) >= 2:
            codes = [texts[0]] if re.fullmatch(r"[A-Z][A-Z0-9_-]+", texts[0]) else _codes_in(source, node)
            for item in codes:
                sentences.setdefault(item, []).append(texts[-1])
    rows = [(code(item), cell("<br>".join(dict.fromkeys(sentences[item])))) for item in sorted(sentences)]
    return "" if not rows else f"### Reject codes of `{source.name}`\n\n" + table("code", "reason", rows=rows)


def _codes_in(source: Source, call: ast.Call) -> list[str]:
    """Return the codes that a call with a computed code may give: those in the function it stands in."""
    if ast.unparse(call.func) == "_refused":
        return ["AUTH-013"]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and any(part is call for part in ast.walk(node)):
            texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            return [text for text in texts if isinstance(text, str) and CODE.fullmatch(text)]
    return []


def _template(expression: ast.expr) -> str:
    """Return the text of an expression, with an ellipsis for what is computed."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    if isinstance(expression, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in expression.values)
    return "…"
