"""Columns of a terminal: a Chinese character takes two, so counting characters does not align a table."""

from unicodedata import east_asian_width


def measure_width(text: str) -> int:
    """Return how many columns a line of text takes."""
    return sum(2 if east_asian_width(character) in ("W", "F") else 1 for character in text)


def pad(text: str, width: int) -> str:
    """Return a text with spaces behind it up to a width; one that is wider stays as it is."""
    return text + " " * (width - measure_width(text))
