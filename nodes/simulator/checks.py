"""What must never happen, looked at from outside the replicas.

agreement        two nodes commit different blocks at one height
certificates     a block is stored without the precommits of more than two thirds, each one verified
double-signing   an honest validator's two different signatures for one height, round and type leave its node
acknowledged     a client was told of a transaction's receipt, and a node has another one, or none
stores           two nodes at one height whose stored states differ, whatever their headers say
snapshots        a node begins from a snapshot that is not the chain's: another header, or another state than those who
                 executed all blocks had there
evidence         a validator's two halves of a double signature reached one honest node in time, and no block says so:
                 none at all a while later, or not one that this node proposed afterwards

They count and verify by themselves: a mistake in the core's own rules is not repeated here. `Auditor` and the like
(`nodes.scenarios`) look at what the blocks mean; they are told each block once, by `follow`.
"""

from collections.abc import Callable, Iterable

from ledger.application import ExecutedBlock
from ledger.blocks import PRECOMMIT, Block, BlockHeader, Commit, vote_sign_bytes
from ledger.consensus.evidence import offender
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from ledger.limits import BLOCK_EVIDENCE_MAX
from ledger.membership import ValidatorSet
from ledger.replica.messages import Message, ProposalMessage, VoteMessage
from ledger.transactions import Receipt
from nodes.simulator.node import Node

STATE = b"s/"
VERIFIED_MAX = 1_024
EVIDENCE_WITHIN_MS = 20_000
"""How long a validator's first offence may take to get into a block in good weather, which it is a reason to make."""
Place = tuple[str, int, int, int]
"""Validator, height, round, and 0 for a proposal or the type of a vote."""
Offence = tuple[str, int]
"""Validator and height: all that it signs twice there is one offence."""
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
        self.blocks: dict[int, Block] = {}
        """By height, as they were first committed: nodes that took a snapshot have no earlier ones."""
        self._heights: dict[bytes, int] = {}
        """Transaction id -> where it was first included."""
        self._states: dict[int, bytes] = {}
        """Height -> hash of the state there, as whoever made a snapshot had it."""
        self._followers: list[Callable[[ExecutedBlock], None]] = []
        self._verified: set[tuple[bytes, bytes, bytes]] = set()
        self._signed: dict[Place, Value] = {}
        self._heard: dict[tuple[str, int], dict[Place, Value]] = {}
        self._offences: dict[tuple[str, int], dict[Offence, int]] = {}
        """(node, its life) -> the double signatures whose halves it has heard, and when it heard the second."""

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
            self.blocks[header.height] = executed.block
            for receipt in executed.receipts:
                self._heights.setdefault(receipt.transaction_id, header.height)
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

    def note_heard(self, node: Node, message: Message, suspects: Iterable[str], now_ms: int) -> None:
        """Remember what an honest node heard of Byzantine ones, at the height that it works on.

        Args:
            node: Who hears it.
            message: What it hears.
            suspects: The Byzantine validators.
            now_ms: The true time.
        """
        signed = _signed(message)
        if signed is None or node.replica is None:
            return
        place, value = signed
        if place[0] not in suspects or place[1] != node.replica.application.height + 1:
            return
        if place[2] > node.replica.round:
            return
        life = (node.name, node.life)
        if self._heard.setdefault(life, {}).setdefault(place, value) != value:
            self._offences.setdefault(life, {}).setdefault(place[:2], now_ms)

    def note_acknowledged(self, receipt: Receipt) -> None:
        """Remember what a client was told."""
        known = self.acknowledged.setdefault(receipt.transaction_id, receipt)
        if known != receipt:
            raise InvariantError("acknowledged", f"two receipts of {receipt.transaction_id.hex()}")

    def note_snapshot(self, node: Node, height: int) -> None:
        """Compare the state of which an honest node makes a snapshot with the others' of that height."""
        state = node.disk.digest(STATE)
        if self._states.setdefault(height, state) != state:
            raise InvariantError("stores", f"{node.name} makes a snapshot of another state at height {height}")

    def note_adopted(self, node: Node, header: BlockHeader) -> None:
        """Check the snapshot that an honest node begins from."""
        if self.committed.get(header.height) != header.hash:
            raise InvariantError("snapshots", f"{node.name} begins from a header of height {header.height} of no chain")
        state = node.disk.digest(STATE)
        if self._states.setdefault(header.height, state) != state:
            raise InvariantError("snapshots", f"{node.name} begins from another state of height {header.height}")

    # ------------------------------------------------------------------------------------------------- at the end

    def check_nodes(self, nodes: Iterable[Node], now_ms: int) -> None:
        """Check what honest nodes that have caught up have stored.

        Args:
            nodes: All nodes.
            now_ms: The true time; the weather has been good for EVIDENCE_WITHIN_MS.
        """
        honest = [node for node in nodes if node.is_honest]
        self._check_stores(honest)
        for node in honest:
            for transaction_id, receipt in self.acknowledged.items():
                found = node.disk.find(transaction_id)
                if found is None and self._heights.get(transaction_id, 1) <= node.disk.base_height:
                    continue  # its block came before the snapshot that this store began from
                if found is None or found[2] != receipt:
                    what = "none" if found is None else f"{found[2].code} at height {found[0]}"
                    reason = f"told {receipt.code} of {transaction_id.hex()}, {node.name} has {what}"
                    raise InvariantError("acknowledged", reason)
        self._check_evidence(honest, now_ms)

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
            digest, height = node.disk.digest(STATE), node.disk.height
            first, state = states.setdefault(height, (node.name, digest))
            if state != digest:
                raise InvariantError("stores", f"{first} and {node.name} differ at height {height}")

    def _check_evidence(self, nodes: list[Node], now_ms: int) -> None:
        """Look for offences that were heard and are in no block.

        A validator's first one is a reason for a block by itself. Later ones wait for blocks that are made anyway, so
        they must be there only if whoever heard them has proposed a block since.
        """
        blocks = self.blocks
        told = {(offender(item), item.first.height) for block in blocks.values() for item in block.evidence}
        on_record = {validator for validator, _ in told}
        for node in nodes:
            if not node.is_up:
                continue
            proposed = [height for height, block in blocks.items() if _has_place(block, node.name)]
            for (validator, height), heard_ms in sorted(self._offences.get((node.name, node.life), {}).items()):
                if (validator, height) in told:
                    continue
                is_overdue = validator not in on_record and heard_ms + EVIDENCE_WITHIN_MS < now_ms
                if is_overdue or height < max(proposed, default=0):
                    reason = f"{node.name} heard {validator} sign twice at height {height}, and no block has evidence"
                    raise InvariantError("evidence", reason)


def _has_place(block: Block, proposer: str) -> bool:
    return block.header.proposer == proposer and len(block.evidence) < BLOCK_EVIDENCE_MAX


def _signed(message: Message) -> tuple[Place, Value] | None:
    if isinstance(message, VoteMessage):
        vote = message.vote
        return (vote.validator, vote.height, vote.round, vote.type), vote.block_hash
    if isinstance(message, ProposalMessage):
        proposal = message.proposal
        place = (proposal.proposer, proposal.height, proposal.round, 0)
        return place, (proposal.block_hash, proposal.pol_round)
    return None
