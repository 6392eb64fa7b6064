"""What an erasure must destroy, gathered from a member's books before it, and a search for it in files afterwards.

A secret is looked for in every form in which a program could leave it behind: as it is, in hex, in base64 at each of
its three alignments, and as MessagePack. Files are read as raw bytes; register entries are opened with their key too,
and a store's values are read through its engine, which compresses them.

A short text of hexadecimal digits alone (an amount in fen, an invoice's check code) counts where it stands by itself:
ids are long runs of such digits, and chance puts six of them anywhere.
"""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from contracts.adjudication.product import Product
from ledger.codec import Struct, decode, encode
from nodes.roles.claims.casebook import Draft
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.opening import ClaimOpening
from nodes.roles.hospital.stays import LocalStay
from nodes.vault.records import Vault
from nodes.vault.register import ENTRY_BYTES_MAX, Register
from nodes.vault.sealing import AmountOpening, RecordKeys

KINDS = ("attempt", "bank", "claim", "dispute", "draft", "open", "payment", "spent", "stay", "year-sum")
"""Register entries that follow from records; master data (persons, policies, links) are the organisation's own."""
TELLING_CHARACTERS_MIN = 4
"""Shorter texts stand in any file by chance."""
TELLING = ("icd10", "text", "code", "number", "check_code", "item", "department")
"""The fields of documents that a person fills with text; in the others text is the schema's enumeration."""
DIGITS_MIN = 16
"""So many hexadecimal digits are in no other run of them by chance."""
HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]+")
PUBLIC = ("general", "interim", "nursing")
"""Words of the case's own schema, which stand in every product."""


def list_secrets(vault: Vault | None, register: Register) -> dict[str, bytes]:
    """Return what must be gone afterwards: a name for the test's report, and the bytes."""
    found: dict[str, bytes] = {}
    for record_id in vault.list_records() if vault is not None else ():
        assert vault is not None
        found |= _of_keys(record_id, vault.keys(record_id))
        document = decode(vault.open(record_id), cast("type[Document]", Document))
        found |= _of_plaintext(record_id, document)
    for name, data in register.list_entries("draft"):
        draft = decode(data, Draft, ENTRY_BYTES_MAX)
        opening = draft.opening
        for field in ("payable", "deductible", "paid_after", "deductible_used_after"):
            found |= _of_opening(name, getattr(opening, field))
        found |= _of_opening(name, draft.moves)
        if isinstance(opening, ClaimOpening):  # of a visit the insurer has no case
            found |= {f"{name} case salt": opening.case_salt, f"{name} decision salt": opening.decision_salt}
            found |= _of_plaintext(name, opening.case)
    for name, data in register.list_entries("stay"):
        stay = decode(data, LocalStay, ENTRY_BYTES_MAX)
        found[f"{name} plaintext"] = data
        for said in (stay.admission, *stay.interims, *stay.discharges):
            found |= {} if said is None else _of_plaintext(name, said)
    return found


def find_secrets(secrets: dict[str, bytes], data: bytes) -> list[str]:
    """Return the names of the secrets that stand in some bytes, in whatever form."""
    return [name for name, secret in secrets.items() if _stands_in(secret, data)]


def search_folder(secrets: dict[str, bytes], folder: Path) -> list[str]:
    """Return file and name of every secret found in the raw bytes of all files below a folder."""
    return [
        f"{path.relative_to(folder)}: {name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for name in find_secrets(secrets, path.read_bytes())
    ]


def search_register(secrets: dict[str, bytes], register: Register) -> list[str]:
    """Return kind and name of every secret found in the opened entries of a register."""
    return [
        f"{kind} {entry}: {name}"
        for kind in KINDS
        for entry, data in register.list_entries(kind)
        for name in find_secrets(secrets, data)
    ]


def _of_keys(record_id: str, keys: RecordKeys) -> dict[str, bytes]:
    found = {f"{record_id} data key": keys.data_key, f"{record_id} salt": keys.salt}
    for opening in keys.openings:
        found |= _of_opening(record_id, opening)
    return found


def _of_opening(name: str, opening: AmountOpening) -> dict[str, bytes]:
    return {f"{name} blinding {opening.name}": opening.blinding} if any(opening.blinding) else {}


def _of_plaintext(name: str, value: Struct) -> dict[str, bytes]:
    texts = {text for text in _texts(value) if len(text) >= TELLING_CHARACTERS_MIN and text not in PUBLIC}
    return {f"{name} plaintext": encode(value)} | {f"{name} text {text}": text.encode() for text in texts}


def _texts(value: object) -> Iterator[str]:
    """Yield the texts that a person wrote: diagnoses, items, invoice numbers; what else is text is the schema's."""
    if isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    if isinstance(value, Struct) and not isinstance(value, Product):
        for field in value.__struct_fields__:
            inner = getattr(value, field)
            if isinstance(inner, str) and field in TELLING:
                yield inner
            yield from _texts(inner)


def _stands_in(secret: bytes, data: bytes) -> bool:
    forms = dict.fromkeys(_forms(secret))
    if len(secret) < DIGITS_MIN and HEXADECIMAL.fullmatch(secret):
        del forms[secret]
        if _stands_alone(secret, data):
            return True
    return any(form in data for form in forms)


def _stands_alone(digits: bytes, data: bytes) -> bool:
    """Return whether digits stand anywhere without another one before or behind them."""
    at = data.find(digits)
    while at >= 0:
        end = at + len(digits)
        if not HEXADECIMAL.search(data[max(0, at - 1) : at] + data[end : end + 1]):
            return True
        at = data.find(digits, at + 1)
    return False


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for skipped in range(3):
        whole = secret[skipped : len(secret) - (len(secret) - skipped) % 3]
        if len(whole) >= 6:
            yield base64.b64encode(whole)
            yield base64.urlsafe_b64encode(whole)
    if len(secret) < 256:
        yield encode(secret)
    if len(secret) < DIGITS_MIN and HEXADECIMAL.fullmatch(secret):
        yield encode(secret.decode())
