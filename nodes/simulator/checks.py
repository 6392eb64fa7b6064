"""What must never happen, looked at from outside the replicas.

agreement        two nodes commit different blocks at one height
certificates     a block is stored without the precommits of more than two thirds, each one verified
double-signing   an honest validator's two different signatures for one height, round and type leave its node
acknowledged     a client was told of a transaction's receipt, and a node has another one, or none
stores           two nodes at one height whose stored states differ, whatever their headers say
evidence         a validator's two halves of a double signature reached one honest node in time, and no block says so

They count and verify by themselves: a mistake in the core's own rules is not repeated here. `Auditor` and the like
(`nodes.scenarios`) look at what the blocks mean; they are told each block once, by `follow`.
"""

import hashlib
from collections.abc import Callable, Iterable

from ledger.application import ExecutedBlock
from ledger.blocks import PRECOMMIT, Commit, vote_sign_bytes
from ledger.codec import encode
from ledger.consensus.evidence import offender
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from ledger.membership import ValidatorSet
from ledger.replica.messages import Message, ProposalMessage, VoteMessage
from ledger.transactions import Receipt
from nodes.simulator.node import Node

STATE = b"s/"
VERIFIED_MAX = 1_024
EVIDENCE_HEIGHTS = 5
"""Within how many heights an offence gets into a block once the weather is good."""
Place = tuple[str, int, int, int]
"""Validator, height, round, and 0 for a proposal or the type of a vote."""
Value = bytes | tuple[bytes, int] | None


class InvariantError(AssertionError):
    """Something happened that must never happen."""

    def __init__(self, check: str, reason: str) -> None:
        """Say which check found what."""
        super().__init__(f"{check}: {reason}")
        self.check = check


class Checks:
    """Everything that was committed, signed, heard and acknowledged so far."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self.committed: dict[int, bytes] = {}
        self.acknowledged: dict[bytes, Receipt] = {}
        self._followers: list[Callable[[ExecutedBlock], None]] = []
        self._verified: set[tuple[bytes, bytes, bytes]] = set()
        self._signed: dict[Place, Value] = {}
        self._heard: dict[tuple[str, int], dict[Place, Value]] = {}
        self._offences: dict[tuple[str, int], set[tuple[str, int]]] = {}
        """(node, its life) -> (validator, height) of the double signatures whose halves it has heard."""

    def follow(self, follower: Callable[[ExecutedBlock], None]) -> None:
        """Have a follower told every block, once and in order."""
        self._followers.append(follower)

    # ---------------------------------------------------------------------------------------------- while it runs

    def note_commit(self, executed: ExecutedBlock, commit: Commit, validators: ValidatorSet) -> None:
        """Check one committed block against all others of its height.

        Args:
            executed: What a node commits.
            commit: Its certificate.
            validators: The set of its height.
        """
        header = executed.block.header
        if header.height not in self.committed:
            self.committed[header.height] = header.hash
            for follower in self._followers:
                follower(executed)
        if self.committed[header.height] != header.hash:
            raise InvariantError("agreement", f"two blocks at height {header.height}")
        self._check_certificate(executed, commit, validators)

    def note_sent(self, name: str, message: Message) -> None:
        """Check what an honest node sends: its own signatures are one per height, round and type."""
        signed = _signed(message)
        if signed is None or signed[0][0] != name:
            return
        place, value = signed
        if self._signed.setdefault(place, value) != value:
            reason = f"{name} signed twice at height {place[1]} round {place[2]}"
            raise InvariantError("double-signing", reason)

    def note_heard(self, node: Node, message: Message, suspects: Iterable[str]) -> None:
        """Remember what an honest node heard of Byzantine ones, at the height that it works on."""
        signed = _signed(message)
        if signed is None or node.replica is None:
            return
        place, value = signed
        if place[0] not in suspects or place[1] != node.replica.application.height + 1:
            return
        if place[2] > node.replica.status().round:
            return
        life = (node.name, node.life)
        if self._heard.setdefault(life, {}).setdefault(place, value) != value:
            self._offences.setdefault(life, set()).add(place[:2])

    def note_acknowledged(self, receipt: Receipt) -> None:
        """Remember what a client was told."""
        known = self.acknowledged.setdefault(receipt.transaction_id, receipt)
        if known != receipt:
            raise InvariantError("acknowledged", f"two receipts of {receipt.transaction_id.hex()}")

    # ------------------------------------------------------------------------------------------------- at the end

    def check_nodes(self, nodes: Iterable[Node]) -> None:
        """Check what honest nodes that have caught up have stored."""
        honest = [node for node in nodes if node.is_honest]
        self._check_stores(honest)
        for node in honest:
            for transaction_id, receipt in self.acknowledged.items():
                found = node.disk.find(transaction_id)
                if found is None or found[2] != receipt:
                    what = "none" if found is None else f"{found[2].code} at height {found[0]}"
                    reason = f"told {receipt.code} of {transaction_id.hex()}, {node.name} has {what}"
                    raise InvariantError("acknowledged", reason)
        self._check_evidence(honest)

    def _check_certificate(self, executed: ExecutedBlock, commit: Commit, validators: ValidatorSet) -> None:
        header = executed.block.header
        message = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, commit.round, header.hash)
        keys = {validator.name: validator for validator in validators.validators}
        power = 0
        for entry in commit.signatures:
            validator = keys.pop(entry.validator, None)
            if validator is None:
                raise InvariantError("certificates", f"height {header.height}: {entry.validator} has no vote to count")
            self._verify_once(validator.public_key, message, entry.signature, f"height {header.height}")
            power += validator.power
        total = sum(validator.power for validator in validators.validators)
        if 3 * power <= 2 * total:
            raise InvariantError("certificates", f"height {header.height}: {power} of {total} is no quorum")

    def _verify_once(self, public_key: bytes, message: bytes, signature: bytes, what: str) -> None:
        """Verify a signature, unless it is one that was verified lately: all nodes store nearly the same."""
        known = (public_key, message, signature)
        if known in self._verified:
            return
        try:
            verify("vote", public_key, message, signature)
        except VerificationError as error:
            raise InvariantError("certificates", f"{what}: {error}") from None
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.clear()
        self._verified.add(known)

    def _check_stores(self, nodes: list[Node]) -> None:
        states: dict[int, tuple[str, bytes]] = {}
        for node in nodes:
            digest = hashlib.sha256()
            for item in node.disk.scan(STATE):
                digest.update(encode(item))
            height = max(node.disk.blocks, default=0)
            first, state = states.setdefault(height, (node.name, digest.digest()))
            if state != digest.digest():
                raise InvariantError("stores", f"{first} and {node.name} differ at height {height}")

    def _check_evidence(self, nodes: list[Node]) -> None:
        told = {
            (offender(item), item.first.height)
            for node in nodes
            for block, _ in node.disk.blocks.values()
            for item in block.evidence
        }
        for node in nodes:
            if not node.is_up:
                continue
            for validator, height in sorted(self._offences.get((node.name, node.life), set()) - told):
                if height > max(node.disk.blocks, default=0) - EVIDENCE_HEIGHTS:
                    continue
                reason = f"{node.name} heard {validator} sign twice at height {height}, and no block has evidence"
                raise InvariantError("evidence", reason)


def _signed(message: Message) -> tuple[Place, Value] | None:
    if isinstance(message, VoteMessage):
        vote = message.vote
        return (vote.validator, vote.height, vote.round, vote.type), vote.block_hash
    if isinstance(message, ProposalMessage):
        proposal = message.proposal
        place = (proposal.proposer, proposal.height, proposal.round, 0)
        return place, (proposal.block_hash, proposal.pol_round)
    return None
