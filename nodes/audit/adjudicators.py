"""The adjudicators of a dossier: the code that decided each settlement, found by the hash that the chain pins.

The members may have upgraded the contract `adjudication` since a claim was settled. Each settlement names the code that
decided, and the dossier proves that it was in force there; amounts are adjudicated again with it and no other. It is

    the installed one        if its hash is the pinned one
    another one              from a home folder's contract sets (`nodes.contract_sources`): a set is loaded as a node
                             loads it, checked and metered, and asked through its query

A set's name says nothing here: what counts is the hash, and a set that has no module with the pinned one is not loaded,
because loading executes it. Where nobody has the code, nothing is found
out about the amounts; the dossier holds or not without them.
"""

from collections.abc import Callable, Iterator
from functools import partial

from contracts.adjudication.case import Case
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.settlements import Settlement
from ledger.codec import decode, encode
from ledger.errors import LedgerError
from ledger.execution.executor import BlockContext, run_query
from ledger.execution.loader import ContractSet
from ledger.execution.state import Overlay
from nodes.audit.evidence import ADJUDICATOR
from nodes.contract_sources import ContractArchive, load_installed_contracts

Adjudicate = Callable[[Case], Decision]


class MissingAdjudicatorError(LedgerError):
    """Code that a settlement was decided with and that is not at hand: nothing is found out about its amounts."""

    def __init__(self, version: int, code_hash: bytes, why: tuple[str, ...]) -> None:
        """Name the code.

        Args:
            version: The settlement's.
            code_hash: The pinned one.
            why: Sets that might have it and cannot be run.
        """
        broken = "".join(f"; {reason}" for reason in why)
        super().__init__(
            f"adjudicator of settlement {version}: code {code_hash.hex()} was in force, and neither this installation "
            f"nor any contract set of the home folder has it; get the set from a member, whose node keeps it in "
            f"HOME/contracts, and put it into your own HOME/contracts{broken}"
        )
        self.code_hash = code_hash


class Adjudicators:
    """What decides cases, by the hash of its code."""

    def __init__(self, archive: ContractArchive | None = None) -> None:
        """Have the installed code.

        Args:
            archive: Where other code may be.
        """
        self._archive = archive
        self._found: dict[bytes, Adjudicate] = {}

    def find(self, settlement: Settlement) -> Adjudicate:
        """Return what decided a settlement.

        Args:
            settlement: Proven; it names the rules, and they were in force where it stands.

        Raises:
            MissingAdjudicatorError: If that code is not at hand.
        """
        code_hash = settlement.outcome.rules
        if code_hash not in self._found:
            self._found[code_hash] = self._load(settlement.outcome.version, code_hash)
        return self._found[code_hash]

    def _load(self, version: int, code_hash: bytes) -> Adjudicate:
        installed = load_installed_contracts().get(ADJUDICATOR)
        if installed is not None and installed.code_hash == code_hash:
            return adjudicate
        refused: list[str] = []
        if self._archive is not None:
            contracts, refused = self._archive.find_contract(ADJUDICATOR, code_hash)
            if contracts is not None:
                return partial(_ask, contracts)
        raise MissingAdjudicatorError(version, code_hash, tuple(refused))


def _ask(contracts: ContractSet, case: Case) -> Decision:
    """Ask a contract set of its own modules: bytes are the boundary, and the adjudicator reads no state."""
    answer = run_query(contracts, Overlay(_NoState()), BlockContext("", 0, 0), ADJUDICATOR, "decide", encode(case))
    return decode(answer, Decision)


class _NoState:
    """A `StateReader` without entries."""

    def get(self, key: bytes) -> bytes | None:  # noqa: ARG002 - nothing is here, whatever is asked for
        """Return None."""
        return None

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:  # noqa: ARG002
        """Return nothing."""
        return iter(())
