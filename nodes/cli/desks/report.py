"""`xinpei report`: publish, list, show, sample."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home, write_file
from nodes.schemas.civil_time import show_minute

PUBLISH_SECONDS = 40.0

insurer_option = click.option("--insurer", required=True, metavar="INSURER", help="Whose report.")
year_option = click.option("--year", required=True, type=click.IntRange(1970, 9999), help="A calendar year at UTC+8.")
asker_option = click.option(
    "--as", "actor", metavar="ACTOR", help="Whose node is asked: an organisation; the insurer itself if left out."
)
language_option = click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the summary."
)


@click.group()
def report() -> None:
    """Publish an insurer's yearly report, look at one, and draw a sample of its claims."""


@report.command()
@click.option("--insurer", "--as", "actor", required=True, metavar="INSURER", help="Who publishes: its own report.")
@year_option
@language_option
@home_option
@json_option
def publish(actor: str, year: int, language: Any, home: Path, *, as_json: bool) -> None:
    """Publish the totals of a year that is over, once: grouped so that no total is of fewer than ten claims."""
    from nodes.cli.session import open_operator
    from nodes.client import ApiError

    output = Output(as_json=as_json)
    place = Home(home)
    with open_operator(place, actor, PUBLISH_SECONDS, role="insurer") as client:
        answer = client.post("/v1/reports", {"year": year})
        if not answer["published"]:
            msg = f"the report of {year} is not on the chain yet; ask again, or look with `xinpei report list`"
            raise ApiError("NOT_PUBLISHED", msg)
        data = client.get_bytes(f"/v1/reports/{actor}/{year}")
    _say_report(output, place, data, language)
    output.hint(f"xinpei report show --insurer {actor} --year {year} --out report.json")


@report.command("list")
@insurer_option
@asker_option
@home_option
@json_option
def list_(insurer: str, actor: str | None, home: Path, *, as_json: bool) -> None:
    """List an insurer's published reports."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor or insurer) as client:
        rows = client.get(f"/v1/reports/{insurer}")
    for row in rows:
        when = show_minute(row["published_ms"])
        output.say(f"{row['insurer']}  {row['year']}  {row['currency']}  {row['groups']} totals · published {when}")
    if not rows:
        output.say("no reports")
    output.finish({"reports": rows})


@report.command()
@insurer_option
@year_option
@asker_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the file that proves it, if at all."
)
@language_option
@home_option
@json_option
def show(
    insurer: str, year: int, actor: str | None, out: Path | None, language: Any, home: Path, *, as_json: bool
) -> None:
    """Show a published report, once it is verified against this network's genesis."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    place = Home(home)
    with open_operator(place, actor or insurer) as client:
        data = client.get_bytes(f"/v1/reports/{insurer}/{year}")
    _say_report(output, place, data, language, out)


@report.command()
@click.option("--insurer", required=True, metavar="INSURER", help="Whose claims.")
@year_option
@click.option("--count", required=True, type=click.IntRange(1, 1_000), help="How many claims to draw.")
@click.option("--as", "actor", required=True, metavar="ACTOR", help="Who draws, at its own node: the regulator.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("sample.json"),
    show_default=True,
    help="Where to write the file that proves it.",
)
@language_option
@home_option
@json_option
def sample(
    insurer: str, year: int, count: int, actor: str, out: Path, language: Any, home: Path, *, as_json: bool
) -> None:
    """Draw claims of an insurer's register: the block after its published report draws them, nobody else.

    It is the first block after the report's that neither the insurer nor a regulator proposed. Whoever asks for more
    claims gets the same ones and further ones.
    """
    from nodes.audit.sample import verify_sample
    from nodes.audit.trust import Trust
    from nodes.audit.year_summary import render_sample, summarise_sample
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    place = Home(home)
    with open_operator(place, actor) as client:
        data = client.get_bytes(f"/v1/samples/{insurer}/{year}", {"count": count})
    verified = verify_sample(data, Trust(place.load_genesis()))
    write_file(out, data)
    for line in render_sample(verified, language):
        output.say(line)
    output.say(f"{out} · {len(data):,} bytes")
    output.hint(f"xinpei verify {out} --genesis {place.genesis_path}")
    output.finish({"sample": str(out), **summarise_sample(verified)})


def _say_report(output: Output, place: Home, data: bytes, language: Any, out: Path | None = None) -> None:
    from nodes.audit.trust import Trust
    from nodes.audit.year_summary import render_report, summarise_report
    from nodes.audit.yearly_report import verify_report

    verified = verify_report(data, Trust(place.load_genesis()))
    for line in render_report(verified, language):
        output.say(line)
    if out is not None:
        write_file(out, data)
        output.say(f"{out} · {len(data):,} bytes")
        output.hint(f"xinpei verify {out} --genesis {place.genesis_path}")
    output.finish(({} if out is None else {"report": str(out)}) | summarise_report(verified))
