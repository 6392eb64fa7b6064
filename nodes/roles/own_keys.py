"""The submission key that an agent signs with beside its transactions: decisions, instructions, envelopes.

A key is replaced while everything goes on, so nobody keeps one: each signature asks which version the chain has in
force. What stands inside a transaction is checked with the transaction's own key, that of the next block; what goes
point to point is checked by its reader with the key of the latest one. In the block of a replacement the two differ,
and what was signed too early is refused and derived again.
"""

from ledger.crypto.signatures import PrivateKey
from nodes.agent import ChainView
from nodes.keystore import Keystore


class OwnKeys:
    """One organisation's submission keys, seen from the chain."""

    def __init__(self, name: str, view: ChainView, keystore: Keystore) -> None:
        """Sign for one organisation.

        Args:
            name: The organisation.
            view: The latest committed state.
            keystore: Its keys.
        """
        self._name = name
        self._view = view
        self._keystore = keystore

    def now(self) -> PrivateKey:
        """Return the key in force at the latest height: for what another member reads now."""
        return self._at(self._view.height)

    def next(self) -> PrivateKey:
        """Return the key in force at the next height: for what goes into a transaction."""
        return self._at(self._view.height + 1)

    def _at(self, height: int) -> PrivateKey:
        actor = self._view.actor(self._name)
        assert actor is not None, "a member is an actor"
        return self._keystore.submission_in_force(actor, height)
