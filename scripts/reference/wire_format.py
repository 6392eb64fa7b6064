"""docs/reference/wire-format.md from the codec's structs, their docstrings and the tags in the code."""

import ast
import re
from collections.abc import Iterator

from scripts.reference.source import (
    Definition,
    Source,
    cell,
    code,
    first_line,
    list_modules,
    load,
    page,
    render_docstring,
    table,
)
from scripts.reference.structs import list_structs, render_aliases, render_struct

PACKAGES = ("ledger", "contracts", "nodes")

NEVER_ENCODED = (
    "ledger.application",
    "ledger.consensus.driver",
    "ledger.consensus.round",
    "ledger.consensus.votes",
    "ledger.execution.executor",
    "ledger.replica.ports",
    "ledger.replica.status",
    "nodes.cli",
    "nodes.simulator",
)
"""Modules whose structs stay inside one process; `Timeout` and `ScheduledCall`, which do not, are described where they
are used."""

ALSO_ENCODED = (("ledger.consensus.driver", "Timeout"),)
"""Structs of those modules that are written to disk all the same."""

INTRODUCTION = """
Everything that crosses a wire, lies under a signature or is hashed. The Python annotations are the schema; this page
is written from them. What contracts take and keep is in [contracts.md](contracts.md), every bound in
[limits.md](limits.md).
"""

READING = """
## How to read the tables

A struct is encoded as a MessagePack array of its fields in the order of the table. A struct with a tag has the tag as
element 0, so that a union of such structs can be told apart. `T | None` is `nil` or a `T`. A `tuple[T, ...]` is an
array, an `int` the shortest MessagePack integer, `bytes` a `bin`, `str` a UTF-8 `str`; a field with a default is
encoded like any other. Structs whose name begins with an underscore are what a signature or a file holds; they never
travel by themselves.
"""

TAG = re.compile(r"xinpei[/-]")


def render() -> str:
    """Return the page."""
    return page(
        "Wire format",
        INTRODUCTION,
        "## Encoding\n\n" + load("ledger.codec").docstring,
        render_aliases(load("ledger.codec")),
        READING,
        "## Frames between nodes\n\n" + load("nodes.network.frames").docstring,
        "The connections that carry them:\n\n" + load("nodes.network.transport").docstring,
        "## Blocks and their hashes\n\n" + load("ledger.blocks").docstring,
        _render_hashes(),
        "## Trees\n\n" + load("ledger.merkle").docstring + "\n\n" + load("ledger.state_tree").docstring,
        "## State keys\n\n" + load("ledger.execution.state").docstring,
        "The store of a node has the key spaces of the application beside them:\n\n"
        + load("ledger.application").docstring,
        _render_signatures(),
        _render_tags(),
        "## Files\n\n### Consensus log\n\n" + load("nodes.storage.log").docstring,
        "### Signer state\n\n" + load("nodes.storage.signer").docstring,
        "## Structs",
        *_render_structs(),
    )


def _render_hashes() -> str:
    """Return how every object of the chain is hashed, from the properties that do it."""
    rows = []
    for name in ("ledger.transactions", "ledger.blocks", "ledger.membership", "ledger.genesis"):
        source = load(name)
        for definition, path in _definitions(source.tree):
            if isinstance(definition, ast.ClassDef):
                continue
            for node in ast.walk(definition):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "hash_tagged" and len(node.args) == 2:
                    what = ast.unparse(node.args[1]).replace("encode(self)", "encoding of the struct")
                    rows.append((code(f"{name}.{path}"), code(ast.unparse(node.args[0]).strip("'")), cell(what)))
    return "Tagged hashes of these objects:\n\n" + table("hash", "tag", "over", rows=rows)


def _render_signatures() -> str:
    source = load("ledger.crypto.signatures")
    hashes = load("ledger.crypto.hashes")
    return (
        "## Hashes and signatures\n\n"
        + hashes.docstring
        + "\n\n"
        + render_docstring(_docstring_of(hashes, "hash_tagged"))
        + "\n\n### Signatures\n\n"
        + source.docstring
        + "\n\nThe tag of a purpose is `xinpei/sign/PURPOSE/v1`; what is signed is its length in one byte, the tag and"
        + " the message."
    )


def _render_tags() -> str:
    """Return every domain tag and file mark in the code, and where it is used."""
    rows = []
    for package in PACKAGES:
        for name in list_modules(package):
            source = load(name)
            documentation = _docstring_nodes(source.tree)
            for definition, path in [(source.tree, ""), *_definitions(source.tree)]:
                for node in _own_nodes(definition):
                    text = _tag_text(node)
                    if text is None or id(node) in documentation:
                        continue
                    doc = ast.get_docstring(definition) or ast.get_docstring(source.tree)
                    rows.append((code(text), code(f"{name}.{path}".rstrip(".")), cell(first_line(doc))))
    return "### Tags\n\nEvery tag in the code:\n\n" + table("tag", "in", "which does", rows=sorted(set(rows)))


def _render_structs() -> Iterator[str]:
    names = [name for package in ("ledger", "nodes") for name in list_modules(package)]
    for name in names:
        source = load(name)
        hidden = name.startswith(NEVER_ENCODED)
        kinds = [kind for kind in list_structs(source) if not hidden or (name, kind.__name__) in ALSO_ENCODED]
        if not kinds:
            continue
        yield f"### `{name}`\n\n{source.summary}"
        if not hidden and name != "ledger.codec":
            yield render_aliases(source)
        for kind in kinds:
            yield render_struct(source, kind, "####")


def _definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[Definition, str]]:
    """Yield classes and functions with their dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield node, f"{prefix}{node.name}"
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, f"{prefix}{node.name}"


def _own_nodes(definition: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a definition and in none below it."""
    for node in ast.iter_child_nodes(definition):
        if isinstance(node, ast.ClassDef) or (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            continue
        yield node
        if not isinstance(node, ast.JoinedStr):
            yield from _own_nodes(node)


def _tag_text(node: ast.AST) -> str | None:
    """Return a tag as text, with braces where a part of it is computed; None for anything else."""
    if isinstance(node, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        ]
        text = "".join(parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    else:
        return None
    return text.strip() if TAG.match(text) and "{entropy" not in text else None


def _docstring_nodes(tree: ast.Module) -> set[int]:
    """Return the constants that stand as statements of their own: docstrings and the strings below fields."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _docstring_of(source: Source, name: str) -> str:
    """Return a function's docstring without its sections of arguments."""
    for definition, path in _definitions(source.tree):
        if path == name:
            return (ast.get_docstring(definition) or "").split("\n\nArgs:", 1)[0]
    msg = f"{source.name} has no {name}"
    raise ValueError(msg)
