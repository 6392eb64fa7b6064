"""The rows of the decision table as calls and a question, for any chain that has the default members.

A row becomes phases. Whatever stands in one phase may go into one block; the calls of one signer keep their order.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from contracts.customers import Enrol, enrolment_message, pseudonym
from contracts.grants import (
    ALL_DAYS,
    Countersign,
    Frequency,
    Grant,
    Grantee,
    Grantor,
    IdentityCommitment,
    Link,
    Notice,
    Permission,
    Revoke,
    Scope,
)
from contracts.mandates import Attest, EndAuthority, MandateScope
from contracts.needs import DatesOpening, Days, Decision, Question
from contracts.settlements import Report
from contracts.stays import Append, Share
from ledger.codec import encode
from ledger.crypto.commitments import IDENTITY
from ledger.crypto.hashes import commit_salted
from ledger.crypto.signatures import PrivateKey, sign_enrolment

FOLDER = Path(__file__).parent / "decisions"
ALL_TYPES = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")
PHASES = ("enrol", "mandate", "grant", "link", "use", "amend")
YEAR_MS = 365 * 86_400_000


def digest(text: str) -> bytes:
    """Return 32 bytes that stand for a hash or commitment."""
    return hashlib.sha256(text.encode()).digest()


def days_of(first: str, last: str) -> tuple[int, int]:
    """Return two civil days as the chain counts them."""
    first_day, last_day = ((date.fromisoformat(day) - date(1970, 1, 1)).days for day in (first, last))
    return first_day, last_day


@dataclass(frozen=True)
class Deed:
    """One transaction of a row, and the code that it must get."""

    signer: str
    target: str
    message: Any
    code: str = "OK"


@dataclass
class Plan:
    """One row, ready to be run."""

    name: str
    subject: str
    keys: dict[str, PrivateKey]
    phases: dict[str, list[Deed]]
    question: Question
    expected: dict[str, Any]
    append: Deed | None
    grant_ids: list[str] = field(default_factory=list)

    def check(self, decision: Decision) -> None:
        """Compare a decision with the row's."""
        wanted = self.expected
        by = None if "by" not in wanted else self.grant_ids[wanted["by"] - 1]
        found = decision.finding
        condition = None if found is None else found.condition
        assert (decision.permitted, condition) == ("condition" not in wanted, wanted.get("condition")), decision
        assert decision.grant_id == by, decision
        assert found is None or found.code == wanted["code"], decision
        assert decision.dates == wanted.get("dates"), decision


def load_rows() -> list[dict[str, Any]]:
    """Return all rows."""
    return [row for path in sorted(FOLDER.glob("*.json")) for row in json.loads(path.read_text(encoding="utf-8"))]


class Planner:
    """Makes plans for one chain."""

    def __init__(self, chain_id: str, salt: str) -> None:
        """Draw names from `salt`, so that two runs on one chain do not meet."""
        self._chain_id = chain_id
        self._salt = salt
        self._drawn = 0

    def plan(self, row: dict[str, Any], now_ms: int, soon_ms: int) -> Plan:
        """Return a row as transactions and a question.

        Args:
            row: From `load_rows`.
            now_ms: The chain's time.
            soon_ms: How long what ends soon lasts.
        """
        return _RowPlanner(self, row, now_ms, now_ms + soon_ms).plan()

    def draw(self, prefix: str) -> str:
        """Return an identifier that was not drawn before."""
        self._drawn += 1
        return f"{prefix}-{digest(f'{self._salt}{self._drawn}').hex()[:12]}"

    def enrol(self, keys: dict[str, PrivateKey]) -> tuple[str, Deed]:
        """Return a new pseudonym, whose key is put among `keys`, and its enrolment."""
        key = PrivateKey(digest(self.draw("key")))
        name = pseudonym(key.public_key)
        keys[name] = key
        proof = sign_enrolment(key, enrolment_message(self._chain_id, name, key.public_key, "insurer-a"))
        return name, Deed("insurer-a", "customers.enrol", Enrol(name, key.public_key, proof))


class _RowPlanner:
    def __init__(self, planner: Planner, row: dict[str, Any], now_ms: int, soon_ms: int) -> None:
        self.row, self.now_ms, self.soon_ms = row, now_ms, soon_ms
        self.draw = planner.draw
        self.keys: dict[str, PrivateKey] = {}
        self.phases: dict[str, list[Deed]] = {phase: [] for phase in PHASES}
        self.labels: dict[str, str] = {}
        self.subject = self._enrol(planner)
        self.stranger = self._enrol(planner)
        self.mandates = [self._attest(planner, mandate) for mandate in row.get("mandates", [])]
        self.given: list[Grant] = []
        self.openings: dict[str, DatesOpening] = {}
        """Grant -> what opens its record dates, in its latest words."""
        self.named: list[Grant] = []
        """By number, each in its latest words."""

    def plan(self) -> Plan:
        for terms in self.row["grants"]:
            self._give(terms)
        append = self.row.get("append")
        need: dict[str, Any] = {
            "act": "release",
            "from": "hospital-a",
            "to": "insurer-a",
            "purpose": "HPAYMT",
            "type": "invoice",
        }
        need |= self.row.get("need", {})
        question = Question(
            self.subject,
            need["from"],
            need["to"],
            need["type"],
            self._label("stay", need.get("stay")),
            self._label("claim", need.get("claim")),
            need["act"],
            need["purpose"],
            None,
            None,
            None if "days" not in need else Days(*days_of(*need["days"])),
            tuple(self.openings[self.named[number - 1].grant_id] for number in need.get("opens", [])),
        )
        return Plan(
            self.row["name"],
            self.subject,
            self.keys,
            self.phases,
            question,
            self.row["expect"],
            None if append is None else self._append(self.draw("stay"), self._last_permit(), append),
            [grant.grant_id for grant in self.named],
        )

    def _enrol(self, planner: Planner) -> str:
        name, deed = planner.enrol(self.keys)
        self.phases["enrol"].append(deed)
        return name

    def _label(self, prefix: str, label: str | None) -> str | None:
        return None if label is None else self.labels.setdefault(f"{prefix} {label}", self.draw(prefix))

    def _last_permit(self) -> str:
        wanted = self.row["expect"].get("by")
        permits = [grant for grant in self.named if grant.effect == "permit"]
        winner = None if wanted is None else self.named[wanted - 1]
        return winner.grant_id if winner is not None and winner.effect == "permit" else permits[-1].grant_id

    def _attest(self, planner: Planner, mandate: dict[str, Any]) -> Attest:
        holder = self._enrol(planner)
        message = Attest(
            self.draw("authority"),
            mandate["kind"],
            self.subject,
            holder,
            digest("documents"),
            MandateScope(
                tuple(mandate.get("purposes", ["HPAYMT"])),
                tuple(mandate.get("types", ALL_TYPES)),
                tuple(mandate.get("sources", ["hospital-a"])),
                tuple(mandate.get("grantees", ["insurer-a"])),
            ),
            0,
            self.soon_ms if mandate.get("ends") == "soon" else self.now_ms + 2 * YEAR_MS,
            self._minority(mandate),
        )
        giver = self.subject if mandate["kind"] == "delegate" else "hospital-a"
        giver = self.stranger if mandate.get("given_by") == "stranger" else giver
        self.phases["mandate"].append(Deed(giver, "authorities.attest", message, mandate.get("code", "OK")))
        if mandate.get("ended"):
            self.phases["amend"].append(Deed(giver, "authorities.end", EndAuthority(message.authority_id)))
        return message

    def _minority(self, mandate: dict[str, Any]) -> Any:
        """Return for whom a guardian acts: whom the row says, else as the hospital knows the subject, else a ward."""
        if mandate["kind"] != "guardian":
            return None
        known = self.row.get("capacity", {}).get("hospital-a")
        return mandate.get("for", known if known in ("child", "youth", "ward") else "ward")

    def _give(self, terms: dict[str, Any]) -> None:
        amends = terms.get("amends")
        former = None if amends is None else self.named[amends - 1]
        message = self._words(terms, former)
        signer = self.stranger if terms.get("signed_by") == "stranger" else message.grantor.name
        code = terms.get("code", "OK")
        phase = "grant" if amends is None else "amend" if code == "OK" else "link"  # refused once there is a grant
        self.phases[phase].append(Deed(signer, "consent.grant", message, code))
        if amends is not None and code == "OK":
            self.named[amends - 1] = message
        elif amends is None:
            self.named.append(message)
        if code != "OK" or amends is not None:
            return
        if message.effect == "permit":
            self._link(message, terms.get("links", {}))
        if "countersigned" in terms:
            authority = self.mandates[terms["countersigned"] - 1]
            signed = Countersign(message.grant_id, 1, authority.authority_id)
            expected = terms.get("countersigned_code", "OK")
            self.phases["link"].append(Deed(authority.holder, "consent.countersign", signed, expected))
        if "used" in terms:
            self._use(message, terms["used"])
        if terms.get("revoked"):
            self.phases["use"].append(Deed(self.subject, "consent.revoke", Revoke(message.grant_id)))

    def _words(self, terms: dict[str, Any], former: Grant | None) -> Grant:
        effect, role = terms.get("effect", "permit"), terms.get("role", "insurer")
        sources, to = tuple(terms.get("from", ["hospital-a"])), terms.get("to", "insurer-a")
        by = terms.get("by")
        mandate = None if by is None else self.mandates[by - 1]
        if mandate is None:
            grantor = Grantor("customer", self.subject, None)
        else:
            grantor = Grantor(mandate.kind, mandate.holder, mandate.authority_id)
        ends_ms = {
            "soon": self.soon_ms,
            "before": max(0, self.now_ms - 1),
            "later": self.now_ms + YEAR_MS,
            "after-mandate": self.now_ms + 2 * YEAR_MS + 1,
        }[terms.get("ends", "later")]
        frequency = terms.get("frequency")
        parties = () if effect == "deny" else sorted(sources if role == "regulator" else (*sources, to))
        stays = tuple(sorted(self._label("stay", label) or "" for label in terms.get("stays", [])))
        grant_id = self.draw("grant") if former is None else former.grant_id
        return Grant(
            grant_id,
            1 if former is None else former.version + 1,
            None if former is None else former.version,
            self.subject,
            grantor,
            Grantee(to, role),
            sources,
            terms.get("purpose", "HPAYMT"),
            Scope(
                terms.get("case", "standing"),
                stays,
                tuple(terms.get("types", ALL_TYPES)),
                ALL_DAYS if effect == "deny" else self._commit_dates(grant_id, terms.get("dates")),
            ),
            Permission(
                terms.get("mode", "STORE"),
                terms.get("uses"),
                None if frequency is None else Frequency(*frequency),
                self.now_ms + 3 * YEAR_MS,
                ends_ms,
            ),
            terms.get("execution", "data-to-insurer"),
            Notice("zh", digest("notice")),
            tuple(IdentityCommitment(party, digest(self.subject)) for party in parties),
            effect,
        )

    def _commit_dates(self, grant_id: str, dates: list[str] | None) -> bytes:
        if dates is None:
            return digest("dates")
        first, last = days_of(*dates)
        salt = digest(f"dates of {grant_id}")
        self.openings[grant_id] = DatesOpening(grant_id, first, last, salt)
        return commit_salted(salt, encode((first, last)))

    def _link(self, grant: Grant, links: dict[str, str | None]) -> None:
        capacity = self.row.get("capacity", {})
        for identity in grant.identities:
            party = identity.organisation
            result: Any = links.get(party, "matched")
            if result is not None:
                link = Link(grant.grant_id, 1, result, digest("evidence"), capacity.get(party, "adult"))
                self.phases["link"].append(Deed(party, "consent.link", link))

    def _append(self, stay_id: str, grant_id: str, code: str = "OK") -> Deed:
        record_id = self.draw("record")
        commitments = (digest(f"ciphertext of {record_id}"), digest(f"plaintext of {record_id}"))
        message = Append(record_id, stay_id, "admission", "original", None, *commitments, IDENTITY, None, grant_id)
        return Deed("hospital-a", "records.append", message, code)

    def _use(self, grant: Grant, label: str) -> None:
        stay_id, claim_id = self.draw("stay"), self._label("claim", label) or ""
        append = self._append(stay_id, grant.grant_id)
        self.phases["use"] += [
            append,
            Deed("hospital-a", "claims.report", Report(claim_id, (stay_id,), grant.grant_id)),
            Deed("hospital-a", "records.share", Share(append.message.record_id, "insurer-a", grant.grant_id)),
        ]
