"""Every row of the decision table on a network of real processes, asked through the API."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.needs import Considered, Decision, Finding
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey
from ledger.transactions import Submission, Transaction, make_submission
from nodes.authentication import RequestSigner
from nodes.client import ApiError, Client
from nodes.keystore import load_keystore
from tests.contracts.decision_rows import PHASES, Deed, Plan, Planner, load_rows
from tests.e2e.network import ENTROPY, EXPIRY_HEIGHT, Network, eventually

SOON_MS = 15_000
"""How long what ends soon lasts: longer than it takes to put all rows on the chain up to their grants."""
BATCH = 200
ORGANISATIONS = ("hospital-a", "hospital-b", "insurer-a", "regulator")


class Signatories:
    """Whose key signs what, as it would be in wallets and keystores."""

    def __init__(self, network: Network, plans: list[Plan]) -> None:
        self._network = network
        self._keys: dict[str, PrivateKey] = {
            name: load_keystore(network.folder(name) / "keys").submission for name in ORGANISATIONS
        }
        for plan in plans:
            self._keys.update(plan.keys)

    def sign(self, deeds: list[Deed], now_ms: int) -> list[tuple[Submission, list[Deed]]]:
        """Return one submission for each signer, or as many as its deeds need, in the deeds' order."""
        signed = []
        ordered = sorted(deeds, key=lambda deed: deed.signer)
        for signer, group in itertools.groupby(ordered, key=lambda deed: deed.signer):
            for part in _batched(list(group)):
                transactions = tuple(self._transact(deed, now_ms) for deed in part)
                signed.append((make_submission(self._keys[signer], transactions), part))
        return signed

    def client(self, plan: Plan) -> Client:
        """Return a client of the hospital's node that calls as a row's customer."""
        network = self._network
        signer = RequestSigner(self._keys[plan.subject], network.network.chain_id, plan.subject, carry_key=True)
        address = network.network.address("hospital-a")
        return Client(address, network.home.authority_path("hospital-a"), signer, ENTROPY)

    def _transact(self, deed: Deed, now_ms: int) -> Transaction:
        contract, _, method = deed.target.partition(".")
        return Transaction(
            self._network.network.chain_id,
            deed.signer,
            1,
            contract,
            method,
            encode(deed.message),
            ENTROPY.draw(16),
            EXPIRY_HEIGHT,
            now_ms + 600_000,
        )


def _batched(deeds: list[Deed]) -> list[list[Deed]]:
    return [deeds[start : start + BATCH] for start in range(0, len(deeds), BATCH)]


def divide(signed: list[tuple[Submission, list[Deed]]]) -> Iterator[list[tuple[Submission, list[Deed]]]]:
    """Yield the deeds in parts of at most 64, no grant in two submissions of one part: those may change places."""
    part: list[tuple[Submission, list[Deed]]] = []
    seen: set[object] = set()
    for submission, group in signed:
        grants = {getattr(deed.message, "grant_id", None) for deed in group} - {None}
        if len(part) == 64 or grants & seen:
            yield part
            part, seen = [], set()
        part.append((submission, group))
        seen |= grants
    yield part


def post(network: Network, signatories: Signatories, deeds: list[Deed]) -> None:
    """Put deeds on the chain and compare their codes."""
    status = network.status("hospital-a")
    signed = signatories.sign(deeds, int(status["time_ms"]))
    with network.client("hospital-a") as client:
        for part in divide(signed):
            answer = client.submit(tuple(submission for submission, _ in part), 30)
            codes = [receipt and receipt["code"] for receipt in answer["receipts"]]
            expected = [deed.code for _, group in part for deed in group]
            wrong = [
                (deed, receipt)
                for deed, receipt, code in zip(
                    [deed for _, group in part for deed in group], answer["receipts"], codes, strict=True
                )
                if code != deed.code
            ]
            assert codes == expected, wrong[:2]


def ask(client: Client, plan: Plan, subject: str | None) -> Decision:
    """Ask a row's question; without a subject, about oneself."""
    question = plan.question
    asked: dict[str, object] = {
        "subject": subject,
        "hospital": question.hospital,
        "recipient": question.recipient,
        "record_type": question.record_type,
        "stay": question.stay_id,
        "claim": question.claim_id,
        "act": question.act,
        "purpose": question.purpose,
    }
    if question.days is not None:
        asked |= {"first_day": question.days.first_day, "last_day": question.days.last_day}
    asked["openings"] = [
        {"grant": item.grant_id, "first_day": item.first_day, "last_day": item.last_day, "salt": item.salt.hex()}
        for item in question.openings
    ]
    return read(client.post("/v1/explanations", asked))


def read(answer: dict[str, Any]) -> Decision:
    """Return a decision from the API's JSON."""
    finding = answer["finding"]
    considered = tuple(
        Considered(item["grant_id"], item["version"], item["effect"], None) for item in answer["considered"]
    )
    found = None if finding is None else Finding(finding["code"], finding["condition"], finding["text"])
    return Decision(answer["permitted"], answer["grant_id"], answer["version"], found, considered, answer["dates"])


def test_every_row_of_the_decision_table_is_answered_by_a_live_network(network: Network) -> None:
    begun_ms = max(int(network.status("hospital-a")["time_ms"]), time.time_ns() // 1_000_000)
    planner = Planner(network.network.chain_id, ENTROPY.draw(8).hex())
    plans = [planner.plan(row, begun_ms, SOON_MS) for row in load_rows()]
    signatories = Signatories(network, plans)
    for phase in PHASES:
        post(network, signatories, [deed for plan in plans for deed in plan.phases[phase]])

    def has_ended() -> bool:
        network.enrol()
        return int(network.status("hospital-a")["time_ms"]) > begun_ms + SOON_MS

    eventually("what ends soon has ended", has_ended)
    with network.client("hospital-a", "regulator") as client:
        for plan in plans:
            plan.check(ask(client, plan, plan.subject))
    for plan in plans[:3]:
        with signatories.client(plan) as client:
            plan.check(ask(client, plan, None))
        with signatories.client(plan) as client, pytest.raises(ApiError, match="FORBIDDEN"):
            ask(client, plan, plans[3].subject)
    post(network, signatories, [plan.append for plan in plans if plan.append is not None])
    network.check_agreement()
