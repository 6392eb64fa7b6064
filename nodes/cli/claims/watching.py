"""Watching a claim: until it is paid or withdrawn, or until it is clear that nothing more follows by itself.

A claim says on the chain whom it waits for. Nobody has to sit through a silence to learn that an invoice was consumed
by another claim or that consent is missing: those end a watch at once. An insurer's own reasons are not open, so what
can be seen is that it has every record and does not settle; a short while of that ends a watch too.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from nodes.cli.output import Output

STEP_SECONDS = 2.0
"""How long one question to the node waits for news."""
DECIDING_SECONDS = 3.0
"""How long an insurer that has every record may take before it counts as a person's turn."""
WAIT_SECONDS = 10.0
"""How long a command watches without seeing anything change; the chain goes on without it."""
ENDED = ("PAID", "WITHDRAWN", "PENDED")

View = dict[str, Any]


def show_claim_id(claim_id: str) -> str:
    """Return a claim's id as people read it: `C-` and its first digits."""
    return "C-" + claim_id.removeprefix("claim-")[:4]


def write_grant_command(actor: str, hospital: str, insurer: str, execution: str) -> str:
    """Return the command by which a customer consents to what a claim of hers waits for.

    Args:
        actor: The name of her wallet.
        hospital: The claim's.
        insurer: The claim's.
        execution: What the grant says that the claim has now: what she kept at the hospital stays there.
    """
    command = f"xinpei consent grant --as {actor} --from {hospital} --to {insurer}"
    return command if execution == "data-to-insurer" else f"{command} --execution {execution}"


def explain_wait(view: View) -> str:
    """Return whom a claim waits for in words; empty if for nobody."""
    from contracts.listings import Wait
    from nodes.schemas.waiting import describe_wait

    return "" if view["wait"] is None else describe_wait(Wait(**view["wait"]), view["status"])


def is_ended(view: View) -> bool:
    """Whether nothing more follows by itself, whoever is awake: it has ended, or somebody has to do something."""
    return view["status"] in ENDED or bool(view["wait"] and view["wait"]["code"])


def follow_claim(
    ask: Callable[[float, int], View],
    is_done: Callable[[View], bool],
    quiet_seconds: float | None,
    read_seconds: Callable[[], float] = time.monotonic,
) -> Iterator[View]:
    """Yield a claim as it stands, again after each change or question, until nothing more is to be expected.

    Args:
        ask: Returns the claim, waiting so many seconds for more than so many steps.
        is_done: Whether a view is what was waited for.
        quiet_seconds: Without any change for so long it ends; None: it goes on.
        read_seconds: A clock that only goes forward.
    """
    view = ask(0.0, 0)
    changed = read_seconds()
    while True:
        yield view
        if is_done(view):
            return
        former, view = view, ask(STEP_SECONDS, len(view["claim"]["steps"]))
        now = read_seconds()
        if _standing(former) != _standing(view):
            changed = now
        patience = DECIDING_SECONDS if _is_deciding(view) else quiet_seconds
        if patience is not None and now - changed >= patience and not is_done(view):
            yield view
            return


def await_settled(client: Any, claim_id: str, version: int, output: Output) -> View:
    """Watch a claim until its settlement of a version is paid, or it is clear whom it waits for; return it then."""

    def ask(wait: float, steps: int) -> View:
        view: View = client.get(f"/v1/claims/{claim_id}", {"wait": wait, "steps": steps} if wait else None)
        return view

    for view in follow_claim(ask, lambda view: is_settled(view, version), WAIT_SECONDS):
        output.progress(f"{show_claim_id(claim_id)} {view['status']} · {explain_wait(view)} ...")
    output.end_progress()
    return view


def is_settled(view: View, version: int) -> bool:
    """Whether nothing more follows by itself for a settlement version."""
    if view["wait"] is not None and view["wait"]["code"]:
        return True
    settled = [item for item in view["settlements"] if item["outcome"]["version"] >= version]
    if not settled:
        return False
    if settled[-1]["payment_id"] is None:
        return True
    payments = {item["payment_id"]: item["status"] for item in view["payments"]}
    status: str = payments[settled[-1]["payment_id"]]
    return status == "paid"


def _is_deciding(view: View) -> bool:
    wait = view["wait"]
    if view["status"] != "ASSEMBLING" or wait["code"]:
        return False
    return bool(wait["whom"] == "insurer" and wait["delivered"] == wait["parts"])


def _standing(view: View) -> tuple[object, ...]:
    return view["status"], view["wait"], len(view["claim"]["steps"]), [item["status"] for item in view["payments"]]
