"""The signer signs every position once, whatever it is asked."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.blocks import PRECOMMIT, PREVOTE, Vote
from ledger.codec import decode, encode
from ledger.consensus.round import CastVote, Propose
from ledger.replica.signer import NOTHING_SIGNED, Signer, SignerState, SigningKey
from tests.ledger.replica.consortium import CHAIN_ID, KEYS

V, W = bytes([1]) * 32, bytes([2]) * 32
VALUES = st.sampled_from([V, W])
WANTED = st.one_of(
    st.builds(CastVote, st.sampled_from([PREVOTE, PRECOMMIT]), st.integers(0, 2), st.none() | VALUES),
    st.builds(Propose, st.integers(0, 2), VALUES, st.integers(-1, 1)),
)


def make(state: SignerState | None) -> Signer:
    """Return a signer of one key that signs with it."""
    signer = Signer(CHAIN_ID, "a", (SigningKey(KEYS["a"], state),))
    signer.select(KEYS["a"].public_key)
    return signer


def fresh() -> Signer:
    return make(NOTHING_SIGNED)


def test_a_vote_is_signed_with_the_validators_key_for_this_chain() -> None:
    vote = fresh().sign(5, CastVote(PREVOTE, 1, V))
    assert isinstance(vote, Vote)
    vote.verify(CHAIN_ID, KEYS["a"].public_key)


def test_the_same_bytes_are_signed_again_and_others_are_refused() -> None:
    signer = fresh()
    first = signer.sign(5, CastVote(PREVOTE, 1, V))
    assert signer.sign(5, CastVote(PREVOTE, 1, V)) == first
    assert signer.sign(5, CastVote(PREVOTE, 1, W)) is None
    assert signer.sign(5, CastVote(PREVOTE, 1, None)) is None
    assert signer.sign(5, Propose(1, V, -1)) is None
    assert signer.sign(4, CastVote(PRECOMMIT, 9, V)) is None


def test_a_key_without_its_state_and_a_state_without_its_key_refuse() -> None:
    assert make(None).sign(5, CastVote(PREVOTE, 0, V)) is None
    assert Signer(CHAIN_ID, "a", ()).sign(5, CastVote(PREVOTE, 0, V)) is None


def test_every_key_has_a_state_of_its_own_and_only_the_selected_one_signs() -> None:
    old, new = SigningKey(KEYS["a"], None), SigningKey(KEYS["b"], NOTHING_SIGNED)
    signer = Signer(CHAIN_ID, "a", (old, new))
    assert signer.sign(5, CastVote(PREVOTE, 0, V)) is None, "none is selected"
    signer.select(KEYS["a"].public_key)
    assert signer.sign(5, CastVote(PREVOTE, 0, V)) is None, "nobody knows what the old key has signed"
    signer.select(KEYS["b"].public_key)
    vote = signer.sign(5, CastVote(PREVOTE, 0, V))
    assert isinstance(vote, Vote)
    vote.verify(CHAIN_ID, KEYS["b"].public_key)
    signer.select(KEYS["c"].public_key)
    assert (signer.public_key, signer.state) == (None, None), "somebody else's key is never ours"
    signer.select(KEYS["b"].public_key)
    assert signer.sign(5, CastVote(PREVOTE, 0, W)) is None, "it remembers"


@given(st.lists(st.tuples(st.integers(1, 3), WANTED), max_size=40), st.data())
def test_no_position_is_signed_twice_also_across_restarts(
    asked: list[tuple[int, CastVote | Propose]], data: st.DataObject
) -> None:
    signer = fresh()
    signed: dict[tuple[int, int, int], bytes] = {}
    for height, wanted in asked:
        if data.draw(st.booleans()):
            assert signer.state is not None
            signer = make(decode(encode(signer.state), SignerState))
        if signer.sign(height, wanted) is not None:
            message = signer.sign_bytes(height, wanted)
            step = wanted.type if isinstance(wanted, CastVote) else 0
            assert signed.setdefault((height, wanted.round, step), message) == message
