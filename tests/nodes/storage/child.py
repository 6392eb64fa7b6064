"""A process that a test starts, watches through a pipe, and kills or starves of disk.

child.py blocks FOLDER ENGINE      append blocks for ever, printing each height once it is acknowledged
child.py full-store FOLDER ENGINE  the same on a disk that is full after a while; prints the error
child.py full-log PATH             append to a consensus log on such a disk
child.py full-signer PATH          save a signer's state on such a disk
"""

import resource
import sys
from pathlib import Path

from ledger.replica.signer import SignerState
from nodes.storage import StorageError, open_store
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import SignerFile
from tests.nodes.storage.chain import CHAIN_ID, GENESIS_HASH, append_block, make_writes

VALUE_BYTES = 50_000


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def limit_files(bytes_max: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))


def append_blocks(folder: str, engine: str) -> None:
    store = open_store(Path(folder), "leveldb" if engine == "leveldb" else "sqlite")
    blocks = BlockStore(store, CHAIN_ID, GENESIS_HASH)
    if blocks.is_new:
        blocks.create(make_writes(0))
    while True:
        append_block(blocks, blocks.height() + 1, VALUE_BYTES)
        say(blocks.height())


def fill_store(folder: str, engine: str) -> None:
    store = open_store(Path(folder), "leveldb" if engine == "leveldb" else "sqlite")
    blocks = BlockStore(store, CHAIN_ID, GENESIS_HASH)
    blocks.create(make_writes(0))
    limit_files(1_000_000)
    for _ in range(2):
        try:
            while True:
                append_block(blocks, blocks.height() + 1, VALUE_BYTES)
                say(blocks.height())
        except StorageError as error:
            say(error)
    store.close()


def fill_log(path: str) -> None:
    log = ConsensusLog(Path(path))
    log.reset(5)
    limit_files(2_000)
    for _ in range(2):
        try:
            while True:
                log.append([bytes(300)])
                say("acknowledged")
        except StorageError as error:
            say(error)


def fill_signer(path: str) -> None:
    file = SignerFile.create(Path(path))
    file.save(SignerState(1, 0, 1, b"first", bytes(64)))
    limit_files(100)
    for _ in range(2):
        try:
            file.save(SignerState(1, 0, 2, b"second", bytes(64)))
        except StorageError as error:
            say(error)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task == "blocks":
        append_blocks(*arguments)
    elif task == "full-store":
        fill_store(*arguments)
    elif task == "full-log":
        fill_log(*arguments)
    else:
        fill_signer(*arguments)
