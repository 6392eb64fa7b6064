"""The benchmark's arithmetic; how fast anything is, no test says."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from contracts.stays import Deliver, Share
from ledger.codec import Struct, encode
from ledger.crypto.signatures import PrivateKey
from ledger.transactions import Transaction, make_submission
from nodes.schemas.canonical_json import plain
from scripts.benchmark.connections import parse_head
from scripts.benchmark.exchange import measure_exchange, render_exchange
from scripts.benchmark.figures import (
    MEGABYTE,
    Limits,
    Load,
    Percentiles,
    Work,
    count_claim_work,
    count_handover_work,
    count_transaction_work,
    describe,
    describe_handovers,
    percentiles,
    render,
    render_handovers,
)
from scripts.benchmark.handovers import summarise
from scripts.benchmark.moments import Moments
from scripts.benchmark.network import read_cpu_seconds

GRANT = "grant-0123456789ab"
FIRST, SECOND, LOST = ("record-0123456789a1", "record-0123456789a2", "record-0123456789a3")
LIMITS = Limits(
    verify=10_000,
    sign=20_000,
    sha256=500_000,
    encode=1_000_000,
    decode=250_000,
    seal=2_000,
    open=4_000,
    commit=5_000,
    encrypt_chunk=40_000,
    synced_write=1_000,
)


def make_load(units: int = 200, failures: int = 0, fetches: Sequence[float] = ()) -> Load:
    return Load(
        name="a load",
        unit="transaction",
        units=units,
        failures=failures,
        seconds=4.0,
        latency=percentiles([0.010] * 99 + [0.500]),
        cpu_seconds={"hospital-a": 0.5, "insurer-a": 1.5},
        disk_bytes=800_000,
        blocks=10,
        transactions=200,
        submissions=2,
        work=count_transaction_work(4, 100),
        fetches=percentiles(fetches),
        failure_codes=("TIMEOUT 3",) if failures else (),
    )


def test_percentiles_are_samples_by_nearest_rank() -> None:
    found = percentiles([number / 1000 for number in range(100, 0, -1)])
    assert found == Percentiles(100, 50.0, 95.0, 99.0, 100.0)


def test_percentiles_of_one_sample_are_that_sample() -> None:
    assert percentiles([0.25]) == Percentiles(1, 250.0, 250.0, 250.0, 250.0)


def test_percentiles_of_nothing_are_zero_of_zero() -> None:
    assert percentiles([]) == Percentiles(0, 0.0, 0.0, 0.0, 0.0)


def test_the_rare_slow_one_shows_in_the_last_percentile_only() -> None:
    found = percentiles([0.010] * 98 + [0.5, 0.6])
    assert (found.p50, found.p95, found.p99, found.worst) == (10.0, 10.0, 500.0, 600.0)


def test_the_bare_cost_adds_up_what_the_limits_say() -> None:
    work = Work(verify=4, hashes=10, encode=10, decode=10, seal=1, open=1, commit=1)
    assert math.isclose(work.bare_us(LIMITS), 400 + 20 + 10 + 40 + 500 + 250 + 200)


def test_a_hundred_transactions_share_one_signature() -> None:
    one, hundred = count_transaction_work(4, 1), count_transaction_work(4, 100)
    assert one.verify == 4
    assert hundred.verify == pytest.approx(0.04)
    assert (one.hashes, one.decode) == (hundred.hashes, hundred.decode)


def test_a_claim_seals_its_records_once_and_not_once_for_each_validator() -> None:
    four, seven = count_claim_work(4, 17, 4, 4), count_claim_work(7, 17, 4, 4)
    assert (four.seal, four.open) == (seven.seal, seven.open) == (6, 5)
    assert seven.verify == 28


def test_rates_and_costs_are_of_what_succeeded() -> None:
    load = make_load(units=200, failures=100)
    assert load.rate == 50.0
    assert load.cpu_us == 10_000.0


def test_a_load_in_which_nothing_succeeded_has_figures_too() -> None:
    described = describe(make_load(units=0, failures=3), LIMITS, 2)
    assert (described["rate"], described["cpu_us"], described["disk_bytes_per_unit_and_node"]) == (0.0, 0.0, 0.0)


def test_the_report_for_programs_has_the_ratio_to_the_bare_cost() -> None:
    load = make_load()
    described = describe(load, LIMITS, 2)
    bare_us = load.work.bare_us(LIMITS)
    assert described["cost_over_bare"] == pytest.approx(10_000 / bare_us)
    assert described["bare_rate"] == pytest.approx(2e6 / bare_us)
    assert described["disk_bytes_per_unit_and_node"] == 2_000


def test_the_report_names_machine_percentiles_processes_and_failures() -> None:
    text = "\n".join(render({"machine": "a loom"}, LIMITS, [make_load(failures=3)], percentiles([0.05]), 2))
    for part in ("a loom", "p50 10 ms", "p99 10 ms", "worst 500 ms", "hospital-a 0.5", "3 failed", "TIMEOUT 3"):
        assert part in text


def test_cpu_time_is_read_past_a_process_name_with_brackets() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", *["0"] * 10, str(3 * ticks), str(ticks), *["0"] * 30]
    assert read_cpu_seconds(f"17 (a) name (b)) {' '.join(fields)}") == 4.0


def test_an_answer_is_as_long_as_its_head_says() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y\r\n\r\n") == (200, 12)


def test_an_answer_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match="content-length"):
        parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_the_sealed_exchange_is_measured_from_vault_to_vault(tmp_path: Path) -> None:
    exchange = measure_exchange(tmp_path, 0.01)
    assert min(exchange.envelopes_made, exchange.envelopes_opened) > 0
    assert exchange.file_sealed_megabytes > 0
    assert exchange.file_taken_megabytes > 0
    assert len(render_exchange(exchange)) == 6
    assert list(tmp_path.iterdir()) == []


def note(moments: Moments, at: float, signer: str, *calls: tuple[str, Struct], code: str = "OK") -> None:
    """Note a block with one submission of these calls to `records`."""
    transactions = tuple(
        Transaction("bench", signer, 1, "records", method, encode(message), bytes([number]) * 16, 100, 10**12)
        for number, (method, message) in enumerate(calls)
    )
    submission = make_submission(PrivateKey(bytes(32)), transactions)
    receipts = [{"transaction_id": tx.id.hex(), "code": code} for tx in transactions]
    submissions = [plain(submission)]
    block = {"header": {"time_ms": round(at * 1000)}, "submissions": submissions, "receipts": receipts}
    moments.note(block)


def test_a_hand_over_is_timed_by_its_blocks_and_refused_calls_do_not_count() -> None:
    moments = Moments(10.0, {FIRST: 11.0, SECOND: 12.0, LOST: 12.0})
    note(moments, 11.5, "hospital-a", ("share", Share(FIRST, "insurer-a", GRANT)), code="AUTH-001")
    note(moments, 12.0, "hospital-a", *(("share", Share(item, "insurer-a", GRANT)) for item in (FIRST, SECOND, LOST)))
    note(moments, 14.0, "insurer-a", ("deliver", Deliver(FIRST)))
    note(moments, 16.0, "insurer-a", ("deliver", Deliver(SECOND)))
    assert sorted(moments.list_fetches()) == [2.0, 4.0]
    found = summarise(make_load(fetches=moments.list_fetches()), moments, 16 * MEGABYTE)
    assert (found.shared, found.confirmed) == (1.0, 0.5), "two in two seconds, and two in four"
    assert (found.share.count, found.share.p50, found.share.worst) == (2, 0.0, 1000.0)
    assert (found.load.fetches.p50, found.load.fetches.worst) == (2000.0, 4000.0)
    described = describe_handovers(found, LIMITS, 2)
    assert (described["shared_megabytes"], described["confirmed_megabytes"]) == (16.0, 8.0)
    text = "\n".join(render_handovers(found, LIMITS, 2))
    assert "share        1.0/s, 16.00 MB/s" in text
    assert "fetch, open  0.5/s, 8.00 MB/s; p50 2,000 ms" in text
    rows = "\n".join(render({}, LIMITS, [found.load], percentiles([]), 2))
    assert "records      0.5/s shared, fetched and opened; p50 2,000 ms" in rows


def test_hand_overs_of_which_none_was_confirmed_have_figures_too() -> None:
    found = summarise(make_load(units=0), Moments(10.0, {FIRST: 11.0}), 1024)
    assert (found.shared, found.confirmed, found.share.count) == (0.0, 0.0, 0)


def test_a_large_document_costs_its_cipher_and_its_hashes_at_both_ends() -> None:
    none, large = count_handover_work(4, 3, 2, 0), count_handover_work(4, 3, 2, 16)
    assert large.encrypt_chunk - none.encrypt_chunk == 2 * 256
    assert large.hashes - none.hashes == 4 * 16 * 1024
    assert (large.seal, large.open, large.verify) == (none.seal, none.open, none.verify)
