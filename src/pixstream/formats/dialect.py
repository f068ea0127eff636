"""A PSP's dialect of API Pix: what it writes beside the specification or under names of its own.

Each module of `formats/dialects/` declares one as `DIALECT`. `api_pix` reads the Banco Central's
fields and asks the dialect of an object for the rest, so it knows no PSP by name.

A path names a field, with dots for the objects that it stands in: `gnExtras.erro.codigo`.
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
"""The messages of `routing.TABLE` that objects of API Pix become."""

ANY: frozenset[str] = frozenset()
"""In the place of words: the field is there, whatever it holds."""

Converter: TypeAlias = Callable[[str], str | None]
"""A field's text → the draft's text, or None to leave the field in `extra`. It never raises."""

_PERSONS = frozenset({"payer", "payee"})
_TEXTS = "texts"
_NOT_FILLED = {"message", "currency", "flags", "extra"}
TARGETS = frozenset(Draft.__struct_fields__) - _NOT_FILLED | {
    f"{side}.{field}" for side in _PERSONS for field in Person.__struct_fields__
}
"""What a table may fill: a field of the draft, or of one of its persons as `payer.document`."""


class Place(NamedTuple):
    """Where a path leads: `outer` is the first name on it, `way` are the objects it crosses."""

    path: str
    outer: str
    way: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, path: str) -> Place:
        """Take a path apart."""
        *way, name = path.split(".")
        return cls(path, (*way, name)[0], tuple(way), name)


class Entry(NamedTuple):
    """One line of a table: what stands at `place` fills `target`, of a person if `side` says so."""

    place: Place
    side: str
    target: str
    converter: Converter | None
    is_person: bool
    """Whether an object at `place` describes a whole person."""
    is_text: bool
    """Whether `place` holds a name or a text that people wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """What one PSP adds to API Pix, as tables; each may be left out.

    The specification's own fields come first: a table fills only what they left empty, and of two
    of its lines with one target the first that finds a value wins.

    Args:
        marks: fields of a Pix or of a return that only this PSP writes. An object with one of them
            is read in this dialect.
        sent: path → the words, or `ANY`, that make a Pix a sent one; API Pix describes received
            ones only. They count in an object without anyone's mark too: rather a dead letter than
            a payment taken for a receipt.
        pix: path in a Pix → what it fills, one of `TARGETS`: a text (`amount`, `payer.document`);
            `payer` or `payee`, if an object describes that person with the usual names (`cpf`,
            `cnpj`, `chave`, `agencia`, `conta`, …); `texts`, for a name or free text.
        returns: the same for a return. An object with the path of `return_id` is a return; one
            that has no mark is read in the dialect of the Pix around it.
        statuses: message → the PSP's word → the word of `routing.TABLE`: None for `RECEIVED`,
            which is settled by definition. A word that is in neither is refused.
        converters: path in `pix` or `returns` → how its text, or its number as a text, becomes the
            draft's.
        expected: message → fields that stay in `extra` without the flag `unknown_field`.
        lists: fields of a body that hold Pix, as the specification's `pix` does.
        trial: field → how its text begins in a call that only tests the webhook.

    Raises:
        ValueError: a table fills what no table can fill.
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
        """Whether a Pix was sent."""
        for place, words in self._sent_places:
            if place.outer in value and _holds(value, place, words):
                return True
        return False

    def status(self, message: str, word: str) -> str | None:
        """The word of `routing.TABLE` for a status of the PSP; one that is not known stays."""
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
"""The specification itself, to which nothing is added."""


@functools.cache
def every() -> tuple[Dialect, ...]:
    """The dialects of `formats/dialects/`, in the order of their files' names."""
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
