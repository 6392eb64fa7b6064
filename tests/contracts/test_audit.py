"""What an auditor proves later: a few state proofs at one header show what was in force when, within a block too."""

import msgspec
import pytest

from contracts.claims import Claims
from contracts.consent import Consent
from contracts.grants import GrantHead, GrantVersion, LinkHistory, Revoke
from contracts.settlements import Claim, Settlement
from ledger.codec import decode
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from ledger.execution.state import Key, encode_key
from ledger.limits import AMOUNT_MINOR_UNITS_MAX, METER_UNITS_MAX, STATE_VALUE_BYTES_MAX
from ledger.state_tree import verify_state
from tests.contracts.consortium import Case, Consortium, Figure

PAYABLE = Figure.draw(206_000, "payable")


def proven(chain: Consortium, contract: str, table: str, key: Key) -> bytes | None:
    """Return a state entry that its proof under the latest header holds for."""
    assert chain.application.header is not None
    state_key = encode_key(contract, table, key)
    value = chain.application.read(state_key)
    proof = chain.application.prove(state_key)
    verify_state(chain.application.header.state_root, state_key, value, proof)
    return value


def settle_and_revoke(chain: Consortium) -> Case:
    """Settle and revoke in one block, in this order."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(
        chain.settle(case, chain.outcome(case, PAYABLE)),
        (case.customer, "consent.revoke", Revoke(case.grant_id)),
    )
    chain.post()
    return case


def test_proofs_at_a_later_header_show_that_the_settlement_came_before_the_revocation(chain: Consortium) -> None:
    case = settle_and_revoke(chain)
    entry = decode(proven(chain, "claims", "claims", case.claim_id) or b"", Claim)
    settlement = decode(proven(chain, "claims", "settlements", (case.claim_id, 1)) or b"", Settlement)
    used = settlement.outcome.grant_version
    granted = decode(proven(chain, "consent", "grants", (case.grant_id, used)) or b"", GrantVersion)
    revoked = decode(proven(chain, "consent", "grants", (case.grant_id, used + 1)) or b"", GrantVersion)
    step = entry.steps[-1]
    assert (step.name, step.grant_version, step.place) == ("settled", used, settlement.place)
    assert (granted.status, revoked.status) == ("GRANTED", "REVOKED")
    assert granted.place.height < step.place.height == revoked.place.height
    assert step.place.index < revoked.place.index


def test_proofs_show_that_both_parties_had_matched_before_the_settlement(chain: Consortium) -> None:
    case = settle_and_revoke(chain)
    settlement = decode(proven(chain, "claims", "settlements", (case.claim_id, 1)) or b"", Settlement)
    for party in (case.hospital, case.insurer):
        history = decode(proven(chain, "consent", "links", (case.grant_id, party)) or b"", LinkHistory)
        assert history.entries[-1].result == "matched"
        assert history.entries[-1].place.height < settlement.place.height


def test_the_absence_of_a_third_version_is_proven_too(chain: Consortium) -> None:
    case = settle_and_revoke(chain)
    head = decode(proven(chain, "consent", "heads", case.grant_id) or b"", GrantHead)
    assert head.version == 2
    assert proven(chain, "consent", "grants", (case.grant_id, 3)) is None


def test_a_proof_of_another_value_does_not_hold(chain: Consortium) -> None:
    case = settle_and_revoke(chain)
    assert chain.application.header is not None
    key = encode_key("claims", "claims", case.claim_id)
    root = chain.application.header.state_root
    with pytest.raises(VerificationError):
        verify_state(root, key, b"another", chain.application.prove(key))


def test_a_place_names_the_transaction_that_made_the_entry(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    place = chain.view(case).claim.steps[0].place
    assert place.transaction_id == chain.receipts[place.index].transaction_id
    assert (place.height, place.time_ms) == (chain.application.height, chain.application.time_ms)


def test_no_message_but_a_product_and_a_yearly_report_has_a_place_for_an_amount(contract_set: ContractSet) -> None:
    messages = [
        method.message
        for loaded in contract_set.contracts.values()
        for method in loaded.methods.values()
        if method.kind == "transaction"
    ]
    with_amounts = [message.__name__ for message in messages if str(AMOUNT_MINOR_UNITS_MAX) in describe(message)]
    assert sorted(with_amounts) == ["Publish", "RegisterProduct"]


def describe(message: type) -> str:
    """Return the types and bounds of a message's fields, those of its structs included."""
    return str(msgspec.json.schema(message))


def test_every_transaction_of_the_main_lane_stays_far_below_its_meter(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case), settle)
    assert max(receipt.charges for receipt in chain.receipts) < METER_UNITS_MAX // 10
    assert max(len(value) for value in chain.store.entries.values()) < STATE_VALUE_BYTES_MAX // 4


def test_the_tables_that_a_dossier_reads_keep_their_names() -> None:
    assert (Claims.name, Claims.claims.name, Claims.settlements.name) == ("claims", "claims", "settlements")
    assert (Consent.name, Consent.grants.name, Consent.links.name) == ("consent", "grants", "links")
