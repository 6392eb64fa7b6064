"""`xinpei chain verify` and `xinpei chain diff` on real stores: exit code, words and JSON."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nodes.cli.operators.chain import chain
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home
from nodes.storage import StorageError, open_store
from tests.nodes.network.solo import NAME, found, run_solo

BLOCKS = 3


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home whose node has made some blocks and stopped."""
    home = found(tmp_path_factory.mktemp("home") / "n")

    async def run() -> None:
        async with run_solo(home) as solo:
            for _ in range(BLOCKS):
                assert (await solo.submit(solo.submission(), wait=20)).status_code == 200

    asyncio.run(run())
    return home


@pytest.fixture
def other(home: Home, tmp_path: Path) -> Path:
    """Return a copy of the node's store."""
    return Path(shutil.copytree(home.node_folder(NAME) / "store", tmp_path / "store"))


def run(home: Home, *arguments: object) -> Result:
    return CliRunner().invoke(chain, ["diff", *map(str, arguments), "--home", str(home.folder)])


def test_a_copy_is_equal(home: Home, other: Path) -> None:
    result = run(home, NAME, other)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [f"EQUAL up to height {BLOCKS}: blocks, receipts, certificates", f"equal states at height {BLOCKS}"],
    )


def test_a_tampered_store_differs_at_its_height_and_in_its_contract(home: Home, other: Path) -> None:
    store = open_store(other)
    key, value = next(store.scan(b"s/membership\x00"))
    store.write({b"r/" + (2).to_bytes(8): b"\x90", key: value + b"\x00"})
    store.close()
    result = run(home, NAME, other)
    assert result.exit_code == 1
    assert "DIFFER first at height 2: receipts[0]" in result.stdout
    assert f"{other}  its copy does not hold: the receipts are not those of the header" in result.stdout
    assert "DIFFER in the state of membership: 1 entry" in result.stdout
    answer = json.loads(run(home, NAME, other, "--json").stdout)
    assert (answer["equal"], answer["block"]["height"], answer["states"][0]["contract"]) == (False, 2, "membership")
    assert answer["heights"] == [BLOCKS, BLOCKS]


def test_who_executes_a_chain_again_is_told_at_which_height_it_stands(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Output, "progress", lambda _self, text: told.append(text))
    result = CliRunner().invoke(chain, ["verify", "--as", NAME, "--home", str(home.folder)])
    assert f"HOLDS: {BLOCKS} blocks re-executed" in result.stdout
    assert told == [f"height {height} of {BLOCKS} ..." for height in range(1, BLOCKS + 1)]


def test_one_store_is_not_compared_with_itself(home: Home) -> None:
    result = run(home, NAME, home.node_folder(NAME) / "store")
    assert result.exit_code == 2
    assert "twice" in result.stderr


def test_a_folder_without_a_store_is_refused_and_left_alone(home: Home, tmp_path: Path) -> None:
    result = run(home, NAME, tmp_path)
    assert isinstance(result.exception, ConfigurationError)
    assert "the folder of a store" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_use_is_refused(home: Home, other: Path) -> None:
    store = open_store(other)
    try:
        result = run(home, NAME, other)
    finally:
        store.close()
    assert isinstance(result.exception, StorageError)
    assert "stop that node first" in str(result.exception)
