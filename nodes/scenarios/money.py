"""What was committed to, checked against what was moved: the simulator knows the openings that the chain does not.

money    a commitment of a settlement does not open to what the insurer decided; the bank moved something else for a
         payment than the settlement says, or not once; or an insurer's commitments of a year do not add up, as points,
         to the sum that the bank moved for it, or its own yearbook does not open them
"""

from collections import defaultdict

from contracts.calendar import MONTHS, civil_year
from contracts.listings import FindTotal
from contracts.totals import YearTotal, sum_year
from ledger.codec import decode
from ledger.crypto.commitments import GROUP_ORDER, IDENTITY, add_commitments, verify_difference
from ledger.errors import VerificationError
from nodes.roles.claims.casebook import Casebook, Draft
from nodes.roles.insurer.yearbook import Yearbook
from nodes.roles.rail.attempts import ATTEMPT, Attempt
from nodes.roles.rail.bank import BOOK
from nodes.scenarios.auditor import Auditor
from nodes.scenarios.town import Town
from nodes.simulator.books import Shelf, SimulatedRegister
from nodes.simulator.checks import InvariantError

MONEY = "money"


def check_money(town: Town, auditor: Auditor) -> int:
    """Check all settlements of honest insurers, once everything is paid; return what was moved for them."""
    moved = read_moves(town)
    moves_of: dict[str, list[int]] = defaultdict(list)
    for payment_id, amount in moved:
        moves_of[payment_id].append(amount)
    total = 0
    for insurer in town.consortium.names("insurer"):
        if not town.node(insurer).is_honest:
            continue
        casebook = Casebook(SimulatedRegister(town.estate.shelf(insurer), lambda: None))
        total += _check_insurer(town, auditor, insurer, casebook, moves_of)
    return total


def read_moves(town: Town) -> list[tuple[str, int]]:
    """Return (payment, amount in minor units) of every movement that the bank has entered."""
    rail = town.consortium.names("rail")[0]
    shelf: Shelf = town.estate.shelf(rail)
    orders = {key: decode(data, Attempt).order for key, data in shelf.entries.get(ATTEMPT, {}).items()}
    movements = shelf.entries.get(BOOK, {})
    return [(orders[key].payment_id, _amount(data)) for key, data in sorted(movements.items())]


def _amount(data: bytes) -> int:
    _, _, amount = decode(data, tuple[bytes, str, int])
    return amount


def _check_insurer(
    town: Town, auditor: Auditor, insurer: str, casebook: Casebook, moves_of: dict[str, list[int]]
) -> int:
    point, amount, blinding, moved_blinding = IDENTITY, 0, 0, 0
    for (claim_id, version), (owner, message) in auditor.settlements.items():
        if owner != insurer:
            continue
        draft = casebook.settled_draft(message.outcome)
        if draft is None:
            raise InvariantError(MONEY, f"{insurer} has lost what opens settlement {version} of {claim_id}")
        _check_draft(draft, claim_id, version)
        found = [] if message.payment_id is None else moves_of[message.payment_id]
        if sum(found) != draft.moves.amount or len(found) != (message.payment_id is not None):
            reason = f"settlement {version} of {claim_id} moves {draft.moves.amount}, the bank moved {found}"
            raise InvariantError(MONEY, reason)
        if message.payment_id is not None:
            moved_blinding = (moved_blinding + draft.moves.scalar) % GROUP_ORDER
        if (claim_id, version + 1) not in auditor.settlements:
            point = add_commitments(point, message.outcome.payable)
            amount += sum(_moves_of_claim(auditor, moves_of, claim_id))
            blinding = (blinding + draft.opening.payable.scalar) % GROUP_ORDER
    _check_sum(point, amount, blinding, f"the commitments of {insurer}")
    view = town.view(insurer)
    assert view is not None, "an honest node is up at the end"
    year = civil_year(view.time_ms)
    total = sum_year(view.query("registers", "total", FindTotal(insurer, year, "CNY"), YearTotal))
    _check_sum(total.paid, amount, moved_blinding, f"the total of {insurer} for {year}")
    register = SimulatedRegister(town.estate.shelf(insurer), lambda: None)
    opened = Yearbook(insurer, view, register, casebook).open_months("CNY", year, 1, MONTHS)
    _check_sum(total.paid, *opened, f"the yearbook of {insurer} for {year}")
    return amount


def _moves_of_claim(auditor: Auditor, moves_of: dict[str, list[int]], claim_id: str) -> list[int]:
    payments = [payment for payment, (claim, _) in auditor.payments.items() if claim == claim_id]
    return [amount for payment in payments for amount in moves_of[payment]]


def _check_draft(draft: Draft, claim_id: str, version: int) -> None:
    try:
        draft.opening.payable.verify(draft.outcome.payable)
        draft.opening.paid_after.verify(draft.outcome.paid_after)
        draft.opening.deductible.verify(draft.outcome.deductible)
    except VerificationError as error:
        raise InvariantError(MONEY, f"settlement {version} of {claim_id}: {error}") from None


def _check_sum(point: bytes, amount: int, blinding: int, what: str) -> None:
    if point == IDENTITY and (amount, blinding) == (0, 0):
        return
    try:
        verify_difference(point, amount, blinding)
    except VerificationError:
        raise InvariantError(MONEY, f"{what} do not add up to {amount}, which the bank moved") from None
