"""A Chinese character takes two columns of a terminal."""

from nodes.schemas.columns import measure_width, pad


def test_texts_of_both_languages_end_in_the_same_column() -> None:
    assert (measure_width("授权"), measure_width("grant"), measure_width("（化名）")) == (4, 5, 8)
    assert [pad(text, 8) + "|" for text in ("授权", "grant")] == ["授权    |", "grant   |"]
    assert pad("规则到访", 4) == "规则到访"
