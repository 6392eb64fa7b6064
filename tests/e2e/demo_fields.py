"""What the records of a demo say, field by field, in every form in which a program could write it, and a search for it.

The fields are those of the example files that the demo's desk hands in, of every document in the hospital's vault, of
the insurer's decisions, and of the two customers' identities. A text is looked for in UTF-8, UTF-16 and GB 18030; an
amount in yuan with and without a separator, in fen, and as MessagePack; a day in three notations. `find_secrets` looks
for the hex and base64 of each as well.

Not looked for, because they stand in any traffic:

- what is shorter than five bytes in a form (four, before TLS): chance brings it about in a megabyte of ciphertext. That
  is the bed's category, ids of lines, single digits, days as numbers, whole yuan, and fen up to 65,535 as MessagePack;
- `WORDS`: words of the contracts' own schema, which name methods and products on the chain;
- the id of the record that a reversal takes back, which is on the chain; and zero.

What consists of hexadecimal digits alone (fen, codes of invoices) is looked for where it stands by itself: ids on the
chain are long runs of such digits.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from ledger.codec import Struct, decode, encode
from nodes.cli.demo import HOSPITAL, INSURER, read_example
from nodes.config import Home
from nodes.roles.claims.casebook import Draft
from nodes.roles.exchange.documents import Document
from nodes.schemas.notation import EPOCH
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
WORDS = ("general", "interim", "nursing", "treatment")
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030")


class Fields(NamedTuple):
    """What is looked for, by what it is called in a report."""

    anywhere: dict[str, bytes]
    alone: dict[str, bytes]
    """Not within a run of hexadecimal digits."""

    def of_length(self, bytes_min: int) -> "Fields":
        """Return those of a length at least."""
        long = [{name: data for name, data in part.items() if len(data) >= bytes_min} for part in self]
        return Fields(*long)

    def find(self, data: bytes) -> list[str]:
        """Return what stands in some bytes."""
        found = find_secrets(self.anywhere, data)
        for name, word in self.alone.items():
            if re.search(rb"(?<![0-9A-Fa-f])" + word + rb"(?![0-9A-Fa-f])", data):
                found.append(name)
        return found


def list_fields(home: Home, folder: Path) -> Fields:
    """Return what the records of a demo's stopped network say; `folder` is for copies of its books."""
    anywhere: dict[str, bytes] = {}
    leaves = {leaf for name in EXAMPLES for leaf in _leaves(json.loads(read_example(f"polyp/{name}.json")))}
    for name in (HOSPITAL, INSURER):
        vault, register = open_books(home, name, folder / name)
        anywhere |= {f"{name} {what}": data for what, data in list_secrets(vault, register).items()}
        for record_id in vault.list_records():
            leaves |= set(_leaves(decode(vault.open(record_id), cast("type[Document]", Document))))
        for _, data in register.list_entries("draft"):
            decided = set(_leaves(decode(data, Draft, ENTRY_BYTES_MAX).opening))
            leaves |= {(field, value) for field, value in decided if field in ("payable", "transfer", "paid")}
    for path in sorted(home.wallets_folder.glob("*.wallet")):
        leaves |= set(_leaves(Wallet.load(path, None).identity))
    alone: dict[str, bytes] = {}
    for field, value in leaves:
        for form, text in _write(field, value).items():
            for encoding in ENCODINGS:
                fits = encoding in ("utf-8", "gb18030") and HEXADECIMAL.fullmatch(text)
                (alone if fits else anywhere)[f"{field} {value} {form} {encoding}"] = text.encode(encoding)
        if isinstance(value, int) and value >= FEN_MIN:
            anywhere[f"{field} {value} MessagePack"] = encode(value)
    return Fields(_merge(anywhere), _merge(alone))


def _merge(named: dict[str, bytes]) -> dict[str, bytes]:
    """Return each value once, by all its names: fields say the same, and texts are the same in two encodings."""
    names: dict[bytes, list[str]] = {}
    for name, data in sorted(named.items()):
        names.setdefault(data, []).append(name)
    return {", ".join(together): data for data, together in names.items()}


def _write(field: str, value: object) -> dict[str, str]:
    """Return the texts for a field's value; none for what is said in a way that stands everywhere."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return {}
    if isinstance(value, int):
        return _write_day(EPOCH + dt.timedelta(value)) if field.endswith("day") else _write_amount(value)
    if re.fullmatch(r"[0-9]+\.[0-9]{2}", value):
        return _write_amount(int(value.replace(".", "")))
    if field == "birth_date":
        return _write_day(dt.date.fromisoformat(value))
    return {} if value in WORDS or field == "record_id" or value.startswith("today") else {"as it is": value}


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
