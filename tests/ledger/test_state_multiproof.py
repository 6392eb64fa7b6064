"""One proof for many entries: as strong as the single ones, smaller, and with no bit to spare."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.codec import decode, encode
from ledger.errors import VerificationError
from ledger.state_multiproof import StateMultiProof, join_proofs, verify_many
from ledger.state_tree import EMPTY, Branch, OtherLeaf, StateProof, StateRoots, locate_group, prove, update

Entries = dict[bytes, bytes | None]


class Nodes(dict[bytes, bytes]):
    def get_node(self, key: bytes) -> bytes | None:
        return self.get(key)


def key_of(index: int, contract: str = "claims") -> bytes:
    """Return a key: five of one subject follow each other."""
    return f"{contract}\x00entries\x00{index // 5:016x}\x00{index % 5:016x}".encode()


def build(state: Mapping[bytes, bytes]) -> tuple[Nodes, StateRoots]:
    nodes = Nodes()
    made = update(nodes, StateRoots(), dict(state))
    nodes.update({key: node for key, node in made.node_writes.items() if node is not None})
    return nodes, made.roots


def prove_entries(state: Mapping[bytes, bytes], entries: Entries) -> StateMultiProof:
    nodes, roots = build(state)
    return join_proofs(roots, {key: (value, prove(nodes, roots, key)) for key, value in entries.items()})


STATE = {key_of(index, contract): b"%d" % index for index in range(300) for contract in ("claims", "consent")}
ROOT = build(STATE)[1].root
ENTRIES: Entries = {
    key_of(3): b"3",
    key_of(70): b"70",
    key_of(200): b"200",
    key_of(5, "consent"): b"5",
    key_of(1_000, "consent"): None,
    key_of(1_001): None,
    key_of(1, "records"): None,
}
PROOF = prove_entries(STATE, ENTRIES)


@settings(max_examples=100)
@given(
    st.dictionaries(st.integers(0, 80), st.binary(min_size=1, max_size=4), max_size=60),
    st.sets(st.integers(0, 120), min_size=1, max_size=30),
    st.sampled_from((("claims",), ("claims", "consent"))),
)
def test_any_keys_of_any_state_are_shown_present_or_absent(
    rows: dict[int, bytes], asked: set[int], contracts: tuple[str, ...]
) -> None:
    state = {key_of(index, contract): value for index, value in rows.items() for contract in contracts}
    entries = {key_of(index, contract): state.get(key_of(index, contract)) for index in asked for contract in contracts}
    proof = prove_entries(state, entries)
    root = build(state)[1].root
    verify_many(root, entries, proof)
    assert decode(encode(proof), StateMultiProof) == proof
    for key, value in entries.items():
        forged = b"forged" if value is None else None
        with pytest.raises(VerificationError):
            verify_many(root, entries | {key: forged}, proof)
        if value is not None:
            with pytest.raises(VerificationError):
                verify_many(root, entries | {key: value + b"!"}, proof)


def test_a_wrong_value_is_narrowed_down_to_its_contract() -> None:
    with pytest.raises(
        VerificationError, match=r"consent: expected root [0-9a-f]{64}, its 2 entries as given here make [0-9a-f]{64}"
    ):
        verify_many(ROOT, ENTRIES | {key_of(5, "consent"): b"6"}, PROOF)


def test_an_absent_key_may_share_its_slot_with_a_proven_one() -> None:
    state = {key_of(0): b"alone"}
    entries: Entries = {key_of(0): b"alone", key_of(1): None, key_of(2): None}
    proof = prove_entries(state, entries)
    assert proof.hashes == b""
    verify_many(build(state)[1].root, entries, proof)


def test_every_bit_of_a_proof_counts() -> None:
    verify_many(ROOT, ENTRIES, PROOF)
    for field in ("shape", "hashes"):
        data = getattr(PROOF, field)
        for index in range(len(data)):
            for bit in range(8):
                flipped = data[:index] + bytes([data[index] ^ 1 << bit]) + data[index + 1 :]
                with pytest.raises(VerificationError):
                    verify_many(ROOT, ENTRIES, replace(PROOF, **{field: flipped}))


@pytest.mark.parametrize("field", ["shape", "hashes"])
@pytest.mark.parametrize("change", [lambda data: data[:-32], lambda data: data + bytes(32), lambda data: data + b"\0"])
def test_nothing_may_be_missing_or_left_over(field: str, change: object) -> None:
    assert callable(change)
    with pytest.raises(VerificationError, match=field):
        verify_many(ROOT, ENTRIES, replace(PROOF, **{field: change(getattr(PROOF, field))}))


def test_a_key_more_or_less_is_refused() -> None:
    for key in ENTRIES:
        with pytest.raises(VerificationError):
            verify_many(ROOT, {other: value for other, value in ENTRIES.items() if other != key}, PROOF)
    with pytest.raises(VerificationError):
        verify_many(ROOT, ENTRIES | {key_of(4): b"4"}, PROOF)
    with pytest.raises(VerificationError, match="expected 1 to"):
        verify_many(ROOT, {}, PROOF)
    with pytest.raises(VerificationError, match="state key"):
        verify_many(ROOT, {b"nothing in front": None}, PROOF)


def test_another_root_is_refused() -> None:
    with pytest.raises(VerificationError, match="expected state root"):
        verify_many(bytes(32), ENTRIES, PROOF)


def find_empty_slot(state: Mapping[bytes, bytes]) -> tuple[StateRoots, bytes, StateProof]:
    """Return roots, an absent key whose group's slot is empty, and its single proof."""
    nodes, roots = build(state)
    keys = (key_of(index) for index in range(10_000, 11_000))
    found = ((key, prove(nodes, roots, key)) for key in keys)
    return next((roots, key, proof) for key, proof in found if proof.group.other is None)


def test_an_empty_subtree_is_not_spelled_out() -> None:
    roots, key, single = find_empty_slot(STATE)
    verify_many(roots.root, {key: None}, join_proofs(roots, {key: (None, single)}))
    branch = replace(single.group, siblings=tuple(EMPTY if node is None else node for node in single.group.siblings))
    spelled = replace(single, group=branch)
    assert spelled != single
    with pytest.raises(VerificationError, match="is a bit"):
        verify_many(roots.root, {key: None}, join_proofs(roots, {key: (None, spelled)}))


def test_absence_is_shown_in_the_node_and_not_below_it() -> None:
    roots, key, single = find_empty_slot(STATE)
    branch = replace(single.group, siblings=(None, None, None, None, *single.group.siblings))
    with pytest.raises(VerificationError, match="not below an empty one"):
        verify_many(roots.root, {key: None}, join_proofs(roots, {key: (None, replace(single, group=branch))}))


def test_another_leaf_must_stand_where_the_absent_key_would() -> None:
    nodes, roots = build(STATE)
    keys = [key_of(index) for index in range(10_000, 10_500, 5)]
    proofs = {key: prove(nodes, roots, key) for key in keys}
    first = next(key for key in keys if proofs[key].group.other is not None)
    others = [proof.group.other for proof in proofs.values() if proof.group.other is not None]
    elsewhere = next(other for other in others if other.path[0] >> 4 != locate_group(first)[1][0] >> 4)
    strange = replace(proofs[first], group=replace(proofs[first].group, other=elsewhere))
    with pytest.raises(VerificationError, match="does not lie under"):
        verify_many(roots.root, {first: None}, join_proofs(roots, {first: (None, strange)}))
    present = prove(nodes, roots, key_of(3))
    assert present.entry is not None
    itself = OtherLeaf(hashlib.sha256(key_of(3)).digest(), hashlib.sha256(b"3").digest())
    hidden = replace(present, entry=replace(present.entry, other=itself))
    with pytest.raises(VerificationError, match="very path"):
        verify_many(roots.root, {key_of(3): None}, join_proofs(roots, {key_of(3): (None, hidden)}))


def test_a_group_that_is_there_is_not_shown_absent() -> None:
    nodes, roots = build(STATE)
    single = prove(nodes, roots, key_of(3))
    assert single.entry is not None
    content = roots.get("claims")
    leaf = OtherLeaf(locate_group(key_of(3))[1], content)
    for group in (single.group, replace(single.group, other=leaf)):
        hidden = StateProof(roots, group, None)
        with pytest.raises(VerificationError):
            verify_many(roots.root, {key_of(3): None}, join_proofs(roots, {key_of(3): (None, hidden)}))


def test_a_group_without_entries_is_no_leaf() -> None:
    nodes, roots = build(STATE)
    key = key_of(10_000)
    single = prove(nodes, roots, key)
    made_up = StateProof(roots, replace(single.group, other=None), Branch((), None))
    with pytest.raises(VerificationError, match="without entries"):
        verify_many(roots.root, {key: None}, join_proofs(roots, {key: (None, made_up)}))


def test_absent_keys_of_groups_that_are_there_and_that_are_not_are_shown_together() -> None:
    state = {key_of(0): b"a", key_of(5): b"b"}
    absent = [key_of(index) for index in (1, 2, 6, 10, 11, 15, 20)]
    proof = prove_entries(state, dict.fromkeys(absent))
    verify_many(build(state)[1].root, dict.fromkeys(absent), proof)
    for key in absent:
        with pytest.raises(VerificationError):
            verify_many(build(state)[1].root, dict.fromkeys(absent) | {key: b"a"}, proof)


def test_a_shape_that_never_ends_is_refused_within_the_interpreters_depth() -> None:
    for shape in (b"\xff" * 4_000, b"\x88" * 4_000, bytes(4_000)):
        for hashes in (b"", bytes([1]) * 32 * 2_000):
            with pytest.raises(VerificationError):
                verify_many(ROOT, {key_of(3): b"3"}, StateMultiProof(PROOF.roots, shape, hashes))


def test_many_entries_take_less_than_their_single_proofs() -> None:
    nodes, roots = build(STATE)
    keys = [key_of(index) for index in range(40)]
    single = sum(len(encode(prove(nodes, roots, key))) for key in keys)
    joined = prove_entries(STATE, {key: STATE[key] for key in keys})
    assert len(encode(joined)) < single / 2
