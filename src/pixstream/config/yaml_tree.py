"""A YAML document as a tree whose values remember where they were written.

Unquoted values follow YAML 1.2's core schema, as editors do: `no` and `on` are text. Every value
keeps its text, so `00000000` keeps all its zeros where text is expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Longer numbers fit no setting; as text they keep every digit.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}\.[0-9]{0,30}|[0-9]{1,30}(?=[eE]))([eE][-+]?[0-9]{1,3})?",
    re.ASCII,
)
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Origin(NamedTuple):
    """Where a value was written: the file (or `--set`), the line, and the keys from the top."""

    name: str
    line: int | None = None
    path: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`kafka_config.yaml:12`, as compilers and editors write it."""
        return self.name if self.line is None else f"{self.name}:{self.line}"


class Problems:
    """Collects problems, so that one run reports all of them."""

    def __init__(self) -> None:
        self._found: dict[str, Origin] = {}

    def add(self, origin: Origin, text: str) -> None:
        """Add the problem `text` at `origin`; the same line is kept only once."""
        line = ": ".join(filter(None, (origin.place, dotted(origin.path), text)))
        self._found.setdefault(line, origin)

    def lines(self) -> list[str]:
        """Return all problems, sorted by file and line."""
        places = ((origin.name, origin.line or 0, text) for text, origin in self._found.items())
        return [text for _, _, text in sorted(places)]

    def raise_any(self) -> None:
        """Raise a ConfigError with all problems, in the order of the file, if there are any."""
        if self._found:
            raise ConfigError("\n".join(sorted(self._found, key=self._line)))

    def _line(self, text: str) -> int:
        return self._found[text].line or 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """A single value: its text, whether it was quoted, and whether it contained a ${VAR}.

    `unknown`: a variable was not looked up or is not set; the value passes every check.
    """

    origin: Origin
    text: str
    quoted: bool = False
    from_variable: bool = False
    unknown: bool = False

    @property
    def blank(self) -> bool:
        """Whether nothing was written, as in `kafka:` with all lines below it commented out."""
        return not self.quoted and not self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Keys and their values, in the order of the file."""

    origin: Origin
    items: Mapping[str, Node]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list."""

    origin: Origin
    items: tuple[Node, ...]


Node: TypeAlias = Scalar | Section | Listing


def dotted(path: tuple[str, ...]) -> str:
    """Return a readable path: `kafka.sasl.username`, `institution.ispbs[1]`; escape odd keys."""
    return ".".join(_printable(key) for key in path).replace(".[", "[")


def _printable(key: str) -> str:
    text = key if key.isprintable() and key else ascii(key)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  fits a line


def native(scalar: Scalar) -> str | int | float | bool | None:
    """Return the scalar's value by YAML's core schema alone, whatever type is expected."""
    text = scalar.text
    if scalar.quoted and not scalar.from_variable:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def at(tree: Node, path: Iterable[str | int]) -> Node:
    """Return the node at `path`, or the last one on the way there."""
    *_, last = _descent(tree, path)
    return last


def origin(tree: Node, path: tuple[str, ...]) -> Origin:
    """Return where `path` was written; if it was not, the place of the nearest section above."""
    nodes = list(_descent(tree, path))
    found = nodes[-1].origin
    return found._replace(path=(*found.path, *path[len(nodes) - 1 :]))


def _descent(tree: Node, path: Iterable[str | int]) -> Iterator[Node]:
    yield tree
    for key in path:
        if isinstance(tree, Section) and key in tree.items:
            tree = tree.items[str(key)]
        elif isinstance(tree, Listing) and isinstance(key, int) and key < len(tree.items):
            tree = tree.items[key]
        else:
            return
        yield tree
