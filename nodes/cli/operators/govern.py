"""`xinpei govern`: what the members decide together.

prepare ...     in one's own folder: keys and a proposal file; changes nothing on the chain
propose FILE    put it to the vote
vote NUMBER     approve, or reject
list, show      what there is to decide and what was decided
"""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home

if TYPE_CHECKING:
    from contracts.proposals import ProposalView
    from ledger.codec import Struct

MEMBER = "a member"
out_option = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The proposal file; named after what it is."
)


@click.group()
def govern() -> None:
    """Change the members, the validators and the contracts, by votes of the members."""


@govern.group()
def prepare() -> None:
    """Make keys and a proposal file; nothing changes before the members have voted."""


@prepare.command("organisation")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["hospital", "insurer", "regulator", "rail", "auditor"]),
    required=True,
    help="What it is; it cannot be changed later.",
)
@out_option
@home_option
@json_option
def prepare_organisation_(name: str, role: Any, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Make the folder of a new member NAME: its keys, its authority, and addresses on this machine."""
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.preparing import prepare_organisation

    action = prepare_organisation(Home(home), name, role, SystemEntropy(), dt.datetime.now(dt.UTC))
    _write(Home(home), "add-organisation", name, action, out, as_json=as_json)


@prepare.command("validator")
@click.argument("name")
@out_option
@home_option
@json_option
def prepare_validator_(name: str, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Have NAME's consensus key ask for a vote on blocks; start its node first and let it catch up."""
    from nodes.roles.office.preparing import prepare_validator

    _write(Home(home), "add-validator", name, prepare_validator(Home(home), name), out, as_json=as_json)


@prepare.command("consensus-key")
@click.argument("name")
@out_option
@home_option
@json_option
def prepare_consensus_key_(name: str, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Make a new consensus key of the validator NAME; restart its node, so that it knows the key."""
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.preparing import prepare_consensus_key

    action = prepare_consensus_key(Home(home), name, SystemEntropy())
    _write(Home(home), "rekey-validator", name, action, out, as_json=as_json)


@prepare.command("submission-key")
@click.argument("name")
@out_option
@home_option
@json_option
def prepare_submission_key_(name: str, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Make a new submission key of NAME, whose old one was lost or stolen; restart its node."""
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.preparing import prepare_submission_key

    action = prepare_submission_key(Home(home), name, SystemEntropy())
    _write(Home(home), "rekey-organisation", name, action, out, as_json=as_json)


@prepare.command("certificate")
@click.argument("name")
@out_option
@home_option
@json_option
def prepare_certificate_(name: str, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Make a new authority and node certificate of NAME; the old ones are cut off when the vote passes."""
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.preparing import prepare_certificate

    action = prepare_certificate(Home(home), name, SystemEntropy(), dt.datetime.now(dt.UTC))
    _write(Home(home), "replace-credentials", name, action, out, as_json=as_json)


@prepare.command("removal")
@click.argument("name")
@click.option("--validator", "only_validator", is_flag=True, help="It votes no more, and remains a member.")
@out_option
@home_option
@json_option
def prepare_removal(name: str, only_validator: bool, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Write the proposal that NAME leaves."""
    from contracts.proposals import RemoveOrganisation, RemoveValidator
    from nodes.roles.office.preparing import check_name

    check_name(name)
    if only_validator:
        _write(Home(home), "remove-validator", name, RemoveValidator(name), out, as_json=as_json)
    else:
        _write(Home(home), "remove-organisation", name, RemoveOrganisation(name), out, as_json=as_json)


@prepare.command("upgrade")
@click.argument("set_hash", metavar="SET")
@click.option("--from-height", type=click.IntRange(min=1), required=True, help="The first height of the new code.")
@out_option
@home_option
@json_option
def prepare_upgrade(set_hash: str, from_height: int, out: Path | None, home: Path, *, as_json: bool) -> None:
    """Write the proposal that the contract set SET (`xinpei contract add`) is in force from a height on."""
    from contracts.proposals import UpgradeContracts
    from nodes.contract_sources import ContractArchive

    pins = ContractArchive(Home(home).contracts_folder).load(set_hash).pins()
    action = UpgradeContracts(pins, from_height)
    _write(Home(home), "upgrade-contracts", set_hash[:12], action, out, as_json=as_json)


@govern.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(MEMBER)
@home_option
@json_option
def propose(file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Put the action in FILE to the vote; it is open for fourteen days."""
    from nodes.cli.session import open_operator
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.council import Council
    from nodes.roles.office.preparing import read_proposal

    place = Home(home)
    proposal = read_proposal(file, place.load_network().chain_id)
    with open_operator(place, actor) as client:
        view = Council(client, SystemEntropy()).propose(proposal)
    output = Output(as_json=as_json)
    output.say(_describe(view))
    output.hint(f"xinpei govern vote {view.number} --as {actor}")
    output.finish(_plain(view))


@govern.command()
@click.argument("number", type=click.IntRange(min=1))
@actor_option("a member with a validator")
@click.option("--reject", is_flag=True, help="Vote against it.")
@home_option
@json_option
def vote(number: int, actor: str, reject: bool, home: Path, *, as_json: bool) -> None:
    """Approve proposal NUMBER, or reject it; look at it first with `xinpei govern show`."""
    from nodes.cli.session import open_operator
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.council import Council

    with open_operator(Home(home), actor) as client:
        view = Council(client, SystemEntropy()).vote(number, approve=not reject)
    output = Output(as_json=as_json)
    output.say(_describe(view))
    output.finish(_plain(view))


@govern.command("list")
@actor_option(MEMBER)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List all proposals there ever were, oldest first."""
    from nodes.cli.session import open_operator
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.council import Council

    with open_operator(Home(home), actor) as client:
        views = Council(client, SystemEntropy()).list_proposals()
    output = Output(as_json=as_json)
    for view in views:
        output.say(_describe(view))
    if not views:
        output.say("no proposals")
    output.finish({"proposals": [_plain(view) for view in views]})


@govern.command()
@click.argument("number", type=click.IntRange(min=1))
@actor_option(MEMBER)
@home_option
@json_option
def show(number: int, actor: str, home: Path, *, as_json: bool) -> None:
    """Show all of proposal NUMBER: what it does, who votes how, and what became of it."""
    import json

    from nodes.cli.session import open_operator
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.council import Council

    with open_operator(Home(home), actor) as client:
        view = Council(client, SystemEntropy()).show(number)
    output = Output(as_json=as_json)
    output.say(_describe(view))
    output.say(json.dumps(_plain(view)["proposal"]["proposal"]["action"], indent=1, ensure_ascii=False))
    output.finish(_plain(view))


def _write(home: Home, kind: str, name: str, action: "Struct", out: Path | None, *, as_json: bool) -> None:
    from nodes.roles.office.preparing import write_proposal

    path = out or home.folder / "proposals" / f"{kind}-{name}.json"
    if path.exists() and out is not None:
        msg = f"{path}: exists already; choose another --out"
        raise ConfigurationError(msg)
    write_proposal(path, home.load_network().chain_id, action)
    output = Output(as_json=as_json)
    output.say(f"{kind} {name} · {path}")
    proposer = name if kind in {"add-validator", "rekey-validator"} else "MEMBER"
    output.hint(f"xinpei govern propose {path} --as {proposer}")
    output.finish({"action": kind, "file": str(path)})


def _plain(view: "ProposalView") -> dict[str, Any]:
    from nodes.schemas import canonical_json

    found = canonical_json.plain(view)
    assert isinstance(found, dict), "a struct is rendered as an object"
    return found


def _describe(view: "ProposalView") -> str:
    """Return one line: number, action, subject, status and votes."""
    row = _plain(view)["proposal"]
    action = row["proposal"]["action"]
    subject = action.get("name") or f"from height {action['from_height']}"
    of_all = "" if row["closed_height"] else f" of {view.power_total}"  # the power of today says nothing about then
    parts = [
        f"{view.number}  {action['type']} {subject}",
        row["status"] + (f" at height {row['closed_height']}" if row["closed_height"] else ""),
        f"proposed by {row['proposer']}",
        f"{view.power_approving}{of_all} approve" + _names(view.approvals),
    ]
    if view.rejections:
        parts.append(f"rejected by {', '.join(view.rejections)}")
    if row["reason"]:
        parts.append(row["reason"])
    return " · ".join(parts)


def _names(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names)})" if names else ""
