"""From contract sources to contracts: checked, metered, executed in namespaces of their own, and hashed.

The core reads no files: sources arrive as module name to text, those of `contracts.*` and those of the modules that
give them their meaning (`PLATFORM_MODULES`). A contract's code hash covers its module's whole import closure, the
platform's sources and the protocol version, so that two nodes with one hash run one code. Each loaded set has its
own modules: the `contracts.*` that Python imports for message types is another copy, and bytes are the boundary.

A contract module imports the contract API, other contract modules, and a few names of the standard library; the
import graph has no cycles, so calls between contracts have none either.
"""

import ast
import typing
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Final, TypeGuard

import msgspec

from ledger.codec import Name, Struct, decode, encode
from ledger.crypto.hashes import hash_bytes, hash_tagged
from ledger.errors import DecodeError, LedgerError
from ledger.execution import contract as contract_api
from ledger.execution import guards
from ledger.execution.constants import find_changeable
from ledger.execution.contract import CLOCK, Contract, MethodKind, Table, method_kind
from ledger.execution.meter import Meter, MeterExhaustedError, metered
from ledger.execution.metering import insert_charges
from ledger.execution.replay import REPLAY
from ledger.execution.static_check import API_MODULE, STANDARD_NAMES, check_source, imported_modules
from ledger.execution.store import CONSENSUS
from ledger.genesis import ContractPin
from ledger.limits import METER_UNITS_MAX, PROTOCOL_VERSION

PLATFORM_MODULES: Final = (
    "ledger.codec",
    "ledger.crypto.commitments",
    "ledger.crypto.hashes",
    "ledger.crypto.signatures",
    "ledger.crypto.totals",
    "ledger.errors",
    "ledger.execution.contract",
    "ledger.execution.executor",
    "ledger.execution.guards",
    "ledger.execution.meter",
    "ledger.execution.metering",
    "ledger.execution.primitives",
    "ledger.execution.replay",
    "ledger.execution.state",
    "ledger.genesis",
    "ledger.limits",
    "ledger.membership",
    "ledger.merkle",
    "ledger.transactions",
)
"""The modules of the core whose source is part of every code hash: all that the contract API and metering are made of,
and what runs the calls. Packages' own texts say nothing and are left out."""

RESERVED_NAMES: Final = frozenset({CLOCK, CONSENSUS, REPLAY})
"""The system's own entries in the state."""


class ContractLoadError(LedgerError):
    """Contract sources that cannot be loaded; says where and what is wrong."""


class MissingContractError(LedgerError):
    """Code that the members agreed on and that is not here."""

    def __init__(self, contract: str, expected: bytes | None, found: bytes | None) -> None:
        """Name the contract.

        Args:
            contract: Its name.
            expected: The code hash that is pinned; None if the contract is not pinned at all.
            found: What is here instead, if anything.
        """
        pinned = "not pinned" if expected is None else f"code {expected.hex()} is pinned"
        here = "none" if found is None else found.hex()
        super().__init__(
            f"contract {contract}: {pinned}, this node has {here}; add the sources that the members agreed on, and "
            "start the node again"
        )
        self.contract = contract
        self.code_hash = expected


class ContractMethod:
    """One marked method: how it is called and with what."""

    __slots__ = ("kind", "message", "name", "result")

    def __init__(self, name: str, kind: MethodKind, message: type[Struct], result: object) -> None:
        """Describe a method.

        Args:
            name: Its name.
            kind: How it is marked.
            message: The struct it takes.
            result: Its return annotation; of interest for queries.
        """
        self.name = name
        self.kind = kind
        self.message = message
        self.result = result


class LoadedContract:
    """A contract of one set: its metered class, its methods and its code hash."""

    __slots__ = ("code_hash", "kind", "methods", "name")

    def __init__(self, kind: type[Contract], code_hash: bytes) -> None:
        """Read the method table of a contract class.

        Args:
            kind: The metered class.
            code_hash: The hash of everything it depends on.

        Raises:
            ContractLoadError: If a marked method does not take exactly one struct, or something cannot be decoded.
        """
        self.name = kind.name
        self.kind = kind
        self.code_hash = code_hash
        self.methods = {method.name: method for method in _read_methods(kind)}
        for method in self.methods.values():
            _check_decodable(f"{self.name}.{method.name}", method.message)
        for attribute in dir(kind):
            if isinstance(table := getattr(kind, attribute), Table):
                _check_decodable(f"{self.name}.{attribute}", table.kind)

    def method(self, name: str, kind: MethodKind) -> ContractMethod | None:
        """Return the method of this name if it is marked as `kind`."""
        method = self.methods.get(name)
        return method if method is not None and method.kind == kind else None


class ContractSet:
    """All contracts of one chain, by name."""

    def __init__(self, contracts: Mapping[str, LoadedContract]) -> None:
        """Hold loaded contracts.

        Args:
            contracts: Name to contract.
        """
        self.contracts = {name: contracts[name] for name in sorted(contracts)}

    def get(self, name: str) -> LoadedContract | None:
        """Return the contract of this name, or None."""
        return self.contracts.get(name)

    def pins(self) -> tuple[ContractPin, ...]:
        """Return what a genesis with exactly these contracts pins, sorted by name."""
        return tuple(ContractPin(name, loaded.code_hash) for name, loaded in self.contracts.items())

    def find(self, pins: tuple[ContractPin, ...]) -> "ContractSet":
        """Return this set if it is the one with these pins: a set is a library of itself.

        Raises:
            MissingContractError: Naming the first contract that differs.
        """
        wanted = {pin.name: pin.code_hash for pin in pins}
        here = {pin.name: pin.code_hash for pin in self.pins()}
        for name in sorted(wanted.keys() | here.keys()):
            if wanted.get(name) != here.get(name):
                raise MissingContractError(name, wanted.get(name), here.get(name))
        return self


def load_contracts(sources: Mapping[str, str]) -> ContractSet:
    """Check, meter and execute contract modules.

    Args:
        sources: Dotted module name to source text: every `contracts.*` module wanted, and `PLATFORM_MODULES`. A
            package goes by its own name, without `__init__`.

    Raises:
        ContractLoadError: Naming module, line and what to write instead.
    """
    return _Loader(sources).load()


def hash_modules(sources: Mapping[str, str]) -> dict[str, bytes]:
    """Return the code hash that a contract in each contract module has; nothing of it is executed.

    Args:
        sources: As for `load_contracts`.

    Raises:
        ContractLoadError: Naming module, line and what to write instead.
    """
    return _Loader(sources).hash_all()


class _Loader:
    """The modules of one set while they are being loaded."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        missing = [name for name in PLATFORM_MODULES if name not in sources]
        if missing:
            msg = f"contract sources: expected the text of {', '.join(missing)} too; code hashes cover it"
            raise ContractLoadError(msg)
        self._sources = {name: text for name, text in sources.items() if name.split(".")[0] == "contracts"}
        self._platform = [(name, hash_bytes(sources[name].encode())) for name in PLATFORM_MODULES]
        self._modules: dict[str, ModuleType] = {}
        self._trees: dict[str, ast.Module] = {}
        self._imports: dict[str, tuple[str, ...]] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._loading: list[str] = []
        self._names = SimpleNamespace(
            **{name: getattr(contract_api, name) for name in contract_api.__all__},
        )

    def load(self) -> ContractSet:
        """Load every module, collect every contract."""
        contracts: dict[str, LoadedContract] = {}
        for module_name in sorted(self._sources):
            module = self._load_module(module_name)
            for kind in vars(module).values():
                if not isinstance(kind, type) or not issubclass(kind, Contract) or kind.__module__ != module.__name__:
                    continue
                name = getattr(kind, "name", None)
                if not _is_name(name) or name in RESERVED_NAMES or name in contracts:
                    msg = f"{module_name}.{kind.__name__}: expected a contract name of its own, got {name!r}"
                    raise ContractLoadError(msg)
                contracts[name] = LoadedContract(kind, self._code_hash(module_name))
        return ContractSet(contracts)

    def _code_hash(self, module_name: str) -> bytes:
        closure = [(name, hash_bytes(self._sources[name].encode())) for name in sorted(self._closures[module_name])]
        return hash_tagged("xinpei/contract-code/v1", encode((PROTOCOL_VERSION, self._platform, closure)))

    def hash_all(self) -> dict[str, bytes]:
        """Check every module, and hash it with all that it imports."""
        for name in sorted(self._sources):
            self._close(name)
        return {name: self._code_hash(name) for name in sorted(self._sources)}

    def _close(self, name: str) -> None:
        """Check a module and find all that it imports, by its text alone."""
        if name in self._closures:
            return
        if name in self._loading:
            msg = f"{name}: imports itself by way of {' -> '.join([*self._loading, name])}; cut the cycle"
            raise ContractLoadError(msg)
        source = self._sources.get(name)
        if source is None:
            msg = f"{name}: imported by {self._loading[-1]}, but its source was not given"
            raise ContractLoadError(msg)
        checked = check_source(name, source)
        if checked.refusals:
            raise ContractLoadError("\n".join(map(str, checked.refusals)))
        self._trees[name] = checked.tree
        self._imports[name] = tuple(imported_modules(checked.nodes, self._sources))
        self._loading.append(name)
        closure = {name}
        for imported in self._imports[name]:
            self._close(imported)
            closure |= self._closures[imported]
        self._closures[name] = frozenset(closure)
        self._loading.pop()

    def _load_module(self, name: str) -> ModuleType:
        if name not in self._modules:
            self._close(name)
            for imported in self._imports[name]:
                self._load_module(imported)
            self._modules[name] = self._execute(name, self._trees[name])
        return self._modules[name]

    def _execute(self, name: str, tree: ast.Module) -> ModuleType:
        module = ModuleType(f"metered:{name}", ast.get_docstring(tree))
        namespace = vars(module)
        namespace.update(guards.NAMESPACE)
        namespace["__builtins__"] = {**guards.BUILTINS, "__import__": self._import}
        code = compile(insert_charges(tree), f"<{name}>", "exec", dont_inherit=True, optimize=0)
        try:
            with metered(Meter(METER_UNITS_MAX)):
                exec(code, namespace)  # noqa: S102 - checked, metered, and pinned by hash
        except (Exception, MeterExhaustedError) as error:
            msg = f"{name}: cannot be executed: {type(error).__name__}: {error}"
            raise ContractLoadError(msg) from error
        for kept in find_changeable(namespace):
            msg = f"{name}: {kept} keeps a value that can change; keep a tuple, or make it in a function"
            raise ContractLoadError(msg)
        return module

    def _import(self, name: str, _globals: object, _locals: object, fromlist: tuple[str, ...], _level: int) -> object:
        """Stand in for `__import__`; the static check lets `from X import a` pass only."""
        if name == API_MODULE:
            return self._names
        if name in STANDARD_NAMES:
            origin = __import__(name, fromlist=["*"])
            return SimpleNamespace(**{item: getattr(origin, item) for item in STANDARD_NAMES[name]})
        module = self._load_module(name) if name in self._sources else ModuleType(name)
        for item in fromlist:
            if not hasattr(module, item) and f"{name}.{item}" in self._sources:
                setattr(module, item, self._load_module(f"{name}.{item}"))
        return module


def _read_methods(kind: type[Contract]) -> Iterator[ContractMethod]:
    for name in dir(kind):
        function = getattr(kind, name)
        marked = method_kind(function)
        if marked is None or not isinstance(function, FunctionType):
            continue
        hints = typing.get_type_hints(function, include_extras=True)
        result = hints.pop("return", None)
        code = function.__code__
        messages = [
            hints.get(parameter) for parameter in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        ]
        if len(messages) != 1 or not isinstance(messages[0], type) or not issubclass(messages[0], Struct):
            msg = f"{kind.name}.{name}: expected exactly one parameter, annotated with a Struct"
            raise ContractLoadError(msg)
        yield ContractMethod(name, marked, messages[0], result)


def _check_decodable(where: str, kind: object) -> None:
    """Refuse at loading what would otherwise fail at the first message or row."""
    try:
        msgspec.msgpack.Decoder(kind)
    except (TypeError, NameError) as error:
        msg = f"{where}: expected a type that the codec can decode: {error}"
        raise ContractLoadError(msg) from error


def _is_name(name: object) -> TypeGuard[str]:
    try:
        decode(encode(name), Name)
    except (DecodeError, UnicodeEncodeError, TypeError):
        return False
    return True
