"""Every stay of the real bundles can be written as a hospital's desk would have written it."""

import json
from pathlib import Path

from nodes.fhir import read_bundle
from nodes.roles.hospital.importing import import_stay
from nodes.roles.hospital.paperwork import write_admission, write_discharge
from nodes.schemas.stay import read_admission, read_discharge

TODAY = 20_605


def test_every_real_stay_becomes_an_admission_and_a_discharge_with_its_own_total(synthea: Path) -> None:
    stays = [stay for path in sorted(synthea.glob("*.json")) for stay in read_bundle(path).stays]
    for stay in stays:
        imported = import_stay(stay, "patient")
        admission = write_admission(read_admission(json.dumps(imported.admission).encode(), TODAY), TODAY)
        form = read_discharge(json.dumps(imported.discharge).encode(), TODAY)
        ended = write_discharge(form, admission, TODAY)
        invoices = [billing.invoice for billing in ended.bills]
        assert [invoice and invoice.total for invoice in invoices] == [bill.total for bill in stay.bills]
    assert len(stays) == 9
