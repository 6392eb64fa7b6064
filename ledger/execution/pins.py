"""Which code runs at which height: the pins in force, and the contract set whose hashes they name.

The genesis pins every contract by the hash of all that its meaning depends on. Later versions stand in the table
`pins` of the contract `membership`, proven like the rest of the state: name -> (code hash, from which height). A block
is run by the set in force at its own height, so a chain that is executed again runs every height with the code that
ran it first.

The core holds no code. Whoever drives it hands in a library that finds a set by its pins: one loaded set is a library
of itself; a node's folder may hold more (`nodes.contract_sources`).
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from ledger.codec import decode
from ledger.errors import LedgerError
from ledger.execution.contract import MEMBERSHIP
from ledger.execution.loader import ContractSet
from ledger.execution.state import StateReader, decode_key, encode_prefix
from ledger.genesis import ContractPin, PinHistory

PINS_PREFIX: Final = encode_prefix(MEMBERSHIP, "pins")
"""Where the membership contract says which code is in force; read again after every block that writes there."""


class ContractLibrary(Protocol):
    """What finds a contract set by the hashes of its contracts."""

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        """Return the set with exactly these pins, sorted by name.

        Raises:
            LedgerError: `MissingContractError` naming a contract whose code is not here; another one if the code is
                here and cannot be run, because it was changed or needs another platform.
        """


class CodeInForce:
    """The code of one chain, turned from height to height."""

    def __init__(self, library: ContractLibrary, genesis_pins: tuple[ContractPin, ...]) -> None:
        """Know where code is found and what the chain began with; `turn` comes first.

        Args:
            library: Finds sets by their pins.
            genesis_pins: What the genesis pins.
        """
        self._library = library
        self._genesis_pins = genesis_pins
        self._histories: Mapping[str, PinHistory] = {}
        self._height = 0
        self._current: ContractSet | None = None
        self.missing = ""
        """Why the next block cannot be run here: its code is missing, or is not what it should be. Empty if it can."""

    @property
    def current(self) -> ContractSet:
        """What the next block is run with, and queries too; raises `LedgerError` if it is missing here."""
        if self._current is None:
            raise LedgerError(self.missing)
        return self._current

    def of_genesis(self) -> ContractSet:
        """Return the set that the genesis pins; raises `MissingContractError`."""
        return self._library.find(self._genesis_pins)

    def turn(self, state: StateReader, height: int, writes: Iterable[bytes] | None = None) -> None:
        """Find the code of the next block; if it is not here, `missing` says so and `current` is none.

        Args:
            state: The committed state, entries without prefix.
            height: The next block's.
            writes: The state keys that the latest block wrote; None to read the pins anyway.
        """
        if writes is None or any(key.startswith(PINS_PREFIX) for key in writes):
            self._histories = read_pins(state)
        self._height = height
        try:
            self._current = self._library.find(pins_at(self._genesis_pins, self._histories, height))
            self.missing = ""
        except LedgerError as error:
            self._current = None
            self.missing = f"height {height}: {error}"

    def missing_later(self) -> tuple[str, ...]:
        """Return what this node lacks for upgrades that are decided and still to come."""
        lacking: list[str] = []
        for height in upgrade_heights(self._histories, self._height):
            try:
                self._library.find(pins_at(self._genesis_pins, self._histories, height))
            except LedgerError as error:
                lacking.append(f"height {height}: {error}")
        return tuple(lacking)


def read_pins(state: StateReader) -> dict[str, PinHistory]:
    """Return every contract's versions as the state has them; a contract that was never upgraded may have none."""
    return {decode_key(key)[2]: decode(value, PinHistory) for key, value in state.scan(PINS_PREFIX)}


def pins_at(
    genesis_pins: Iterable[ContractPin], histories: Mapping[str, PinHistory], height: int
) -> tuple[ContractPin, ...]:
    """Return the pins in force at `height`, sorted by name.

    Args:
        genesis_pins: What holds for contracts without a history.
        histories: From `read_pins`.
        height: The block that is to be run.
    """
    pins = {pin.name: pin.code_hash for pin in genesis_pins}
    for name, history in histories.items():
        for version in history.versions:
            if version.from_height <= height:
                pins[name] = version.code_hash
    return tuple(ContractPin(name, pins[name]) for name in sorted(pins))


def upgrade_heights(histories: Mapping[str, PinHistory], height: int) -> tuple[int, ...]:
    """Return the heights above `height` at which other code comes into force, lowest first."""
    later = {
        version.from_height
        for history in histories.values()
        for version in history.versions
        if version.from_height > height
    }
    return tuple(sorted(later))
