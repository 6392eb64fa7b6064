"""What goes over the wires of a network while a stay is settled, searched for everything that its records say.

Two layers are recorded. Relays stand in front of each node's two ports and keep the bytes as they are on the wire:
TLS. The nodes write down what they send each other as it is before TLS, so that the sealed layer is searched by
itself: what a relay with the nodes' own keys would see. The desk's requests to its own node carry plaintext within
TLS; they are searched on the wire alone.

A second stay is settled by rules that visit the data, from the command line: there the insurer's own books, opened,
are searched as well.

Last, a stay of a long diagnosis and a long bill shows what lengths tell: of what the nodes send each other about a
person there is one length.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from ledger.codec import decode, encode
from ledger.errors import DecodeError
from nodes.authentication import RequestSigner
from nodes.cli.demo import read_example
from nodes.client import Client
from nodes.config import Home
from nodes.keystore import load_keystore
from nodes.network.frames import FrameDecoder
from nodes.network.messages import PADDED_BYTES_MIN, AnswerFrame, RequestFrame, decode_frame
from nodes.roles.exchange.documents import Document, Invoice
from nodes.roles.hospital.stays import LocalStay
from nodes.vault.register import ENTRY_BYTES_MAX
from tests.e2e.books import open_books
from tests.e2e.network import ALL, ENTROPY, Network, eventually
from tests.e2e.relays import Relay
from tests.e2e.tapped import Tapes
from tests.e2e.test_lane_kills import Stay
from tests.nodes.cli.commands import run
from tests.nodes.secrets import find_secrets, list_secrets, search_folder, search_register

LONG_DIAGNOSIS = "malignant neoplasm of overlapping sites of corpus uteri, with secondary malignant neoplasms"
CHARACTERS_MIN = 5
"""Four bytes stand in some megabytes of ciphertext by chance."""


class TappedNetwork(Network):
    """A network of tapped nodes, whose clients go through relays too."""

    def __init__(self, folder: Path) -> None:
        """Found it and set the relays of its API up."""
        super().__init__(folder)
        self.tapes = Tapes(folder.parent / "tapes")
        self.module, self.environment = "tests.e2e.tapped", self.tapes.environment
        self.apis = {name: Relay(self.network.address(name).api_port, self.tapes.folder) for name in ALL}

    def client(self, at: str, caller: str = "insurer-a", home: Home | None = None) -> Client:
        """Return a client of a node that goes through its relay."""
        assert home is None, "there is one home"
        signer = RequestSigner(load_keystore(self.folder(caller) / "keys").submission, self.network.chain_id, caller)
        address = self.network.address(at).model_copy(update={"api_port": self.apis[at].port})
        return Client(address, self.home.authority_path(at), signer, ENTROPY)

    def list_between_members(self) -> list[bytes]:
        """Return the questions and answers that nodes sent each other, encoded as they were sent."""
        frames = []
        for sent in self.tapes.sent():
            decoder = FrameDecoder()
            decoder.accept_frames()
            frames += [frame for frame in decoder.feed(sent) if is_between_members(frame)]
        return frames


def is_between_members(frame: bytes) -> bool:
    try:
        return isinstance(decode_frame(frame), RequestFrame | AnswerFrame)
    except DecodeError:
        return False  # a greeting


def measure_unpadded(frame: bytes) -> int:
    """Return how long a question or an answer is without its padding."""
    found = decode_frame(frame)
    assert isinstance(found, RequestFrame | AnswerFrame)
    return len(encode(replace(found, padding=b"")))


def lengthen(form: dict[str, Any]) -> None:
    """Give a discharge a long diagnosis and a bill of 66 lines, of the same total."""
    form["diagnoses"][0]["text"] = LONG_DIAGNOSIS
    last = form["lines"].pop()
    assert last["amount"] == "240.00"
    part = {"amount": "4.00", "split": {"inscp_scp_amt": "4.00"}}
    form["lines"] += [last | part | {"id": f"n{number}"} for number in range(60)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TappedNetwork]:
    network = TappedNetwork(tmp_path_factory.mktemp("w") / "n")
    network.start()
    try:
        yield network
    finally:
        network.close()
        for relay in network.apis.values():
            relay.close()


def list_forbidden(network: TappedNetwork, stay: Stay, folder: Path) -> dict[str, bytes]:
    """Return what must be on no wire: the records, their texts and amounts, and who the patient is."""
    found: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    for name in ("hospital-a", "insurer-a"):
        vault, register = open_books(network.home, name, folder / name)
        found |= {f"{name} {secret}": data for secret, data in list_secrets(vault, register).items()}
        for record_id in vault.list_records():
            document = decode(vault.open(record_id), cast("type[Document]", Document))
            if isinstance(document, Invoice):
                fen = document.total
                texts |= {"total in fen": str(fen), "total in yuan": f"{fen // 100}.{fen % 100:02}"}
                texts |= {"invoice number": document.number, "invoice code": document.code}
    identity = stay.customer.wallet.identity
    texts |= {"name": identity.name, "document number": identity.document_number}
    for what, text in texts.items():
        found |= {f"{what} {form}": text.encode(form) for form in ("utf-8", "utf-16-le", "utf-16-be", "gb18030")}
    return {what: data for what, data in found.items() if len(data) >= CHARACTERS_MIN}


def test_no_wire_carries_a_field_of_a_record(network: TappedNetwork, tmp_path: Path) -> None:
    stay = Stay(network, "Wang Xiaoming of the wire")
    stay.admit()
    stay.discharge()
    stay.await_paid(1)

    forbidden = list_forbidden(network, stay, tmp_path / "books")
    assert {"document number utf-8", "total in yuan utf-8", "invoice number utf-16-le"} <= set(forbidden)
    assert any(what.endswith("text N84.0") for what in forbidden), "a diagnosis is among them"
    for what, data in forbidden.items():
        assert find_secrets({what: data}, b"before" + data.hex().encode() + b"after"), "what is searched would be found"

    wire, sent = network.tapes.wire(), b"\n".join(network.tapes.sent())
    assert len(wire) > len(sent) > 20_000
    addresses = [network.network.address(name) for name in ALL]
    assert network.tapes.targets() >= {address.peer_port for address in addresses}
    assert network.network.address("hospital-a").api_port in network.tapes.targets()
    claim_id = stay.claim_id.encode()
    assert claim_id in sent, "the frames were recorded as they are before TLS"
    assert claim_id not in wire, "what is public among members is under TLS on the wire"
    assert find_secrets(forbidden, sent) == []
    assert find_secrets(forbidden, wire) == []


# -------------------------------------------------------------------------------------------- rules visit the data


def write_forms(folder: Path, patient: str) -> tuple[str, str]:
    """Write a stay whose every text is its own, with a line that a person has to look at."""
    admitted = json.loads(read_example("polyp/admission.json"))
    admitted |= {"patient": patient, "department": "ward of the visited"}
    admitted["reason"] = [{"icd10": "D25.100x003", "text": "fibroid of the visited"}]
    form = json.loads(read_example("polyp/discharge.json"))
    form["diagnoses"] = [
        diagnosis | {"icd10": "D25.100x003", "text": "fibroid of the visited"} for diagnosis in form["diagnoses"]
    ]
    form["lines"] = [line | {"item": f"visited-{line['item']}"} for line in form["lines"]]
    form["procedures"] = [procedure | {"code": "68.4999"} for procedure in form["procedures"]]
    form["lines"][5]["reasonable"] = False
    form["invoice"] = {"code": "33069999", "number": "0009999999", "check_code": "5eeded"}
    paths = (folder / "visited-admission.json", folder / "visited-discharge.json")
    for path, content in zip(paths, (admitted, form), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def list_kept(network: TappedNetwork, number: str, claim_id: str, folder: Path) -> dict[str, bytes]:
    """Return what must have stayed at the hospital: all that its books have of one stay."""
    vault, register = open_books(network.home, "hospital-a", folder)
    data = register.get("stay", number)
    assert data is not None
    lanes = decode(data, LocalStay, ENTRY_BYTES_MAX).lanes
    own = {number, *(entry.record_id for lane in lanes for entry in lane.entries)}
    found = {
        name: secret
        for name, secret in list_secrets(vault, register).items()
        if name.split()[0] in own or name.startswith(claim_id)
    }
    assert len(own) == 5, "four parts, and the stay"
    return {name: secret for name, secret in found.items() if " blinding " not in name and len(secret) > CHARACTERS_MIN}


def test_what_rules_visit_stays_at_the_hospital_and_a_person_reviews_a_line_of_it(
    network: TappedNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*arguments: str) -> dict[str, Any]:
        ran = run(capsys, *arguments, "--json", "--home", str(network.home.folder))
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        return found

    def show(actor: str) -> str:
        return run(capsys, "claim", "show", claim_id, "--as", actor, "--home", str(network.home.folder)).out

    say("customer", "create", "visited")
    say("policy", "issue", "--as", "insurer-a", "--insured", "visited", "--product", "inpatient-100")
    parties = ("--as", "visited", "--from", "hospital-a", "--to", "insurer-a")
    say("consent", "grant", *parties, "--execution", "rules-visit-data", "--yes")
    admission, discharge = write_forms(tmp_path, "visited")
    number = say("stay", "admit", "--as", "hospital-a", admission)["number"]
    say("stay", "discharge", number, "--as", "hospital-a", discharge)
    (claim_id,) = [item["claim"] for item in say("claim", "list", "--as", "visited")["claims"]]
    said = show("insurer-a")
    assert "hospital-a computed this by your rules, on records that stayed there." in said
    assert "R09 第 6 行 line 6 · " in said
    review = ("claim", "review", claim_id, "--as", "insurer-a", "--rule", "R09", "--line", "6", "--accept")
    assert len(say(*review)["settlements"]) == 2
    eventually("it is paid", lambda: say("claim", "show", claim_id, "--as", "visited")["status"] == "PAID")
    assert "− 1,080.00 already settled = 980.00 PAID" in show("visited"), "she sees the calculation"
    looks = [look for look in say("customer", "activity", "visited")["looks"] if look["kind"] == "visit"]
    assert [look["status"] for look in looks] == ["visited", "visited"]

    kept = list_kept(network, number, claim_id, tmp_path / "hospital-a")
    assert any(name.endswith("text D25.100x003") for name in kept), "a diagnosis is among them"
    assert any(name.endswith("text visited-drug-list") for name in kept), "so is the line that was reviewed"
    sent, wire = b"\n".join(network.tapes.sent()), network.tapes.wire()
    assert b"visit-answer" in sent, "the frames of the visits were recorded"
    assert find_secrets(kept, sent) == []
    assert find_secrets(kept, wire) == []
    vault, register = open_books(network.home, "insurer-a", tmp_path / "insurer-a")
    assert not {name.split()[0] for name in kept} & set(vault.list_records())
    assert register.get("claim", claim_id) is not None, "its book of this claim is open here"
    assert search_register(kept, register) == []
    assert search_folder(kept, network.folder("insurer-a")) == []


# ------------------------------------------------------------------------------------------------- what lengths tell


def test_what_nodes_send_each_other_about_a_person_has_one_length(network: TappedNetwork) -> None:
    """The longest is a bill of 66 lines; as they are before TLS, which adds as much to each."""
    before = set(network.list_between_members())
    stay = Stay(network, "Zhao Lei of the wire")
    stay.admit()
    port = network.network.address("hospital-a").api_port
    at_desk = len(network.tapes.wire(port))
    stay.discharge(lengthen)
    assert len(network.tapes.wire(port)) - at_desk > 8_000, "the desk's own link tells how long it is"
    stay.await_paid(1)
    frames = set(network.list_between_members()) - before
    assert len(frames) >= 10, "four records and the payment's order were asked for and answered"
    lengths = [measure_unpadded(frame) for frame in frames]
    assert min(lengths) < 200
    assert max(lengths) > 3_500
    assert {len(frame) for frame in frames} == {PADDED_BYTES_MIN}
