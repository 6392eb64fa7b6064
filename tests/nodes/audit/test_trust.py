"""A checkpoint alone is as good as the genesis: nothing passes under it that would not pass under the other."""

from dataclasses import dataclass

import msgspec
import pytest
from msgspec.structs import replace

from contracts.proposals import RemoveOrganisation, RemoveValidator
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from nodes.audit.collect import CollectionError, collect_checkpoint, collect_dossier
from nodes.audit.dossier import Certificate, Dossier, render_dossier
from nodes.audit.evidence import Evidence, list_entries
from nodes.audit.packing import pack, unpack
from nodes.audit.trust import Checkpoint, Trust, describe_trust, read_checkpoint
from nodes.audit.verify import verify_dossier
from nodes.schemas.canonical_json import render
from tests.contracts.consortium import Case, digest
from tests.contracts.test_governance import pass_
from tests.nodes.audit.chain import AuditedChain, certify, forge_genesis, set_of
from tests.nodes.audit.conftest import Settled, correct, settle
from tests.nodes.audit.forest import Forest
from tests.nodes.audit.test_dossier import changed_at, leaves_of

OTHERS = ("hospital-b", "insurer-a", "regulator")
"""Three of four: a quorum without the hospital of the claim."""


@dataclass(frozen=True)
class Story:
    """A claim that was settled, then its hospital lost its vote and its seat, then corrected elsewhere."""

    chain: AuditedChain
    case: Case
    before: Checkpoint
    """Of the time before the set of validators changed."""
    after: Checkpoint
    """Of the time after."""
    early: Dossier
    """Of the time before."""
    late: Dossier


@pytest.fixture(scope="module")
def story(contract_set: ContractSet) -> Story:
    chain = AuditedChain(contract_set)
    before = checkpoint_after(chain)
    case = settle(chain)
    early = collect_dossier(chain.application, chain.blocks, case.claim_id)
    pass_(chain, RemoveValidator("hospital-a"), OTHERS)
    pass_(chain, RemoveOrganisation("hospital-a"), OTHERS)
    chain.do()
    after = checkpoint_after(chain)
    chain.do()
    return Story(chain, case, before, after, early, collect_dossier(chain.application, chain.blocks, case.claim_id))


def checkpoint_after(chain: AuditedChain) -> Checkpoint:
    """Return the checkpoint of one more block."""
    chain.do()
    return read_checkpoint(render(collect_checkpoint(chain.application)))


def refused(dossier: Dossier | bytes, checkpoint: Checkpoint | bytes, match: str) -> None:
    data = dossier if isinstance(dossier, bytes) else render_dossier(dossier)
    with pytest.raises(VerificationError, match=match):
        verify_dossier(data, Trust(checkpoint=checkpoint))


def own_header(settled: Settled) -> Checkpoint:
    """Return the checkpoint of a dossier's own last header."""
    return collect_checkpoint(settled.chain.application)


# ------------------------------------------------------------------------------------------- what holds


def test_a_claim_is_verified_from_its_own_header_as_file_or_hash(corrected: Settled) -> None:
    checkpoint = own_header(corrected)
    for start in (checkpoint, checkpoint.header.hash):
        verified = verify_dossier(corrected.data, Trust(checkpoint=start))
        assert verified.evidence == verify_dossier(corrected.data, Trust(corrected.chain.genesis)).evidence
        (line,) = describe_trust(verified.ground)
        assert (
            line
            == f"trusted: whoever vouches for header {checkpoint.header.hash.hex()} of height {verified.header.height}"
        )
        assert "信任前提" in describe_trust(verified.ground, "zh")[0]


def test_a_dossier_is_verified_from_an_older_checkpoint(story: Story) -> None:
    ground = verify_dossier(render_dossier(story.early), Trust(checkpoint=story.before)).ground
    assert (ground.from_genesis, ground.set_changes) == (False, 0)
    assert "since then have leaked their keys" in describe_trust(ground)[0]


def test_a_change_of_the_validators_after_the_checkpoint_is_walked(story: Story) -> None:
    ground = verify_dossier(render_dossier(story.late), Trust(checkpoint=story.before)).ground
    assert (ground.set_changes, ground.validators) == (1, set_of(*OTHERS))
    assert ground.from_checkpoint is not None
    assert ground.from_checkpoint.skipped == 0


def test_a_change_of_the_validators_before_the_checkpoint_is_history(story: Story) -> None:
    change = story.late.certificates[0]
    for start in (story.after, story.late.certificates[-1].header.hash):
        ground = verify_dossier(render_dossier(story.late), Trust(checkpoint=start)).ground
        assert ground.set_changes == 0
        assert "not looked at: 1 certificates up to the checkpoint" in describe_trust(ground)
    ground = verify_dossier(render_dossier(story.late), Trust(checkpoint=change.header.hash)).ground
    assert ground.validators == set_of(*OTHERS)


def test_a_member_that_was_removed_later_still_signed_what_it_signed(story: Story) -> None:
    verified = verify_dossier(render_dossier(story.late), Trust(checkpoint=story.after))
    hospital = next(actor for actor in verified.evidence.actors if actor.name == "hospital-a")
    assert hospital.keys[-1].until_height is not None
    assert hospital.keys[-1].until_height > verified.evidence.settlements[-1].place.height


def test_genesis_and_checkpoint_must_both_hold(story: Story) -> None:
    genesis = story.chain.genesis
    ground = verify_dossier(render_dossier(story.late), Trust(genesis, story.after)).ground
    assert ground.set_changes == 1
    assert len(describe_trust(ground)) == 2
    with pytest.raises(VerificationError, match="genesis hash: expected"):
        verify_dossier(
            render_dossier(story.late), Trust(forge_genesis(genesis, time_ms=genesis.time_ms + 1), story.after)
        )
    with pytest.raises(VerificationError, match="is above the file's"):
        verify_dossier(render_dossier(story.early), Trust(genesis, story.after))
    with pytest.raises(ValueError, match="expected a genesis or a checkpoint"):
        Trust()


# ------------------------------------------------------------------------------------------- what does not


def test_no_byte_is_another_under_a_checkpoint_either(chain: AuditedChain) -> None:
    case = chain.case(chain.consent(), chain.policy())
    older = checkpoint_after(chain)
    chain.do(*chain.admit(case))
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    own = collect_checkpoint(chain.application)
    for number, trust in enumerate((Trust(checkpoint=older), Trust(checkpoint=own), Trust(checkpoint=own.header.hash))):
        verify_dossier(data, trust)
        for index in range(number, len(data), 9):
            flipped = data[:index] + bytes([data[index] ^ (0x01, 0x02, 0x20)[index % 3]]) + data[index + 1 :]
            with pytest.raises(VerificationError):
                verify_dossier(flipped, trust)


def test_every_value_of_the_evidence_is_bound_under_a_checkpoint(story: Story) -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(unpack(story.late.evidence, Evidence)))
    accepted = []
    for path in leaves_of(plain):
        try:
            evidence = msgspec.convert(changed_at(plain, path), Evidence)
            verify_dossier(render_dossier(replace(story.late, evidence=pack(evidence))), Trust(checkpoint=story.after))
        except (msgspec.ValidationError, VerificationError):
            continue
        accepted.append(path)
    assert accepted == []


def test_every_field_of_what_is_above_a_checkpoint_is_bound(story: Story) -> None:
    for number, certificate in enumerate(story.late.certificates):
        plain = msgspec.msgpack.decode(msgspec.msgpack.encode(certificate))
        for path in leaves_of(plain):
            try:
                other = msgspec.convert(changed_at(plain, path), Certificate)
            except msgspec.ValidationError:
                continue
            certificates = [*story.late.certificates[:number], other, *story.late.certificates[number + 1 :]]
            refused(replace(story.late, certificates=tuple(certificates)), story.before, ".")


def test_the_genesis_that_is_named_is_the_chains_own(story: Story) -> None:
    refused(replace(story.late, genesis_hash=digest("another")), story.after, "state proof: membership: expected root")


def test_a_checkpoint_of_another_chain_is_refused(story: Story, contract_set: ContractSet) -> None:
    other = AuditedChain(contract_set, "other")
    refused(story.early, checkpoint_after(other), "checkpoint chain id: expected other")
    twin = AuditedChain(contract_set)
    for _ in range(story.early.certificates[-1].header.height):
        last = checkpoint_after(twin)
    refused(story.early, last, "checkpoint header .*: expected")
    refused(story.early, last.header.hash, "checkpoint: expected header .* a checkpoint's file serves")


def test_a_checkpoint_newer_than_the_dossier_says_what_to_do(story: Story) -> None:
    refused(
        story.early, story.after, r"is above the file's, \d+: get the file anew .* or a checkpoint of height \d+ or"
    )


def test_a_set_that_the_header_does_not_name_is_refused(story: Story) -> None:
    strangers = set_of("mallory", "oscar", "trudy")
    for validators in (strangers, set_of(*OTHERS)):
        with pytest.raises(VerificationError, match="next validators hash"):
            read_checkpoint(render(replace(story.before, validators=validators)))
    refused(story.late, replace(story.before, validators=strangers), "next validators hash")
    with pytest.raises(VerificationError, match="checkpoint: canonical form"):
        read_checkpoint(render(story.before) + b" ")


def test_a_strangers_checkpoint_leads_to_no_honest_dossier(story: Story) -> None:
    strangers = set_of("mallory", "oscar", "trudy")
    header = replace(story.before.header, next_validators_hash=strangers.hash)
    refused(story.late, replace(story.before, header=header, validators=strangers), "expected the set trusted since")


def test_a_strangers_dossier_is_refused_under_an_honest_checkpoint(story: Story) -> None:
    strangers = set_of("mallory", "oscar", "trudy")
    evidence = unpack(story.late.evidence, Evidence)
    forest = Forest(list_entries(evidence, story.late.genesis_hash), 100)
    header = replace(
        story.late.certificates[-1].header,
        state_root=forest.roots.root,
        validators_hash=strangers.hash,
        next_validators_hash=strangers.hash,
    )
    certificate = Certificate(header, certify(header, strangers), None, strangers)
    forged = replace(story.late, certificates=(certificate,), proof=pack(forest.prove()))
    refused(forged, story.after, "expected the set trusted since")
    refused(forged, story.after.header.hash, "checkpoint: expected header")
    own = Checkpoint(story.after.format, header, strangers)
    verify_dossier(render_dossier(forged), Trust(checkpoint=own))  # whoever vouches for it is all there is


def test_who_decided_the_last_header_stands_in_the_last_certificate_alone(story: Story) -> None:
    first, last = story.late.certificates
    voters = set_of("hospital-a", *OTHERS)
    both = replace(story.late, certificates=(replace(first, validators=voters), last))
    refused(both, story.before, "who decided the others")
    refused(replace(story.late, certificates=(first, replace(last, validators=None))), story.before, "got nothing")
    wrong = replace(last, validators=voters)
    refused(replace(story.late, certificates=(first, wrong)), story.before, r"header \d+ validators: expected")
    refused(replace(story.late, certificates=(last, first)), story.before, "certificate heights")


def test_there_is_no_checkpoint_before_the_first_block(chain: AuditedChain) -> None:
    with pytest.raises(CollectionError, match="no block yet"):
        collect_checkpoint(chain.application)


def test_a_correction_after_the_checkpoint_is_seen(chain: AuditedChain) -> None:
    case = settle(chain)
    checkpoint = checkpoint_after(chain)
    correct(chain, case)
    data = render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id))
    assert len(verify_dossier(data, Trust(checkpoint=checkpoint)).evidence.settlements) == 2
