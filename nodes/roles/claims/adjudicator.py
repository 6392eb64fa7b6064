"""Which adjudicator runs here, and which one the members pinned: by the hash of its whole code.

A node executes blocks with whatever code is pinned at a height. What a desk runs for itself is the code of this
installation, so it is compared before it decides: whoever opens a settlement later runs it again with the code that
was in force where the settlement stands.
"""

from functools import cache
from typing import cast

from contracts.membership import FindPin
from ledger.genesis import PinHistory
from nodes.agent import ChainView
from nodes.contract_sources import load_installed_contracts

ADJUDICATION = "adjudication"


@cache
def hash_installed_rules() -> bytes:
    """Return the hash of the adjudicator of this installation."""
    return next(pin.code_hash for pin in load_installed_contracts().pins() if pin.name == ADJUDICATION)


def hash_pinned_rules(view: ChainView) -> bytes:
    """Return the hash of the adjudicator that is in force in the next block."""
    history = view.query("membership", "pin", FindPin(ADJUDICATION), cast("type[PinHistory | None]", PinHistory | None))
    assert history is not None, "the genesis pins every contract"
    return [item.code_hash for item in history.versions if item.from_height <= view.height + 1][-1]
