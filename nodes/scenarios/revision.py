"""What a run was made from: where this line is the same, the replay of a seed gives the same trace.

The hash is over the sources of the core, the contracts and the nodes as they are installed; no clone and no history is
needed. It names the Python and the msgspec too, which every encoded byte passes through.
"""

import hashlib
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("contracts", "ledger", "nodes")


def describe_revision() -> str:
    """Return the package's version, the hash of its sources, and what runs them."""
    versions = f"Python {platform.python_version()}, msgspec {version('msgspec')}"
    return f"xinpei {version('xinpei')}, sources {hash_sources()[:16]}, {versions}"


def hash_sources() -> str:
    """Return the hash over the names and contents of all Python files of the three packages, in hex."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None, f"{package} is installed"
        for root in sorted(Path(place) for place in spec.submodule_search_locations or ()):
            for path in sorted(root.rglob("*.py")):
                name = f"{package}/{path.relative_to(root).as_posix()}".encode()
                content = path.read_bytes()
                digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()
