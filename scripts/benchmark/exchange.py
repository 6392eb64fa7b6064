"""What one core does of the sealed exchange, from vault to vault without a network: envelopes, and attached files.

A row stands beside what it is made of: an envelope is one HPKE sealing (`Limits.seal`) and one signature, taking it in
one opening and one verification; a file is bounded by the cipher on chunks of its size (`Limits.encrypt_chunk`). What
of it is left on a network: `scripts.benchmark.handovers`.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.crypto.signatures import PrivateKey
from nodes.entropy import SystemEntropy
from nodes.vault.attachments import AttachmentReceiver, measure_payload, read_chunks
from nodes.vault.drafts import DraftWriter, begin_draft
from nodes.vault.records import Vault
from nodes.vault.sealing import RecordKeys, SealContext, SealKeyPair, make_envelope, open_envelope
from scripts.benchmark.figures import MEGABYTE

CHAIN_ID = "bench"
RECORD_ID = "record-00000000"
FILE_MEGABYTES = 16
ANSWER_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Exchange:
    """Rates on one core."""

    envelopes_made: float
    """Per second."""
    envelopes_opened: float
    file_sealed_megabytes: float
    """Per second, from plaintext to a synced payload in the custodian's vault."""
    file_taken_megabytes: float
    """Per second, from sealed chunks to a checked and synced record in the recipient's vault."""


def measure_exchange(folder: Path, seconds: float) -> Exchange:
    """Measure; takes about three times `seconds` and two files.

    Args:
        folder: On the disk that vaults are on.
        seconds: For each rate.
    """
    entropy = SystemEntropy()
    key, reader = PrivateKey(entropy.draw(32)), SealKeyPair(entropy.draw(32))
    context = SealContext(CHAIN_ID, RECORD_ID, "hospital-a", "insurer-a")
    keys, digest = RecordKeys(entropy.draw(32), entropy.draw(32)), entropy.draw(32)
    envelope = make_envelope(key, reader.public_key, context, keys, digest)
    sealed, taken = _move_file(folder, entropy)
    return Exchange(
        _count(lambda: make_envelope(key, reader.public_key, context, keys, digest), seconds),
        _count(lambda: open_envelope(reader, envelope, context, digest, key.public_key), seconds),
        sealed,
        taken,
    )


def render_exchange(exchange: Exchange) -> list[str]:
    """Return the rows for people."""
    return [
        "",
        "sealed exchange, one core, vault to vault",
        f"  share: envelopes made     {exchange.envelopes_made:10,.0f} /s",
        f"  open: envelopes opened    {exchange.envelopes_opened:10,.0f} /s",
        f"  file sealed and synced    {exchange.file_sealed_megabytes:10,.0f} MB/s",
        f"  file fetched and checked  {exchange.file_taken_megabytes:10,.0f} MB/s",
    ]


def _move_file(folder: Path, entropy: SystemEntropy) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        vault, other = (Vault(Path(place) / name, CHAIN_ID, entropy) for name in ("hospital", "insurer"))
        piece = entropy.draw(MEGABYTE)
        begun = time.perf_counter()
        begin_draft(vault, RECORD_ID)
        writer = DraftWriter(vault, RECORD_ID, FILE_MEGABYTES * MEGABYTE)
        for _ in range(FILE_MEGABYTES):
            writer.write(piece)
        digest = writer.finish()
        vault.keep_draft(RECORD_ID)
        sealed = time.perf_counter()
        size = measure_payload(vault, RECORD_ID)
        receiver = AttachmentReceiver(other, digest, vault.keys(RECORD_ID), size)
        while receiver.next_chunk < receiver.chunk_count:
            first = receiver.next_chunk
            receiver.take(first, read_chunks(vault, RECORD_ID, first, ANSWER_CHUNKS))
        receiver.finish()
        taken = time.perf_counter()
    return FILE_MEGABYTES / (sealed - begun), FILE_MEGABYTES / (taken - sealed)


def _count(call: Callable[[], object], seconds: float) -> float:
    begun, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        call()
        count += 1
    return count / passed
