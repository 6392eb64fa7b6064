"""`xinpei simulate`: break a simulated network on purpose, or let one work for days and see what it costs."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from nodes.cli.options import json_option
from nodes.cli.output import Output

if TYPE_CHECKING:
    from nodes.scenarios.campaign import Summary
    from nodes.scenarios.faults import Outcome
    from nodes.scenarios.figures import Comparison, Figures, Workload

CUSTOMERS_DEFAULT = 200
DAYS_DEFAULT = 30
HOSPITALS_DEFAULT = 2


class SeedRange(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`A..B`, both included."""

    name = "A..B"

    def convert(self, value: str | range, parameter: click.Parameter | None, context: click.Context | None) -> range:
        """Return the range; an error names what was expected."""
        if isinstance(value, range):
            return value
        first, dots, last = value.partition("..")
        if not dots or not first.isdigit() or not last.isdigit() or int(first) > int(last):
            self.fail(f"expected two numbers as 0..99, got {value!r}", parameter, context)
        return range(int(first), int(last) + 1)


@click.command()
@click.option("--seed", type=click.IntRange(0), help="All chance comes from it.  [default: 0]")
@click.option("--seeds", type=SeedRange(), help="Play these fault seeds, such as 0..29.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Play seeds in so many processes.  [default: 1]")
@click.option("--hospitals", type=click.IntRange(1), help="Plan a network with so many hospitals.")
@click.option("--insurers", type=click.IntRange(1), help="Plan a network with so many insurers.")
@click.option("--customers", type=click.IntRange(1, 100_000), help="Plan for so many customers.")
@click.option("--days", type=click.IntRange(1, 365), help="Plan for so many days.")
@click.option(
    "--partition", type=click.IntRange(1), metavar="DAY", help="Split it for this day.  [default: the middle]"
)
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), help="Write a line for each transition.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write an HTML page with plots.")
@click.option(
    "--save-scenario",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what the seed drew, every fault with its time, to be played by later versions too.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Play what was written so, without drawing.",
)
@json_option
def simulate(
    seed: int | None,
    seeds: range | None,
    trace: Path | None,
    report: Path | None,
    kept: Path | None,
    scenario: Path | None,
    *,
    as_json: bool,
    **size: int | None,
) -> None:
    """Run the real code under a virtual clock: faults by default, a planner's workload if you name its size.

    A fault seed draws a network, its weather, its liars and its customers; every promise is checked from outside. Exit
    0 if all held, 1 if not, with the command that replays it.
    """
    output, jobs = Output(as_json=as_json), size.pop("jobs")
    is_plan = any(value is not None for value in size.values())
    if seeds is not None and (seed is not None or is_plan or trace is not None):
        msg = "--seeds plays fault seeds: leave out --seed, --trace and the planned network's size"
        raise click.UsageError(msg)
    if jobs is not None and seeds is None:
        msg = "--jobs is for many seeds: name them, such as --seeds 0..99"
        raise click.UsageError(msg)
    if (kept is not None or scenario is not None) and (seeds is not None or is_plan or None not in (scenario, seed)):
        msg = "--save-scenario is for one fault seed, and --scenario takes the place of one"
        raise click.UsageError(msg)
    if report is not None and not is_plan:
        msg = "--report belongs to a planned network: name its size, such as --customers 500 --days 10"
        raise click.UsageError(msg)
    if is_plan:
        from nodes.scenarios.figures import Workload

        workload = Workload(
            size["hospitals"] or HOSPITALS_DEFAULT,
            size["insurers"] or 1,
            size["customers"] or CUSTOMERS_DEFAULT,
            size["days"] or DAYS_DEFAULT,
            seed or 0,
            size["partition"],
        )
        if workload.partition_day is not None and workload.partition_day > workload.days:
            msg = f"--partition: expected a day from 1 to {workload.days}, got {workload.partition_day}"
            raise click.UsageError(msg)
        _plan(workload, trace, report, output)
    else:
        played = _play_one(seed or 0, scenario, trace, kept) if seeds is None else _play_many(seeds, jobs or 1)
        _break(played, output, "" if scenario is None else f"--scenario {scenario}")


def _play_one(seed: int, scenario: Path | None, trace: Path | None, kept: Path | None) -> "Iterator[Outcome]":
    from nodes.contract_sources import load_installed_contracts
    from nodes.scenarios.faults import play_options
    from nodes.scenarios.options import draw_options
    from nodes.scenarios.recording import read_recording, render_recording

    options = draw_options(seed) if scenario is None else read_recording(scenario.read_bytes()).options
    with TraceFile(trace) as write_trace:
        outcome = play_options(options, load_installed_contracts(), write_trace)
    if kept is not None:
        kept.write_bytes(render_recording(options, outcome.failure))
    yield outcome


def _play_many(seeds: range, jobs: int) -> "Iterator[Outcome]":
    from nodes.scenarios.campaign import play_all

    return play_all(seeds, jobs)


def _break(played: "Iterator[Outcome]", output: Output, replay: str) -> None:
    """Tell what became of fault seeds; exit 1 if a promise was broken.

    Args:
        played: What became of each.
        output: Where it is told.
        replay: The option that plays it again; empty for the seed.
    """
    from nodes.scenarios.campaign import summarise
    from nodes.scenarios.revision import describe_revision

    revision = describe_revision()
    output.say(revision)
    outcomes = []
    output.progress("playing ...")
    for outcome in played:
        output.end_progress()
        outcomes.append(outcome)
        output.say(describe_outcome(outcome))
        if outcome.failure:
            seed = outcome.seed
            again = f"xinpei simulate {replay or f'--seed {seed}'}"
            output.say(f"  revision: {revision}\n  replay: {again} --trace trace-{seed}.txt")
            if not replay:
                output.say(f"  keep: {again} --save-scenario scenario-{seed}.json")
        output.progress(f"{len(outcomes)} played ...")
    output.end_progress()
    summary = summarise(outcomes)
    for line in summary.describe():
        output.say(line)
    seeds = [_outcome_fields(outcome) for outcome in outcomes]
    told = {"revision": revision, "passed": not summary.failed, "summary": _summary_fields(summary), "seeds": seeds}
    output.finish(told)
    if summary.failed:
        sys.exit(1)


def _plan(workload: "Workload", trace: Path | None, report: Path | None, output: Output) -> None:
    """Run a planned network and say what was measured."""
    from nodes.scenarios.planning import compare
    from nodes.scenarios.report import render_report, summarise
    from nodes.scenarios.revision import describe_revision

    began = time.monotonic()

    def on_day(day: int) -> None:
        output.progress(f"day {day} of {workload.days}, {time.monotonic() - began:.0f} s")

    with TraceFile(trace) as write_trace:
        comparison = compare(workload, on_day, write_trace)
    output.end_progress()
    for line in summarise(comparison):
        output.say(line)
    if report is not None:
        report.write_text(render_report(comparison, describe_revision()), encoding="utf-8")
        output.say(f"report: {report}")
    output.finish(_comparison_fields(comparison))


class TraceFile:
    """Where a trace goes, if it goes anywhere."""

    def __init__(self, path: Path | None) -> None:
        """Write to `path`, or nowhere."""
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Callable[[str], None] | None:
        """Open the file; return what takes a line."""
        if self._path is None:
            return None
        file = self._file = self._path.open("w", encoding="utf-8")
        file.write("       ms node         event    what\n")
        return lambda line: print(line, file=file)

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def describe_outcome(outcome: "Outcome") -> str:
    """Return one line about a seed."""
    verdict = f"FAILED {outcome.failure}" if outcome.failure else "held"
    return (
        f"seed {outcome.seed}: {verdict} · {outcome.options.describe()} · {outcome.height} blocks, "
        f"{outcome.transactions} transactions, {outcome.settlements} settlements, "
        f"settled {outcome.healed_ms / 1000:.0f} s after healing · "
        f"{outcome.virtual_ms / 1000:.0f} s in {outcome.cpu_seconds:.1f} s, {outcome.speed:.0f} times · "
        f"trace {outcome.trace_hash}"
    )


def _outcome_fields(outcome: "Outcome") -> dict[str, object]:
    return {
        "seed": outcome.seed,
        "failure": outcome.failure,
        "options": outcome.options.describe(),
        "trace_hash": outcome.trace_hash,
        "virtual_ms": outcome.virtual_ms,
        "cpu_seconds": round(outcome.cpu_seconds, 3),
        "settled_after_healing_ms": outcome.healed_ms,
        "height": outcome.height,
        "transactions": outcome.transactions,
        "claims": outcome.claims,
        "settlements": outcome.settlements,
        "offences_on_chain": outcome.evidence,
        "moved_minor_units": outcome.moved,
        "happened": outcome.happened,
    }


def _summary_fields(summary: "Summary") -> dict[str, object]:
    return {
        "seeds": summary.seeds,
        "failed": list(summary.failed),
        "virtual_ms": summary.virtual_ms,
        "cpu_seconds": round(summary.cpu_seconds, 3),
        "slowest_seed": summary.slowest.seed,
        "slowest_speed": round(summary.slowest.speed, 1),
        "blocks": summary.blocks,
        "transactions": summary.transactions,
        "settlements": summary.settlements,
        "moved_minor_units": summary.moved,
        "happened": summary.happened,
        "seeds_with": summary.seeds_with,
    }


def _comparison_fields(comparison: "Comparison") -> dict[str, object]:
    """Return the run in one piece, and under `partition` the same of the run that was split for a day."""
    split = comparison.split
    return {**_figures_fields(comparison.whole), "partition": None if split is None else _figures_fields(split)}


def _figures_fields(figures: "Figures") -> dict[str, object]:
    from dataclasses import asdict

    return {
        "workload": asdict(figures.workload),
        "nodes": list(figures.nodes),
        "claims_per_lane": figures.lanes,
        "discharge_to_paid_ms": {
            "count": len(figures.payouts),
            "p50": figures.percentile_ms(0.5),
            "p99": figures.percentile_ms(0.99),
        },
        "days": [asdict(day) for day in figures.days],
        "books_bytes": figures.books_bytes,
        "refusals": figures.refusals,
        "moved_minor_units": figures.moved,
        "trace_hash": figures.trace_hash,
        "virtual_ms": figures.virtual_ms,
        "cpu_seconds": round(figures.cpu_seconds, 3),
    }
