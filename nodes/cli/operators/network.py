"""`xinpei up`, `status`, `metrics`, `down`: the processes of a network on this machine."""

import datetime as dt
import sys
import time
from pathlib import Path
from typing import Any

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home

STATUS_SECONDS = 3.0
"""How long a node may take to say where it stands; one that takes longer is reported as stuck."""


@click.command()
@home_option
@json_option
def up(home: Path, *, as_json: bool) -> None:
    """Start a network of four organisations on this machine.

    Founds it first if the home folder holds none: keys, certificates and the genesis of two hospitals, an insurer and
    a regulator. Nodes that run already are left alone.
    """
    output = Output(as_json=as_json)
    place = Home(home)
    begun = time.monotonic()
    is_new, started = start_network(place, output)
    seconds = time.monotonic() - begun
    names = [node.organisation for node in place.load_network().nodes]
    output.say(_describe_start(names, started, seconds))
    if is_new:
        output.hint("xinpei customer create wang")
    found = {"nodes": names, "started": started, "seconds": round(seconds, 3), "founded": is_new, "home": str(home)}
    output.finish(found)


@click.command()
@home_option
@json_option
def down(home: Path, *, as_json: bool) -> None:
    """Stop the network; nothing is lost, `xinpei up` goes on where it stopped."""
    from nodes.network.supervisor import stop_nodes

    output = Output(as_json=as_json)
    place = Home(home)
    names = [node.organisation for node in place.load_network().nodes]
    output.progress(f"{len(names)} nodes stop ...")
    try:
        stopped = stop_nodes(place, names)
    finally:
        output.end_progress()
    output.say(f"{len(stopped)} nodes stopped · {' '.join(stopped)}" if stopped else "no node was running")
    output.finish({"stopped": stopped})


@click.command()
@home_option
@json_option
def status(home: Path, *, as_json: bool) -> None:
    """Say where every node stands and what the chain waits for.

    One line for each node: its height; the height that it decides, with round, step and whose votes are missing, or
    that it is idle; the next timeout; its peers; the store's engine and the process. With --json all that nodes tell.
    """
    output = Output(as_json=as_json)
    place = Home(home)
    network = place.load_network()
    rows = [_inspect(place, node.organisation) for node in network.nodes]
    for row in rows:
        output.say(_describe(row))
    lacking, wait = _describe_quorum(rows)
    if wait:
        output.say(wait)
    output.finish({"chain": network.chain_id, "nodes": rows, "power_lacking": lacking})
    if not all(row["running"] for row in rows):
        output.hint("xinpei up")


@click.command()
@actor_option("the organisation whose node is asked")
@home_option
@json_option
def metrics(actor: str, home: Path, *, as_json: bool) -> None:
    """Print a node's metrics as Prometheus reads them.

    Prometheus signs no requests and the route is for members, so this asks; let the textfile collector of the node
    exporter, or a scheduler, take what it prints.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, STATUS_SECONDS) as client:
        text = client.get_bytes("/metrics").decode()
    output.say(text.removesuffix("\n"))
    output.finish({"organisation": actor, "metrics": text})


def start_network(home: Home, output: Output) -> tuple[bool, list[str]]:
    """Found the network if there is none and start its nodes; return whether it is new, and whose nodes were started.

    Nodes that run already are not among them.
    """
    is_new = not home.genesis_path.exists()
    if is_new:
        from nodes.contract_sources import load_installed_contracts
        from nodes.entropy import SystemEntropy
        from nodes.network.founding import found_network

        output.progress("founding: keys, certificates, genesis ...")
        found_network(home, load_installed_contracts().pins(), SystemEntropy(), dt.datetime.now(dt.UTC))
    from nodes.network.supervisor import start_nodes

    names = [node.organisation for node in home.load_network().nodes]
    ready: list[str] = []

    def note(name: str) -> None:
        ready.append(name)
        output.progress(f"{len(ready)} of {len(names)} nodes serve ...")

    output.progress(f"0 of {len(names)} nodes serve ...")
    try:
        started = start_nodes(home, names, lambda name: node_command(home, name), note)
    finally:
        output.end_progress()
    return is_new, started


def _describe_start(names: list[str], started: list[str], seconds: float) -> str:
    """Return which nodes serve now, and which of them did so before."""
    if not started:
        return f"{len(names)} nodes are running already · {' '.join(names)}"
    running = [name for name in names if name not in started]
    before = f" · running already: {' '.join(running)}" if running else ""
    return f"{_count(len(started), 'node')}, {seconds:.1f} s · {' '.join(started)}{before}"


def node_command(home: Home, organisation: str) -> list[str]:
    """Return the arguments that run an organisation's node."""
    return [sys.executable, "-m", "nodes.process", "--home", str(home.folder), "--organisation", organisation]


def _inspect(home: Home, organisation: str) -> dict[str, Any]:
    """Return what is known of one organisation's node, whatever state it is in."""
    from ledger.errors import LedgerError
    from nodes.cli.session import open_operator
    from nodes.network.supervisor import find_process, stop_reason

    process = find_process(home, organisation)
    row: dict[str, Any] = {"organisation": organisation, "running": process.pid is not None, "pid": process.pid}
    if process.pid is None:
        return row | {"error": stop_reason(home, organisation)}
    try:
        with open_operator(home, organisation, STATUS_SECONDS) as client:
            return row | {"status": client.get("/v1/status"), "certificate_due": _find_due(home, organisation)}
    except LedgerError as error:
        return row | {"error": str(error) if process.serving else "starting"}


def _find_due(home: Home, organisation: str) -> str:
    """Return the day on which a node's certificate ends, if it should have been renewed by now; or nothing."""
    from nodes.pki import find_tls_folder, read_validity

    validity = read_validity(find_tls_folder(home.node_folder(organisation) / "keys", None))
    return validity.ends.strftime("%Y-%m-%d") if validity.is_due(dt.datetime.now(dt.UTC)) else ""


def _describe(row: dict[str, Any]) -> str:
    name = f"{row['organisation']:<12}"
    if not row["running"]:
        return f"{name} down" + (f" · stopped by itself: {row['error']}" if row["error"] else "")
    if "status" not in row:
        return f"{name} does not answer · pid {row['pid']} · {row['error']}"
    state = row["status"]
    parts = [f"height {state['height']}", _describe_work(state)]
    if state["step"] != "unstarted" and state["next_timeout"]:
        parts.append(f"{state['next_timeout']} timeout in {state['next_timeout_ms']} ms")
    if state["waiting_submissions"]:
        parts.append(f"{_count(state['waiting_submissions'], 'submission')} waiting")
    if state["pending_evidence"]:
        parts.append(f"{_count(state['pending_evidence'], 'proof')} of double signing waiting")
    if state["signing"] != "yes":
        parts.append(f"does not vote: {state['signing']}")
    if state["first_height"] > 1:
        parts.append(f"has blocks from height {state['first_height']} on")
    if row["certificate_due"]:
        parts.append(f"certificate ends {row['certificate_due']} and was not renewed; its log says why")
    parts += _describe_peers(state)
    return " · ".join([f"{name} {parts[0]}", *parts[1:], state["store"], f"pid {row['pid']}"])


def _describe_work(state: dict[str, Any]) -> str:
    """Return what a node decides, and whom it waits for."""
    if state["halted"]:
        return f"halted: {state['halted']}"
    if state["syncing"]:
        return f"syncing state: {state['syncing']}"
    if state["step"] == "unstarted":
        return "idle"
    text = f"deciding {state['deciding']}, round {state['round']}, {state['step']}"
    if state["missing_block"]:
        return f"{text}: waits for block {state['missing_block'][:16]}, which a quorum committed"
    if state["step"] == "propose" and not state["has_proposal"]:
        return f"{text}: waits for the proposal of {state['proposer']}"
    if not state["missing"] or state["step"] == "commit":
        return text
    votes = "precommit" if state["step"] == "precommit" else "prevote"
    lacking = state["power_lacking"]
    reason = f"power lacking {lacking}" if lacking else "a quorum voted, not all for one block"
    return f"{text}: waits for the {votes} of {', '.join(state['missing'])} ({reason})"


def _describe_peers(state: dict[str, Any]) -> list[str]:
    """Return how many peers can be reached, which cannot and why, and who is ahead."""
    peers = state["peers"]
    if not peers:
        return []
    texts = [f"{sum(peer['connected'] for peer in peers)} of {len(peers)} peers"]
    texts += [
        f"cannot reach {peer['name']}" + (f" ({peer['reason']})" if peer["reason"] else "")
        for peer in peers
        if not peer["connected"]
    ]
    heights = {peer["name"]: peer["height"] - 1 for peer in peers if peer["height"]}
    first = max(heights, key=lambda name: heights[name], default="")
    if first and heights[first] > state["height"] + 1:  # one block is on its way all the time
        texts.append(f"behind {first}, which has height {heights[first]}")
    return texts


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _describe_quorum(rows: list[dict[str, Any]]) -> tuple[int | None, str]:
    """Return the power that the answering validators lack to a quorum, None if no node says, and a sentence."""
    states = [row["status"] for row in rows if "status" in row]
    if not states:
        return None, "no node answers"
    powers: dict[str, int] = max(states, key=lambda state: int(state["height"]))["validators"]
    voting = {state["organisation"] for state in states if state["signing"] == "yes"}
    absent = [name for name in powers if name not in voting]
    lacking = max(0, sum(powers.values()) * 2 // 3 + 1 - sum(powers[name] for name in powers if name in voting))
    if not lacking:
        return 0, ""
    return lacking, (
        f"the chain stands still: {len(powers) - len(absent)} of {len(powers)} validators can vote, a quorum lacks "
        f"power {lacking} of {', '.join(absent)}"
    )
