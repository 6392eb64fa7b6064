"""What one insurer is told of another's payment for the same invoice: one number, by the customer herself.

She has the opening of her first claim. Of it her wallet seals one amount to the second insurer, with the blinding that
opens the first settlement's `payable` on the chain: so the number can be checked, and no other figure of that claim is
told. When both may use it says the contract `coordination`.
"""

from contracts.settlements import SettledBefore
from ledger.codec import Struct, decode, encode
from nodes.vault.sealing import AmountOpening, SealContext, Sealed, SealKeys, seal


class PaidBefore(Struct):
    """What another insurer's settlement pays of the same invoices."""

    after: SettledBefore
    opening: AmountOpening
    """Of that settlement's `payable`."""

    def __repr__(self) -> str:
        """Show which, not how much."""
        return f"PaidBefore({self.after.claim_id}, version={self.after.version})"


def seal_paid_before(public_key: bytes, context: SealContext, paid: PaidBefore) -> Sealed:
    """Return what another insurer paid, sealed to the one that is to pay what is left."""
    return seal(public_key, context, encode(paid))


def open_paid_before(keys: SealKeys, sealed: Sealed, context: SealContext) -> PaidBefore:
    """Return what a customer sealed.

    Raises:
        VerificationError: If it does not open in this context.
        DecodeError: If it is something else.
    """
    return decode(keys.open(sealed, context), PaidBefore)


def paid_before_context(chain_id: str, claim_id: str, customer: str, insurer: str) -> SealContext:
    """Return the context in which it is sealed: for one claim, from its customer to its insurer."""
    return SealContext(chain_id, f"paid-before.{claim_id}", customer, insurer)
