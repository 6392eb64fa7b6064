"""A member's own books on a simulated disk: register and vault as they are in a node, but for the files.

They survive the crash of their node, and every write is an operation at which the node's disk may fail: so an agent
dies between any two of its writes.
"""

from collections.abc import Callable
from pathlib import Path

from nodes.entropy import Entropy
from nodes.vault.records import Vault, VaultError
from nodes.vault.register import ENTRY_BYTES_MAX, Register, RegisterError


class Shelf:
    """What lies on the disk for one member."""

    def __init__(self) -> None:
        """Start empty."""
        self.entries: dict[str, dict[str, bytes]] = {}
        """Kind -> id -> data of the register."""
        self.files: dict[tuple[str, str], bytes] = {}
        """(folder, record id) -> content of the vault."""
        self.erased: set[str] = set()

    @property
    def stored_bytes(self) -> int:
        """How much lies here."""
        kept = sum(len(data) for entries in self.entries.values() for data in entries.values())
        return kept + sum(len(data) for data in self.files.values())


class SimulatedRegister(Register):
    """A register whose entries lie on a shelf, and are sealed to nobody."""

    def __init__(self, shelf: Shelf, operate: Callable[[], None]) -> None:
        """Open the book.

        Args:
            shelf: What it holds.
            operate: Called before each write; raises if the disk fails.
        """
        self._shelf = shelf
        self._operate = operate

    def put(self, kind: str, entry_id: str, data: bytes) -> None:
        """Write an entry; as `Register.put`."""
        if len(data) > ENTRY_BYTES_MAX:
            msg = f"{kind}: expected at most {ENTRY_BYTES_MAX} bytes, got {len(data)}"
            raise RegisterError(msg)
        self._operate()
        self._shelf.entries.setdefault(kind, {})[entry_id] = data

    def get(self, kind: str, entry_id: str) -> bytes | None:
        """Return an entry's data, or None."""
        return self._shelf.entries.get(kind, {}).get(entry_id)

    def list_entries(self, kind: str) -> tuple[tuple[str, bytes], ...]:
        """Return (id, data) of all entries of a kind, sorted by id."""
        return tuple(sorted(self._shelf.entries.get(kind, {}).items()))

    def redact(self, kind: str, entry_id: str, data: bytes) -> None:
        """Replace an entry; a shelf keeps nothing of the former one."""
        self.put(kind, entry_id, data)

    def erase(self, kind: str, entry_id: str) -> None:
        """Remove an entry."""
        self._operate()
        self._shelf.entries.get(kind, {}).pop(entry_id, None)


class SimulatedVault(Vault):
    """A vault whose files lie on a shelf; payloads are encrypted as in a node."""

    def __init__(self, shelf: Shelf, operate: Callable[[], None], chain_id: str, entropy: Entropy) -> None:
        """Open the vault.

        Args:
            shelf: What it holds.
            operate: Called before each write; raises if the disk fails.
            chain_id: The chain that its records are on.
            entropy: Where data keys and salts come from.
        """
        self._shelf = shelf
        self._operate = operate
        self._chain_id = chain_id
        self._entropy = entropy
        self._payloads, self._keys, self._erased = Path("payloads"), Path("keys"), Path("erased")

    def erase(self, record_id: str) -> None:
        """Destroy a record for good."""
        self._operate()
        self._shelf.erased.add(record_id)
        for folder in ("keys", "payloads"):
            self._shelf.files.pop((folder, record_id), None)

    def is_erased(self, record_id: str) -> bool:
        """Whether this id was erased here."""
        return record_id in self._shelf.erased

    def __contains__(self, record_id: str) -> bool:
        """Whether the vault holds this record."""
        return ("keys", record_id) in self._shelf.files

    def list_records(self) -> tuple[str, ...]:
        """Return the ids of all records held, sorted."""
        return tuple(sorted(record_id for folder, record_id in self._shelf.files if folder == "keys"))

    def list_arriving(self) -> tuple[str, ...]:
        """Return nothing: nobody attaches files in a simulation."""
        return ()

    def list_drafts(self) -> tuple[str, ...]:
        """Return nothing, likewise."""
        return ()

    def _write(self, path: Path, data: bytes) -> None:
        self._operate()
        self._shelf.files[path.parent.name, path.name] = data

    def _read(self, folder: Path, record_id: str, what: str, bytes_max: int) -> bytes:
        data = self._shelf.files.get((folder.name, record_id))
        if data is None or len(data) > bytes_max:
            msg = f"{what} of {record_id}: this vault does not hold it"
            raise VaultError(msg)
        return data
