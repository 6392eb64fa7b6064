"""`xinpei contract`: the contract sets that this home folder keeps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home

if TYPE_CHECKING:
    from ledger.execution.loader import ContractSet


@click.group()
def contract() -> None:
    """Add changed contracts to this home folder, and list what it keeps."""


@contract.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@home_option
@json_option
def add(folder: Path, home: Path, *, as_json: bool) -> None:
    """Check the contract modules in FOLDER and keep them by their hash, for a vote and for the heights they run.

    FOLDER is a whole package `contracts`, changed. Every member adds the same; who has other bytes has another hash.
    Checked are the static rules, that the set can be loaded, that no contract of the installed set is missing, and that
    every table's rows keep their form: a table whose rows have another form is named, because rows that were written
    before would not be read.
    """
    from nodes.contract_sources import (
        ContractArchive,
        list_table_changes,
        load_installed_contracts,
        read_platform,
        read_tree,
        set_hash,
    )

    output = Output(as_json=as_json)
    archive = ContractArchive(Home(home).contracts_folder)
    added = archive.keep(read_platform() | read_tree(folder))
    changed = _changed(load_installed_contracts(), added)
    tables = list_table_changes(load_installed_contracts(), added)
    name = set_hash(added.pins()).hex()
    output.say(f"set {name}")
    for contract_name in changed:
        loaded = added.get(contract_name)
        output.say(f"  {contract_name}  {loaded.code_hash.hex() if loaded else 'missing'}")
    if not changed:
        output.say("  the same contracts as this installation's")
    for line in tables:
        output.say(f"  ATTENTION: {line}")
    output.hint(f"xinpei govern prepare upgrade {name} --from-height HEIGHT")
    hashes = {pin.name: pin.code_hash.hex() for pin in added.pins()}
    output.finish({"set": name, "contracts": hashes, "changed": changed, "tables": tables})


@contract.command("list")
@home_option
@json_option
def list_(home: Path, *, as_json: bool) -> None:
    """List the contract sets of this home folder, and what each changes against this installation."""
    from ledger.execution.loader import ContractLoadError
    from nodes.contract_sources import ContractArchive, load_installed_contracts

    output = Output(as_json=as_json)
    archive = ContractArchive(Home(home).contracts_folder)
    rows: list[dict[str, Any]] = []
    for name in archive.list_sets():
        try:
            changed, why = _changed(load_installed_contracts(), archive.load(name)), ""
        except ContractLoadError as error:
            changed, why = [], str(error)
        rows.append({"set": name, "changed": changed, "why": why})
        output.say(f"{name}  {why or ', '.join(changed) or 'as installed'}")
    output.finish({"sets": rows})


def _changed(before: "ContractSet", after: "ContractSet") -> list[str]:
    old = {pin.name: pin.code_hash for pin in before.pins()}
    new = {pin.name: pin.code_hash for pin in after.pins()}
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
