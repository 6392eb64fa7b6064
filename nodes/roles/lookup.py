"""What agents look up on the chain, typed: one function for each question.

Every answer is of the latest committed state. None stands for what does not exist.
"""

from typing import cast

from contracts.coordination import OrderView, ShowOrder
from contracts.grants import GrantView, ListGrants, ShowGrant
from contracts.listings import ClaimView, ShowClaim
from contracts.mandates import Authority
from contracts.membership import FindActor, ListRole
from contracts.needs import Decision, Explanation, Need, Question
from contracts.openings import FindOpening, Opening
from contracts.stays import RecordView, ShowRecord, ShowStay, StayView
from ledger.errors import LedgerError, VerificationError
from ledger.genesis import Credentials
from ledger.membership import Role
from nodes.agent import ChainView


def find_order(view: ChainView, claim_id: str) -> OrderView | None:
    """Return which claim of another insurer pays a claim's invoices first, or None."""
    message = ShowOrder(claim_id)
    return view.query("coordination", "show", message, cast("type[OrderView | None]", OrderView | None))


def find_grant(view: ChainView, grant_id: str) -> GrantView | None:
    """Return a grant with all versions and judgements."""
    return view.query("consent", "show", ShowGrant(grant_id), cast("type[GrantView | None]", GrantView | None))


def list_grants(view: ChainView, subject: str) -> list[GrantView]:
    """Return all grants of a pseudonym, in the order of their ids."""
    found: list[GrantView] = []
    after = ""
    while True:
        page = view.query(
            "consent",
            "list_of_subject",
            ListGrants(subject, after),
            tuple[GrantView, ...],
        )
        if not page:
            return found
        found.extend(page)
        after = page[-1].grant_id


def explain(view: ChainView, need: Need) -> Explanation:
    """Return whether a need is covered now, and if not, which condition fails."""
    return view.query("consent", "explain", need, Explanation)


def decide(view: ChainView, question: Question) -> Decision:
    """Return whether something may be done, under which grant, and what every grant of the subject says to it."""
    return view.query("explanations", "decide", question, Decision)


def list_held(view: ChainView, holder: str) -> list[Authority]:
    """Return the authorities of a pseudonym to act for others, in the order of their ids."""
    found: list[Authority] = []
    after = ""
    while True:
        page = view.query("authorities", "list_of_holder", ListGrants(holder, after), tuple[Authority, ...])
        if not page:
            return found
        found.extend(page)
        after = page[-1].authority_id


def find_stay(view: ChainView, stay_id: str) -> StayView | None:
    """Return a stay with its live parts and closings."""
    return view.query("records", "stay", ShowStay(stay_id), cast("type[StayView | None]", StayView | None))


def find_opening(
    view: ChainView, claim_id: str, reader: str, version: int, *, names_person: bool = False
) -> Opening | None:
    """Return the entry under which a claim's settlements up to a version, perhaps with its person, may be opened."""
    message = FindOpening(claim_id, reader, version, names_person)
    return view.query("openings", "find", message, cast("type[Opening | None]", Opening | None))


def find_record(view: ChainView, record_id: str) -> RecordView | None:
    """Return a record with its shares."""
    return view.query("records", "record", ShowRecord(record_id), cast("type[RecordView | None]", RecordView | None))


def find_claim(view: ChainView, claim_id: str) -> ClaimView | None:
    """Return a claim with its settlements and payments."""
    return view.query("claims", "show", ShowClaim(claim_id), cast("type[ClaimView | None]", ClaimView | None))


class RemovedMemberError(LedgerError):
    """Something was to be sealed to an organisation that is a member no more, or never was."""


def list_members(view: ChainView, role: Role) -> tuple[str, ...]:
    """Return the members of a role, in the order in which they were admitted."""
    return view.query("membership", "list_role", ListRole(role), tuple[str, ...])


def find_rail(view: ChainView) -> str | None:
    """Return the payment rail that insurers instruct: of several the one that was admitted first; None without one."""
    rails = list_members(view, "rail")
    return rails[0] if rails else None


def find_seal_key(view: ChainView, organisation: str) -> bytes:
    """Return the key to seal to now for an organisation.

    Raises:
        RemovedMemberError: If it is a member no more.
    """
    credentials = find_credentials(view, organisation)
    if credentials is None:
        msg = f"{organisation}: is no member at height {view.height}; nothing is sealed to it"
        raise RemovedMemberError(msg)
    return credentials.seal_key


def find_credentials(view: ChainView, organisation: str) -> Credentials | None:
    """Return what an organisation's secrets are sealed to, or None; who was removed has none."""
    kind = cast("type[Credentials | None]", Credentials | None)
    return view.query("membership", "credentials", FindActor(organisation), kind)


def find_signing_key(view: ChainView, member: str) -> bytes:
    """Return the newest public key of a member that is in force: what it signs with point to point.

    Raises:
        VerificationError: If it has none.
    """
    actor = view.actor(member)
    assert actor is not None, "a record's custodian is a member"
    keys = [key.public_key for key in actor.keys if key.in_force(view.height + 1)]
    if not keys:
        msg = f"{member}: has no key in force at height {view.height + 1}"
        raise VerificationError(msg)
    return keys[-1]
