"""What contract source may not contain, and what to write instead.

Two nodes must answer alike and every node must answer, so a contract has no clock, no chance, no floats, no sets, no
recursion, no unbounded integers, no state of its own, and no way around its meter. The check is syntactic and
closed: names and imports that are not allowed are refused, rather than those that are known to be bad.

    imports      `from X import a`: the contract API, `contracts.*`, a few names of the standard library
    names        no builtins but those of `ledger.execution.guards.BUILTINS`; nothing with two underscores
    attributes   a leading underscore only on self and cls; no assignment to any; no introspection
    numbers      no float literals, no `/` without a Fraction, no `**` but small constants such as 2**53, no `<<`
    types        a type's name is called, or stands in an annotation or isinstance; it is not passed on
    collections  no sets; constants of a module are tuples, or dicts that become read-only
    control      no recursion, generators, async, `with`, `global`, `finally`; `try` catches declared errors only
    classes      plain bases, known decorators, no special methods but `__post_init__`

It is no sandbox: it keeps reviewed code of the consortium honest by accident, not strangers out. Deep data (a tuple
in a tuple, ten thousand times) meets a Python's own limits, which differ; reviewers look for that.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from ledger.execution import guards
from ledger.execution.call_graph import find_recursion
from ledger.execution.metering import is_constant_dict
from ledger.execution.names import bound_names, fraction_names, type_places
from ledger.limits import INTEGER_BITS_MAX

API_MODULE: Final = "ledger.execution.contract"
OLDEST_PYTHON: Final = (3, 11)
"""The oldest Python of a node: what only newer ones understand is no contract."""

STANDARD_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "collections.abc": frozenset({"Callable", "Collection", "Iterable", "Iterator", "Mapping", "Sequence"}),
    "enum": frozenset({"Enum", "IntEnum", "StrEnum", "unique"}),
    "fractions": frozenset({"Fraction"}),
    "typing": frozenset(
        {"Annotated", "ClassVar", "Final", "Generic", "Literal", "NoReturn", "Protocol", "Self", "TypeAlias"}
        | {"TypeVar", "assert_never", "cast"}
    ),
}
"""All that a contract may import of the standard library."""

_DECORATORS: Final = frozenset({"transaction", "query", "clock", "property", "staticmethod", "classmethod", "unique"})
_CATCHABLE: Final = frozenset({"VerificationError", "DecodeError"})
_RAISABLE: Final = frozenset({"ContractError", "VerificationError", "ValueError", "AssertionError"})
_CLASS_KEYWORDS: Final = frozenset({"tag", "tag_field", "frozen", "kw_only"})
_SET_METHODS: Final = frozenset({"intersection", "symmetric_difference", "issubset", "issuperset", "isdisjoint"})
_INTROSPECTION: Final = re.compile(
    r"(gi|f|tb|co|cr|ag|func)_.*|mro|with_traceback|format|format_map|translate|maketrans"
)
_UNBOUNDED: Final = frozenset(
    {"expandtabs", "casefold", "title", "capitalize", "swapcase", "isprintable", "isidentifier", "is_integer"}
)
_FORMAT_SPEC: Final = re.compile(r"[<>=^]?0?[0-9]{0,2},?[bdoxXs]?")

_NODES: Final[Mapping[type[ast.AST], tuple[str, str]]] = {
    ast.Set: ("a set display", "a tuple, sorted where order matters"),
    ast.SetComp: ("a set comprehension", "a dict or a sorted tuple"),
    ast.Pow: ("**", "multiplication"),
    ast.LShift: ("<<", "multiplication"),
    ast.MatMult: ("@", "a function call"),
    ast.Global: ("global", "a table"),
    ast.Nonlocal: ("nonlocal", "a return value"),
    ast.AsyncFunctionDef: ("async def", "a plain function"),
    ast.AsyncFor: ("async for", "a plain loop"),
    ast.AsyncWith: ("async with", "a plain statement"),
    ast.Await: ("await", "a plain call"),
    ast.Yield: ("yield", "a tuple that is returned"),
    ast.YieldFrom: ("yield from", "a tuple that is returned"),
    ast.With: ("with", "a plain statement"),
    ast.TryStar: ("except*", "a check before the call"),
    ast.Import: ("import", "from MODULE import NAME"),
    ast.Delete: ("del", "a new value, or the table's delete"),
    ast.MatchStar: ("a star in a pattern", "a slice"),
}


_CONSUMERS: Final = frozenset({"tuple", "sum", "max", "min", "any", "all", "len"})


class Refusal(NamedTuple):
    """One thing a contract may not contain."""

    module: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        """Say where, what, and what to write instead."""
        return f"{self.module.replace('.', '/')}.py:{self.line}: found {self.found}; write {self.instead}"


class Checked(NamedTuple):
    """A contract module, read and walked once: what was checked is what is metered and run."""

    tree: ast.Module
    """By the grammar of OLDEST_PYTHON, as far as newer Pythons can tell it; empty if it is no valid Python."""
    nodes: tuple[ast.AST, ...]
    """All of the tree, in the order of `ast.walk`."""
    refusals: tuple[Refusal, ...]
    """Everything in it that is refused, by line."""


def check_source(module: str, source: str) -> Checked:
    """Read a contract module and look for everything that is refused.

    Args:
        module: Its dotted name.
        source: Its text.
    """
    try:
        tree = ast.parse(source, filename=module, feature_version=OLDEST_PYTHON)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        refusal = Refusal(module, line, f"a syntax error ({error})", "valid Python")
        return Checked(ast.Module([], []), (), (refusal,))
    nodes = tuple(ast.walk(tree))
    checker = _Checker(nodes)
    checker.visit(tree)
    checker.check_module_level(tree, nodes)
    checker.check_recursion(nodes)
    refusals = sorted(set(checker.found))
    return Checked(tree, nodes, tuple(Refusal(module, line, found, instead) for line, found, instead in refusals))


def imported_modules(nodes: tuple[ast.AST, ...], known: Collection[str]) -> Iterator[str]:
    """Yield the contract modules that a checked module imports, submodules imported by name included.

    Args:
        nodes: Of the module's tree.
        known: The modules whose source was given; a package without text of its own need not be among them.
    """
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "contracts":
            submodules = [name for item in node.names if (name := f"{node.module}.{item.name}") in known]
            if node.module in known or len(submodules) < len(node.names):
                yield node.module
            yield from submodules


class _Checker(ast.NodeVisitor):
    """Collects refusals of one module."""

    def __init__(self, nodes: tuple[ast.AST, ...]) -> None:
        self.found: list[tuple[int, str, str]] = []
        self._bound = bound_names(nodes)
        self._type_places = type_places(nodes)
        self._fractions = fraction_names(nodes)

    def refuse(self, node: ast.AST, found: str, instead: str) -> None:
        """Note a refusal at a node's line."""
        self.found.append((getattr(node, "lineno", 1), found, instead))

    def generic_visit(self, node: ast.AST) -> None:
        """Refuse the node types that no contract has, then go on below."""
        operator: ast.AST = getattr(node, "op", node)
        for kind in {type(node): None, type(operator): None}:
            if kind in _NODES and not _is_constant_power(node):
                self.refuse(node, *_NODES[kind])
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.operator):
                self.visit(child)

    # ---------------------------------------------------------------------------------------- what a name may be

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Allow the contract API, contracts, and a few standard names."""
        module = node.module or ""
        names = [item.name for item in node.names]
        for item in node.names:
            bound = item.asname or item.name
            if "__" in bound or (bound in guards.CALLS and bound != "Fraction"):
                self.refuse(node, f"the name {bound}", "another name")
            if item.name == "Fraction" and bound != "Fraction":
                self.refuse(node, "Fraction under another name", "from fractions import Fraction")
        if node.level or "*" in names:
            self.refuse(
                node, f"from {'.' * node.level}{module} import {', '.join(names)}", "absolute names, one by one"
            )
        elif module in STANDARD_NAMES:
            unknown = [name for name in names if name not in STANDARD_NAMES[module]]
            if unknown:
                allowed = ", ".join(sorted(STANDARD_NAMES[module]))
                self.refuse(node, f"from {module} import {', '.join(unknown)}", f"one of {allowed}, or plain code")
        elif module != API_MODULE and module.split(".")[0] != "contracts":
            self.refuse(node, f"an import of {module}", f"what {API_MODULE} offers, or ask for it there")

    def visit_Name(self, node: ast.Name) -> None:
        """Allow names of the module and the builtins that are left."""
        if "__" in node.id:
            self.refuse(node, f"the name {node.id}", "a name without double underscores")
        elif isinstance(node.ctx, ast.Load):
            if node.id not in self._bound and node.id not in guards.BUILTINS:
                self.refuse(node, f"the name {node.id}", _instead_of(node.id))
            elif node.id in guards.CALLS and id(node) not in self._type_places:
                self.refuse(node, f"the type {node.id} as a value", f"a call of {node.id} where it is needed")
        elif node.id in guards.BUILTINS or node.id in guards.CALLS:
            self.refuse(node, f"an assignment to {node.id}", "another name")

    def visit_arg(self, node: ast.arg) -> None:
        """Refuse parameters that hide what metering counts on."""
        self._check_annotation(node.annotation)
        if node.arg in guards.BUILTINS or node.arg in guards.CALLS or "__" in node.arg:
            self.refuse(node, f"a parameter {node.arg}", "another name")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Refuse annotations that do more than name types."""
        self._check_annotation(node.annotation)
        self.generic_visit(node)

    def _check_annotation(self, annotation: ast.expr | None) -> None:
        """Refuse work in an annotation, which is not metered: it names types, and may call Meta."""
        for node in () if annotation is None else ast.walk(annotation):
            works = isinstance(node, ast.Lambda | ast.NamedExpr | ast.comprehension)
            works |= isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "Meta")
            works |= isinstance(node, ast.BinOp) and not (
                isinstance(node.op, ast.BitOr | ast.Sub | ast.Add) or _is_constant_power(node)
            )
            if works:
                self.refuse(node, "this annotation", "types by their names, with Meta at most")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Refuse introspection, assignment, and what belongs to others."""
        name = node.attr
        own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        if "__" in name or (name.startswith("_") and not own):
            self.refuse(node, f"the attribute {name}", "a public name, or a method of your own class")
        elif _INTROSPECTION.fullmatch(name) or name in _UNBOUNDED:
            self.refuse(node, f"the attribute {name}", "an f-string, or plain code")
        elif name in _SET_METHODS:
            self.refuse(node, f"the set method {name}", "a dict, or a loop over a sorted tuple")
        if not isinstance(node.ctx, ast.Load):
            self.refuse(node, f"an assignment to .{name}", "a table's put, or a local name")
        self.generic_visit(node)

    # ---------------------------------------------------------------------------------------- values

    def visit_Constant(self, node: ast.Constant) -> None:
        """Refuse floats and integers above the bound."""
        if isinstance(node.value, float | complex):
            self.refuse(
                node, f"the number {node.value!r}", "integers of the smallest unit, or Fraction(numerator, denominator)"
            )
        elif isinstance(node.value, int) and node.value.bit_length() > INTEGER_BITS_MAX:
            self.refuse(node, "an integer above the bound", f"at most {INTEGER_BITS_MAX} bits")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Refuse `/` where neither side is said to be a Fraction; the guard looks again when it runs."""
        if isinstance(node.op, ast.Div) and self._is_integer(node.left) and self._is_integer(node.right):
            self.refuse(node, "/ between integers", "// or Fraction(numerator, denominator)")
        self.generic_visit(node)

    def _is_integer(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and node.func.id in {"int", "len", "sum", "round"}
        if isinstance(node, ast.Name):
            return node.id not in self._fractions
        return isinstance(node, ast.Constant)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Refuse the change of a slice in place."""
        if isinstance(node.target, ast.Subscript) and isinstance(node.target.slice, ast.Slice):
            self.refuse(node, "the change of a slice in place", "a new list")
        self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        """Allow short, constant formats of integers and text."""
        if node.conversion != -1:
            self.refuse(node, "a conversion in an f-string", "the value alone")
        if node.format_spec is not None:
            parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
            texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if len(texts) != len(parts) or not _FORMAT_SPEC.fullmatch("".join(texts)):
                self.refuse(node, "this format in an f-string", "a constant width below 100 and one of b, d, o, x, s")
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        """Refuse double-starred arguments to guarded methods, whose bounds are read from the call."""
        guarded = isinstance(node.func, ast.Attribute) and node.func.attr in guards.METHODS
        if guarded and any(keyword.arg is None for keyword in node.keywords):
            self.refuse(node, "** in this call", "the arguments one by one")
        self.generic_visit(node)

    # ---------------------------------------------------------------------------------------- statements

    def visit_Try(self, node: ast.Try) -> None:
        """Allow the catching of declared errors; a contract that must fail rejects."""
        if node.finalbody:
            self.refuse(node.finalbody[0], "finally", "nothing: a failed transaction reverts by itself")
        for handler in node.handlers:
            if not isinstance(handler.type, ast.Name) or handler.type.id not in _CATCHABLE:
                self.refuse(handler, "this except", f"except {' or except '.join(sorted(_CATCHABLE))}")
            if handler.name is not None:
                self.refuse(
                    handler, f"except ... as {handler.name}", "except without a name: texts differ between nodes"
                )
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Allow declared errors only."""
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if not isinstance(raised, ast.Name) or raised.id not in _RAISABLE or node.cause is not None:
            self.refuse(node, "this raise", "reject(code, reason)")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """Refuse loops that nothing ends but the meter."""
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if endless and not any(isinstance(inner, ast.Break | ast.Return | ast.Raise) for inner in ast.walk(node)):
            self.refuse(node, "a loop without an end", "a condition, a break or a return")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Refuse special methods, unknown decorators and mutable defaults."""
        if "__" in node.name and node.name != "__post_init__":
            self.refuse(node, f"the method {node.name}", "a plain method")
        if node.name in guards.BUILTINS and node.name != "__post_init__":
            self.refuse(node, f"a function {node.name}", "another name")
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Name) or decorator.id not in _DECORATORS:
                self.refuse(decorator, "this decorator", f"one of {', '.join(sorted(_DECORATORS))}")
        self._check_annotation(node.returns)
        self._check_defaults(node.args)
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Refuse mutable defaults."""
        self._check_defaults(node.args)
        self.generic_visit(node)

    def _check_defaults(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None and not _is_immutable(default):
                self.refuse(default, "a mutable default", "a constant or a tuple")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Allow plain classes at the module's level: contracts, structs and enums."""
        for keyword in node.keywords:
            if keyword.arg not in _CLASS_KEYWORDS:
                self.refuse(node, f"the class keyword {keyword.arg}", f"one of {', '.join(sorted(_CLASS_KEYWORDS))}")
        for base in node.bases:
            if not isinstance(base, ast.Name | ast.Subscript | ast.Attribute):
                self.refuse(node, "a computed base class", "a class by its name")
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Name) or decorator.id != "unique":
                self.refuse(decorator, "this decorator", "a plain class")
        if node.name in guards.BUILTINS or node.name in guards.CALLS or "__" in node.name:
            self.refuse(node, f"a class {node.name}", "another name")
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Refuse a star in a loop's target: what it copies is not charged."""
        self._check_target(node.target)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Refuse a star in a comprehension's target."""
        self._check_target(node.target)
        self.generic_visit(node)

    def _check_target(self, target: ast.expr) -> None:
        if any(isinstance(node, ast.Starred) for node in ast.walk(target)):
            self.refuse(target, "a star in a loop's target", "an assignment in its body")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """Refuse what copies the rest of a mapping."""
        if node.rest is not None:
            self.refuse(node, "a star in a pattern", "the mapping itself")
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """Refuse patterns that read hidden attributes."""
        for name in node.kwd_attrs:
            if name.startswith("_"):
                self.refuse(node, f"the attribute {name}", "a public name")
        self.generic_visit(node)

    # ---------------------------------------------------------------------------------------- whole module

    def check_module_level(self, tree: ast.Module, nodes: tuple[ast.AST, ...]) -> None:
        """Refuse module and class level values that could change: constants are tuples, or dicts that get frozen."""
        classes = [node.body for node in nodes if isinstance(node, ast.ClassDef)]
        for body in (tree.body, *classes):
            for statement in body:
                if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                    frozen = statement.value if body is tree.body and is_constant_dict(statement.value) else None
                    for node in _walk_kept(statement.value):
                        if _is_mutable(node) and node is not frozen:
                            self.refuse(node, "a mutable value at module or class level", "a tuple, or a function")
                elif isinstance(statement, ast.For | ast.While | ast.AugAssign | ast.Try):
                    self.refuse(statement, "a statement with effects at module or class level", "a constant")

    def check_recursion(self, nodes: tuple[ast.AST, ...]) -> None:
        """Refuse cycles among the module's functions and methods."""
        for function, path in find_recursion(nodes):
            self.refuse(function, f"recursion ({' -> '.join(path)})", "a loop with a bound")


def _walk_kept(value: ast.expr) -> Iterator[ast.AST]:
    """Walk what a constant keeps: not what `tuple(...)` and the like consume."""
    yield value
    consumed = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _CONSUMERS
    if not consumed:
        for child in ast.iter_child_nodes(value):
            if isinstance(child, ast.expr):
                yield from _walk_kept(child)


def _is_mutable(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in {"list", "dict", "sorted", "iter"}
    return isinstance(node, ast.List | ast.Dict | ast.ListComp | ast.DictComp | ast.GeneratorExp)


def _is_constant_power(node: ast.AST) -> bool:
    """Whether a node is a small power written out, such as 2**53: the compiler makes a constant of it."""
    match node:
        case ast.BinOp(left=ast.Constant(value=int(base)), op=ast.Pow(), right=ast.Constant(value=int(exponent))):
            return 0 <= base <= 10 and 0 <= exponent <= 128
    return False


def _is_immutable(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(_is_immutable(item) for item in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _is_immutable(node.operand)
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute)


_INSTEAD: Final[Mapping[str, str]] = {
    "set": "a dict or a sorted tuple",
    "frozenset": "a sorted tuple",
    "float": "Fraction or integers",
    "pow": "multiplication",
    "hash": "hash_tagged",
    "repr": "an f-string",
    "Exception": "VerificationError or DecodeError",
}


def _instead_of(name: str) -> str:
    return _INSTEAD.get(name, f"what {API_MODULE} offers, or plain code")
