"""Linking: is the pseudonym of a grant a person that this organisation knows?

Both parties of a grant, hospital and insurer, do the same:

    1. challenge   the organisation draws a challenge for the grant's subject
    2. disclose    the customer's wallet answers with the pseudonym's key, and hands over her identity sealed; the
                   organisation opens it, holds it against the commitment in the grant, compares document, name and
                   birth date with its own master data, and keeps what it found in its register
    3. the organisation posts `consent.link` with `matched` or `mismatch`, which is derived from the register and the
       chain, so that a crash in between loses nothing

Where a guardian, delegate or heir signed the grant, her key answers, and she discloses who the subject is and who she
is herself. A guardian and an heir match only if this organisation's own records name them for the subject; a
delegate rests on the subject's own signature on the chain.

In what way the subject acts (her capacity) goes with every judgement. It follows from her birth date and from what
the desk has entered, so it changes on a birthday, or when she dies; then the organisation judges again.

A person who is unknown is a mismatch. A mismatch is final for this disclosure: once master data are corrected, the
customer discloses again. The identity of somebody who did not match is not kept. An insurer keeps what opens the
commitment of somebody who did, because it may have to show an auditor whom a claim is about; nobody else does.

Challenges are memory: after a restart the customer asks for a new one.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from contracts.disclosures import is_disclosure
from contracts.grants import Capacity, Grant, Grantee, GrantView, Link, LinkResult
from contracts.identifiers import GrantId
from ledger.codec import Day, Hash, Name, Struct, decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.identity import Disclosure, IdentityOpening, RecordDates
from nodes.roles.lookup import find_grant
from nodes.roles.people import People, Person
from nodes.schemas.civil_time import civil_date, civil_day
from nodes.vault.register import Register
from nodes.vault.sealing import SEAL_PUBLIC_BYTES, SealContext, Sealed, SealKeys
from nodes.wallet import Challenge, check_answer, make_challenge

LINK = "link"
CHALLENGES_MAX = 4_096
"""Outstanding at once; more than that are customers who do not answer."""
CHALLENGE_MS = 5 * 60 * 1000


class LinkingError(LedgerError):
    """A challenge or disclosure that cannot be taken; says why."""


class LinkEntry(Struct):
    """Register, kind `link`: what one disclosure led to; the id is the grant's."""

    grant_id: GrantId
    pseudonym: Name
    commitment: Hash
    """The identity commitment that was opened."""
    result: LinkResult
    person: str | None
    """The number of the person in this organisation's master data; None for a mismatch."""
    seal_key: Annotated[bytes, Meta(min_length=SEAL_PUBLIC_BYTES, max_length=SEAL_PUBLIC_BYTES)]
    """What decisions and openings for her are sealed to."""
    dates: RecordDates
    challenge: Challenge
    answer: bytes
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """Opens the evidence."""
    capacity: Capacity
    grantor: str | None
    """The number of a guardian or heir who acts for her."""
    is_disclosure: bool = False
    """Whether the grant is for handing records over beside any claim."""
    identity: IdentityOpening | None = None
    """Opens `commitment`: kept by an insurer, which may have to show whom it matched; None otherwise."""

    @property
    def evidence(self) -> Hash:
        """The commitment on the chain: challenge, answer, what was compared, and what came of it."""
        found = (self.challenge, self.answer, self.commitment, self.result, self.capacity)
        return commit_salted(self.salt, encode(found))


@dataclass(frozen=True, slots=True)
class Linked:
    """What `disclose` tells the customer."""

    grant_id: str
    organisation: str
    result: LinkResult


class Linking:
    """The links of one organisation."""

    def __init__(
        self,
        organisation: str,
        view: ChainView,
        register: Register,
        seal_key: SealKeys,
        entropy: Entropy,
    ) -> None:
        """Read what was linked from the register.

        Args:
            organisation: Whose links.
            view: The latest committed state.
            register: Holds its people and the links.
            seal_key: Opens disclosures.
            entropy: For challenges and salts.
        """
        self._organisation = organisation
        self._view = view
        self._register = register
        self._seal_key = seal_key
        self._entropy = entropy
        self._challenges: dict[str, tuple[Challenge, int]] = {}
        self.people = People(register)
        self._entries = {key: decode(data, LinkEntry) for key, data in register.list_entries(LINK)}
        self._unconfirmed = set(self._entries)
        self._judged_day = -1

    def challenge(self, grant_id: str, now_ms: int) -> Challenge:
        """Return the challenge that the grant's grantor has to answer; the same one until it expires.

        Raises:
            LinkingError: If the grant is not in force or not for this organisation, or too many customers are asked.
        """
        grant = self._grant(grant_id)
        self._drop_expired(now_ms)
        known = self._challenges.get(grant_id)
        if known is not None:
            return known[0]
        if len(self._challenges) >= CHALLENGES_MAX:
            msg = f"challenge: {CHALLENGES_MAX} are unanswered; try again in some minutes"
            raise LinkingError(msg)
        grantor = grant.versions[-1].grant.grantor.name
        challenge = make_challenge(self._view.chain_id, self._organisation, grantor, self._entropy)
        self._challenges[grant_id] = (challenge, now_ms + CHALLENGE_MS)
        return challenge

    def disclose(self, grant_id: str, sealed: Sealed, answer: bytes, seal_key: bytes, now_ms: int) -> Linked:
        """Take in a customer's identity and judge it; the same disclosure again gives the same judgement.

        Args:
            grant_id: The grant it belongs to.
            sealed: `Disclosure`, sealed to this organisation for `identity.<grant id>`.
            answer: The grantor's signature over the challenge of this grant.
            seal_key: The grantor's own public seal key.
            now_ms: The node's clock.

        Raises:
            LinkingError: If the grant is not in force, no challenge is open, or the disclosure is incomplete.
            VerificationError: If answer, sealed bytes or commitment do not hold.
        """
        grant = self._grant(grant_id).versions[-1].grant
        commitment = self._committed(grant_id)
        former = self._entries.get(grant_id)
        if former is not None and (former.commitment, former.answer) == (commitment, answer):
            self._unconfirmed.add(grant_id)
            return Linked(grant_id, self._organisation, former.result)
        challenge = self._answered(grant_id, grant.grantor.name, answer, now_ms)
        disclosure = self._open(grant_id, grant.grantor.name, sealed)
        if disclosure.commitment != commitment:
            msg = f"identity: not the one that {grant_id} commits to for {self._organisation}"
            raise VerificationError(msg)
        if disclosure.dates is None or disclosure.dates.commitment != grant.scope.dates:
            msg = f"dates: expected the opening of the record dates that {grant_id} commits to"
            raise LinkingError(msg)
        _check_seal_key(seal_key)
        person, grantor = self._match(grant, disclosure)
        entry = LinkEntry(
            grant_id,
            grant.subject,
            commitment,
            "mismatch" if person is None else "matched",
            None if person is None else person.number,
            seal_key,
            disclosure.dates,
            challenge,
            answer,
            self._entropy.draw(32),
            "adult" if person is None else person.capacity(civil_date(now_ms)),
            None if person is None else grantor,
            is_disclosure(grant),
            disclosure.opening
            if person is not None and grant.grantee == Grantee(self._organisation, "insurer")
            else None,
        )
        self._keep(entry)
        del self._challenges[grant_id]
        return Linked(grant_id, self._organisation, entry.result)

    def replace_seal_key(self, reader: str, seal_key: bytes) -> int:
        """Seal to another key from now on what is for the wallet of a pseudonym; return how many grants it is for.

        Args:
            reader: Whose wallet: of grants by a delegate or heir it is theirs, else the subject's.
            seal_key: Her new public key.

        Raises:
            LinkingError: If it is no such key.
        """
        _check_seal_key(seal_key)
        count = 0
        for entry in [*self._entries.values()]:
            grant = find_grant(self._view, entry.grant_id)
            if grant is None or find_reader(grant.versions[-1].grant) != reader:
                continue
            count += 1
            if entry.seal_key != seal_key:
                self._keep(replace(entry, seal_key=seal_key))
        return count

    def judge_again(self, now_ms: int, person: str | None = None) -> None:
        """Judge anew whoever's age, death or guardian has changed; `derive` then has the judgements to post.

        Args:
            now_ms: The node's clock.
            person: Somebody about whom the desk has entered something; None to look at everybody once a day.
        """
        today = civil_day(now_ms)
        if person is None and today == self._judged_day:
            return
        if person is None:
            self._judged_day = today
        for entry in [*self._entries.values()]:
            if entry.person is None or person not in (None, entry.person):
                continue
            known = self.people.get(entry.person)
            acts = entry.grantor is None or entry.grantor in known.acts_through
            result: LinkResult = "matched" if acts else "mismatch"
            capacity = known.capacity(civil_date(now_ms))
            if (result, capacity) != (entry.result, entry.capacity):
                self._keep(replace(entry, result=result, capacity=capacity, salt=self._entropy.draw(32)))

    def derive(self) -> list[Call]:
        """Return the judgements that the chain does not have yet."""
        calls = []
        for grant_id in sorted(self._unconfirmed):
            entry = self._entries[grant_id]
            grant = find_grant(self._view, grant_id)
            if grant is None or grant.status != "GRANTED" or self._committed_in(grant) != entry.commitment:
                self._unconfirmed.discard(grant_id)
                continue
            history = dict(grant.links).get(self._organisation)
            latest = None if history is None else history.entries[-1]
            if latest is not None and (latest.identity, latest.evidence) == (entry.commitment, entry.evidence):
                self._unconfirmed.discard(grant_id)
                continue
            calls.append(
                Call(
                    "consent",
                    "link",
                    Link(grant_id, grant.versions[-1].version, entry.result, entry.evidence, entry.capacity),
                )
            )
        return calls

    def entry(self, grant_id: str) -> LinkEntry | None:
        """Return what is known of a grant's subject, or None before she disclosed herself."""
        return self._entries.get(grant_id)

    def find_dates(self, grant_id: str) -> RecordDates | None:
        """Return the record dates that were disclosed with a grant, or None."""
        entry = self._entries.get(grant_id)
        return None if entry is None else entry.dates

    def covers(self, grant: Grant, first_day: Day, last_day: Day) -> bool:
        """Whether these days lie within the record dates of a grant; False until those of its latest words are open."""
        entry = self._entries.get(grant.grant_id)
        if entry is None or entry.dates.commitment != grant.scope.dates:
            return False
        return entry.dates.first_day <= first_day and last_day <= entry.dates.last_day

    def person_of(self, pseudonym: str) -> str | None:
        """Return the number of the person behind a pseudonym, if a grant of it matched."""
        matched = (entry.person for entry in self._entries.values() if entry.pseudonym == pseudonym)
        return next((person for person in matched if person is not None), None)

    def seal_key_of(self, pseudonym: str) -> bytes | None:
        """Return the key that openings for a pseudonym are sealed to; of a wallet it is the same for every grant."""
        return next(
            (
                entry.seal_key
                for entry in self._entries.values()
                if (entry.pseudonym, entry.result) == (pseudonym, "matched")
            ),
            None,
        )

    def list_disclosed(self) -> set[str]:
        """Return the people who have given a grant for a disclosure, in force or not."""
        return {entry.person for entry in self._entries.values() if entry.is_disclosure and entry.person is not None}

    def matched(self, person: str) -> tuple[LinkEntry, ...]:
        """Return the links of a person, sorted by grant id."""
        return tuple(entry for _, entry in sorted(self._entries.items()) if entry.person == person)

    def pseudonyms_of(self, person: str) -> tuple[tuple[str, str, str], ...]:
        """Return (hospital, recipient, pseudonym) of a person's grants, sorted: her names, to be told."""
        grants = [find_grant(self._view, entry.grant_id) for entry in self.matched(person)]
        words = [grant.versions[-1].grant for grant in grants if grant is not None]
        return tuple(sorted({(word.sources[0], word.grantee.organisation, word.subject) for word in words}))

    def _match(self, grant: Grant, disclosure: Disclosure) -> tuple[Person | None, str | None]:
        """Return the subject in this organisation's records and who acts for her, or (None, None)."""
        person = self.people.match(disclosure.identity)
        if person is None or grant.grantor.kind in ("customer", "delegate"):
            return person, None
        grantor = None if disclosure.grantor is None else self.people.match(disclosure.grantor)
        if grantor is None or grantor.number not in person.acts_through:
            return None, None
        return person, grantor.number

    def _keep(self, entry: LinkEntry) -> None:
        self._register.put(LINK, entry.grant_id, encode(entry))
        self._entries[entry.grant_id] = entry
        self._unconfirmed.add(entry.grant_id)

    def _grant(self, grant_id: str) -> GrantView:
        grant = find_grant(self._view, grant_id)
        if grant is None:
            msg = f"grant: expected one on the chain, got {grant_id[:64]!r}"
            raise LinkingError(msg)
        if grant.status != "GRANTED":
            msg = f"{grant_id}: expected GRANTED, got {grant.status}"
            raise LinkingError(msg)
        if self._committed_in(grant) is None:
            msg = f"{grant_id}: {self._organisation} is no party of it"
            raise LinkingError(msg)
        return grant

    def _committed(self, grant_id: str) -> bytes:
        commitment = self._committed_in(self._grant(grant_id))
        assert commitment is not None, "a party has a commitment"
        return commitment

    def _committed_in(self, grant: GrantView) -> bytes | None:
        identities = grant.versions[-1].grant.identities
        return next((item.commitment for item in identities if item.organisation == self._organisation), None)

    def _answered(self, grant_id: str, grantor: str, answer: bytes, now_ms: int) -> Challenge:
        self._drop_expired(now_ms)
        known = self._challenges.get(grant_id)
        if known is None:
            msg = f"{grant_id}: no challenge is open; ask for one and answer it within {CHALLENGE_MS // 60_000} minutes"
            raise LinkingError(msg)
        actor = self._view.actor(grantor)
        assert actor is not None, "whoever gave a grant is enrolled"
        check_answer(known[0], actor.keys[-1].public_key, answer)
        return known[0]

    def _open(self, grant_id: str, grantor: str, sealed: Sealed) -> Disclosure:
        context = SealContext(self._view.chain_id, f"identity.{grant_id}", grantor, self._organisation)
        try:
            return decode(self._seal_key.open(sealed, context), Disclosure)
        except DecodeError:
            msg = f"identity: expected a sealed disclosure for {grant_id}"
            raise LinkingError(msg) from None

    def _drop_expired(self, now_ms: int) -> None:
        for grant_id in [key for key, (_, until_ms) in self._challenges.items() if until_ms <= now_ms]:
            del self._challenges[grant_id]


def find_reader(grant: Grant) -> str:
    """Return the pseudonym whose wallet reads what comes of a grant: a ward's is her guardian's, others are not."""
    return grant.subject if grant.grantor.kind in ("customer", "guardian") else grant.grantor.name


def _check_seal_key(seal_key: bytes) -> None:
    if len(seal_key) != SEAL_PUBLIC_BYTES:
        msg = f"seal key: expected {SEAL_PUBLIC_BYTES} bytes, got {len(seal_key)}"
        raise LinkingError(msg)
