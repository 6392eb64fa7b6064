"""The consensus log: a torn tail is cut, a broken middle stops the node."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.storage import LogCorruptError, StorageError
from nodes.storage import log as log_module
from nodes.storage.log import ConsensusLog

FRAMES = ([b"proposal", b"vote"], [b"timeout"], [b""])
HEADER_BYTES = 48
FRAME_HEADER_BYTES = 44


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "consensus.log"


def write_log(path: Path, frames: tuple[list[bytes], ...] = FRAMES, height: int = 7) -> list[int]:
    """Write a log and return where each frame begins, and the end."""
    log = ConsensusLog(path)
    log.reset(height)
    offsets = [path.stat().st_size]
    for entries in frames:
        log.append(entries)
        offsets.append(path.stat().st_size)
    log.close()
    return offsets


def read_log(path: Path) -> tuple[int, tuple[bytes, ...], int]:
    log = ConsensusLog(path)
    log.close()
    return log.height, log.entries, log.cut_bytes


def test_a_missing_log_is_made_empty(path: Path) -> None:
    assert read_log(path) == (0, (), 0)
    assert path.stat().st_size == HEADER_BYTES
    assert path.stat().st_mode & 0o777 == 0o600


def test_entries_come_back_in_order_and_appending_goes_on(path: Path) -> None:
    write_log(path)
    log = ConsensusLog(path)
    assert (log.height, log.entries, log.cut_bytes) == (7, (b"proposal", b"vote", b"timeout", b""), 0)
    log.append([b"more"])
    log.close()
    assert read_log(path)[1] == (b"proposal", b"vote", b"timeout", b"", b"more")


def test_a_reset_begins_the_next_height_in_a_new_file(path: Path) -> None:
    write_log(path)
    before = path.read_bytes()
    log = ConsensusLog(path)
    log.reset(8)
    assert (log.height, log.entries) == (8, ())
    log.append([b"new"])
    log.close()
    assert read_log(path) == (8, (b"new",), 0)
    assert path.read_bytes()[8:24] != before[8:24], "each file has a salt of its own"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_frame_torn_at_any_byte_is_cut_as_a_whole(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    *_, begin, end = write_log(path, (*FRAMES, [b"last", b"words"]))
    data = path.read_bytes()
    for torn in range(begin, end):
        caplog.clear()
        path.write_bytes(data[:torn])
        with caplog.at_level(logging.WARNING):
            assert read_log(path) == (7, (b"proposal", b"vote", b"timeout", b""), torn - begin)
        assert ("cut a torn tail" in caplog.text) == (torn > begin)
        assert path.stat().st_size == begin
    path.write_bytes(data)
    assert read_log(path)[1][-2:] == (b"last", b"words")


def test_a_tail_of_zeros_or_noise_is_cut_and_the_log_goes_on(path: Path) -> None:
    *_, end = write_log(path)
    for tail in (bytes(5000), b"\xa5" * 5000):
        with path.open("ab") as file:
            file.write(tail)
        log = ConsensusLog(path)
        assert log.cut_bytes == 5000
        assert path.stat().st_size == end
        log.append([b"next"])
        log.close()
        assert read_log(path)[1][-1] == b"next"
        with path.open("r+b") as file:
            file.truncate(end)


def test_a_byte_flipped_anywhere_before_the_last_frame_stops_the_node(path: Path) -> None:
    first, *_, last, _ = write_log(path)
    data = path.read_bytes()
    for place in range(last):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(LogCorruptError) as caught:
            ConsensusLog(path)
        assert caught.value.offset <= place
        assert (caught.value.offset == 0) == (place < first)
        assert path.read_bytes() == damaged, "a broken log is left as it is"


def test_a_byte_flipped_in_the_last_frame_is_taken_for_a_tear(path: Path) -> None:
    *_, last, end = write_log(path)
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 1
    path.write_bytes(data)
    assert read_log(path) == (7, (b"proposal", b"vote", b"timeout"), end - last)


def test_a_missing_or_repeated_frame_in_the_middle_stops_the_node(path: Path) -> None:
    _, second, third, end = write_log(path)
    data = path.read_bytes()
    path.write_bytes(data[:second] + data[third:])
    with pytest.raises(LogCorruptError, match=rf"frame 1 does not hold but a later one, at {second}, does"):
        ConsensusLog(path)
    path.write_bytes(data[:third] + data[second:third] + data[third:])
    with pytest.raises(LogCorruptError, match=f"at offset {third}") as caught:
        ConsensusLog(path)
    assert caught.value.offset == third
    assert "let the node catch up from its peers" in str(caught.value)
    assert end == len(data)


def test_a_repeated_frame_at_the_end_is_cut(path: Path) -> None:
    *_, last, end = write_log(path)
    data = path.read_bytes()
    path.write_bytes(data + data[last:])
    assert read_log(path)[2] == end - last


def test_frames_of_another_log_are_not_mistaken_for_a_broken_middle(path: Path) -> None:
    """A peer writes whole frames into its proposal; the crash tears our frame around them."""
    first, *_ = write_log(path.with_name("forged"), tuple([b"vote"] for _ in range(6)))
    forged = path.with_name("forged").read_bytes()[first:]
    *_, begin, end = write_log(path, ([b"vote"], [forged]))
    data = path.read_bytes()
    path.write_bytes(data[: end - 1])
    assert read_log(path) == (7, (b"vote",), end - 1 - begin)


@pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1])
def test_a_log_shorter_than_its_header_was_not_left_by_a_crash(path: Path, length: int) -> None:
    write_log(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LogCorruptError, match=f"expected a header of 48 bytes, got {length} bytes at offset 0"):
        ConsensusLog(path)


def test_a_frame_with_a_payload_of_another_version_is_refused(path: Path) -> None:
    write_log(path, ())
    salt = path.read_bytes()[8:24]
    with path.open("ab") as file:
        file.write(log_module._make_frame(salt, 0, b"\xc0"))
    with pytest.raises(LogCorruptError, match="the frame is of another version"):
        ConsensusLog(path)


def test_after_a_failed_sync_nothing_is_appended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ConsensusLog(path)

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(log_module, "sync_data", fail)
        with pytest.raises(StorageError, match=r"cannot append \d+ bytes: Input/output error; free space"):
            log.append([b"lost?"])
    with pytest.raises(StorageError, match="an earlier write failed"):
        log.append([b"no"])
    log.close()


def test_a_failed_reset_leaves_the_old_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(path)
    log = ConsensusLog(path)

    def fail(*_arguments: object) -> None:
        raise StorageError(path, "cannot write", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(log_module, "replace_synced", fail)
        with pytest.raises(StorageError, match="cannot write"):
            log.reset(8)
    with pytest.raises(StorageError, match="an earlier write failed"):
        log.append([b"no"])
    log.close()
    assert read_log(path) == (7, (b"proposal", b"vote", b"timeout", b""), 0)


def test_a_log_that_cannot_be_read_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        ConsensusLog(path)


@given(st.lists(st.lists(st.binary(max_size=30), max_size=3), max_size=6), st.data())
def test_any_cut_leaves_a_prefix_of_whole_frames(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[bytes]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    offsets = write_log(path, tuple(frames))
    end = data.draw(st.integers(offsets[0], offsets[-1]))
    path.write_bytes(path.read_bytes()[:end])
    whole = sum(offset <= end for offset in offsets[1:])
    assert read_log(path)[1] == tuple(entry for frame in frames[:whole] for entry in frame)
