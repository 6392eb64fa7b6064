"""Who may open a connection in whose name: a CA per organisation, and mutual TLS 1.3 between exactly these.

Every organisation has a certificate authority of its own, with one self-signed certificate whose SHA-256 stands in the
state, where the genesis or the members' votes have put it. The authority signs the certificates of the organisation's
nodes. There is no consortium-wide root that could speak for everybody.

TLS checks that a peer's certificate leads to one of the members' authorities, is valid today, and that the peer has
its key. What TLS does not check is *whose*: any member's authority could sign a certificate that says "hospital-a".
So `Authorities.identify` reads the name in the certificate and demands that the authority of that very name signed
it, directly. Both ends do this with every connection; host names prove nothing and are not looked at.

    TLS 1.3 only, certificates required both ways, no session tickets (a resumed session skips the certificate)
    ECDSA P-256 with SHA-256: what every TLS implementation and browser has

There is no revocation list: a node's certificate is short-lived and renewed by the node itself, while its
organisation's authority lies beside it; an authority's is replaced by the members' vote. Whoever's certificate comes
from the replaced authority is cut off with that block.
"""

import datetime as dt
import hashlib
import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.errors import LedgerError, VerificationError
from nodes.entropy import Entropy
from nodes.files import FileError, create_private_directory, read_private, write_private

AUTHORITY_DAYS = 3653
"""Ten years: replacing it takes a vote."""
NODE_DAYS = 398
"""The longest that browsers accept; a node renews its own when a third of it is left."""
CLOCK_SKEW = dt.timedelta(hours=1)
"""Certificates are valid from a little earlier, because members' clocks differ."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

_ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PEM_BYTES_MAX = 64 * 1024

_AUTHORITY = "authority"
_NODE = "node"
"""Common names; the organisation stands beside them, so that neither is taken for the other."""
_AUTHORITY_KEY = "authority.key"
_AUTHORITY_CERTIFICATE = "authority.pem"
_NODE_KEY = "node.key"
_NODE_CERTIFICATE = "node.pem"


class CertificateError(LedgerError):
    """A certificate or its key that is missing, malformed, or not what the genesis names."""


def create_authority(folder: Path, organisation: str, entropy: Entropy, now: dt.datetime) -> bytes:
    """Make an organisation's CA: its key and its self-signed certificate.

    Args:
        folder: Where `authority.key` and `authority.pem` go.
        organisation: The member's name on the chain.
        entropy: Where the key and the serial number come from.
        now: When it begins, with time zone.

    Returns:
        The certificate, DER: `certificate_hash` of it goes into the genesis.

    Raises:
        CertificateError: If there is an authority already.
    """
    if (folder / _AUTHORITY_KEY).exists():
        msg = f"authority: {folder / _AUTHORITY_KEY} exists already and is not replaced"
        raise CertificateError(msg)
    create_private_directory(folder)
    key = _draw_key(entropy)
    certificate = (
        _builder(organisation, _AUTHORITY, key.public_key(), entropy, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    write_private(folder / _AUTHORITY_CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    write_private(folder / _AUTHORITY_KEY, _key_pem(key))
    return certificate.public_bytes(Encoding.DER)


def issue_node_certificate(
    folder: Path, entropy: Entropy, now: dt.datetime, hosts: Iterable[str] = LOCAL_HOSTS
) -> bytes:
    """Make the node's key and have the organisation's authority in the same folder sign its certificate.

    Args:
        folder: Holds the authority; gets `node.key` and `node.pem`, replacing older ones.
        entropy: Where the key and the serial number come from.
        now: When it begins, with time zone.
        hosts: Host names and addresses that browsers and HTTP clients may call the node by.

    Returns:
        The certificate, DER.

    Raises:
        CertificateError: If the authority is missing or malformed.
    """
    key = _draw_key(entropy)
    authority = _load_certificate(folder / _AUTHORITY_CERTIFICATE, "authority certificate")
    organisation = _read_subject(authority, _AUTHORITY)
    names = [_general_name(host) for host in (organisation, *hosts)]
    certificate = _sign_node(folder, key.public_key(), x509.SubjectAlternativeName(names), entropy, now)
    write_private(folder / _NODE_KEY, _key_pem(key))
    write_private(folder / _NODE_CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    return certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a node's certificate is valid."""

    begins: dt.datetime
    ends: dt.datetime

    def is_due(self, now: dt.datetime) -> bool:
        """Whether less than a third of its lifetime is left."""
        return (self.ends - now) * 3 < self.ends - self.begins


def read_validity(folder: Path) -> Validity:
    """Return when the node's certificate in a folder is valid; raises `CertificateError`."""
    return _validity_of(_load_certificate(folder / _NODE_CERTIFICATE, "node certificate"))


def renew_node_certificate(folder: Path, entropy: Entropy, now: dt.datetime) -> Validity:
    """Have the authority in the folder sign the node's certificate anew, for the same key and host names.

    One file is replaced, at once: whenever the process ends, certificate and key belong together.

    Args:
        folder: Holds the authority, the node's certificate and its key.
        entropy: Where the serial number comes from.
        now: When it begins, with time zone.

    Raises:
        CertificateError: If anything is missing or malformed, such as an authority's key that is kept elsewhere.
    """
    former = _load_certificate(folder / _NODE_CERTIFICATE, "node certificate")
    names = former.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    key = _load_key(folder / _NODE_KEY, "node key")
    certificate = _sign_node(folder, key.public_key(), names, entropy, now)
    write_private(folder / _NODE_CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    return _validity_of(certificate)


def _validity_of(certificate: x509.Certificate) -> Validity:
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _sign_node(
    folder: Path,
    key: ec.EllipticCurvePublicKey,
    names: x509.SubjectAlternativeName,
    entropy: Entropy,
    now: dt.datetime,
) -> x509.Certificate:
    authority = _load_certificate(folder / _AUTHORITY_CERTIFICATE, "authority certificate")
    authority_key = _load_key(folder / _AUTHORITY_KEY, "authority key")
    organisation = _read_subject(authority, _AUTHORITY)
    return (
        _builder(organisation, _NODE, key, entropy, now, NODE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )


def certificate_hash(der: bytes) -> bytes:
    """Return what the genesis has of an authority: SHA-256 of its certificate's DER."""
    return hashlib.sha256(der).digest()


def read_authority(path: Path) -> bytes:
    """Return the DER of the authority certificate in a PEM file; it is public, whatever its mode.

    Raises:
        CertificateError: If the file is missing or no certificate.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        msg = f"authority certificate: expected a file at {path}, found none"
        raise CertificateError(msg) from None
    return _parse_certificate(data, f"authority certificate {path}").public_bytes(Encoding.DER)


def read_authorities(path: Path) -> list[bytes]:
    """Return the DER of every authority certificate in a PEM file, in its order: a replaced one, and its successor.

    Raises:
        CertificateError: If the file is missing or holds no certificate.
    """
    read_authority(path)
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        msg = f"authority certificate {path}: not a PEM certificate"
        raise CertificateError(msg) from None
    return [item.public_bytes(Encoding.DER) for item in found]


def render_pem(der: bytes) -> bytes:
    """Return a certificate as PEM, for the file that members pass on."""
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")


def find_tls_folder(keys: Path, agreed: bytes | None) -> Path:
    """Return the folder of the authority that the members agreed on, among an organisation's versions `tls*`.

    Args:
        keys: The organisation's keys' folder.
        agreed: The authority's hash in the state; None for an organisation that is not in it yet.

    Returns:
        The newest that fits; the first one if none does, and then it is refused for what it is.
    """
    folders = sorted(path.parent for path in keys.glob(f"tls*/{_AUTHORITY_CERTIFICATE}"))
    for folder in reversed(folders):
        if agreed is None or certificate_hash(read_authority(folder / _AUTHORITY_CERTIFICATE)) == agreed:
            return folder
    return keys / "tls"


class Authorities:
    """The members' authorities, checked against the genesis: who a certificate may speak for."""

    def __init__(self, certificates: Mapping[str, bytes], hashes: Mapping[str, bytes]) -> None:
        """Check every authority against the hash that the members agreed on.

        Args:
            certificates: Organisation -> its authority's DER.
            hashes: Organisation -> `certificate_hash` in the genesis; names the same organisations.

        Raises:
            CertificateError: If one is missing, additional, another one than agreed, or names somebody else.
        """
        if certificates.keys() != hashes.keys():
            differing = ", ".join(sorted(certificates.keys() ^ hashes.keys()))
            msg = f"authorities: expected exactly those of the genesis; these differ: {differing}"
            raise CertificateError(msg)
        self._certificates: dict[str, x509.Certificate] = {}
        for name, der in certificates.items():
            if certificate_hash(der) != hashes[name]:
                msg = (
                    f"authority of {name}: expected SHA-256 {hashes[name].hex()[:16]} as in the genesis, "
                    f"got {certificate_hash(der).hex()[:16]}"
                )
                raise CertificateError(msg)
            certificate = x509.load_der_x509_certificate(der)
            named = _read_subject(certificate, _AUTHORITY)
            if named != name:
                msg = f"authority of {name}: its certificate names {named}"
                raise CertificateError(msg)
            self._certificates[name] = certificate

    @property
    def names(self) -> frozenset[str]:
        """The organisations that have an authority."""
        return frozenset(self._certificates)

    @property
    def pem(self) -> str:
        """All authorities, as TLS takes them."""
        return "".join(item.public_bytes(Encoding.PEM).decode("ascii") for item in self._certificates.values())

    def identify(self, der: bytes | None) -> str:
        """Return the organisation that a peer's certificate speaks for.

        TLS has checked validity, purpose and possession of the key before; this checks the name.

        Args:
            der: The peer's certificate; None if it showed none.

        Raises:
            VerificationError: If there is none, or the authority of the name in it did not sign it itself.
        """
        if der is None:
            msg = "peer certificate: expected one, the peer showed none"
            raise VerificationError(msg)
        try:
            certificate = x509.load_der_x509_certificate(der)
            name = _read_subject(certificate, _NODE)
        except (ValueError, CertificateError):
            msg = "peer certificate: malformed, or not one that a member's authority issues to its nodes"
            raise VerificationError(msg) from None
        authority = self._certificates.get(name)
        if authority is None:
            msg = f"peer certificate: {name} is no member of this network"
            raise VerificationError(msg)
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            msg = f"peer certificate: says {name}, but the authority of {name} did not sign it"
            raise VerificationError(msg) from None
        return name


@dataclass(slots=True)
class Tls:
    """What a node needs to open and accept connections in its organisation's name.

    The contexts only ever learn further authorities: who is admitted is decided by `authorities`, which is asked for
    every connection and can be replaced while the node runs.
    """

    organisation: str
    """Whom the node's own certificate speaks for."""
    server: ssl.SSLContext
    client: ssl.SSLContext
    authorities: Authorities

    def trust(self, authorities: Authorities) -> None:
        """Admit these members from now on, and nobody else."""
        for context in (self.server, self.client):
            context.load_verify_locations(cadata=authorities.pem)
        self.authorities = authorities

    def reload(self, folder: Path) -> None:
        """Show the certificate that is in the folder now, in connections that begin from now on."""
        for context in (self.server, self.client):
            context.load_cert_chain(folder / _NODE_CERTIFICATE, folder / _NODE_KEY)


def load_tls(folder: Path, authorities: Authorities) -> Tls:
    """Read a node's certificate and key, and make its TLS contexts: mutual TLS 1.3, the members and nobody else.

    Args:
        folder: Holds `node.key` and `node.pem`.
        authorities: Whom to trust; what this machine trusts otherwise is not asked.

    Raises:
        CertificateError: If key or certificate is missing, malformed, readable by others, or they do not fit.
        VerificationError: If the certificate is not by a member's authority.
    """
    certificate = _load_certificate(folder / _NODE_CERTIFICATE, "node certificate")
    organisation = authorities.identify(certificate.public_bytes(Encoding.DER))
    _load_key(folder / _NODE_KEY, "node key")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False  # Authorities.identify checks the organisation instead, at both ends
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authorities.pem)
        try:
            context.load_cert_chain(folder / _NODE_CERTIFICATE, folder / _NODE_KEY)
        except ssl.SSLError:
            msg = f"node certificate: {folder / _NODE_CERTIFICATE} and {_NODE_KEY} beside it do not belong together"
            raise CertificateError(msg) from None
    server.num_tickets = 0
    return Tls(organisation, server, client, authorities)


def _builder(
    organisation: str,
    holder: str,
    public_key: ec.EllipticCurvePublicKey,
    entropy: Entropy,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(organisation, holder))
        .issuer_name(_subject(organisation, _AUTHORITY))
        .public_key(public_key)
        .serial_number(1 + int.from_bytes(entropy.draw(19), "big"))
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _subject(organisation: str, holder: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, holder),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _draw_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    scalar = int.from_bytes(entropy.draw(48), "big") % (_ORDER_P256 - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_key(path: Path, what: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_private(path, what, _PEM_BYTES_MAX), None)
    except FileError as error:
        raise CertificateError(str(error)) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{what}: {path} is not a PEM file with an ECDSA key"
        raise CertificateError(msg)
    return key


def _load_certificate(path: Path, what: str) -> x509.Certificate:
    try:
        return _parse_certificate(read_private(path, what, _PEM_BYTES_MAX), f"{what} {path}")
    except FileError as error:
        raise CertificateError(str(error)) from None


def _parse_certificate(data: bytes, what: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        msg = f"{what}: not a PEM certificate"
        raise CertificateError(msg) from None


def _read_subject(certificate: x509.Certificate, holder: str) -> str:
    """Return the organisation in a certificate's subject, which is in `_subject`'s form and no other."""
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    organisation = names[0].value if names else ""
    if not isinstance(organisation, str) or not organisation or certificate.subject != _subject(organisation, holder):
        msg = f"certificate: expected the subject O=<organisation>, CN={holder}"
        raise CertificateError(msg)
    return organisation
