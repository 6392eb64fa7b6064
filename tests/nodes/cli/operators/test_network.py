"""What `status` says: where each node stands, and what is missing when the chain stands still."""

from typing import Any

import pytest

from nodes.cli.operators.network import _describe, _describe_quorum, _describe_start

NAMES = ("hospital-a", "hospital-b", "insurer-a", "regulator")
STATE: dict[str, Any] = {
    "height": 7,
    "store": "sqlite",
    "validators": dict.fromkeys(NAMES, 1),
    "deciding": 8,
    "round": 0,
    "step": "unstarted",
    "proposer": "hospital-b",
    "has_proposal": False,
    "missing_block": "",
    "missing": list(NAMES),
    "power_lacking": 3,
    "next_timeout": "",
    "next_timeout_ms": 0,
    "waiting_submissions": 0,
    "pending_evidence": 0,
    "signing": "yes",
    "halted": "",
    "first_height": 1,
    "syncing": "",
    "peers": [],
}


def row(name: str, **changed: Any) -> dict[str, Any]:
    """Return what was found out about a node that serves."""
    state = STATE | {"organisation": name} | changed
    return {"organisation": name, "running": True, "pid": 42, "status": state, "certificate_due": ""}


def peer(name: str, height: int | None, reason: str = "") -> dict[str, Any]:
    """Return a peer that is connected, or why it is not, and the height that it decides."""
    return {"name": name, "connected": not reason, "height": height, "reason": reason}


def down(name: str, error: str = "") -> dict[str, Any]:
    """Return what was found out about a node that does not run."""
    return {"organisation": name, "running": False, "pid": None, "error": error}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (row("hospital-a"), ["hospital-a", "height 7", "sqlite", "pid 42", "idle"]),
        (
            row("hospital-a") | {"certificate_due": "2027-01-31"},
            ["certificate ends 2027-01-31 and was not renewed; its log says why"],
        ),
        (
            row("hospital-a", step="prevote", round=2, missing=["regulator"], power_lacking=1),
            ["deciding 8, round 2, prevote: waits for the prevote of regulator (power lacking 1)"],
        ),
        (
            row("hospital-a", step="precommit", missing=["regulator", "hospital-b"], power_lacking=1),
            ["round 0, precommit: waits for the precommit of regulator, hospital-b (power lacking 1)"],
        ),
        (
            row("hospital-a", step="prevote", missing=["regulator"], power_lacking=0),
            ["waits for the prevote of regulator (a quorum voted, not all for one block)"],
        ),
        (
            row("hospital-a", step="propose", next_timeout="propose", next_timeout_ms=900),
            ["propose: waits for the proposal of hospital-b", "propose timeout in 900 ms"],
        ),
        (
            row("hospital-a", step="commit", missing_block="ab" * 32),
            ["commit: waits for block abababababababab, which a quorum committed"],
        ),
        (row("hospital-a", halted="the state differs"), ["halted: the state differs"]),
        (row("hospital-a", syncing="37/64 chunks of height 20000"), ["syncing state: 37/64 chunks of height 20000"]),
        (row("hospital-a", first_height=20_001), ["has blocks from height 20001 on"]),
        (row("hospital-a", waiting_submissions=1), ["1 submission waiting"]),
        (row("hospital-a", waiting_submissions=3, pending_evidence=1), ["3 submissions", "1 proof of double signing"]),
        (
            row("hospital-a", peers=[peer("regulator", 9), peer("insurer-a", 15), peer("rail", None)]),
            ["3 of 3 peers", "behind insurer-a, which has height 14"],
        ),
        (row("hospital-a", signing="no validator at this height"), ["does not vote: no validator at this height"]),
        (
            row("hospital-a", peers=[peer("rail", None, "outgoing: refused"), peer("regulator", 8)]),
            ["1 of 2 peers", "cannot reach rail (outgoing: refused)"],
        ),
        (down("hospital-a"), ["hospital-a   down"]),
        (down("hospital-a", "disk full"), ["down · stopped by itself: disk full"]),
        (
            {"organisation": "hospital-a", "running": True, "pid": 9, "error": "timed out"},
            ["does not answer · pid 9 · timed out"],
        ),
    ],
)
def test_a_node_is_one_line_that_says_what_matters(found: dict[str, Any], words: list[str]) -> None:
    line = _describe(found)
    assert "\n" not in line
    for word in words:
        assert word in line


@pytest.mark.parametrize("peers", [[], [peer("regulator", 8), peer("insurer-a", 9)]])
def test_an_idle_node_waits_for_nobody(peers: list[dict[str, Any]]) -> None:
    line = _describe(row("hospital-a", peers=peers))
    for word in ("wait", "timeout", "deciding", "behind", "cannot"):
        assert word not in line


@pytest.mark.parametrize("count", [3, 4])
def test_a_quorum_is_nothing_to_speak_of(count: int) -> None:
    rows = [row(name) for name in NAMES[:count]] + [down(name) for name in NAMES[count:]]
    assert _describe_quorum(rows) == (0, "")


def test_without_a_quorum_it_names_who_is_needed() -> None:
    rows = [row("hospital-a"), row("hospital-b", signing="no key"), down("insurer-a"), row("regulator")]
    lacking, sentence = _describe_quorum(rows)
    assert lacking == 1
    assert "2 of 4 validators can vote" in sentence
    assert sentence.endswith("a quorum lacks power 1 of hospital-b, insurer-a")


def test_no_node_at_all_is_said_so() -> None:
    assert _describe_quorum([down(name) for name in NAMES]) == (None, "no node answers")


def test_up_says_what_it_started_and_what_was_running_already() -> None:
    names = ["hospital-a", "insurer-a"]
    assert _describe_start(names, names, 2.55) == "2 nodes, 2.5 s · hospital-a insurer-a"
    assert _describe_start(names, ["insurer-a"], 1.0) == "1 node, 1.0 s · insurer-a · running already: hospital-a"
    assert _describe_start(names, [], 0.0) == "2 nodes are running already · hospital-a insurer-a"
