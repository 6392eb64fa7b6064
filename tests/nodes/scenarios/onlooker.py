"""An onlooker: all that it has is the blocks of one node, and it tries to tell which pseudonyms are one person.

Two ways, both open to every member and to whoever steals one disk:

    policy    two pseudonyms whose settlements name one policy are one insured person, or one policy's family
    moment    pseudonyms of different hospitals and insurers that were entered at nearly the same time are guessed to be
              one person: everybody gets the one that was entered nearest to her
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from contracts.customers import Enrol
from contracts.grants import Grant
from contracts.settlements import Settle
from contracts.stays import Append
from ledger.codec import decode
from ledger.transactions import Transaction
from nodes.simulator.disk import Disk

Pair = frozenset[str]


@dataclass
class Onlooker:
    """What was read from one node's blocks."""

    entered_ms: dict[str, int] = field(default_factory=dict)
    """Pseudonym -> block time of its enrolment."""
    parties: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Pseudonym -> hospital and insurer, from its first grant."""
    policies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Policy -> the pseudonyms that were settled under it."""
    records: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Pseudonym -> the types of the records of its stays."""
    bytes_of: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Contract and method -> the sizes of its arguments, in bytes."""

    @classmethod
    def read(cls, disk: Disk) -> "Onlooker":
        """Read all blocks of a disk."""
        found = cls()
        subjects: dict[str, str] = {}
        for transaction, time_ms in _list_successes(disk):
            call = f"{transaction.contract}.{transaction.method}"
            found.bytes_of[call].add(len(transaction.arguments))
            match call:
                case "customers.enrol":
                    found.entered_ms[decode(transaction.arguments, Enrol).name] = time_ms
                case "consent.grant":
                    grant = decode(transaction.arguments, Grant)
                    subjects[grant.grant_id] = grant.subject
                    found.parties[grant.subject] = (grant.sources[0], grant.grantee.organisation)
                case "records.append":
                    record = decode(transaction.arguments, Append)
                    found.records[subjects[record.grant_id]].append(record.record_type)
                case "claims.settle":
                    outcome = decode(transaction.arguments, Settle).outcome
                    found.policies[outcome.policy_id].add(subjects[outcome.grant_id])
                case _:
                    pass
        return found

    def link_by_policy(self) -> set[Pair]:
        """Return the pairs of pseudonyms that one policy ties together."""
        return {frozenset(pair) for names in self.policies.values() for pair in combinations(sorted(names), 2)}

    def guess_by_moment(self, here: tuple[str, str], there: tuple[str, str]) -> set[Pair]:
        """Return a guess for each pseudonym of one pair of parties: the one of another that was entered nearest."""
        ours, theirs = self._of(here), self._of(there)
        return {
            frozenset((name, min(theirs, key=lambda other: abs(self.entered_ms[other] - self.entered_ms[name]))))
            for name in ours
        }

    def _of(self, parties: tuple[str, str]) -> list[str]:
        return sorted(name for name, found in self.parties.items() if found == parties)


def _list_successes(disk: Disk) -> Iterator[tuple[Transaction, int]]:
    for height in sorted(disk.blocks):
        block, _ = disk.blocks[height]
        transactions = [item for submission in block.submissions for item in submission.transactions]
        for transaction, receipt in zip(transactions, disk.receipts[height], strict=True):
            if receipt.ok:
                yield transaction, block.header.time_ms
