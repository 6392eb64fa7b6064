"""A scenario as data: everything that a seed drew, written down, to be played again without drawing.

A seed draws something else as soon as the draws change, and what it has found is found no more. A recording names the
network, the weather, the liars, every fault with its time, and the customers' lives; it is played as it stands, by
this version and by later ones. What is left to chance is which message is lost or late, and between which two effects a
node crashes: that follows from the seed's number, as long as the code sends the same messages.

    {"format": "xinpei-scenario/1", "found": what it has found, or nothing, "options": {...}}
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ledger.errors import DecodeError
from nodes.scenarios.consortium import list_members
from nodes.scenarios.options import GIVINGS, LIES, Options

BYTES_MAX = 2**20


@dataclass(frozen=True, slots=True)
class Recording:
    """One scenario."""

    format: Literal["xinpei-scenario/1"]
    found: str
    """What it has found when it was recorded, in a line; empty if every promise held."""
    options: Options


def render_recording(options: Options, found: str) -> bytes:
    """Return a scenario's file.

    Args:
        options: What is played.
        found: What it has found.
    """
    recording = Recording("xinpei-scenario/1", found, options)
    return msgspec.json.format(msgspec.json.encode(recording), indent=1) + b"\n"


def read_recording(data: bytes) -> Recording:
    """Return the scenario in a file; fields that it does not name have their defaults.

    Raises:
        DecodeError: Naming the field, what was expected and what came.
        ConsortiumError: If its members make no consortium.
    """
    if len(data) > BYTES_MAX:
        msg = f"scenario: expected at most {BYTES_MAX} bytes, got {len(data)}"
        raise DecodeError(msg)
    try:
        recording = msgspec.json.decode(data, type=Recording)
        strange = _find_strange(msgspec.json.decode(data), msgspec.to_builtins(recording), "")
    except (msgspec.DecodeError, RecursionError) as error:
        msg = f"scenario: {error}"
        raise DecodeError(msg) from None
    if strange is not None:
        msg = f"scenario: {strange}: there is no such field in this version"
        raise DecodeError(msg)
    _check(recording.options)
    return recording


def _check(options: Options) -> None:
    """Refuse what names nobody or nothing that there is: it would fail on the way, as if it had found something."""
    size = options.hospitals + options.insurers + 1
    members = list_members(options.hospitals, options.insurers, size)
    nodes = {member.name for member in members if member.host == member.name}
    changes, policy, weather = options.changes, options.snapshots, options.weather
    named = {name for pairs in (options.liars, options.givings) for name, _ in pairs} | set(options.left_out)
    named |= {name for name, _ in options.clocks} | set(weather.sharp_ears)
    named |= {name for strike in options.strikes for name in (*strike.names, *strike.others)}
    named |= {name for name in (changes.joins, changes.rekeys, changes.removes) if name is not None}
    parties = {name for hospital, insurer, _ in options.lives for name in (hospital, insurer)}
    for field, expected, found in (
        ("nodes", nodes, named),
        ("lives", {member.name for member in members if member.role in ("hospital", "insurer")}, parties),
        ("liars", LIES.keys(), {lie for _, lie in options.liars}),
        ("givings", GIVINGS.keys(), {giving for _, giving in options.givings}),
    ):
        if not found <= expected:
            msg = f"scenario: {field}: expected some of {', '.join(sorted(expected))}, got {min(found - expected)!r}"
            raise DecodeError(msg)
    if weather.delay_min_ms > weather.delay_max_ms or min(weather.delay_min_ms, weather.down_max_ms - 1) < 0:
        msg = f"scenario: weather: expected delays from 0 on, the shorter first, got {weather.delay_min_ms} ms first"
        raise DecodeError(msg)
    if policy is not None and not 1 <= policy.every_heights <= policy.given_heights:
        least = max(1, policy.every_heights)
        msg = f"scenario: snapshots: expected given_heights of at least {least}, got {policy.given_heights}"
        raise DecodeError(msg)


def _find_strange(given: Any, known: Any, place: str) -> str | None:
    """Return where a field stands that was not understood: it would be left out in silence."""
    if isinstance(given, dict):
        for name, value in given.items():
            where = f"{place}.{name}".lstrip(".")
            found = where if name not in known else _find_strange(value, known[name], where)
            if found is not None:
                return found
    elif isinstance(given, list):
        for place_in, (one, other) in enumerate(zip(given, known, strict=True)):
            found = _find_strange(one, other, f"{place}[{place_in}]")
            if found is not None:
                return found
    return None
