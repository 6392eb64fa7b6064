"""Peers come and go while a node runs: by the hashes in the state, and by nothing that lies in a folder."""

import asyncio
import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ledger.application import Application
from ledger.genesis import Credentials, Genesis
from nodes.config import Home, NodeAddress
from nodes.entropy import SeededEntropy
from nodes.network import frames
from nodes.network.admission import Admission
from nodes.network.directory import MemberDirectory
from nodes.network.founding import found_network
from nodes.network.frames import Answer, Hello
from nodes.network.transport import Transport
from nodes.pki import CertificateError, certificate_hash, find_tls_folder, read_authorities, read_authority, render_pem
from nodes.process import load_network_tls
from tests.nodes.certificates import create_member, trust
from tests.nodes.network.test_transport import A, B, C, Network, pair, run

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def authority(network: Network, name: str) -> bytes:
    return read_authority(network.folder / name / "authority.pem")


def record(transport: Transport) -> list[str]:
    """Return a list that will hold what a transport notes."""
    notes: list[str] = []

    def note(_: str, reason: str) -> None:
        notes.append(reason)

    transport._note = note  # type: ignore[assignment,method-assign]
    return notes


# ---------------------------------------------------------------------------------------------------- transport


def test_an_open_connection_of_a_replaced_certificate_is_cut_at_once_in_both_directions(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        first, second = await pair(network)
        first.send(B, b"one")
        second.send(A, b"two")
        await network.expect((B, A, b"one"), (A, B, b"two"))
        notes, ended = record(first), asyncio.Event()
        monkeypatch.setattr(second, "_note", lambda *_: ended.set())
        replaced = create_member(network.folder / "new", B)
        first._tls.trust(trust({A: authority(network, A), B: replaced}))
        first.change_peers({B: second.address})
        assert [f"cut off: peer certificate: says {B}, but the authority of {B} did not sign it"] * 2 == notes
        await ended.wait()
        await first.stop()
        await second.stop()

    run(scenario())


@pytest.mark.parametrize("is_dialling", [False, True])
def test_a_member_that_is_removed_while_it_greets_gets_no_connection(
    network: Network, monkeypatch: pytest.MonkeyPatch, *, is_dialling: bool
) -> None:
    async def scenario() -> None:
        first, second = network.transport(A, {}), network.transport(B, {})
        await first.start()
        await second.start()
        notes: asyncio.Queue[str] = asyncio.Queue()
        monkeypatch.setattr(first, "_note", lambda _, reason: notes.put_nowait(reason))
        others = {A: authority(network, A), C: authority(network, C)}
        name = "parse_answer" if is_dialling else "parse_hello"
        parse = getattr(frames, name)

        def remove_meanwhile(frame: bytes) -> Hello | Answer:
            first._tls.trust(trust(others))
            if not is_dialling:  # whoever is dialled no more is not there to be cut
                first.change_peers({})
            return parse(frame)  # type: ignore[no-any-return]

        monkeypatch.setattr(f"nodes.network.transport.{name}", remove_meanwhile)
        dialling, other = (first, second) if is_dialling else (second, first)
        dialling.set_peer(B if is_dialling else A, other.address)
        dialling.send(B if is_dialling else A, b"late")
        assert f"{B} is no member of this network" in await notes.get()
        await first.stop()
        await second.stop()
        assert network.inbox.empty()

    run(scenario())


def test_a_removed_member_is_dialled_no_more_and_a_new_one_is(network: Network) -> None:
    async def scenario() -> None:
        first, second = await pair(network)
        third = network.transport(C, {A: first.address})
        first.send(B, b"one")
        await network.expect((B, A, b"one"))
        first._tls.trust(trust({A: authority(network, A), C: authority(network, C)}))
        await third.start()
        first.change_peers({C: third.address})
        assert [peer.name for peer in first.peers()] == [C]
        first.send(C, b"welcome")
        third.send(A, b"thanks")
        await network.expect((C, A, b"welcome"), (A, C, b"thanks"))
        for transport in (first, second, third):
            await transport.stop()

    run(scenario())


def test_who_is_not_admitted_yet_is_refused_and_admitted_later_by_the_same_server(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    joiner = "hospital-c"
    der = create_member(network.folder / joiner, joiner)
    everybody = {name: authority(network, name) for name in (A, B, C)}

    async def scenario() -> None:
        first = network.transport(A, {})
        await first.start()
        network.authorities = trust({**everybody, joiner: der})
        other, refused = network.transport(joiner, {A: first.address}), asyncio.Event()
        monkeypatch.setattr(other, "_note", lambda *_: refused.set())
        await other.start()
        await refused.wait()
        assert first.peers() == ()
        first._tls.trust(trust({**everybody, joiner: der}))
        first.change_peers({joiner: other.address})
        first.send(joiner, b"now")
        await network.expect((joiner, A, b"now"))
        await first.stop()
        await other.stop()

    run(scenario())


# ---------------------------------------------------------------------------------------------------- directory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "n")
    found_network(home, (), SeededEntropy(b"directory"), AT)
    return home


def hashes(genesis: Genesis) -> dict[str, bytes]:
    return {item.name: item.certificate_hash for item in genesis.organisations}


def test_the_members_of_the_state_are_found_in_the_home(home: Home) -> None:
    agreed = hashes(home.load_genesis())
    found = MemberDirectory(home, "hospital-a").find(agreed)
    assert found.lacking == ()
    assert found.authorities.names == set(agreed)
    assert set(found.addresses) == {"hospital-b", "insurer-a", "regulator"}, "the rail runs no node"


def test_a_certificate_counts_by_the_hash_in_the_state(home: Home, tmp_path: Path) -> None:
    agreed = hashes(home.load_genesis())
    path = home.authority_path("insurer-a")
    fresh = create_member(tmp_path / "fresh", "insurer-a")
    path.write_bytes(path.read_bytes() + render_pem(fresh))
    assert [certificate_hash(der) for der in read_authorities(path)] == [agreed["insurer-a"], certificate_hash(fresh)]
    directory = MemberDirectory(home, "hospital-a")
    before = directory.find(agreed)
    assert before.authorities.pem.count("BEGIN") == len(agreed)
    after = directory.find({**agreed, "insurer-a": certificate_hash(fresh)})
    assert render_pem(fresh).decode() in after.authorities.pem
    assert render_pem(fresh).decode() not in before.authorities.pem


def test_what_is_lacking_is_named_and_the_others_are_found(home: Home) -> None:
    agreed = {**hashes(home.load_genesis()), "hospital-c": bytes(32)}
    found = MemberDirectory(home, "hospital-a").find(agreed)
    (why,) = found.lacking
    assert str(home.authority_path("hospital-c")) in why
    assert bytes(32).hex() in why
    assert "hospital-b" in found.addresses


def test_a_removed_member_is_in_no_directory_though_its_files_remain(home: Home) -> None:
    agreed = hashes(home.load_genesis())
    del agreed["insurer-a"]
    found = MemberDirectory(home, "hospital-a").find(agreed)
    assert "insurer-a" not in found.authorities.names
    assert "insurer-a" not in found.addresses


def test_who_joins_takes_the_files_as_they_are_until_the_state_knows_it(home: Home, tmp_path: Path) -> None:
    network = home.load_network()
    address = NodeAddress(organisation="hospital-c", host="127.0.0.1", peer_port=1, api_port=2)
    home.save_network(network.model_copy(update={"nodes": (*network.nodes, address)}))
    own = create_member(tmp_path / "c", "hospital-c")
    home.authority_path("hospital-c").write_bytes(render_pem(own))
    agreed = hashes(home.load_genesis())
    joining = MemberDirectory(home, "hospital-c").find(agreed)
    assert joining.authorities.names == {*agreed, "hospital-c"}
    assert "hospital-c" not in MemberDirectory(home, "hospital-a").find(agreed).authorities.names


def test_the_own_authority_is_the_one_that_the_members_agreed_on(tmp_path: Path) -> None:
    first = create_member(tmp_path / "tls", "rail")
    second = create_member(tmp_path / "tls-2", "rail")
    assert find_tls_folder(tmp_path, certificate_hash(first)) == tmp_path / "tls"
    assert find_tls_folder(tmp_path, certificate_hash(second)) == tmp_path / "tls-2"


def test_a_file_without_a_certificate_is_refused_by_name(home: Home) -> None:
    home.authority_path("rail").write_text("no certificate")
    with pytest.raises(CertificateError, match=r"rail\.pem"):
        MemberDirectory(home, "hospital-a").find(hashes(home.load_genesis()))


def test_a_node_starts_without_the_certificate_of_another_member_and_admits_it_when_it_is_there(home: Home) -> None:
    name, lacking = "hospital-a", home.authority_path("insurer-a")
    text = lacking.read_bytes()
    lacking.unlink()
    genesis, keys = home.load_genesis(), home.node_folder(name) / "keys"
    members = {item.name: Credentials(item.seal_key, 1, item.certificate_hash) for item in genesis.organisations}
    state = SimpleNamespace(height=0, members=lambda: members, validators=lambda _: genesis.validators)
    application, directory = cast("Application", state), MemberDirectory(home, name)
    _, tls, addresses = load_network_tls(keys, application, directory, name)
    assert set(addresses) == {"hospital-b", "regulator"}
    told: list[str] = []
    dialled: list[set[str]] = []
    transport = cast("Transport", SimpleNamespace(change_peers=lambda peers: dialled.append(set(peers))))
    admission = Admission(application, transport, tls, directory, lambda event, _: told.append(event))
    assert told == ["member-lacking"]
    admission.tick()
    lacking.write_bytes(text)
    admission.tick()
    assert told == ["member-lacking"]
    assert dialled[-1] == {"hospital-b", "insurer-a", "regulator"}
    assert "insurer-a" in tls.authorities.names


def test_a_node_without_its_own_authoritys_certificate_does_not_start(home: Home) -> None:
    genesis = home.load_genesis()
    home.authority_path("hospital-a").unlink()
    members = {item.name: Credentials(item.seal_key, 1, item.certificate_hash) for item in genesis.organisations}
    application = cast("Application", SimpleNamespace(members=lambda: members))
    with pytest.raises(CertificateError, match=r"hospital-a\.pem"):
        load_network_tls(
            home.node_folder("hospital-a") / "keys", application, MemberDirectory(home, "hospital-a"), "hospital-a"
        )
