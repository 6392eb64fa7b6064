"""The entropy port: a seed replays, the system does not."""

from hypothesis import given
from hypothesis import strategies as st

from nodes.entropy import SeededEntropy, SystemEntropy


@given(st.binary(max_size=40), st.lists(st.integers(1, 200), min_size=1, max_size=10))
def test_one_seed_gives_one_stream(seed: bytes, counts: list[int]) -> None:
    first, second = SeededEntropy(seed), SeededEntropy(seed)
    assert [first.draw(count) for count in counts] == [second.draw(count) for count in counts]


def test_draws_of_a_seed_and_of_other_seeds_differ() -> None:
    entropy = SeededEntropy(b"a")
    assert len({entropy.draw(32), entropy.draw(32), SeededEntropy(b"b").draw(32), SeededEntropy(b"").draw(32)}) == 4


def test_a_longer_draw_does_not_shift_the_later_ones() -> None:
    first, second = SeededEntropy(b"a"), SeededEntropy(b"a")
    first.draw(1)
    second.draw(999)
    assert first.draw(32) == second.draw(32)


def test_the_system_gives_what_was_asked_for_and_never_twice() -> None:
    entropy = SystemEntropy()
    assert len(entropy.draw(7)) == 7
    assert entropy.draw(32) != entropy.draw(32)
