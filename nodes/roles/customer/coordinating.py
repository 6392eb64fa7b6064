"""A customer with two insurers tells the second what the first has paid, so that it pays what is left.

She has both claims, each under a pseudonym of its own. Her wallet opens the first claim, which its insurer sealed to
her, seals the one amount that it pays to the second insurer, and states the order on the chain under both pseudonyms
(contract `coordination`). Every step can be repeated, and what was done before is not done again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.settlements import Follow, Release, SettledBefore
from ledger.codec import encode
from nodes.client import Client
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.exchange.coordination import PaidBefore, paid_before_context, seal_paid_before
from nodes.roles.exchange.opening import ClaimOpening
from nodes.vault.sealing import AmountOpening
from nodes.wallet import Pseudonym

OpenLatest = Callable[[Client, Pseudonym, str], tuple[int, ClaimOpening]]
"""Version and opening of a claim's latest settlement; raises as `nodes.cli.claims.own_opening.open_latest`."""


@dataclass(frozen=True, slots=True)
class Coordinated:
    """Two claims in order."""

    claim_id: str
    """The one that pays what is left."""
    after: str
    insurer: str
    """Who pays first."""
    amount: int
    """What it pays, in minor units."""


def coordinate(customer: Customer, pseudonym: Pseudonym, claim_id: str, open_latest: OpenLatest) -> Coordinated:
    """Tell a claim's insurer what another one paid of the same invoice, and state the order.

    Args:
        customer: Whose claims.
        pseudonym: That of the claim that is to pay what is left.
        claim_id: This claim, in full.
        open_latest: Opens the latest settlement of a claim of hers, at its insurer.

    Raises:
        CustomerError: If no other insurer pays an invoice of it first, has not paid yet, or the claim is not hers.
        ApiError: If a node refuses.
        VerificationError: If what the first insurer sealed to her is not what the chain has.
    """
    with customer.client(pseudonym, pseudonym.insurer) as second:
        shown: dict[str, Any] | None = second.get(f"/v1/claims/{claim_id}/coordination")
        if shown is None:
            msg = f"{claim_id}: no other insurer pays an invoice of it first; it waits for nothing of this kind"
            raise CustomerError(msg)
        insurer, after = str(shown["insurer"]), SettledBefore(str(shown["after"]), int(shown["version"]))
        if not shown["is_final"]:
            msg = f"{claim_id}: {insurer} has not paid yet, or a part there waits for a person; try again when it has"
            raise CustomerError(msg)
        theirs = customer.pseudonym(pseudonym.hospital, insurer)
        with customer.client(theirs, insurer) as first:
            opening = _open_payable(first, theirs, after, open_latest)
            sealed = seal_paid_before(
                customer.organisations.find_seal_key(pseudonym.insurer),
                paid_before_context(customer.chain_id, claim_id, pseudonym.name, pseudonym.insurer),
                PaidBefore(after, opening),
            )
            second.post(f"/v1/claims/{claim_id}/paid-before", {"sealed": encode(sealed).hex()})
            if not shown["is_current"]:
                release = Release(after.claim_id, after.version, claim_id)
                customer.transact(first, theirs, "coordination", "release", release)
                customer.transact(second, pseudonym, "coordination", "follow", Follow(claim_id, after))
    return Coordinated(claim_id, after.claim_id, insurer, opening.amount)


def _open_payable(client: Client, pseudonym: Pseudonym, after: SettledBefore, open_latest: OpenLatest) -> AmountOpening:
    """Return what opens a settlement's `payable`, checked against the chain."""
    version, opening = open_latest(client, pseudonym, after.claim_id)
    if version != after.version:
        msg = f"{after.claim_id}: expected settlement {after.version}, got {version}; it was settled again, try again"
        raise CustomerError(msg)
    view = client.get(f"/v1/claims/{after.claim_id}")
    opening.payable.verify(bytes.fromhex(view["settlements"][version - 1]["outcome"]["payable"]))
    return opening.payable
