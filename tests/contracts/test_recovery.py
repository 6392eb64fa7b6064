"""Recovery: keepers whom she named give a customer another key, together, late enough, and nobody else does."""

from typing import Any

import pytest
from msgspec.structs import replace

from contracts.customers import FindCustomer
from contracts.keys import RotateKey, rotation_message
from contracts.proposals import CastVote, Propose, RemoveOrganisation
from contracts.recovery import (
    KEEPERS_MAX,
    AttemptReference,
    NameKeepers,
    PutForward,
    RecoveryView,
    ShowRecovery,
    recovery_message,
)
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.membership import Actor
from tests.contracts.consortium import Consortium, digest

WAIT_MS = 3 * 86_400_000
"""The shortest that the genesis of these tests allows: what a genesis demands unless its founders choose otherwise."""
KEEPERS = ("hospital-a", "hospital-b", "insurer-a")


class Lost:
    """A customer with keepers, and the key of the wallet that she has now."""

    def __init__(self, chain: Consortium, keepers: tuple[str, ...] = KEEPERS, threshold: int = 2) -> None:
        self.chain = chain
        self.name, call = chain.enrol("insurer-a")
        chain.do(call)
        self.key = PrivateKey(digest("new wallet"))
        self.keep(keepers, threshold)

    def keep(self, keepers: tuple[str, ...], threshold: int) -> None:
        self.chain.do((self.name, "recovery.name_keepers", NameKeepers(keepers, threshold, WAIT_MS)))

    def message(self, plan: int = 1, key_version: int = 1, key: PrivateKey | None = None) -> PutForward:
        key = key or self.key
        signed = recovery_message(self.chain.chain_id, self.name, key.public_key, plan, key_version)
        return PutForward(self.name, key.public_key, sign_enrolment(key, signed))

    def put_forward(self, keeper: str = "hospital-a") -> None:
        self.chain.do((keeper, "recovery.put_forward", self.message()))

    def call(self, by: str, method: str, name: str = "") -> tuple[str, str, object]:
        return by, f"recovery.{method}", AttemptReference(name or self.name, self.key.public_key)

    def keys(self) -> list[bytes]:
        actor: Any = self.chain.ask("customers.actor", FindCustomer(self.name), Actor | None)  # type: ignore[arg-type]
        return [record.public_key for record in actor.keys]

    def view(self) -> RecoveryView:
        return self.chain.ask("recovery.show", ShowRecovery(self.name, b""), RecoveryView)


@pytest.fixture
def lost(chain: Consortium) -> Lost:
    return Lost(chain)


def rotate(chain: Consortium, name: str, contract: str) -> None:
    key, version = PrivateKey(digest(f"next of {name}")), chain.versions.get(name, 1) + 1
    signed = rotation_message(chain.chain_id, name, key.public_key, version)
    chain.do((name, f"{contract}.rotate_key", RotateKey(key.public_key, sign_enrolment(key, signed))))
    chain.keys[name], chain.versions[name] = key, version


def test_two_keepers_and_three_days_give_her_another_key_under_the_same_name(chain: Consortium, lost: Lost) -> None:
    old = lost.keys()
    lost.put_forward()
    assert chain.post(lost.call("hospital-a", "complete")) == ["APPROVALS"]
    chain.do(lost.call("insurer-a", "approve"))
    approved_ms = chain.application.time_ms
    assert chain.post(lost.call("hospital-b", "complete"), after_ms=WAIT_MS - 1) == ["WAITING"]
    assert chain.post(lost.call("hospital-b", "complete"), after_ms=1) == ["OK"]
    assert chain.application.time_ms == approved_ms + WAIT_MS
    assert chain.events() == ["key-rotated", "recovery-completed"]
    assert lost.keys() == [*old, lost.key.public_key]
    assert chain.post((lost.name, "consent.grant", chain.grant(lost.name))) == ["KEY_NOT_IN_FORCE"], "the old key"
    chain.keys[lost.name], chain.versions[lost.name] = lost.key, 2
    chain.do((lost.name, "consent.grant", chain.grant(lost.name)))
    assert chain.post(lost.call("hospital-b", "complete")) == ["WRONG_STATE"]


def test_one_keeper_never_suffices_however_often_it_approves(chain: Consortium, lost: Lost) -> None:
    lost.put_forward()
    assert chain.post(lost.call("hospital-a", "approve")) == ["APPROVED"]
    assert chain.post(lost.call("hospital-a", "complete"), after_ms=10 * WAIT_MS) == ["APPROVALS"]
    rotate(chain, "hospital-a", "membership")
    chain.do(lost.call("hospital-a", "approve"))
    assert len(lost.view().attempts[0].approvals) == 1
    assert chain.post(lost.call("hospital-a", "complete"), after_ms=10 * WAIT_MS) == ["APPROVALS"]


def test_nobody_but_her_keepers_puts_forward_approves_or_completes(chain: Consortium, lost: Lost) -> None:
    other, call = chain.enrol("insurer-a")
    chain.do(call)
    for stranger in ("insurer-b", "regulator", other, lost.name):
        assert chain.post((stranger, "recovery.put_forward", lost.message())) == ["FORBIDDEN"]
    lost.put_forward()
    for stranger in ("insurer-b", "regulator", other, lost.name):
        assert chain.post(lost.call(stranger, "approve"), lost.call(stranger, "complete")) == ["FORBIDDEN"] * 2


def test_keepers_of_one_customer_have_no_power_over_another(chain: Consortium, lost: Lost) -> None:
    other, call = chain.enrol("insurer-a")
    chain.do(call)
    lost.put_forward()
    for method in ("approve", "complete"):
        assert chain.post(lost.call("hospital-b", method, other)) == ["RECOVERY"]
    signed = recovery_message(chain.chain_id, other, lost.key.public_key, 1, 1)
    message = PutForward(other, lost.key.public_key, sign_enrolment(lost.key, signed))
    assert chain.post(("hospital-a", "recovery.put_forward", message)) == ["RECOVERY"]
    chain.do((other, "recovery.name_keepers", NameKeepers(("hospital-a", "insurer-b"), 2, WAIT_MS)))
    elsewhere = replace(lost.message(), name=other)
    assert chain.post(("hospital-a", "recovery.put_forward", elsewhere)) == ["INVALID_PROOF"]


def test_the_old_key_vetoes_and_what_was_vetoed_never_comes_again(chain: Consortium, lost: Lost) -> None:
    other, call = chain.enrol("insurer-a")
    chain.do(call)
    lost.put_forward()
    chain.do(lost.call("insurer-a", "approve"))
    for stranger in (other, "insurer-a"):
        assert chain.post(lost.call(stranger, "veto")) in (["RECOVERY"], ["FORBIDDEN"])
    chain.do(lost.call(lost.name, "veto"), after_ms=WAIT_MS)
    assert chain.post(lost.call("hospital-a", "complete"), after_ms=WAIT_MS) == ["WRONG_STATE"]
    assert chain.post(("hospital-b", "recovery.put_forward", lost.message())) == ["PUT_FORWARD"]
    lost.keep(KEEPERS, 2)
    assert chain.post(("hospital-b", "recovery.put_forward", lost.message(plan=2))) == ["PUT_FORWARD"]
    assert len(lost.keys()) == 1


@pytest.mark.parametrize("change", ["keepers", "key"])
def test_naming_keepers_anew_or_replacing_her_key_ends_what_was_put_forward(
    chain: Consortium, lost: Lost, change: str
) -> None:
    lost.put_forward()
    chain.do(lost.call("insurer-a", "approve"))
    if change == "keepers":
        lost.keep(KEEPERS, 2)
    else:
        rotate(chain, lost.name, "customers")
    assert chain.post(lost.call("hospital-b", "complete"), after_ms=WAIT_MS) == ["STALE"]
    assert chain.post(lost.call("hospital-b", "approve")) == ["STALE"]
    assert chain.post(("hospital-b", "recovery.put_forward", lost.message())) == ["INVALID_PROOF"]
    fresh = lost.message(2, 1) if change == "keepers" else lost.message(1, 2)
    chain.do(("hospital-b", "recovery.put_forward", fresh))
    assert [item.keeper for item in lost.view().attempts[0].approvals] == ["hospital-b"], "nothing carries over"


def test_of_two_keys_put_forward_at_once_one_is_completed(chain: Consortium, lost: Lost) -> None:
    thief = PrivateKey(digest("thief"))
    lost.put_forward()
    chain.do(("insurer-a", "recovery.put_forward", lost.message(key=thief)), lost.call("hospital-b", "approve"))
    chain.do(("hospital-b", "recovery.approve", AttemptReference(lost.name, thief.public_key)))
    chain.do(lost.call("hospital-a", "complete"), after_ms=WAIT_MS)
    late = ("insurer-a", "recovery.complete", AttemptReference(lost.name, thief.public_key))
    assert chain.post(late, after_ms=WAIT_MS) == ["STALE"]
    assert lost.keys()[-1] == lost.key.public_key


def test_what_a_replaced_key_approved_does_not_count_and_the_wait_begins_anew(chain: Consortium, lost: Lost) -> None:
    lost.put_forward()
    chain.do(lost.call("insurer-a", "approve"))
    rotate(chain, "insurer-a", "membership")
    assert chain.post(lost.call("hospital-b", "complete"), after_ms=WAIT_MS) == ["APPROVALS"]
    chain.do(lost.call("insurer-a", "approve"))
    assert chain.post(lost.call("hospital-b", "complete"), after_ms=WAIT_MS - 1) == ["WAITING"]
    chain.do(lost.call("hospital-b", "complete"), after_ms=1)


def test_a_removed_keeper_does_not_count(chain: Consortium, lost: Lost) -> None:
    lost.put_forward()
    chain.do(lost.call("hospital-b", "approve"))
    proposal = Propose(RemoveOrganisation("hospital-b"), bytes(32))
    basis = chain.ask("governance.basis", proposal, bytes)
    chain.do(("regulator", "governance.propose", replace(proposal, against=basis)))
    voters = ("hospital-a", "insurer-a", "insurer-b", "rail", "regulator")
    chain.do(*((voter, "governance.vote", CastVote(1, approve=True)) for voter in voters))
    assert chain.post(lost.call("hospital-a", "complete"), after_ms=WAIT_MS) == ["APPROVALS"]
    chain.do(lost.call("insurer-a", "approve"))
    chain.do(lost.call("hospital-a", "complete"), after_ms=WAIT_MS)


def test_organisations_take_two_and_a_guardian_may_do_it_alone(chain: Consortium) -> None:
    guardian, call = chain.enrol("insurer-a")
    chain.do(call)
    lost = Lost(chain, (guardian,), 1)
    for keepers in (("insurer-a",), (guardian, "insurer-a")):
        message = NameKeepers(tuple(sorted(keepers)), 1, WAIT_MS)
        assert chain.post((lost.name, "recovery.name_keepers", message)) == ["KEEPERS"]
        assert "no organisation takes a customer's key by itself" in chain.reason()
    lost.put_forward(guardian)
    chain.do(lost.call(guardian, "complete"), after_ms=WAIT_MS)
    assert lost.keys()[-1] == lost.key.public_key


def test_keepers_that_are_strangers_herself_unsorted_or_too_few_are_refused(chain: Consortium, lost: Lost) -> None:
    for keepers, threshold, code in (
        (("hospital-a", "hospital-z"), 2, "KEEPERS"),
        (("c-" + "a" * 32, "hospital-a"), 2, "KEEPERS"),
        ((lost.name, "hospital-a"), 2, "KEEPERS"),
        (("hospital-a", "hospital-b"), 3, "KEEPERS"),
        (("hospital-b", "hospital-a"), 2, "UNSORTED"),
        (("hospital-a", "hospital-a"), 2, "UNSORTED"),
        ((), 1, "MALFORMED_ARGUMENTS"),
        (tuple(f"m-{number:02}" for number in range(KEEPERS_MAX + 1)), 2, "MALFORMED_ARGUMENTS"),
    ):
        message = NameKeepers(keepers, threshold, WAIT_MS)
        assert chain.post((lost.name, "recovery.name_keepers", message)) == [code]
    message = NameKeepers(KEEPERS, 2, 999)
    assert chain.post((lost.name, "recovery.name_keepers", message)) == ["MALFORMED_ARGUMENTS"]
    assert chain.post(("hospital-a", "recovery.name_keepers", NameKeepers(KEEPERS, 2, WAIT_MS))) == ["FORBIDDEN"]
    for short_ms in (1_000, 86_400_000, WAIT_MS - 1):
        assert chain.post((lost.name, "recovery.name_keepers", NameKeepers(KEEPERS, 2, short_ms))) == ["WAIT"]
        assert f"expected {WAIT_MS} or more, as the genesis demands, got {short_ms}" in chain.reason()
    plan = lost.view().plan
    assert plan is not None
    assert (plan.keepers, plan.threshold, plan.number) == (KEEPERS, 2, 1)


def test_a_key_without_its_holders_proof_or_of_somebody_else_is_refused(chain: Consortium, lost: Lost) -> None:
    taken = chain.keys["insurer-b"]
    assert chain.post(("hospital-a", "recovery.put_forward", lost.message(key=taken))) == ["KEY_IN_USE"]
    rotation = rotation_message(chain.chain_id, lost.name, lost.key.public_key, 2)
    for proof in (sign_enrolment(lost.key, rotation), sign_enrolment(taken, rotation)):
        message = replace(lost.message(), proof=proof)
        assert chain.post(("hospital-a", "recovery.put_forward", message)) == ["INVALID_PROOF"]
    for plan, version in ((2, 1), (1, 2)):
        assert chain.post(("hospital-a", "recovery.put_forward", lost.message(plan, version))) == ["INVALID_PROOF"]


def test_without_keepers_there_is_no_recovery(chain: Consortium) -> None:
    lost = Lost.__new__(Lost)
    lost.chain, lost.key = chain, PrivateKey(digest("new wallet"))
    lost.name, call = chain.enrol("insurer-a")
    chain.do(call)
    assert chain.post(("hospital-a", "recovery.put_forward", lost.message())) == ["RECOVERY"]
    assert lost.view().plan is None
