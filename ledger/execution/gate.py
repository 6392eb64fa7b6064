"""The gate: which submissions may wait for a block, whose signature they carry, and what a block may be full of.

A mempool asks before it takes one in, and a validator asks again of every submission in a proposed block. Both ask the
latest committed state, because keys and the replay window are state. A signature that held once under a key is not
computed again: a submission is verified when it arrives and looked up when it is proposed. What is remembered is the
key, not the verdict, so a key that is not in force any more is refused however often its signature held.
"""

from collections import OrderedDict
from collections.abc import Callable

from ledger.blocks import Block
from ledger.codec import encode
from ledger.errors import InvalidBlockError, InvalidTransactionError, VerificationError
from ledger.execution.contract import read_actor
from ledger.execution.replay import ReplayWindow, check_expiry
from ledger.execution.state import StateReader
from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_EVIDENCE_MAX,
    BLOCK_TRANSACTIONS_MAX,
    SUBMISSION_BYTES_MAX,
    VERIFIED_SUBMISSIONS_MAX,
)
from ledger.transactions import KEY_NOT_IN_FORCE, REPLAYED, Submission, verify_submission


class Gate:
    """The checks of one chain's submissions, on its latest committed state."""

    def __init__(self, chain_id: str, state: Callable[[], StateReader], window: ReplayWindow) -> None:
        """Begin with nothing verified.

        Args:
            chain_id: What submissions are signed for.
            state: Returns the latest state.
            window: The transactions that were included and not forgotten.
        """
        self._chain_id = chain_id
        self._state = state
        self._window = window
        self._verified: OrderedDict[bytes, bytes] = OrderedDict()

    def check(self, submission: Submission, height: int, time_ms: int) -> None:
        """Refuse what could not be in a block.

        Args:
            submission: What a client sent.
            height: The next block's.
            time_ms: The earliest that its time could be now.

        Raises:
            InvalidTransactionError: With the code a receipt would carry, or of `ledger.transactions`.
        """
        size = len(encode(submission))
        if size > SUBMISSION_BYTES_MAX:
            raise InvalidTransactionError(
                "SUBMISSION_SIZE", f"expected at most {SUBMISSION_BYTES_MAX} bytes, got {size}"
            )
        for tx in submission.transactions:
            expired = check_expiry(tx, height, time_ms)
            if expired is not None:
                raise InvalidTransactionError("EXPIRED", expired)
            if tx.id in self._window:
                raise InvalidTransactionError(REPLAYED, f"transaction {tx.id.hex()} was included before")
        self.verify(submission, height)

    def verify(self, submission: Submission, height: int) -> None:
        """Verify a signature with the key the latest state knows for a height; a second time only looks up the key.

        Raises:
            InvalidTransactionError: If there is no such signer or key, or the signature does not hold.
        """
        actor = read_actor(self._state(), submission.signer)
        if actor is None:
            raise InvalidTransactionError("UNKNOWN_SIGNER", f"{submission.signer} is no actor of this chain")
        try:
            public_key = actor.public_key(submission.key_version, height)
        except VerificationError as error:
            raise InvalidTransactionError(KEY_NOT_IN_FORCE, str(error)) from None
        submission_id = submission.id
        if self._verified.get(submission_id) == public_key:
            return
        try:
            verify_submission(submission, self._chain_id, public_key)
        except VerificationError as error:
            raise InvalidTransactionError("INVALID_SIGNATURE", str(error)) from None
        self._verified[submission_id] = public_key
        if len(self._verified) > VERIFIED_SUBMISSIONS_MAX:
            self._verified.popitem(last=False)

    def check_contents(self, block: Block, height: int) -> None:
        """Refuse a body above its limits, with a submission twice, or with one that its signer did not sign.

        Args:
            block: A proposal.
            height: The next block's.

        Raises:
            InvalidBlockError: Naming the rule.
        """
        count = sum(len(submission.transactions) for submission in block.submissions)
        size = sum(len(encode(submission)) for submission in block.submissions)
        distinct = len({submission.id for submission in block.submissions})
        for rule, limit, actual in (
            ("transactions", BLOCK_TRANSACTIONS_MAX, count),
            ("bytes", BLOCK_BYTES_MAX, size),
            ("evidence", BLOCK_EVIDENCE_MAX, len(block.evidence)),
        ):
            if actual > limit:
                raise InvalidBlockError(rule, f"at most {limit}", actual)
        if distinct != len(block.submissions):
            raise InvalidBlockError("submissions", f"{len(block.submissions)} different ones", distinct)
        for place, submission in enumerate(block.submissions):
            try:
                self.verify(submission, height)
            except InvalidTransactionError as error:
                field = f"submissions[{place}]"
                raise InvalidBlockError(field, "a signed submission", error) from None
