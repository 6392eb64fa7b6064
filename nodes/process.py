"""One organisation's node as a process: everything is put together here, and nowhere else.

    python -m nodes.process --home HOME --organisation ORG

It opens the organisation's own files, checks them against the genesis, loads the contracts, joins the replica, the
transport, the role agents and the API on one event loop, says that it is ready, and runs until it is told to stop
(SIGTERM, SIGINT) or must stop by itself. Its log is one JSON object per line on the standard error.

Exit codes: 0 stopped as told, 1 stopped by itself and the last line says why, 2 wrong use.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import gc
import importlib
import json
import logging
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from ledger.application import Application
from ledger.errors import LedgerError
from nodes.agent import ChainView
from nodes.api.app import make_app
from nodes.api.server import ApiServer
from nodes.config import HOME_DEFAULT, Home
from nodes.contract_sources import ContractArchive
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.members import HostedMember, host_member
from nodes.network.directory import MemberDirectory
from nodes.network.files import NodeFiles
from nodes.network.founding import CONSENSUS_FOLDER
from nodes.network.node import NetworkNode, NodeStoppedError, StoreReplacedError, read_clock_ms
from nodes.network.supervisor import NodeLock, announce_ready
from nodes.network.syncing import SnapshotPolicy
from nodes.node_log import LOG_FILE as NODE_LOG_FILE
from nodes.node_log import NodeLog
from nodes.pki import CertificateError, Tls, find_tls_folder, load_tls, read_validity, renew_node_certificate
from nodes.roles.office.seal_keys import destroy_former_seal_keys, find_missing_seal_key
from nodes.storage import StorageError, open_store
from nodes.storage.adoption import STORE_FOLDER
from nodes.storage.adoption import finish as finish_adoption
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import open_signers

LOG_FILE = "consensus.log"
KEYS_SECONDS = 3600.0
"""Between two looks at the node's certificate, and at the seal keys of its members."""
FAULT_FRAMES = 8
"""Places of a fault that the log names, the innermost first."""

_log = NodeLog()


def main(policy: SnapshotPolicy | None = None) -> int:
    """Run one node until it stops; return the exit code.

    Args:
        policy: When snapshots are made and taken; None for the constants. No option of the command.
    """
    parser = argparse.ArgumentParser(prog="python -m nodes.process", description="Run one organisation's node.")
    parser.add_argument("--home", type=Path, default=HOME_DEFAULT, help="the network's home folder")
    parser.add_argument("--organisation", required=True, help="whose node to run")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, handlers=[_LineHandler()])
    logging.getLogger("nodes").setLevel(logging.INFO)
    gc.disable()  # until it serves: what a start builds stays, and to look for garbage in it takes a tenth of the time
    try:
        with asyncio.Runner(loop_factory=make_event_loop) as runner:
            runner.run(run_node(Home(arguments.home), arguments.organisation, policy))
    except (LedgerError, StorageError, NodeStoppedError, OSError) as error:
        write_line("stopped", {"why": str(error)})
        return 1
    return 0


async def run_node(home: Home, organisation: str, policy: SnapshotPolicy | None = None) -> None:
    """Run a node until it is told to stop; after it has taken a snapshot it begins again, as after a crash.

    Args:
        home: The network's.
        organisation: Whose node.
        policy: When snapshots are made and taken; None for the constants.

    Raises:
        LedgerError, StorageError, OSError: If it cannot start; the message says what to do.
        NodeStoppedError: If going on would be wrong.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    home.load_network().address(organisation)
    folder = home.node_folder(organisation)
    lock = NodeLock(folder)
    lock.acquire()
    _log.attach(folder / NODE_LOG_FILE, sys.stderr.fileno())
    try:
        is_over = False
        while not is_over:
            if finish_adoption(folder):
                write_line("state-adopted", {"folder": str(folder)})
            try:
                await _run_once(home, organisation, policy, told)
                is_over = True
            except StoreReplacedError as error:
                write_line("begins-again", {"why": str(error)})
    finally:
        lock.release()


async def _run_once(home: Home, organisation: str, policy: SnapshotPolicy | None, told: asyncio.Event) -> None:
    """Put a node together from its files and run it; raises `StoreReplacedError` when it must begin again."""
    network = home.load_network()
    genesis = home.load_genesis()
    address = network.address(organisation)
    folder = home.node_folder(organisation)
    keys = load_keystore(folder / "keys")
    archive = ContractArchive(home.contracts_folder)
    archive.keep_installed()
    store = open_store(folder / STORE_FOLDER)
    try:
        blocks = BlockStore(store, genesis.chain_id, genesis.hash)
        application = Application(genesis, archive, store)
        if blocks.is_new:
            blocks.create(application.genesis_writes())
        directory = MemberDirectory(home, organisation)
        tls_folder, tls, addresses = load_network_tls(folder / "keys", application, directory, organisation)
        consensus = folder / CONSENSUS_FOLDER
        files = NodeFiles(
            blocks, ConsensusLog(consensus / LOG_FILE), open_signers(consensus, keys.consensus_keys), folder
        )
        node = NetworkNode(
            organisation,
            application,
            tuple(keys.consensus_keys.values()),
            files,
            SystemEntropy(),
            hosted=network.hosted,
            report=write_line,
            policy=policy,
        )
        members = [organisation, *(name for name, host in network.hosted.items() if host == organisation)]
        hosted = [host_member(home, node, name, SystemEntropy()) for name in members]
        routers = [router for member in hosted for router in member.routers]
        server = ApiServer(make_app(node, routers), address.host, address.api_port, tls_folder)
        try:
            await node.start((address.host, address.peer_port), addresses, tls, directory)
            await server.start()
            announce_ready(folder)
            gc.enable()
            write_line("serving", {"organisation": organisation, "height": application.height, "store": store.engine})
            keeping = [
                asyncio.create_task(_keep_certificate(tls_folder, (tls, server))),
                asyncio.create_task(_keep_seal_keys(node.view, hosted)),
            ]
            try:
                await _run_until_stopped(node, told)
            finally:
                for task in keeping:
                    task.cancel()
        finally:
            node.dismiss()
            await server.stop()
            await node.stop()
    finally:
        store.close()


def make_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where there is one: TLS and sockets cost it half as much; else asyncio's own."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def load_network_tls(
    keys: Path, application: Application, directory: MemberDirectory, organisation: str
) -> tuple[Path, Tls, Mapping[str, tuple[str, int]]]:
    """Return the folder and TLS contexts of an organisation's node, and where its peers listen.

    Another member's certificate that is not here stops nothing: who has not handed out a new one must not keep the
    others from starting. `nodes.network.admission` reports it and goes on looking.

    Raises:
        LedgerError: If the organisation's own certificate is missing or foreign, or a file is malformed.
    """
    agreed = {name: item.certificate_hash for name, item in application.members().items()}
    found = directory.find(agreed)
    if found.lacking and organisation not in found.authorities.names:
        raise CertificateError("; ".join(found.lacking))
    folder = find_tls_folder(keys, agreed.get(organisation))
    renew_certificate(folder)
    return folder, load_tls(folder, found.authorities), found.addresses


def renew_certificate(folder: Path) -> bool:
    """Renew the node's certificate if it is due; return whether it was. One that cannot be renewed stops nothing.

    Args:
        folder: Holds the node's certificate and key, and its organisation's authority.
    """
    now = dt.datetime.now(dt.UTC)
    validity = read_validity(folder)
    if not validity.is_due(now):
        return False
    try:
        renewed = renew_node_certificate(folder, SystemEntropy(), now)
    except (LedgerError, OSError) as error:
        write_line("certificate-not-renewed", {"until": validity.ends.isoformat(), "why": str(error)})
        return False
    write_line("certificate-renewed", {"until": renewed.ends.isoformat()})
    return True


async def _keep_certificate(folder: Path, users: Iterable[Tls | ApiServer]) -> None:
    """Renew the certificate whenever it is due; connections that are open keep the one they began with."""
    while True:
        await asyncio.sleep(KEYS_SECONDS)
        if renew_certificate(folder):
            for user in users:
                user.reload(folder)


def write_line(event: str, fields: Mapping[str, object]) -> None:
    """Write one log line; never plaintext, keys or amounts. A log that cannot be written stops nothing."""
    line = json.dumps({"time_ms": read_clock_ms(), "event": event, **fields}, ensure_ascii=False) + "\n"
    with contextlib.suppress(OSError):
        _log.write(line.encode(errors="backslashreplace"), sys.stderr.fileno())


def look_after_seal_keys(view: ChainView, member: HostedMember) -> None:
    """Destroy a member's seal keys that nobody needs any more, and say if the one that others seal to is not here."""
    try:
        for version in destroy_former_seal_keys(view, member.name, member.role, member.seal_keys):
            write_line("seal-key-destroyed", {"organisation": member.name, "version": version})
        missing = find_missing_seal_key(view, member.name, member.seal_keys)
    except (LedgerError, OSError) as error:
        write_line("seal-keys-not-kept", {"organisation": member.name, "why": str(error)})
        return
    if missing is not None:
        write_line("seal-key-missing", {"organisation": member.name, "version": missing})


async def _keep_seal_keys(view: ChainView, hosted: Iterable[HostedMember]) -> None:
    while True:
        for member in hosted:
            look_after_seal_keys(view, member)
        await asyncio.sleep(KEYS_SECONDS)


class _LineHandler(logging.Handler):
    """Writes what libraries log in the same form as everything else."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; of an exception its kind and its places, because its text may quote what is secret."""
        line: dict[str, object] = {"level": record.levelname, "from": record.name, "text": record.getMessage().strip()}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)[-FAULT_FRAMES:]
            line["fault"] = type(error).__name__
            line["at"] = [f"{frame.filename}:{frame.lineno}" for frame in reversed(frames)]
        write_line("log", line)


async def _run_until_stopped(node: NetworkNode, told: asyncio.Event) -> None:
    waiting = {asyncio.ensure_future(node.wait()), asyncio.ensure_future(told.wait())}
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


if __name__ == "__main__":
    sys.exit(main())
