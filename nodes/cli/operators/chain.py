"""`xinpei chain verify` and `xinpei chain diff`: the stores of stopped nodes, executed again or compared."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home, write_file

if TYPE_CHECKING:
    from nodes.audit.comparison import Comparison, FieldDifference
    from nodes.storage.blocks import BlockStore


@click.group()
def chain() -> None:
    """Check a node's chain, or compare two."""


@chain.command("verify")
@actor_option("the organisation whose store is read")
@home_option
@json_option
def verify_chain_(actor: str, home: Path, *, as_json: bool) -> None:
    """Re-execute every block of a stopped node's store from the genesis and compare everything.

    A store that began from a snapshot is executed from there on, after the snapshot was verified under a header to
    which certificates lead from the genesis; the answer says so.
    """
    from ledger.errors import LedgerError
    from nodes.audit.reexecution import verify_chain
    from nodes.contract_sources import ContractArchive
    from nodes.storage.adoption import base_files

    output = Output(as_json=as_json)
    place = Home(home)
    genesis = place.load_genesis()
    place.load_network().address(actor)
    with open_blocks(place, place.node_folder(actor) / "store") as blocks:
        try:
            begun = time.monotonic()
            first, height = blocks.first_height, blocks.height()
            base = base_files(place.node_folder(actor))
            for progress in verify_chain(genesis, blocks, ContractArchive(place.contracts_folder), base):
                output.progress(f"height {progress.height} of {progress.of} ...")
            seconds = time.monotonic() - begun
        except LedgerError as error:
            output.end_progress()
            output.finish({"holds": False, "why": str(error)})
            if not as_json:
                click.echo(f"DOES NOT HOLD: {error}", err=True)
            raise click.exceptions.Exit(1) from None
    output.end_progress()
    output.say(f"HOLDS: {height - first + 1} blocks re-executed in {seconds:.1f} s")
    if first > 1:
        output.say(
            f"from the snapshot of height {first - 1} on, which the validators certified; what was before it was not "
            "executed here: verify that at a node that has the blocks from 1 on"
        )
    output.finish({"holds": True, "height": height, "first_height": first, "seconds": round(seconds, 3)})


@chain.command()
@actor_option("the organisation whose node is asked")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("checkpoint.json"),
    show_default=True,
    help="Where the checkpoint is written.",
)
@home_option
@json_option
def checkpoint(actor: str, out: Path, home: Path, *, as_json: bool) -> None:
    """Take a checkpoint: the latest header, and who votes next, for somebody who trusts this node.

    `xinpei verify FILE --checkpoint checkpoint.json` needs no genesis then. Whoever gets the file compares height, time
    and header hash with what others see, over another way than the file came.
    """
    from nodes.audit.trust import read_checkpoint
    from nodes.cli.session import open_operator
    from nodes.schemas.civil_time import show_time

    output = Output(as_json=as_json)
    place = Home(home)
    with open_operator(place, actor) as client:
        data = client.get_bytes("/v1/checkpoint")
    header = read_checkpoint(data).header
    write_file(out, data)
    time, header_hash = show_time(header.time_ms), header.hash.hex()
    output.say(f"{out} · {len(data):,} bytes · chain {header.chain_id}")
    output.say(f"height {header.height} · {time} · header {header_hash}")
    output.say("compare these with another member before you trust the file")
    output.hint(f"xinpei verify dossier.json --checkpoint {out}")
    shown = {"chain": header.chain_id, "height": header.height, "time": time, "header": header_hash}
    output.finish({"checkpoint": str(out), **shown})


@chain.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@home_option
@json_option
def diff(first: str, second: str, home: Path, *, as_json: bool) -> None:
    """Say where the chains of stopped nodes A and B first differ: exit 0 if they do not, 1 if they do.

    A and B are organisations of the home folder, or folders of stores. Named are the first height at which blocks,
    receipts or certificates differ; and, where both stand at one height, the contracts whose states differ and the
    first entries that do. A node that is behind does not differ by that.
    """
    from nodes.audit.comparison import compare_chains

    output = Output(as_json=as_json)
    place = Home(home)
    organisations = [node.organisation for node in place.load_network().nodes]
    folders = find_store(place, organisations, first), find_store(place, organisations, second)
    if folders[0] == folders[1]:
        msg = f"A and B: expected two stores, got {folders[0]} twice"
        raise click.UsageError(msg)
    with open_blocks(place, folders[0]) as blocks, open_blocks(place, folders[1]) as others:
        try:
            found = compare_chains(blocks, others, lambda at, of: output.progress(f"height {at} of {of} ..."))
        finally:
            output.end_progress()
    for line in render_comparison(found, (first, second)):
        output.say(line)
    for name in (first, second):
        if not found.is_equal and name in organisations:
            output.hint(f"xinpei chain verify --as {name}")
    output.finish({"equal": found.is_equal, "stores": [str(folder) for folder in folders], **asdict(found)})
    if not found.is_equal:
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def open_blocks(home: Home, folder: Path) -> Iterator["BlockStore"]:
    """Open the chain of a stopped node for reading.

    Args:
        home: Its genesis says which chain it must be.
        folder: The store's.

    Raises:
        ConfigurationError: If there is no store, or an empty one.
        StorageError: If the node runs, or the store is another chain's or damaged.
    """
    from nodes.storage import open_store
    from nodes.storage.blocks import BlockStore

    genesis = home.load_genesis()
    if not (folder / "engine").is_file():
        msg = f"{folder}: expected the store of a node that has run, got no store"
        raise ConfigurationError(msg)
    store = open_store(folder)
    try:
        blocks = BlockStore(store, genesis.chain_id, genesis.hash)
        if blocks.is_new:
            msg = f"{folder}: expected the store of a node that has run, got an empty one"
            raise ConfigurationError(msg)
        yield blocks
    finally:
        store.close()


def find_store(home: Home, organisations: list[str], text: str) -> Path:
    """Return the folder of a store that is given as one of the organisations or as the folder itself."""
    if text in organisations:
        return (home.node_folder(text) / "store").resolve()
    if (Path(text) / "engine").is_file():
        return Path(text).resolve()
    msg = f"store: expected one of {', '.join(organisations)} or the folder of a store, got {text[:200]!r}"
    raise ConfigurationError(msg)


def render_comparison(found: "Comparison", names: tuple[str, str]) -> Iterator[str]:
    """Yield what a comparison found, in lines for people."""
    width = max(len(name) for name in names)
    common = min(found.heights)
    if found.block is not None:
        fields = ", ".join(item.field for item in found.block.fields)
        yield f"DIFFER first at height {found.block.height}: {fields}"
        for name, fault in zip(names, found.block.faults, strict=True):
            yield f"  {name:<{width}}  {'its copy does not hold: ' + fault if fault else 'its copy is certified'}"
        for item in found.block.fields:
            yield from _render_field(item, names, width)
    else:
        since = "" if found.first_height == 1 else f"from height {found.first_height} "
        yield f"{'EQUAL' if found.is_equal else 'equal'} {since}up to height {common}: blocks, receipts, certificates"
    if found.first_height > 1:
        yield f"not compared: blocks before height {found.first_height}, because a store began from a snapshot"
    if found.states is None:
        behind = names[found.heights.index(common)]
        heights = " and ".join(f"{name} at {height}" for name, height in zip(names, found.heights, strict=True))
        yield f"states not compared: {heights}; let {behind} catch up first"
        return
    for state in found.states:
        yield f"DIFFER in the state of {state.contract}: {_count(state.count)}"
        for item in state.entries:
            yield from _render_field(item, names, width)
    if not found.states:
        yield f"equal states at height {common}"


def _count(entries: int) -> str:
    if not entries:
        return "no entry, but the tree over them"
    return "1 entry" if entries == 1 else f"{entries} entries"


def _render_field(item: "FieldDifference", names: tuple[str, str], width: int) -> Iterator[str]:
    yield f"  {item.field}"
    for name, value in zip(names, (item.first, item.second), strict=True):
        yield f"    {name:<{width}}  {value}"
