"""Looks for clear identifiers where none may be: topics, tables, dead letters and logs (Law 4).

A text is cut into tokens in several ways and each token is looked up among the identifiers that
went in, so that the cost does not depend on how many there are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NUMBERS = re.compile(r'"(?:amount_centavos|revision|schema_version)":\d+')
"""Numbers of ours that could equal an identifier by chance: an amount is no account."""

_TOKENS = (
    re.compile(r'"((?:[^"\\]|\\.)*)"'),  # whole texts of JSON
    re.compile(r">([^<]+)<"),  # whole texts of XML
    re.compile(r"[^\s\"'<>{}()\[\],;=|]+"),  # e-mail, phone, UUID, masked by nothing
    re.compile(r"[^\s\"'<>{}()\[\],;=|:/]+"),  # the same inside of URLs and key:value
    re.compile(r"[0-9A-Za-z]+"),  # documents and accounts between punctuation
)
_WORDS = re.compile(r"[^\W\d_]+(?: [^\W\d_]+)+")
_LONGEST_NAME = 7


class PrivacyScan:
    """Counts the places where an identifier stands in clear.

    Args:
        identifiers: documents, keys, accounts, names, devices and addresses that went in, clear.
    """

    def __init__(self, identifiers: Iterable[str]) -> None:
        self._identifiers = frozenset(identifiers)
        self.found = 0
        self.places: dict[str, int] = {}

    def text(self, place: str, text: str) -> None:
        """Scan a text; `place` is what a report names, never the identifier itself."""
        hits = len(self._identifiers.intersection(tokens(text)))
        if hits:
            self.found += hits
            self.places[place] = self.places.get(place, 0) + hits

    def raw(self, place: str, raw: bytes | None) -> None:
        """Scan bytes; those that are no UTF-8 are read character by character."""
        if raw:
            self.text(place, raw.decode("utf-8", "backslashreplace"))


def tokens(text: str) -> Iterator[str]:
    """Every piece of a text that could be an identifier on its own."""
    text = _NUMBERS.sub("", text)
    for pattern in _TOKENS:
        for match in pattern.finditer(text):
            yield match[1] if pattern.groups else match[0]
    for match in _WORDS.finditer(text):
        # A name may stand between other words: every run of words inside of the run.
        words = match[0].split()
        for first in range(len(words)):
            for last in range(first + 2, min(len(words), first + _LONGEST_NAME) + 1):
                yield " ".join(words[first:last])
