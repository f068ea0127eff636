"""Words for people."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 letter`, `2,000 letters`.

    Args:
        number: how many.
        one: the noun for a single one.
        many: the noun for any other number; empty: `one` and an s.
    """
    return f"{number:,} {noun(number, one, many)}"


def noun(number: int, one: str, many: str = "") -> str:
    """Return the noun alone, as `counted` would."""
    return one if number == 1 else many or f"{one}s"
