"""Who belongs to the network now, by the state: which organisations, with which credentials.

The contract `membership` keeps them in its table `organisations`; a driver admits and cuts off peers by them, and
agents seal by them. Who was removed has no row there, and keeps the one in `actors`, which has its role and keys.
"""

from typing import Final

from ledger.codec import decode
from ledger.execution.contract import MEMBERSHIP
from ledger.execution.state import StateReader, decode_key, encode_prefix
from ledger.genesis import Credentials, Genesis
from ledger.membership import Actor, Role

MEMBERS_PREFIX: Final = encode_prefix(MEMBERSHIP, "organisations")
ACTORS_PREFIX: Final = encode_prefix(MEMBERSHIP, "actors")


def read_members(state: StateReader, genesis: Genesis) -> dict[str, Credentials]:
    """Return organisation -> credentials; those of the genesis where contracts keep no such table."""
    found = {decode_key(key)[2]: decode(value, Credentials) for key, value in state.scan(MEMBERS_PREFIX)}
    return found or {item.name: Credentials(item.seal_key, 1, item.certificate_hash) for item in genesis.organisations}


def read_roles(state: StateReader) -> dict[str, Role]:
    """Return organisation -> role of everybody who belongs or ever did, founders and admitted alike, sorted by name."""
    found = (decode(value, Actor) for _, value in state.scan(ACTORS_PREFIX))
    return {organisation.name: organisation.role for organisation in found}
