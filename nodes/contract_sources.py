"""The members' contracts as source text: those of this installation, and those that a home folder keeps by hash.

The core reads no files, so whoever starts a node, founds a network or re-executes a chain hands it a library. What is
read here is hashed by the loader and compared with the pins; nothing runs whose hashes differ by a byte.

    HOME/contracts/HASH/     one whole set: contracts/*.py, and the platform modules that its hashes cover
                             HASH is of the set's pins, so that the set in force at a height is found by its pins

A set is archived at the founding, when a node starts with it, and by `xinpei contract add`; none is ever removed, so
old heights and old dossiers are executed with the code that ran them. The platform's texts are kept to explain a hash
and are never executed: what runs is this installation. If they differ, this installation cannot run that set, and says
which module of the platform is another.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ledger.codec import encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import LedgerError
from ledger.execution.contract import Table
from ledger.execution.loader import (
    PLATFORM_MODULES,
    ContractLoadError,
    ContractSet,
    LoadedContract,
    hash_modules,
    load_contracts,
)
from ledger.genesis import ContractPin

ADJUDICATOR = "adjudication"
"""The contract whose cases and decisions members keep."""


def read_sources() -> dict[str, str]:
    """Return dotted module name -> source text of all contracts and of the platform modules that pin them.

    Raises:
        LedgerError: If a source is not there: the installation has compiled files only.
    """
    return read_platform() | read_tree(_source_path("contracts").parent)


def read_platform() -> dict[str, str]:
    """Return the texts of the platform modules of this installation."""
    return {name: _source_path(name).read_text(encoding="utf-8") for name in PLATFORM_MODULES}


def read_tree(folder: Path) -> dict[str, str]:
    """Return dotted module name -> source text of a folder that holds the package `contracts`.

    Raises:
        ContractLoadError: If there is no contract in it.
    """
    sources: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = ("contracts", *path.relative_to(folder).with_suffix("").parts)
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    if not sources:
        msg = f"{folder}: expected a folder of contract modules, found no .py file"
        raise ContractLoadError(msg)
    return sources


@cache
def load_installed_contracts() -> ContractSet:
    """Return the installed contracts, checked and metered; loaded once in a process."""
    return load_contracts(read_sources())


def set_hash(pins: tuple[ContractPin, ...]) -> bytes:
    """Return the name of a whole set: the hash of its pins, sorted by contract."""
    return hash_tagged("xinpei/contract-set/v1", encode(pins))


def list_table_changes(before: ContractSet, after: ContractSet) -> list[str]:
    """Return what rows written by one set could not be read by another: missing contracts and tables, changed forms.

    The cases and decisions of the adjudicator are rows of nobody's, but members keep them: what opens a settlement is
    read in the form that is installed.
    """
    changes: list[str] = []
    for name, loaded in before.contracts.items():
        successor = after.get(name)
        if successor is None:
            changes.append(f"contract {name} is missing; what it has written stays, and nobody can read it")
            continue
        tables = _tables(successor)
        for table, form in _tables(loaded).items():
            if tables.get(table) != form:
                gone = "is missing" if table not in tables else "has rows of another form"
                changes.append(f"table {name}.{table} {gone}; rows that are there would not be read")
        if name == ADJUDICATOR and _cases(successor) != _cases(loaded):
            changes.append(
                f"contract {name} has cases or decisions of another form; of what was settled before the openings "
                "would not be read: nothing of it is paid, corrected or revealed any more"
            )
    return changes


def _tables(loaded: LoadedContract) -> dict[str, str]:
    """Return each table's name with the form of its rows, as text that is equal for equal forms."""
    found = (getattr(loaded.kind, attribute) for attribute in dir(loaded.kind))
    return {item.name: _form(msgspec.inspect.type_info(item.kind)) for item in found if isinstance(item, Table)}


def _cases(loaded: LoadedContract) -> dict[str, str]:
    """Return the form of what an adjudicator is asked and answers."""
    kinds = getattr(getattr(loaded.kind, "decide", None), "__annotations__", {})
    return {word: _form(msgspec.inspect.type_info(kind)) for word, kind in kinds.items()}


def _form(info: Any) -> str:
    """Return the form of a type: its fields, bounds and tags, without the classes, which differ between two sets."""
    if isinstance(info, msgspec.inspect.StructType):
        fields = ",".join(f"{field.name}:{_form(field.type)}" for field in info.fields)
        return f"struct[{info.tag}]({fields})"
    if isinstance(info, msgspec.Struct):
        names = [name for name in info.__struct_fields__ if name != "cls"]
        return f"{type(info).__name__}({','.join(f'{name}={_form(getattr(info, name))}' for name in names)})"
    if isinstance(info, tuple | list):
        return f"[{','.join(map(_form, info))}]"
    return repr(info)


class ContractArchive:
    """The contract sets of one home folder: a library for `ledger.application`."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first set."""
        self.folder = folder
        self._loaded: dict[tuple[ContractPin, ...], ContractSet] = {}
        self._refused: dict[tuple[ContractPin, ...], str] = {}
        """Why a set that is kept here cannot be run. It is not read again at every block: that takes seconds."""

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        """Return the set with these pins: the installed one, or one that is kept here.

        Raises:
            MissingContractError: If it is neither, naming the first contract of which this installation has another.
            ContractLoadError: If it is kept here and was changed, or needs another platform; once mended, it is found
                by the next process.
        """
        if pins in self._refused:
            raise ContractLoadError(self._refused[pins])
        if pins not in self._loaded:
            installed = load_installed_contracts()
            if installed.pins() == pins or not self._path(pins).is_dir():
                self._loaded[pins] = installed.find(pins)
            else:
                try:
                    self._loaded[pins] = self._read(self._path(pins).name)
                except ContractLoadError as error:
                    self._refused[pins] = str(error)
                    raise
        return self._loaded[pins]

    def keep(self, sources: Mapping[str, str]) -> ContractSet:
        """Load a set and keep its sources, once.

        Args:
            sources: As `read_sources` gives them.

        Raises:
            ContractLoadError: If the set cannot be loaded; nothing is kept.
        """
        loaded = load_contracts(sources)
        self._write(loaded.pins(), sources)
        self._loaded[loaded.pins()] = loaded
        return loaded

    def keep_installed(self) -> None:
        """Keep the installed set, so that it is found after this installation was replaced."""
        self._write(load_installed_contracts().pins(), read_sources())

    def load(self, name: str) -> ContractSet:
        """Return the set that is kept under a name.

        Raises:
            ContractLoadError: If there is none, it was changed, or it needs another platform.
        """
        if name not in self.list_sets():
            msg = f"set: expected one of {', '.join(self.list_sets()) or 'none'}, got {name[:80]!r}"
            raise ContractLoadError(msg)
        return self._read(name)

    def find_contract(self, name: str, code_hash: bytes) -> tuple[ContractSet | None, list[str]]:
        """Return a set that is kept here and has a contract with this code, and why others could not be looked at.

        Sets are compared by their texts; none is executed that has no module with this hash.

        Args:
            name: The contract's.
            code_hash: Of all that it depends on. The set's other contracts may be any.
        """
        for known in self._loaded.values():
            if _has(known, name, code_hash):
                return known, []
        refused: list[str] = []
        for kept in self.list_sets():
            try:
                if code_hash not in hash_modules(self._read_texts(self.folder / kept)).values():
                    continue
                found = self._read(kept)
            except ContractLoadError as error:
                refused.append(str(error))
                continue
            if _has(found, name, code_hash):
                return found, []
        return None, refused

    def list_sets(self) -> list[str]:
        """Return the names of all sets that are kept here, sorted."""
        return sorted(path.name for path in self.folder.glob("[0-9a-f]*") if path.is_dir())

    def _path(self, pins: tuple[ContractPin, ...]) -> Path:
        return self.folder / set_hash(pins).hex()

    def _write(self, pins: tuple[ContractPin, ...], sources: Mapping[str, str]) -> None:
        """Write a whole set or nothing; several processes may do so at once, all with the same bytes."""
        place = self._path(pins)
        if place.is_dir():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as scratch:
            fresh = Path(scratch) / "set"
            for name, text in sources.items():
                is_package = any(other.startswith(f"{name}.") for other in sources)
                path = fresh / Path(*name.split(".")) / "__init__.py" if is_package else fresh / _module_path(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            try:
                fresh.rename(place)
            except OSError:
                if not place.is_dir():  # another process was quicker, and wrote the same
                    raise
                shutil.rmtree(fresh)

    def _read(self, name: str) -> ContractSet:
        place = self.folder / name
        sources = self._read_texts(place)
        loaded = load_contracts(sources)
        if set_hash(loaded.pins()).hex() != name:
            msg = f"{place}: its sources do not have the hashes they are kept under; restore them from another member"
            raise ContractLoadError(msg)
        return loaded

    def _read_texts(self, place: Path) -> dict[str, str]:
        try:
            platform = read_platform()
            for module, text in platform.items():
                path = place / _module_path(module)
                if not path.is_file() or path.read_text(encoding="utf-8") != text:
                    msg = (
                        f"{place}: these contracts were made for another {module} than this installation has; run the "
                        "version of xinpei that they were added with"
                    )
                    raise ContractLoadError(msg)
            return platform | read_tree(place / "contracts")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{place}: its sources cannot be read ({error}); restore them from another member"
            raise ContractLoadError(msg) from error


def _has(contracts: ContractSet, name: str, code_hash: bytes) -> bool:
    loaded = contracts.get(name)
    return loaded is not None and loaded.code_hash == code_hash


def _module_path(name: str) -> Path:
    return Path(*name.split(".")).with_suffix(".py")


def _source_path(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        msg = f"{module}: expected its source file in this installation, found none; install xinpei from source"
        raise LedgerError(msg)
    return Path(spec.origin)
