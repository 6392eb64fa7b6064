"""A network of one validator inside this process: a real node, store and API, and no peers to wait for."""

import contextlib
import datetime as dt
import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from contracts.customers import Enrol, enrolment_message
from ledger.application import Application
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.execution.loader import ContractSet
from ledger.transactions import Submission, Transaction, make_submission
from nodes.api.app import make_app
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from nodes.contract_sources import load_installed_contracts
from nodes.entropy import SystemEntropy
from nodes.keystore import Keystore, load_keystore
from nodes.network.files import NodeFiles
from nodes.network.founding import CONSENSUS_FOLDER, Member, found_network
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.pki import Authorities, load_tls, read_authority
from nodes.storage import open_store
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import open_signers

NAME = "insurer-a"
OTHER = "hospital-a"
MEMBERS = (Member(NAME, "insurer"), Member(OTHER, "hospital", host=NAME))
ENTROPY = SystemEntropy()


@functools.cache
def contracts() -> ContractSet:
    """Return the installed contracts, loaded once per test process."""
    return load_installed_contracts()


def found(folder: Path) -> Home:
    """Found the network."""
    home = Home(folder)
    found_network(home, contracts().pins(), ENTROPY, dt.datetime.now(dt.UTC), MEMBERS)
    return home


def enrolment(node: NetworkNode, signer: str, **changed: Any) -> Transaction:
    """Return an enrolment of a new customer, with some fields changed."""
    key = PrivateKey(ENTROPY.draw(32))
    name = pseudonym_name(key.public_key)
    proof = sign_enrolment(key, enrolment_message(node.view.chain_id, name, key.public_key, signer))
    fields: dict[str, Any] = {
        "chain_id": node.view.chain_id,
        "signer": signer,
        "key_version": 1,
        "contract": "customers",
        "method": "enrol",
        "arguments": encode(Enrol(name, key.public_key, proof)),
        "nonce": ENTROPY.draw(16),
        "expires_height": node.view.height + 100,
        "expires_ms": read_clock_ms() + 60_000,
    }
    return Transaction(**(fields | changed))


@dataclass
class Solo:
    """A running node, its API, and the keys of its members."""

    node: NetworkNode
    app: FastAPI
    api: httpx.AsyncClient
    keys: dict[str, Keystore]
    lines: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    """What the node logged."""

    @property
    def chain_id(self) -> str:
        """The chain's id."""
        return self.node.view.chain_id

    def signer(self, member: str = NAME) -> RequestSigner:
        """Return a member as a caller of the API."""
        return RequestSigner(self.keys[member].submission, self.chain_id, member)

    def transaction(self, signer: str = NAME, **changed: Any) -> Transaction:
        """Return an enrolment of a new customer, with some fields changed."""
        return enrolment(self.node, signer, **changed)

    def submission(self, count: int = 1, signer: str = NAME) -> Submission:
        """Return a signed batch of enrolments."""
        transactions = tuple(self.transaction(signer) for _ in range(count))
        return make_submission(self.keys[signer].submission, transactions)

    async def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        signer: RequestSigner | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> httpx.Response:
        """Send a signed request, with some headers changed."""
        signed = (signer or self.signer()).headers(
            NAME, method, target, body, time_ms=read_clock_ms(), nonce=ENTROPY.draw(16)
        )
        all_headers = {"content-type": content_type, **signed, **(headers or {})}
        return await self.api.request(method, target, content=body, headers=all_headers)

    async def submit(self, *submissions: Submission, wait: float = 0, **options: Any) -> httpx.Response:
        """Send submissions in the ledger's encoding."""
        target = f"/v1/submissions?wait={wait:g}" if wait else "/v1/submissions"
        return await self.send("POST", target, encode(submissions), content_type="application/msgpack", **options)


@contextlib.asynccontextmanager
async def run_solo(home: Home) -> AsyncIterator[Solo]:
    """Run the node until the block ends."""
    genesis = home.load_genesis()
    folder = home.node_folder(NAME)
    store = open_store(folder / "store")
    blocks = BlockStore(store, genesis.chain_id, genesis.hash)
    application = Application(genesis, contracts(), store)
    if blocks.is_new:
        blocks.create(application.genesis_writes())
    consensus = folder / CONSENSUS_FOLDER
    keys = {member.name: load_keystore(home.node_folder(member.name) / "keys") for member in MEMBERS}
    signers = open_signers(consensus, keys[NAME].consensus_keys)
    files = NodeFiles(blocks, ConsensusLog(consensus / "log"), signers, folder)
    lines: list[tuple[str, Mapping[str, object]]] = []
    node = NetworkNode(
        NAME,
        application,
        (keys[NAME].consensus,),
        files,
        ENTROPY,
        hosted={OTHER: NAME},
        report=lambda event, fields: lines.append((event, fields)),
    )
    authorities = {member.name: read_authority(home.authority_path(member.name)) for member in MEMBERS}
    hashes = {item.name: item.certificate_hash for item in genesis.organisations}
    tls = load_tls(folder / "keys" / "tls", Authorities(authorities, hashes))
    app = make_app(node, ())
    try:
        await node.start(("127.0.0.1", 0), {}, tls)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://node") as api:
            yield Solo(node, app, api, keys, lines)
    finally:
        await node.stop()
        store.close()
