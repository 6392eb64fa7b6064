"""Explanations: who may see what of a customer's, under which grant; and for a refusal, which condition failed.

Nothing is written here. A question is held against every grant of its subject, in the order of their ids:

    1. a permit covers it, or the first of `contracts.conditions` that it fails is its finding
    2. a denial applies to it, or the first respect in which it speaks of something else is its finding
    3. of the permits that cover it the narrowest is the answer, of several the latest; without one, the first denial
       that applies is; without that, what a permit fails: one for this hospital, recipient and purpose before others,
       of several the one that comes furthest through the conditions, of these the latest

A question may name the days of the records, and open the record dates of grants. The chain has commitments to these:
an opening that does not fit is none. A permit that means other days covers nothing (`record dates`); one that nobody
here can open is answered with `unknown`, after those that are known to mean the days.

A question may suppose one grant more, or one less. A supposed grant must be one that could be given now. It counts as
given next and as matched by both parties, which know of the subject what they have said of her last, and else that she
is grown up.
"""

from contracts.authorities import Authorities
from contracts.conditions import ORDER, Facts, find_failing
from contracts.consent import Consent
from contracts.grants import Capacity, Grant, GrantHead, GrantVersion, LinkEntry, LinkHistory
from contracts.identifiers import Place, locate
from contracts.needs import Considered, Dates, Decision, Finding, Need, Question
from contracts.precedence import find_inapplicable, is_before, is_narrower, list_against
from ledger.execution.contract import Contract, commit_salted, encode, query, replace


class Explanations(Contract):
    """Answers about consent."""

    name = "explanations"

    @query
    def decide(self, message: Question) -> Decision:
        """Say whether something may be done, under which grant, and what every grant of the subject says to it."""
        versions = self._suppose(message)
        denials = tuple(version for version in versions if version.grant.effect == "deny")
        considered: tuple[Considered, ...] = ()
        winning: GrantVersion | None = None
        dates: Dates | None = None
        nearest: tuple[GrantVersion, Finding] | None = None
        for version in versions:
            grant = version.grant
            means = _means(message, grant)
            finding = self._hold(message, version, denials)
            if finding is None and means == "outside":
                finding = Finding("AUTH-013", "record dates", "the grant means records of other days")
            considered = (*considered, Considered(grant.grant_id, version.version, grant.effect, finding, means))
            if grant.effect != "permit":
                continue
            if finding is None:
                if winning is None or _is_better(winning, dates, version, means):
                    winning = version
                    dates = means
            elif nearest is None or _is_nearer(message, nearest, (version, finding)):
                nearest = (version, finding)
        if winning is not None:
            return Decision(
                permitted=True,
                grant_id=winning.grant.grant_id,
                version=winning.version,
                finding=None,
                considered=considered,
                dates=dates,
            )
        standing = [item for item in considered if item.effect == "deny" and item.finding is None]
        denial = standing[0] if standing else None
        refusal = None if nearest is None else nearest[1]
        if denial is not None:
            refusal = Finding("AUTH-013", "denial", f"{denial.grant_id} denies it")
        return Decision(
            permitted=False,
            grant_id=None if denial is None else denial.grant_id,
            version=None if denial is None else denial.version,
            finding=refusal or Finding("AUTH-013", "grant", "there is no grant: absence is refusal"),
            considered=considered,
        )

    def _suppose(self, message: Question) -> tuple[GrantVersion, ...]:
        """Return the latest versions of the subject's grants, with what the question supposes."""
        supposed = message.what_if
        left_out = (message.without, None if supposed is None else supposed.grant_id)
        versions = self.call(Consent).versions_of(message.subject)
        versions = tuple(version for version in versions if version.grant.grant_id not in left_out)
        if supposed is None:
            return versions
        self.call(Consent).check_words(supposed)
        return (*versions, GrantVersion(supposed.version, supposed, "GRANTED", self._next()))

    def _hold(self, message: Question, version: GrantVersion, denials: tuple[GrantVersion, ...]) -> Finding | None:
        time_ms = self.context.time_ms
        grant = version.grant
        need = Need(
            grant.grant_id,
            message.hospital,
            message.recipient,
            message.subject,
            message.record_type,
            message.stay_id,
            message.claim_id,
            message.act,
            message.purpose,
        )
        if grant.effect == "deny":
            return find_inapplicable(need, version, None, time_ms)
        if message.what_if is not None and message.what_if.grant_id == grant.grant_id:
            facts = self._presume(message, need, version, denials)
        else:
            facts = self.call(Consent).facts(need, version, denials)
        return find_failing(need, facts, time_ms)

    def _presume(
        self, message: Question, need: Need, version: GrantVersion, denials: tuple[GrantVersion, ...]
    ) -> Facts:
        """Return the facts of a grant that is not given: matched by both parties, and not yet used."""
        grant = version.grant
        authority_id = grant.grantor.authority
        return Facts(
            version,
            GrantHead(version.version, version.place.time_ms, 0, 0, 0, None),
            self._match(message.hospital, grant, version.place),
            self._match(message.recipient, grant, version.place),
            None if authority_id is None else self.call(Authorities).get(authority_id),
            None,
            list_against(need, version, denials, self.context.time_ms),
        )

    def _match(self, organisation: str, grant: Grant, place: Place) -> LinkHistory | None:
        identities = [entry.commitment for entry in grant.identities if entry.organisation == organisation]
        if not identities:
            return None
        capacity = self._capacity(organisation, grant.subject)
        return LinkHistory((LinkEntry("matched", grant.version, identities[0], bytes(32), place, capacity),))

    def _capacity(self, organisation: str, subject: str) -> Capacity:
        """Return what an organisation last said of a subject, under any of her grants."""
        consent = self.call(Consent)
        last: LinkEntry | None = None
        for version in consent.versions_of(subject):
            history = consent.links.get((version.grant.grant_id, organisation))
            if history is not None and (last is None or is_before(last.place, history.entries[-1].place)):
                last = history.entries[-1]
        return "adult" if last is None else last.capacity

    def _next(self) -> Place:
        """Return the first place after everything that is decided."""
        return replace(locate(self.context), height=self.context.height + 1, index=0)


def _means(message: Question, grant: Grant) -> Dates | None:
    """Return whether a permit means the days that are asked about, as far as the question opens them."""
    if message.days is None or grant.effect != "permit":
        return None
    for opening in message.openings:
        opened = commit_salted(opening.salt, encode((opening.first_day, opening.last_day)))
        if opening.grant_id == grant.grant_id and opened == grant.scope.dates:
            is_within = opening.first_day <= message.days.first_day and message.days.last_day <= opening.last_day
            return "within" if is_within else "outside"
    return "unknown"


def _is_nearer(question: Question, first: tuple[GrantVersion, Finding], second: tuple[GrantVersion, Finding]) -> bool:
    """Whether the second of two permits that cover nothing comes nearer to covering what is asked."""
    ranks = (_rank(question, first), _rank(question, second))
    return ranks[0] < ranks[1] or (ranks[0] == ranks[1] and is_before(first[0].place, second[0].place))


def _rank(question: Question, failed: tuple[GrantVersion, Finding]) -> tuple[bool, int]:
    grant = failed[0].grant
    parties = question.hospital in grant.sources and question.recipient == grant.grantee.organisation
    return (parties and grant.purpose == question.purpose, ORDER.index(failed[1].condition))


def _is_better(first: GrantVersion, known: Dates | None, second: GrantVersion, means: Dates | None) -> bool:
    """Whether a second permit answers better than a first: one of which the days are known, else as `_prefer`."""
    if known != means:
        return means == "within"
    return _prefer(first, second) == second


def _prefer(first: GrantVersion, second: GrantVersion) -> GrantVersion:
    """Return the narrower of two permits, or the later one."""
    if is_narrower(first.grant, second.grant):
        return first
    if is_narrower(second.grant, first.grant) or is_before(first.place, second.place):
        return second
    return first
