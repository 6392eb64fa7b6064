"""What a hospital destroys of a record: its keys and payload in the vault, and the document in the file of the stay.

The same document may be held by several records, one towards each insurer. It leaves the file of the stay when the
last of those that are on the chain is erased; copies that were sealed for an insurer and never entered go with it, and
so do interim bills that the discharge came before. A stay that goes on is in use: it is answered after the discharge,
and until then nothing more of it is shared.
"""

from collections.abc import Callable

from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.erasing import Asked
from nodes.roles.exchange.receiving import Receiving
from nodes.roles.hospital.book import StayBook
from nodes.roles.hospital.stays import Entry, Lane, LocalStay, Slot, find_entry, redact
from nodes.roles.lookup import find_record, find_stay
from nodes.vault.records import Vault

IsErased = Callable[[Slot, int], bool]


class HospitalBooks:
    """One hospital's vault and book of stays, as far as they can be erased."""

    def __init__(self, view: ChainView, book: StayBook, vault: Vault, casebook: Casebook, receiving: Receiving) -> None:
        """Erase in `book`, `vault`, `casebook` and `receiving`; `view` tells which records were entered."""
        self._view = view
        self._book = book
        self._vault = vault
        self._casebook = casebook
        self._receiving = receiving

    def is_in_use(self, asked: Asked) -> bool:
        """Whether the stay goes on."""
        stay = self._find(asked.scope)
        return stay is not None and not stay.discharges

    def hold_begins(self, asked: Asked) -> int | None:
        """Return the day of discharge; what is gone is held no more."""
        stay = self._find(asked.scope)
        return None if stay is None or self._vault.is_erased(asked.item) else stay.last_day

    def erase(self, asked: Asked) -> None:
        """Destroy a record, and the document behind it if it was the last that held it."""
        self._vault.erase(asked.item)
        stay = self._find(asked.scope)
        if stay is None:  # another hospital's, handed over to treat her
            self._receiving.erase(asked.item)
            return
        for lane in stay.lanes:
            if lane.stay_id == asked.scope:  # what rules computed here from the record goes with it
                self._casebook.erase(lane.claim_id)
        entered = [lane for lane in stay.lanes if find_stay(self._view, lane.stay_id) is not None]
        for entry in (entry for lane in entered for entry in lane.entries):
            if entry.record_type == "interim-bill" and find_record(self._view, entry.record_id) is None:
                self._vault.erase(entry.record_id)

        def is_erased(slot: Slot, version: int) -> bool:
            held = [find_entry(lane, slot, version) for lane in stay.lanes]
            known = [entry.record_id for entry in held if entry is not None and not self._is_copy(entry)]
            return bool(known) and all(self._vault.is_erased(record_id) for record_id in known)

        for lane in stay.lanes:
            self._erase_copies(stay, lane, is_erased_at=is_erased)
        left = redact(stay, is_erased)
        if not left.patient:  # nothing is left of the stay, so neither are documents that no grant ever covered
            for attachment in stay.attachments:
                if find_record(self._view, attachment.record_id) is None:
                    self._vault.erase(attachment.record_id)
        self._book.redact(left)

    def _erase_copies(self, stay: LocalStay, lane: Lane, *, is_erased_at: IsErased) -> None:
        """Destroy what was sealed of erased documents and never entered: nobody could ask for it.

        It is a recipient's to whom nothing was ever reported, or what a grant did not cover any more.
        """
        versions = range(len(stay.discharges) + 1)
        for entry in lane.entries:
            slot = (entry.record_type, entry.place)
            held = any(find_entry(lane, slot, version) == entry and is_erased_at(slot, version) for version in versions)
            if held and self._is_copy(entry):
                self._vault.erase(entry.record_id)

    def _is_copy(self, entry: Entry) -> bool:
        """Whether a record was sealed for a recipient, is here still, and was never entered."""
        return not self._vault.is_erased(entry.record_id) and find_record(self._view, entry.record_id) is None

    def _find(self, stay_id: str) -> LocalStay | None:
        number = self._book.find_number(stay_id)
        return None if number is None else self._book.get(number)
