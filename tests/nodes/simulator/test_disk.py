"""A simulated disk: what it promises in a crash, where it fails, and books that lie on it."""

import pytest

from ledger.errors import VerificationError
from ledger.replica.signer import SignerState
from nodes.entropy import SeededEntropy
from nodes.simulator.books import Shelf, SimulatedRegister, SimulatedVault
from nodes.simulator.disk import Disk, DiskFaultError
from nodes.simulator.sealing import OpenSeal
from nodes.simulator.simulation import Weather
from nodes.vault.records import VaultError
from nodes.vault.register import ENTRY_BYTES_MAX, RegisterError
from nodes.vault.sealing import SealContext, SealKeyPair, seal, use_stand_in
from tests.ledger.replica.consortium import NAMES, included, simulate, submission

CONTEXT = SealContext("chain", "record-1", "hospital-a", "insurer-a")


def test_a_scan_gives_the_entries_below_a_prefix_in_order() -> None:
    disk = Disk()
    disk.write({b"s/b": b"2", b"s/a": b"1", b"t": b"4", b"s/c": b"3"})
    disk.write({b"s/b": None, b"s/d": None})
    assert list(disk.scan(b"s/")) == [(b"s/a", b"1"), (b"s/c", b"3")]


def test_an_armed_disk_fails_once_and_keeps_all_or_nothing_of_a_batch() -> None:
    disk = Disk()
    disk.arm(1)
    disk.write({b"a": b"1"})
    with pytest.raises(DiskFaultError):
        disk.write({b"b": b"2", b"c": b"3"})
    assert disk.entries == {b"a": b"1"}
    disk.add_key(b"key")
    disk.save_signer(b"key", SignerState(1, 0, 0, b"x", b"y"))
    assert disk.signers[b"key"].height == 1


@pytest.mark.parametrize("operations", [0, 3, 10, 30, 60])
def test_n4f0_a_node_whose_disk_fails_anywhere_comes_back_and_takes_part(operations: int) -> None:
    simulation = simulate(operations, Weather(down_max_ms=1_000))
    simulation.start()
    simulation.nodes["b"].disk.arm(operations)
    items = [submission(number, NAMES[number % 4]) for number in range(5)]
    for number, item in enumerate(items):
        simulation.submit(NAMES[(number % 3) - 1], item)
        simulation.run_for(1_000)
    for item in items:  # a client that b failed while it was asked has no answer, and asks somebody else
        simulation.submit("a", item)
    assert simulation.run_until(lambda: all(included(simulation, "b", item) for item in items), 60_000)
    assert simulation.nodes["b"].life > 1
    simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)


def test_n4f0_a_paused_node_catches_up_with_what_waited_for_it() -> None:
    simulation = simulate(1)
    simulation.start()
    simulation.pause("d", 10_000)
    item = submission(1)
    simulation.submit("a", item)
    simulation.run_for(5_000)
    assert simulation.heights() == [1, 1, 1, 0]
    simulation.run_for(8_000)
    assert simulation.heights() == [1] * 4


def test_books_outlive_their_node_and_fail_with_its_disk() -> None:
    disk, shelf = Disk(), Shelf()
    register = SimulatedRegister(shelf, disk.operate)
    register.put("stay", "S-02", b"2")
    register.put("stay", "S-01", b"1")
    disk.arm(0)
    with pytest.raises(DiskFaultError):
        register.put("stay", "S-03", b"3")
    again = SimulatedRegister(shelf, disk.operate)
    assert again.list_ids("stay") == ("S-01", "S-02")
    again.erase("stay", "S-01")
    assert again.get("stay", "S-01") is None
    with pytest.raises(RegisterError):
        again.put("stay", "S-04", bytes(ENTRY_BYTES_MAX + 1))


def test_a_simulated_vault_keeps_erases_and_refuses_as_a_real_one() -> None:
    shelf = Shelf()
    vault = SimulatedVault(shelf, lambda: None, "chain", SeededEntropy(b"vault"))
    digest = vault.add("record-1", b"plaintext")
    assert SimulatedVault(shelf, lambda: None, "chain", SeededEntropy(b"")).open("record-1") == b"plaintext"
    assert vault.digest("record-1") == digest
    with pytest.raises(VaultError):
        vault.add("record-1", b"another")
    vault.erase("record-1")
    assert vault.list_records() == ()
    with pytest.raises(VaultError):
        vault.open("record-1")


def test_the_stand_in_seals_the_same_way_twice_and_opens_for_its_key_and_context_only() -> None:
    key, other = SealKeyPair(bytes(32)), SealKeyPair(bytes([1]) * 32)
    real = seal(key.public_key, CONTEXT, b"secret")
    with use_stand_in(OpenSeal()):
        sealed = seal(key.public_key, CONTEXT, b"secret")
        assert sealed == seal(key.public_key, CONTEXT, b"secret")
        assert len(sealed.ciphertext) == len(real.ciphertext)
        assert key.open(sealed, CONTEXT) == b"secret"
        with pytest.raises(VerificationError):
            other.open(sealed, CONTEXT)
        with pytest.raises(VerificationError):
            key.open(real, CONTEXT)
    with pytest.raises(VerificationError):
        key.open(sealed, CONTEXT)
    assert key.open(real, CONTEXT) == b"secret"


def test_what_a_stand_in_sealed_opens_in_no_node_and_nothing_real_opens_in_a_simulation() -> None:
    pair, context = SealKeyPair(bytes(32)), SealContext("chain", "record-1", "hospital-a", "insurer-a")
    real = seal(pair.public_key, context, b"secret")
    with use_stand_in(OpenSeal()):
        simulated = seal(pair.public_key, context, b"secret")
        with pytest.raises(VerificationError, match="suite"):
            pair.open(real, context)
    with pytest.raises(VerificationError, match="suite: expected 1"):
        pair.open(simulated, context)
    assert pair.open(real, context) == b"secret"
