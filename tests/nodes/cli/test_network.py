"""What `status` says: where each node stands, and what is missing when the chain stands still."""

from typing import Any

import pytest

from nodes.cli.network import _describe, _describe_quorum

NAMES = ("hospital-a", "hospital-b", "insurer-a", "regulator")
STATE: dict[str, Any] = {
    "height": 7,
    "store": "sqlite",
    "validators": dict.fromkeys(NAMES, 1),
    "deciding": 8,
    "round": 0,
    "step": "unstarted",
    "missing": list(NAMES),
    "power_lacking": 3,
    "next_timeout": "",
    "next_timeout_ms": 0,
    "signing": "yes",
    "peers": [],
}


def row(name: str, **changed: Any) -> dict[str, Any]:
    """Return what was found out about a node that serves."""
    state = STATE | {"organisation": name} | changed
    return {"organisation": name, "running": True, "pid": 42, "status": state}


def down(name: str, error: str = "") -> dict[str, Any]:
    """Return what was found out about a node that does not run."""
    return {"organisation": name, "running": False, "pid": None, "error": error}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (row("hospital-a"), ["hospital-a", "height 7", "sqlite", "pid 42", "idle"]),
        (
            row("hospital-a", step="prevote", round=2, missing=["regulator"], power_lacking=1),
            ["deciding 8 round 2 prevote", "waits for regulator (power lacking 1)"],
        ),
        (row("hospital-a", step="propose", next_timeout="propose", next_timeout_ms=900), ["propose timeout in 900 ms"]),
        (row("hospital-a", signing="no validator at this height"), ["does not vote: no validator at this height"]),
        (
            row("hospital-a", peers=[{"name": "rail", "connected": False, "reason": "outgoing: refused"}]),
            ["cannot reach rail (outgoing: refused)"],
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
    assert _describe_quorum([down(name) for name in NAMES]) == (0, "no node answers")
