"""A settlement as an insurer submits it: its decision signed, and what moves given to a payment rail.

Which rail makes the first attempt stands on the chain with the settlement, so no other one ever makes it. It is the one
that insurers instruct now; another one may be it when the same draft is submitted again.
"""

from contracts.outcomes import decision_message
from contracts.settlements import Settle
from ledger.crypto.signatures import sign_decision
from nodes.agent import Call, ChainView
from nodes.roles.claims.casebook import Draft
from nodes.roles.insurer.premises import WaitError
from nodes.roles.lookup import find_rail
from nodes.roles.own_keys import OwnKeys


def submit_settlement(view: ChainView, keys: OwnKeys, insurer: str, draft: Draft) -> Call:
    """Return the transaction that settles on a draft.

    Args:
        view: The latest committed state.
        keys: Sign the decision.
        insurer: Who decided.
        draft: Kept in the casebook.

    Raises:
        WaitError: If something moves, and no member is a payment rail.
    """
    rail = None if draft.payment_id is None else find_rail(view)
    if draft.payment_id is not None and rail is None:
        raise WaitError("RAIL", "no member is a payment rail; the claim is settled once one is admitted")
    signature = sign_decision(keys.next(), decision_message(view.chain_id, insurer, draft.outcome))
    return Call("claims", "settle", Settle(draft.outcome, signature, draft.payment_id, draft.zero_blinding, rail))
