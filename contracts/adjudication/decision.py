"""A decision: what is payable, line by line, with every step that led to it.

The trace is one chain: the first entry starts from the bill's total, each entry starts from what the one before it
left, and the last one ends in what moves. Amounts within it are exact fractions written in lowest terms (`206000`,
`5/3`), because only R15 rounds. So a reader adds up the trace without running anything.

    PAY              everything is decided, and something is payable
    PARTIAL_PENDED   the undisputed part is payable, the rest waits for a person
    PENDED           nothing is decided: nothing moves, the balances stay
    NONE             everything is decided, and arithmetic or a person's refusal leaves nothing payable

A decision is private to those who hold the case; the chain sees commitments to it.
"""

from typing import Annotated, Literal

from contracts.adjudication.case import Accumulator, CategoryPaid, Fen, LineId
from contracts.adjudication.product import Currency
from contracts.adjudication.reasons import Code, RuleId
from ledger.execution.contract import Amount, Meta, Struct

Disposition = Literal["PAY", "PARTIAL_PENDED", "PENDED", "NONE"]
Outcome = Literal["pass", "fail", "unknown"]
Action = Literal["go-on", "ask", "assume", "review", "accepted", "refused"]
"""What followed from an outcome.

    go-on      the rule passed, or it is arithmetic
    assume     a fact is missing, and the product lets the rule pass
    ask        a fact is missing, and whoever may know it is asked; meanwhile it waits
    review     a person decides (R19)
    accepted   a person decided: covered
    refused    a person decided: not covered
"""
ExactAmount = Annotated[str, Meta(min_length=1, max_length=400, pattern=r"^-?[0-9]+(/[0-9]+)?\Z")]
"""Minor units as a fraction in lowest terms."""
Difference = Annotated[int, Meta(ge=0, le=9_007_199_254_740_992)]
"""Between two sums of amounts; a bill that does not balance may be off by more than any one amount."""


class Trace(Struct):
    """One step."""

    rule: RuleId
    outcome: Outcome
    action: Action
    detail: Annotated[str, Meta(min_length=1, max_length=32)]
    """A key of `reasons.DETAILS`."""
    before: ExactAmount
    after: ExactAmount
    code: Code | None
    """Why less is payable; None where nothing was refused."""
    line: LineId | None
    subject: Annotated[str, Meta(max_length=80)]
    """The diagnosis, exclusion, payer, category or missing fact that it is about; empty where there is none."""
    amount: Difference | None
    """The difference of an equation that does not hold; else None."""


class Reason(Struct):
    """Why something is not paid, or not yet."""

    rule: RuleId
    code: Code
    action: Action
    detail: Annotated[str, Meta(min_length=1, max_length=32)]
    line: LineId | None
    """None where it is about the whole claim."""
    subject: Annotated[str, Meta(max_length=80)]


class LineDecision(Struct):
    """What became of one line, in the bill's order."""

    line: LineId
    amount: Fen
    status: Literal["eligible", "pended", "refused"]
    paid: Fen
    """Its share of `payable`; 0 unless eligible."""


class Decision(Struct):
    """The result of `engine.adjudicate`."""

    disposition: Disposition
    currency: Currency
    payable: Fen
    """What the stay's current total entitles to, without what is pended: the sum of the lines' `paid`."""
    transfer: Fen
    """What moves to the payee now: `payable` less advances and less what this claim was settled with."""
    recovery: Fen
    """What moves back now; at most one of `transfer` and `recovery` is above 0."""
    pended: Fen
    """The amount of the lines that wait for a person or an answer."""
    customer_bears: Fen
    """The bill without what others paid and without `payable`."""
    deductible_used: Amount
    """How much of the deductible this claim consumes; it enters the balances where the deductible is the year's."""
    categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]
    """What this claim pays by category."""
    accumulator: Accumulator
    """The balances afterwards; those of the case where nothing is decided."""
    lines: tuple[LineDecision, ...]
    reasons: tuple[Reason, ...]
    trace: tuple[Trace, ...]
