"""`xinpei govern`: what a line says of a proposal."""

import pytest
from msgspec.structs import replace

from contracts.proposals import Proposal, ProposalView, Propose, RemoveOrganisation
from nodes.cli.operators.govern import _describe

OPEN = Proposal("regulator", Propose(RemoveOrganisation("hospital-b"), bytes(32)), 3, 9_000, "open", None, "")


@pytest.mark.parametrize(
    ("proposal", "votes"),
    [(OPEN, "· 3 of 5 approve (a, b, c)"), (replace(OPEN, status="passed", closed_height=7), "· 3 approve (a, b, c)")],
)
def test_only_an_open_vote_is_measured_by_todays_power(proposal: Proposal, votes: str) -> None:
    assert votes in _describe(ProposalView(1, proposal, ("a", "b", "c"), (), 3, 5))
