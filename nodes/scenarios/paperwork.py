"""Forms of made-up stays: what a desk would write, drawn from a seed.

Bills add up: every line is split into in scope, first-self-pay and own-pay, and basic insurance pays its share of what
is in scope above its own deductible. Some patients have none, and some stays have a line that no product covers.
"""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from nodes.schemas.stay import AdmissionForm, DischargeForm, InterimForm, read_admission, read_discharge, read_interim

ILLNESSES = (
    ("N84.0", "gynaecology", "68.2900"),
    ("K35.8", "surgery", "47.0900"),
    ("J18.9", "medicine", None),
    ("I10", "cardiology", None),
    ("S82.2", "orthopaedics", "79.3600"),
    ("K80.2", "surgery", "51.2300"),
)
CATEGORIES = (
    ("bed-general", "bed"),
    ("drug-list", "western-medicine"),
    ("laboratory-panel", "laboratory"),
    ("ultrasound", "examination"),
    ("nursing", "nursing"),
    ("treatment", "treatment"),
)
POOL_DEDUCTIBLE = 60_000
"""Minor units: what basic insurance leaves to the patient first."""


@dataclass(frozen=True, slots=True)
class Illness:
    """One stay as it will have been: everything but the days."""

    icd10: str
    department: str
    procedure: str | None
    has_basic_insurance: bool
    lines: tuple[tuple[str, str, int, int, int], ...]
    """Item, category, and in scope, first-self-pay and own-pay in minor units."""
    invoice: tuple[str, str, str]

    @property
    def total(self) -> int:
        """The bill, in minor units."""
        return sum(sum(line[2:]) for line in self.lines)


def draw_illness(chance: Random) -> Illness:
    """Return a stay that somebody will have."""
    icd10, department, procedure = chance.choice(ILLNESSES)
    lines = []
    for item, category in chance.sample(CATEGORIES, chance.randint(2, len(CATEGORIES))):
        in_scope = chance.randint(100, 6_000) * 100
        lines.append((item, category, in_scope, in_scope // 20, chance.choice([0, 0, in_scope // 10])))
    if chance.random() < 0.05:
        lines.append(("bed-vip", "bed", 0, 0, chance.randint(500, 1_500) * 100))
    invoice = (f"{chance.randrange(10**8):08d}", f"{chance.randrange(10**10):010d}", f"{chance.randrange(16**6):06x}")
    return Illness(icd10, department, procedure, chance.random() < 0.8, tuple(lines), invoice)


def correct_illness(illness: Illness, chance: Random) -> Illness:
    """Return the stay as it should have been billed: one line dearer or cheaper, on another invoice."""
    item, category, in_scope, first, own = illness.lines[0]
    in_scope = max(1_000, in_scope + chance.randint(-400, 400) * 100 + 100)
    code, number, check = illness.invoice
    invoice = (code, f"{(int(number) + 1) % 10**10:010d}", check)
    lines = ((item, category, in_scope, first, own), *illness.lines[1:])
    return Illness(illness.icd10, illness.department, illness.procedure, illness.has_basic_insurance, lines, invoice)


def write_admission(illness: Illness, patient: str, day: int) -> AdmissionForm:
    """Return the admission on civil day `day`, which is today."""
    form = {
        "patient": patient,
        "admitted": "today",
        "department": illness.department,
        "ward_type": "general",
        "hospital_grade": 3,
        "reason": [{"icd10": illness.icd10}],
    }
    return read_admission(json.dumps(form).encode(), day)


def write_interim(illness: Illness, day: int) -> InterimForm:
    """Return an interim bill over half of it."""
    form = {"bill": {"currency": "CNY", "medfee_sumamt": _yuan(illness.total // 2)}}
    return read_interim(json.dumps(form).encode(), day)


def write_discharge(illness: Illness, admitted: int, day: int) -> DischargeForm:
    """Return the discharge on civil day `day`, which is today, of a stay from `admitted` on."""
    since = f"today-{day - admitted}"
    lines = []
    for number, (item, category, in_scope, first, own) in enumerate(illness.lines, 1):
        line: dict[str, Any] = {
            "id": f"l{number}",
            "item": item,
            "category": category,
            "amount": _yuan(in_scope + first + own),
            "day": since,
            "reasonable": True,
        }
        if illness.has_basic_insurance:
            parts = {"inscp_scp_amt": in_scope, "preselfpay_amt": first, "fulamt_ownpay_amt": own}
            line["split"] = {name: _yuan(amount) for name, amount in parts.items() if amount}
        lines.append(line)
    code, number_, check = illness.invoice
    form = {
        "discharged": "today",
        "ordered_discharge": "today",
        "hanging_bed": False,
        "accident": False,
        "basic_insurance": "used" if illness.has_basic_insurance else "unused",
        "diagnoses": [{"id": "d1", "principal": True, "icd10": illness.icd10, "diagnosed": since}],
        "procedures": [{"id": "p1", "code": illness.procedure}] if illness.procedure else [],
        "bill": _bill(illness),
        "lines": lines,
        "invoice": {"code": code, "number": number_, "check_code": check},
    }
    return read_discharge(json.dumps(form).encode(), day)


def _bill(illness: Illness) -> dict[str, str]:
    if not illness.has_basic_insurance:
        return {"currency": "CNY", "medfee_sumamt": _yuan(illness.total)}
    in_scope = sum(line[2] for line in illness.lines)
    first = sum(line[3] for line in illness.lines)
    own = sum(line[4] for line in illness.lines)
    deductible = min(POOL_DEDUCTIBLE, in_scope)
    pool = (in_scope - deductible) * 8 // 10
    amounts = {
        "medfee_sumamt": illness.total,
        "fulamt_ownpay_amt": own,
        "preselfpay_amt": first,
        "inscp_scp_amt": in_scope,
        "act_pay_dedc": deductible,
        "hifp_pay": pool,
        "fund_pay_sumamt": pool,
        "psn_part_amt": illness.total - pool,
        "psn_cash_pay": illness.total - pool,
    }
    return {"currency": "CNY", **{name: _yuan(amount) for name, amount in amounts.items()}}


def _yuan(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"
