"""What blocks mean, checked from outside the contracts.

The auditor reads the transactions that succeeded, in their order, and keeps books of its own: grants with their
versions and links, stays with their closings, claims, payments. It runs no contract and asks none.

consent            a claim is settled without a grant that covers it at that place: in force, for this hospital,
                   insurer and customer, linked by both, and for the types of all its parts
double-settlement  a claim is settled twice on the same closings without a review, two claims settle one closing or
                   consume one invoice, or two payments bear one number
hand-over          an honest custodian hands a record to somebody with whom it was not shared under a grant in force
"""

from dataclasses import dataclass, field

from contracts.grants import Grant, Link, Revoke
from contracts.settlements import Extend, Pay, Report, Resume, Settle
from contracts.stays import Append, Close, Share
from ledger.application import ExecutedBlock
from ledger.codec import decode
from ledger.transactions import Transaction
from nodes.roles.exchange.questions import RecordHandover, decode_reply
from nodes.simulator.checks import InvariantError
from nodes.simulator.node import Node

CONSENT, DOUBLE, HANDOVER = "consent", "double-settlement", "hand-over"


@dataclass
class GrantBook:
    """One grant's versions; the words are None for a revocation."""

    versions: list[tuple[Grant | None, int]] = field(default_factory=list)
    """(words, height)."""
    links: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Party -> its last judgement, and the identity commitment that it judged."""

    def find_fault(self, time_ms: int) -> str:
        """Return why nothing may happen under this grant, or an empty text."""
        words = self.versions[-1][0]
        if words is None:
            return "it is revoked"
        if time_ms >= words.permission.expires_at_ms:
            return "it has expired"
        for identity in words.identities:
            if self.links.get(identity.organisation) != ("matched", identity.commitment):
                return f"{identity.organisation} has not matched its subject"
        return ""


@dataclass
class ClaimBook:
    """One claim."""

    hospital: str
    grant_id: str
    stays: tuple[str, ...]
    settled: list[tuple[tuple[str, int], ...]] = field(default_factory=list)
    """The closings of each settlement."""


class Auditor:
    """The books of one simulated chain."""

    def __init__(self) -> None:
        """Begin before block 1."""
        self.grants: dict[str, GrantBook] = {}
        self.claims: dict[str, ClaimBook] = {}
        self.settlements: dict[tuple[str, int], tuple[str, Settle]] = {}
        """(claim, version) -> insurer and what it posted."""
        self.payments: dict[str, tuple[str, int]] = {}
        """Payment -> claim and version."""
        self.receipts: list[tuple[str, bytes, str]] = []
        """The rail's: payment, idempotency key, status."""
        self.settled_ms: dict[tuple[str, int], int] = {}
        self.reported_ms: dict[str, int] = {}
        self.closed_ms: dict[tuple[str, int], int] = {}
        self.paid_ms: dict[str, int] = {}
        self.refusals: dict[str, int] = {}
        """Receipt code -> how often."""
        self.transactions = 0
        self._types: dict[str, str] = {}
        self._closings: dict[tuple[str, int], Close] = {}
        self._consumed: dict[tuple[str, bytes], str] = {}
        self._closing_users: dict[tuple[str, int], str] = {}
        self._shares: dict[tuple[str, str], list[tuple[str, int]]] = {}
        """(record, recipient) -> grant and height of each share."""

    def take_block(self, executed: ExecutedBlock) -> None:
        """Enter a block; raises `InvariantError` at what must not have succeeded."""
        header = executed.block.header
        transactions = [tx for submission in executed.block.submissions for tx in submission.transactions]
        self.transactions += len(transactions)
        for tx, receipt in zip(transactions, executed.receipts, strict=False):
            if receipt.ok:
                self._enter(tx, header.height, header.time_ms)
            else:
                self.refusals[receipt.code] = self.refusals.get(receipt.code, 0) + 1

    def take_answer(self, node: Node, body: bytes) -> None:
        """Look at what a custodian hands over: it must have been shared, and the grant still in force."""
        answer = decode_reply(body)
        if not node.is_honest or not isinstance(answer, RecordHandover):
            return
        recipient = answer.envelope.keys.context.recipient
        height = node.disk.height
        shares = [item for item in self._shares.get((answer.record_id, recipient), ()) if item[1] <= height]
        if not shares:
            raise InvariantError(HANDOVER, f"{node.name} gives {answer.record_id} to {recipient}, it was not shared")
        words = [version for version in self.grants[shares[-1][0]].versions if version[1] <= height]
        if words[-1][0] is None:
            reason = f"{node.name} gives {answer.record_id} to {recipient} although {shares[-1][0]} is revoked"
            raise InvariantError(HANDOVER, reason)

    def _enter(self, tx: Transaction, height: int, time_ms: int) -> None:
        match f"{tx.contract}.{tx.method}":
            case "consent.grant":
                grant = decode(tx.arguments, Grant)
                self.grants.setdefault(grant.grant_id, GrantBook()).versions.append((grant, height))
            case "consent.revoke":
                self.grants[decode(tx.arguments, Revoke).grant_id].versions.append((None, height))
            case "consent.link":
                self._link(tx.signer, decode(tx.arguments, Link))
            case "records.append":
                entered = decode(tx.arguments, Append)
                self._types[entered.record_id] = entered.record_type
            case "records.close":
                closing = decode(tx.arguments, Close)
                self._closings[closing.stay_id, closing.version] = closing
                self.closed_ms[closing.stay_id, closing.version] = time_ms
            case "records.share":
                share = decode(tx.arguments, Share)
                self._shares.setdefault((share.record_id, share.recipient), []).append((share.grant_id, height))
                self._check_grant(share.grant_id, share.recipient, tx.signer, time_ms, f"sharing {share.record_id}")
            case "claims.report":
                report = decode(tx.arguments, Report)
                self.claims[report.claim_id] = ClaimBook(tx.signer, report.grant_id, report.stay_ids)
                self.reported_ms[report.claim_id] = time_ms
            case "claims.extend":
                extend = decode(tx.arguments, Extend)
                book = self.claims[extend.claim_id]
                book.stays = (*book.stays, extend.stay_id)
            case "claims.resume":
                resume = decode(tx.arguments, Resume)
                self.claims[resume.claim_id].grant_id = resume.grant_id
            case "claims.settle":
                self._settle(tx.signer, decode(tx.arguments, Settle), time_ms)
            case "claims.pay":
                paid = decode(tx.arguments, Pay)
                self.receipts.append((paid.payment_id, paid.idempotency_key, paid.status))
                if paid.status == "paid":
                    self.paid_ms[paid.payment_id] = time_ms

    def _link(self, party: str, link: Link) -> None:
        words = self.grants[link.grant_id].versions[-1][0]
        assert words is not None, "nobody links a revoked grant"
        committed = [item.commitment for item in words.identities if item.organisation == party]
        self.grants[link.grant_id].links[party] = (link.result, committed[0])

    def _check_grant(self, grant_id: str, insurer: str, hospital: str, time_ms: int, what: str) -> Grant:
        book = self.grants.get(grant_id)
        if book is None:
            raise InvariantError(CONSENT, f"{what}: there is no {grant_id}")
        fault = book.find_fault(time_ms)
        words = next(words for words, _ in reversed(book.versions) if words is not None)
        if not fault and (insurer != words.grantee.organisation or hospital not in words.sources):
            fault = f"it is not for {hospital} and {insurer}"
        if not fault and words.purpose != "HPAYMT":
            fault = f"its purpose is {words.purpose}"
        if fault:
            raise InvariantError(CONSENT, f"{what} under {grant_id}: {fault}")
        return words

    def _settle(self, insurer: str, message: Settle, time_ms: int) -> None:
        outcome = message.outcome
        claim = self.claims[outcome.claim_id]
        what = f"settlement {outcome.version} of {outcome.claim_id}"
        grant = self._check_grant(outcome.grant_id, insurer, claim.hospital, time_ms, what)
        if outcome.grant_id != claim.grant_id or len(self.grants[claim.grant_id].versions) != outcome.grant_version:
            raise InvariantError(CONSENT, f"{what}: names version {outcome.grant_version} of {outcome.grant_id}")
        closings = tuple((reference.stay_id, reference.version) for reference in outcome.closings)
        for closing in closings:
            for part in self._closings[closing].parts:
                if self._types[part] not in grant.scope.record_types:
                    raise InvariantError(CONSENT, f"{what}: {part} is a {self._types[part]}")
            self._check_unsettled(outcome.claim_id, claim, closing, what)
        if len(claim.settled) + 1 != outcome.version or (closings in claim.settled[-1:] and not outcome.is_review):
            raise InvariantError(DOUBLE, f"{what}: the same closings are settled already")
        claim.settled.append(closings)
        self.settlements[outcome.claim_id, outcome.version] = (insurer, message)
        self.settled_ms[outcome.claim_id, outcome.version] = time_ms
        if message.payment_id is not None:
            if message.payment_id in self.payments:
                raise InvariantError(DOUBLE, f"{what}: {message.payment_id} is another settlement's")
            self.payments[message.payment_id] = (outcome.claim_id, outcome.version)

    def _check_unsettled(self, claim_id: str, claim: ClaimBook, closing: tuple[str, int], what: str) -> None:
        if self._closing_users.setdefault(closing, claim_id) != claim_id:
            raise InvariantError(DOUBLE, f"{what}: {closing[0]} is settled by {self._closing_users[closing]}")
        for tag in self._closings[closing].invoice_tags:
            user = self._consumed.setdefault((claim.hospital, tag), claim_id)
            if user != claim_id:
                raise InvariantError(DOUBLE, f"{what}: an invoice is consumed by {user}")
