"""Metering: charges inserted into a contract's syntax tree, so that every Python counts the same.

    where                          what is inserted
    function, lambda               one charge and one level of depth at entry
    loop body, comprehension       one charge per turn
    + - * / // % & | ^             a guarded operation (`ledger.execution.guards`)
    x += y                         the same, in place
    == < in, x[1:2], *x            what is compared, searched, sliced or unpacked is charged by its length
    list(...), str(...), ...       a guarded call that is charged by size
    x.join(...), x.replace(...)    a guarded call that is bounded before it runs; x.join alone is refused
    first, *rest = x               what is taken apart is charged by its length
    NAME = {...} at module level   becomes a read-only mapping
    a generator expression         becomes a list first: laziness would hide whose charge a turn is

Tracing counts differ between Python versions and so does bytecode; the nodes used here (`FunctionDef`, `For`,
`BinOp`, `Call`, ...) mean the same from 3.11 on. Annotations are left alone.

The inserted names have double underscores, which `static_check` refuses in contract source. What is inserted is
not a sandbox either: it bounds reviewed code that meets unforeseen arguments.
"""

import ast
from typing import TypeVar

from ledger.execution import guards

Node = TypeVar("Node", bound=ast.AST)


def insert_charges(tree: ast.Module) -> ast.Module:
    """Return the metered form of a checked module; the tree is changed in place."""
    metered: ast.Module = ast.fix_missing_locations(_Inserter().visit(tree))
    return metered


def is_constant_dict(value: ast.expr | None) -> bool:
    """Whether a module-level value is a dict that `insert_charges` makes read-only."""
    return isinstance(value, ast.Dict | ast.DictComp)


def _name(identifier: str) -> ast.Name:
    return ast.Name(identifier, ast.Load())


def _call(identifier: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_name(identifier), list(arguments), [])


def _statement(identifier: str) -> ast.stmt:
    return ast.Expr(_call(identifier))


class _Inserter(ast.NodeTransformer):
    """Rewrites every construct of the table above; everything else stays."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Freeze the module's constant dicts."""
        self.generic_visit(node)
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and is_constant_dict(statement.value):
                assert statement.value is not None, "a dict is a value"
                statement.value = _call("__freeze__", statement.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Enter at the first statement after the docstring, leave on every way out."""
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        node.args.kw_defaults = [self.visit(default) if default else None for default in node.args.kw_defaults]
        documented = ast.get_docstring(node, clean=False) is not None
        head, rest = node.body[: int(documented)], node.body[int(documented) :]
        body = [self.visit(statement) for statement in rest] or [ast.Pass()]
        guarded = ast.Try(body, [], [], [_statement("__leave__")])
        node.body = [*head, _statement("__enter__"), guarded]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """Run the body one level deeper."""
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        node.body = _call("__deeper__", ast.Lambda(nothing, self.visit(node.body)))
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        """Leave the annotation alone."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        """Charge each turn."""
        self.generic_visit(node)
        node.body.insert(0, _statement("__turn__"))
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        """Charge each turn."""
        self.generic_visit(node)
        node.body.insert(0, _statement("__turn__"))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        """Charge each turn, before the conditions."""
        self.generic_visit(node)
        node.ifs.insert(0, _call("__turn__"))
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.Call:
        """Evaluate at once, iterate over the result."""
        self.generic_visit(node)
        return _call("__iterate__", ast.ListComp(node.elt, node.generators))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Guard the operation."""
        self.generic_visit(node)
        guard = guards.OPERATIONS.get(type(node.op))
        return node if guard is None else _call(guard, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """Guard the operation on a name or an item."""
        self.generic_visit(node)
        guard = guards.OPERATIONS.get(type(node.op))
        if guard is None:
            return node
        in_place = ast.Constant(value=guard)
        if isinstance(node.target, ast.Subscript):
            target = node.target
            return ast.copy_location(
                ast.Expr(_call("__change_item__", in_place, target.value, target.slice, node.value)), node
            )
        assert isinstance(node.target, ast.Name), "static_check refuses assignments to attributes"
        current = _name(node.target.id)
        return ast.copy_location(ast.Assign([node.target], _call("__change__", in_place, current, node.value)), node)

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        """Charge what is compared with or searched by its length, constants apart."""
        self.generic_visit(node)
        node.comparators = [
            right
            if isinstance(right, ast.Constant) or isinstance(how, ast.Is | ast.IsNot)
            else _call("__pay_for__", right)
            for how, right in zip(node.ops, node.comparators, strict=True)
        ]
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Charge a slice by its length."""
        self.generic_visit(node)
        is_slice = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return _call("__pay_for__", node) if is_slice else node

    def visit_Starred(self, node: ast.Starred) -> ast.Starred:
        """Charge what is unpacked into a display or a call by its length."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _call("__pay_for__", node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.Dict:
        """Charge what is unpacked into a dict by its length."""
        self.generic_visit(node)
        node.values = [
            value if key is not None else _call("__pay_for__", value)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        """Format plain values only: the text of any other object may hold its address."""
        guard = "__plain__" if node.format_spec is None else "__formatted__"
        node.value = _call(guard, self.visit(node.value))
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """Guard calls of types by their name, and of methods that can grow."""
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in guards.METHODS:
            node.args = [ast.Constant(value=called.attr), called.value, *node.args]
            node.func = _name("__method__")
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in guards.CALLS:
            node.func = _name(guards.CALLS[node.func.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Guard the reading of a method that can grow: only calls of it are bounded."""
        self.generic_visit(node)
        if node.attr not in guards.METHODS or not isinstance(node.ctx, ast.Load):
            return node
        return _call("__field__", node.value, ast.Constant(value=node.attr))

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        """Leave the pattern alone."""
        node.guard = None if node.guard is None else self.visit(node.guard)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        """Charge what is taken apart into a list by its length."""
        self.generic_visit(node)
        if any(isinstance(inner, ast.Starred) for target in node.targets for inner in ast.walk(target)):
            node.value = _call("__pay_for__", node.value)
        return node
