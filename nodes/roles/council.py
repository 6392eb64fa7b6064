"""A member at the members' table: proposes, votes, and looks at what is proposed, through its own node."""

import time
from typing import TypeVar, cast

from msgspec.structs import replace

from contracts.membership import FindActor
from contracts.proposals import CastVote, ListProposals, ProposalView, Propose, ShowProposal
from ledger.codec import Struct, decode, encode
from ledger.membership import Actor
from ledger.transactions import Transaction, make_submission
from nodes.client import ApiError, Client
from nodes.entropy import Entropy

R = TypeVar("R")

WAIT_SECONDS = 30.0
EXPIRY_HEIGHTS = 500
EXPIRY_MS = 10 * 60 * 1000
ANSWER_BYTES_MAX = 2**24


class Council:
    """One member's part in governance."""

    def __init__(self, client: Client, entropy: Entropy) -> None:
        """Speak through a member's own node.

        Args:
            client: Signs as that member.
            entropy: For nonces.
        """
        self._client = client
        self._entropy = entropy

    def propose(self, proposal: Propose) -> ProposalView:
        """Put an action to the vote, against the state as it is now; return the proposal.

        Raises:
            ApiError: If the contract refuses it, or the node does not answer.
        """
        basis = self._ask("governance", "basis", proposal, bytes)
        height = self._call("governance", "propose", replace(proposal, against=basis))
        mine = [
            view
            for view in self.list_proposals()
            if view.proposal.proposed_height == height and view.proposal.proposer == self._client.signer.actor
        ]
        return mine[-1]

    def vote(self, number: int, *, approve: bool) -> ProposalView:
        """Vote on a proposal; return it as it stands then."""
        self._call("governance", "vote", CastVote(number, approve))
        return self.show(number)

    def show(self, number: int) -> ProposalView:
        """Return a proposal; raises `ApiError` if there is none."""
        found: ProposalView | None = self._ask(
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
        while page := self._ask("governance", "list_proposals", ListProposals(after), tuple[ProposalView, ...]):
            found += page
            after = f"{page[-1].number:016x}"
        return found

    def find_member(self, name: str) -> Actor | None:
        """Return an organisation with all its keys, or None."""
        return self._ask("membership", "actor", FindActor(name), cast("type[Actor | None]", Actor | None))

    def _ask(self, contract: str, method: str, message: Struct, kind: type[R]) -> R:
        asked = {"contract": contract, "method": method, "arguments": encode(message).hex()}
        answer = self._client.post("/v1/query", asked)
        return decode(bytes.fromhex(answer["result"]), kind, ANSWER_BYTES_MAX)

    def _call(self, contract: str, method: str, message: Struct) -> int:
        """Call a contract and return the height at which it was done; raises `ApiError` with the contract's code."""
        signer = self._client.signer
        transaction = Transaction(
            chain_id=signer.chain_id,
            signer=signer.actor,
            key_version=signer.key_version,
            contract=contract,
            method=method,
            arguments=encode(message),
            nonce=self._entropy.draw(16),
            expires_height=int(self._client.get("/v1/status")["height"]) + EXPIRY_HEIGHTS,
            expires_ms=time.time_ns() // 1_000_000 + EXPIRY_MS,
        )
        answer = self._client.submit((make_submission(signer.key, (transaction,)),), WAIT_SECONDS)
        receipt = answer["receipts"][0]
        if receipt is None:
            raise ApiError("TIMEOUT", f"{contract}.{method}: no block within {WAIT_SECONDS:.0f} s; see `xinpei status`")
        if receipt["code"] != "OK":
            raise ApiError(str(receipt["code"]), str(receipt["reason"]))
        return int(receipt["height"])
