"""The votes of one height, weighed by power.

Per round and type: who voted for what. When a vote makes a threshold hold for the first time, `VoteKeeper.add` returns
it, and never again:

    PrecommitValue(v)   more than 2/3 precommitted v
    SkipRound(r)        more than 1/3 voted, in either type, in a round later than ours
    PolkaValue(v)       more than 2/3 prevoted v
    PolkaNil            more than 2/3 prevoted nil
    PolkaAny            more than 2/3 prevoted
    PrecommitAny        more than 2/3 precommitted

They come in this order; only `PrecommitValue` outranks `SkipRound`. What was emitted stays on record per round, so
that the driver can look again when its step has changed.

A second, different vote of one validator in one round and type is evidence and is not counted. So a validator that
tells each of us something else could leave us with different polkas for ever; a polka therefore also travels as a
certificate, all of its votes at once (`certify`), which holds whatever the tally has counted before. A vote of a
stranger is dropped. Signatures are checked before votes come here.

What a validator can make grow is bounded: it has at most `FUTURE_ROUNDS_MAX` rounds beyond ours, and an older one of
them makes place for a newer, so that a validator that was cut off for long still learns where the others are.
"""

from ledger.blocks import PRECOMMIT, PREVOTE, DuplicateVote, Vote
from ledger.codec import Struct
from ledger.consensus.evidence import pair_votes
from ledger.limits import FUTURE_ROUNDS_MAX
from ledger.membership import ValidatorSet


class PrecommitValue(Struct):
    """More than 2/3 precommitted this value in this round."""

    round: int
    value: bytes


class SkipRound(Struct):
    """More than 1/3 voted in this later round."""

    round: int


class PolkaValue(Struct):
    """More than 2/3 prevoted this value in this round."""

    round: int
    value: bytes


class PolkaNil(Struct):
    """More than 2/3 prevoted nil in this round."""

    round: int


class PolkaAny(Struct):
    """More than 2/3 prevoted in this round."""

    round: int


class PrecommitAny(Struct):
    """More than 2/3 precommitted in this round."""

    round: int


Threshold = PrecommitValue | SkipRound | PolkaValue | PolkaNil | PolkaAny | PrecommitAny


class Tallied(Struct):
    """What became of one vote."""

    counted: bool
    """False for a stranger's, a repeated or a conflicting vote."""
    thresholds: tuple[Threshold, ...] = ()
    """Those that hold now and were not emitted before, highest first."""
    evidence: DuplicateVote | None = None


class VoteKeeper:
    """All counted votes of one height."""

    def __init__(self, height: int, validators: ValidatorSet) -> None:
        """Start without votes.

        Args:
            height: The one height whose votes are kept.
            validators: Who may vote at it.
        """
        self.height = height
        self.validators = validators
        self._votes: dict[tuple[int, int], dict[str, Vote]] = {}
        self._emitted: dict[int, list[Threshold]] = {}
        self._certificates: dict[int, tuple[Vote, ...]] = {}

    def add(self, vote: Vote, current_round: int) -> Tallied:
        """Count one verified vote of this height.

        Args:
            vote: Its signature has been checked.
            current_round: The round we are in: votes of later ones may let us skip.
        """
        assert vote.height == self.height, "a keeper counts the votes of its height only"
        if self.validators.get(vote.validator) is None:
            return Tallied(counted=False)
        known = self.get(vote.round, vote.type, vote.validator)
        if known is not None:
            same = known.block_hash == vote.block_hash
            return Tallied(counted=False, evidence=None if same else pair_votes(known, vote))
        if not self.has_place(vote, current_round):
            return Tallied(counted=False)
        self._make_place(vote, current_round)
        self._votes.setdefault((vote.round, vote.type), {})[vote.validator] = vote
        emitted = self.emitted(vote.round)
        new = tuple(threshold for threshold in self._hold(vote, current_round) if threshold not in emitted)
        if new:
            self._emitted[vote.round] = [*emitted, *new]
        return Tallied(counted=True, thresholds=new)

    def certify(self, votes: tuple[Vote, ...]) -> bool:
        """Take a polka as a whole; returns whether it was not known before.

        Args:
            votes: Verified prevotes of different validators of this height, one round, one value, with a quorum.
        """
        round_, value = votes[0].round, votes[0].block_hash
        assert value is not None, "nil needs no certificate"
        emitted = self._emitted.setdefault(round_, [])
        if PolkaValue(round_, value) in emitted:
            return False
        emitted.append(PolkaValue(round_, value))
        self._certificates[round_] = votes
        return True

    def polka(self, round_: int) -> tuple[Vote, ...]:
        """Return the votes of a round's polka for a value, by validator; none if there is no such polka."""
        if round_ in self._certificates:
            return self._certificates[round_]
        values = [item.value for item in self.emitted(round_) if isinstance(item, PolkaValue)]
        return self.votes_for(round_, PREVOTE, values[0]) if values else ()

    def has_place(self, vote: Vote, current_round: int) -> bool:
        """Whether a vote's round is ours, earlier, or among the newest of this validator's rounds beyond ours."""
        if vote.round <= current_round:
            return True
        rounds = self._rounds_beyond(vote.validator, current_round)
        return vote.round in rounds or len(rounds) < FUTURE_ROUNDS_MAX or vote.round > min(rounds)

    def get(self, round_: int, vote_type: int, validator: str) -> Vote | None:
        """Return the counted vote of one validator, or None."""
        return self._votes.get((round_, vote_type), {}).get(validator)

    def votes(self, round_: int, vote_type: int) -> tuple[Vote, ...]:
        """Return the counted votes of one round and type, by validator."""
        votes = self._votes.get((round_, vote_type), {})
        return tuple(votes[name] for name in sorted(votes))

    def votes_for(self, round_: int, vote_type: int, value: bytes | None) -> tuple[Vote, ...]:
        """Return the counted votes of one round and type for one value, by validator."""
        return tuple(vote for vote in self.votes(round_, vote_type) if vote.block_hash == value)

    def of_round(self, round_: int) -> tuple[Vote, ...]:
        """Return all counted votes of a round: what a peer may lack."""
        return (*self.votes(round_, PREVOTE), *self.votes(round_, PRECOMMIT))

    def emitted(self, round_: int) -> tuple[Threshold, ...]:
        """Return the thresholds of one round that were emitted so far."""
        return tuple(self._emitted.get(round_, ()))

    def rounds(self) -> tuple[int, ...]:
        """Return the rounds that have a counted vote, ascending."""
        return tuple(sorted({round_ for (round_, _), votes in self._votes.items() if votes}))

    def voters_power(self, round_: int) -> int:
        """Return the power of all who voted in a round, in either type."""
        names = {*self._votes.get((round_, PREVOTE), ()), *self._votes.get((round_, PRECOMMIT), ())}
        return sum(self.validators.power(name) for name in names)

    def _hold(self, vote: Vote, current_round: int) -> list[Threshold]:
        """List the thresholds that hold with this vote, highest first."""
        round_, value = vote.round, vote.block_hash
        of_type = self._votes[(round_, vote.type)]
        power_any = sum(self.validators.power(name) for name in of_type)
        power_value = sum(self.validators.power(name) for name, other in of_type.items() if other.block_hash == value)
        any_holds = self.validators.is_quorum(power_any)
        value_holds = self.validators.is_quorum(power_value)
        hold: list[Threshold] = []
        if vote.type == PRECOMMIT and value_holds and value is not None:
            hold.append(PrecommitValue(round_, value))
        if round_ > current_round and self.validators.is_skip(self.voters_power(round_)):
            hold.append(SkipRound(round_))
        if vote.type == PREVOTE and value_holds:
            hold.append(PolkaNil(round_) if value is None else PolkaValue(round_, value))
        if any_holds:
            hold.append(PolkaAny(round_) if vote.type == PREVOTE else PrecommitAny(round_))
        return hold

    def _make_place(self, vote: Vote, current_round: int) -> None:
        """Let a validator's oldest round beyond ours go if this vote's is one too many."""
        rounds = self._rounds_beyond(vote.validator, current_round) | {vote.round}
        if len(rounds) > FUTURE_ROUNDS_MAX:
            for place in ((min(rounds), PREVOTE), (min(rounds), PRECOMMIT)):
                votes = self._votes.get(place, {})
                votes.pop(vote.validator, None)
                if not votes:
                    self._votes.pop(place, None)

    def _rounds_beyond(self, validator: str, current_round: int) -> set[int]:
        return {round_ for (round_, _), votes in self._votes.items() if round_ > current_round and validator in votes}
