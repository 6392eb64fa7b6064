"""A batch's root follows from the shown leaves and what is left out, as RFC 9162 gives it from all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import VerificationError
from nodes.audit.deeds import batch_nodes, batch_root


def leaves_of(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % index) for index in range(count)]


@settings(max_examples=100)
@given(st.integers(1, 256), st.data())
def test_any_leaves_of_any_batch_give_its_root(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    shown = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=20))
    nodes = batch_nodes(leaves, frozenset(shown))
    known = {index: leaves[index] for index in shown}
    assert batch_root(count, known, nodes) == merkle.root(leaves)
    with pytest.raises(VerificationError, match="more than the nodes"):
        batch_root(count, known, (*nodes, bytes(32)))
    if nodes:
        with pytest.raises(VerificationError, match="is missing"):
            batch_root(count, known, nodes[:-1])


def test_positions_lie_within_the_batch() -> None:
    with pytest.raises(VerificationError, match="positions below 2"):
        batch_root(2, {2: bytes(32)}, ())
    with pytest.raises(VerificationError, match="positions below 2"):
        batch_root(2, {}, ())
