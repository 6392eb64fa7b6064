"""A town to test roles in: one real application with the repository's contracts, and agents that live in folders.

There is no consensus and no network: submissions wait until the town makes a block of them, questions and answers
wait until the town delivers one. What comes next is drawn from one seed, so a seed replays a run. Chain state is in
memory; vaults and registers are real files, and an agent can be killed and made again from them at any action.

    town = Town(tmp_path, seed=1)
    town.install("hospital-a", lambda kit: Hospital(...))
    wang = Customer(town, "wang")
    grant_id = wang.consent()
    number = town.operate("hospital-a", lambda hospital: hospital.admit(...))
    town.run_until_quiet()
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from contracts.customers import Enrol
from contracts.grants import Grant, Grantee, Grantor, IdentityCommitment, Notice, Permission, RecordType, Revoke, Scope
from ledger.application import Application, BlockInputs
from ledger.codec import Struct
from ledger.errors import InvalidTransactionError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Role, Validator, ValidatorSet
from ledger.transactions import Receipt, Submission, Transaction, make_submission
from nodes.agent import (
    Agent,
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    Committed,
    Note,
    PeerAnswered,
    PeerRequested,
    Request,
    Submit,
    Ticked,
)
from nodes.entropy import SeededEntropy
from nodes.identity import Identity, RecordDates, synthetic_identity
from nodes.keystore import Keystore, create_keystore, load_keystore
from nodes.network.hosting import NodeView, Signatory, make_transactions
from nodes.roles.linking import Linked
from nodes.vault.records import Vault
from nodes.vault.register import Register
from nodes.vault.sealing import Sealed
from nodes.wallet import Challenge, Wallet
from tests.contracts.consortium import load
from tests.ledger.execution.chain import MemoryStore

MEMBERS: tuple[tuple[str, Role], ...] = (
    ("hospital-a", "hospital"),
    ("hospital-b", "hospital"),
    ("insurer-a", "insurer"),
    ("insurer-b", "insurer"),
    ("rail", "rail"),
    ("regulator", "regulator"),
)
BEGUN_MS = 1_780_272_000_000
"""2026-06-01T00:00Z."""
TODAY = 20_605
"""The civil day of BEGUN_MS at UTC+8."""
YEAR_MS = 365 * 86_400_000
TICK_MS = 2_500
QUIET_MS = 40_000
"""Nobody did anything for so long: more than what agents wait before they try again."""
ACTIONS_MAX = 20_000
ALL_TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")

A = TypeVar("A")
R = TypeVar("R")


@cache
def contract_set() -> ContractSet:
    """Return the repository's contracts, loaded once."""
    return load()


@dataclass(frozen=True)
class Kit:
    """What an agent is made from, each time anew: everything but the view lies on disk."""

    name: str
    genesis: Genesis
    view: NodeView
    keystore: Keystore
    vault: Vault
    register: Register
    folder: Path
    """The organisation's own folder, for an outbox or whatever else it keeps."""
    entropy: SeededEntropy


class LinkingAgent(Protocol):
    """What a hospital and an insurer have in common for customers."""

    def challenge(self, grant_id: str, now_ms: int) -> Challenge: ...

    def disclose(
        self, grant_id: str, sealed: Sealed, answer: bytes, seal_key: bytes, now_ms: int
    ) -> tuple[Linked, list[AgentEffect]]: ...


@dataclass(frozen=True)
class Asked:
    """A question on its way."""

    source: str
    life: int
    request_id: int
    peer: str
    body: bytes


@dataclass(frozen=True)
class Answered:
    """An answer on its way; None if nobody answered."""

    asked: Asked
    body: bytes | None


class Killed(Exception):  # noqa: N818 - an event of the test, not an error
    """The agent that was acting is dead; what it still wanted done is lost."""


class Town:
    """Members, their agents, and what is on its way between them and the chain."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.now_ms = BEGUN_MS + 1_000
        self._entropy = SeededEntropy(b"town %d" % seed)
        self._keystores = {
            name: create_keystore(folder / name / "keys", SeededEntropy(f"{seed} {name}".encode()))
            for name, _ in MEMBERS
        }
        self.genesis = self._found()
        self.store = MemoryStore()
        self.application = Application(self.genesis, contract_set(), self.store)
        self.store.write(self.application.genesis_writes())
        self.view = NodeView(self.application, self.application.read)
        self.agents: dict[str, Agent] = {}
        self._builders: dict[str, Callable[[Kit], Agent]] = {}
        self._lives: dict[str, int] = {}
        self.submissions: list[Submission] = []
        self.asked: list[Asked] = []
        self.answered: list[Answered] = []
        self.receipts: list[tuple[Transaction, Receipt]] = []
        """Everything the chain answered, in order."""
        self.faults: list[str] = []
        """What contracts raised undeclared: a test may assert that there is none."""
        self.notes: list[tuple[str, str, dict[str, str | int]]] = []
        """(agent, event, fields) of every log line."""
        self.loses_request: Callable[[str, str, bytes], bool] = lambda _source, _peer, _body: False
        """(source, peer, body) -> whether the question gets lost."""
        self.loses_submission: Callable[[Submission], bool] = lambda _submission: False
        self.kills: set[int] = set()
        """Numbers of actions at which the acting agent dies and starts again."""
        self.actions = 0

    # --------------------------------------------------------------------------------------------------- agents

    def install(self, name: str, build: Callable[[Kit], Agent]) -> None:
        """Start an agent; `build` is called again whenever it restarts."""
        self._builders[name] = build
        self.restart(name)

    def restart(self, name: str) -> None:
        """Drop an agent with its memory and make it again from its folder."""
        life = self._lives[name] = self._lives.get(name, 0) + 1
        folder = self.folder / name
        keystore = load_keystore(folder / "keys")
        entropy = SeededEntropy(f"{self._entropy.draw(8).hex()} {name} {life}".encode())
        register = Register(folder / "register", keystore.register_secret, entropy)
        vault = Vault(folder / "vault", self.genesis.chain_id, entropy)
        kit = Kit(name, self.genesis, self.view, keystore, vault, register, folder, entropy)
        self.agents[name] = self._builders[name](kit)

    def operate(self, name: str, operation: Callable[[Any], tuple[R, list[AgentEffect]]]) -> R:
        """Call an operator method of an agent, perform its effects and return its result."""
        result, effects = operation(self.agents[name])
        self._perform(name, effects)
        return result

    def step(self, name: str, event: AgentInput) -> None:
        """Step one agent and perform what it wants."""
        try:
            self._act(name)
            self._perform(name, self.agents[name].step(event), event)
        except Killed:
            pass

    # ---------------------------------------------------------------------------------------------------- chain

    def post(self, signer: str, *calls: Call, key: Any = None) -> list[Receipt]:
        """Put calls into a block of their own now, and return their receipts.

        Args:
            signer: A member, or a customer with her `key`.
            calls: One submission.
            key: The customer's private key.
        """
        transactions = make_transactions(calls, signer, 1, self.view, self._entropy, self.now_ms)
        return self.add_block((make_submission(key or self._keystores[signer].submission, transactions),))

    def add_block(self, submissions: tuple[Submission, ...]) -> list[Receipt]:
        """Execute, commit and store a block, and tell every agent."""
        time_ms = max(self.now_ms, self.application.time_ms + 1)
        inputs = BlockInputs(self.application.height + 1, time_ms, "hospital-a", submissions, ())
        executed = self.application.execute(inputs)
        self.application.commit(executed)
        self.store.write(executed.writes)
        self.faults.extend(executed.faults)
        transactions = [tx for submission in submissions for tx in submission.transactions]
        self.receipts.extend(zip(transactions, executed.receipts, strict=False))
        for name in self._shuffled(list(self.agents)):
            self.step(name, Committed(executed.block, executed.receipts, self.now_ms))
        return list(executed.receipts)

    def codes(self, method: str, signer: str | None = None) -> list[str]:
        """Return the receipt codes of all calls of `contract.method` so far, by one signer or anybody."""
        return [
            receipt.code
            for tx, receipt in self.receipts
            if f"{tx.contract}.{tx.method}" == method and signer in (None, tx.signer)
        ]

    def query(self, contract: str, method: str, message: Struct, kind: Any) -> Any:
        """Return a query's answer."""
        return self.view.query(contract, method, message, kind)

    # ------------------------------------------------------------------------------------------------------ time

    def run_until_quiet(self) -> None:
        """Let everything happen that is on its way, and time pass, until nobody does anything any more."""
        quiet_ms = 0
        begun = self.actions
        while quiet_ms < QUIET_MS:
            if self._deliver_something():
                quiet_ms = 0
            else:
                quiet_ms += TICK_MS
                self.pass_time(TICK_MS)
            assert self.actions - begun < ACTIONS_MAX, f"never quiet: {self.notes[-10:]}"

    def pass_time(self, span_ms: int) -> None:
        """Move the clock and tick every agent once."""
        self.now_ms += span_ms
        for name in self._shuffled(list(self.agents)):
            self.step(name, Ticked(self.now_ms))

    def _deliver_something(self) -> bool:
        ways = [
            way
            for way, waiting in (
                (self._make_block, self.submissions),
                (self._pass_question, self.asked),
                (self._pass_answer, self.answered),
            )
            if waiting
        ]
        if not ways:
            return False
        self.now_ms += 100
        self.random.choice(ways)()
        return True

    def _make_block(self) -> None:
        waiting = self._shuffled(self.submissions)
        count = self.random.randint(1, len(waiting))
        self.submissions = waiting[count:]
        self.add_block(tuple(waiting[:count]))

    def _pass_question(self) -> None:
        asked = self.asked.pop(self.random.randrange(len(self.asked)))
        if asked.peer not in self.agents or self.loses_request(asked.source, asked.peer, asked.body):
            self.answered.append(Answered(asked, None))
            return
        self._question = asked
        self.step(asked.peer, PeerRequested(asked.request_id, asked.source, asked.body, self.now_ms))

    def _pass_answer(self) -> None:
        answered = self.answered.pop(self.random.randrange(len(self.answered)))
        asked = answered.asked
        if self._lives[asked.source] == asked.life:
            self.step(asked.source, PeerAnswered(asked.request_id, asked.peer, answered.body, self.now_ms))

    # --------------------------------------------------------------------------------------------------- private

    def _found(self) -> Genesis:
        organisations = tuple(
            Organisation(
                name,
                role,
                self._keystores[name].submission.public_key,
                self._keystores[name].seal.public_key,
                hashlib.sha256(name.encode()).digest(),
            )
            for name, role in MEMBERS
        )
        validators = tuple(
            Validator(name, self._keystores[name].consensus.public_key, 1) for name, role in MEMBERS if role != "rail"
        )
        return Genesis.found(
            PROTOCOL_VERSION, "town", BEGUN_MS, ValidatorSet(validators), organisations, contract_set().pins()
        )

    def _perform(self, name: str, effects: list[AgentEffect], event: AgentInput | None = None) -> None:
        for effect in effects:
            self._act(name)
            match effect:
                case Submit(calls):
                    self._offer(name, calls)
                case Request(request_id, peer, body):
                    self.asked.append(Asked(name, self._lives[name], request_id, peer, body))
                case Answer(_, body):
                    assert isinstance(event, PeerRequested), "only a question is answered"
                    self.answered.append(Answered(self._question, body))
                case Note(what, fields):
                    self.notes.append((name, what, fields))

    def _offer(self, name: str, calls: tuple[Call, ...]) -> None:
        signatory = Signatory(name, self._keystores[name].submissions)
        version, key = signatory.key_in_force(self.view)
        transactions = make_transactions(calls, name, version, self.view, self._entropy, self.now_ms)
        submission = make_submission(key, transactions)
        if self.loses_submission(submission):
            return
        try:
            self.application.check_submission(submission, self.now_ms)
        except InvalidTransactionError as error:
            self.notes.append((name, "submission-refused", {"code": error.code}))
        else:
            self.submissions.append(submission)

    def _act(self, name: str) -> None:
        """Count an action; kill the agent if its number is up."""
        self.actions += 1
        if self.actions in self.kills:
            self.restart(name)
            raise Killed

    def _shuffled(self, items: list[A]) -> list[A]:
        return self.random.sample(items, len(items))


class Customer:
    """A person with a wallet, towards one hospital and one insurer, or whoever else is in the insurer's place."""

    def __init__(
        self,
        town: Town,
        name: str,
        hospital: str = "hospital-a",
        insurer: str = "insurer-a",
        wallet: Wallet | None = None,
    ) -> None:
        self.town = town
        self.entropy = SeededEntropy(f"customer {name} {hospital} {insurer}".encode())
        self.wallet = wallet or Wallet.create(synthetic_identity(name, SeededEntropy(name.encode())), self.entropy)
        self.pseudonym = self.wallet.pseudonym(town.genesis.chain_id, hospital, insurer)
        self.hospital = hospital
        self.insurer = insurer
        self.parties = (hospital,) if insurer == "regulator" else tuple(sorted((hospital, insurer)))
        """Whom she shows who she is."""
        self._drawn: dict[str, tuple[RecordDates, dict[str, Any]]] = {}

    @property
    def identity(self) -> Identity:
        return self.wallet.identity

    def enrol(self) -> None:
        """Have the insurer, or a regulator's hospital, enter the pseudonym, unless it is."""
        person = self.pseudonym
        sponsor = self.insurer if self.insurer in self.parties else self.hospital
        if self.town.view.actor(person.name) is None:
            message = Enrol(person.name, person.key.public_key, person.prove_enrolment(sponsor))
            assert self.town.post(sponsor, Call("customers", "enrol", message))[0].ok

    def grant(
        self,
        days: tuple[int, int] = (TODAY - 30, TODAY + 365),
        record_types: tuple[RecordType, ...] = ALL_TYPES,
        uses_max: int | None = None,
        case: Any = "standing",
        for_ms: int = YEAR_MS,
        execution: Any = "data-to-insurer",
        purpose: Any = "HPAYMT",
    ) -> str:
        """Post a grant and return its id; nobody is linked yet."""
        grant_id = f"grant-{self.entropy.draw(8).hex()}"
        dates = RecordDates(*days, self.entropy.draw(32))
        member = self.town.genesis.organisation(self.insurer)
        role: Any = None if member is None else member.role
        pair = (self.pseudonym.chain_id, self.hospital, self.insurer)
        disclosures = dict.fromkeys(self.parties, self.wallet.make_disclosure(*pair, dates))
        self._drawn[grant_id] = (dates, disclosures)
        now_ms = self.town.now_ms
        mode: Any = "STORE" if execution == "data-to-insurer" else "EXECUTE"
        message = Grant(
            grant_id,
            1,
            None,
            self.pseudonym.name,
            Grantor("customer", self.pseudonym.name, None),
            Grantee(self.insurer, role),
            (self.hospital,),
            purpose,
            Scope(case, (), record_types, dates.commitment),
            Permission(mode, uses_max, None, now_ms + 2 * YEAR_MS, now_ms + for_ms),
            execution,
            Notice("zh", hashlib.sha256(b"notice").digest()),
            tuple(IdentityCommitment(party, disclosures[party].commitment) for party in self.parties),
        )
        receipt = self.post(Call("consent", "grant", message))
        assert receipt.ok, receipt
        return grant_id

    def disclose(self, grant_id: str, organisation: str) -> Linked:
        """Answer a party's challenge and hand it the identity that the grant commits to."""
        agent: LinkingAgent = self.town.agents[organisation]  # type: ignore[assignment]
        challenge = agent.challenge(grant_id, self.town.now_ms)
        sealed, answer = self.seal(grant_id, organisation), self.pseudonym.answer(challenge)
        key = self.pseudonym.seal_key.public_key
        linked: Linked = self.town.operate(
            organisation, lambda agent: agent.disclose(grant_id, sealed, answer, key, self.town.now_ms)
        )
        return linked

    def seal(self, grant_id: str, organisation: str) -> Sealed:
        """Return the identity, sealed to a party of the grant."""
        member = self.town.genesis.organisation(organisation)
        assert member is not None
        disclosure = self._drawn[grant_id][1][organisation]
        return self.pseudonym.disclose(disclosure, organisation, member.seal_key, f"identity.{grant_id}")

    def consent(self, **terms: Any) -> str:
        """Enrol, grant, and be linked by all parties; return the grant's id."""
        self.enrol()
        grant_id = self.grant(**terms)
        for party in sorted(self.parties, key=lambda party: party != self.hospital):
            self.disclose(grant_id, party)
        self.town.run_until_quiet()
        return grant_id

    def revoke(self, grant_id: str) -> None:
        """End a grant."""
        assert self.post(Call("consent", "revoke", Revoke(grant_id))).ok

    def post(self, call: Call) -> Receipt:
        """Put one call of the customer into a block."""
        return self.town.post(self.pseudonym.name, call, key=self.pseudonym.key)[0]
