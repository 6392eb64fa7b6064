"""The durable files of one node, as its driver is given them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.crypto.signatures import PrivateKey
from ledger.replica.signer import SigningKey
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import SignerFile


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The durable files of one node, open."""

    blocks: BlockStore
    log: ConsensusLog
    signers: Mapping[bytes, SignerFile]
    """Public key -> what it has signed last. A key without its file votes for nothing; the node follows."""
    folder: Path
    """The node's folder: for its snapshots."""

    def signing_key(self, key: PrivateKey) -> SigningKey:
        """Return a consensus key with what it has signed last."""
        signer = self.signers.get(key.public_key)
        return SigningKey(key, None if signer is None else signer.state)
