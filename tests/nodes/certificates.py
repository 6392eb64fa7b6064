"""Authorities and nodes for tests, and the certificates that an adversary would make."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from nodes import pki
from nodes.entropy import SystemEntropy

MEMBERS = ("hospital-a", "hospital-b", "insurer-a")
ENTROPY = SystemEntropy()


def read_clock() -> dt.datetime:
    """Return the time that certificates begin at."""
    return dt.datetime.now(dt.UTC)


def create_member(folder: Path, organisation: str, now: dt.datetime | None = None) -> bytes:
    """Make an authority and a node certificate; return the authority's DER."""
    der = pki.create_authority(folder, organisation, ENTROPY, now or read_clock())
    pki.issue_node_certificate(folder, ENTROPY, now or read_clock())
    return der


def trust(certificates: dict[str, bytes]) -> pki.Authorities:
    """Trust authorities as a genesis that names all of them would."""
    return pki.Authorities(certificates, {name: pki.certificate_hash(der) for name, der in certificates.items()})


def forge_node_certificate(signer: Path, named: str, issuer: str) -> None:
    """Have the authority in `signer` issue its node a certificate in somebody else's name.

    Args:
        signer: The adversary's folder; its node.key and node.pem are replaced.
        named: Whom the certificate claims to speak for.
        issuer: Whose authority it claims to be signed by; the signature is the adversary's in any case.
    """
    authority_key = pki._load_key(signer / "authority.key", "authority key")
    key = pki._draw_key(ENTROPY)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(pki._subject(named, "node"))
        .issuer_name(pki._subject(issuer, "authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(read_clock() - dt.timedelta(hours=1))
        .not_valid_after(read_clock() + dt.timedelta(days=1))
        .sign(authority_key, SHA256())
    )
    (signer / "node.key").write_bytes(pki._key_pem(key))
    (signer / "node.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
