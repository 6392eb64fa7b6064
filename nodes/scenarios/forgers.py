"""Agents of members that cheat: they do their work, and beside it whatever the contracts should refuse.

They report claims and share records under grants that are not theirs, settle claims of others, say that money was
paid, post again what is on the chain, and ask custodians for records that nobody shared with them.
"""

from collections import Counter
from random import Random

from msgspec.structs import replace

from contracts.settlements import ClosingReference, Pay, Report, Settle
from contracts.stays import Append, Deliver, Share
from ledger.codec import decode
from ledger.errors import DecodeError, LedgerError
from nodes.agent import Agent, AgentEffect, AgentInput, Call, Committed, Request, Submit, Ticked
from nodes.roles.exchange.questions import FetchRecord, encode_body
from nodes.scenarios.household import Builder, Kit

KNOWN_MAX = 64
FORGED_SHARE = 0.3
"""How often a look at the clock brings a forgery."""
REQUEST_IDS = 2**40
"""Above those of the honest agent inside."""


class Forger:
    """An agent that keeps an honest one inside."""

    def __init__(self, inner: Agent, kit: Kit, deeds: Counter[str]) -> None:
        """Cheat beside an honest agent, and count it."""
        self.name = inner.name
        self._inner = inner
        self._deeds = deeds
        self._chance = Random(kit.entropy.draw(16))
        self._members = [item.name for item in kit.genesis.organisations]
        self._grants: list[str] = []
        self._records: list[tuple[str, str]] = []
        """Record and custodian."""
        self._stays: list[str] = []
        self._settlements: list[Settle] = []
        self._requests = REQUEST_IDS

    def __getattr__(self, name: str) -> object:
        """Have operators find the honest agent's methods."""
        return getattr(self._inner, name)

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Do what the honest agent does, and sometimes more."""
        try:
            effects = list(self._inner.step(event))
        except LedgerError:
            effects = []  # it stumbles over what was forged in its name
        if isinstance(event, Committed):
            self._learn(event)
        if isinstance(event, Ticked) and self._chance.random() < FORGED_SHARE and self._records and self._grants:
            effects.append(self._forge())
        return effects

    def _learn(self, event: Committed) -> None:
        for submission in event.block.submissions:
            for tx in submission.transactions:
                try:
                    if tx.method == "append":
                        entered = decode(tx.arguments, Append)
                        self._records = [*self._records, (entered.record_id, tx.signer)][-KNOWN_MAX:]
                        self._stays = [*self._stays, entered.stay_id][-KNOWN_MAX:]
                        self._grants = [*self._grants, entered.grant_id][-KNOWN_MAX:]
                    elif tx.method == "settle":
                        self._settlements = [*self._settlements, decode(tx.arguments, Settle)][-KNOWN_MAX:]
                except DecodeError:
                    continue  # another cheat's

    def _forge(self) -> AgentEffect:
        chance = self._chance
        record, custodian = chance.choice(self._records)
        grant, stay = chance.choice(self._grants), chance.choice(self._stays)
        payment = f"payment-{chance.getrandbits(64):016x}"
        claim = f"claim-{chance.getrandbits(48):012x}"
        kind = chance.randrange(8)
        if kind in (0, 1) and custodian != self.name:
            self._requests += 1
            self._deeds["forged questions"] += 1
            return Request(self._requests, custodian, encode_body(FetchRecord(record, chance.randint(1, 2))))
        if kind in (2, 3) and self._settlements:
            settle = chance.choice(self._settlements)
            outcome = replace(settle.outcome, version=settle.outcome.version + chance.randint(0, 1))
            self._deeds["forged settlements"] += 1
            closings = (ClosingReference(stay, 1),) if chance.random() < 0.3 else outcome.closings
            forged = replace(settle, outcome=replace(outcome, closings=closings), payment_id=payment)
            return Submit((Call("claims", "settle", forged),))
        calls = {
            4: ("shares", Call("records", "share", Share(record, chance.choice(self._members), grant))),
            5: ("reports", Call("claims", "report", Report(claim, (stay,), grant))),
            6: ("payment receipts", Call("claims", "pay", Pay(payment, chance.randbytes(32), "paid"))),
        }
        what, call = calls.get(kind, ("deliveries", Call("records", "deliver", Deliver(record))))
        self._deeds[f"forged {what}"] += 1
        return Submit((call,))


def forge_beside(builder: Builder, deeds: Counter[str]) -> Builder:
    """Return a builder of agents that cheat beside what they should do; `deeds` counts it."""
    return lambda kit: Forger(builder(kit), kit, deeds)
