"""A customer's life towards one hospital and one insurer, with what the desks do about her: one seeded plan each.

    enrol -> grant -> disclose to both -> policy -> admission -> (interim bill) -> discharge -> settlement
                         -> (correction) (revocation, another grant) (appeal)

A life is a generator that yields how many milliseconds it waits. Everything in it is asked again until it is seen on
the chain, because nodes go down and messages get lost; what a client was told of a transaction is checked later.
"""

import hashlib
from collections.abc import Callable, Generator
from functools import partial
from random import Random
from typing import TypeVar

from contracts.customers import Enrol
from contracts.grants import Grant, Grantee, Grantor, IdentityCommitment, Notice, Permission, RecordType, Revoke, Scope
from contracts.listings import ClaimSummary, ClaimView, ListClaims
from contracts.settlements import DisputeSettlement
from ledger.transactions import Receipt
from nodes.agent import AgentEffect, Call, Submit
from nodes.entropy import SeededEntropy
from nodes.identity import Disclosure, RecordDates, synthetic_identity
from nodes.network.hosting import NodeView
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.summaries import StaySummary
from nodes.roles.insurer import Insurer
from nodes.roles.linking import Linked
from nodes.roles.lookup import find_claim, find_grant, find_seal_key
from nodes.scenarios.paperwork import (
    Illness,
    correct_illness,
    draw_illness,
    write_admission,
    write_discharge,
    write_interim,
)
from nodes.scenarios.plans import DAY_MS, Plan
from nodes.scenarios.town import Town
from nodes.schemas.civil_time import civil_day
from nodes.schemas.stay import AdmissionForm, DischargeForm
from nodes.wallet import Wallet

T = TypeVar("T")
Life = Generator[int, None, None]
TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")
YEAR_MS = 365 * DAY_MS
POLL_MS = 1_000
RESEND_MS = 8_000
"""How long a client waits for a receipt before it offers the same submission again, at its other party."""
RETRY_MS = 6_000
FINAL = ("PAID", "PENDED", "SETTLED", "WITHDRAWN")


class Customer:
    """One customer."""

    def __init__(self, town: Town, number: int, hospital: str, insurer: str, plan: Plan, seed: int) -> None:
        """Make up a person.

        Args:
            town: Where she lives.
            number: Hers among all customers.
            hospital: Where she will be admitted.
            insurer: Who insures her.
            plan: What will happen to her.
            seed: Draws who she is and what she will have.
        """
        self.town = town
        self.name = f"p-{number:05d}"
        self.hospital, self.insurer, self.plan = hospital, insurer, plan
        self.chance = Random(f"customer {seed} {number}")
        self.entropy = SeededEntropy(f"customer {seed} {number}".encode())
        self.wallet = Wallet.create(synthetic_identity(self.name, self.entropy), self.entropy)
        self.pseudonym = self.wallet.pseudonym(town.consortium.genesis.chain_id, hospital, insurer)
        self.illness: Illness = draw_illness(self.chance)
        self.stay = ""
        self.admitted_day = 0
        self.discharged_ms: int | None = None
        self.has_consent = False
        self.discloses_to: tuple[str, ...] = (hospital, insurer)
        """Whom she shows who she is."""
        self.is_done = False
        self._disclosures: dict[str, Disclosure] = {}

    # ------------------------------------------------------------------------------------------------- her life

    def live(self) -> Life:
        """Play the plan."""
        yield self.plan.begins_ms
        yield from self._enrol()
        grant_id = yield from self._consent()
        yield from self._insure()
        if self.plan.admitted_ms is not None:
            yield self.plan.admitted_ms
            yield from self._stay()
            if self.plan.revokes_ms is not None:
                yield self.plan.revokes_ms
                self.has_consent = False
                yield from self._post(Call("consent", "revoke", Revoke(grant_id)))
                if self.plan.grants_again:
                    yield RETRY_MS
                    yield from self._consent()
            yield from self._settle()
        self.is_done = True

    def claims(self) -> list[ClaimView]:
        """Return her claims as her hospital's node has them."""
        return self.town.read(self.hospital, self._claims) or []

    def _claims(self, view: NodeView) -> list[ClaimView]:
        message = ListClaims("customer", self.pseudonym.name, "")
        rows = view.query("claims", "list_claims", message, tuple[ClaimSummary, ...])
        found = [find_claim(view, row.claim_id) for row in rows]
        return [claim for claim in found if claim is not None]

    def is_settled(self) -> bool:
        """Whether nothing is left to do for her claims, as far as her consent goes."""
        if not self.is_done:
            return False
        if self.discharged_ms is None or not self.has_consent:
            return True
        claims = self.claims()
        return bool(claims) and all(
            claim.status in FINAL and all(payment.status == "paid" for payment in claim.payments) for claim in claims
        )

    # ------------------------------------------------------------------------------------------------- its parts

    def _enrol(self) -> Life:
        proof = self.pseudonym.prove_enrolment(self.hospital)
        message = Enrol(self.pseudonym.name, self.pseudonym.key.public_key, proof)
        while not self._is_enrolled():
            self.town.operate(
                self.hospital, lambda _agent, _now: (True, [Submit((Call("customers", "enrol", message),))])
            )
            yield from self._wait(self._is_enrolled, RETRY_MS)

    def _is_enrolled(self) -> bool:
        return self.town.read(self.hospital, lambda view: view.actor(self.pseudonym.name)) is not None

    def _consent(self) -> Generator[int, None, str]:
        """Grant, and disclose herself to both parties until both have linked her."""
        identity = self.wallet.identity
        while not self._ask_hospital(lambda agent, _now: agent.register_person(self.name, identity)):
            yield RETRY_MS
        while not self._ask_insurer(lambda agent, _now: agent.register_person(self.name, identity)):
            yield RETRY_MS
        grant_id = f"grant-{self.entropy.draw(8).hex()}"
        grant = self._draw_up(grant_id)
        while True:
            receipt = yield from self._post(Call("consent", "grant", grant))
            if receipt.ok or self.town.read(self.hospital, partial(find_grant, grant_id=grant_id)) is not None:
                break
            yield RETRY_MS
        while missing := self._unlinked(grant_id):
            for party in missing:
                self.town.operate(party, partial(self._disclose, party, grant_id))
            yield from self._wait(lambda: not self._unlinked(grant_id), RETRY_MS)
        self.has_consent = True
        return grant_id

    def _unlinked(self, grant_id: str) -> list[str]:
        grant = self.town.read(self.hospital, partial(find_grant, grant_id=grant_id))
        linked = [] if grant is None else [name for name, history in grant.links if history.entries]
        return [party for party in self.discloses_to if party not in linked]

    def _disclose(
        self, party: str, grant_id: str, agent: Hospital | Insurer, now_ms: int
    ) -> tuple[Linked, list[AgentEffect]]:
        challenge = agent.challenge(grant_id, now_ms)
        view = self.town.view(party)
        assert view is not None, "who operates an agent has its node up"
        seal_key = find_seal_key(view, party)
        sealed = self.pseudonym.disclose(self._disclosures[party], party, seal_key, f"identity.{grant_id}")
        public_key = self.pseudonym.seal_key.public_key
        return agent.disclose(grant_id, sealed, self.pseudonym.answer(challenge), public_key, now_ms)

    def _insure(self) -> Life:
        today = civil_day(self.town.now_ms)
        days = (today - 200, today + 160)
        payee = (self.name, f"6222 {self.name}")
        while not self._has_policy():
            self.town.operate(
                self.insurer,
                lambda agent, now: agent.issue_policy(self.name, "inpatient-100", days, payee, now),
            )
            yield POLL_MS

    def _has_policy(self) -> bool:
        entries = self.town.operate(self.insurer, lambda agent, _now: (agent.list_policies(), []))
        return any(entry.person == self.name for entry in entries or ())

    def _stay(self) -> Life:
        yield from self._admit()
        if self.plan.has_interim:
            yield self.plan.stays_ms // 2
            form = write_interim(self.illness, self._today())
            self.town.operate(self.hospital, lambda agent, now: agent.bill(self.stay, form, now))
        yield self.plan.stays_ms - (self.plan.stays_ms // 2 if self.plan.has_interim else 0)
        while not self._is_discharged():
            discharge = write_discharge(self.illness, self.admitted_day, self._today())
            if self._ask_hospital(partial(self._discharge, discharge)):
                break
            yield POLL_MS
        self.discharged_ms = self.town.now_ms

    def _today(self) -> int:
        return civil_day(self.town.simulation.clock(self.town.node(self.hospital)))

    def _admit(self) -> Life:
        while True:
            self.admitted_day = self._today()
            form = write_admission(self.illness, self.name, self.admitted_day)
            summary = self._ask_hospital(partial(self._admit_with, form))
            if summary is not None:
                self.stay = summary.number
                return
            yield POLL_MS
            known = self.town.operate(self.hospital, lambda agent, _now: (self._stays(agent), []))
            if known:
                self.stay = known[-1]
                return

    def _stays(self, agent: Hospital) -> list[str]:
        """Return the numbers of her stays: after a crash nobody knows whether the desk's last word was kept."""
        return [summary.number for summary in agent.list_stays() if summary.patient == self.name]

    def _is_discharged(self) -> bool:
        shown = self.town.operate(self.hospital, lambda agent, _now: (agent.show(self.stay), []))
        return shown is not None and shown.discharged_day is not None

    def _settle(self) -> Life:
        """Wait for the settlement, then have it corrected or appeal against it."""
        if self.plan.corrected_ms is None and not self.plan.appeals:
            return
        while self.has_consent and not any(claim.settlements for claim in self.claims()):
            yield 2 * POLL_MS
        if not self.has_consent:
            return
        if self.plan.corrected_ms is not None:
            yield self.plan.corrected_ms
            illness = correct_illness(self.illness, self.chance)
            form = write_discharge(illness, self.admitted_day, self._today())
            while not self._is_corrected():
                self.town.operate(self.hospital, lambda agent, now: agent.correct(self.stay, form, now))
                yield POLL_MS
            while not any(claim.claim.settlement_version > 1 for claim in self.claims()):
                yield 2 * POLL_MS
        if self.plan.appeals:
            claim = self.claims()[-1].claim
            reason = hashlib.sha256(self.entropy.draw(32)).digest()
            dispute = DisputeSettlement(claim.claim_id, claim.settlement_version, reason)
            yield from self._post(Call("claims", "dispute", dispute))

    def _is_corrected(self) -> bool:
        shown = self.town.operate(self.hospital, lambda agent, _now: (agent.show(self.stay), []))
        return shown is not None and shown.corrections > 0

    def _discharge(self, form: DischargeForm, agent: Hospital, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        return agent.discharge(self.stay, form, now_ms)

    def _admit_with(self, form: AdmissionForm, agent: Hospital, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        return agent.admit(form, now_ms)

    # -------------------------------------------------------------------------------------------------- her client

    def _ask_hospital(self, operation: Callable[[Hospital, int], tuple[T, list[AgentEffect]]]) -> T | None:
        return self.town.operate(self.hospital, operation)

    def _ask_insurer(self, operation: Callable[[Insurer, int], tuple[T, list[AgentEffect]]]) -> T | None:
        return self.town.operate(self.insurer, operation)

    def _post(self, call: Call) -> Generator[int, None, Receipt]:
        """Post one call and return its receipt, however long that takes.

        Her hospital is asked for it first. A node that adopted a snapshot has no receipts from before, so after a while
        her insurer is asked too.
        """
        parties = (self.hospital, self.insurer)
        turn = 0
        while True:
            submission = self.town.sign(self.hospital, self.pseudonym.name, self.pseudonym.key, call, self.entropy)
            if submission is None:
                yield POLL_MS
                continue
            (transaction,) = submission.transactions
            while self.town.now_ms < transaction.expires_ms:
                self.town.submit(parties[turn % 2], submission)
                turn += 1
                waits_ms = 0
                while waits_ms < RESEND_MS:
                    yield POLL_MS
                    waits_ms += POLL_MS
                    receipt = self.town.find(self.hospital, transaction.id)
                    if receipt is not None:
                        return receipt
                receipt = self.town.find(self.insurer, transaction.id)
                if receipt is not None:
                    return receipt

    def _wait(self, condition: Callable[[], bool], limit_ms: int) -> Life:
        waited_ms = 0
        while waited_ms < limit_ms and not condition():
            yield POLL_MS
            waited_ms += POLL_MS

    def _draw_up(self, grant_id: str) -> Grant:
        now_ms = self.town.now_ms
        today = civil_day(now_ms)
        dates = RecordDates(today - 30, today + 365, self.entropy.draw(32))
        parties = sorted((self.hospital, self.insurer))
        pair = (self.pseudonym.chain_id, self.hospital, self.insurer)
        self._disclosures = dict.fromkeys(parties, self.wallet.make_disclosure(*pair, dates))
        return Grant(
            grant_id,
            1,
            None,
            self.pseudonym.name,
            Grantor("customer", self.pseudonym.name, None),
            Grantee(self.insurer, "insurer"),
            (self.hospital,),
            "HPAYMT",
            Scope("standing", (), TYPES, dates.commitment),
            Permission("STORE", None, None, now_ms + 2 * YEAR_MS, now_ms + YEAR_MS),
            "data-to-insurer",
            Notice("zh", hashlib.sha256(b"notice").digest()),
            tuple(IdentityCommitment(party, self._disclosures[party].commitment) for party in parties),
        )
