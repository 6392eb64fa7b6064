"""A decision as JSON that people read: amounts in yuan, names instead of positions.

The other way does not exist: nobody writes decisions by hand, and programs exchange the encoded struct.
"""

from typing import Any

import msgspec

from contracts.adjudication.decision import Decision
from nodes.schemas.notation import write_yuan


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON values, amounts in yuan; exact amounts of the trace stay fractions of a 分."""
    return {
        "disposition": decision.disposition,
        "currency": decision.currency,
        **{
            name: write_yuan(getattr(decision, name))
            for name in ("payable", "transfer", "recovery", "pended", "customer_bears", "deductible_used")
        },
        "categories": {paid.category: write_yuan(paid.amount) for paid in decision.categories},
        "accumulator": {
            "sequence": decision.accumulator.sequence,
            **{
                name: write_yuan(getattr(decision.accumulator, name))
                for name in ("deductible_used", "deductible_previous_year", "paid_year", "paid_life")
            },
            "paid_categories": {
                paid.category: write_yuan(paid.amount) for paid in decision.accumulator.paid_categories
            },
        },
        "lines": [
            {
                "line": line.line,
                "amount": write_yuan(line.amount),
                "status": line.status,
                "paid": write_yuan(line.paid),
            }
            for line in decision.lines
        ],
        "reasons": [msgspec.to_builtins(_named(reason)) for reason in decision.reasons],
        "trace": [msgspec.to_builtins(_named(step)) for step in decision.trace],
    }


def _named(value: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
