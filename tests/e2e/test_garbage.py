"""A member that sends garbage to the others' processes, with its own certificate: they note it and go on."""

import asyncio
import random

from ledger.codec import encode
from nodes.config import Home
from nodes.network.frames import LENGTH_BYTES, encode_frame, make_hello
from nodes.network.messages import ConsensusFrame
from nodes.pki import Authorities, Tls, load_tls, read_authority
from tests.e2e.network import ALL, PATIENCE_SECONDS, Network

LIAR = "hospital-b"
OTHERS = tuple(name for name in ALL if name != LIAR)
KINDS = ("consensus", "request", "answer", "offer-request", "offer", "chunk-request", "chunk", "blocks-absent")


def test_a_member_that_sends_garbage_holds_nobody_up_and_is_welcome_when_it_stops(network: Network) -> None:
    network.kill(LIAR)
    before = network.height(OTHERS[0])
    tls = liar_tls(network.home)
    with network.load(*OTHERS) as load:
        load.await_more(1)
        for name in OTHERS:
            address = network.network.address(name)
            for number, data in enumerate(list_garbage(random.Random(name))):
                ended = asyncio.run(send_after_greeting(network, tls, (address.host, address.peer_port), data))
                assert ended, f"{name} kept the connection after garbage {number}"
        load.await_more(2)
    assert network.height(OTHERS[0]) > before
    for name in OTHERS:
        assert network.processes[name].poll() is None
        assert network.events(name, "fault") == []
    network.start(LIAR)
    network.check_agreement(load.acknowledged)


def list_garbage(chance: random.Random) -> list[bytes]:
    """Return what may come after a greeting and is nothing: each must end the connection."""
    frame = encode_frame(encode(("consensus",)))
    return [
        chance.randbytes(4096),
        b"\xff" * LENGTH_BYTES + b"x",
        bytes(LENGTH_BYTES),
        encode_frame(chance.randbytes(200)),
        encode_frame(b"\xc1"),
        encode_frame(b"\x91" * 5_000 + b"\x01"),
        frame + frame[:-1] + b"\x00",
        *(encode_frame(encode((kind, *(chance.randbytes(40) for _ in range(4))))) for kind in KINDS),
        encode_frame(encode((ConsensusFrame.__struct_config__.tag, ("vote", b"x" * 32)))),
    ]


async def send_after_greeting(network: Network, tls: Tls, address: tuple[str, int], data: bytes) -> bool:
    """Greet as the liar does, send, and return whether the other side ended the connection."""
    genesis = network.home.load_genesis()
    reader, writer = await asyncio.open_connection(*address, ssl=tls.client)
    writer.write(encode_frame(encode(make_hello(genesis.chain_id, genesis.hash, LIAR))))
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
    await reader.readexactly(length)
    writer.write(data)
    try:
        await writer.drain()
        ended = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) is not None
    except ConnectionError:
        ended = True
    writer.transport.abort()
    return ended


def liar_tls(home: Home) -> Tls:
    """Return the TLS contexts of the liar's own node."""
    genesis = home.load_genesis()
    certificates = {item.name: read_authority(home.authority_path(item.name)) for item in genesis.organisations}
    hashes = {item.name: item.certificate_hash for item in genesis.organisations}
    return load_tls(home.node_folder(LIAR) / "keys" / "tls", Authorities(certificates, hashes))
