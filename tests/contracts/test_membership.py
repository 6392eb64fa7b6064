"""Membership: pseudonyms come from keys, keys come with proof, and a sponsor has no power over whom it enters."""

import base64
import hashlib

from msgspec.structs import replace

from contracts.membership import Enrol, FindActor, RotateKey, enrolment_message, pseudonym, rotation_message
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.membership import Actor
from tests.contracts.consortium import CHAIN_ID, Consortium, digest


def actor(chain: Consortium, name: str) -> Actor:
    found: Actor | None = chain.ask("membership.actor", FindActor(name), Actor | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def enrolment(chain: Consortium, sponsor: str = "insurer-a") -> Enrol:
    _, (_, _, message) = chain.enrol(sponsor)
    assert isinstance(message, Enrol)
    return message


def rotation(chain: Consortium, name: str, new: PrivateKey, version: int = 2) -> RotateKey:
    return RotateKey(new.public_key, sign_enrolment(new, rotation_message(CHAIN_ID, name, new.public_key, version)))


def test_a_pseudonym_is_base32_of_the_keys_hash() -> None:
    key = bytes(range(32))
    expected = base64.b32encode(hashlib.sha256(key).digest()[:20]).decode().lower()
    assert pseudonym(key) == f"c-{expected}"


def test_a_hospital_or_an_insurer_enrols_a_customer(chain: Consortium) -> None:
    for sponsor in ("hospital-a", "insurer-b"):
        name, call = chain.enrol(sponsor)
        chain.do(call)
        assert (actor(chain, name).role, actor(chain, name).sponsor) == ("customer", sponsor)


def test_the_regulator_the_rail_and_a_customer_sponsor_nobody(chain: Consortium) -> None:
    customer, call = chain.enrol("insurer-a")
    chain.do(call)
    for sponsor in ("regulator", "rail", customer):
        assert chain.post(chain.enrol(sponsor)[1]) == ["FORBIDDEN"]


def test_a_chosen_name_is_refused(chain: Consortium) -> None:
    message = replace(enrolment(chain), name="c-" + "a" * 32)
    assert chain.post(("insurer-a", "membership.enrol", message)) == ["PSEUDONYM"]


def test_a_proof_for_one_sponsor_serves_no_other(chain: Consortium) -> None:
    message = enrolment(chain, "insurer-a")
    assert chain.post(("insurer-b", "membership.enrol", message)) == ["INVALID_PROOF"]


def test_a_proof_by_another_key_is_refused(chain: Consortium) -> None:
    message = enrolment(chain)
    signed = enrolment_message(CHAIN_ID, message.name, message.public_key, "insurer-a")
    foreign = replace(message, proof=sign_enrolment(chain.keys["insurer-a"], signed))
    assert chain.post(("insurer-a", "membership.enrol", foreign)) == ["INVALID_PROOF"]


def test_a_customer_is_enrolled_once(chain: Consortium) -> None:
    _, call = chain.enrol("insurer-a")
    assert chain.post(call, call) == ["OK", "ALREADY_ENROLLED"]


def test_a_new_key_is_in_force_from_the_next_height_and_the_old_one_is_kept(chain: Consortium) -> None:
    new = PrivateKey(digest("new"))
    chain.do(("rail", "membership.rotate_key", rotation(chain, "rail", new)))
    height = chain.application.height
    old, current = actor(chain, "rail").keys
    assert (old.until_height, current.from_height, current.until_height) == (height + 1, height + 1, None)
    assert (old.public_key, current.public_key) == (chain.keys["rail"].public_key, new.public_key)


def test_a_rotation_needs_the_new_keys_own_proof(chain: Consortium) -> None:
    new = PrivateKey(digest("new"))
    message = rotation(chain, "rail", new)
    stolen = replace(message, public_key=PrivateKey(digest("other")).public_key)
    elsewhere = rotation(chain, "regulator", new)
    for wrong in (stolen, elsewhere, rotation(chain, "rail", new, version=3)):
        assert chain.post(("rail", "membership.rotate_key", wrong)) == ["INVALID_PROOF"]


def test_a_key_that_anybody_ever_had_is_refused(chain: Consortium) -> None:
    taken = rotation(chain, "rail", chain.keys["insurer-a"])
    assert chain.post(("rail", "membership.rotate_key", taken)) == ["KEY_IN_USE"]
    own = rotation(chain, "rail", chain.keys["rail"])
    assert chain.post(("rail", "membership.rotate_key", own)) == ["KEY_IN_USE"]


def test_a_key_is_replaced_once_a_height(chain: Consortium) -> None:
    first = rotation(chain, "rail", PrivateKey(digest("new")))
    second = rotation(chain, "rail", PrivateKey(digest("newer")), version=3)
    calls = [("rail", "membership.rotate_key", message) for message in (first, second)]
    assert chain.post(*calls) == ["OK", "STALE_KEY"]
