"""The signer's file: whatever happens to it, no state that was used is forgotten."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.replica.signer import NOTHING_SIGNED, SignerState
from nodes.storage import StorageError
from nodes.storage import signer as signer_module
from nodes.storage.signer import SignerFile

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signer-state"


def vote(height: int, round_: int = 0) -> SignerState:
    return SignerState(height, round_, 1, b"vote %d %d" % (height, round_), bytes(64))


def write_states(path: Path, count: int) -> None:
    file = SignerFile.create(path)
    for height in range(1, count + 1):
        file.save(vote(height))
    file.close()


def read_state(path: Path) -> SignerState:
    file = SignerFile.open(path)
    assert file is not None
    file.close()
    return file.state


def test_a_key_without_its_file_must_not_sign(path: Path) -> None:
    assert SignerFile.open(path) is None
    assert not path.exists()


def test_a_new_file_has_signed_nothing_and_is_its_owners(path: Path) -> None:
    SignerFile.create(path).close()
    assert read_state(path) == NOTHING_SIGNED
    assert path.stat().st_mode & 0o777 == 0o600
    SignerFile.create(path).close()
    assert read_state(path) == NOTHING_SIGNED


def test_a_file_of_a_key_that_has_signed_is_not_made_anew(path: Path) -> None:
    write_states(path, 3)
    with pytest.raises(StorageError, match="a key has already signed here, up to height 3"):
        SignerFile.create(path)
    assert read_state(path) == vote(3)


@pytest.mark.parametrize("count", range(6))
def test_the_last_state_comes_back(path: Path, count: int) -> None:
    write_states(path, count)
    assert read_state(path) == (vote(count) if count else NOTHING_SIGNED)


def test_the_same_bytes_may_be_signed_again_and_no_others(path: Path) -> None:
    file = SignerFile.create(path)
    file.save(SignerState(4, 2, 1, b"block", bytes(64)))
    file.save(SignerState(4, 2, 1, b"block", bytes(64)))
    for state, words in (
        (SignerState(4, 2, 1, b"nil", bytes(64)), "twice"),
        (SignerState(4, 2, 0, b"block", bytes(64)), "going back"),
        (SignerState(4, 1, 2, b"block", bytes(64)), "going back"),
        (SignerState(3, 9, 2, b"block", bytes(64)), "going back"),
    ):
        with pytest.raises(AssertionError, match=rf"asked to sign \({state.height}, .* after \(4, 2, 1\): {words}"):
            file.save(state)
    file.save(SignerState(4, 2, 2, b"block", bytes(64)))
    file.close()
    assert read_state(path).position == (4, 2, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_write_torn_at_any_byte_leaves_the_old_state_or_the_new_one(path: Path, count: int) -> None:
    write_states(path, count)
    before = path.read_bytes()
    file = SignerFile.open(path)
    assert file is not None
    file.save(vote(count + 1))
    file.close()
    after = path.read_bytes()
    start = next(place for place in range(len(after)) if before[place] != after[place]) // PAGE * PAGE
    outcomes = set()
    for torn in (*range(200), *range(200, PAGE, 500), *range(PAGE, PAGE + 200), 2 * PAGE):
        end = start + torn
        for garbage in (b"", b"\x3c" * min(40, 2 * PAGE - torn)):
            path.write_bytes(after[:end] + garbage + before[end + len(garbage) :])
            outcomes.add(read_state(path))
    assert outcomes == {vote(count), vote(count + 1)}


def test_a_state_once_read_is_never_forgotten_though_a_page_rots_then(path: Path) -> None:
    """The write of state 3 stopped after its first page; state 3 was read, and acted on; then that page rotted."""
    write_states(path, 2)
    before = path.read_bytes()
    file = SignerFile.open(path)
    assert file is not None
    file.save(vote(3))
    file.close()
    start = 0 if path.read_bytes()[: 2 * PAGE] != before[: 2 * PAGE] else 2 * PAGE
    torn = bytearray(before)
    torn[start : start + PAGE] = path.read_bytes()[start : start + PAGE]
    path.write_bytes(torn)
    assert read_state(path) == vote(3)
    rotten = bytearray(path.read_bytes())
    rotten[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(rotten)
    assert read_state(path) == vote(3)


@given(st.integers(0, 3), st.integers(0, PAGE - 1), st.integers(1, 255), st.integers(0, 5))
def test_one_damaged_page_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, page: int, place: int, mask: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("signer") / "state"
    write_states(path, count)
    whole = path.read_bytes()
    data = bytearray(whole)
    data[page * PAGE + place % 120] ^= mask
    path.write_bytes(data)
    assert read_state(path) == (vote(count) if count else NOTHING_SIGNED)
    assert path.read_bytes() == whole, "the page was made equal to its twin again"


@pytest.mark.parametrize("slot", [0, 1])
def test_a_slot_without_a_valid_page_is_an_error_and_never_an_older_state(path: Path, slot: int) -> None:
    write_states(path, 4)
    data = bytearray(path.read_bytes())
    for page in (0, 1):
        data[slot * 2 * PAGE + page * PAGE + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match=f"neither page of slot {slot} matches its checksum; do not remove it"):
        SignerFile.open(path)
    with pytest.raises(StorageError, match="neither page"):
        SignerFile.create(path)


def test_a_slot_put_back_from_an_old_copy_is_an_error(path: Path) -> None:
    write_states(path, 1)
    old = path.read_bytes()
    file = SignerFile.open(path)
    assert file is not None
    for height in range(2, 6):
        file.save(vote(height))
    file.close()
    new = path.read_bytes()
    for mixed in (old[: 2 * PAGE] + new[2 * PAGE :], new[: 2 * PAGE] + old[2 * PAGE :]):
        path.write_bytes(mixed)
        with pytest.raises(StorageError, match="which never lie there together"):
            SignerFile.open(path)


@pytest.mark.parametrize("length", [0, 1, 4 * PAGE - 1, 4 * PAGE + 1])
def test_a_file_of_another_size_is_an_error(path: Path, length: int) -> None:
    write_states(path, 1)
    path.write_bytes(path.read_bytes().ljust(length, b"\x00")[:length])
    with pytest.raises(StorageError, match=f"expected 16384 bytes, got {length}; do not remove it"):
        SignerFile.open(path)


def test_after_a_failed_sync_nothing_is_signed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SignerFile.create(path)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(signer_module, "sync_data", fail)
        with pytest.raises(StorageError, match="cannot save what is about to be signed: No space left on device"):
            file.save(vote(1))
    assert file.state == NOTHING_SIGNED
    with pytest.raises(StorageError, match="an earlier write failed"):
        file.save(vote(1))
    file.close()
