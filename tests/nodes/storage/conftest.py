"""Every test of a store runs on each engine that this Python has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.storage import KeyValueStore, open_store
from nodes.storage.folder import Engine, choose_engine

ENGINES: tuple[Engine, ...] = ("sqlite", "leveldb") if choose_engine() == "leveldb" else ("sqlite",)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    name: Engine = request.param
    return name


@pytest.fixture
def store(engine: Engine, tmp_path: Path) -> Iterator[KeyValueStore]:
    opened = open_store(tmp_path / "store", engine)
    yield opened
    opened.close()
