"""The members' contracts as this installation has them: source text, read from the installed packages.

The core reads no files, so whoever starts a node, founds a network or re-executes a chain hands it the sources. What
is read here is hashed by the loader and compared with the genesis; a node whose sources differ refuses to start.
"""

import importlib.util
from pathlib import Path

from ledger.errors import LedgerError
from ledger.execution.loader import PLATFORM_MODULES, ContractSet, load_contracts


def read_sources() -> dict[str, str]:
    """Return dotted module name -> source text of all contracts and of the platform modules that pin them.

    Raises:
        LedgerError: If a source is not there: the installation has compiled files only.
    """
    root = _source_path("contracts").parent
    sources = {name: _source_path(name).read_text(encoding="utf-8") for name in PLATFORM_MODULES}
    for path in sorted(root.rglob("*.py")):
        parts = ("contracts", *path.relative_to(root).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = path.read_text(encoding="utf-8")
    return sources


def load_installed_contracts() -> ContractSet:
    """Return the installed contracts, checked and metered."""
    return load_contracts(read_sources())


def _source_path(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        msg = f"{module}: expected its source file in this installation, found none; install xinpei from source"
        raise LedgerError(msg)
    return Path(spec.origin)
