"""Break-glass: for treatment, under a grant, announced and reviewed each time; never an insurer's."""

import pytest
from msgspec.structs import replace

from contracts.attempts import AttemptView, ListAttempts
from contracts.emergencies import BreakGlass, GlassUse, ListWaiting, ReviewUse
from contracts.grants import ALL_DAYS, Grant, Grantee, ListGrants
from contracts.refusals import TurnAway
from tests.contracts.consortium import Consortium, digest


@pytest.fixture
def grant(chain: Consortium) -> Grant:
    """Let hospital-b look at hospital-a's records in an emergency."""
    customer, enrolment = chain.enrol("hospital-a")
    chain.do(enrolment)
    words = chain.grant(customer, "hospital-a", "hospital-b")
    grant = replace(
        words,
        purpose="BTG",
        grantee=Grantee("hospital-b", "hospital"),
        permission=replace(words.permission, uses_max=1),
    )
    chain.do((customer, "consent.grant", grant), chain.link(grant, "hospital-a"), chain.link(grant, "hospital-b"))
    return grant


def look(chain: Consortium, grant: Grant) -> BreakGlass:
    return BreakGlass(chain.draw("glass"), grant.grant_id, "hospital-a", ("discharge-summary",), digest("why"))


def test_a_hospital_breaks_the_glass_and_everybody_concerned_is_told(chain: Consortium, grant: Grant) -> None:
    chain.do(("hospital-b", "emergencies.break_glass", look(chain, grant)))
    assert chain.events() == ["glass-broken"]
    for query, message in (("list_of_subject", ListGrants(grant.subject, "")), ("list_waiting", ListWaiting(""))):
        (use,) = chain.ask(f"emergencies.{query}", message, tuple[GlassUse, ...])
        assert (use.recipient, use.hospital, use.review) == ("hospital-b", "hospital-a", None)


def test_a_use_names_each_type_once(chain: Consortium, grant: Grant) -> None:
    twice = replace(look(chain, grant), record_types=("discharge-summary", "discharge-summary"))
    assert chain.post(("hospital-b", "emergencies.break_glass", twice)) == ["UNSORTED"]


def test_each_use_is_reviewed_once_by_a_regulator(chain: Consortium, grant: Grant) -> None:
    use = look(chain, grant)
    chain.do(("hospital-b", "emergencies.break_glass", use))
    review = ReviewUse(use.use_id, "unjustified", digest("grounds"))
    codes = chain.post(
        ("hospital-b", "emergencies.review", review),
        ("regulator", "emergencies.review", review),
        ("regulator", "emergencies.review", review),
    )
    assert codes == ["FORBIDDEN", "OK", "WRONG_STATE"]
    assert chain.ask("emergencies.list_waiting", ListWaiting(""), tuple[GlassUse, ...]) == ()
    (kept,) = chain.ask("emergencies.list_of_subject", ListGrants(grant.subject, ""), tuple[GlassUse, ...])
    assert kept.review is not None
    assert kept.review.finding == "unjustified"


def test_an_insurer_never_breaks_the_glass(chain: Consortium, grant: Grant) -> None:
    assert chain.post(("insurer-a", "emergencies.break_glass", look(chain, grant))) == ["FORBIDDEN"]
    insurers = replace(chain.grant(grant.subject), purpose="BTG")
    assert chain.post((grant.subject, "consent.grant", insurers)) == ["PURPOSE"]


def test_another_hospital_another_grant_and_a_used_up_one_are_refused(chain: Consortium, grant: Grant) -> None:
    claims = chain.grant(grant.subject)
    chain.do((grant.subject, "consent.grant", claims))
    codes = chain.post(
        ("hospital-a", "emergencies.break_glass", look(chain, grant)),
        ("hospital-b", "emergencies.break_glass", look(chain, claims)),
        ("hospital-b", "emergencies.break_glass", look(chain, grant)),
        ("hospital-b", "emergencies.break_glass", look(chain, grant)),
    )
    assert codes == ["AUTH-013", "AUTH-013", "OK", "AUTH-013"]
    assert chain.reason().startswith("uses: ")


def test_a_denial_of_treatment_leaves_emergencies_and_a_denial_of_emergencies_does_not(
    chain: Consortium, grant: Grant
) -> None:
    words = replace(
        grant,
        grant_id=chain.draw("grant"),
        purpose="CAREMGT",
        effect="deny",
        identities=(),
        scope=replace(grant.scope, dates=ALL_DAYS),
        permission=replace(grant.permission, uses_max=None),
    )
    chain.do((grant.subject, "consent.grant", words))
    chain.do(("hospital-b", "emergencies.break_glass", look(chain, grant)))
    wider = replace(grant, version=2, previous_version=1, permission=replace(grant.permission, uses_max=9))
    emergency = replace(words, grant_id=chain.draw("grant"), purpose="BTG")
    chain.do((grant.subject, "consent.grant", wider), (grant.subject, "consent.grant", emergency))
    assert chain.post(("hospital-b", "emergencies.break_glass", look(chain, grant))) == ["AUTH-013"]
    assert chain.reason().startswith("denial: ")


def test_who_breaks_the_glass_names_no_stay_so_words_about_single_stays_are_taken_strictly(
    chain: Consortium, grant: Grant
) -> None:
    words = replace(
        grant,
        grant_id=chain.draw("grant"),
        effect="deny",
        identities=(),
        scope=replace(grant.scope, dates=ALL_DAYS, encounters=("stay-0123456789abcdef",)),
        permission=replace(grant.permission, uses_max=None),
    )
    chain.do((grant.subject, "consent.grant", words))
    assert chain.post(("hospital-b", "emergencies.break_glass", look(chain, grant))) == ["AUTH-013"]
    assert chain.reason().startswith("denial: ")
    narrow = replace(grant, version=2, previous_version=1, scope=replace(words.scope, dates=grant.scope.dates))
    chain.do((grant.subject, "consent.grant", narrow))
    assert chain.post(("hospital-b", "emergencies.break_glass", look(chain, grant))) == ["AUTH-013"]
    assert chain.reason().startswith("encounter: ")


def test_why_the_glass_was_broken_is_a_regulators_question_and_who_else_asks_is_entered(
    chain: Consortium, grant: Grant
) -> None:
    use = look(chain, grant)
    chain.do(("hospital-b", "emergencies.break_glass", use))
    codes = chain.post(
        ("hospital-b", "access.turn_away", TurnAway(use.use_id, "regulator")),
        ("hospital-a", "access.turn_away", TurnAway(use.use_id, "insurer-a")),
        ("hospital-b", "access.turn_away", TurnAway(use.use_id, "insurer-a")),
    )
    assert codes == ["COVERED", "FORBIDDEN", "OK"]
    (view,) = chain.ask("attempts.of_subject", ListAttempts(grant.subject, 0), tuple[AttemptView, ...])
    found = view.attempt
    assert (found.kind, found.code, found.condition, found.purpose) == ("fetch", "AUTH-013", "role", "BTG")
    assert (found.recipient, found.signer, found.grant_id) == ("insurer-a", "hospital-b", grant.grant_id)
