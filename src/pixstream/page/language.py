"""The language of a reader: its words, and how it writes numbers, durations and times."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pixstream.page.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Code: TypeAlias = Literal["en", "pt"]
CODES: tuple[Code, ...] = ("en", "pt")
COOKIE = "pixstream_language"

NONE = "\N{EN DASH}"
"""Where there is no value."""

_SMALL = 10
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_LONGEST_HEADER = 500


class Tongue(NamedTuple):
    """One language."""

    code: Code

    @property
    def tag(self) -> str:
        """The language for HTML."""
        return "pt-BR" if self.code == "pt" else "en"

    def t(self, key: str, **values: object) -> str:
        """Return a text of the catalogue, with its placeholders filled.

        Raises:
            KeyError: the catalogue does not have it.
        """
        return WORDS[key][CODES.index(self.code)].format(**values)

    def known(self, prefix: str, name: str) -> str:
        """Return the text of a name from a closed list, or else the name itself."""
        key = f"{prefix}_{name}"
        return self.t(key) if key in WORDS else name

    def number(self, value: float | None, digits: int | None = None) -> str:
        """Return a number; without `digits` small ones have one decimal place; None: a dash."""
        if value is None or math.isnan(value):
            return NONE
        if digits is None:
            digits = 1 if abs(value) < _SMALL and value != int(value) else 0
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if self.code == "pt" else text

    def rate(self, value: float | None) -> str:
        """Return a rate per second."""
        return f"{self.number(value)}/s"

    def duration(self, seconds: float | None) -> str:
        """Return a duration in the unit that suits it."""
        if seconds is None or math.isnan(seconds):
            return NONE
        for size, unit in _UNITS:
            if seconds >= size:
                return f"{self.number(seconds / size)} {unit}"
        if 0 < seconds < 1:
            return f"{self.number(seconds * 1000, 0)} ms"
        return f"{self.number(max(seconds, 0.0))} s"

    def time(self, when: dt.datetime | str | None) -> str:
        """Return a time in UTC; a text that is none, as it is."""
        if isinstance(when, str):
            try:
                when = dt.datetime.fromisoformat(when)
            except ValueError:
                return str(when)
        if when is None:
            return NONE
        utc = when.astimezone(dt.UTC) if when.tzinfo else when.replace(tzinfo=dt.UTC)
        form = "%d/%m/%Y %H:%M:%S" if self.code == "pt" else "%Y-%m-%d %H:%M:%S"
        return f"{utc:{form}} UTC"


def choose(asked: str | None, remembered: str | None, header: str) -> Tongue:
    """Return the language of a request.

    Args:
        asked: what the address asks for.
        remembered: the cookie.
        header: Accept-Language.
    """
    for code in CODES:
        if asked == code:
            return Tongue(code)
    for code in CODES:
        if remembered == code:
            return Tongue(code)
    weights = _weights(header[:_LONGEST_HEADER])
    best = max(CODES, key=lambda code: weights.get(code, 0.0))  # the first of equals: English
    return Tongue(best)


def _weights(header: str) -> Mapping[str, float]:
    """Return how much each language is wanted; a region counts for its language."""
    found: dict[str, float] = {}
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            weight = float(parameter.partition("=")[2] or 1)
        except ValueError:
            continue
        found[name] = max(found.get(name, 0.0), weight)
    return found
