"""Contract sets are kept by hash, found by their pins, and nothing is run whose bytes are others."""

from pathlib import Path

import pytest

from ledger.execution.loader import ContractLoadError, ContractSet, MissingContractError, load_contracts
from nodes.contract_sources import (
    ContractArchive,
    list_table_changes,
    load_installed_contracts,
    read_platform,
    read_sources,
    read_tree,
    set_hash,
)

MODULE = "contracts.keys"
BOUND = "KEY_VERSIONS_MAX = 64"


def changed(old: str = BOUND, new: str = "KEY_VERSIONS_MAX = 65") -> dict[str, str]:
    """Return the installed sources with one change in the contract `keys`."""
    sources = read_sources()
    assert old in sources[MODULE]
    return {**sources, MODULE: sources[MODULE].replace(old, new)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ContractArchive:
    return ContractArchive(tmp_path_factory.mktemp("home") / "contracts")


@pytest.fixture(scope="module")
def added(archive: ContractArchive) -> ContractSet:
    return archive.keep(changed())


def test_a_kept_set_is_found_by_its_pins_by_a_process_that_never_saw_its_sources(
    archive: ContractArchive, added: ContractSet
) -> None:
    assert added.pins() != load_installed_contracts().pins()
    found = ContractArchive(archive.folder).find(added.pins())
    assert found.pins() == added.pins()
    assert archive.list_sets() == [set_hash(added.pins()).hex()]


def test_the_installed_set_is_found_without_being_kept(tmp_path: Path) -> None:
    installed = load_installed_contracts()
    assert ContractArchive(tmp_path / "none").find(installed.pins()) is installed
    assert not (tmp_path / "none").exists()


def test_a_set_that_is_neither_kept_nor_installed_names_a_contract(added: ContractSet, tmp_path: Path) -> None:
    with pytest.raises(MissingContractError, match=r"contract .*: code [0-9a-f]{64} is pinned"):
        ContractArchive(tmp_path).find(added.pins())


def test_a_kept_set_that_was_edited_is_refused(tmp_path: Path) -> None:
    archive = ContractArchive(tmp_path)
    pins = archive.keep(changed(new="KEY_VERSIONS_MAX = 66")).pins()
    path = tmp_path / set_hash(pins).hex() / "contracts" / "keys.py"
    path.write_text(path.read_text().replace("66", "67"))
    with pytest.raises(ContractLoadError, match="do not have the hashes"):
        ContractArchive(tmp_path).find(pins)


def test_a_kept_set_that_rotted_on_the_disk_is_refused_as_such_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = ContractArchive(tmp_path)
    pins = archive.keep(changed()).pins()
    (tmp_path / set_hash(pins).hex() / "contracts" / "keys.py").write_bytes(b"\xff")
    fresh = ContractArchive(tmp_path)
    with pytest.raises(ContractLoadError, match="cannot be read"):
        fresh.find(pins)
    monkeypatch.setattr(ContractArchive, "_read", lambda *_: pytest.fail("it was read again"))
    with pytest.raises(ContractLoadError, match="cannot be read"):
        fresh.find(pins)


def test_a_set_for_another_platform_is_never_run_on_this_one(tmp_path: Path) -> None:
    archive = ContractArchive(tmp_path)
    pins = archive.keep(changed(new="KEY_VERSIONS_MAX = 68")).pins()
    path = tmp_path / set_hash(pins).hex() / "ledger" / "limits.py"
    path.write_text(path.read_text() + "\n# another version\n")
    with pytest.raises(ContractLoadError, match=r"another ledger\.limits"):
        ContractArchive(tmp_path).find(pins)


def test_what_cannot_be_loaded_is_not_kept(tmp_path: Path) -> None:
    archive = ContractArchive(tmp_path)
    with pytest.raises(ContractLoadError):
        archive.keep(changed(new="KEY_VERSIONS_MAX = 0.5"))
    assert archive.list_sets() == []
    with pytest.raises(ContractLoadError, match=r"no \.py file"):
        read_tree(tmp_path)
    with pytest.raises(ContractLoadError, match="expected one of none"):
        archive.load("../secret")


def test_a_table_whose_rows_change_their_form_is_named(added: ContractSet) -> None:
    installed = load_installed_contracts()
    assert list_table_changes(installed, added) == []
    row = '    """Table `owners`: whose a public key is, or was."""\n\n    name: Name\n'
    sources = changed(row, f"{row}    extra: Name | None\n")
    sources[MODULE] = sources[MODULE].replace("KeyOwner(name)", "KeyOwner(name, None)")
    (line,) = list_table_changes(installed, load_contracts(sources))
    assert line == "table keys.owners has rows of another form; rows that are there would not be read"
    renamed = load_contracts(changed('Table("owners"', 'Table("holders"'))
    assert list_table_changes(installed, renamed) == [
        "table keys.owners is missing; rows that are there would not be read"
    ]
    fewer = ContractSet({name: loaded for name, loaded in installed.contracts.items() if name != "keys"})
    assert list_table_changes(installed, fewer)[0].startswith("contract keys is missing")


def test_a_tree_is_read_as_the_installation_is() -> None:
    folder = Path(__file__).parents[2] / "contracts"
    assert read_platform() | read_tree(folder) == read_sources()


def test_an_adjudicator_whose_cases_change_their_form_is_named() -> None:
    installed, sources = load_installed_contracts(), read_sources()
    module = "contracts.adjudication.case"
    field = "    reviews: Annotated[tuple[Review, ...], Meta(max_length=256)]\n"
    assert field in sources[module]
    wider = {**sources, module: sources[module].replace(field, field.replace("256", "512"))}
    (line,) = list_table_changes(installed, load_contracts(wider))
    assert line.startswith("contract adjudication has cases or decisions of another form; of what was settled before")
