"""How an insurer takes in what another one paid of the same invoice: from the customer, checked against the chain."""

from ledger.errors import VerificationError
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.coordination import PaidBefore, open_paid_before, paid_before_context
from nodes.roles.insurer.inquiries import Inquiries, InsurerError
from nodes.roles.lookup import find_claim, find_order
from nodes.vault.sealing import Sealed, SealKeys


class Coordination:
    """What one insurer was told of others' payments; it lies with the claim's file and is erased with it."""

    def __init__(self, insurer: str, view: ChainView, keys: SealKeys, casebook: Casebook, inquiries: Inquiries) -> None:
        """Take in what is sealed to an insurer.

        Args:
            insurer: Whose claims pay what is left.
            view: The latest committed state.
            keys: Open what is sealed to it.
            casebook: Where the claim's file is.
            inquiries: Finds its claims.
        """
        self._insurer = insurer
        self._view = view
        self._keys = keys
        self._casebook = casebook
        self._inquiries = inquiries

    def take(self, claim_id: str, pseudonym: str, sealed: Sealed) -> PaidBefore:
        """Keep what another insurer paid; the same again changes nothing.

        Raises:
            InsurerError: If it is not this customer's claim, nothing is kept of it any more, or it is not the
                settlement that is paid first.
            VerificationError: If it does not open, or is not what the chain's settlement commits to.
            DecodeError: If it is something else.
        """
        claim = self._inquiries.find_of(claim_id, pseudonym).claim
        if claim.status == "WITHDRAWN" or claim_id in list_asked(self._view, claim_id, self._insurer):
            msg = f"{claim_id}: is withdrawn, or was asked to be erased here; nothing more is kept of it"
            raise InsurerError(msg)
        context = paid_before_context(self._view.chain_id, claim_id, pseudonym, self._insurer)
        paid = open_paid_before(self._keys, sealed, context)
        shown = find_order(self._view, claim_id)
        first = find_claim(self._view, paid.after.claim_id)
        if shown is None or first is None or shown.after != paid.after.claim_id:
            msg = f"{claim_id}: no invoice of it is paid first by {paid.after.claim_id}"
            raise InsurerError(msg)
        if not shown.is_final or shown.version != paid.after.version:
            msg = f"{claim_id}: settlement {paid.after.version} of {shown.insurer} is not final, or not its latest"
            raise InsurerError(msg)
        paid.opening.verify(first.settlements[-1].outcome.payable)
        if paid.opening.amount < 0:
            msg = "paid_before: expected an amount that was paid"
            raise VerificationError(msg)
        if self._casebook.file(claim_id).paid_before != paid:
            self._casebook.put_paid_before(claim_id, paid)
        return paid
