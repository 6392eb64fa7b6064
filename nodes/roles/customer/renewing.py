"""A customer replaces the keys of all her pseudonyms: her passphrase leaked, or a machine that had her wallet is lost.

    1. the wallet draws another seed and is saved
    2. each pseudonym that the chain knows calls `customers.rotate_key`, signed with its old key; the new one proves
       that it is held. The wallet holds the new key and is saved again
    3. hospital and insurer are told the new seal key: what they seal from now on is for it
    4. when all are done, pseudonyms that are not on the chain yet come from the new seed as well

Whatever stops in between is taken up by doing it again; a key that the chain has by then is found by calling with it.
The pseudonyms keep their names, so grants, claims and what was sealed before remain hers: the old seeds stay in the
wallet, because they open what was sealed to them.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from contracts.keys import RotateKey, rotation_message
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.errors import LedgerError
from nodes.client import ApiError
from nodes.entropy import Entropy
from nodes.roles.customer.customer import Customer
from nodes.wallet import Pseudonym


@dataclass(frozen=True, slots=True)
class Renewed:
    """One pseudonym with its new key."""

    pseudonym: Pseudonym
    grants: int
    """Of hers, for which the hospital and the insurer seal to the new key."""


class KeyRenewal:
    """One replacement of all keys of a wallet."""

    def __init__(self, customer: Customer, save: Callable[[], None], entropy: Entropy) -> None:
        """Prepare; nothing happens yet.

        Args:
            customer: Whose.
            save: Puts her wallet on the disk.
            entropy: For the new seed.
        """
        self._customer = customer
        self._save = save
        self._entropy = entropy

    def run(self, on_step: Callable[[str], None] = lambda _: None) -> list[Renewed]:
        """Replace all keys, or go on with a replacement that was interrupted; return the pseudonyms on the chain.

        Raises:
            ApiError: If a node refuses or cannot be reached; doing it again goes on from there.
            CustomerError: If a transaction does not get onto the chain.
            WalletError: If the wallet has had all the seeds that it may have.
        """
        wallet = self._customer.wallet
        if not wallet.is_renewing:
            wallet.renew(self._entropy)
            self._save()
        renewed = []
        self._customer.organisations.ask_all()  # a pseudonym that is left out would get another name
        for hospital, insurer in self._customer.pairs():
            pseudonym = self._customer.pseudonym(hospital, insurer)
            if not wallet.is_new(pseudonym.chain_id, hospital, insurer):
                on_step(f"{hospital} and {insurer}: replacing the key")
                if not self._replace(pseudonym):
                    continue
                pseudonym = self._customer.pseudonym(hospital, insurer)
            on_step(f"{hospital} and {insurer}: telling them the new seal key")
            renewed.append(Renewed(pseudonym, tell_seal_key(self._customer, pseudonym)))
        wallet.settle()
        self._save()
        return renewed

    def _replace(self, pseudonym: Pseudonym) -> bool:
        """Replace one pseudonym's key; return whether the chain knows it at all."""
        wallet, version = self._customer.wallet, pseudonym.key_version + 1
        pair = (pseudonym.chain_id, pseudonym.hospital, pseudonym.insurer)
        key = wallet.next_key(*pair)
        failure: LedgerError | None = None
        try:
            with self._customer.reach(pseudonym) as client:
                if not client.get("/v1/pseudonym")["enrolled"]:
                    return False
                signed = rotation_message(pseudonym.chain_id, pseudonym.name, key.public_key, version)
                message = RotateKey(key.public_key, sign_enrolment(key, signed))
                self._customer.transact(client, pseudonym, "customers", "rotate_key", message)
        except LedgerError as error:  # perhaps an earlier attempt is on the chain by now
            failure = error
        self._check_taken(pseudonym, key, version, failure)
        wallet.hold(*pair, pseudonym.name, version)
        self._save()
        return True

    def _check_taken(self, pseudonym: Pseudonym, key: PrivateKey, version: int, failure: LedgerError | None) -> None:
        try:
            with self._customer.client_signing(self._customer.door(pseudonym), pseudonym.name, key, version) as client:
                client.get("/v1/pseudonym")
        except ApiError as error:
            raise failure or error from None


def tell_seal_key(customer: Customer, pseudonym: Pseudonym) -> int:
    """Have hospital and insurer, if members still, seal to a pseudonym's newest key; return for how many grants.

    Raises:
        ApiError: If one of them cannot be reached.
    """
    form = {"seal_key": base64.b64encode(pseudonym.seal_key.public_key).decode()}
    counts = []
    for party in customer.receptions(pseudonym):
        with customer.client(pseudonym, party) as client:
            counts.append(int(client.post("/v1/seal-keys", form)["grants"]))
    return max(counts, default=0)
