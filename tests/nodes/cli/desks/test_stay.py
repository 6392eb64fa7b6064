"""`xinpei stay import` on bundles that cannot be imported: one sentence, exit code 1, and nothing was sent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodes.cli import session
from nodes.cli.desks.stay import _describe_admission, _watch_end, await_reported
from nodes.cli.output import Output
from nodes.fhir.bundles import BUNDLE_BYTES_MAX
from tests.nodes.cli.commands import Ran, check_refused, run

Resources = dict[str, dict[str, Any]]
Edited = Callable[[Callable[[Resources], object]], bytes]
Import = Callable[..., Ran]


@pytest.fixture
def import_bundle(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """Return a function that imports bytes or a file, where asking the node at all fails the test."""

    def ask_nobody(*_: object, **__: object) -> None:
        pytest.fail("the node was asked although the bundle cannot be imported")

    def import_(bundle: bytes | Path, *options: str) -> Ran:
        path = bundle if isinstance(bundle, Path) else tmp_path / "bundle.json"
        if isinstance(bundle, bytes):
            path.write_bytes(bundle)
        home = str(tmp_path / "home")
        return run(
            capsys, "stay", "import", str(path), "--as", "hospital-a", "--patient", "wang", "--home", home, *options
        )

    monkeypatch.setattr(session, "open_operator", ask_nobody)
    return import_


@pytest.mark.parametrize(
    ("bundle", "sentence"),
    [
        (b"", "bundle: expected JSON in UTF-8"),
        (b"%PDF-1.7", "bundle: expected JSON in UTF-8"),
        (b"\xff\xfe{\x00}\x00", "bundle: expected JSON in UTF-8"),
        (b'{"resourceType": "Bundle", "entry": NaN}', "NaN is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "resourceType: expected Bundle, got None"),
        (b'{"resourceType": "Patient", "id": "p"}', "resourceType: expected Bundle, got Patient"),
        (b'{"resourceType": "Bundle"}', "Bundle: expected one Patient, got 0"),
        (b'{"resourceType": "Bundle", "entry": [1]}', "Bundle.entry[0]: expected a resource with its resourceType"),
        (b" " * (BUNDLE_BYTES_MAX + 1), f"bundle: expected at most {BUNDLE_BYTES_MAX} bytes, got more"),
    ],
    ids=["empty", "PDF", "UTF-16", "NaN", "deep", "list", "Patient", "no patient", "no resource", "oversize"],
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "program"])
def test_what_is_no_bundle_is_refused(
    import_bundle: Import, bundle: bytes, sentence: str, form: tuple[str, ...]
) -> None:
    check_refused(import_bundle(bundle, *form), sentence)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda r: r["stay-1"]["class"].update(code="AMB"),
            "expected an inpatient stay (an Encounter of class IMP with status finished), got none (0 not finished)",
        ),
        (lambda r: r["stay-1"].update(status="in-progress"), "got none (1 not finished)"),
        (lambda r: r["stay-1"].pop("period"), "Encounter stay-1: expected a period with start and end"),
        (lambda r: r["claim-1"].update(status="draft"), "bills: expected 1 to 15 claims for Encounter stay-1, got 0"),
        (lambda r: r["claim-1"]["total"].update(value=1), "Claim claim-1: its items come to 604000 minor units of CNY"),
        (lambda r: r["claim-1"]["total"].update(currency="XAU"), "Claim claim-1: total: expected a currency of"),
    ],
    ids=["outpatient", "goes on", "no period", "no bill", "does not add up", "gold"],
)
def test_a_bundle_without_a_stay_that_can_be_billed_is_refused(
    import_bundle: Import, edited: Edited, edit: Callable[[Resources], object], sentence: str
) -> None:
    check_refused(import_bundle(edited(edit)), sentence)


def test_an_encounter_that_is_none_of_its_stays_is_refused_with_those_it_has(
    import_bundle: Import, example: Path
) -> None:
    for wrong in ("stay-2", "outpatient-1", ""):
        ran = import_bundle(example, "--encounter", wrong)
        check_refused(ran, f"--encounter {wrong}: no such inpatient stay", "stay-1 (2025-12-03 to 2025-12-06)")


def test_of_several_stays_one_has_to_be_named(import_bundle: Import, example: Path) -> None:
    bundle = json.loads(example.read_bytes())
    (stay,) = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["id"] == "stay-1")
    bundle["entry"].append(
        {"resource": {**stay, "id": "stay-2", "period": {"start": "2026-01-01", "end": "2026-01-02"}}}
    )
    data = json.dumps(bundle).encode()
    check_refused(
        import_bundle(data),
        "the bundle has 2 inpatient stays; name one with --encounter: ",
        "stay-1 (2025-12-03 to 2025-12-06)",
        "stay-2 (2026-01-01 to 2026-01-02)",
    )
    check_refused(
        import_bundle(data, "--encounter", "stay-2"), "bills: expected 1 to 15 claims for Encounter stay-2, got 0"
    )


def test_the_two_real_stays_of_one_life_have_to_be_told_apart(import_bundle: Import, synthea: Path) -> None:
    (path,) = synthea.glob("Filiberto_Ryan_*.json")
    check_refused(import_bundle(path), "2 inpatient stays", "6bd1936c", "e0108d16")


def test_an_error_names_no_patient(import_bundle: Import, edited: Edited) -> None:
    ran = import_bundle(edited(lambda r: r["patient-1"].pop("birthDate")))
    check_refused(ran, "Patient patient-1: expected a birthDate")
    assert "示例" not in ran.err
    assert "199003070006" not in ran.err


def test_a_sound_bundle_needs_a_network(capsys: pytest.CaptureFixture[str], tmp_path: Path, example: Path) -> None:
    options = ("--as", "hospital-a", "--patient", "wang", "--home", str(tmp_path))
    ran = run(capsys, "stay", "import", str(example), *options)
    assert ran.code == 1
    assert ran.err.startswith("Error: ")
    assert "xinpei up" in ran.err


def test_wrong_use_is_told_from_a_bad_bundle(capsys: pytest.CaptureFixture[str], tmp_path: Path, example: Path) -> None:
    assert run(capsys, "stay", "import", str(tmp_path / "none.json"), "--as", "a", "--patient", "b").code == 2
    ran = run(capsys, "stay", "import", str(example))
    assert ran.code == 2
    assert "--as" in ran.err


@pytest.mark.parametrize("action", ["bill", "discharge", "correct", "attach"])
@pytest.mark.parametrize("number", ["../../x", "S-01/discharge", "S-1?a=b", "s-01", "S-", ""])
def test_what_is_no_number_of_a_stay_is_wrong_use_and_no_path(
    capsys: pytest.CaptureFixture[str], example: Path, action: str, number: str
) -> None:
    ran = run(capsys, "stay", action, number, str(example), "--as", "hospital-a")
    assert ran.code == 2
    assert f"expected the number of a stay in this hospital, such as S-01, got {number!r}" in " ".join(ran.err.split())


def test_a_stay_of_which_nothing_is_claimed_is_admitted_and_discharged_without_a_claim() -> None:
    """A hospital that treats her has a lane of its own, which no claim ever follows."""
    treated = {"insurer": "hospital-b", "stay": "stay-1", "claim": None, "claim_status": None}
    found = {"number": "S-01", "admitted": "2026-11-19", "lanes": [treated], "message": "hospital-b: all handed over"}

    class Desk:
        def get(self, path: str) -> dict[str, Any]:
            assert path == "/v1/stays/S-01", "nobody asks for a claim that there is none of"
            return found

        def post_bytes(self, _path: str, _form: bytes) -> dict[str, Any]:
            return found

    output = Output(as_json=True)
    assert await_reported(Desk(), found, output) == found
    assert _describe_admission(found) == "S-01 admitted 2026-11-19 · hospital-b: all handed over"
    assert _watch_end(Desk(), "S-01", "correct", b"{}", output) == found | {"claims": []}
