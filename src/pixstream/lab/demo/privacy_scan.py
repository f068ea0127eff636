"""A search for clear identifiers in topics, tables, dead letters and logs, which must have none.

Personal data is only allowed there as pseudonyms or encrypted. A text is split into tokens in
several ways, and each token is looked up among the identifiers that went in. The cost does not
depend on their number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NUMBERS = re.compile(r'"(?:amount_centavos|revision|schema_version)":\d+')
"""Our own numbers that could equal an identifier by chance: an amount is not an account."""

_TOKENS = (
    re.compile(r'"((?:[^"\\]|\\.)*)"'),  # whole texts of JSON
    re.compile(r">([^<]+)<"),  # whole texts of XML
    re.compile(r"[^\s\"'<>{}()\[\],;=|]+"),  # e-mail, phone, UUID, masked by nothing
    re.compile(r"[^\s\"'<>{}()\[\],;=|:/]+"),  # the same inside URLs and key:value
    re.compile(r"[0-9A-Za-z]+"),  # documents and accounts between punctuation
)
# Only from the start of a word: otherwise a long text without spaces takes quadratic time.
_WORDS = re.compile(r"(?<![^\W\d_])[^\W\d_]++(?: [^\W\d_]++)+")
_LONGEST_NAME = 7
_GROUPED_DIGITS = re.compile(r"\d+(?:[^0-9A-Za-z]{1,3}\d+)+", re.ASCII)
_DOCUMENT_LENGTHS = (11, 14)


class PrivacyScan:
    """A count of the places that contain an identifier in clear.

    Args:
        identifiers: documents, keys, accounts, names, devices and addresses that went in, in clear.
    """

    def __init__(self, identifiers: Iterable[str]) -> None:
        self._identifiers = frozenset(identifiers)
        self.found = 0
        self.places: dict[str, int] = {}

    def text(self, place: str, text: str) -> None:
        """Scan a text; a report names `place`, never the identifier itself."""
        hits = len(self._identifiers & tokens(text))
        if hits:
            self.found += hits
            self.places[place] = self.places.get(place, 0) + hits

    def raw(self, place: str, raw: bytes | None) -> None:
        """Scan bytes; those that are not UTF-8 are escaped."""
        if raw:
            self.text(place, raw.decode("utf-8", "backslashreplace"))


def tokens(text: str) -> set[str]:
    """Return every piece of a text that could be an identifier on its own."""
    text = _NUMBERS.sub("", text)
    found: set[str] = set()
    for pattern in _TOKENS:
        found.update(pattern.findall(text))
    for run in set(_WORDS.findall(text)):
        # A name may be between other words: take every run of words inside the run.
        words = run.split()
        for first in range(len(words)):
            for last in range(first + 2, min(len(words), first + _LONGEST_NAME) + 1):
                found.add(" ".join(words[first:last]))
    for run in _GROUPED_DIGITS.findall(text):
        found.update(_documents(re.findall(r"\d+", run)))
    return found


def _documents(groups: Sequence[str]) -> Iterator[str]:
    """Yield what consecutive groups of digits are together, if as long as a CPF or CNPJ."""
    for first in range(len(groups)):
        joined = ""
        for group in groups[first : first + max(_DOCUMENT_LENGTHS)]:
            joined += group
            if len(joined) in _DOCUMENT_LENGTHS:
                yield joined
