"""The adjudicator as a contract: pinned in genesis by the hash of its whole closure, and asked through a query.

It keeps no state and has no transactions, so nothing of a case ever reaches the chain through it. A node runs the
query for its own organisation, where the plaintext already is.
"""

from contracts.adjudication.case import Case
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from ledger.execution.contract import Contract, query


class Adjudication(Contract):
    """The rules R01 to R16 and R19, as the members agreed on them."""

    name = "adjudication"

    @query
    def decide(self, message: Case) -> Decision:
        """Return the decision of a case."""
        return adjudicate(message)
