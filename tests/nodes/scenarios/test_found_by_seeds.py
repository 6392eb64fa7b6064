"""What seeds have found, each played again in a network where nothing else happens.

A seed draws something else whenever the draws change; these do not.
"""

from nodes.scenarios.plans import Plan
from tests.nodes.scenarios.conftest import HOSPITAL, INSURER, Found


def test_an_interim_bill_that_was_shared_under_a_revoked_grant_keeps_no_settlement_waiting(found: Found) -> None:
    """Seed 91 of the first draws: it was never handed over, and the stay's records were never confirmed."""
    plan = Plan(0, 0, stays_ms=6_000, has_interim=True, revokes_ms=1_000, grants_again=True)
    scenario = found(plan)
    simulation = scenario.simulation
    simulation.at(100, lambda: simulation.cut([HOSPITAL], [INSURER]))
    simulation.at(40_000, simulation.heal)
    scenario.run()
    assert len(scenario.auditor.settlements) == 1
