"""The options that say what a grant means: the same for granting, requesting, editing and supposing."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

BASES = ("insurance-supervision", "medical-fund-supervision", "evidence-collection")
"""The laws under which a regulator sees a customer's data; `contracts.orders` has their words."""
AUDIT_BASES = ("financial-audit", "compliance-audit")
"""Those under which an auditor does."""
TYPES = ("admission", "discharge-summary", "document", "interim-bill", "invoice", "item-list")
PURPOSES = ("CAREMGT", "BTG", "PUBHLTH", "HPAYMT", "DSRCH", "PATRQT")
ROLES = ("insurer", "hospital", "regulator")

_OPTIONS = (
    click.option("--from", "hospital", metavar="HOSPITAL", help="Who provides the records."),
    click.option("--to", "recipient", metavar="ORGANISATION", help="Who receives them."),
    click.option("--role", type=click.Choice(ROLES), help="Of the recipient; if left out, its role in the network."),
    click.option(
        "--purpose", type=click.Choice(PURPOSES), help="HPAYMT; to a hospital CAREMGT, to a regulator PUBHLTH."
    ),
    click.option("--scope", "case", type=click.Choice(["one-case", "standing"]), help="standing if left out."),
    click.option("--stay", "stays", multiple=True, metavar="STAY", help="Only this stay; again for more."),
    click.option(
        "--types",
        metavar="LIST",
        help=f"With commas: {', '.join(TYPES)}; if left out all but document; no bills but to an insurer.",
    ),
    click.option("--mode", type=click.Choice(["VIEW", "STORE", "EXECUTE"]), help="STORE; EXECUTE where rules visit."),
    click.option(
        "--execution",
        type=click.Choice(["data-to-insurer", "rules-visit-data"]),
        help="Where rules run; data-to-insurer unless said otherwise.",
    ),
    click.option("--uses", type=click.IntRange(1, 1_000_000), help="At most so many records handed over."),
    click.option("--frequency", metavar="USES/DAYS", help="At most so many within so many days, such as 10/30."),
    click.option("--dates", metavar="FROM..TO", help="Days of the records meant, such as 2026-01-01..2026-12-31."),
    click.option("--expires", metavar="DATE", help="The grant's end; a year from today if left out."),
    click.option("--erase-at", metavar="DATE", help="When the recipient must have erased; 5 years after the end."),
)


def terms_options(function: F) -> F:
    """Add the options, which arrive as keyword arguments; what is left out is None."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_terms(given: dict[str, Any], *, effect: str = "permit", base: Any = None) -> Any:
    """Return terms from the options, with defaults for what is left out, or the terms of `base`.

    Raises:
        click.UsageError: Naming the option, what was expected and what came.
    """
    from msgspec.structs import replace

    from nodes.schemas.civil_time import today
    from nodes.schemas.terms import GRANT_DAYS, PURPOSE_OF, RETENTION_DAYS, TYPES_OF, default_terms

    hospital, recipient = given.pop("hospital", None), given.pop("recipient", None)
    if base is None:
        if hospital is None or recipient is None:
            msg = "expected --from HOSPITAL and --to ORGANISATION"
            raise click.UsageError(msg)
        base = default_terms(hospital, recipient, today())
    elif (hospital or base.hospital, recipient or base.recipient) != (base.hospital, base.recipient):
        msg = "--from and --to: a request is answered to those who asked; deny it and grant another"
        raise click.UsageError(msg)
    changes: dict[str, Any] = {"effect": effect}
    plain = {"role": "role", "purpose": "purpose", "case": "case", "mode": "mode", "execution": "execution"}
    changes |= {field: given[option] for option, field in plain.items() if given.get(option) is not None}
    role = given.get("role")
    if role in ("hospital", "regulator") and base.role != role:
        changes |= {"purpose": given.get("purpose") or PURPOSE_OF[role], "record_types": TYPES_OF[role]}
    if effect == "permit":
        _pair(changes, given)
    if given.get("uses") is not None:
        changes["uses_max"] = given["uses"]
    if given.get("stays"):
        changes["stays"] = tuple(sorted(given["stays"]))
    if given.get("types"):
        changes["record_types"] = _read_types(given["types"])
    if given.get("frequency"):
        changes["frequency"] = _read_frequency(given["frequency"])
    if given.get("dates"):
        first, separator, last = given["dates"].partition("..")
        if not separator:
            msg = f"--dates: expected FROM..TO, got {given['dates'][:40]!r}"
            raise click.UsageError(msg)
        changes |= {"first_day": _read_day("--dates", first), "last_day": _read_day("--dates", last)}
    if given.get("expires"):
        changes["expires_day"] = _read_day("--expires", given["expires"])
        changes["erase_day"] = changes["expires_day"] + RETENTION_DAYS
        if not given.get("dates"):
            changes["last_day"] = max(base.first_day, min(changes["expires_day"], base.first_day + 10 * GRANT_DAYS))
    if given.get("erase_at"):
        changes["erase_day"] = _read_day("--erase-at", given["erase_at"])
    return replace(base, **changes)


def name_role(given: dict[str, Any], roles: dict[str, Any]) -> None:
    """Fill in the role of the recipient where it was left out: what the network knows it as."""
    given["role"] = given["role"] or roles.get(given["recipient"] or "")


def check_parties(organisations: Any, given: dict[str, Any]) -> None:
    """Refuse names of nobody, by the options that gave them and by what the chain knows, former members too.

    Args:
        organisations: Of the customer who asks.
        given: The options; what is left out is not looked at.

    Raises:
        click.UsageError: Naming the option, who was expected and who came.
    """
    hospitals = organisations.list_role("hospital", with_former=True)
    others = [name for role in ROLES for name in organisations.list_role(role, with_former=True)]
    for option, name, expected in (("--from", given["hospital"], hospitals), ("--to", given["recipient"], others)):
        if name is not None and name not in expected:
            who = "a hospital" if option == "--from" else "an organisation"
            msg = f"{option}: expected {who} of this network ({', '.join(sorted(expected))}), got {name[:40]!r}"
            raise click.UsageError(msg)


def read_days(text: str) -> dict[str, int]:
    """Return the service days that `--day` names, as the API asks for them.

    Raises:
        click.UsageError: If it is no day and no FROM..TO.
    """
    first, separator, last = text.partition("..")
    days = {"first_day": _read_day("--day", first), "last_day": _read_day("--day", last if separator else first)}
    if days["last_day"] < days["first_day"]:
        msg = f"--day: expected FROM..TO with TO not before FROM, got {text[:40]!r}"
        raise click.UsageError(msg)
    return days


def _pair(changes: dict[str, Any], given: dict[str, Any]) -> None:
    """Let mode and execution follow each other where one of them is given: rules that visit execute."""
    mode, execution = given.get("mode"), given.get("execution")
    if mode is None and execution is not None:
        changes["mode"] = "EXECUTE" if execution == "rules-visit-data" else "STORE"
    elif execution is None and mode is not None:
        changes["execution"] = "rules-visit-data" if mode == "EXECUTE" else "data-to-insurer"


def _read_types(text: str) -> tuple[str, ...]:
    types = [item.strip() for item in text.split(",")]
    for item in types:
        if item not in TYPES:
            msg = f"--types: expected some of {', '.join(TYPES)}, got {item[:40]!r}"
            raise click.UsageError(msg)
    return tuple(sorted(set(types)))


def _read_frequency(text: str) -> tuple[int, int]:
    uses, _, days = text.partition("/")
    if not (uses.isdecimal() and days.isdecimal() and 1 <= int(uses) <= 10_000 and 1 <= int(days) <= 3_660):
        msg = f"--frequency: expected USES/DAYS, such as 10/30, got {text[:40]!r}"
        raise click.UsageError(msg)
    return int(uses), int(days)


def _read_day(option: str, text: str) -> int:
    import datetime as dt

    from nodes.schemas.civil_time import EPOCH

    try:
        return (dt.date.fromisoformat(text) - EPOCH).days
    except ValueError:
        msg = f"{option}: expected a date such as 2027-12-31, got {text[:40]!r}"
        raise click.UsageError(msg) from None
