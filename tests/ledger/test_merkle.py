"""RFC 9162 trees: against the RFC's definitions, against published roots, and against forged proofs."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import merkle
from ledger.codec import decode, encode
from ledger.errors import DecodeError, VerificationError

VECTORS = Path(__file__).parents[1] / "conformance"
STRANGER = bytes([7]) * 32

sizes = st.integers(1, 70)


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["desc"]) for case in json.loads((VECTORS / name).read_text())]


def unpack(case: dict[str, Any], field: str) -> bytes:
    return base64.b64decode(case[field])


def unpack_proof(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(node) for node in case["proof"]]


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(2, "big")) for index in range(size)]


def defined_root(leaf_hashes: list[bytes]) -> bytes:
    """Return MTH of RFC 9162, section 2.1.1, word for word."""
    if not leaf_hashes:
        return hashlib.sha256(b"").digest()
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    split = 1
    while split * 2 < len(leaf_hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaf_hashes[:split]) + defined_root(leaf_hashes[split:])).digest()


@pytest.mark.parametrize("case", cases("merkle_roots.json"))
def test_published_roots(case: dict[str, Any]) -> None:
    leaf_hashes = [merkle.leaf_hash(base64.b64decode(leaf)) for leaf in case["leaves"]]
    assert merkle.root(leaf_hashes) == unpack(case, "root")


@pytest.mark.parametrize("case", cases("merkle_inclusion.json"))
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    def verify() -> None:
        merkle.verify_inclusion(
            case["leafIdx"], case["treeSize"], unpack(case, "leafHash"), unpack_proof(case), unpack(case, "root")
        )

    if case["wantErr"]:
        with pytest.raises(VerificationError, match="inclusion"):
            verify()
    else:
        verify()


@pytest.mark.parametrize("case", cases("merkle_consistency.json"))
def test_consistency_vectors(case: dict[str, Any]) -> None:
    def verify() -> None:
        merkle.verify_consistency(
            case["size1"], case["size2"], unpack_proof(case), unpack(case, "root1"), unpack(case, "root2")
        )

    if case["wantErr"]:
        with pytest.raises(VerificationError, match="consistency"):
            verify()
    else:
        verify()


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_the_root_is_the_one_the_rfc_defines(leaves: list[bytes]) -> None:
    leaf_hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert merkle.root(leaf_hashes) == defined_root(leaf_hashes)


def test_a_leaf_is_no_inner_node() -> None:
    left, right = leaves_of(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@given(sizes, st.data())
def test_every_leaf_is_proved_and_only_at_its_place(size: int, data: st.DataObject) -> None:
    leaf_hashes = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    place = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(leaf_hashes, index), merkle.root(leaf_hashes)
    merkle.verify_inclusion(index, size, leaf_hashes[index], proof, root)
    if place != index:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(place, size, leaf_hashes[index], proof, root)
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(index, size, leaf_hashes[place], proof, root)


@given(sizes, st.data())
def test_an_inclusion_proof_with_a_bit_flipped_or_a_node_too_many_or_few_is_refused(
    size: int, data: st.DataObject
) -> None:
    leaf_hashes = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = list(merkle.inclusion_proof(leaf_hashes, index)), merkle.root(leaf_hashes)
    place = data.draw(st.integers(0, len(proof)))
    forgeries = [[*proof[:place], STRANGER, *proof[place:]]]
    if place < len(proof):
        forgeries += [proof[:place] + proof[place + 1 :], [*proof[:place], flip(proof[place]), *proof[place + 1 :]]]
    for forged in forgeries:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(index, size, leaf_hashes[index], forged, root)


@given(sizes, st.data())
def test_every_prefix_is_consistent_and_no_other_list_is(size: int, data: st.DataObject) -> None:
    leaf_hashes = leaves_of(size)
    size1 = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(leaf_hashes, size1)
    root1, root2 = merkle.root(leaf_hashes[:size1]), merkle.root(leaf_hashes)
    merkle.verify_consistency(size1, size, proof, root1, root2)
    rewritten = [*leaf_hashes[: size1 - 1], STRANGER]
    with pytest.raises(VerificationError):
        merkle.verify_consistency(size1, size, proof, merkle.root(rewritten), root2)
    with pytest.raises(VerificationError):
        merkle.verify_consistency(size1, size, proof, root1, merkle.root([*rewritten, *leaf_hashes[size1:]]))


@given(st.integers(2, 70), st.data())
def test_a_consistency_proof_with_a_bit_flipped_or_a_node_too_many_or_few_is_refused(
    size: int, data: st.DataObject
) -> None:
    leaf_hashes = leaves_of(size)
    size1 = data.draw(st.integers(1, size - 1))
    proof = list(merkle.consistency_proof(leaf_hashes, size1))
    root1, root2 = merkle.root(leaf_hashes[:size1]), merkle.root(leaf_hashes)
    place = data.draw(st.integers(0, len(proof) - 1))
    for forged in (
        [*proof[:place], *proof[place + 1 :]],
        [*proof[:place], flip(proof[place]), *proof[place + 1 :]],
        [*proof[:place], STRANGER, *proof[place:]],
        [*proof, STRANGER],
        [*proof, root2],
    ):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(size1, size, forged, root1, root2)


def flip(node: bytes) -> bytes:
    return bytes([node[0] ^ 1]) + node[1:]


def test_what_is_wrong_with_the_number_of_nodes_is_said() -> None:
    leaf_hashes = leaves_of(8)
    root1, root2 = merkle.root(leaf_hashes[:6]), merkle.root(leaf_hashes)
    inclusion, consistency = merkle.inclusion_proof(leaf_hashes, 5), merkle.consistency_proof(leaf_hashes, 6)
    for forged, complaint in (((*inclusion, STRANGER), "4 nodes are more"), (inclusion[:2], "2 nodes are fewer")):
        with pytest.raises(VerificationError, match=complaint):
            merkle.verify_inclusion(5, 8, leaf_hashes[5], forged, root2)
    for forged, complaint in (((*consistency, STRANGER), "4 nodes are more"), (consistency[:2], "2 nodes are fewer")):
        with pytest.raises(VerificationError, match=complaint):
            merkle.verify_consistency(6, 8, forged, root1, root2)


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(VerificationError, match="index"):
        merkle.inclusion_proof(leaves_of(3), index)


@pytest.mark.parametrize("size1", [-1, 0, 4])
def test_no_proof_is_made_for_a_prefix_that_is_not_there(size1: int) -> None:
    with pytest.raises(VerificationError, match="size1"):
        merkle.consistency_proof(leaves_of(3), size1)


@given(st.integers(0, 70))
def test_a_frontier_grows_to_the_same_root_leaf_by_leaf(size: int) -> None:
    leaf_hashes = leaves_of(size)
    frontier = merkle.Frontier()
    for count, leaf in enumerate(leaf_hashes):
        assert (frontier.size, frontier.root()) == (count, merkle.root(leaf_hashes[:count]))
        frontier = frontier.append(leaf)
    assert frontier.root() == merkle.root(leaf_hashes)
    assert decode(encode(frontier), merkle.Frontier) == frontier


def test_appending_leaves_the_older_frontier_as_it_was() -> None:
    frontier = merkle.Frontier().append(STRANGER)
    first, second = (frontier.append(leaf) for leaf in leaves_of(2))
    assert frontier.root() == STRANGER
    assert first.root() != second.root()


@pytest.mark.parametrize(("size", "subtrees"), [(0, 1), (1, 0), (3, 1), (4, 2), (2**53, 2)])
def test_a_frontier_with_the_wrong_number_of_subtrees_is_refused(size: int, subtrees: int) -> None:
    with pytest.raises(DecodeError, match="subtrees"):
        decode(encode((size, (STRANGER,) * subtrees)), merkle.Frontier)
