"""What a node tells of a recovery: all that was put forward, however much of it a keeper puts in front."""

from typing import TypeVar, cast

from contracts.recovery import ATTEMPT_ROWS_MAX, PutForward, recovery_message
from ledger.codec import Struct
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from nodes.agent import ChainView
from nodes.api.recovery import read_recovery
from nodes.contract_sources import load_installed_contracts
from tests.contracts.consortium import Consortium, digest
from tests.contracts.test_recovery import Lost

T = TypeVar("T")


class View:
    """What a node knows of the chain, as far as it is asked here."""

    def __init__(self, chain: Consortium) -> None:
        self.chain = chain

    def query(self, contract: str, method: str, message: Struct, answer: type[T]) -> T:
        return self.chain.ask(f"{contract}.{method}", message, answer)


def test_no_keeper_hides_one_attempt_behind_a_hundred_others() -> None:
    chain = Consortium(load_installed_contracts())
    lost = Lost(chain)
    keys = sorted((PrivateKey(digest(f"key {number}")) for number in range(101)), key=lambda key: key.public_key)
    assert len(keys) > ATTEMPT_ROWS_MAX

    def put(key: PrivateKey) -> tuple[str, str, PutForward]:
        signed = recovery_message(chain.chain_id, lost.name, key.public_key, 1, 1)
        proof = sign_enrolment(key, signed)
        return "hospital-a", "recovery.put_forward", PutForward(lost.name, key.public_key, proof)

    for start in range(0, len(keys), 20):
        chain.do(*map(put, keys[start : start + 20]))
    found = read_recovery(cast("ChainView", View(chain)), lost.name)
    assert [item.public_key for item in found.attempts] == [key.public_key for key in keys]
