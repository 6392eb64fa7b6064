"""Who may speak in whose name: certificates against strangers and against other members."""

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from ledger.errors import VerificationError
from nodes.pki import (
    NODE_DAYS,
    Authorities,
    CertificateError,
    Tls,
    certificate_hash,
    create_authority,
    issue_node_certificate,
    load_tls,
    read_authority,
    read_validity,
    render_pem,
    renew_node_certificate,
)
from tests.nodes.certificates import ENTROPY, MEMBERS, create_member, forge_node_certificate, read_clock, trust


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, bytes]:
    return {name: create_member(tmp_path / name, name) for name in MEMBERS}


def shake_hands(server: Tls, client: Tls) -> tuple[str, str]:
    """Run TLS in memory, then identify both ends; return what the server and what the client found."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.server.wrap_bio(to_server, to_client, server_side=True)
    dialling = client.client.wrap_bio(to_client, to_server)
    pending = [dialling, accepting]
    for _ in range(10):
        for end in tuple(pending):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(end)
        if not pending:
            break
    assert not pending
    assert accepting.version() == dialling.version() == "TLSv1.3"
    return (
        server.authorities.identify(accepting.getpeercert(binary_form=True)),
        client.authorities.identify(dialling.getpeercert(binary_form=True)),
    )


def test_two_members_know_each_other(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    authorities = trust(certificates)
    server, client = load_tls(tmp_path / "hospital-a", authorities), load_tls(tmp_path / "insurer-a", authorities)
    assert (server.organisation, client.organisation) == ("hospital-a", "insurer-a")
    assert shake_hands(server, client) == ("insurer-a", "hospital-a")


def test_a_strangers_certificate_is_refused_at_both_ends(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    stranger_der = create_member(tmp_path / "stranger", "stranger")
    member = load_tls(tmp_path / "hospital-a", trust(certificates))
    stranger = load_tls(tmp_path / "stranger", trust({**certificates, "stranger": stranger_der}))
    for server, client in ((member, stranger), (stranger, member)):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(server, client)


def test_a_stranger_who_takes_a_members_name_is_refused(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    own = create_member(tmp_path / "stranger", "hospital-b")
    member = load_tls(tmp_path / "hospital-a", trust(certificates))
    stranger = load_tls(tmp_path / "stranger", trust({**certificates, "hospital-b": own}))
    with pytest.raises(ssl.SSLError):
        shake_hands(member, stranger)


@pytest.mark.parametrize(
    ("issuer", "sentence"),
    [
        ("hospital-b", "the authority of hospital-a did not sign it"),  # TLS alone would accept this one
        ("hospital-a", "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_a_member_cannot_speak_in_another_members_name(
    tmp_path: Path, certificates: dict[str, bytes], issuer: str, sentence: str
) -> None:
    victim = load_tls(tmp_path / "insurer-a", trust(certificates))
    honest = load_tls(tmp_path / "hospital-b", trust(certificates))
    forge_node_certificate(tmp_path / "hospital-b", "hospital-a", issuer)
    honest.client.load_cert_chain(tmp_path / "hospital-b" / "node.pem", tmp_path / "hospital-b" / "node.key")
    with pytest.raises((VerificationError, ssl.SSLError), match=sentence):
        shake_hands(victim, honest)
    with pytest.raises(VerificationError, match="says hospital-a, but the authority of hospital-a did not sign it"):
        load_tls(tmp_path / "hospital-b", trust(certificates))


def test_no_session_ticket_lets_a_peer_skip_its_certificate(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    authorities = trust(certificates)
    server, client = load_tls(tmp_path / "hospital-a", authorities), load_tls(tmp_path / "insurer-a", authorities)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.server.wrap_bio(to_server, to_client, server_side=True)
    dialling = client.client.wrap_bio(to_client, to_server)
    for end in (dialling, accepting, dialling, accepting):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    accepting.write(b"x")  # tickets would come before it
    assert dialling.read(1) == b"x"
    assert dialling.session is not None
    assert not dialling.session.has_ticket


def test_an_authority_is_no_node(certificates: dict[str, bytes]) -> None:
    with pytest.raises(VerificationError, match="not one that a member's authority issues to its nodes"):
        trust(certificates).identify(certificates["hospital-a"])


def test_no_certificate_garbage_and_unknown_names_are_refused(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    authorities = trust(certificates)
    create_member(tmp_path / "stranger", "stranger")
    stranger = ssl.PEM_cert_to_DER_cert((tmp_path / "stranger" / "node.pem").read_text())
    for der, sentence in ((None, "showed none"), (b"x", "malformed"), (stranger, "stranger is no member")):
        with pytest.raises(VerificationError, match=sentence):
            authorities.identify(der)


@pytest.mark.parametrize("days", [-500, 2])
def test_a_certificate_outside_its_time_is_refused(tmp_path: Path, certificates: dict[str, bytes], days: int) -> None:
    issue_node_certificate(tmp_path / "hospital-b", ENTROPY, read_clock() + dt.timedelta(days=days))
    authorities = trust(certificates)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"expired|not yet valid"):
        shake_hands(load_tls(tmp_path / "hospital-a", authorities), load_tls(tmp_path / "hospital-b", authorities))


def test_an_older_tls_is_refused(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    authorities = trust(certificates)
    server, client = load_tls(tmp_path / "hospital-a", authorities), load_tls(tmp_path / "hospital-b", authorities)
    client.client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        shake_hands(server, client)


def test_a_client_without_certificate_is_refused(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    server = load_tls(tmp_path / "hospital-a", trust(certificates))
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(cadata=server.authorities.pem)
    with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
        shake_hands(server, Tls("hospital-b", server.server, bare, server.authorities))


def test_authorities_are_exactly_those_of_the_genesis(certificates: dict[str, bytes]) -> None:
    hashes = {name: certificate_hash(der) for name, der in certificates.items()}
    fewer = {name: der for name, der in certificates.items() if name != "insurer-a"}
    swapped = {**certificates, "hospital-a": certificates["hospital-b"]}
    for given, sentence in ((fewer, "these differ: insurer-a"), (swapped, "authority of hospital-a: expected SHA-256")):
        with pytest.raises(CertificateError, match=sentence):
            Authorities(given, hashes)
    with pytest.raises(CertificateError, match="its certificate names hospital-b"):
        Authorities(swapped, {**hashes, "hospital-a": hashes["hospital-b"]})


def test_the_hash_in_the_genesis_is_that_of_the_der(tmp_path: Path, certificates: dict[str, bytes]) -> None:
    path = tmp_path / "hospital-a.pem"
    path.write_bytes(render_pem(certificates["hospital-a"]))
    assert read_authority(path) == certificates["hospital-a"]
    certificate = x509.load_der_x509_certificate(certificates["hospital-a"])
    assert certificate_hash(certificates["hospital-a"]) == certificate.fingerprint(certificate.signature_hash_algorithm)  # type: ignore[arg-type]
    path.write_bytes(b"-----BEGIN nothing")
    with pytest.raises(CertificateError, match="not a PEM certificate"):
        read_authority(path)
    with pytest.raises(CertificateError, match="found none"):
        read_authority(tmp_path / "none.pem")


def test_an_authority_is_never_replaced_and_its_files_are_private(
    tmp_path: Path, certificates: dict[str, bytes]
) -> None:
    folder = tmp_path / "hospital-a"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with pytest.raises(CertificateError, match="exists already and is not replaced"):
        create_authority(folder, "hospital-a", ENTROPY, read_clock())


def test_key_and_certificate_that_are_damaged_missing_or_not_a_pair_are_told(
    tmp_path: Path, certificates: dict[str, bytes]
) -> None:
    folder = tmp_path / "hospital-a"
    authorities = trust(certificates)
    key = (folder / "node.key").read_bytes()
    (folder / "node.key").write_bytes((tmp_path / "hospital-b" / "node.key").read_bytes())
    with pytest.raises(CertificateError, match="do not belong together"):
        load_tls(folder, authorities)
    (folder / "node.key").write_bytes(key[:60])
    with pytest.raises(CertificateError, match="is not a PEM file with an ECDSA key"):
        load_tls(folder, authorities)
    (folder / "node.key").chmod(0o644)
    with pytest.raises(CertificateError, match="node key: expected mode 0600"):
        load_tls(folder, authorities)
    (folder / "node.pem").unlink()
    with pytest.raises(CertificateError, match="node certificate: expected a file"):
        load_tls(folder, authorities)


def test_a_certificate_is_due_when_less_than_a_third_of_its_time_is_left(tmp_path: Path) -> None:
    begun = read_clock().replace(microsecond=0)
    create_member(tmp_path, "hospital-a", begun)
    validity = read_validity(tmp_path)
    assert (validity.ends - begun).days == NODE_DAYS
    for days, is_due in ((0, False), (265, False), (266, True), (NODE_DAYS + 1, True)):
        assert validity.is_due(begun + dt.timedelta(days=days)) is is_due


def test_a_renewed_certificate_has_the_same_key_and_names_and_serves_without_a_restart(
    tmp_path: Path, certificates: dict[str, bytes]
) -> None:
    folder = tmp_path / "hospital-a"
    issue_node_certificate(folder, ENTROPY, read_clock() - dt.timedelta(days=390), ("localhost", "ledger.example"))
    server, client = (load_tls(tmp_path / name, trust(certificates)) for name in ("hospital-a", "insurer-a"))
    before = x509.load_pem_x509_certificate((folder / "node.pem").read_bytes())
    key = (folder / "node.key").read_bytes()
    now = read_clock()
    assert read_validity(folder).is_due(now)
    assert renew_node_certificate(folder, ENTROPY, now) == read_validity(folder)
    assert not read_validity(folder).is_due(now)
    assert (folder / "node.key").read_bytes() == key
    after = x509.load_pem_x509_certificate((folder / "node.pem").read_bytes())
    names = [item.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for item in (before, after)]
    assert names[0] == names[1]
    assert after.serial_number != before.serial_number

    server.reload(folder)
    assert shake_hands(server, client) == ("insurer-a", "hospital-a")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.server.wrap_bio(to_server, to_client, server_side=True)
    dialling = client.client.wrap_bio(to_client, to_server)
    for end in (dialling, accepting, dialling):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    shown = dialling.getpeercert(binary_form=True)
    assert shown is not None
    assert x509.load_der_x509_certificate(shown).serial_number == after.serial_number


def test_without_the_authoritys_key_nothing_is_renewed_and_nothing_is_lost(tmp_path: Path) -> None:
    create_member(tmp_path, "hospital-a")
    before = (tmp_path / "node.pem").read_bytes()
    (tmp_path / "authority.key").unlink()
    with pytest.raises(CertificateError, match="authority key"):
        renew_node_certificate(tmp_path, ENTROPY, read_clock())
    assert (tmp_path / "node.pem").read_bytes() == before
