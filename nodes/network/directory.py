"""Who may connect and where they listen: the state says who, by certificate hash; a home's public files say the rest.

    authorities/ORG.pem    all CA certificates of a member, newest last; the old one stays while anybody needs it
    network.json           addresses

The state has hashes only. A certificate counts if its hash is the one in the state, and not because it lies here. Only
a node whose own organisation is not in its state yet, because it joins and has to fetch the chain first, takes the
newest certificate of each file: what it fetches proves itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodes.config import Home
from nodes.pki import Authorities, CertificateError, certificate_hash, read_authorities

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Whom to admit, where to dial, and what is missing for it."""

    authorities: Authorities
    addresses: Mapping[str, Address]
    """Of the other members' nodes."""
    lacking: tuple[str, ...]
    """What this home does not have, and what to do."""


class MemberDirectory:
    """The public files of one home, read anew whenever the members change."""

    def __init__(self, home: Home, organisation: str) -> None:
        """Look things up for one organisation's node."""
        self._home = home
        self._organisation = organisation

    def find(self, hashes: Mapping[str, bytes]) -> Directory:
        """Return the directory of the members.

        Args:
            hashes: Organisation -> SHA-256 of its CA certificate, by the state.

        Raises:
            ConfigurationError: If network.json is malformed.
            CertificateError: If a certificate file is.
        """
        network = self._home.load_network()
        certificates: dict[str, bytes] = {}
        lacking: list[str] = []
        for name, agreed in hashes.items():
            path = self._home.authority_path(name)
            known = {certificate_hash(der): der for der in _read(path)}
            if agreed in known:
                certificates[name] = known[agreed]
            else:
                msg = f"{path}: expected the CA certificate of {name} with SHA-256 {agreed.hex()}, not found; add it"
                lacking.append(msg)
        if self._organisation not in hashes:
            certificates |= self._newest(hashes)
        agreed_or_given = {name: certificate_hash(der) for name, der in certificates.items()}
        addresses = {
            node.organisation: (node.host, node.peer_port)
            for node in network.nodes
            if node.organisation in certificates and node.organisation != self._organisation
        }
        return Directory(Authorities(certificates, agreed_or_given), addresses, tuple(lacking))

    def _newest(self, hashes: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the certificates of those whom the state does not know, as the files have them."""
        paths = sorted(self._home.authorities_folder.glob("*.pem"))
        return {path.stem: _read(path)[-1] for path in paths if path.stem not in hashes}


def _read(path: Path) -> list[bytes]:
    try:
        return read_authorities(path)
    except CertificateError:
        if path.exists():
            raise
        return []
