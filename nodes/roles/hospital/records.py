"""From documents to sealed records, and to the calls that enter, close and share them.

What a call says is computed again each time from the vault, so a call that was lost is made again the same.

A bill's total is committed to under a fresh blinding, which lies with the record's keys. Its reversal takes the
negative of both, so that the two commitments add up to nothing. An invoice's tag is keyed by the hospital's secret
over code, number and check code: two claims on one invoice show, and nobody can guess which invoice it is.
"""

from contracts.grants import BESIDE
from contracts.stays import Append, Close, Share
from ledger.codec import encode
from ledger.crypto.commitments import (
    GROUP_ORDER,
    IDENTITY,
    add_commitments,
    commit_amount,
    reduce_blinding,
    subtract_commitments,
)
from ledger.crypto.hashes import tag_keyed
from nodes.agent import Call
from nodes.entropy import Entropy
from nodes.roles.exchange.documents import Invoice, Reversal, release
from nodes.roles.hospital.stays import Entry, Lane, LocalStay, read_document
from nodes.schemas.field_sets import check_release
from nodes.vault.records import RecordDigest, Vault, VaultError
from nodes.vault.sealing import AmountOpening

TOTAL = "total"
"""The name of a bill's opening."""


class RecordWriter:
    """Seals a hospital's records and writes the calls about them."""

    def __init__(self, vault: Vault, tag_secret: bytes, entropy: Entropy) -> None:
        """Write from one vault.

        Args:
            vault: The hospital's.
            tag_secret: `Keystore.tag_secret`.
            entropy: For blindings.
        """
        self._vault = vault
        self._tag_secret = tag_secret
        self._entropy = entropy

    def seal(self, stay: LocalStay) -> None:
        """Put every planned record into the vault that is not there yet, in the order of planning."""
        for lane in stay.lanes:
            for entry in lane.entries:
                if entry.record_id in self._vault or self._vault.is_erased(entry.record_id):
                    continue
                if entry.record_type == "document":  # sealed as it came in, and planned after that
                    msg = f"document {entry.record_id}: lost from the vault; attach the file again"
                    raise VaultError(msg)
                opening = self._open_total(stay, entry)
                document = release(read_document(stay, entry), lane.purpose)
                if not isinstance(document, Reversal):
                    check_release(type(document), entry.record_type, lane.purpose)
                plaintext = encode(document)
                self._vault.add(entry.record_id, plaintext, () if opening is None else (opening,))

    def is_erased(self, record_id: str) -> bool:
        """Whether a record was erased here."""
        return self._vault.is_erased(record_id)

    def append(self, stay: LocalStay, lane: Lane, entry: Entry, grant_id: str) -> Call:
        """Return the call that enters a record.

        Raises:
            VaultError: If the record is erased or damaged.
        """
        digest = self._digest(stay, entry)
        message = Append(
            entry.record_id,
            lane.stay_id,
            entry.record_type,
            entry.kind,
            entry.replaces,
            digest.ciphertext_hash,
            digest.commitment,
            self._commit_total(entry),
            self._tag(stay, lane, entry),
            grant_id,
        )
        return Call("records", "append", message)

    def close(self, stay: LocalStay, lane: Lane, version: int, grant_id: str) -> Call:
        """Return the call that closes the stay on everything that is live in the plan.

        Raises:
            VaultError: If an invoice is erased or damaged.
        """
        parts = [entry for entry in lane.live() if entry.record_type not in BESIDE]
        total = IDENTITY
        tags = []
        for entry in parts:
            tag = self._tag(stay, lane, entry)
            if tag is not None:
                total = add_commitments(total, self._commit_total(entry))
                tags.append(tag)
        ids = tuple(sorted(entry.record_id for entry in parts))
        message = Close(lane.stay_id, version, ids, len(ids), total, tuple(sorted(tags)), grant_id)
        return Call("records", "close", message)

    def share(self, lane: Lane, entry: Entry, grant_id: str) -> Call:
        """Return the call that shares a record with the lane's recipient."""
        return Call("records", "share", Share(entry.record_id, lane.insurer, grant_id))

    def _digest(self, stay: LocalStay, entry: Entry) -> RecordDigest:
        """Return what the chain is to have of a record; of a document what was noted when it was sealed."""
        for sealed in stay.attachments:
            if sealed.record_id == entry.record_id:
                return RecordDigest(sealed.record_id, sealed.ciphertext_hash, sealed.commitment)
        return self._vault.digest(entry.record_id)

    def _open_total(self, stay: LocalStay, entry: Entry) -> AmountOpening | None:
        if entry.record_type not in ("invoice", "interim-bill"):
            return None
        if entry.kind == "reversal":
            assert entry.replaces is not None, "a reversal names what it reverses"
            former = self._vault.keys(entry.replaces).openings[0]
            blinding = GROUP_ORDER - former.scalar
            return AmountOpening(TOTAL, -former.amount, blinding.to_bytes(32, "little"))
        document = read_document(stay, entry)
        assert isinstance(document, Invoice), "bills are invoices"
        blinding = reduce_blinding(self._entropy.draw(64))
        return AmountOpening(TOTAL, document.total, blinding.to_bytes(32, "little"))

    def _commit_total(self, entry: Entry) -> bytes:
        openings = self._vault.keys(entry.record_id).openings
        if not openings:
            return IDENTITY
        opening = openings[0]
        if entry.kind == "reversal":
            former = commit_amount(-opening.amount, GROUP_ORDER - opening.scalar)
            return subtract_commitments(IDENTITY, former)
        return commit_amount(opening.amount, opening.scalar)

    def _tag(self, stay: LocalStay, lane: Lane, entry: Entry) -> bytes | None:
        if entry.record_type != "invoice":
            return None
        if entry.kind == "reversal":
            former = next(item for item in lane.entries if item.record_id == entry.replaces)
            return self._tag(stay, lane, former)
        invoice = read_document(stay, entry)
        assert isinstance(invoice, Invoice), "an invoice record holds an invoice"
        return tag_keyed(self._tag_secret, encode((invoice.code, invoice.number, invoice.check_code)))
