"""The authenticated state: one root for one map, proofs of what is there and of what is not, and forgeries."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import merkle
from ledger.codec import decode, encode
from ledger.errors import DecodeError, VerificationError
from ledger.execution.loader import RESERVED_NAMES
from ledger.limits import CONTRACTS_MAX
from ledger.state_tree import (
    EMPTY,
    Branch,
    ContractRoot,
    OtherLeaf,
    StateProof,
    StateRoots,
    differing_contracts,
    locate_group,
    prove,
    update,
    verify_state,
)

State = dict[bytes, bytes]

VECTORS = json.loads((Path(__file__).parents[1] / "conformance" / "state_proofs.json").read_text())


class Nodes(dict[bytes, bytes]):
    """Tree nodes in memory, overwritten in place as in the store."""

    def get_node(self, key: bytes) -> bytes | None:
        return self.get(key)

    def apply(self, writes: Mapping[bytes, bytes | None]) -> None:
        for key, node in writes.items():
            if node is None:
                del self[key]
            else:
                self[key] = node


def build(state: State) -> tuple[Nodes, StateRoots]:
    nodes = Nodes()
    made = update(nodes, StateRoots(), dict(state))
    nodes.apply(made.node_writes)
    return nodes, made.roots


def reference_root(state: State) -> bytes:
    """Compute the state root from its definition, bit by bit, without nodes or batches."""

    def tree(leaves: list[tuple[int, bytes]], depth: int = 0) -> bytes:
        if not leaves:
            return EMPTY
        if len(leaves) == 1 and depth % 4 == 0:
            return leaves[0][1]
        left = tree([leaf for leaf in leaves if not leaf[0] >> (255 - depth) & 1], depth + 1)
        right = tree([leaf for leaf in leaves if leaf[0] >> (255 - depth) & 1], depth + 1)
        return hashlib.sha256(b"\x01" + left + right).digest()

    def leaf(path: bytes, content: bytes) -> tuple[int, bytes]:
        return int.from_bytes(path, "big"), hashlib.sha256(b"\x00" + path + content).digest()

    contracts: dict[str, dict[bytes, list[tuple[int, bytes]]]] = {}
    for key, value in state.items():
        contract, _, subject = key.split(b"\x00")[:3]
        entry = leaf(hashlib.sha256(key).digest(), hashlib.sha256(value).digest())
        contracts.setdefault(contract.decode(), {}).setdefault(contract + b"\x00" + subject, []).append(entry)
    roots = {
        name: tree([leaf(hashlib.sha256(group).digest(), tree(entries)) for group, entries in groups.items()])
        for name, groups in contracts.items()
    }
    return merkle.root([merkle.leaf_hash(encode((name, roots[name]))) for name in sorted(roots)])


def key_of(index: int, contract: str = "claims") -> bytes:
    """Return a key: eight of one subject follow each other, in two tables."""
    table = "entries" if index % 3 else "heads"
    return f"{contract}\x00{table}\x00{index // 8:016x}\x00{index % 8:016x}".encode()


keys = st.builds(key_of, st.integers(0, 400), st.sampled_from(["claims", "consent", "records"]))
values = st.binary(max_size=8)
states = st.dictionaries(keys, values, max_size=60)
batches = st.lists(st.dictionaries(keys, st.none() | values, max_size=40), max_size=6)


@given(states)
def test_the_root_is_what_its_definition_says(state: State) -> None:
    _, roots = build(state)
    assert roots.root == reference_root(state)


@given(states, batches)
def test_the_same_map_has_the_same_root_and_nodes_whatever_was_written_before(state: State, history: object) -> None:
    nodes, roots = build(state)
    current = dict(state)
    assert isinstance(history, list)
    for changes in history:
        made = update(nodes, roots, changes)
        nodes.apply(made.node_writes)
        roots = made.roots
        for key, value in changes.items():
            if value is None:
                current.pop(key, None)
            else:
                current[key] = value
    fresh_nodes, fresh_roots = build(current)
    assert roots == fresh_roots
    assert nodes == fresh_nodes, "the store holds no node that a fresh one would not hold"


@given(states)
def test_deleting_everything_leaves_nothing(state: State) -> None:
    nodes, roots = build(state)
    made = update(nodes, roots, dict.fromkeys(state))
    nodes.apply(made.node_writes)
    assert made.roots == StateRoots()
    assert made.roots.root == hashlib.sha256(b"").digest()
    assert nodes == {}


@given(states, st.dictionaries(keys, st.none() | values, max_size=20))
def test_an_update_writes_nothing_so_candidates_share_a_base(state: State, changes: dict[bytes, bytes | None]) -> None:
    nodes, roots = build(state)
    before = dict(nodes)
    first = update(nodes, roots, changes)
    update(nodes, roots, {key_of(401): b"another candidate"})
    assert nodes == before
    assert update(nodes, roots, dict(reversed(changes.items()))) == first


@given(states, keys)
def test_every_key_has_a_proof_of_its_value_or_of_its_absence(state: State, key: bytes) -> None:
    nodes, roots = build(state)
    proof = decode(encode(prove(nodes, roots, key)), StateProof)
    verify_state(roots.root, key, state.get(key), proof)


@given(states, keys, values)
def test_no_other_value_and_no_false_absence_can_be_shown(state: State, key: bytes, value: bytes) -> None:
    nodes, roots = build(state)
    proof = prove(nodes, roots, key)
    for claimed in {value, value + b"x", None} - {state.get(key)}:
        with pytest.raises(VerificationError):
            verify_state(roots.root, key, claimed, proof)


@given(states, keys, keys)
def test_a_proof_of_one_key_shows_no_presence_of_another(state: State, key: bytes, other: bytes) -> None:
    nodes, roots = build(state)
    if key == other:
        return
    with pytest.raises(VerificationError):
        verify_state(roots.root, other, state.get(key, b""), prove(nodes, roots, key))


@given(st.dictionaries(keys, values, min_size=1, max_size=60), st.data())
def test_a_present_key_is_never_shown_absent_by_the_proof_of_another(state: State, data: st.DataObject) -> None:
    nodes, roots = build(state)
    present = data.draw(st.sampled_from(sorted(state)))
    with pytest.raises(VerificationError):
        verify_state(roots.root, present, None, prove(nodes, roots, data.draw(keys)))


@settings(max_examples=15)
@given(st.dictionaries(keys, values, min_size=2, max_size=60), keys)
def test_an_encoded_proof_with_any_byte_changed_is_refused(state: State, key: bytes) -> None:
    nodes, roots = build(state)
    encoded = encode(prove(nodes, roots, key))
    for place in range(len(encoded)):
        for flip in (0x01, 0x80):
            forged = bytearray(encoded)
            forged[place] ^= flip
            with pytest.raises((DecodeError, VerificationError)):
                verify_state(roots.root, key, state.get(key), decode(bytes(forged), StateProof))


@given(states, keys, st.data())
def test_missing_added_or_swapped_siblings_are_refused(state: State, key: bytes, data: st.DataObject) -> None:
    nodes, roots = build(state)
    proof = prove(nodes, roots, key)
    for field in ("group", "entry"):
        branch = getattr(proof, field)
        if branch is None:
            continue
        siblings = branch.siblings
        forgeries = [(None, *siblings), (*siblings, None), (*siblings, None, None, None, None), (None,) * 260]
        if siblings:
            place = data.draw(st.integers(0, len(siblings) - 1))
            forgeries += [siblings[1:], siblings[:-1], siblings[4:], siblings[:-4]]
            forgeries.append((*siblings[:place], bytes(31) + b"\x07", *siblings[place + 1 :]))
            forgeries.append(tuple(node or EMPTY for node in siblings) if None in siblings else (EMPTY, *siblings))
        for forged in forgeries:
            changed = replace(proof, **{field: Branch(forged, branch.other)})
            with pytest.raises(VerificationError):
                verify_state(roots.root, key, state.get(key), changed)


@given(states, keys)
def test_a_group_is_neither_left_out_nor_made_up(state: State, key: bytes) -> None:
    nodes, roots = build(state)
    proof = prove(nodes, roots, key)
    group = locate_group(key)
    assert (proof.entry is None) == (group not in {locate_group(other) for other in state})
    forgeries = [replace(proof, entry=None)] if proof.entry is not None else []
    forgeries += [replace(proof, entry=Branch((), None)), replace(proof, entry=proof.group, group=Branch((), None))]
    for forged in forgeries:
        if forged != proof:
            with pytest.raises(VerificationError):
                verify_state(roots.root, key, None, forged)


def names_by_nibble(first: bytes) -> tuple[bytes, bytes]:
    """Return a key of another group whose path begins as that of `first`'s group, and one whose path does not."""
    nibble = locate_group(first)[1].hex()[0]
    others = [key_of(8 * index) for index in range(1, 999)]
    alike = next(key for key in others if locate_group(key)[1].hex()[0] == nibble)
    return alike, next(key for key in others if locate_group(key)[1].hex()[0] != nibble)


def test_absence_beside_another_group_names_it_and_is_refused_for_the_group_itself() -> None:
    present = key_of(0)
    alike, elsewhere = names_by_nibble(present)
    nodes, roots = build({present: b"1", elsewhere: b"2"})
    proof = prove(nodes, roots, alike)
    leaf = merkle.leaf_hash(hashlib.sha256(present).digest() + hashlib.sha256(b"1").digest())
    assert (proof.group.other, proof.entry) == (OtherLeaf(locate_group(present)[1], leaf), None)
    verify_state(roots.root, alike, None, proof)
    with pytest.raises(VerificationError, match="very path"):
        verify_state(roots.root, present, None, proof)
    with pytest.raises(VerificationError, match="does not lie under"):
        verify_state(roots.root, elsewhere, None, proof)
    with pytest.raises(VerificationError, match="the group is absent"):
        verify_state(roots.root, present, b"1", proof)


def test_absence_within_a_group_names_the_entry_that_stands_there() -> None:
    present, absent = key_of(1), key_of(2)
    nodes, roots = build({present: b"1", key_of(9): b"2"})
    proof = prove(nodes, roots, absent)
    itself = OtherLeaf(hashlib.sha256(present).digest(), hashlib.sha256(b"1").digest())
    assert proof.entry == Branch((), itself)
    verify_state(roots.root, absent, None, proof)
    with pytest.raises(VerificationError, match="very path"):
        verify_state(roots.root, present, None, proof)
    with pytest.raises(VerificationError, match="names no other leaf"):
        verify_state(roots.root, present, b"1", proof)


def test_a_tree_of_one_leaf_is_that_leaf_and_its_absence_proof_has_no_siblings() -> None:
    nodes, roots = build({key_of(1): b"x"})
    entry = merkle.leaf_hash(hashlib.sha256(key_of(1)).digest() + hashlib.sha256(b"x").digest())
    assert roots.get("claims") == merkle.leaf_hash(hashlib.sha256(b"claims\x00" + b"0" * 16).digest() + entry)
    for absent in (key_of(2), key_of(9)):
        proof = prove(nodes, roots, absent)
        assert proof.group.siblings == ()
        verify_state(roots.root, absent, None, proof)


def test_a_group_that_loses_its_last_entry_is_gone() -> None:
    nodes, roots = build({key_of(1): b"x", key_of(9): b"y"})
    made = update(nodes, roots, {key_of(1): None})
    nodes.apply(made.node_writes)
    assert made.roots == build({key_of(9): b"y"})[1]
    proof = prove(nodes, made.roots, key_of(1))
    assert proof.entry is None
    verify_state(made.roots.root, key_of(1), None, proof)


def test_many_entries_of_one_subject_lengthen_no_other_subjects_way() -> None:
    lone = {key_of(8 * index): b"x" for index in range(1, 40)}
    _, roots = build(lone)
    nodes, crowded = build(
        lone | {f"claims\x00heads\x00{0:016x}\x00{index:016x}".encode(): b"y" for index in range(500)}
    )
    assert len(prove(nodes, crowded, key_of(8)).group.siblings) <= 16
    assert crowded.root != roots.root
    deepest = prove(nodes, crowded, f"claims\x00heads\x00{0:016x}\x00{7:016x}".encode())
    assert deepest.entry is not None
    assert 8 <= len(deepest.entry.siblings) <= 20
    assert len(deepest.group.siblings) <= 16


def test_a_contract_without_state_shows_the_absence_of_its_keys() -> None:
    nodes, roots = build({key_of(1): b"x"})
    proof = prove(nodes, roots, key_of(1, "records"))
    verify_state(roots.root, key_of(1, "records"), None, proof)
    with pytest.raises(VerificationError):
        verify_state(roots.root, key_of(1), None, proof)


def test_a_proof_under_an_older_root_is_worth_nothing_under_a_newer_one() -> None:
    nodes, roots = build({key_of(1): b"granted", key_of(2): b"y"})
    old = prove(nodes, roots, key_of(1))
    newer = update(nodes, roots, {key_of(1): b"revoked"}).roots
    with pytest.raises(VerificationError, match="state root"):
        verify_state(newer.root, key_of(1), b"granted", old)


@pytest.mark.parametrize("key", [b"", b"claims", b"\x00x", "信\x00x".encode()])
def test_a_key_without_a_contract_in_front_is_refused(key: bytes) -> None:
    nodes, roots = build({key_of(1): b"x"})
    with pytest.raises(VerificationError, match="state key"):
        prove(nodes, roots, key)
    with pytest.raises(VerificationError, match="state key"):
        verify_state(roots.root, key, None, StateProof(roots, Branch((), None), None))


def test_two_states_say_in_which_contracts_they_differ() -> None:
    base = {key_of(1): b"x", key_of(1, "consent"): b"x", key_of(1, "records"): b"x"}
    _, first = build(base)
    _, second = build({key_of(1): b"y", key_of(1, "consent"): b"x", key_of(1, "coverage"): b"x"})
    assert differing_contracts(first, second) == ("claims", "coverage", "records")
    assert differing_contracts(first, first) == ()


def test_equal_entries_of_two_contracts_do_not_share_a_subtree() -> None:
    nodes, roots = build({b"claims\x00a": b"1", b"claims-archive\x00a": b"1", b"claims\x00b": b"2"})
    assert [item.contract for item in roots.contracts] == ["claims", "claims-archive"]
    for key in (b"claims\x00a", b"claims-archive\x00a"):
        verify_state(roots.root, key, b"1", prove(nodes, roots, key))


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a")])
def test_state_roots_out_of_order_or_twice_are_refused(names: tuple[str, ...]) -> None:
    encoded = encode((tuple((name, EMPTY) for name in names),))
    with pytest.raises(DecodeError, match="sorted by name"):
        decode(encoded, StateRoots)


def test_a_store_that_lost_a_node_or_kept_an_old_one_stops_the_program() -> None:
    nodes, roots = build({key_of(i): b"x" for i in range(40)})
    newer = update(nodes, roots, {key_of(1): b"y"})
    with pytest.raises(AssertionError, match="another version"):
        update(nodes, newer.roots, {key_of(2): b"z"})
    del nodes[b"claims\x00"]
    with pytest.raises(AssertionError, match="has no state tree node"):
        prove(nodes, roots, key_of(1))


def test_a_store_that_lost_a_groups_node_or_kept_an_old_one_stops_the_program() -> None:
    for state in ({key_of(i): b"x" for i in range(40)}, {key_of(0): b"x"}, {key_of(0): b"x", key_of(9): b"x"}):
        nodes, roots = build(state)
        group = next(key for key in nodes if key.endswith(b"g" + locate_group(key_of(0))[1]))
        newer = update(nodes, roots, {key_of(0): b"y"})
        older = nodes[group]
        nodes.apply(newer.node_writes)
        nodes[group] = older
        with pytest.raises(AssertionError, match="another version"):
            prove(nodes, newer.roots, key_of(0))
        with pytest.raises(AssertionError, match="another version"):
            update(nodes, newer.roots, {key_of(0): b"z"})
        del nodes[group]
        with pytest.raises(AssertionError, match="another version"):
            update(nodes, newer.roots, {key_of(0): b"z"})


def test_a_proof_stays_small_in_a_large_state() -> None:
    nodes, roots = build({key_of(i): b"%d" % i for i in range(5_000)})
    sizes = [len(encode(prove(nodes, roots, key_of(i)))) for i in range(0, 5_000, 100)]
    assert max(sizes) < 1_000


def test_the_root_of_a_contract_is_listed_in_name_order() -> None:
    _, roots = build({key_of(1, "records"): b"x", key_of(1, "claims"): b"x"})
    assert roots.contracts == (
        ContractRoot("claims", roots.get("claims")),
        ContractRoot("records", roots.get("records")),
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case["desc"]) for case in VECTORS])
def test_state_proof_vectors(case: dict[str, Any]) -> None:
    root, key, proof = (base64.b64decode(case[field]) for field in ("root", "key", "proof"))
    value = None if case["value"] is None else base64.b64decode(case["value"])
    if case["wantErr"]:
        with pytest.raises((DecodeError, VerificationError)):
            verify_state(root, key, value, decode(proof, StateProof))
    else:
        verify_state(root, key, value, decode(proof, StateProof))


def test_a_state_of_all_contracts_that_there_may_be_and_the_systems_own_names_is_read_back() -> None:
    names = sorted([f"c{number:02d}" for number in range(CONTRACTS_MAX)] + sorted(RESERVED_NAMES))
    roots = StateRoots(tuple(ContractRoot(name, bytes([7]) * 32) for name in names))
    assert decode(encode(roots), StateRoots) == roots
