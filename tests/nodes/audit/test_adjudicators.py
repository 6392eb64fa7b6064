"""A claim that older code decided is adjudicated with that code, whatever is installed since."""

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.adjudication.case import AlreadySettled, Case
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.executions import ExecutionReceipt
from contracts.proposals import UpgradeContracts
from ledger.codec import decode, encode
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from ledger.genesis import ContractPin
from nodes.audit.adjudicators import Adjudicators, MissingAdjudicatorError
from nodes.audit.collect import collect_dossier
from nodes.audit.dossier import render_dossier
from nodes.audit.reveal import verify_reveal
from nodes.audit.rules import check_rules
from nodes.config import Home
from nodes.contract_sources import ContractArchive, load_installed_contracts, read_sources, set_hash
from nodes.entropy import SystemEntropy
from nodes.keystore import create_keystore
from nodes.schemas.canonical_json import render
from tests.contracts.adjudication.plain_case import with_lines
from tests.contracts.consortium import Figure
from tests.contracts.test_governance import pass_
from tests.nodes.audit.chain import VALIDATORS, AuditedChain
from tests.nodes.audit.test_reveal import BILL, FACTS, SEAL_KEY, Desk
from tests.nodes.cli.commands import run

HALF = 495_000
"""What the older code pays: half of 10,000.00 less the stay's deductible of 100.00."""


class Upgradable(ContractSet):
    """The older set, as a node's library: it finds what its folder keeps."""

    def __init__(self, founding: ContractSet, archive: ContractArchive) -> None:
        super().__init__(founding.contracts)
        self._archive = archive

    def find(self, pins: tuple[ContractPin, ...]) -> ContractSet:
        return self._archive.find(pins)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ContractArchive:
    return ContractArchive(tmp_path_factory.mktemp("older") / "contracts")


@pytest.fixture(scope="module")
def older(archive: ContractArchive) -> ContractSet:
    """Contracts whose adjudicator paid half of what the installed one pays."""
    sources, name = read_sources(), "contracts.adjudication.benefit"
    assert sources[name].count("WHOLE = 10_000") == 1
    return archive.keep({**sources, name: sources[name].replace("WHOLE = 10_000", "WHOLE = 20_000")})


@pytest.fixture(scope="module")
def adjudicators(archive: ContractArchive, older: ContractSet) -> Adjudicators:
    return Adjudicators(archive)


@pytest.fixture(scope="module")
def desk(archive: ContractArchive, older: ContractSet) -> Desk:
    """A claim settled before the members upgraded the contracts to the installed ones."""
    chain = AuditedChain(Upgradable(older, archive))
    case = chain.case(chain.consent(), chain.policy(), BILL)
    chain.admitted(case)
    chain.do(*chain.deliver(case))

    def decide(facts: Case) -> Decision:
        return decode(chain.application.query("adjudication", "decide", encode(facts)), Decision)

    desk = Desk(chain, case, case.bill, decide=decide)
    desk.settle(desk.draft(FACTS))
    assert desk.drafts[0].whole.decision.payable == HALF != adjudicate(FACTS).payable
    height = chain.application.height + 9
    pass_(chain, UpgradeContracts(load_installed_contracts().pins(), height), VALIDATORS[:3])
    while chain.application.height < height:
        chain.do()
    return desk


def test_a_dossier_from_before_an_upgrade_reveals_the_same_fen_with_the_code_of_then(
    desk: Desk, adjudicators: Adjudicators
) -> None:
    revealed = verify_reveal(desk.verified(), render(desk.openings()), SEAL_KEY, adjudicators=adjudicators)
    assert [item.payable for item in revealed.settlements] == [HALF]


def test_without_the_code_of_then_nothing_is_found_out_and_its_hash_is_named(
    desk: Desk, older: ContractSet, tmp_path: Path
) -> None:
    loaded = older.get("adjudication")
    assert loaded is not None
    for without in (None, Adjudicators(), Adjudicators(ContractArchive(tmp_path))):
        with pytest.raises(MissingAdjudicatorError, match=loaded.code_hash.hex()) as error:
            verify_reveal(desk.verified(), render(desk.openings()), SEAL_KEY, adjudicators=without)
        assert "HOME/contracts" in str(error.value)


def test_code_that_has_not_the_pinned_hash_is_not_even_loaded(
    desk: Desk, older: ContractSet, archive: ContractArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = ContractArchive(tmp_path / "contracts")
    shutil.copytree(archive.folder, edited.folder)
    path = edited.folder / set_hash(older.pins()).hex() / "contracts" / "adjudication" / "benefit.py"
    path.write_text(path.read_text().replace("20_000", "10_000"))
    monkeypatch.setattr(ContractArchive, "_read", lambda *_: pytest.fail("a set is executed that has not the hash"))
    with pytest.raises(MissingAdjudicatorError):
        verify_reveal(desk.verified(), render(desk.openings()), SEAL_KEY, adjudicators=Adjudicators(edited))


def test_a_set_that_cannot_be_read_is_named(
    desk: Desk, older: ContractSet, archive: ContractArchive, tmp_path: Path
) -> None:
    rotten = ContractArchive(tmp_path / "contracts")
    shutil.copytree(archive.folder, rotten.folder)
    (rotten.folder / set_hash(older.pins()).hex() / "contracts" / "keys.py").write_bytes(b"\xff")
    with pytest.raises(MissingAdjudicatorError, match="its sources cannot be read"):
        verify_reveal(desk.verified(), render(desk.openings()), SEAL_KEY, adjudicators=Adjudicators(rotten))


def test_the_command_adjudicates_with_the_home_folders_sets_and_says_what_is_missing(
    desk: Desk, older: ContractSet, archive: ContractArchive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, dossier = desk.chain, tmp_path / "dossier.json"
    dossier.write_bytes(render_dossier(collect_dossier(chain.application, chain.blocks, desk.case.claim_id)))
    home = Home(tmp_path / "home")
    keys = create_keystore(home.node_folder("regulator") / "keys", SystemEntropy())
    openings = desk.seal_for("regulator", keys.seal.public_key)
    dossier.with_suffix(".openings.json").write_bytes(render(openings))
    header = chain.application.head_hash.hex()
    words = ("verify", str(dossier), "--checkpoint", header, "--reveal", "regulator", "--home", str(home.folder))
    ran = run(capsys, *words)
    loaded = older.get("adjudication")
    assert loaded is not None
    assert (ran.code, ran.out) == (2, "")
    assert f"code {loaded.code_hash.hex()} was in force" in ran.err
    shutil.copytree(archive.folder, home.contracts_folder)
    ran = run(capsys, *words, "--json")
    assert (ran.code, json.loads(ran.out)["settlements"][0]["payable"]) == (0, "4950.00")


def test_each_settlement_of_a_claim_is_adjudicated_with_the_code_of_its_own_height(
    desk: Desk, adjudicators: Adjudicators
) -> None:
    less = with_lines(FACTS, *FACTS.bill.lines[:2])
    desk.correct(Figure.draw(less.bill.total, "corrected bill"))
    first = desk.drafts[0].whole.decision
    settled = AlreadySettled(first.payable, 0, first.categories)
    draft = desk.draft(replace(less, accumulator=first.accumulator, already_settled=settled))
    former = replace(draft.outcome, rules=desk.drafts[0].outcome.rules)
    assert desk.chain.post(desk.chain.settle(desk.case, former)) == ["STALE_RULES"], "an upgrade overtook it"
    desk.settle(draft)
    revealed = verify_reveal(desk.verified(), render(desk.openings()), SEAL_KEY, adjudicators=adjudicators)
    assert [item.payable for item in revealed.settlements] == [HALF, 690_000]


def test_a_settlement_that_names_other_rules_than_were_in_force_does_not_hold(desk: Desk) -> None:
    evidence = desk.verified().evidence
    check_rules(evidence)
    first = evidence.settlements[0]
    upgraded = evidence.adjudicator.versions[-1]
    others = replace(first, outcome=replace(first.outcome, rules=upgraded.code_hash))
    late = replace(first, place=replace(first.place, height=upgraded.from_height))
    for forged in (others, late):
        with pytest.raises(VerificationError, match="settlement 1 rules"):
            check_rules(replace(evidence, settlements=(forged, *evidence.settlements[1:])))


def test_a_visit_that_names_other_rules_than_were_in_force_does_not_hold(desk: Desk) -> None:
    evidence = desk.verified().evidence
    claim, first = evidence.claim, evidence.settlements[0]
    visit = ExecutionReceipt(
        claim.claim_id,
        1,
        claim.hospital,
        claim.insurer,
        claim.customer,
        (),
        first.outcome.grant_id,
        first.outcome.grant_version,
        first.outcome,
        bytes(64),
        1,
        first.place,
    )
    check_rules(replace(evidence, executions=(visit,)))
    late = replace(visit, place=replace(visit.place, height=evidence.adjudicator.versions[-1].from_height))
    with pytest.raises(VerificationError, match="visit 1 rules"):
        check_rules(replace(evidence, executions=(late,)))
