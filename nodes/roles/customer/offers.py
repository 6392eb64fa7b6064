"""Offers: a grant or denial drawn up from terms, with the notice to read, and not yet signed.

Whoever acts for somebody else (a guardian, a delegate, an heir) draws it up about the other's pseudonym and with the
other's identity, and signs it with her own key under an authority.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as renew

from msgspec.structs import replace

from contracts.grants import (
    ALL_DAYS,
    Frequency,
    Grant,
    Grantee,
    Grantor,
    IdentityCommitment,
    Notice,
    Permission,
    Scope,
)
from contracts.mandates import MandateKind
from nodes.entropy import Entropy
from nodes.identity import Disclosure, RecordDates
from nodes.schemas.civil_time import begin_ms
from nodes.schemas.notice import Language, NoticeTerms, hash_notice, render_notice
from nodes.schemas.terms import GrantTerms, check_terms
from nodes.wallet import Pseudonym, Wallet

LANGUAGES: tuple[Language, ...] = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Behalf:
    """For whom somebody acts, and as what."""

    kind: MandateKind
    wallet: Wallet
    """The other's."""
    pseudonym: Pseudonym
    """The other's, towards the same hospital and insurer."""
    authority: str
    """The id of what she rests on."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A grant that is drawn up and not yet signed: what the notice speaks of."""

    pseudonym: Pseudonym
    """Who signs."""
    grant: Grant
    notices: Mapping[Language, str]
    disclosures: Mapping[str, Disclosure]
    """Organisation -> what will be sealed to it, the same for all; none for a denial."""
    behalf: Behalf | None

    @property
    def dates(self) -> RecordDates | None:
        """The opening of the record dates; None for a denial, which is about all days."""
        return next((item.dates for item in self.disclosures.values()), None)

    def answering(self, request_id: str) -> "Offer":
        """Return the same offer as the answer to a request, whose id becomes the grant's."""
        return renew(self, grant=replace(self.grant, grant_id=request_id))


def draw_up(
    wallet: Wallet,
    pseudonym: Pseudonym,
    terms: GrantTerms,
    language: Language,
    contacts: Mapping[str, str],
    entropy: Entropy,
    day: dt.date,
    *,
    behalf: Behalf | None = None,
) -> Offer:
    """Return a grant or denial to read and then to sign.

    Args:
        wallet: Of whoever signs.
        pseudonym: Hers, towards the hospital and insurer.
        terms: What is meant.
        language: Of the notice that is signed.
        contacts: Organisation -> how to reach it.
        entropy: For the id and the salts.
        day: Today, in China.
        behalf: For whom she acts; None for herself.

    Raises:
        TermsError: If the terms contradict themselves.
    """
    check_terms(terms, day)
    told = NoticeTerms(
        terms, contacts[terms.hospital], contacts[terms.recipient], None if behalf is None else behalf.kind
    )
    notices = {item: render_notice(told, item) for item in LANGUAGES}
    disclosures: dict[str, Disclosure] = {}
    dates = RecordDates(terms.first_day, terms.last_day, entropy.draw(32))
    if terms.effect == "permit":
        pair = (pseudonym.chain_id, pseudonym.hospital, pseudonym.insurer)
        subject, grantor = (wallet, None) if behalf is None else (behalf.wallet, wallet.identity)
        disclosure = subject.make_disclosure(*pair, dates, grantor)
        parties = {terms.hospital} if terms.role == "regulator" else {terms.hospital, terms.recipient}
        disclosures = dict.fromkeys(sorted(parties), disclosure)  # as `Grant.parties`
    grant = Grant(
        grant_id=f"grant-{entropy.draw(8).hex()}",
        version=1,
        previous_version=None,
        subject=pseudonym.name if behalf is None else behalf.pseudonym.name,
        grantor=_grantor(pseudonym, behalf),
        grantee=Grantee(terms.recipient, terms.role),
        sources=(terms.hospital,),
        purpose=terms.purpose,
        scope=Scope(
            terms.case,
            tuple(sorted(terms.stays)),
            terms.record_types,
            dates.commitment if terms.effect == "permit" else ALL_DAYS,
        ),
        permission=Permission(
            mode=terms.mode,
            uses_max=terms.uses_max,
            frequency=Frequency(*terms.frequency) if terms.frequency else None,
            erase_at_ms=begin_ms(terms.erase_day),
            expires_at_ms=begin_ms(terms.expires_day),
        ),
        execution=terms.execution,
        notice=Notice(language, hash_notice(notices[language])),
        identities=tuple(IdentityCommitment(name, item.commitment) for name, item in disclosures.items()),
        effect=terms.effect,
    )
    return Offer(pseudonym, grant, notices, disclosures, behalf)


def _grantor(pseudonym: Pseudonym, behalf: Behalf | None) -> Grantor:
    if behalf is None:
        return Grantor("customer", pseudonym.name, None)
    return Grantor(behalf.kind, pseudonym.name, behalf.authority)
