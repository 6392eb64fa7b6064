"""`xinpei demo`: the whole story on a network of its own, as it happens.

Three stays: one that pays, its bill corrected afterwards, and one whose consent is revoked before the discharge. Then
the proof: a dossier that holds without the network, and one changed byte that is refused.
"""

import json
import shutil
import sys
import time
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import click

from nodes.cli.options import json_option
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home, write_file

DEMO_FOLDER = Path("xinpei-demo")
MARKER = "demo.json"
NETWORK_FOLDER = "network"
HOSPITAL, INSURER = "hospital-a", "insurer-a"


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEMO_FOLDER,
    show_default=True,
    help="Where dossier and genesis stay; an earlier demo there is replaced.",
)
@json_option
def demo(folder: Path, *, as_json: bool) -> None:
    """Watch a consented stay settle on a network of four organisations, and verify the proof offline."""
    output = Output(as_json=as_json)
    prepare_folder(folder)
    story = Story(folder, output)
    try:
        story.start()
        result = story.tell()
    finally:
        story.stop()
    story.prove(result)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))


def prepare_folder(folder: Path) -> None:
    """Make an empty folder, replacing an earlier demo and nothing else.

    Raises:
        ConfigurationError: If something else lies there.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            msg = f"{folder}: expected an empty folder or an earlier demo, found other files; choose another --folder"
            raise ConfigurationError(msg)
        stop_earlier(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / MARKER, b'{"what": "made by xinpei demo; replaced by the next one"}\n')


def stop_earlier(folder: Path) -> None:
    """Stop the nodes that an interrupted demo left running."""
    from nodes.network.supervisor import stop_nodes

    home = Home(folder / NETWORK_FOLDER)
    if home.exists():
        stop_nodes(home, [node.organisation for node in home.load_network().nodes])


class Story:
    """One run of the demo."""

    def __init__(self, folder: Path, output: Output) -> None:
        """Tell it in a folder of its own."""
        self._folder = folder
        self._output = output
        self._home = Home(folder / NETWORK_FOLDER)
        self._begun = time.monotonic()

    # -------------------------------------------------------------------------------------------------- chapters

    def start(self) -> None:
        """Found and start the network."""
        from nodes.cli.operators.network import start_network

        self._head("A network of four organisations, each a process with its own keys")
        begun = time.monotonic()
        start_network(self._home, self._output)
        names = [node.organisation for node in self._home.load_network().nodes]
        self._line(f"{len(names)} nodes serve after {time.monotonic() - begun:.1f} s: {', '.join(names)}")

    def tell(self) -> dict[str, Any]:
        """Tell the three stays; return what the demo's one line of JSON says."""
        from nodes.schemas.notation import read_yuan
        from nodes.schemas.trace import show_amount

        self._head("Wang insures herself and gives her consent, once")
        self._prepare("wang")
        self._head("Her stay (3 to 6 December in the published case; the dates are shifted to today)")
        number, claim_id = self._admit("wang", "polyp/admission.json")
        begun = time.monotonic()
        view = self._end(number, claim_id, "discharge", "polyp/discharge.json", 1)
        seconds = time.monotonic() - begun
        self._line(f"discharged, shared, adjudicated and paid in {seconds:.2f} s (simulated rail)")
        first = self._calculation("wang", claim_id)
        self._line(f"{first['formula']} {view['status']}")
        self._who_saw_what()

        self._head("Li revokes before the discharge: nothing is shared, and the refusal is on the chain")
        grant_id = self._prepare("li")
        self._second_stay(grant_id)

        self._head("Wang's bill is corrected after the payment: only the difference moves")
        self._end(number, claim_id, "correct", "polyp/correction.json", 2)
        corrected = self._calculation("wang", claim_id)
        self._line(f"{corrected['formula']}")
        before, moved = (show_amount(Fraction(read_yuan(text))) for text in (first["payable"], corrected["transfer"]))
        self._line(f"paid before {before}, moved now {moved}")
        dossier = self._take_dossier("wang", claim_id)
        return {
            "claim": claim_id,
            "status": view["status"],
            "payable": first["payable"],
            "seconds_discharge_to_paid": round(seconds, 3),
            "dossier": str(dossier),
            "genesis": str(self._folder / "genesis.json"),
        }

    def stop(self) -> None:
        """Stop the network."""
        from nodes.network.supervisor import stop_nodes

        if not self._home.exists():
            return
        stopped = stop_nodes(self._home, [node.organisation for node in self._home.load_network().nodes])
        self._head(f"The network is stopped ({len(stopped)} nodes)")

    def prove(self, result: dict[str, Any]) -> None:
        """Verify the dossier without the network, and show that a changed byte is refused."""
        from ledger.errors import LedgerError
        from nodes.audit.reveal import verify_reveal
        from nodes.audit.trust import Trust
        from nodes.audit.verify import verify_dossier
        from nodes.cli.claims.verification import open_own_wallet
        from nodes.schemas.trace import show_amount

        self._head("The proof, offline: a file and the genesis, no network")
        trust = Trust(self._home.load_genesis())
        path = Path(result["dossier"])
        data = path.read_bytes()
        begun = time.perf_counter()
        verified = verify_dossier(data, trust)
        milliseconds = (time.perf_counter() - begun) * 1000
        height = verified.header.height
        self._line(f"HOLDS as of height {height} · {len(data):,} bytes · verified in {milliseconds:.0f} ms")
        revealed = verify_reveal(
            verified, path.with_suffix(".openings.json").read_bytes(), open_own_wallet(self._home, "wang", verified)[1]
        )
        payable = Fraction(revealed.settlements[-1].payable)
        self._line(f"opened with her wallet and adjudicated again: {show_amount(payable)}")
        place = len(data) // 2
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            verify_dossier(changed, trust)
        except LedgerError as error:
            self._line(f"one changed byte (of {len(data):,}, at {place:,}) is refused: {str(error)[:100]}")
        else:
            msg = "a changed byte was not refused"
            raise AssertionError(msg)
        genesis_path = Path(result["genesis"])
        self._output.say("")
        self._output.say(f"Verify it yourself: {_name_program()} verify {path} --genesis {genesis_path}")

    # ----------------------------------------------------------------------------------------------------- steps

    def _prepare(self, name: str) -> str:
        from nodes.cli.session import create_wallet, identity_fields, make_identity, open_customer, open_operator
        from nodes.schemas.civil_time import today
        from nodes.schemas.terms import default_terms

        wallet = create_wallet(self._home, name, make_identity(name))
        with open_operator(self._home, HOSPITAL) as client:
            client.post("/v1/patients", {"number": name, "identity": identity_fields(wallet.identity)})
        with open_operator(self._home, INSURER) as client:
            form = {
                "insured": name,
                "identity": identity_fields(wallet.identity),
                "product": "inpatient-100",
                "payee_account": "synthetic account",
            }
            policy = client.post("/v1/policies", form)
        self._line(f"policy {policy['product']} in force from {policy['from_day']} (backdated past its waiting period)")
        person = open_customer(self._home, name)
        offer = person.draw_up(default_terms(HOSPITAL, INSURER, today()), "zh")
        granted = person.sign(offer)
        links = ", ".join(f"{party} {result}" for party, result in granted.links.items())
        self._line(f"{granted.grant_id} granted after reading the notice; links: {links}")
        return granted.grant_id

    def _admit(self, patient: str, example: str) -> tuple[str, str]:
        from nodes.cli.claims.watching import show_claim_id
        from nodes.cli.desks.stay import await_reported
        from nodes.cli.session import open_operator

        form = json.loads(read_example(example)) | {"patient": patient}
        with open_operator(self._home, HOSPITAL) as client:
            stay = await_reported(client, client.post("/v1/stays", form), self._output)
        claim_id = str(stay["lanes"][0]["claim"])
        self._line(f"admitted {stay['admitted']}: claim {show_claim_id(claim_id)} is reported; nobody filed it")
        return str(stay["number"]), claim_id

    def _end(self, number: str, claim_id: str, action: str, example: str, version: int) -> dict[str, Any]:
        from nodes.cli.claims.watching import await_settled
        from nodes.cli.session import open_operator

        with open_operator(self._home, HOSPITAL) as client:
            client.post_bytes(f"/v1/stays/{number}/{action}", read_example(example))
            return await_settled(client, claim_id, version, self._output)

    def _second_stay(self, grant_id: str) -> None:
        from nodes.cli.session import open_customer, open_operator

        number, claim_id = self._admit("li", "polyp/admission.json")
        open_customer(self._home, "li").revoke(grant_id)
        self._line("consent revoked")
        view = self._end(number, claim_id, "discharge", "polyp/discharge.json", 1)
        waiting = [step for step in view["claim"]["steps"] if step["name"] == "awaiting"][-1]
        height = waiting["place"]["height"]
        self._line(f"{view['status']}: {waiting['reference']} (height {height}); nothing was shared")
        with open_operator(self._home, HOSPITAL) as client:
            refusal = find_refusal(client, height)
        self._line(f"the refusal on the chain: height {refusal['height']}, {refusal['code']}: {refusal['reason']}")

    def _calculation(self, name: str, claim_id: str) -> dict[str, Any]:
        from nodes.cli.claims.finding import find_claim

        with find_claim(self._home, name, claim_id) as found:
            opening = found.opening()
        assert opening is not None, "a settled claim has its opening"
        return opening

    def _take_dossier(self, name: str, claim_id: str) -> Path:
        from nodes.cli.claims.finding import find_claim

        path = self._folder / "dossier.json"
        with find_claim(self._home, name, claim_id) as found:
            write_file(path, found.dossier())
            openings = found.openings()
        assert openings is not None, "a customer has her openings"
        write_file(path.with_suffix(".openings.json"), openings, 0o600)
        write_file(self._folder / "genesis.json", self._home.genesis_path.read_bytes())
        self._line(f"dossier written: {path}")
        return path

    def _who_saw_what(self) -> None:
        self._line("who saw what: the hospital its own records; the insurer the four shared parts, under this grant;")
        self._line("              the rail one amount and payee; hospital-b and the regulator commitments only")

    # ---------------------------------------------------------------------------------------------------- output

    def _head(self, text: str) -> None:
        self._output.say("")
        self._output.say(text)

    def _line(self, text: str) -> None:
        self._output.say(f"  {time.monotonic() - self._begun:6.2f} s  {text}")


def _name_program() -> str:
    """Return `xinpei`, or the path of it where the shell would not find it by its name."""
    here = Path(sys.argv[0])
    found = shutil.which("xinpei")
    return "xinpei" if found is not None or here.name != "xinpei" else str(here)


def find_refusal(client: Any, height: int) -> dict[str, Any]:
    """Return the latest failed receipt with a consent code at or below a height.

    Raises:
        ConfigurationError: If there is none.
    """
    for level in range(height, 0, -1):
        for receipt in client.get(f"/v1/blocks/{level}")["receipts"]:
            if receipt["code"] in ("AUTH-013", "ELIG-001"):
                return {"height": level, "code": receipt["code"], "reason": receipt["reason"]}
    msg = f"no refusal is on the chain up to height {height}"
    raise ConfigurationError(msg)


def read_example(name: str) -> bytes:
    """Return one of the example files that ship with the program."""
    return resources.files("nodes.cli.examples").joinpath(*name.split("/")).read_bytes()
