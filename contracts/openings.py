"""Openings: to whom an insurer opens the calculation of a claim, on which law; the customer sees each of them.

What an insurer computed of a claim lies at the insurer, with a copy sealed to the customer. An insurer can seal the
same to a regulator, or to an auditor whom the members have admitted, and who the customer is if that is asked for too.
That is a look at the customer's data like a regulator's order of a record, so it has an entry of its own before
anything is sealed: the insurer's node seals under a committed opening and not before.

Rules:

    1. The claim's insurer opens it, and nobody else; to a regulator or an auditor, and to nobody else; on a law of the
       table that is for that role. What is refused is an entry about the customer too (contract `attempts`).
    2. An opening is of the settlements that there are: a later one needs another opening.
    3. What the insurer was asked to erase is opened to nobody, but while a law has it kept: the law keeps it for this.

    table      key                               value
    openings   claim id, reader, version, what   Opening: which of the claim's settlements, the first entry stays;
                                                 what is `amounts`, or `person` for these and who she is
"""

from contracts.attempts import Attempt, Attempts
from contracts.claims import Claims
from contracts.identifiers import ClaimId, Place, Version, locate
from contracts.membership import Membership
from contracts.needs import Finding
from contracts.orders import LegalBasis, find_mismatch
from contracts.retention import Retention
from contracts.settlements import Claim
from ledger.execution.contract import Contract, Name, Struct, Table, query, reject, transaction

READERS = ("regulator", "auditor")
"""The roles that a claim may be opened to."""


class OpenClaim(Struct):
    """Transaction `open`: an insurer is about to open a claim's settlements to somebody."""

    claim_id: ClaimId
    reader: Name
    """Who will be able to read them."""
    basis: LegalBasis
    names_person: bool = False
    """Whether who the customer is will be opened too."""


class Opening(Struct):
    """Table `openings`: settlements of a claim that a reader may be given, never overwritten."""

    claim_id: ClaimId
    reader: Name
    version: Version
    """The latest settlement then; this one and those before it."""
    basis: LegalBasis
    place: Place
    names_person: bool = False


class FindOpening(Struct):
    """Query `find`: under which entry the settlements of a claim, up to a version, may be opened to a reader."""

    claim_id: ClaimId
    reader: Name
    version: Version
    names_person: bool = False
    """Whether the entry has to be one that says who the customer is."""


class OpeningEvent(Struct):
    """Event `claim-opened`."""

    claim_id: ClaimId
    insurer: Name
    reader: Name
    customer: Name
    version: Version
    basis: LegalBasis


class Openings(Contract):
    """The register of openings."""

    name = "openings"
    openings = Table("openings", Opening)

    @transaction
    def open(self, message: OpenClaim) -> None:
        """Enter that a claim's settlements are opened to a reader."""
        signer = self.call(Membership).require_member().name
        claim = self.call(Claims).find(message.claim_id)
        version = claim.settlement_version
        if version == 0:
            reject("WRONG_STATE", f"{claim.claim_id}: expected a settled claim, got {claim.status}")
        attempts = self.call(Attempts)
        finding = self._find_refused(claim, signer, message) or attempts.find_crowding(claim.customer)
        permit = Attempt(
            subject=claim.customer,
            kind="opening",
            recipient=message.reader,
            role=attempts.role_of(message.reader),
            signer=signer,
            hospital=claim.hospital,
            stay_id=None,
            record_id=None,
            record_type=None,
            purpose="HLEGAL",
            grant_id=None,
            grant_version=0,
            order_id=None,
            decision="permit",
            code="",
            condition="",
            field_set=None,
            place=locate(self.context),
            claim_id=claim.claim_id,
            basis=message.basis,
            names_person=message.names_person,
        )
        attempts.decide(permit, finding)
        if finding is not None:
            self.refuse(finding.code, f"{finding.condition}: {finding.text}")
            return
        place = locate(self.context)
        opening = Opening(claim.claim_id, message.reader, version, message.basis, place, message.names_person)
        for what in ("amounts", "person") if message.names_person else ("amounts",):
            key = (claim.claim_id, message.reader, version, what)
            if self.openings.get(key) is None:
                self.openings.put(key, opening)
        self.emit(
            "claim-opened",
            OpeningEvent(claim.claim_id, claim.insurer, message.reader, claim.customer, version, message.basis),
        )

    @query
    def find(self, message: FindOpening) -> Opening | None:
        """Return the entry under which a reader may be given the settlements up to a version, or None."""
        what = "person" if message.names_person else "amounts"
        return self.openings.get((message.claim_id, message.reader, message.version, what))

    def _find_refused(self, claim: Claim, signer: str, message: OpenClaim) -> Finding | None:
        reader = message.reader
        if signer != claim.insurer:
            return Finding("FORBIDDEN", "insurer", f"{claim.claim_id}: expected {claim.insurer}, got {signer}")
        actor = self.context.actor(reader)
        if actor is None or actor.role not in READERS or not self.call(Membership).is_member(reader):
            expected = f"a {' or an '.join(READERS)}"
            return Finding("AUTH-013", "role", f"a claim is opened to {expected} of this network, {reader} is none")
        mismatch = find_mismatch(message.basis, actor.role)
        if mismatch is not None:
            return mismatch
        held = self.call(Retention).find_item(claim.claim_id, claim.claim_id, claim.insurer)
        if held is not None and held.status != "RESTRICTED":
            return Finding("ERASED", "erasure", f"{claim.claim_id}: {signer} was asked to erase what it made of it")
        return None
