"""A YAML document as a tree whose values remember where they were written.

Unquoted values follow YAML 1.2's core schema, as editors do: `no` and `on` are text. Every value
keeps its text, so that `00000000` has all its zeros wherever text is wanted.
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

# Longer numbers fit no setting, and as text they keep every digit.
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
    """Where a value was written: the file (or `--set`), its line, its keys from the top there."""

    name: str
    line: int | None = None
    path: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`kafka_config.yaml:12`, as compilers and editors write it."""
        return self.name if self.line is None else f"{self.name}:{self.line}"


class Problems:
    """Collects what is wrong, so that one run tells everything."""

    def __init__(self) -> None:
        self._found: dict[str, Origin] = {}

    def add(self, origin: Origin, text: str) -> None:
        """Note `text`, what is wrong at `origin`; the same line twice counts once."""
        line = ": ".join(filter(None, (origin.place, dotted(origin.path), text)))
        self._found.setdefault(line, origin)

    def lines(self) -> list[str]:
        """All of them, file by file, each in the order of its file."""
        places = ((origin.name, origin.line or 0, text) for text, origin in self._found.items())
        return [text for _, _, text in sorted(places)]

    def raise_any(self) -> None:
        """Raise a ConfigError of all lines, in the order of the file, if there is any."""
        if self._found:
            raise ConfigError("\n".join(sorted(self._found, key=self._line)))

    def _line(self, text: str) -> int:
        return self._found[text].line or 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """A single value: its text, whether it was quoted, whether ${VAR} took part in it.

    `unknown`: a variable that was not looked up or is not set; every check lets it pass.
    """

    origin: Origin
    text: str
    quoted: bool = False
    from_variable: bool = False
    unknown: bool = False

    @property
    def blank(self) -> bool:
        """Nothing was written at all, as in `kafka:` with all lines below it commented out."""
        return not self.quoted and not self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Keys and what stands under them, in the order of the file."""

    origin: Origin
    items: Mapping[str, Node]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list."""

    origin: Origin
    items: tuple[Node, ...]


Node: TypeAlias = Scalar | Section | Listing


def dotted(path: tuple[str, ...]) -> str:
    """A path for people: `kafka.sasl.username`, `institution.ispbs[1]`; odd keys are escaped."""
    return ".".join(_printable(key) for key in path).replace(".[", "[")


def _printable(key: str) -> str:
    text = key if key.isprintable() and key else ascii(key)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  fits a line


def native(scalar: Scalar) -> str | int | float | bool | None:
    """What the scalar means by YAML's core schema alone, without knowing what is wanted."""
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
    """The node at `path`, or the last one on the way there."""
    *_, last = _descent(tree, path)
    return last


def origin(tree: Node, path: tuple[str, ...]) -> Origin:
    """Where `path` was written; where it was not, the line of what it would stand in."""
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
