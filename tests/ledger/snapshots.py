"""Snapshots of small test chains, made straight from what the definition says."""

from collections.abc import Iterator

from ledger.blocks import PRECOMMIT, BlockHeader, Commit, Vote, make_commit, vote_sign_bytes
from ledger.codec import encode
from ledger.crypto.signatures import sign_vote
from ledger.execution.store import STATE
from ledger.light_client import WalkStep
from ledger.membership import ValidatorSet
from ledger.merkle import Frontier, leaf_hash
from ledger.snapshot import Entry, Manifest, divide
from ledger.state_tree import path_of
from tests.ledger.execution.chain import KEYS, Chain


def certify(header: BlockHeader, validators: ValidatorSet) -> Commit:
    """Return a commit of a quorum of test validators."""
    message = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, 0, header.hash)
    names = [item.name for item in validators.validators]
    votes = tuple(
        Vote(PRECOMMIT, header.height, 0, header.hash, name, sign_vote(KEYS[name], message)) for name in names
    )
    return make_commit(votes, validators)


class SnapshotChain(Chain):
    """A chain that remembers its headers and can be shown at its latest height."""

    def __init__(self) -> None:
        """Found it."""
        super().__init__()
        self.headers: list[BlockHeader] = []

    def grow(self, rows: int, size: int = 40) -> None:
        """Add a block with counters of long names."""
        name = f"{len(self.headers):04d}"
        submissions = [self.submit("counter.add", (f"{name}-{row:04d}-" + "x" * size, 1)) for row in range(rows)]
        self.headers.append(self.add_block(*submissions).block.header)

    def step(self, height: int) -> WalkStep:
        """Return a header with what certifies it."""
        header = self.headers[height - 1]
        voters, following = self.application.validators(height), self.application.validators(height + 1)
        return WalkStep(header, certify(header, voters), None if following == voters else following)

    def show(self) -> tuple[Manifest, list[bytes]]:
        """Return the snapshot of the latest height: its manifest and its encoded chunks."""
        frontier = Frontier().append(leaf_hash(self.genesis.hash))
        for header in self.headers[:-1]:
            frontier = frontier.append(leaf_hash(header.hash))
        parts, chunks = [], []
        for contract in sorted({key.split(b"\x00")[0].decode() for key, _ in self.entries()}):
            for part, chunk in divide(contract, lambda prefix, name=contract: self.scan(name, prefix)):  # type: ignore[misc]
                parts.append(part)
                chunks.append(encode(chunk))
        return Manifest(self.step(len(self.headers)), frontier, tuple(parts)), chunks

    def entries(self) -> list[Entry]:
        """Return the state."""
        return [(key[len(STATE) :], value) for key, value in self.store.scan(STATE)]

    def scan(self, contract: str, prefix: str) -> Iterator[Entry]:
        """Yield a contract's entries below a prefix of their paths."""
        owner = contract.encode() + b"\x00"
        return (entry for entry in self.entries() if entry[0].startswith(owner) and is_below(entry[0], prefix))


def is_below(key: bytes, prefix: str) -> bool:
    """Whether a key's path begins with a prefix."""
    return path_of(key).hex().startswith(prefix)
