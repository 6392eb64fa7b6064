"""Membership: organisations, their keys and the code in force come from the genesis; keys change by their owners."""

from msgspec.structs import replace

from contracts.keys import FindOwner, RotateKey, rotation_message
from contracts.membership import FindActor, FindPin, FindValidators
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.execution.state import encode_key
from ledger.genesis import PinHistory, PinVersion
from ledger.membership import Actor, ValidatorSet
from tests.contracts.consortium import Consortium, digest


def actor(chain: Consortium, name: str) -> Actor:
    found: Actor | None = chain.ask("membership.actor", FindActor(name), Actor | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def rotation(chain: Consortium, name: str, new: PrivateKey, version: int = 2) -> RotateKey:
    signed = rotation_message(chain.chain_id, name, new.public_key, version)
    return RotateKey(new.public_key, sign_enrolment(new, signed))


def test_the_genesis_gives_organisations_validators_and_pins(chain: Consortium) -> None:
    genesis = chain.application.genesis
    for organisation in genesis.organisations:
        found = actor(chain, organisation.name)
        assert (found.role, found.keys[0].public_key) == (organisation.role, organisation.public_key)
        assert chain.application.read(encode_key("membership", "organisations", organisation.name)) is not None
    assert chain.ask("membership.validator_set", FindValidators(), ValidatorSet) == genesis.validators
    for pin in genesis.contracts:
        expected = PinHistory((PinVersion(pin.code_hash, 0),))
        assert chain.ask("membership.pin", FindPin(pin.name), PinHistory) == expected


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
    name, call = chain.enrol("insurer-a")
    chain.do(call)
    customers = rotation(chain, "rail", chain.keys[name])
    assert chain.post(("rail", "membership.rotate_key", customers)) == ["KEY_IN_USE"]


def test_a_key_is_replaced_once_a_height(chain: Consortium) -> None:
    first = rotation(chain, "rail", PrivateKey(digest("new")))
    second = rotation(chain, "rail", PrivateKey(digest("newer")), version=3)
    calls = [("rail", "membership.rotate_key", message) for message in (first, second)]
    assert chain.post(*calls) == ["OK", "STALE_KEY"]


def test_a_key_that_nobody_had_has_no_owner(chain: Consortium) -> None:
    key = PrivateKey(digest("nobody")).public_key
    assert chain.ask("keys.owner", FindOwner(key), object) is None
