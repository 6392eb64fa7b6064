"""Four replicas under a virtual clock and one seed: safety all the time, liveness once the weather is good again.

Safety is checked inside the simulation (`nodes.simulator.checks`): one block per height, certificates that verify, no
honest double signature. A failure names the seed; the same seed gives the same trace.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger.blocks import DuplicateProposal, DuplicateVote
from ledger.codec import encode
from ledger.consensus.evidence import offence_id, offender
from ledger.limits import CLOCK_SKEW_MS_MAX
from ledger.membership import Validator, ValidatorSet
from ledger.replica.ports import Halt
from nodes.simulator import lies
from nodes.simulator.simulation import Lie, Weather
from tests.ledger.replica.consortium import (
    KEYS,
    NAMES,
    blocks,
    included,
    make_genesis,
    simulate,
    submission,
    submit_message,
)

ROUGH = Weather(delay_max_ms=400, loss=0.15, repeats=0.1)


def test_n4f0_a_submission_is_committed_by_all_within_a_second() -> None:
    simulation = simulate(1)
    simulation.start()
    item = submission(1)
    simulation.submit("b", item)
    assert simulation.run_until(lambda: simulation.heights() == [1] * 4, 1_000)
    assert all(included(simulation, name, item) for name in NAMES)


def test_n4f0_an_idle_chain_makes_no_blocks() -> None:
    simulation = simulate(2)
    simulation.start()
    simulation.run_for(120_000)
    assert simulation.heights() == [0] * 4
    assert all(not node.disk.read_log() for node in simulation.nodes.values())


def test_n4f0_one_seed_gives_one_trace_and_another_seed_another() -> None:
    def run(seed: int) -> str:
        simulation = simulate(seed, ROUGH)
        simulation.start()
        for number in range(3):
            simulation.submit(NAMES[number], submission(number, NAMES[number]))
        simulation.run_for(20_000)
        return simulation.trace_hash

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_n4f0_the_trace_does_not_depend_on_the_order_of_hashes() -> None:
    program = (
        "from tests.ledger.replica.test_simulated import ROUGH, simulate, submission\n"
        "simulation = simulate(3, ROUGH)\n"
        "simulation.start()\n"
        "simulation.submit('a', submission(1))\n"
        "simulation.run_for(10_000)\n"
        "print(simulation.trace_hash)\n"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
    assert len(traces.pop().strip()) == 64


@pytest.mark.parametrize("seed", range(4))
def test_n4f0_lossy_links_keep_agreement_and_everything_is_committed(seed: int) -> None:
    simulation = simulate(seed, Weather(delay_max_ms=400, loss=0.25, repeats=0.1))
    simulation.start()
    items = [submission(number, NAMES[number % 4]) for number in range(6)]
    for number, item in enumerate(items):
        simulation.submit(NAMES[number % 4], item)
        simulation.run_for(700)

    def done() -> bool:
        return all(included(simulation, name, item) for name in NAMES for item in items)

    assert simulation.run_until(done, 240_000)


def test_n4f0_an_alarm_of_a_contract_is_a_reason_for_a_block_without_submissions() -> None:
    simulation = simulate(5)
    simulation.start()
    due_ms = simulation.now_ms + 30_000
    simulation.submit("a", submit_message(1, (due_ms, "k"), "a", "counter", "alarm"))
    simulation.run_for(20_000)
    assert simulation.heights() == [1] * 4
    simulation.run_for(20_000)
    assert simulation.heights() == [2] * 4
    (_, ring) = blocks(simulation, "a")
    assert ring.submissions == ()
    assert ring.header.time_ms >= due_ms


def test_n4f0_a_slow_network_is_met_by_growing_timeouts() -> None:
    simulation = simulate(6, Weather(delay_min_ms=1_500, delay_max_ms=2_500))
    simulation.start()
    simulation.submit("a", submission(1))
    assert simulation.run_until(lambda: simulation.heights() == [1] * 4, 120_000)


def test_n4f0_a_new_validator_votes_two_heights_after_its_election() -> None:
    simulation = simulate(7, extra=("e",))
    simulation.start()
    elected = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in (*NAMES, "e")))
    simulation.submit("a", submit_message(0, (elected.validators,), "a", "membership", "elect"))
    for number in range(1, 9):
        simulation.run_for(2_000)
        simulation.submit("a", submission(number))
    simulation.run_for(2_000)
    assert simulation.heights() == [10] * 5, "one of them is the block that the change waited for"
    sets = [block.header.validators_hash == elected.hash for block in blocks(simulation, "e")]
    assert sets == [False, False] + [True] * 8
    assert blocks(simulation, "a")[1].header.next_validators_hash == elected.hash
    assert "e" in {block.header.proposer for block in blocks(simulation, "a")}


def test_n4f0_an_idle_chain_makes_the_one_block_that_a_change_of_the_set_waits_for_and_no_other() -> None:
    simulation = simulate(7, extra=("e",))
    simulation.start()
    elected = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in (*NAMES, "e")))
    simulation.submit("a", submit_message(0, (elected.validators,), "a", "membership", "elect"))
    simulation.run_for(60_000)
    assert simulation.heights() == [2] * 5
    assert blocks(simulation, "e")[1].submissions == ()
    assert simulation.nodes["e"].replica is not None
    assert simulation.nodes["e"].replica.status().signing == "yes"


def test_n4f1_a_change_of_the_set_while_one_node_is_down_is_caught_up_with() -> None:
    simulation = simulate(23, extra=("e",))
    simulation.start("a", "b", "c", "e")
    smaller = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in ("a", "b", "d", "e")))
    simulation.submit("a", submit_message(0, (smaller.validators,), "a", "membership", "elect"))
    for number in range(1, 5):
        simulation.run_for(6_000)
        simulation.submit("a", submission(number))
    simulation.run_for(6_000)
    assert simulation.heights() == [6, 6, 6, 0, 6], "a, b and e of the new set are its quorum"
    simulation.start("d")
    assert simulation.run_until(lambda: simulation.height("d") == 6, 20_000)
    simulation.crash("c", "b")
    simulation.submit("a", submission(9))
    assert simulation.run_until(lambda: simulation.height("d") == 7, 60_000)


def test_n7f2_two_crashed_validators_of_seven_stop_nothing_and_three_do() -> None:
    seven = tuple("abcdefg")
    simulation = simulate(24, names=seven)
    chain_id = make_genesis(seven).chain_id
    simulation.start(*"abcde")
    simulation.submit("a", submission(1, chain_id=chain_id))
    assert simulation.run_until(lambda: simulation.heights() == [1] * 5 + [0] * 2, 30_000)
    simulation.crash("e")
    simulation.submit("a", submission(2, chain_id=chain_id))
    simulation.run_for(30_000)
    assert max(simulation.heights()) == 1
    simulation.start("e", "f", "g")
    assert simulation.run_until(lambda: simulation.heights() == [2] * 7, 60_000)


def test_n4f1_one_crashed_validator_stops_nothing() -> None:
    for victim in NAMES:
        simulation = simulate(8)
        simulation.start(*(name for name in NAMES if name != victim))
        for number in range(4):
            simulation.submit("a" if victim != "a" else "b", submission(number))
            simulation.run_for(6_000)
        assert sorted(simulation.heights()) == [0, 4, 4, 4]


def test_n4f1_a_late_starter_catches_up_and_then_carries_the_chain() -> None:
    simulation = simulate(9, Weather(loss=0.1))
    simulation.start("a", "b", "c")
    for number in range(40):
        simulation.submit("a", submission(number))
        simulation.run_for(4_000)
    height = simulation.height("a")
    simulation.start("d")
    assert simulation.run_until(lambda: simulation.height("d") >= height, 60_000)
    simulation.crash("a")
    simulation.submit("d", submission(99, "d"))
    assert simulation.run_until(lambda: simulation.height("d") > height, 60_000)
    assert simulation.run_until(lambda: included(simulation, "d", submission(99, "d")), 60_000)


def test_n4f1_a_validator_that_starts_after_a_whole_round_of_votes_still_decides() -> None:
    """The three others hold all their votes, and lack one: everything was sent before the fourth was there."""
    simulation = simulate(10)
    simulation.start("a", "b")
    simulation.submit("a", submission(1))
    simulation.run_for(30_000)
    assert simulation.heights() == [0] * 4
    simulation.start("c")
    assert simulation.run_until(lambda: simulation.heights()[:3] == [1] * 3, 60_000)


@pytest.mark.parametrize("groups", [(("a", "b"), ("c", "d")), (("a",), ("b", "c", "d")), tuple((n,) for n in NAMES)])
def test_n4f0_a_partition_forks_nothing_and_heals(groups: tuple[tuple[str, ...], ...]) -> None:
    simulation = simulate(11)
    simulation.start()
    simulation.split(*groups)
    items = [submission(number, name) for number, name in enumerate(NAMES)]
    for name, item in zip(NAMES, items, strict=True):
        simulation.submit(name, item)
    simulation.run_for(60_000)
    majority = any(len(group) >= 3 for group in groups)
    assert (max(simulation.heights()) > 0) == majority
    simulation.heal()
    done = lambda: all(included(simulation, name, item) for name in NAMES for item in items)  # noqa: E731
    assert simulation.run_until(done, 120_000)


def test_n4f0_a_link_cut_one_way_is_bridged_by_the_others() -> None:
    simulation = simulate(12)
    simulation.start()
    simulation.cut(["a"], ["b", "c"])
    simulation.cut(["c"], ["d"])
    item = submission(1)
    simulation.submit("a", item)
    simulation.run_for(60_000)
    simulation.heal()
    assert simulation.run_until(lambda: all(included(simulation, name, item) for name in NAMES), 60_000)


def test_n4f0_timeouts_are_capped_so_an_hour_long_partition_is_over_within_a_minute() -> None:
    simulation = simulate(13)
    simulation.start()
    simulation.split(("a", "b"), ("c", "d"))
    simulation.submit("a", submission(1))
    simulation.submit("c", submission(2, "c"))
    simulation.run_for(3_600_000)
    simulation.heal()
    assert simulation.run_until(lambda: min(simulation.heights()) >= 1, 60_000)


def test_n4f0_a_height_that_was_begun_for_nothing_ends_with_an_idle_block() -> None:
    simulation = simulate(22)
    simulation.start()
    simulation.split(("a", "b"), ("c", "d"))
    expires_ms = simulation.now_ms + 10_000
    for name in ("a", "c"):
        simulation.submit(name, submit_message(1, ("k", 1), name, "counter", "add", expires_ms))
    simulation.run_for(60_000)
    simulation.heal()
    assert simulation.run_until(lambda: simulation.heights() == [1] * 4, 60_000)
    assert blocks(simulation, "a")[0].submissions == ()
    simulation.run_for(60_000)
    assert simulation.heights() == [1] * 4


@pytest.mark.parametrize("offset_ms", [-300_000, 300_000])
def test_n4f1_a_clock_minutes_off_stops_nobody_and_its_time_enters_no_block(offset_ms: int) -> None:
    simulation = simulate(14)
    simulation.nodes["b"].clock_offset_ms = offset_ms
    simulation.start()
    begun_ms = []
    for number in range(8):
        begun_ms.append(simulation.now_ms)
        simulation.submit("a", submission(number))
        simulation.run_for(15_000)
    assert simulation.heights() == [8] * 4
    times = [block.header.time_ms for block in blocks(simulation, "a")]
    assert all(abs(time_ms - at_ms) < CLOCK_SKEW_MS_MAX for time_ms, at_ms in zip(times, begun_ms, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_n4f1_crashes_between_any_two_effects_never_sign_twice_and_everything_is_committed(seed: int) -> None:
    weather = Weather(delay_max_ms=150, loss=0.05, repeats=0.05, crashes=0.01)
    simulation = simulate(seed, weather)
    simulation.start()
    items = [submission(number, NAMES[number % 4]) for number in range(12)]
    for number, item in enumerate(items):
        up = next(name for name in NAMES[number % 4 :] + NAMES if simulation.nodes[name].replica)
        simulation.submit(up, item)
        simulation.run_for(2_500)
    assert sum(node.life for node in simulation.nodes.values()) > len(NAMES), "nobody crashed: a test of nothing"
    weather.crashes = 0.0
    weather.loss = 0.0
    simulation.run_for(5_000)
    for number, item in enumerate(items):
        if not included(simulation, "a", item):
            simulation.submit(NAMES[number % 4], item)
    done = lambda: all(included(simulation, name, item) for name in NAMES for item in items)  # noqa: E731
    assert simulation.run_until(done, 60_000)


def test_n4f1_a_validator_that_lost_everything_follows_and_does_not_vote() -> None:
    simulation = simulate(15)
    simulation.start()
    simulation.submit("a", submission(1))
    simulation.run_for(3_000)
    simulation.crash("d")
    simulation.nodes["d"].disk.wipe(with_signer=True)
    simulation.start("d")
    simulation.submit("a", submission(2))
    assert simulation.run_until(lambda: simulation.heights() == [2] * 4, 60_000)
    replica = simulation.nodes["d"].replica
    assert replica is not None
    assert "new key" in replica.status().signing
    simulation.crash("c")
    simulation.submit("a", submission(3))
    simulation.run_for(60_000)
    assert max(simulation.heights()) == 2, "two validators and one without a vote are no quorum"


def test_n4f1_a_validator_that_lost_its_log_abstains_where_it_may_have_voted_and_votes_later() -> None:
    simulation = simulate(16)
    simulation.start("b", "c", "d")
    simulation.cut(["d"], ["b", "c"])
    simulation.submit("b", submission(1, "b"))
    simulation.run_for(2_000)
    (state,) = simulation.nodes["d"].disk.signers.values()
    assert state.height == 1
    simulation.crash("d")
    simulation.nodes["d"].disk.wipe(with_signer=False)
    simulation.heal()
    simulation.start("d")
    simulation.run_for(30_000)
    assert simulation.heights() == [0] * 4, "it might contradict a vote that it has forgotten"
    simulation.start("a")
    assert simulation.run_until(lambda: simulation.heights() == [1] * 4, 60_000)
    simulation.crash("a")
    simulation.submit("b", submission(2, "b"))
    assert simulation.run_until(lambda: simulation.heights()[1:] == [2] * 3, 60_000)


@pytest.mark.parametrize(("lie", "kind"), [(lies.vote_twice, DuplicateVote), (lies.propose_twice, DuplicateProposal)])
def test_n4f1_a_validator_that_signs_twice_becomes_evidence_on_the_chain_once(
    lie: Lie, kind: type[DuplicateVote | DuplicateProposal]
) -> None:
    simulation = simulate(17)
    simulation.nodes["b"].lie = lie
    simulation.start()
    for number in range(4):
        simulation.submit("a", submission(number))
        simulation.run_for(600)
    simulation.nodes["b"].lie = None
    simulation.run_for(20_000)
    assert min(simulation.heights()) >= 4
    evidence = [item for block in blocks(simulation, "a") for item in block.evidence]
    assert evidence
    assert {offender(item) for item in evidence} == {"b"}
    assert {type(item) for item in evidence} == {kind}
    assert len({offence_id(item) for item in evidence}) == len(evidence)


def test_n4f1_a_validator_that_signs_twice_at_every_height_does_not_keep_an_idle_chain_busy() -> None:
    simulation = simulate(17)
    simulation.nodes["b"].lie = lies.vote_twice
    simulation.start()
    simulation.submit("a", submission(1))
    simulation.run_for(10_000)
    rested = simulation.heights()
    assert any(block.evidence for block in blocks(simulation, "a"))
    simulation.run_for(600_000)
    assert simulation.heights() == rested, "its later offences are no reason for a block"
    for number in range(2, 8):
        simulation.submit("a", submission(number))
        simulation.run_for(5_000)
    told = {item.first.height for block in blocks(simulation, "a") for item in block.evidence}
    assert len(told) >= 6, "they ride along in the blocks that are made"
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)


@pytest.mark.parametrize("lie", [lies.propose_nonsense, lies.say_nothing])
def test_n4f1_a_validator_that_proposes_nonsense_or_nothing_only_costs_its_rounds(lie: Lie) -> None:
    simulation = simulate(18)
    simulation.nodes["b"].lie = lie
    simulation.start()
    for number in range(6):
        simulation.submit("a", submission(number))
        simulation.run_for(8_000)
    assert all(simulation.height(name) == 6 for name in "acd")
    assert all(block.header.proposer != "b" for block in blocks(simulation, "a"))


def test_n4f1_a_validator_whose_state_differs_names_the_contract_and_halts_under_a_commit() -> None:
    simulation = simulate(19)
    simulation.start()
    simulation.submit("a", submission(1))
    simulation.run_for(3_000)
    node = simulation.nodes["d"]
    simulation.crash("d")
    key = next(key for key in node.disk.entries if key.startswith(b"s/counter\x00totals"))
    node.disk.entries[key] = encode((41,))
    simulation.start("d")
    simulation.submit("a", submission(2))
    simulation.run_for(5_000)
    assert simulation.heights() == [2, 2, 2, 1]
    refused = [dict(report.fields)["why"] for report in node.reports if report.kind == "block-refused"]
    assert any("state_root of counter" in str(why) for why in refused)
    (halt,) = (reply for reply in node.replies if isinstance(reply, Halt))
    assert "state_root" in halt.reason


def test_n4f0_a_follower_without_a_key_follows_and_never_votes() -> None:
    simulation = simulate(20, extra=("e",))
    simulation.start()
    simulation.submit("e", submission(1))
    assert simulation.run_until(lambda: simulation.heights() == [1] * 5, 10_000)
    replica = simulation.nodes["e"].replica
    assert replica is not None
    assert replica.status().signing == "no validator at this height"


def test_n4f0_the_status_says_who_is_missing_and_what_is_lacking() -> None:
    simulation = simulate(21)
    simulation.start("a", "b")
    simulation.submit("a", submission(1))
    simulation.run_for(10_000)
    replica = simulation.nodes["a"].replica
    assert replica is not None
    status = replica.status()
    assert status.height == 1
    assert set(status.missing) >= {"c", "d"}
    assert status.power_lacking == 1
    assert {(peer.peer, peer.height) for peer in status.peers} == {("b", 1)}
