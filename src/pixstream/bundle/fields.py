"""Reads the fields of a section as typed values; whatever is wrong becomes a problem.

A value with a reference that only a workspace can resolve is accepted: a text keeps the reference,
every other type takes the default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.config.problems import near
from pixstream.config.yaml_tree import Listing, Scalar, Section, native

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pixstream.config.yaml_tree import Node, Origin, Problems


class SectionFields:
    """The fields of one section.

    Args:
        section: the section.
        problems: gets a line for each field that is not what it should be.
    """

    def __init__(self, section: Section, problems: Problems) -> None:
        self.section = section
        self._problems = problems

    def origin(self, key: str) -> Origin:
        """Where the field was written; where it was not, the section's place."""
        node = self.section.items.get(key)
        return self.section.origin if node is None else node.origin

    def problem(self, text: str) -> None:
        """Note what is wrong with the section as a whole."""
        self._problems.add(self.section.origin, text)

    def text(self, key: str, default: str = "") -> str:
        """A single value as text."""
        node = self._written(key)
        if node is None:
            return default
        if not isinstance(node, Scalar):
            self._problems.add(node.origin, "expected a single value")
            return default
        return node.text

    def required(self, key: str) -> str:
        """Return a text that must be present."""
        text = self.text(key)
        if not text:
            self.problem(f"the key {key} is missing")
        return text

    def number(self, key: str, default: int, least: int = 0) -> int:
        """A whole number, at least `least`."""
        text = self.text(key, str(default))
        if "${" in text:
            return default
        try:
            number = int(text)
        except ValueError:
            self._problems.add(self.origin(key), "expected an integer")
            return default
        if number < least:
            self._problems.add(self.origin(key), f"must be at least {least}, is {number}")
        return number

    def flag(self, key: str) -> bool:
        """True or false; false where nothing is written."""
        text = self.choice(key, ("true", "false"), "false")
        return text == "true"

    def choice(self, key: str, known: Collection[str], default: str) -> str:
        """One of a few words."""
        text = self.text(key, default)
        if "${" in text:
            return default
        if text not in known:
            close = near(text, known)
            hint = f"; nearest: {close}" if close else ""
            self._problems.add(self.origin(key), f"expected one of {', '.join(known)}{hint}")
            return default
        return text

    def below(self, key: str) -> SectionFields | None:
        """The fields of a section in this one, if it is there."""
        node = self._written(key)
        if node is None or isinstance(node, Section):
            return None if node is None else SectionFields(node, self._problems)
        if not (isinstance(node, Scalar) and node.unknown):
            self._problems.add(node.origin, "expected a mapping")
        return None

    def each(self, key: str) -> Iterator[SectionFields]:
        """The fields of every section in a list."""
        for node in self._list(key):
            if isinstance(node, Section):
                yield SectionFields(node, self._problems)
            else:
                self._problems.add(node.origin, "expected a mapping")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of single values as texts."""
        nodes = self._list(key)
        for node in nodes:
            if not isinstance(node, Scalar):
                self._problems.add(node.origin, "expected a single value")
        return tuple(node.text for node in nodes if isinstance(node, Scalar))

    def mapping(self, key: str) -> Mapping[str, str]:
        """Keys and their single values as texts."""
        fields = self.below(key)
        return {} if fields is None else {name: fields.text(name) for name in fields.section.items}

    def _list(self, key: str) -> tuple[Node, ...]:
        node = self._written(key)
        if node is None or isinstance(node, Listing):
            return () if node is None else node.items
        if not (isinstance(node, Scalar) and node.unknown):
            self._problems.add(node.origin, "expected a list")
        return ()

    def _written(self, key: str) -> Node | None:
        node = self.section.items.get(key)
        return None if isinstance(node, Scalar) and native(node) is None else node
