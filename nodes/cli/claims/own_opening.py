"""What a customer opens with her wallet: the calculation of her claim's latest settlement, as its insurer sealed it."""

from ledger.codec import decode
from ledger.errors import VerificationError
from nodes.audit.reveal import Openings
from nodes.client import Client
from nodes.roles.exchange.opening import ClaimOpening, open_opening, opening_context
from nodes.schemas.canonical_json import parse
from nodes.vault.sealing import Sealed
from nodes.wallet import Pseudonym


def open_latest(client: Client, pseudonym: Pseudonym, claim_id: str) -> tuple[int, ClaimOpening]:
    """Return the version of a claim's latest settlement, and what opens it.

    Args:
        client: Of the claim's insurer, calling as the pseudonym.
        pseudonym: The claim's customer.
        claim_id: The claim, in full.

    Raises:
        ApiError: If there is no settlement yet, or what opens it was erased.
        VerificationError: If it does not open with this wallet.
    """
    answer = client.get(f"/v1/claims/{claim_id}/opening")
    version, sealed = int(answer["version"]), decode(bytes.fromhex(answer["sealed"]), Sealed)
    try:
        return version, open_sealed(pseudonym, claim_id, version, sealed)
    except VerificationError:  # a wallet that was recovered lacks the key of then
        again = client.get_bytes(f"/v1/claims/{claim_id}/openings", {"again": "true"})
        latest = parse(again, Openings).sealed[-1]
        return latest.version, open_sealed(pseudonym, claim_id, latest.version, latest.sealed)


def open_sealed(pseudonym: Pseudonym, claim_id: str, version: int, sealed: Sealed) -> ClaimOpening:
    """Return what opens one settlement of a customer's claim; raises `VerificationError` if it is not for her."""
    context = opening_context(pseudonym.chain_id, claim_id, version, pseudonym.insurer, pseudonym.name)
    return open_opening(pseudonym.seal_key, sealed, context)
