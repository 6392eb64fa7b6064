"""What an insurer destroys: a record that it was handed, and all that it made of a claim.

    a record    keys and payload in the vault; why a hand-over of it was disputed
    a claim     its drafts (case, decision, openings) and its case file, in the register

While money moves the openings are in use, and the claim is answered once every payment is paid. A claim that was
settled is a voucher: what it was decided on may have to be kept. One that was not settled is kept by no law, and is
not settled any more: the desk says so.

What survives a claim is in the yearbook: its payment as a part of sums, without which no report could be proved.
"""

from contracts.listings import ClaimView
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.erasing import Asked, is_money_moving
from nodes.roles.exchange.intake import Intake
from nodes.roles.insurer.portfolio import Portfolio
from nodes.roles.insurer.yearbook import Yearbook
from nodes.roles.lookup import find_claim, find_stay
from nodes.vault.records import Vault


class InsurerBooks:
    """One insurer's vault and register, as far as they can be erased."""

    def __init__(
        self,
        view: ChainView,
        vault: Vault,
        intake: Intake,
        casebook: Casebook,
        portfolio: Portfolio,
        yearbook: Yearbook,
    ) -> None:
        """Erase in vault, intake and casebook.

        Args:
            view: The latest committed state.
            vault: The records that were handed over.
            intake: Knows why hand-overs were disputed.
            casebook: Drafts and case files.
            portfolio: Knows when contracts end.
            yearbook: Keeps the sums that a report needs, whatever becomes of single claims.
        """
        self._view = view
        self._vault = vault
        self._intake = intake
        self._casebook = casebook
        self._portfolio = portfolio
        self._yearbook = yearbook

    def is_in_use(self, asked: Asked) -> bool:
        """Whether a payment of the claim is not paid yet."""
        return is_money_moving(self._find_claim(asked.scope))

    def hold_begins(self, asked: Asked) -> int | None:
        """Return the last day of the contract that the claim was settled on; None for what no settlement rests on."""
        claim = self._find_claim(asked.scope)
        if claim is None or not claim.settlements or not self._is_kept(asked):
            return None
        if asked.kind != "claim" and not self._is_settled_on(claim, asked.scope, asked.item):
            return None
        return self._portfolio.get(claim.settlements[-1].outcome.policy_id).until_day

    def erase(self, asked: Asked) -> None:
        """Destroy a record, or what was made of a claim."""
        if asked.kind == "claim":
            self._add_up(asked.item)
            self._casebook.erase(asked.item)
        else:
            self._vault.erase(asked.item)
            self._intake.erase_disputes(asked.item)

    def _add_up(self, claim_id: str) -> None:
        """Have the yearbook take in what the claim's drafts open, while they are here, and blend it with the rest."""
        claim = find_claim(self._view, claim_id)
        if claim is not None:
            self._yearbook.follow(claim)
            self._yearbook.blend(claim)

    def _is_kept(self, asked: Asked) -> bool:
        return self._casebook.holds(asked.item) if asked.kind == "claim" else asked.item in self._vault

    def _is_settled_on(self, claim: ClaimView, stay_id: str, record_id: str) -> bool:
        stay = find_stay(self._view, stay_id)
        assert stay is not None, "a record belongs to a stay"
        closings = {closing.version: closing for closing in stay.closings}
        references = (item for settlement in claim.settlements for item in settlement.outcome.closings)
        return any(
            record_id in closings[reference.version].parts for reference in references if reference.stay_id == stay_id
        )

    def _find_claim(self, scope: str) -> ClaimView | None:
        if scope.startswith("claim-"):
            return find_claim(self._view, scope)
        stay = find_stay(self._view, scope)
        return None if stay is None or stay.stay.claim_id is None else find_claim(self._view, stay.stay.claim_id)
