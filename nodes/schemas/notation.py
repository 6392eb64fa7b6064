"""How people write what the contracts count: yuan, per cent and dates, and the models that read them.

Amounts are decimal text in yuan (`"6480.00"`), never JSON numbers, which many programs read as floats. Ratios are
per cent (`"85%"`), days ISO dates. A `Mirror` is a pydantic model whose fields are those of one struct of the
contracts, by the same names; the struct's docstrings say what they mean.
"""

import re
from datetime import date
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from nodes.schemas.civil_time import EPOCH

_YUAN = re.compile(r"([0-9]{1,11})(?:\.([0-9]{1,2}))?")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))? ?%")


def read_yuan(value: object) -> int:
    """Return an amount in minor units from text in yuan."""
    found = _YUAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        msg = 'expected an amount in yuan as text, such as "6480.00"'
        raise ValueError(msg)
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def write_yuan(amount: int) -> str:
    """Return an amount in minor units as text in yuan; the opposite of `read_yuan`."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02}"


def read_percent(value: object) -> int:
    """Return a ratio in parts of ten thousand from text such as `85%`."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    ratio = -1 if found is None else int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    if not 0 <= ratio <= 10_000:
        msg = 'expected a ratio from 0 % to 100 % as text, such as "85%"'
        raise ValueError(msg)
    return ratio


def read_day(value: object) -> int:
    """Return a civil day from an ISO date; the opposite of `civil_time.write_day`."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        day = None
    if day is None or day < EPOCH or day.year > 2500:
        msg = 'expected a date from 1970 to 2500, such as "2024-12-03"'
        raise ValueError(msg)
    return (day - EPOCH).days


Yuan = Annotated[int, BeforeValidator(read_yuan)]
Percent = Annotated[int, BeforeValidator(read_percent)]
CivilDay = Annotated[int, BeforeValidator(read_day)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Label = Annotated[str, Field(min_length=1, max_length=120)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+*/_-]{0,23}$")]
ItemCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+*/_-]{0,47}$")]
LineId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Icd10 = Annotated[str, Field(pattern=r"^[A-Z][0-9]{2}(\.[0-9A-Za-z+*]{1,16})?$")]
RecordType = Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]
Grade = Annotated[int, Field(ge=0, le=3)]
Days = Annotated[int, Field(ge=0, le=3_660)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Mirror(BaseModel):
    """A model whose fields are those of one struct of the contracts, by the same names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    struct: ClassVar[type[msgspec.Struct]]

    def build(self) -> Any:
        """Return the struct."""
        return self.struct(**{name: _build(getattr(self, name)) for name in self.struct.__struct_fields__})


def _build(value: object) -> object:
    if isinstance(value, Mirror):
        return value.build()
    if isinstance(value, tuple):
        return tuple(_build(item) for item in value)
    return value


def describe_errors(error: ValidationError, what: str) -> str:
    """Return one sentence for each field that does not fit: what was expected there, and what came.

    Args:
        error: As pydantic raised it.
        what: What the text was to be, such as `case file`.
    """
    return "\n".join(_describe(item, what) for item in error.errors())


def _describe(error: ErrorDetails, what: str) -> str:
    field = ".".join(str(part) for part in error["loc"] if part not in ("word", "list"))
    expected = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{field}: expected a value, got nothing"
    if error["type"] == "extra_forbidden":
        return f"{field}: expected no field of this name, got one"
    if error["type"] == "json_invalid":
        return f"{what}: expected JSON, got something else ({expected})"
    if not expected.startswith("expected"):
        expected = f"expected otherwise: {expected[:1].lower()}{expected[1:]}"
    got = error["input"]
    shown = type(got).__name__ if isinstance(got, dict | list) else repr(got)
    return f"{field or what}: {expected}, got {shown[:60]}"
