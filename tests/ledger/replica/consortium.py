"""Four organisations, their keys, a counter contract, and simulations of them under a seed."""

from functools import cache

from ledger.blocks import Block
from ledger.codec import encode
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import PrivateKey
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Validator, ValidatorSet
from ledger.transactions import Submission, Transaction, make_submission
from nodes.simulator.simulation import Simulation, Weather
from tests.ledger.execution.chain import load

TIME_MS = 1_700_000_000_000
NAMES = ("a", "b", "c", "d")
KEYS = {name: PrivateKey(hash_tagged("test/key", name.encode())) for name in "abcdefg"}


@cache
def contracts() -> ContractSet:
    """Return the loaded contracts: membership and a counter with an alarm."""
    return load()


def make_genesis(names: tuple[str, ...] = NAMES) -> Genesis:
    """Return a genesis in which these validate with equal power."""
    organisations = tuple(
        Organisation(name, "hospital", KEYS[name].public_key, bytes(1216), bytes(32)) for name in names
    )
    validators = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in names))
    return Genesis.found(PROTOCOL_VERSION, "test", TIME_MS, validators, organisations, contracts().pins())


CHAIN_ID = make_genesis().chain_id
"""Of the network of NAMES."""


def simulate(
    seed: int, weather: Weather | None = None, extra: tuple[str, ...] = (), names: tuple[str, ...] = NAMES
) -> Simulation:
    """Return four validators, or `names`, and `extra` nodes that are none; nothing is up."""
    keys = {name: KEYS[name] for name in (*names, *extra)}
    return Simulation(make_genesis(names), contracts(), keys, seed, weather or Weather())


def submission(
    number: int, signer: str = "a", contract: str = "counter", method: str = "add", chain_id: str = CHAIN_ID
) -> Submission:
    """Return a signed submission that adds 1 to the counter `k`."""
    return submit_message(number, ("k", 1), signer, contract, method, chain_id=chain_id)


def submit_message(
    number: int,
    message: object,
    signer: str,
    contract: str,
    method: str,
    expires_ms: int = TIME_MS + 20 * 3_600_000,
    chain_id: str = CHAIN_ID,
) -> Submission:
    """Return a signed submission of one transaction; `number` makes it unique."""
    transaction = Transaction(
        chain_id=chain_id,
        signer=signer,
        key_version=1,
        contract=contract,
        method=method,
        arguments=encode(message),
        nonce=number.to_bytes(16, "big"),
        expires_height=900,
        expires_ms=expires_ms,
    )
    return make_submission(KEYS[signer], (transaction,))


def blocks(simulation: Simulation, name: str) -> list[Block]:
    """Return a node's stored blocks in order."""
    stored = simulation.nodes[name].disk.blocks
    return [stored[height][0] for height in sorted(stored)]


def included(simulation: Simulation, name: str, item: Submission) -> bool:
    """Whether a node has stored a block with this submission."""
    return any(item in block.submissions for block in blocks(simulation, name))
