"""A hospital replaces its submission key and an insurer its seal key while everything goes on, as operators would.

    1. the new key is put beside the old one, and the node is started again so that it has both
    2. the rotation is posted, signed with the old key, until the chain has it
    3. the node is started again

Since agents sign with the key that the chain has in force, the second start would not be needed; it is one more chance
for something to go wrong. A seal key goes the same way, and what was sealed to the former one is under way meanwhile.
"""

from collections.abc import Generator

from contracts.keys import RotateKey, RotateSealKey, rotation_message
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from nodes.agent import Call, Submit
from nodes.entropy import SeededEntropy
from nodes.roles.lookup import find_seal_key
from nodes.scenarios.town import Town
from nodes.vault.sealing import SealKeyPair

RETRY_MS = 5_000


def rotate_key(town: Town, member: str, seed: int, begins_ms: int) -> Generator[int, None, None]:
    """Replace a member's key; yields how many milliseconds the operator waits.

    Args:
        town: Where the member is.
        member: Version 1 of its key is in force.
        seed: The new key comes from it.
        begins_ms: When.
    """
    yield begins_ms
    key = PrivateKey(SeededEntropy(f"rotation {seed} {member}".encode()).draw(32))
    town.consortium.add_submission_key(member, key)
    _restart(town, member)
    signed = rotation_message(town.consortium.genesis.chain_id, member, key.public_key, 2)
    message = RotateKey(key.public_key, sign_enrolment(key, signed))
    while _count_keys(town, member) < 2:
        town.operate(member, lambda _agent, _now: (True, [Submit((Call("membership", "rotate_key", message),))]))
        yield RETRY_MS
    _restart(town, member)


def rotate_seal_key(town: Town, member: str, seed: int, begins_ms: int) -> Generator[int, None, None]:
    """Replace a member's seal key; as `rotate_key`."""
    yield begins_ms
    pair = SealKeyPair(SeededEntropy(f"seal key {seed} {member}".encode()).draw(32))
    town.consortium.add_seal_key(member, pair)
    _restart(town, member)
    message = RotateSealKey(pair.public_key, 2)
    while town.read(member, lambda view: find_seal_key(view, member)) != pair.public_key:
        town.operate(member, lambda _agent, _now: (True, [Submit((Call("membership", "rotate_seal_key", message),))]))
        yield RETRY_MS
    _restart(town, member)


def _count_keys(town: Town, member: str) -> int:
    actor = town.read(member, lambda view: view.actor(member))
    return 0 if actor is None else len(actor.keys)


def _restart(town: Town, member: str) -> None:
    """Stop a node and start it; one that is down comes back by itself, with what its operator has put there."""
    node = town.node(member)
    if node.is_up:
        town.simulation.crash(node.name)
        town.simulation.start(node.name)
