"""The demo and the session of the start page, run as a person runs them, from the command line in an empty folder.

The demo runs with every socket tapped: what it leaves on the wires, and what its nodes send each other before TLS, is
searched for every field of its records.
"""

import datetime as dt
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nodes.cli.demo import DEMO_FOLDER, NETWORK_FOLDER, read_example
from nodes.config import Home
from tests.e2e.demo_fields import BYTES_MIN, BYTES_MIN_SENT, find_fields, list_fields
from tests.e2e.network import REPOSITORY
from tests.e2e.relays import Relay
from tests.e2e.tapped import Tapes

MAIN = "from nodes.cli import main; main()"
TELLING = (
    *("name wang", "document_type resident-id", "document_number 99", "birth_date", "patient wang"),
    *("department gynaecology", "icd10 N84.0", "text polyp of corpus uteri", "item hysteroscopic-polypectomy"),
    *("code 68.2900", "number 0004815162", "code 33060126", "check_code a3f9c1", "number 0004815199"),
    *("amount 1180.00 in fen", "amount 1180.00 in yuan, divided", "medfee_sumamt 6660.00", "payable 206000"),
    *("admission_day", "discharge_day", "hospital-a record-", "insurer-a claim-"),
)
"""Some of the fields that are looked for, as they are called."""


def run(folder: Path, *arguments: str, code: int = 0, answer: str | None = None, tapes: Tapes | None = None) -> str:
    """Run one command in a folder, tapped if there are tapes for it; return what it printed."""
    program = ("-c", MAIN) if tapes is None else ("-m", "tests.e2e.tapped_cli")
    environment = {"PYTHONPATH": str(REPOSITORY), "HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        check=False,
        cwd=folder,
        env=environment | ({} if tapes is None else tapes.environment),
        input=answer,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


class Demo(NamedTuple):
    """What a demo has left behind."""

    folder: Path
    last_line: str
    tapes: Tapes

    @property
    def home(self) -> Home:
        """Its network's, which is stopped."""
        return Home(self.folder / DEMO_FOLDER / NETWORK_FOLDER)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the demo in an empty folder, with every socket of the command and of its nodes tapped."""
    folder = tmp_path_factory.mktemp("demo")
    tapes = Tapes(tmp_path_factory.mktemp("tapes"))
    return Demo(folder, run(folder, "demo", "--json", tapes=tapes).splitlines()[-1], tapes)


def test_the_demo_ends_with_one_line_of_json_and_files_that_verify(demo: Demo) -> None:
    found = json.loads(demo.last_line)

    assert list(found) == ["claim", "status", "payable", "seconds_discharge_to_paid", "dossier", "genesis"]
    assert (found["status"], found["payable"]) == ("PAID", "2060.00")
    dossier, genesis = demo.folder / found["dossier"], demo.folder / found["genesis"]
    assert dossier.stat().st_size < 20_000
    assert "HOLDS offline · amount hidden" in run(demo.folder, "verify", str(dossier), "--genesis", str(genesis))
    data = bytearray(dossier.read_bytes())
    data[len(data) // 3] ^= 1
    changed = dossier.with_name("changed.json")
    changed.write_bytes(data)
    assert "DOES NOT HOLD" in run(demo.folder, "verify", str(changed), "--genesis", str(genesis), code=1)


def test_no_wire_carries_a_field_of_the_demos_records(demo: Demo, tmp_path: Path) -> None:
    fields = list_fields(demo.home, tmp_path)
    named = ", ".join(fields)
    assert [what for what in TELLING if what not in named] == [], "these are among them"

    wire, sent = demo.tapes.wire(), b"\n".join(demo.tapes.sent())
    nodes = demo.home.load_network().nodes
    assert len(demo.tapes.sent()) == len(nodes) == 4, "every node has sent something"
    assert demo.tapes.targets() >= {node.peer_port for node in nodes}, "every node was dialled through a relay"
    assert {node.api_port for node in nodes if node.organisation in ("hospital-a", "insurer-a")} <= demo.tapes.targets()
    assert len(wire) > len(sent) > 100_000
    claim_id = json.loads(demo.last_line)["claim"].encode()
    assert claim_id in sent, "the frames were recorded as they are before TLS"
    assert claim_id not in wire, "what is public among members is under TLS on the wire"

    assert find_fields(fields, sent, BYTES_MIN_SENT) == []
    assert find_fields(fields, wire, BYTES_MIN) == []
    middle = len(sent) // 2
    planted = b" ".join([sent[:middle], *fields.values(), sent[middle:]])
    assert find_fields(fields, planted, 0) == list(fields), "each is found where it is planted in what was sent"


def test_what_is_planted_on_a_tapped_wire_is_found(tmp_path: Path) -> None:
    tapes = Tapes(tmp_path / "tapes")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        relay = Relay(port, tapes.folder)
        with socket.create_connection(("127.0.0.1", relay.port)) as near, server.accept()[0] as far:
            near.sendall(read_example("polyp/discharge.json"))
            far.sendall(b"1180.00 taken")
            assert near.recv(13, socket.MSG_WAITALL) == b"1180.00 taken"
            read = far.recv(len(read_example("polyp/discharge.json")), socket.MSG_WAITALL)
        relay.close()
    assert read == read_example("polyp/discharge.json")
    fields = {"text": b"polyp of corpus uteri", "answer": b"1180.00 taken", "code": b"33060126", "other": b"3306012"}
    assert find_fields(fields, tapes.wire(), BYTES_MIN) == ["text", "answer", "code"]
    assert tapes.targets() == {port}


def open_to_regulator(folder: Path, claim: str) -> None:
    """Have the insurer open a claim under a law; the customer sees it and takes the proof that it was opened."""
    audit = ("claim", "audit", claim, "--as", "insurer-a", "--for", "regulator", "--out", "audited.json")
    assert "under a law" in run(folder, *audit, code=2)
    run(folder, *audit, "--basis", "insurance-supervision")
    assert "依法开示理算 calculation opened by law" in run(folder, "customer", "activity", "wang")
    looks = json.loads(run(folder, "customer", "activity", "wang", "--json"))["looks"]
    (opened,) = [look for look in looks if look["status"] == "opened"]
    place = f"{opened['height']}-{opened['index']}"
    run(folder, "access", "proof", "--as", "wang", place, "--out", "opening.json")


def check_opened_to_regulator(folder: Path) -> None:
    """Check offline what the insurer opened: that it did, to whom, the amounts, and that nobody was named."""
    proven = run(folder, "verify", "opening.json", "--genesis", ".xinpei/genesis.json")
    assert "permitted: opening · HLEGAL · insurance-supervision" in proven
    audited = ("verify", "audited.json", "--genesis", ".xinpei/genesis.json", "--reveal")
    inspected = run(folder, *audited, "regulator")
    assert "2,060.00" in inspected
    assert "person       not opened: " in inspected
    assert "sealed to regulator, and insurer-a cannot open" in run(folder, *audited, "insurer-a", code=2)


def test_the_session_of_the_start_page_works_as_written(tmp_path: Path) -> None:
    examples = REPOSITORY / "docs" / "examples" / "polyp"
    try:
        assert "4 nodes" in run(tmp_path, "up")
        assert "wallet saved" in run(tmp_path, "customer", "create", "wang")
        assert "in force" in run(
            tmp_path, "policy", "issue", "--as", "insurer-a", "--insured", "wang", "--product", "inpatient-100"
        )
        consent = ("consent", "grant", "--as", "wang", "--from", "hospital-a", "--to", "insurer-a")
        assert "nothing was signed" in run(tmp_path, *consent, answer="n\n", code=1)
        granted = run(tmp_path, *consent, answer="y\n")
        assert "授权告知书" in granted
        assert "both links matched" in granted
        admitted = run(tmp_path, "stay", "admit", "--as", "hospital-a", str(examples / "admission.json"))
        assert "reported; nobody filed it" in admitted
        number = admitted.split()[0]
        claim = next(word for word in admitted.split() if word.startswith("C-"))
        early = run(tmp_path, "claim", "audit", claim, "--as", "wang", "--out", "early.json")
        assert "no openings: nothing is settled" in early
        reported = run(tmp_path, "verify", "early.json", "--genesis", ".xinpei/genesis.json", "--reveal", "wang")
        assert "HOLDS offline · nothing is settled" in reported
        ended = run(tmp_path, "stay", "discharge", number, "--as", "hospital-a", str(examples / "discharge.json"))
        assert "closed 4/4 parts · shared · paid in" in ended
        shown = run(tmp_path, "claim", "show", claim, "--as", "wang")
        assert "6,480.00 − 4,320.00 pool − 100.00 deductible = 2,060.00 PAID" in shown
        assert "compare these with another member" in run(tmp_path, "chain", "checkpoint", "--as", "regulator")
        run(tmp_path, "claim", "audit", claim, "--as", "wang", "--out", "dossier.json")
        assert "amounts are known to the parties alone" in run(tmp_path, "claim", "show", claim, "--as", "hospital-a")
        assert "which fits 0 of them" in run(tmp_path, "claim", "show", "C-ffff", "--as", "wang", code=1)
        year = str(dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).year)
        publish = ("report", "publish", "--insurer", "insurer-a", "--year", year)
        assert f"{year} is not over" in run(tmp_path, *publish, code=1)
        draw = ("report", "sample", "--as", "regulator", "--insurer", "insurer-a", "--year", year, "--count", "20")
        assert "is not published" in run(tmp_path, *draw, code=1)
        open_to_regulator(tmp_path, claim)
    finally:
        run(tmp_path, "down")
    verify = ("verify", "dossier.json", "--genesis", ".xinpei/genesis.json")
    assert "HOLDS offline · amount hidden (--reveal)" in run(tmp_path, *verify)
    opened = run(tmp_path, *verify, "--reveal", "wang")
    assert "2,060.00" in opened
    assert "; matched by insurer-a at height" in opened
    vouched = ("verify", "dossier.json", "--checkpoint", "checkpoint.json")
    assert "trusted: whoever vouches for header" in " ".join(run(tmp_path, *vouched).split())
    assert "2,060.00" in run(tmp_path, *vouched, "--reveal", "wang")
    assert "no wallet of that name" in run(tmp_path, *verify, "--reveal", "wong", code=2)
    assert "absent.json" in run(tmp_path, *verify, "--reveal", "wang", "--openings", "absent.json", code=2)
    assert "HOLDS" in run(tmp_path, "chain", "verify", "--as", "insurer-a")
    check_opened_to_regulator(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("claim", "list", "--as", "wang"), "start one with `xinpei up`"),
        (("verify", "absent.json"), "does not exist"),
        (("stay", "admit", "--as", "hospital-a", "absent.json"), "does not exist"),
    ],
)
def test_wrong_use_in_an_empty_folder_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code = 2 if said == "does not exist" else 1

    assert said in run(tmp_path, *arguments, code=code)
