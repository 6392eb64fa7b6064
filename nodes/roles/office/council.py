"""A member at the members' table: proposes, votes, and looks at what is proposed, through its own node."""

from typing import cast

from msgspec.structs import replace

from contracts.membership import FindActor
from contracts.proposals import CastVote, ListProposals, ProposalView, Propose, ShowProposal
from ledger.membership import Actor
from nodes.client import ApiError, Client
from nodes.entropy import Entropy
from nodes.roles.office.member_calls import MemberCalls


class Council:
    """One member's part in governance."""

    def __init__(self, client: Client, entropy: Entropy) -> None:
        """Speak through a member's own node.

        Args:
            client: Signs as that member.
            entropy: For nonces.
        """
        self._calls = MemberCalls(client, entropy)

    def propose(self, proposal: Propose) -> ProposalView:
        """Put an action to the vote, against the state as it is now; return the proposal.

        Raises:
            ApiError: If the contract refuses it, or the node does not answer.
        """
        basis = self._calls.ask("governance", "basis", proposal, bytes)
        height = self._calls.call("governance", "propose", replace(proposal, against=basis))
        mine = [
            view
            for view in self.list_proposals()
            if view.proposal.proposed_height == height and view.proposal.proposer == self._calls.client.signer.actor
        ]
        return mine[-1]

    def vote(self, number: int, *, approve: bool) -> ProposalView:
        """Vote on a proposal; return it as it stands then."""
        self._calls.call("governance", "vote", CastVote(number, approve))
        return self.show(number)

    def show(self, number: int) -> ProposalView:
        """Return a proposal; raises `ApiError` if there is none."""
        found: ProposalView | None = self._calls.ask(
            "governance",
            "show",
            ShowProposal(number),
            cast("type[ProposalView | None]", ProposalView | None),
        )
        if found is None:
            raise ApiError("NOT_FOUND", f"proposal {number}: there is none; see `xinpei govern list`")
        return found

    def list_proposals(self) -> list[ProposalView]:
        """Return all proposals, oldest first."""
        found: list[ProposalView] = []
        after = ""
        while page := self._calls.ask("governance", "list_proposals", ListProposals(after), tuple[ProposalView, ...]):
            found += page
            after = f"{page[-1].number:016x}"
        return found

    def find_member(self, name: str) -> Actor | None:
        """Return an organisation with all its keys, or None."""
        return self._calls.ask("membership", "actor", FindActor(name), cast("type[Actor | None]", Actor | None))
