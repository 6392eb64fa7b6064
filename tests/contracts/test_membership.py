"""Membership: organisations, their keys and the code in force come from the genesis; keys change by their owners."""

from msgspec.structs import replace

from contracts.keys import KEY_VERSIONS_MAX, FindOwner, RotateKey, RotateSealKey, SealKeyRecord, rotation_message
from contracts.membership import FindActor, FindPin, FindValidators, ListRole
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.execution.state import encode_key
from ledger.genesis import Credentials, PinHistory, PinVersion
from ledger.membership import Actor, ValidatorSet
from tests.contracts.consortium import Consortium, digest


def actor(chain: Consortium, name: str) -> Actor:
    found: Actor | None = chain.ask("membership.actor", FindActor(name), Actor | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def rotation(chain: Consortium, name: str, new: PrivateKey, version: int = 2) -> RotateKey:
    signed = rotation_message(chain.chain_id, name, new.public_key, version)
    return RotateKey(new.public_key, sign_enrolment(new, signed))


def credentials(chain: Consortium, name: str) -> Credentials:
    found: Credentials = chain.ask("membership.credentials", FindActor(name), Credentials)
    return found


def seal_keys(chain: Consortium, name: str) -> tuple[SealKeyRecord, ...]:
    return chain.ask("membership.seal_key_history", FindActor(name), tuple[SealKeyRecord, ...])


def seal_key(number: int) -> bytes:
    return number.to_bytes(8, "big") * 152


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


# ------------------------------------------------------------------------------------------------------ seal keys


def test_a_new_seal_key_is_sealed_to_at_once_and_the_old_one_stays_in_the_history(chain: Consortium) -> None:
    chain.do(("insurer-a", "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2)))
    height, time_ms = chain.application.height, chain.application.time_ms
    assert credentials(chain, "insurer-a") == Credentials(seal_key(2), 2, bytes(32))
    assert seal_keys(chain, "insurer-a") == (
        SealKeyRecord(1, bytes(1216), 0, height, time_ms),
        SealKeyRecord(2, seal_key(2), height, None, None),
    )
    assert len(seal_keys(chain, "insurer-b")) == 1


def test_a_stranger_and_a_customer_have_no_seal_key_to_replace(chain: Consortium) -> None:
    name, call = chain.enrol("insurer-a")
    chain.do(call)
    assert chain.post((name, "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2))) == ["FORBIDDEN"]
    for member in ("insurer-a", "insurer-b"):
        assert len(seal_keys(chain, member)) == 1


def test_a_rotation_of_a_version_that_is_over_or_to_come_changes_nothing(chain: Consortium) -> None:
    chain.do(("rail", "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2)))
    for version in (2, 4):
        late = ("rail", "membership.rotate_seal_key", RotateSealKey(seal_key(3), version))
        assert chain.post(late) == ["STALE_SEAL_KEY"]
    assert credentials(chain, "rail").seal_key == seal_key(2)


def test_a_seal_key_never_comes_back(chain: Consortium) -> None:
    chain.do(("rail", "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2)))
    for former in (bytes(1216), seal_key(2)):
        assert chain.post(("rail", "membership.rotate_seal_key", RotateSealKey(former, 3))) == ["SEAL_KEY"]
    assert len(seal_keys(chain, "rail")) == 2


def test_nobody_bars_a_seal_key_by_entering_it_first(chain: Consortium) -> None:
    """Nobody can prove to hold a key that opens: who enters the key of a rotation under way harms itself."""
    chain.do(("insurer-b", "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2)))
    chain.do(("insurer-a", "membership.rotate_seal_key", RotateSealKey(seal_key(2), 2)))
    assert credentials(chain, "insurer-a").seal_key == seal_key(2)


def test_who_stole_a_submission_key_that_is_being_replaced_replaces_no_seal_key_with_it(chain: Consortium) -> None:
    thief = ("rail", "membership.rotate_seal_key", RotateSealKey(seal_key(9), 2))
    owner = ("rail", "membership.rotate_key", rotation(chain, "rail", PrivateKey(digest("new"))))
    assert chain.post(owner, thief) == ["OK", "STALE_KEY"]
    assert len(seal_keys(chain, "rail")) == 1


def test_an_organisation_has_so_many_seal_keys_and_no_more(chain: Consortium) -> None:
    for version in range(2, KEY_VERSIONS_MAX + 1):
        chain.do(("rail", "membership.rotate_seal_key", RotateSealKey(seal_key(version), version)))
    beyond = RotateSealKey(seal_key(KEY_VERSIONS_MAX + 1), KEY_VERSIONS_MAX + 1)
    assert chain.post(("rail", "membership.rotate_seal_key", beyond)) == ["SEAL_KEY"]


def test_members_of_a_role_are_listed(chain: Consortium) -> None:
    assert chain.ask("membership.list_role", ListRole("insurer"), tuple[str, ...]) == ("insurer-a", "insurer-b")
    assert chain.ask("membership.list_role", ListRole("customer"), tuple[str, ...]) == ()
