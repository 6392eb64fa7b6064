"""The blocks of one height: made or judged once, executed once.

A block is valid or not, for everybody the same: it follows the parent, its results are what execution gives, its
evidence holds and is new. Whether a block's time lies near our clock, and whether it may be idle, is *not* decided
here: the first differs between validators, the second between rounds.
"""

from ledger.application import Application, BlockInputs, ExecutedBlock
from ledger.blocks import Block, Evidence, evidence_root, submissions_root
from ledger.consensus.evidence import offence_id, offender, verify_evidence
from ledger.errors import InvalidBlockError, InvalidTransactionError, LedgerError, VerificationError
from ledger.mempool import Mempool
from ledger.state_tree import StateRoots


def check_body(block: Block) -> None:
    """Refuse a body that is not the header's: whoever relayed it changed it, and the header's author is innocent.

    Raises:
        InvalidBlockError: Naming the root that differs.
    """
    for field, expected, actual in (
        ("transactions_root", block.header.transactions_root, submissions_root(block.submissions)),
        ("evidence_root", block.header.evidence_root, evidence_root(block.evidence)),
    ):
        if expected != actual:
            raise InvalidBlockError(field, expected.hex(), actual.hex())


def check_evidence(application: Application, evidence: Evidence) -> None:
    """Refuse evidence that proves nothing, is too old, or was included before.

    Raises:
        VerificationError: Naming what does not hold.
    """
    height, offence_height = application.height + 1, evidence.first.height
    if not 1 <= offence_height <= height:
        msg = f"evidence: expected an offence at height 1 to {height}, got {offence_height}"
        raise VerificationError(msg)
    verify_evidence(evidence, application.genesis.chain_id, height, application.validators(offence_height))
    if application.includes_evidence(evidence):
        msg = f"evidence: the offence at height {offence_height} was included before"
        raise VerificationError(msg)


class Candidates:
    """The known blocks of the height that is being decided."""

    def __init__(self, application: Application) -> None:
        """Start without blocks, on top of the latest committed state."""
        self._application = application
        self._judged: dict[bytes, ExecutedBlock | LedgerError] = {}
        self._blocks: dict[bytes, Block] = {}

    def __len__(self) -> int:
        """Return how many blocks are kept."""
        return len(self._blocks)

    def block(self, block_hash: bytes) -> Block | None:
        """Return a known block, valid or not."""
        return self._blocks.get(block_hash)

    def executed(self, block_hash: bytes) -> ExecutedBlock:
        """Return a valid block with its results."""
        judged = self._judged[block_hash]
        assert isinstance(judged, ExecutedBlock), "an invalid block has no results"
        return judged

    def judge(self, block: Block, roots: StateRoots | None = None) -> LedgerError | None:
        """Execute a block, once, and say why it is invalid, or None.

        Args:
            block: Its body is its header's (`check_body`).
            roots: The proposer's roots per contract, if it told them.
        """
        block_hash = block.header.hash
        if block_hash not in self._judged:
            self._blocks[block_hash] = block
            try:
                self._check_reasons(block)
                self._judged[block_hash] = self._application.check_block(block, roots)
            except LedgerError as error:
                self._judged[block_hash] = error
        judged = self._judged[block_hash]
        return judged if isinstance(judged, LedgerError) else None

    def is_idle(self, block: Block) -> bool:
        """Whether nothing asks for this block: an idle chain makes none.

        Reasons are a submission, what is due, and evidence against a validator that is not on record. Evidence against
        one that is may ride along; if it were a reason too, who signs twice at every height would have blocks made for
        ever.
        """
        is_due = self._application.has_due(block.header.time_ms)
        is_news = any(not self._application.is_on_record(offender(item)) for item in block.evidence)
        return not block.submissions and not is_news and not is_due

    def make(self, name: str, now_ms: int, mempool: Mempool, evidence: tuple[Evidence, ...]) -> Block:
        """Return a block to propose; it may be idle. It is known here once it was logged and judged.

        Args:
            name: Its proposer.
            now_ms: Our clock; the block's time also exceeds the parent's.
            mempool: What waits; submissions that may no longer be included are removed from it.
            evidence: Pending and checked.
        """
        time_ms = max(now_ms, self._application.time_ms + 1)
        chosen = []
        for submission in mempool.select():
            try:
                self._application.check_submission(submission, time_ms)
            except InvalidTransactionError:
                mempool.remove(submission.id)
            else:
                chosen.append(submission)
        inputs = BlockInputs(self._application.height + 1, time_ms, name, tuple(chosen), evidence)
        return self._application.execute(inputs).block

    def prune(self, keep: set[bytes], count: int) -> list[bytes]:
        """Forget the oldest blocks above `count`, but none of `keep`; returns what was forgotten."""
        old = [block_hash for block_hash in self._blocks if block_hash not in keep]
        forgotten = old[: max(0, len(self._blocks) - count)]
        for block_hash in forgotten:
            del self._blocks[block_hash], self._judged[block_hash]
        return forgotten

    def _check_reasons(self, block: Block) -> None:
        """Check what the application takes as given."""
        height = self._application.height + 1
        if block.header.height != height:
            raise InvalidBlockError("height", height, block.header.height)
        if len({offence_id(item) for item in block.evidence}) != len(block.evidence):
            raise InvalidBlockError("evidence", "each offence once", "one of them twice")
        for item in block.evidence:
            check_evidence(self._application, item)
