"""The architecture and the house style, as far as a machine can see them.

The two boundaries are import rules: what the core may see, and what a contract may see. The rest keeps the tree
readable: modules that say what they are, in a size that can be read at once, without the marks of unfinished work.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ledger", "contracts", "nodes")
MODULE_LINES_MAX = 500
"""The aim is 100 to 300; here it ends."""
FUNCTION_LINES_MAX = 75
BANNED_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}

CORE_IMPORTS = {
    *("ast", "base64", "bisect", "builtins", "collections", "contextlib", "contextvars", "copy", "dataclasses"),
    *(
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "math",
        "operator",
        "re",
        "string",
        "types",
        "typing",
    ),
    *("msgspec", "nacl", "ledger"),
}
"""What the deterministic core may import: computation only."""

CONTRACT_IMPORTS = {"enum", "fractions", "typing", "contracts", "ledger"}
"""What a contract may import; of `ledger` only `ledger.execution.contract`."""

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = sorted(
    path
    for folder in (*PACKAGES, "tests", "scripts", "docs", "requirements", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path != Path(__file__)
) + sorted(path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"})

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError|mark\.(skip|xfail)")
PRIVATE_PATH = re.compile(r"/root/|/home/\w|/Users/\w|/work/|\.pyenv")

RUNS_CONTRACTS = {"ledger/execution/executor.py", "ledger/execution/loader.py"}
"""Where the members' code is run: it may raise anything, and must stop no node."""


def name(path: Path) -> str:
    """Return a path as the reader of a failure knows it."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of every module that a tree imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module


def project() -> dict[str, list[str]]:
    """Return the `project` table of pyproject.toml."""
    table: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def dependencies() -> list[str]:
    """Return the names of the packages that a node needs."""
    return [re.split(r"[<>=~!;\[ ]", line, maxsplit=1)[0] for line in project()["dependencies"]]


def test_imports_go_down_only() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "ledger").rglob("*.py")), ids=name)
def test_the_core_imports_computation_only(path: Path) -> None:
    found = {module.split(".")[0] for module in imports(parse(path))}
    assert found <= CORE_IMPORTS


@pytest.mark.parametrize("path", sorted((ROOT / "contracts").rglob("*.py")), ids=name)
def test_a_contract_sees_one_module_of_the_core(path: Path) -> None:
    found = set(imports(parse(path)))
    assert {module.split(".")[0] for module in found} <= CONTRACT_IMPORTS
    assert {module for module in found if module.split(".")[0] == "ledger"} <= {"ledger.execution.contract"}


@pytest.mark.parametrize("path", MODULES + TESTS, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(parse(path))
    assert docstring, f"{name(path)} has no docstring"
    assert docstring.splitlines()[0].endswith((".", ":", "?")), "the first line is a sentence"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_can_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_named_for_its_subject(path: Path) -> None:
    words = set(re.split(r"[/_.]", name(path)))
    assert not words & BANNED_NAMES


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_only_named_errors_are_caught(path: Path) -> None:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno} catches everything"
            caught = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
            passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if caught & {"Exception", "BaseException"} and not passes_on:
                assert name(path) in RUNS_CONTRACTS, f"line {node.lineno} catches everything"


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_nothing_is_unfinished_and_no_private_path_is_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not UNFINISHED.search(text)
    assert not PRIVATE_PATH.search(text)


def test_only_the_real_bundles_may_be_absent_and_seeds_that_a_slow_machine_does_not_reach() -> None:
    skipping = [name(path) for path in TESTS if re.search(r"\b(importor)?skip\(", path.read_text(encoding="utf-8"))]
    assert skipping == ["tests/nodes/conftest.py", "tests/nodes/scenarios/test_seeds.py"]


def test_every_dependency_has_a_reason() -> None:
    decisions = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert [package for package in dependencies() if not re.search(rf"\b{re.escape(package)}\b", decisions)] == []


@pytest.mark.parametrize("lock", ["run", "development"])
def test_the_lock_pins_every_dependency_by_hash_and_names_no_index(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==\S+[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", text, re.MULTILINE)
    )
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert len(pinned) == len(lines)
    assert set(dependencies()) <= set(pinned)
    assert "://" not in text


def test_only_simulations_seal_by_a_stand_in() -> None:
    using = {name(path) for path in MODULES if "use_stand_in" in path.read_text(encoding="utf-8")}
    assert using == {"nodes/vault/sealing.py", "nodes/scenarios/faults.py", "nodes/scenarios/planning.py"}
