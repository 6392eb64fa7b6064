"""What every file stands on: a chain that the verifier's genesis founded, and the walk to the file's header."""

from ledger.blocks import BlockHeader
from ledger.errors import VerificationError
from ledger.genesis import Genesis
from nodes.audit.dossier import Certificate
from nodes.audit.expectation import expect
from nodes.audit.verify import walk_certificates


def check_ground(
    genesis: Genesis,
    chain_id: str,
    genesis_hash: bytes,
    certificates: tuple[Certificate, ...],
    checkpoint: bytes | None,
) -> BlockHeader:
    """Return the last header of a file's certificates, once it is certified.

    Args:
        genesis: What the verifier trusts.
        chain_id: As the file states it.
        genesis_hash: As the file states it.
        certificates: The file's.
        checkpoint: The hash of a header that somebody trusted vouches for; it must be among these.

    Raises:
        VerificationError: Naming what does not hold.
    """
    expect("chain id", genesis.chain_id, chain_id)
    expect("genesis hash", genesis.hash, genesis_hash)
    walk_certificates(genesis, certificates)
    hashes = [certificate.header.hash for certificate in certificates]
    if checkpoint is not None and checkpoint not in hashes:
        msg = f"checkpoint: expected header {checkpoint.hex()}, got {', '.join(item.hex() for item in hashes)}"
        raise VerificationError(msg)
    return certificates[-1].header
