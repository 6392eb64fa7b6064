"""Who votes, counted from outside the contracts: from the proposals and votes in the blocks.

roster   an action on the validators passed without the approvals of more than two thirds of those decided before, or a
         block names another set of validators than the actions that have passed say
"""

from contracts.proposals import (
    AddValidator,
    CastVote,
    ProposalChanged,
    Propose,
    RekeyValidator,
    RemoveOrganisation,
    RemoveValidator,
)
from ledger.application import ExecutedBlock
from ledger.codec import decode
from ledger.genesis import Genesis
from ledger.membership import Validator, ValidatorSet
from ledger.transactions import Receipt
from nodes.simulator.checks import InvariantError

ROSTER = "roster"
DELAY_HEIGHTS = 2
"""What is decided at a height is in force so many later."""


class Roster:
    """The validators of one simulated chain, with all that was proposed about them."""

    def __init__(self, genesis: Genesis) -> None:
        """Begin before block 1."""
        self.decided = {item.name: item.public_key for item in genesis.validators.validators}
        """Name -> consensus key, as the last passed action left it."""
        self.passed: list[str] = []
        """The actions that passed, as the contract names them."""
        self._in_force = [(0, dict(self.decided))]
        self._proposals: list[Propose] = []
        self._approvals: dict[int, set[str]] = {}

    def take_block(self, executed: ExecutedBlock) -> None:
        """Hold a block's validators against those that are in force, and enter what it decides."""
        header = executed.block.header
        if _set(self.at(header.height)).hash != header.validators_hash:
            raise InvariantError(ROSTER, f"height {header.height} is not voted on by those who were elected")
        transactions = [tx for submission in executed.block.submissions for tx in submission.transactions]
        for tx, receipt in zip(transactions, executed.receipts, strict=False):
            if tx.contract == "governance" and receipt.ok:
                self._enter(tx.method, tx.signer, tx.arguments, receipt, header.height)

    def at(self, height: int) -> dict[str, bytes]:
        """Return who votes at a height: name -> consensus key."""
        return next(voters for since, voters in reversed(self._in_force) if since <= height)

    def _enter(self, method: str, signer: str, arguments: bytes, receipt: Receipt, height: int) -> None:
        if method == "propose":
            self._proposals.append(decode(arguments, Propose))
            return
        vote = decode(arguments, CastVote)
        approvals = self._approvals.setdefault(vote.number, set())
        (approvals.add if vote.approve else approvals.discard)(signer)
        for event in receipt.events:
            told = decode(event.data, ProposalChanged) if event.name == "proposal-closed" else None
            if told is not None and told.status == "passed":
                self._pass(told, approvals, height)

    def _pass(self, told: ProposalChanged, approvals: set[str], height: int) -> None:
        count = len(approvals & set(self.decided))
        if 3 * count <= 2 * len(self.decided):
            reason = f"{told.action} passed at height {height} with {count} approvals of {len(self.decided)}"
            raise InvariantError(ROSTER, reason)
        self.passed.append(told.action)
        match self._proposals[told.number - 1].action:
            case AddValidator(name=name, public_key=key) | RekeyValidator(name=name, public_key=key):
                self.decided[name] = key
            case RemoveValidator(name=name) | RemoveOrganisation(name=name):
                self.decided.pop(name, None)
            case _:
                return
        self._in_force.append((height + DELAY_HEIGHTS, dict(self.decided)))


def _set(voters: dict[str, bytes]) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(name, voters[name], 1) for name in sorted(voters)))
