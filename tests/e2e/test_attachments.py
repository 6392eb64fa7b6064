"""A file of 64 MB from a desk to a hospital to an insurer, real processes: in little memory, though both are killed."""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.codec import encode
from nodes.cli.desks import attaching
from nodes.members import VAULT_FOLDER
from nodes.network.frames import LENGTH_BYTES, encode_frame
from nodes.network.messages import RequestFrame
from nodes.roles.customer.looking import read_activity
from nodes.roles.exchange.attachments import FILE_BYTES_MAX
from nodes.roles.exchange.questions import FetchChunks, FetchRecord, Question, encode_body
from nodes.schemas.civil_time import today
from nodes.schemas.terms import RECORD_TYPES, default_terms
from tests.e2e.network import Network, eventually
from tests.e2e.test_garbage import LIAR, liar_tls, send_after_greeting
from tests.e2e.test_lane_kills import Stay
from tests.nodes.cli.commands import check_refused, run

MEBIBYTE = 1024 * 1024
MEMORY_BYTES_MAX = 24 * MEBIBYTE
"""What a node may grow by: far less than the file."""


def peak_bytes(network: Network, name: str) -> int:
    """Return the most memory that a node's process has had since it was last reset."""
    status = Path(f"/proc/{network.processes[name].pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def reset_peak(network: Network, name: str) -> int:
    Path(f"/proc/{network.processes[name].pid}/clear_refs").write_text("5")
    return peak_bytes(network, name)


def holders(stay: Stay, record_id: str) -> list[str]:
    with stay.network.client("hospital-a", "hospital-a") as client:
        found: dict[str, Any] = client.get(f"/v1/records/{record_id}")
    return [item["has"] for item in found["holders"] if item["has"] != "custodian"]


def send(stay: Stay, file: Path, pieces: int = FILE_BYTES_MAX) -> tuple[int, list[str]]:
    """Send pieces of a file as `xinpei stay attach` does, without waiting for the insurer.

    Returns:
        Where the file was gone on with, and the records that it became.
    """
    size = file.stat().st_size
    form = {"kind": "imaging", "media_type": "application/dicom", "file_bytes": size, "sha256": hash_file(file)}
    with stay.network.client("hospital-a", "hospital-a") as client, file.open("rb") as source:
        draft = client.post(f"/v1/stays/{stay.number}/attachments", form)
        answer: dict[str, Any] = {}
        source.seek(draft["taken"])
        while pieces and (piece := source.read(draft["piece_bytes_max"])):
            offset = source.tell() - len(piece)
            answer = client.post_bytes(f"/v1/attachments/{draft['draft']}/{offset}", piece)
            pieces -= 1
    return draft["taken"], answer["records"]


def hash_file(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def test_a_file_of_64_mb_arrives_in_little_memory_though_both_are_killed(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = tuple(sorted((*RECORD_TYPES, "document")))
    terms = replace(default_terms("hospital-a", "insurer-a", today()), record_types=documents)
    stay = Stay(network, f"imaged-{time.time_ns():x}"[-20:], terms)
    stay.admit()
    file = tmp_path / "image.dcm"
    with file.open("wb") as target:
        for block in range(FILE_BYTES_MAX // MEBIBYTE + 1):
            target.write(hashlib.shake_256(b"%d" % block).digest(min(MEBIBYTE, FILE_BYTES_MAX - target.tell())))
    assert send(stay, file, 20) == (0, [])
    network.kill("hospital-a")
    network.start("hospital-a")
    before = {name: reset_peak(network, name) for name in ("hospital-a", "insurer-a")}

    taken, (record_id,) = send(stay, file)
    assert 0 < 20 * MEBIBYTE - taken < MEBIBYTE, "the desk sends nothing twice that was sealed before the kill"
    arriving = network.folder("insurer-a") / VAULT_FOLDER / "arriving" / record_id
    kept = arriving.parents[1] / "payloads" / record_id
    stay.discharge()
    eventually("the file begins to arrive", lambda: kept.exists() or (arriving.exists() and arriving.stat().st_size))
    assert peak_bytes(network, "hospital-a") - before["hospital-a"] < MEMORY_BYTES_MAX
    network.kill("insurer-a")
    network.start("insurer-a")
    network.kill("hospital-a")
    network.start("hospital-a")
    before["insurer-a"] = reset_peak(network, "insurer-a")

    stay.await_paid(1)
    eventually("the file is delivered", lambda: holders(stay, record_id) == ["delivered"])
    assert peak_bytes(network, "insurer-a") - before["insurer-a"] < MEMORY_BYTES_MAX
    copy = tmp_path / "copy.dcm"
    saving = ("record", "save", record_id, str(copy), "--as", "insurer-a", "--home", str(network.home.folder))
    ran = run(capsys, *saving)
    assert ran.code == 0, ran.err
    assert "imaging, application/dicom" in ran.out
    assert hash_file(copy) == hash_file(file)
    check_refused(run(capsys, *saving), "exists already; choose another name")
    check_ordered(stay, tmp_path, capsys)
    network.check_agreement()


def check_ordered(stay: Stay, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Have a regulator order a small document of the stay, and compare what it saves."""
    home = ("--home", str(stay.network.home.folder))
    file, copy = folder / "report.pdf", folder / "ordered.pdf"
    file.write_bytes(b"%PDF-1.7 a report" + bytes(200_000))
    ran = run(capsys, "stay", "attach", stay.number, str(file), "--as", "hospital-a", "--json", *home)
    (record,) = json.loads(ran.out)["records"]
    number = folder / "number.txt"
    number.write_text("医保函〔2026〕18号", encoding="utf-8")
    number.chmod(0o600)
    basis = ("--basis", "medical-fund-supervision", "--number", str(number))
    order = ("access", "order", record["record"], *basis)
    order_id = json.loads(run(capsys, *order, "--as", "regulator", "--json", *home).out)["order"]
    show = ("access", "show", order_id, "--as", "regulator", *home)
    eventually("the order is fulfilled", lambda: "delivered" in run(capsys, *show).out)
    assert '"media_type": "application/pdf"' in run(capsys, *show).out
    ran = run(capsys, "record", "save", record["record"], str(copy), "--as", "regulator", *home)
    assert ran.code == 0, ran.err
    assert copy.read_bytes() == file.read_bytes()


def test_what_no_grant_covers_is_not_handed_over_and_who_asks_for_it_all_the_same_is_told_to_the_customer(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "WAIT_SECONDS", 1.0)
    stay = Stay(network, f"covered-{time.time_ns():x}"[-20:])
    stay.admit()
    file = tmp_path / "scan.pdf"
    file.write_bytes(b"%PDF-1.7 a scan")
    command = ("stay", "attach", stay.number, str(file), "--as", "hospital-a", "--home", str(network.home.folder))
    ran = run(capsys, *command)
    assert ran.code == 0, ran.err
    assert "sealed; not handed over" in ran.out
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b"")
    check_refused(run(capsys, *command[:3], str(empty), *command[4:]), "file_bytes: Input should be greater")
    check_refused(run(capsys, *command[:2], "S-9999", *command[3:]), "expected the number of one in this hospital")
    check_turned_away(network, stay)


def check_turned_away(network: Network, stay: Stay) -> None:
    """Ask the hospital's node for a record as another member, again and again, with that member's own certificate."""
    ((_, record),) = stay.customer.records()
    network.kill(LIAR)
    address = network.network.address("hospital-a")
    asked: list[Question] = [FetchRecord(record["record"], 1), FetchChunks(record["record"], 1, 0)] * 20
    frames = [
        RequestFrame(number, LIAR, "hospital-a", 0, encode_body(question)) for number, question in enumerate(asked, 1)
    ]
    data = b"".join(encode_frame(encode(frame)) for frame in frames) + bytes(LENGTH_BYTES)  # an empty frame ends it
    assert asyncio.run(send_after_greeting(network, liar_tls(network.home), (address.host, address.peer_port), data))
    network.start(LIAR)
    refused = eventually("she is told", lambda: [look for look in read_activity(stay.customer) if look.by == LIAR])
    assert [(look.kind, look.code, look.condition, look.record) for look in refused] == [
        ("fetch", "NOT_SHARED", "no share", record["record"])
    ]
