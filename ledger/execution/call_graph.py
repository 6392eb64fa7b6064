"""Who calls whom inside one contract module, as far as names tell; for the static check.

A mention counts as a call: a function that is put into a variable may be called by it. So some harmless code is
refused, and what is passed around as an argument is not seen; the meter's depth ends that (`ledger.execution.meter`).
Between modules there is no recursion, because imports have no cycles.
"""

import ast
from collections.abc import Iterator, Mapping


def find_recursion(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[ast.FunctionDef, list[str]]]:
    """Yield each function or method that can reach itself, with a path of names; self and cls mean its own class."""
    calls: dict[str, set[str]] = {}
    functions: dict[str, ast.FunctionDef] = {}
    for owner, function in _functions(nodes):
        name = f"{owner}.{function.name}" if owner else function.name
        functions[name] = function
        calls[name] = {target for node in ast.walk(function) if (target := _callee(node, owner)) is not None}
    for name, function in functions.items():
        path = _cycle(name, calls)
        if path:
            yield function, path


def _functions(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield (class name or "", function), nested functions and methods included."""
    owned = [
        (node.name, inner)
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef)
    ]
    methods = {id(function) for _, function in owned}
    yield from owned
    yield from (("", node) for node in nodes if isinstance(node, ast.FunctionDef) and id(node) not in methods)


def _callee(node: ast.AST, owner: str) -> str | None:
    """Return the function of this module that a node names; a mention counts as a call."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{owner if node.value.id in {'self', 'cls'} else node.value.id}.{node.attr}"
    return None


def _cycle(start: str, calls: Mapping[str, set[str]]) -> list[str]:
    """Return a path of calls from a function back to itself, or nothing."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        current = waiting.pop()
        for called in sorted(calls.get(current, set()) & calls.keys()):
            if called == start:
                path = [start]
                while current != start:
                    path.append(current)
                    current = came_from[current]
                return [start, *reversed(path[1:]), start]
            if called not in came_from:
                came_from[called] = current
                waiting.append(called)
    return []
