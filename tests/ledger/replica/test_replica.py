"""One replica and what is thrown at it: the order of its effects, and the bounds of a peer's power.

At height 1 of the four, `b` proposes in round 0, `c` in round 1, `d` in round 2.
"""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from ledger.application import Application, BlockInputs, ExecutedBlock
from ledger.blocks import PRECOMMIT, PREVOTE, Proposal, Vote, make_commit, proposal_sign_bytes, vote_sign_bytes
from ledger.codec import decode, encode
from ledger.consensus.driver import Timeout
from ledger.consensus.evidence import pair_votes
from ledger.consensus.round import Step
from ledger.crypto.signatures import sign_proposal, sign_vote
from ledger.errors import DecodeError
from ledger.execution.loader import ContractLoadError, ContractSet, MissingContractError
from ledger.genesis import ContractPin
from ledger.limits import (
    ANSWER_STATUS_EVERY_MS,
    CANDIDATE_BLOCKS_MAX,
    CATCH_UP_BLOCKS_MAX,
    CLOCK_SKEW_MS_MAX,
    FUTURE_MESSAGES_MAX,
)
from ledger.replica import Replica
from ledger.replica.candidates import Candidates
from ledger.replica.log import LogEntry, ProposalEntry
from ledger.replica.messages import (
    CommittedBlock,
    EvidenceMessage,
    Message,
    PolkaMessage,
    ProposalMessage,
    StatusMessage,
    SubmissionMessage,
    VoteMessage,
    decode_message,
)
from ledger.replica.ports import (
    AppendLog,
    Broadcast,
    CommitBlock,
    Effect,
    Halt,
    LogReplayed,
    MessageReceived,
    Report,
    ResetLog,
    SaveSignerState,
    Send,
    SendBlocks,
    Started,
    SubmissionAccepted,
    SubmissionReceived,
    SubmissionRefused,
    Tick,
    TimeoutElapsed,
)
from ledger.replica.signer import NOTHING_SIGNED, SigningKey
from ledger.transactions import Submission
from nodes.simulator.disk import Disk
from tests.ledger.replica.consortium import (
    CHAIN_ID,
    KEYS,
    NAMES,
    TIME_MS,
    contracts,
    make_genesis,
    submission,
)

NOW_MS = TIME_MS + 5_000
GENESIS = make_genesis()


def application() -> Application:
    """Return an application before block 1, on a store that holds the genesis."""
    disk = Disk()
    found = Application(GENESIS, contracts(), disk)
    disk.write(found.genesis_writes())
    return Application(GENESIS, contracts(), disk)


def started(name: str = "a") -> Replica:
    replica = Replica(application(), name, SigningKey(KEYS[name], NOTHING_SIGNED))
    replica.step(LogReplayed(()))
    replica.step(Started(NOW_MS))
    return replica


def executed(*submissions: Submission, proposer: str = "b", time_ms: int = NOW_MS) -> ExecutedBlock:
    """Return block 1 as an honest proposer makes it."""
    return application().execute(BlockInputs(1, time_ms, proposer, submissions or (submission(1),), ()))


def proposed(block: ExecutedBlock, round_: int = 0, name: str = "b", pol_round: int = -1) -> ProposalMessage:
    block_hash = block.block.header.hash
    signature = sign_proposal(KEYS[name], proposal_sign_bytes(CHAIN_ID, 1, round_, pol_round, block_hash))
    return ProposalMessage(Proposal(1, round_, pol_round, block_hash, name, signature), block.block, block.roots)


def vote(type_: int, block_hash: bytes | None, name: str, round_: int = 0, height: int = 1) -> Vote:
    signature = sign_vote(KEYS[name], vote_sign_bytes(CHAIN_ID, type_, height, round_, block_hash))
    return Vote(type_, height, round_, block_hash, name, signature)  # type: ignore[arg-type]


def give(replica: Replica, *messages: Message, peer: str = "b", now_ms: int = NOW_MS) -> list[Effect]:
    return [effect for message in messages for effect in replica.step(MessageReceived(peer, message, now_ms))]


def votes(type_: int, block_hash: bytes | None, names: str, round_: int = 0) -> list[VoteMessage]:
    return [VoteMessage(vote(type_, block_hash, name, round_)) for name in names]


def own_votes(effects: Iterable[Effect], name: str = "a") -> list[tuple[int, bytes | None]]:
    return [
        (effect.message.vote.type, effect.message.vote.block_hash)
        for effect in effects
        if isinstance(effect, Broadcast)
        and isinstance(effect.message, VoteMessage)
        and effect.message.vote.validator == name
    ]


def kinds(effects: Iterable[Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects if not isinstance(effect, Report)]


def reports(effects: Iterable[Effect], kind: str) -> list[dict[str, str | int]]:
    return [dict(effect.fields) for effect in effects if isinstance(effect, Report) and effect.kind == kind]


def test_inputs_are_logged_and_signatures_saved_before_a_vote_is_sent() -> None:
    replica = started()
    effects = give(replica, proposed(executed()))
    assert kinds(effects) == [
        "AppendLog",  # the proposal
        "AppendLog",  # round 0 began
        "ScheduleTimeout",
        "SaveSignerState",
        "AppendLog",  # our own vote
        "Broadcast",
    ]
    assert own_votes(effects) == [(PREVOTE, executed().block.header.hash)]


def test_a_decision_is_stored_before_the_log_is_reset_and_ends_the_step() -> None:
    replica = started()
    value = executed().block.header.hash
    effects = give(replica, proposed(executed()), *votes(PREVOTE, value, "bc"), *votes(PRECOMMIT, value, "bc"))
    assert own_votes(effects) == [(PREVOTE, value), (PRECOMMIT, value)]
    assert kinds(effects)[-3:] == ["CommitBlock", "ResetLog", "ScheduleTimeout"]
    (commit,) = (effect.commit for effect in effects if isinstance(effect, CommitBlock))
    assert [entry.validator for entry in commit.signatures] == ["a", "b", "c"]
    assert ResetLog(2) in effects
    assert replica.application.height == 1


def test_a_proposer_logs_its_block_and_its_proposal_before_it_is_sent() -> None:
    replica = started("b")
    effects = replica.step(SubmissionReceived(submission(1), NOW_MS))
    sent = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    assert [type(message) for message in sent] == [SubmissionMessage, ProposalMessage, VoteMessage]
    place = kinds(effects).index("SaveSignerState")
    assert kinds(effects)[place - 1 : place + 3] == ["AppendLog", "SaveSignerState", "AppendLog", "Broadcast"]
    assert SubmissionAccepted(submission(1).id) in effects


@pytest.mark.parametrize("kept", range(12))
def test_a_log_cut_anywhere_replays_to_the_same_votes_and_no_second_one(kept: int) -> None:
    value = executed().block.header.hash
    inputs: list[Message] = [proposed(executed()), *votes(PREVOTE, value, "bc"), *votes(PRECOMMIT, None, "bc")]
    first = started()
    effects = give(first, *inputs)
    before = own_votes(effects)
    performed: list[Effect] = []
    for effect in effects:
        if isinstance(effect, AppendLog) and sum(isinstance(item, AppendLog) for item in performed) == kept:
            break
        performed.append(effect)
    log = tuple(effect.entry for effect in performed if isinstance(effect, AppendLog))
    states = [effect.state for effect in performed if isinstance(effect, SaveSignerState)]
    again = Replica(application(), "a", SigningKey(KEYS["a"], states[-1] if states else NOTHING_SIGNED))
    assert not own_votes(again.step(LogReplayed(log)))
    effects = [*again.step(Started(NOW_MS + 1_000)), *give(again, *inputs)]
    assert reports(effects, "signing-refused") == [], "what stands in the log is not signed again"
    after = own_votes(effects)
    sent = own_votes(performed)
    assert dict([*sent, *after]) == dict(before), "what was sent and what is sent now are the same votes"
    assert len(set(sent + after)) == len(before)
    assert again.status().signing == "yes"


def test_the_wrong_state_is_not_signed_over_when_the_log_is_gone() -> None:
    first = started()
    effects = give(first, proposed(executed()))
    (state,) = (effect.state for effect in effects if isinstance(effect, SaveSignerState))
    again = Replica(application(), "a", SigningKey(KEYS["a"], state))
    again.step(LogReplayed(()))
    effects = again.step(Started(NOW_MS))
    assert "may have voted" in str(reports(effects, "abstain")[0]["why"])
    value = executed(submission(2)).block.header.hash
    effects = give(again, proposed(executed(submission(2)), 1, "c"), *votes(PREVOTE, value, "bcd", 1))
    assert own_votes(effects) == []


def test_an_invalid_block_gets_nil_and_a_report() -> None:
    honest = executed()
    header = replace(honest.block.header, receipts_root=bytes(32))
    wrong = replace(proposed(honest).proposal, block_hash=header.hash)
    wrong = replace(wrong, signature=sign_proposal(KEYS["b"], wrong.sign_bytes(CHAIN_ID)))
    replica = started()
    replica.step(SubmissionReceived(submission(1), NOW_MS))
    effects = give(replica, ProposalMessage(wrong, replace(honest.block, header=header), honest.roots))
    assert own_votes(effects) == [(PREVOTE, None)]
    assert "receipts_root" in str(reports(effects, "block-refused")[0]["why"])


@pytest.mark.parametrize("offset_ms", [-CLOCK_SKEW_MS_MAX - 1, CLOCK_SKEW_MS_MAX + 1])
def test_a_first_proposal_far_from_our_clock_gets_nil_and_can_still_be_decided(offset_ms: int) -> None:
    replica = started()
    replica.step(SubmissionReceived(submission(1), NOW_MS))
    value = executed().block.header.hash
    effects = give(replica, proposed(executed()), now_ms=NOW_MS - offset_ms)
    assert own_votes(effects) == [(PREVOTE, None)]
    assert len(reports(effects, "untimely")) == 1
    effects = give(replica, *votes(PREVOTE, value, "bcd"), *votes(PRECOMMIT, value, "bc"))
    assert own_votes(effects) == [(PRECOMMIT, value)]
    assert replica.application.height == 1


def test_the_clock_that_judges_a_proposal_is_the_logged_one_also_at_a_replay() -> None:
    first = started()
    entries = [effect.entry for effect in give(first, proposed(executed())) if isinstance(effect, AppendLog)]
    again = Replica(application(), "a", SigningKey(KEYS["a"], NOTHING_SIGNED))
    again.step(LogReplayed(tuple(entries[:2])))
    effects = again.step(Started(NOW_MS + 10 * CLOCK_SKEW_MS_MAX))
    assert own_votes(effects) == [(PREVOTE, executed().block.header.hash)]


def test_a_proposal_of_somebody_elses_turn_is_dropped() -> None:
    replica = started()
    assert give(replica, proposed(executed(proposer="c"), name="c")) == []


def test_a_first_proposal_of_anothers_block_gets_nil() -> None:
    replica = started()
    replica.step(SubmissionReceived(submission(1), NOW_MS))
    effects = give(replica, proposed(executed(proposer="d")))
    assert own_votes(effects) == [(PREVOTE, None)]


def test_an_idle_block_does_not_begin_a_height_and_gets_no_vote_in_round_0() -> None:
    idle = application().execute(BlockInputs(1, NOW_MS, "b", (), ()))
    replica = started()
    effects = give(replica, proposed(idle))
    assert own_votes(effects) == []
    status = replica.status()
    assert (status.step, status.missing, status.power_lacking) == ("unstarted", (), 0), "nobody is waited for"


def test_a_relay_that_changes_a_body_harms_neither_the_proposal_nor_its_author() -> None:
    replica = started()
    honest = proposed(executed())
    forged = replace(honest, block=replace(honest.block, submissions=(submission(2),)))
    effects = give(replica, forged, peer="d")
    assert "transactions_root" in str(reports(effects, "refused")[0]["why"])
    assert own_votes(give(replica, honest)) == [(PREVOTE, honest.proposal.block_hash)]


def test_forged_votes_and_proposals_are_refused_and_not_logged() -> None:
    replica = started()
    value = executed().block.header.hash
    forged_vote = replace(vote(PREVOTE, value, "b"), validator="c")
    forged_proposal = proposed(executed(), name="d")
    forged_proposal = replace(forged_proposal, proposal=replace(forged_proposal.proposal, proposer="b"))
    effects = give(replica, VoteMessage(forged_vote), forged_proposal)
    assert kinds(effects) == []
    assert len(reports(effects, "refused")) == 2


def test_a_precommit_is_worth_nothing_as_a_prevote_or_in_another_round() -> None:
    replica = started()
    value = executed().block.header.hash
    honest = vote(PRECOMMIT, value, "b")
    for forged in (replace(honest, type=PREVOTE), replace(honest, round=1), replace(honest, block_hash=None)):
        assert len(reports(give(replica, VoteMessage(forged)), "refused")) == 1


def test_what_a_peer_repeats_does_not_make_the_log_grow() -> None:
    replica = started()
    value = executed().block.header.hash
    messages: list[Message] = [proposed(executed()), *votes(PREVOTE, value, "b")]
    give(replica, *messages)
    assert give(replica, *messages, *messages) == []
    conflicting = [VoteMessage(vote(PREVOTE, bytes([number]) * 32, "b")) for number in range(5)]
    assert "AppendLog" not in kinds(give(replica, *conflicting))
    ahead = [VoteMessage(vote(PREVOTE, None, "b", round_)) for round_ in (7, 8, 9)]
    assert kinds(give(replica, *ahead)) == ["AppendLog"] * 3
    assert give(replica, *ahead[:1] * 5) == []


def test_messages_of_the_next_height_are_kept_within_bounds_and_used_there() -> None:
    replica = started()
    value = executed().block.header.hash
    early = [VoteMessage(vote(PREVOTE, None, "d", round_, height=2)) for round_ in range(FUTURE_MESSAGES_MAX + 10)]
    assert give(replica, *early, peer="d") == []
    assert len(replica._peers.release()) == FUTURE_MESSAGES_MAX
    give(replica, *(VoteMessage(vote(PREVOTE, None, name, 0, height=2)) for name in "cd"))
    far = VoteMessage(vote(PREVOTE, None, "d", 0, height=3))
    assert give(replica, far) == []
    give(replica, proposed(executed()), *votes(PREVOTE, value, "bc"), *votes(PRECOMMIT, value, "bc"))
    replica.step(TimeoutElapsed(Timeout(2, 0, Step.UNSTARTED), NOW_MS))
    assert replica.status().height == 2
    assert replica.status().prevoted == ("c", "d")


def test_stale_and_invented_timeouts_do_nothing() -> None:
    replica = started()
    for timeout in (Timeout(1, 0, Step.PROPOSE), Timeout(1, 5, Step.PRECOMMIT), Timeout(9, 0, Step.PREVOTE)):
        assert replica.step(TimeoutElapsed(timeout, NOW_MS)) == []


def test_a_peer_behind_is_sent_blocks_and_never_more_than_there_are() -> None:
    replica = started()
    value = executed().block.header.hash
    give(replica, proposed(executed()), *votes(PREVOTE, value, "bc"), *votes(PRECOMMIT, value, "bc"))
    assert give(replica, StatusMessage(1, 0, Step.UNSTARTED, has_proposal=False)) == [SendBlocks("b", 1, 1)]
    for height in (0, 2, 3, 10**9):
        effects = give(replica, StatusMessage(height, 0, Step.UNSTARTED, has_proposal=True))
        assert not any(isinstance(effect, SendBlocks) for effect in effects)


def test_a_peer_without_the_proposal_is_sent_it() -> None:
    replica = started()
    give(replica, proposed(executed()))
    effects = give(replica, StatusMessage(1, 0, Step.PROPOSE, has_proposal=False), peer="d")
    assert effects == [Send("d", proposed(executed()))]


def committed(block: ExecutedBlock) -> CommittedBlock:
    precommits = tuple(vote(PRECOMMIT, block.block.header.hash, name) for name in "bcd")
    return CommittedBlock(block.block, make_commit(precommits, GENESIS.validators))


def test_a_committed_block_is_taken_on_the_strength_of_its_certificate() -> None:
    replica = started()
    assert kinds(give(replica, committed(executed())))[:2] == ["CommitBlock", "ResetLog"]
    assert give(replica, committed(executed())) == []


def test_a_committed_block_with_another_body_or_too_few_signatures_is_refused_and_halts_nobody() -> None:
    replica = started()
    honest = committed(executed())
    changed = replace(honest, block=replace(honest.block, submissions=()))
    few = replace(honest, commit=replace(honest.commit, signatures=honest.commit.signatures[:2]))
    effects = give(replica, changed, few)
    assert len(reports(effects, "refused")) == 2
    assert not any(isinstance(effect, Halt | CommitBlock) for effect in effects)


def test_a_committed_block_that_is_invalid_here_halts() -> None:
    honest = executed()
    header = replace(honest.block.header, state_root=bytes(32))
    wrong = replace(honest.block, header=header)
    precommits = tuple(vote(PRECOMMIT, header.hash, name) for name in "bcd")
    replica = started()
    effects = give(replica, CommittedBlock(wrong, make_commit(precommits, GENESIS.validators)))
    (halt,) = (effect for effect in effects if isinstance(effect, Halt))
    assert "state_root" in halt.reason
    assert replica.status().halted == halt.reason
    assert replica.step(Tick(NOW_MS)) == []


def test_a_refused_submission_says_why_and_is_not_passed_on() -> None:
    replica = started()
    forged = replace(submission(1), signature=bytes(64))
    (refused,) = replica.step(SubmissionReceived(forged, NOW_MS))
    assert isinstance(refused, SubmissionRefused)
    assert refused.code == "INVALID_SIGNATURE"
    assert give(replica, SubmissionMessage(forged)) == []


def test_evidence_of_a_peer_is_checked_kept_passed_on_once_and_begins_a_height() -> None:
    replica = started()
    pair = pair_votes(vote(PREVOTE, None, "c"), vote(PREVOTE, bytes(32), "c"))
    forged = replace(pair, second=replace(pair.second, signature=bytes(64)))
    assert len(reports(give(replica, EvidenceMessage(forged)), "refused")) == 1
    future = pair_votes(vote(PREVOTE, None, "c", height=9), vote(PREVOTE, bytes(32), "c", height=9))
    assert len(reports(give(replica, EvidenceMessage(future)), "refused")) == 1
    effects = give(replica, EvidenceMessage(pair))
    assert Broadcast(EvidenceMessage(pair)) in effects
    assert replica.status().step == "propose"
    assert give(replica, EvidenceMessage(pair)) == []


def on_record(*names: str) -> Replica:
    """Return `a` after block 1, which includes evidence against these."""
    replica = started()
    pairs = tuple(pair_votes(vote(PREVOTE, None, name), vote(PREVOTE, bytes(32), name)) for name in names)
    block = application().execute(BlockInputs(1, NOW_MS, "b", (), pairs))
    precommits = tuple(item.vote for item in votes(PRECOMMIT, block.block.header.hash, "bcd"))
    give(replica, CommittedBlock(block.block, make_commit(precommits, GENESIS.validators)))
    give(replica, StatusMessage(2, 0, Step.UNSTARTED, has_proposal=True))
    return replica


def repeated(name: str, height: int = 2) -> EvidenceMessage:
    first, second = vote(PREVOTE, None, name, height=height), vote(PREVOTE, bytes(32), name, height=height)
    return EvidenceMessage(pair_votes(first, second))


def test_evidence_against_a_validator_on_record_is_kept_but_begins_no_height_and_is_not_told_on_and_on() -> None:
    replica = on_record("c")
    assert Broadcast(repeated("c")) in give(replica, repeated("c"))
    assert replica.status().pending_evidence == 1
    assert replica.status().step == "unstarted"
    assert Broadcast(repeated("c")) not in replica.step(Tick(NOW_MS + 500))
    assert Broadcast(repeated("d")) in give(replica, repeated("d"))
    assert replica.status().step == "propose", "the first offence of another one is a reason"
    assert Broadcast(repeated("c")) in replica.step(Tick(NOW_MS + 1_000))


def test_a_record_lapses_when_evidence_of_its_age_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = on_record("c")
    assert replica.application.is_on_record("c")
    assert not replica.application.is_on_record("d")
    monkeypatch.setattr("ledger.application.EVIDENCE_AGE_HEIGHTS_MAX", 0)
    assert not replica.application.is_on_record("c")


def test_a_block_whose_only_content_is_evidence_against_a_validator_on_record_is_idle() -> None:
    pair = repeated("c").evidence
    news = repeated("d").evidence
    for evidence, is_idle in (((pair,), True), ((pair, news), False)):
        replica = on_record("c")
        block = replica.application.execute(BlockInputs(2, NOW_MS + 1, "c", (), evidence))
        assert Candidates(replica.application).is_idle(block.block) is is_idle


def test_evidence_against_a_validator_on_record_rides_along_in_a_block_made_for_a_submission() -> None:
    replica = on_record("d")
    give(replica, repeated("d"))
    block = Candidates(replica.application).make("a", NOW_MS + 1, replica.mempool, replica._evidence.pending())
    assert block.evidence == (repeated("d").evidence,)


def test_evidence_that_one_validator_makes_against_itself_on_and_on_keeps_nobody_elses_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ledger.replica.evidence_pool.EVIDENCE_PENDING_MAX", 2)
    replica = started()
    give(replica, committed(executed()), StatusMessage(2, 0, Step.UNSTARTED, has_proposal=True))
    give(replica, repeated("c", 1), repeated("c", 2))
    assert Broadcast(repeated("d")) in give(replica, repeated("d"))
    kept = (repeated("c", 1).evidence, repeated("d").evidence)
    assert replica._evidence.pending() == kept
    assert give(replica, repeated("c", 2)) == []
    assert replica._evidence.pending() == kept


def test_the_first_offence_of_a_validator_goes_into_a_block_before_what_may_ride_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ledger.replica.evidence_pool.BLOCK_EVIDENCE_MAX", 1)
    replica = on_record("c")
    give(replica, repeated("c"), repeated("d"))
    assert replica._evidence.pending() == (repeated("d").evidence,)
    assert replica.status().step == "propose"


def test_a_block_with_false_or_repeated_evidence_gets_nil() -> None:
    pair = pair_votes(vote(PREVOTE, None, "c"), vote(PREVOTE, bytes(32), "c"))
    forged = replace(pair, second=replace(pair.second, signature=bytes(64)))
    for evidence, words in (((forged,), "does not verify"), ((pair, pair), "each offence once")):
        block = application().execute(BlockInputs(1, NOW_MS, "b", (submission(1),), evidence))
        replica = started()
        replica.step(SubmissionReceived(submission(1), NOW_MS))
        effects = give(replica, proposed(block))
        assert own_votes(effects) == [(PREVOTE, None)]
        assert words in str(reports(effects, "block-refused")[0]["why"])
    honest = application().execute(BlockInputs(1, NOW_MS, "b", (), (pair,)))
    assert own_votes(give(started(), proposed(honest))) == [(PREVOTE, honest.block.header.hash)]


def test_trap_timeouts_of_the_old_round_are_cleared_when_a_higher_one_is_skipped_to() -> None:
    replica = started()
    give(replica, proposed(executed()))
    give(replica, *votes(PREVOTE, None, "bc", 2))
    assert replica.step(TimeoutElapsed(Timeout(1, 0, Step.PROPOSE), NOW_MS)) == []
    assert list(replica._current.timeouts) == [Timeout(1, 2, Step.PROPOSE)]
    assert replica.status().next_timeout == "propose"


def test_a_replica_that_is_far_behind_asks_for_more_once_per_batch() -> None:
    replica = started()
    give(replica, StatusMessage(100, 0, Step.UNSTARTED, has_proposal=True))
    source = application()
    asked: list[int] = []
    for height in range(1, 2 * CATCH_UP_BLOCKS_MAX + 1):
        block = source.execute(BlockInputs(height, NOW_MS + height, "b", (submission(height),), ()))
        source.commit(block)
        message = vote_sign_bytes(CHAIN_ID, PRECOMMIT, height, 0, block.block.header.hash)
        precommits = tuple(
            Vote(PRECOMMIT, height, 0, block.block.header.hash, name, sign_vote(KEYS[name], message)) for name in "bcd"
        )
        effects = give(replica, CommittedBlock(block.block, make_commit(precommits, GENESIS.validators)))
        asked.extend(
            effect.message.height
            for effect in effects
            if isinstance(effect, Send) and isinstance(effect.message, StatusMessage)
        )
    assert asked == [2, CATCH_UP_BLOCKS_MAX + 2]


def test_many_failed_rounds_keep_few_blocks_and_the_locked_one_among_them() -> None:
    replica = started()
    value = executed().block.header.hash
    give(replica, proposed(executed()), *votes(PREVOTE, value, "bc"))
    for round_ in range(1, 3 * CANDIDATE_BLOCKS_MAX):
        give(replica, *votes(PREVOTE, None, "bcd", round_))
        name = NAMES[(1 + round_) % 4]
        if name != "a":
            give(replica, proposed(executed(proposer=name, time_ms=NOW_MS + round_), round_, name))
    locked = replica._current.driver.state.locked
    assert locked is not None
    assert locked.value == value
    assert replica._current.candidates.block(value) is not None
    assert len(replica._current.candidates) <= CANDIDATE_BLOCKS_MAX + 1


def test_a_false_polka_is_refused() -> None:
    replica = started()
    value = executed().block.header.hash
    polka = tuple(vote(PREVOTE, value, name) for name in "bcd")
    unsorted = PolkaMessage((polka[1], polka[0], polka[2]))
    repeated = PolkaMessage((polka[0], polka[0], polka[0]))
    precommits = PolkaMessage(tuple(vote(PRECOMMIT, value, name) for name in "bcd"))
    mixed = PolkaMessage((*polka[:2], vote(PREVOTE, None, "d")))
    forged = PolkaMessage((*polka[:2], replace(polka[2], signature=bytes(64))))
    for message in (unsorted, repeated, precommits, mixed, forged, PolkaMessage(polka[:2])):
        assert len(reports(give(replica, message), "refused")) == 1
    assert replica._current.driver.votes.polka(0) == ()
    give(replica, PolkaMessage(polka))
    assert replica._current.driver.votes.polka(0) == polka


def test_votes_are_sent_again_only_while_nothing_moves() -> None:
    replica = started()
    give(replica, proposed(executed()))
    assert own_votes(replica.step(Tick(NOW_MS))) == []
    assert own_votes(replica.step(Tick(NOW_MS + 500))) == [(PREVOTE, executed().block.header.hash)]


def test_every_message_survives_its_encoding_and_garbage_is_a_decode_error() -> None:
    value = executed().block.header.hash
    messages: list[Message] = [
        proposed(executed()),
        *votes(PREVOTE, value, "b"),
        PolkaMessage(tuple(vote(PREVOTE, value, name) for name in NAMES)),
        SubmissionMessage(submission(1)),
        EvidenceMessage(pair_votes(vote(PREVOTE, None, "c"), vote(PREVOTE, value, "c"))),
        StatusMessage(1, 0, Step.PREVOTE, has_proposal=True),
        committed(executed()),
    ]
    for message in messages:
        assert decode_message(encode(message)) == message
    for data in (b"", b"\x90", b"\x92\xa4vote", encode(messages[1])[:-1]):
        with pytest.raises(DecodeError):
            decode_message(data)


def test_a_log_entry_survives_its_encoding() -> None:
    value = executed().block.header.hash
    effects = give(started(), proposed(executed()), *votes(PREVOTE, value, "bc"))
    entries = [effect.entry for effect in effects if isinstance(effect, AppendLog)]
    assert all(decode(encode(entry), type(entry)) == entry for entry in entries)


def test_a_validator_that_lost_its_log_abstains_at_that_height_in_every_later_life_too() -> None:
    """What an abstaining life would have cast must not pass for the vote that was signed: the locks are gone."""
    value = executed().block.header.hash
    first = started()
    effects = give(first, proposed(executed()), *votes(PREVOTE, value, "bc"))
    assert own_votes(effects)[-1] == (PRECOMMIT, value), "locked in round 0"
    give(first, *votes(PREVOTE, None, "bc", 1))
    effects = first.step(TimeoutElapsed(Timeout(1, 1, Step.PROPOSE), NOW_MS))
    assert own_votes(effects) == [(PREVOTE, None), (PRECOMMIT, None)]
    state = [effect.state for effect in effects if isinstance(effect, SaveSignerState)][-1]
    log: list[LogEntry] = []
    for _ in range(2):
        again = Replica(application(), "a", SigningKey(KEYS["a"], state))
        again.step(LogReplayed(tuple(log)))
        again.step(Started(NOW_MS))
        assert "may have voted" in again.status().signing
        effects = give(again, *votes(PREVOTE, None, "bcd", 1))
        effects += again.step(TimeoutElapsed(Timeout(1, 1, Step.PROPOSE), NOW_MS))
        log.extend(effect.entry for effect in effects if isinstance(effect, AppendLog))
    other = executed(submission(2), proposer="d").block.header.hash
    effects = give(again, proposed(executed(submission(2), proposer="d"), 2, "d"), *votes(PREVOTE, other, "bcd", 2))
    assert own_votes(effects) == []


def test_nothing_is_signed_before_the_start_has_settled_whether_we_may_vote() -> None:
    effects = give(started(), proposed(executed()))
    (state,) = (effect.state for effect in effects if isinstance(effect, SaveSignerState))
    again = Replica(application(), "a", SigningKey(KEYS["a"], state))
    again.step(LogReplayed(()))
    value = executed(submission(2)).block.header.hash
    assert give(again, proposed(executed(submission(2)), 1, "c"), *votes(PREVOTE, value, "bcd", 1)) == []


def test_a_proposer_without_work_makes_no_block_that_its_log_does_not_know() -> None:
    """Else another could propose that very block, and the log would name it without holding it."""
    replica = started("b")
    give(replica, *votes(PREVOTE, None, "ac"), peer="a")
    assert replica.status().step == "propose"
    for number in range(5):
        give(replica, *votes(PREVOTE, None, "d", number), now_ms=NOW_MS + number)
    assert len(replica._current.candidates) == 0
    idle = application().execute(BlockInputs(1, NOW_MS, "b", (), ()))
    effects = give(replica, *votes(PREVOTE, None, "ac", 1), proposed(idle, 1, "c"))
    entries = tuple(effect.entry for effect in effects if isinstance(effect, AppendLog))
    assert any(isinstance(entry, ProposalEntry) and entry.block == idle.block for entry in entries)


def test_a_proposer_that_equivocates_on_and_on_is_executed_twice_and_is_one_offence() -> None:
    replica = started()
    effects = give(replica, *(proposed(executed(time_ms=NOW_MS + number)) for number in range(6)))
    assert len(replica._current.candidates) == 2
    assert sum(isinstance(effect, Broadcast) and isinstance(effect.message, EvidenceMessage) for effect in effects) == 1
    effects = give(replica, *(VoteMessage(vote(PREVOTE, bytes([number]) * 32, "c")) for number in range(6)))
    assert sum(isinstance(effect, Broadcast) and isinstance(effect.message, EvidenceMessage) for effect in effects) == 1
    assert replica.status().pending_evidence == 2


def test_a_peer_that_asks_on_and_on_is_sent_blocks_once_in_a_while() -> None:
    replica = started()
    value = executed().block.header.hash
    give(replica, proposed(executed()), *votes(PREVOTE, value, "bc"), *votes(PRECOMMIT, value, "bc"))
    behind = StatusMessage(1, 0, Step.UNSTARTED, has_proposal=False)
    effects = give(replica, *[behind] * 50)
    assert [effect for effect in effects if isinstance(effect, SendBlocks)] == [SendBlocks("b", 1, 1)]
    assert SendBlocks("c", 1, 1) in give(replica, behind, peer="c"), "one peer's asking does not silence another's"
    assert SendBlocks("b", 1, 1) in give(replica, behind, now_ms=NOW_MS + ANSWER_STATUS_EVERY_MS)


def test_a_peer_that_says_on_and_on_what_it_lacks_is_sent_it_once_in_a_while() -> None:
    """A few bytes of status are answered by a whole proposal, or by everybody's votes."""
    replica = started()
    give(replica, proposed(executed()))
    lacking = StatusMessage(1, 0, Step.PROPOSE, has_proposal=False)
    assert give(replica, *[lacking] * 50, peer="d") == [Send("d", proposed(executed()))]
    give(replica, *votes(PREVOTE, None, "bcd", 1))
    later_ms = NOW_MS + ANSWER_STATUS_EVERY_MS
    effects = give(replica, *[lacking] * 50, peer="d", now_ms=later_ms)
    assert kinds(effects) == ["Send"], "our vote of round 0, once"
    assert kinds(give(replica, lacking, peer="c", now_ms=later_ms)) == ["Send"]


def test_a_height_whose_code_is_missing_here_stops_the_replica_after_the_block_before_it() -> None:
    replica = started()
    replica.application.code._library = Lacking()
    value = executed().block.header.hash
    effects = give(replica, proposed(executed()), *votes(PREVOTE, value, "bcd"), *votes(PRECOMMIT, value, "bcd"))
    assert replica.application.height == 1
    kept = [type(effect).__name__ for effect in effects]
    assert kept.index("CommitBlock") < kept.index("Halt"), "what is decided is kept"
    assert replica.halted.startswith("height 2: contract counter: code 0101")
    assert replica.step(Tick(NOW_MS + 1_000)) == []


class Lacking:
    """A library that lacks what the next height runs with."""

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        raise MissingContractError("counter", bytes([1]) * 32, pins[0].code_hash)


def test_an_upgrade_whose_code_is_damaged_here_is_reported_until_its_height_and_stops_the_replica_there() -> None:
    replica = started()
    replica.application.code._library = Damaged()
    effects = give(replica, committed(executed()))
    kept = [type(effect).__name__ for effect in effects]
    assert kept.index("CommitBlock") < kept.index("Halt"), "what is decided is kept"
    assert reports(effects, "refused") == [], "the peer that sent the block is not at fault"
    assert replica.halted == f"height 2: contracts/ab: its sources are not those of {contracts().pins()[0].name}"


class Damaged:
    """A library whose copy of what the next height runs with was changed on the disk."""

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        msg = f"contracts/ab: its sources are not those of {pins[0].name}"
        raise ContractLoadError(msg)
