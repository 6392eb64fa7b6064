"""Real processes: killed in the middle of a write, or on a disk that is full."""

import subprocess
import sys
from pathlib import Path

import pytest

from nodes.storage import StorageError, open_store
from nodes.storage.blocks import BlockStore
from nodes.storage.folder import Engine
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import SignerFile
from tests.nodes.storage.chain import CHAIN_ID, GENESIS_HASH, append_block, check_whole

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "tests.nodes.storage.child"]


def run_child(*arguments: str) -> list[str]:
    result = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_a_killed_writer_leaves_the_old_height_or_the_new_one(tmp_path: Path, engine: Engine) -> None:
    acknowledged = 0
    for wait in (1, 2, 7, 12):
        with subprocess.Popen(
            [*COMMAND, "blocks", str(tmp_path), engine], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(wait):
                acknowledged = int(child.stdout.readline())
            with pytest.raises(StorageError, match=f"in use by process {child.pid}"):
                open_store(tmp_path, engine)
            child.kill()
            acknowledged = max([acknowledged, *map(int, child.stdout.read().splitlines())])
        store = open_store(tmp_path, engine)
        assert check_whole(BlockStore(store, CHAIN_ID, GENESIS_HASH)) in {acknowledged, acknowledged + 1}
        store.close()


def test_a_full_disk_is_an_error_and_every_acknowledged_block_survives_it(tmp_path: Path, engine: Engine) -> None:
    *heights, first, second = run_child("full-store", str(tmp_path), engine)
    assert len(heights) >= 3
    assert "cannot write a batch" in first
    assert first.endswith("free space on this disk or repair it, then start the node again")
    assert "an earlier write failed" in second
    store = open_store(tmp_path, engine)
    blocks = BlockStore(store, CHAIN_ID, GENESIS_HASH)
    assert check_whole(blocks) == int(heights[-1])
    append_block(blocks, blocks.height() + 1)
    assert check_whole(blocks) == int(heights[-1]) + 1
    store.close()


def test_a_log_on_a_full_disk_refuses_to_go_on_and_loses_nothing(tmp_path: Path) -> None:
    *acknowledged, first, second = run_child("full-log", str(tmp_path / "log"))
    assert acknowledged == ["acknowledged"] * 5
    assert "cannot append" in first
    assert "an earlier write failed" in second
    log = ConsensusLog(tmp_path / "log")
    assert (log.height, len(log.entries)) == (5, 5)
    assert log.cut_bytes > 0
    log.close()


def test_a_signer_that_cannot_save_keeps_its_last_state(tmp_path: Path) -> None:
    first, second = run_child("full-signer", str(tmp_path / "signer"))
    assert "cannot save what is about to be signed" in first
    assert "an earlier write failed" in second
    file = SignerFile.open(tmp_path / "signer")
    assert file is not None
    assert file.state.sign_bytes == b"first"
    file.close()
