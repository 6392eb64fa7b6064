"""The FHIR bundles that tests read: one of ours, and eight whole lives where they are at hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SYNTHEA = ROOT.parent / "shared" / "data" / "synthea"

Edit = Callable[[dict[str, dict[str, Any]]], object]


@pytest.fixture
def example() -> Path:
    """Return the bundle of the documentation."""
    return ROOT / "docs" / "examples" / "bundle.json"


@pytest.fixture
def edited(example: Path) -> Callable[[Edit], bytes]:
    """Return a function that gives the example's bytes after an edit of its resources, found by id."""

    def edit_bundle(edit: Edit) -> bytes:
        bundle = json.loads(example.read_bytes())
        edit({entry["resource"]["id"]: entry["resource"] for entry in bundle["entry"]})
        return json.dumps(bundle).encode()

    return edit_bundle


@pytest.fixture
def synthea() -> Path:
    """Return the folder of the real bundles, or say that it is missing."""
    if not SYNTHEA.is_dir():
        pytest.skip(
            "real FHIR bundles are not at hand: expected Synthea's in ../shared/data/synthea beside the repository"
        )
    return SYNTHEA
