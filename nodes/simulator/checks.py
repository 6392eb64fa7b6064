"""What must never happen, looked at from outside the replicas.

agreement        two nodes commit different blocks at one height
double signing   an honest validator's two different signatures for one height, round and type leave its node
certificates     a block is stored without a commit that verifies
"""

from ledger.application import ExecutedBlock
from ledger.blocks import Commit, verify_commit
from ledger.membership import ValidatorSet
from ledger.replica.messages import Message, ProposalMessage, VoteMessage


class Checks:
    """Everything that was committed and signed so far."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self.committed: dict[int, bytes] = {}
        self._signed: dict[tuple[str, int, int, int], bytes | tuple[bytes, int] | None] = {}

    def note_commit(self, executed: ExecutedBlock, commit: Commit, validators: ValidatorSet) -> None:
        """Check one committed block against all others of its height.

        Args:
            executed: What a node commits.
            commit: Its certificate.
            validators: The set of its height.
        """
        header = executed.block.header
        verify_commit(commit, header, validators)
        known = self.committed.setdefault(header.height, header.hash)
        assert known == header.hash, f"two blocks at height {header.height}"

    def note_sent(self, name: str, message: Message) -> None:
        """Check what an honest node sends: its own signatures are one per height, round and type."""
        if isinstance(message, VoteMessage) and message.vote.validator == name:
            vote = message.vote
            self._note_signed((name, vote.height, vote.round, vote.type), vote.block_hash)
        elif isinstance(message, ProposalMessage) and message.proposal.proposer == name:
            proposal = message.proposal
            value = (proposal.block_hash, proposal.pol_round)
            self._note_signed((name, proposal.height, proposal.round, 0), value)

    def _note_signed(self, place: tuple[str, int, int, int], value: bytes | tuple[bytes, int] | None) -> None:
        known = self._signed.setdefault(place, value)
        assert known == value, f"{place[0]} signed twice at height {place[1]} round {place[2]}"
