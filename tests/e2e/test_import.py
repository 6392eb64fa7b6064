"""A FHIR bundle imported from the command line into a running network, until its claim settles or pends."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.network import REPOSITORY
from tests.e2e.test_demo import run

BUNDLE = REPOSITORY / "docs" / "examples" / "bundle.json"


def in_dollars(folder: Path) -> Path:
    """Write the documented bundle as a hospital abroad would have billed it."""
    text = BUNDLE.read_text(encoding="utf-8").replace('"CNY"', '"USD"').replace('"claim-1"', '"claim-9"')
    path = folder / "abroad.json"
    path.write_text(text, encoding="utf-8")
    return path


def import_bundle(folder: Path, bundle: Path, *patient: str) -> dict[str, Any]:
    """Import a bundle's stay as one of today; return what the command says to programs."""
    options = ("--as", "hospital-a", *patient, "--shift", "--json")
    found: dict[str, Any] = json.loads(run(folder, "stay", "import", str(bundle), *options).splitlines()[-1])
    return found


def test_an_imported_stay_is_paid_or_pends_under_the_policy_that_she_has(tmp_path: Path) -> None:
    try:
        run(tmp_path, "up")
        refused = run(tmp_path, "stay", "import", str(BUNDLE), "--as", "hospital-a", code=1)
        assert f"`xinpei customer create NAME --bundle {BUNDLE}`" in refused
        for name, product, *identity in (("wang", "worldwide-usd", "--bundle", str(BUNDLE)), ("li", "inpatient-100")):
            run(tmp_path, "customer", "create", name, *identity)
            run(tmp_path, "policy", "issue", "--as", "insurer-a", "--insured", name, "--product", product)
            run(tmp_path, "consent", "grant", "--as", name, "--from", "hospital-a", "--to", "insurer-a", answer="y\n")

        paid = import_bundle(tmp_path, in_dollars(tmp_path))
        assert [claim["status"] for claim in paid["claims"]] == ["PAID"]
        assert any(note.startswith("dates are shifted by") for note in paid["notes"])
        claim = f"C-{paid['claims'][0]['claim'].removeprefix('claim-')[:4]}"
        shown = run(tmp_path, "claim", "show", claim, "--as", "wang")
        assert "(6,480.00 − 250.00 deductible) × 80 % = 4,984.00 PAID" in shown

        pended = import_bundle(tmp_path, BUNDLE, "--patient", "li")
        assert [claim["status"] for claim in pended["claims"]] == ["PENDED"]
        refused = run(tmp_path, "stay", "import", str(BUNDLE), "--as", "hospital-a", "--patient", "nobody", code=1)
        assert "Error: " in refused
    finally:
        run(tmp_path, "down")
