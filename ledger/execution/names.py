"""What the names of a contract module stand for, as far as its text tells; for the static check."""

import ast
from typing import Final

TAKES_TYPES: Final = frozenset({"decode", "Table", "cast"})
"""Functions whose arguments after the first may be types."""


def bound_names(nodes: tuple[ast.AST, ...]) -> frozenset[str]:
    """Return every name that the module binds anywhere: scopes are Python's affair, unknown names are ours."""
    bound: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                bound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                bound.add(name)
    return frozenset(bound)


def type_places(nodes: tuple[ast.AST, ...]) -> frozenset[int]:
    """Return the identities of the nodes that stand where a type is only named, or called at once.

    A type that is passed on is called unguarded: `map(str, things)` would write the things' addresses.
    """
    places: list[ast.AST] = []
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=name), args=arguments):
                places.append(node.func)
                if name in TAKES_TYPES or name == "isinstance":
                    for argument in arguments[1:]:
                        places.extend(argument.elts if isinstance(argument, ast.Tuple) else [argument])
            case ast.FunctionDef(returns=annotation) | ast.arg(annotation=annotation) if annotation is not None:
                places.extend(ast.walk(annotation))
            case ast.AnnAssign(annotation=annotation):
                places.extend(ast.walk(annotation))
            case ast.Subscript(value=ast.Name(), slice=inner):
                places.append(node.value)
                places.extend(inner.elts if isinstance(inner, ast.Tuple) else [inner])
            case ast.BinOp(op=ast.BitOr()):
                places.extend((node.left, node.right))
            case ast.ClassDef(bases=bases):
                places.extend(bases)
            case ast.MatchClass(cls=kind):
                places.append(kind)
            case ast.Attribute(value=ast.Name()):
                places.append(node.value)
    return frozenset(id(node) for node in places)


def fraction_names(nodes: tuple[ast.AST, ...]) -> frozenset[str]:
    """Return the names that are annotated as fractions, or assigned a call to Fraction, anywhere in the module."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case (
                ast.arg(arg=name, annotation=ast.Name(id="Fraction"))
                | ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="Fraction"))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="Fraction")))
            ):
                names.add(name)
    return frozenset(names)
