"""A member's questions and transactions through its own node: what its command line does beside the node's own desk."""

import time
from typing import TypeVar

from ledger.codec import Struct, decode, encode
from ledger.transactions import Transaction, make_submission
from nodes.client import ApiError, Client
from nodes.entropy import Entropy

R = TypeVar("R")

WAIT_SECONDS = 30.0
EXPIRY_HEIGHTS = 500
EXPIRY_MS = 10 * 60 * 1000
ANSWER_BYTES_MAX = 2**24


class MemberCalls:
    """One member's voice: it asks contracts, and calls them signed with its submission key."""

    def __init__(self, client: Client, entropy: Entropy) -> None:
        """Speak through a node.

        Args:
            client: Signs as that member.
            entropy: For nonces.
        """
        self.client = client
        self._entropy = entropy

    def ask(self, contract: str, method: str, message: Struct, kind: type[R]) -> R:
        """Return the answer of a contract's query; raises `ApiError`."""
        asked = {"contract": contract, "method": method, "arguments": encode(message).hex()}
        answer = self.client.post("/v1/query", asked)
        return decode(bytes.fromhex(answer["result"]), kind, ANSWER_BYTES_MAX)

    def call(self, contract: str, method: str, message: Struct) -> int:
        """Call a contract and return the height at which it was done; raises `ApiError` with the contract's code."""
        signer = self.client.signer
        transaction = Transaction(
            chain_id=signer.chain_id,
            signer=signer.actor,
            key_version=signer.key_version,
            contract=contract,
            method=method,
            arguments=encode(message),
            nonce=self._entropy.draw(16),
            expires_height=int(self.client.get("/v1/status")["height"]) + EXPIRY_HEIGHTS,
            expires_ms=time.time_ns() // 1_000_000 + EXPIRY_MS,
        )
        answer = self.client.submit((make_submission(signer.key, (transaction,)),), WAIT_SECONDS)
        receipt = answer["receipts"][0]
        if receipt is None:
            raise ApiError("TIMEOUT", f"{contract}.{method}: no block within {WAIT_SECONDS:.0f} s; see `xinpei status`")
        if receipt["code"] != "OK":
            raise ApiError(str(receipt["code"]), str(receipt["reason"]))
        return int(receipt["height"])
