"""What the records of a demo say, field by field, in every form in which a program could write it, and a search for it.

The fields are those of the example files that the demo's desk hands in, of every document in the hospital's vault, of
the insurer's decisions, and of the two customers' identities. A text is looked for in UTF-8, UTF-16 and GB 18030; an
amount in yuan with and without a separator, in fen, and as MessagePack; a day in three notations. `find_secrets` looks
for the hex and base64 of each as well.

Not looked for, because they stand in any traffic:

- what is shorter than five bytes in a form (four, before TLS): chance brings it about in a megabyte of ciphertext. That
  is the bed's category, the currency, days as numbers, whole yuan, and fen up to 65,535 as MessagePack;
- `WORDS`: words of the contracts' own schema, which name methods and products on the chain;
- `PLAIN`: the hospital's grade, which is public; what a document calls its lines; the record that a reversal takes
  back, whose id is on the chain; and amounts of zero.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from ledger.codec import Struct, decode, encode
from nodes.cli.demo import HOSPITAL, INSURER, read_example
from nodes.config import Home
from nodes.roles.claims.casebook import Draft
from nodes.roles.exchange.documents import Document
from nodes.schemas.civil_time import EPOCH
from nodes.vault.register import ENTRY_BYTES_MAX
from nodes.wallet import Wallet
from tests.e2e.books import open_books
from tests.nodes.secrets import find_secrets, list_secrets

BYTES_MIN = 5
"""Of a form, in what is on the wire."""
BYTES_MIN_SENT = 4
"""Of a form, in what nodes send before TLS: the larger part of that is no ciphertext."""
FEN_MIN = 0x10000
"""From here on MessagePack takes five bytes for a number."""
EXAMPLES = ("admission", "correction", "discharge")
WORDS = ("general", "interim", "nursing", "treatment", "used")
PLAIN = ("hospital_grade", "id", "procedure", "record_id")
"""Fields whose values are single digits, or name something else."""
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030")


def list_fields(home: Home, folder: Path) -> dict[str, bytes]:
    """Return what the records of a demo's stopped network say, each form once, by all the names that it has.

    Args:
        home: The network's.
        folder: For copies of its books.
    """
    found: dict[str, bytes] = {}
    leaves = {leaf for name in EXAMPLES for leaf in _leaves(json.loads(read_example(f"polyp/{name}.json")))}
    for name in (HOSPITAL, INSURER):
        vault, register = open_books(home, name, folder / name)
        found |= {f"{name} {what}": data for what, data in list_secrets(vault, register).items()}
        for record_id in vault.list_records():
            leaves |= set(_leaves(decode(vault.open(record_id), cast("type[Document]", Document))))
        for _, data in register.list_entries("draft"):
            decided = set(_leaves(decode(data, Draft, ENTRY_BYTES_MAX).opening))
            leaves |= {(field, value) for field, value in decided if field in ("payable", "transfer", "paid")}
    for path in sorted(home.wallets_folder.glob("*.wallet")):
        leaves |= set(_leaves(Wallet.load(path, None).identity))
    for field, value in leaves:
        for form, text in _write(field, value).items():
            found |= {f"{field} {value} {form} {encoding}": text.encode(encoding) for encoding in ENCODINGS}
        if isinstance(value, int) and value >= FEN_MIN:
            found[f"{field} {value} MessagePack"] = encode(value)
    names: dict[bytes, list[str]] = {}
    for name, data in sorted(found.items()):
        names.setdefault(data, []).append(name)
    return {", ".join(same): data for data, same in names.items()}


def find_fields(fields: Mapping[str, bytes], data: bytes, bytes_min: int) -> list[str]:
    """Return which of the fields' forms, from a length on, stand in some bytes."""
    return find_secrets({name: form for name, form in fields.items() if len(form) >= bytes_min}, data)


def _write(field: str, value: object) -> dict[str, str]:
    """Return the texts for a field's value; none for what is said in a way that stands everywhere."""
    if isinstance(value, bool) or not isinstance(value, int | str) or field in PLAIN:
        return {}
    if isinstance(value, int):
        return _write_day(EPOCH + dt.timedelta(value)) if field.endswith("day") else _write_amount(value)
    if re.fullmatch(r"[0-9]+\.[0-9]{2}", value):
        return _write_amount(int(value.replace(".", "")))
    if field == "birth_date":
        return _write_day(dt.date.fromisoformat(value))
    return {} if value in WORDS or value.startswith("today") else {"as it is": value}


def _write_amount(fen: int) -> dict[str, str]:
    if not fen:
        return {}
    yuan, rest = divmod(fen, 100)
    return {"in yuan": f"{yuan}.{rest:02}", "in yuan, divided": f"{yuan:,}.{rest:02}", "in fen": str(fen)}


def _write_day(day: dt.date) -> dict[str, str]:
    return {"ISO": day.isoformat(), "compact": f"{day:%Y%m%d}", "Chinese": f"{day.year}年{day.month}月{day.day}日"}


def _leaves(value: object, field: str = "") -> Iterator[tuple[str, object]]:
    """Yield the fields of a structure of any depth with their values."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _leaves(getattr(value, name), name)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _leaves(inner, field)
    else:
        yield field, value
