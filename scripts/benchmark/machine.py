"""What this machine is, and what it does in a loop: the limits that a network's figures are held against."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec import decode, encode
from ledger.crypto.commitments import commit_amount, reduce_blinding
from ledger.crypto.hashes import hash_bytes
from ledger.crypto.signatures import PrivateKey, sign_request, verify
from ledger.transactions import Transaction
from nodes.entropy import SystemEntropy
from nodes.storage.files import sync_data
from nodes.vault.payloads import CHUNK_BYTES
from nodes.vault.sealing import SealContext, SealKeyPair, seal
from scripts.benchmark.figures import Limits

PACKAGES = ("pynacl", "msgspec", "cryptography", "fastapi", "uvicorn", "uvloop", "plyvel")
WRITE_BYTES = 4096
CALLS_PER_LOOK = 20
"""Calls between two looks at the clock, which itself costs something."""


def describe_machine(folder: Path) -> dict[str, str]:
    """Return what a figure has to be read with.

    Args:
        folder: Where the network's files are.
    """
    one, five, _ = os.getloadavg()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()}",
        "load": f"{one:.1f} over one minute, {five:.1f} over five, before the benchmark began",
        "disk": f"{_file_system(folder)} of the temporary folder",
        "python": f"{platform.python_implementation()} {platform.python_version()}; {versions}",
    }


def measure_limits(folder: Path, seconds: float) -> Limits:
    """Measure every limit for so many seconds each.

    Args:
        folder: On the disk that is meant.
        seconds: For each.
    """
    entropy = SystemEntropy()
    key = PrivateKey(entropy.draw(32))
    message, kilobyte = entropy.draw(128), entropy.draw(1024)
    signature = sign_request(key, message)
    blinding = reduce_blinding(entropy.draw(64))
    tx = Transaction("bench", "insurer-a", 1, "coverage", "register_product", kilobyte, entropy.draw(16), 100, 10**12)
    encoded = encode(tx)
    seal_key = SealKeyPair(entropy.draw(32))
    context = SealContext("bench", "record", "hospital-a", "insurer-a")
    sealed = seal(seal_key.public_key, context, kilobyte)
    cipher, chunk = AESGCM(entropy.draw(32)), bytes(CHUNK_BYTES)
    return Limits(
        verify=_rate(lambda: verify("request", key.public_key, message, signature), seconds),
        sign=_rate(lambda: sign_request(key, message), seconds),
        sha256=_rate(lambda: hash_bytes(kilobyte), seconds),
        encode=_rate(lambda: encode(tx), seconds),
        decode=_rate(lambda: decode(encoded, Transaction), seconds),
        seal=_rate(lambda: seal(seal_key.public_key, context, kilobyte), seconds),
        open=_rate(lambda: seal_key.open(sealed, context), seconds),
        commit=_rate(lambda: commit_amount(648_000, blinding), seconds),
        encrypt_chunk=_rate(lambda: cipher.encrypt(bytes(12), chunk, b""), seconds),
        synced_write=_measure_writes(folder, seconds),
    )


def _rate(call: Callable[[], object], seconds: float) -> float:
    begun = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - begun) < seconds:
        for _ in range(CALLS_PER_LOOK):
            call()
        count += CALLS_PER_LOOK
    return count / passed


def _measure_writes(folder: Path, seconds: float) -> float:
    path = folder / "synced-writes"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    data = bytes(WRITE_BYTES)

    def write() -> None:
        os.write(descriptor, data)
        sync_data(descriptor)

    try:
        return _rate(write, seconds)
    finally:
        os.close(descriptor)
        path.unlink()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder, and its device without a path."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown file system"
    best = ("", "unknown", "")
    for line in mounts:
        device, point, kind = line.split()[:3]
        if folder.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind, Path(device).name)
    return f"{best[1]} on {best[2]}"
