"""Customers: pseudonyms come from keys, keys come with proof, and a sponsor has no power over whom it enters."""

import base64
import hashlib

from msgspec.structs import replace

from contracts.customers import Enrol, FindCustomer, enrolment_message, pseudonym
from contracts.keys import FindOwner, KeyOwner, RotateKey, rotation_message
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.membership import Actor
from tests.contracts.consortium import Consortium, digest


def customer(chain: Consortium, name: str) -> Actor | None:
    found: Actor | None = chain.ask("customers.actor", FindCustomer(name), Actor | None)  # type: ignore[arg-type]
    return found


def enrolment(chain: Consortium, sponsor: str = "insurer-a") -> Enrol:
    _, (_, _, message) = chain.enrol(sponsor)
    assert isinstance(message, Enrol)
    return message


def test_a_pseudonym_is_base32_of_the_keys_hash() -> None:
    key = bytes(range(32))
    expected = base64.b32encode(hashlib.sha256(key).digest()[:20]).decode().lower()
    assert pseudonym(key) == f"c-{expected}"


def test_a_hospital_or_an_insurer_enrols_a_customer(chain: Consortium) -> None:
    for sponsor in ("hospital-a", "insurer-b"):
        name, call = chain.enrol(sponsor)
        assert customer(chain, name) is None
        chain.do(call)
        found = customer(chain, name)
        assert found is not None
        assert (found.role, found.sponsor) == ("customer", sponsor)


def test_the_regulator_the_rail_and_a_customer_sponsor_nobody(chain: Consortium) -> None:
    name, call = chain.enrol("insurer-a")
    chain.do(call)
    for sponsor in ("regulator", "rail", name):
        assert chain.post(chain.enrol(sponsor)[1]) == ["FORBIDDEN"]


def test_a_chosen_name_is_refused(chain: Consortium) -> None:
    for name in ("c-" + "a" * 32, "hospital-a", "somebody"):
        message = replace(enrolment(chain), name=name)
        assert chain.post(("insurer-a", "customers.enrol", message)) == ["PSEUDONYM"]


def test_a_proof_for_one_sponsor_serves_no_other(chain: Consortium) -> None:
    message = enrolment(chain, "insurer-a")
    assert chain.post(("insurer-b", "customers.enrol", message)) == ["INVALID_PROOF"]


def test_a_proof_by_another_key_is_refused(chain: Consortium) -> None:
    message = enrolment(chain)
    signed = enrolment_message(chain.chain_id, message.name, message.public_key, "insurer-a")
    foreign = replace(message, proof=sign_enrolment(chain.keys["insurer-a"], signed))
    assert chain.post(("insurer-a", "customers.enrol", foreign)) == ["INVALID_PROOF"]


def test_a_customer_is_enrolled_once(chain: Consortium) -> None:
    _, call = chain.enrol("insurer-a")
    assert chain.post(call, call) == ["OK", "ALREADY_ENROLLED"]


def test_a_customer_replaces_her_own_key(chain: Consortium) -> None:
    name, call = chain.enrol("insurer-a")
    chain.do(call)
    new = PrivateKey(digest("new"))
    message = RotateKey(new.public_key, sign_enrolment(new, rotation_message(chain.chain_id, name, new.public_key, 2)))
    assert chain.post((name, "membership.rotate_key", message)) == ["FORBIDDEN"]
    assert chain.post(("insurer-a", "customers.rotate_key", message)) == ["FORBIDDEN"]
    chain.do((name, "customers.rotate_key", message))
    found = customer(chain, name)
    assert found is not None
    assert [key.public_key for key in found.keys] == [chain.keys[name].public_key, new.public_key]
    assert chain.post((name, "customers.rotate_key", message)) == ["KEY_NOT_IN_FORCE"]
    for key in found.keys:
        owner = chain.ask("keys.owner", FindOwner(key.public_key), KeyOwner | None)  # type: ignore[arg-type]
        assert owner == KeyOwner(name)
