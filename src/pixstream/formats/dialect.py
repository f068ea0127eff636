"""A PSP's dialect of API Pix: fields outside the specification or with other names.

Each module of `formats/dialects/` declares one as `DIALECT`. `api_pix` reads the Banco Central's
fields and uses the dialect of an object for the rest, so it does not name any PSP.

A path names a field, with a dot after each enclosing object: `gnExtras.erro.codigo`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from pixstream.event.model import Draft, Person

RECEIVED, SENT, RETURN = "api_pix.pix", "api_pix.enviado", "api_pix.devolucao"
"""The messages of `routing.TABLE` for objects of API Pix."""

ANY: frozenset[str] = frozenset()
"""Instead of words: the field is present, with any value."""

Converter: TypeAlias = Callable[[str], str | None]
"""Converts a field's text to the draft's text, or None to leave it in `extra`; never raises."""

_PERSONS = frozenset({"payer", "payee"})
_TEXTS = "texts"
_NOT_FILLED = {"message", "currency", "flags", "extra"}
TARGETS = frozenset(Draft.__struct_fields__) - _NOT_FILLED | {
    f"{side}.{field}" for side in _PERSONS for field in Person.__struct_fields__
}
"""The fields that a table may fill: of the draft, or of one of its persons (`payer.document`)."""


class Place(NamedTuple):
    """A parsed path: `outer` is its first name, `way` the enclosing objects."""

    path: str
    outer: str
    way: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, path: str) -> Place:
        """Split a path into its names."""
        *way, name = path.split(".")
        return cls(path, (*way, name)[0], tuple(way), name)


class Entry(NamedTuple):
    """One line of a table: the value at `place` fills `target`, of the person `side` if set."""

    place: Place
    side: str
    target: str
    converter: Converter | None
    is_person: bool
    """Whether an object at `place` describes a whole person."""
    is_text: bool
    """Whether `place` has a name or free text."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """The additions of one PSP to API Pix, as tables; every table is optional.

    The specification's own fields come first: a table fills only fields that they left empty. If
    several lines have the same target, the first that finds a value wins.

    Args:
        marks: fields of a Pix or of a return that only this PSP writes. An object with one of them
            is read in this dialect.
        sent: path → the words, or `ANY`, that mark a Pix as sent; API Pix itself describes only
            received ones. They also apply to an object without any dialect's mark: a dead letter is
            better than a sent payment recorded as received.
        pix: path in a Pix → what it fills, one of `TARGETS`: a text (`amount`, `payer.document`);
            `payer` or `payee`, if an object describes that person with the usual names (`cpf`,
            `cnpj`, `chave`, `agencia`, `conta`, …); `texts`, for a name or free text.
        returns: the same for a return. An object with the path of `return_id` is a return; a return
            without a mark is read in the dialect of the Pix that contains it.
        statuses: message → the PSP's word → the word of `routing.TABLE`: None for `RECEIVED`,
            which is settled by definition. A word that is in neither is refused.
        converters: path in `pix` or `returns` → the converter of its text, or of its number as
            text, to the draft's text.
        expected: message → fields that stay in `extra` without the flag `unknown_field`.
        lists: fields of a body that contain Pix, like the specification's `pix`.
        trial: field → the beginning of its text in a call that only tests the webhook.

    Raises:
        ValueError: a table fills something that is not in `TARGETS`.
    """

    marks: frozenset[str] = frozenset()
    sent: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)
    pix: Mapping[str, str] = dataclasses.field(default_factory=dict)
    returns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    statuses: Mapping[str, Mapping[str, str | None]] = dataclasses.field(default_factory=dict)
    converters: Mapping[str, Converter] = dataclasses.field(default_factory=dict)
    expected: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    lists: tuple[str, ...] = ()
    trial: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = {*self.pix.values(), *self.returns.values()} - TARGETS
        if unknown:
            raise ValueError(f"a dialect cannot fill {', '.join(sorted(unknown))}")

    def says_sent(self, value: Mapping[str, Any]) -> bool:
        """Return whether a Pix was sent."""
        for place, words in self._sent_places:
            if place.outer in value and _holds(value, place, words):
                return True
        return False

    def status(self, message: str, word: str) -> str | None:
        """Return the word of `routing.TABLE` for a PSP's status; an unknown one is unchanged."""
        words = self.statuses.get(message)
        return words.get(word, word) if words else word

    @functools.cached_property
    def pix_entries(self) -> tuple[Entry, ...]:
        """The lines of `pix`."""
        return self._entries(self.pix)

    @functools.cached_property
    def return_entries(self) -> tuple[Entry, ...]:
        """The lines of `returns`."""
        return self._entries(self.returns)

    @functools.cached_property
    def _sent_places(self) -> tuple[tuple[Place, Collection[str]], ...]:
        return tuple((Place.of(path), words) for path, words in self.sent.items())

    def _entries(self, table: Mapping[str, str]) -> tuple[Entry, ...]:
        entries = []
        for path, target in table.items():
            side, _, field = target.rpartition(".")
            place, converter = Place.of(path), self.converters.get(path)
            is_person, is_text = target in _PERSONS, target == _TEXTS
            entries.append(Entry(place, side, field, converter, is_person, is_text))
        return tuple(entries)


API_PIX = Dialect()
"""The specification itself, without additions."""


@functools.cache
def every() -> tuple[Dialect, ...]:
    """Return the dialects of `formats/dialects/`, in the order of their file names."""
    package = importlib.import_module("pixstream.formats.dialects")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(importlib.import_module(f"{package.__name__}.{name}").DIALECT for name in names)


def _holds(value: Any, place: Place, words: Collection[str]) -> bool:
    for step in place.way:
        value = value.get(step)
        if not isinstance(value, dict):
            return False
    if not words:
        return place.name in value
    return isinstance(value.get(place.name), str) and value[place.name] in words
