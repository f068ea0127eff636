"""A JSON body, read without losing anything; its fields are taken one by one.

Banks' serialisers break JSON in known ways: an emoji cut in half by a length limit, a raw line
break in a string, a duplicate name, NaN. One odd value must not cost a page of a thousand Pix, so
these are accepted. Any other invalid JSON is refused as a whole.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from pixstream.errors import Refused
from pixstream.event.model import Reason
from pixstream.formats.encoding import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Path: TypeAlias = tuple[str | int, ...]
"""A value's place in its body: names of fields and indices of elements."""

MAX_DEPTH = 32
"""Accepted levels of objects and arrays; the deepest Pix body of API Pix has 7."""

_EXACT_DIGITS = 15
"""The decimal digits that a float preserves; a longer number stays text."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|.)",
    re.DOTALL,
)


class Body:
    """A parsed body that can also return the exact bytes of its pieces.

    Args:
        raw: the bytes as received.

    Attributes:
        document: the parsed JSON.
        repaired: some bytes were not UTF-8, see `encoding.decoded`.

    Raises:
        Refused: empty, not JSON, or nested deeper than `MAX_DEPTH`.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        text, self.repaired = decoded(raw)
        self.document = _load(text)
        self._opened: dict[Path, Any] = {}

    def piece(self, path: Path, value: Any) -> bytes:
        """Return the bytes of the value at `path`, as received, or serialised again if needed.

        It is needed where a name is duplicated, so that a path does not lead to one place.
        """
        if not path:
            return self.raw
        with contextlib.suppress(LookupError, TypeError, Refused):
            exact = bytes(self._open(path[:-1], path[-1])[path[-1]])
            if _load(decoded(exact)[0]) == value:
                return exact
        return json.dumps(value, ensure_ascii=False).encode()

    def _open(self, path: Path, step: str | int) -> Any:
        """Return the pieces just below `path` as raw bytes; None if the strict parser fails."""
        if path not in self._opened:
            raw = self._open(path[:-1], path[-1])[path[-1]] if path else self.raw
            kind: Any = dict[str, msgspec.Raw] if isinstance(step, str) else list[msgspec.Raw]
            self._opened[path] = None
            with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeError):
                self._opened[path] = msgspec.json.decode(raw, type=kind)
        return self._opened[path]


def is_absent(value: Any) -> bool:
    """Return whether a value means the same as a missing field: null, or a blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


class JsonFields:
    """The fields of one object, taken one by one; what is not taken stays for `extra`."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._left = dict(fields)
        self._inner: dict[str, JsonFields] = {}
        self._odd = False

    def __bool__(self) -> bool:
        return bool(self._left or self._inner)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    @property
    def irregular(self) -> bool:
        """Whether a value here or below had another JSON type than expected."""
        return self._odd or any(inner.irregular for inner in self._inner.values())

    def mark_irregular(self) -> None:
        """Record that the caller found an irregular value itself."""
        self._odd = True

    def text(
        self,
        *names: str,
        convert: Callable[[str], str | None] | None = None,
        numeric: bool = False,
    ) -> str | None:
        """Take the first of `names` that has a text; a number is taken as its text.

        Args:
            names: fields in order of preference; those not needed stay.
            convert: returns the converted text, or None to leave the field where it is.
            numeric: a number is expected here, and not irregular.
        """
        for name in names:
            value = self._left.get(name)
            if value is None or is_absent(value):
                self._left.pop(name, None)
                continue
            odd = not isinstance(value, str)
            if odd:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                self._odd = self._odd or not (number and numeric)
                if not number:
                    continue
            found = convert(str(value)) if convert else str(value)
            if found is not None:
                del self._left[name]
                return found
        return None

    def inner(self, name: str) -> JsonFields:
        """Return the fields of the object under `name`; no fields if there is no object."""
        found = self._inner.get(name)
        if found is not None:
            return found
        value = self._left.get(name)
        if isinstance(value, dict):
            del self._left[name]
            found = self._inner[name] = JsonFields(value)
            return found
        if value is None:
            self._left.pop(name, None)
        else:
            self._odd = True
        return _NO_FIELDS

    def within(self, way: Iterable[str]) -> JsonFields:
        """Return the fields of the object at the end of a path of names, see `inner`."""
        fields = self
        for name in way:
            fields = fields.inner(name)
        return fields

    def take(self, name: str) -> Any:
        """Take the value under `name`, of any type; None if there is none."""
        return self._left.pop(name, None)

    def rest(self) -> dict[str, Any]:
        """Return what was not taken, with its JSON types."""
        rests = {name: inner.rest() for name, inner in self._inner.items()}
        return self._left | {name: rest for name, rest in rests.items() if rest}


_NO_FIELDS = JsonFields({})


def _load(text: str) -> Any:
    if not text.strip():
        raise Refused(Reason.EMPTY, "body: empty")
    if "\\u" in text:
        text = _ESCAPE.sub(_whole_character, text)
    too_deep = Refused(Reason.MALFORMED_JSON, f"body: nested deeper than {MAX_DEPTH} levels")
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise too_deep from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Refused(Reason.MALFORMED_JSON, f"body: not valid JSON at {place}") from None
    if _deeper_than(MAX_DEPTH, document):
        raise too_deep
    return document


def _deeper_than(levels: int, document: Any) -> bool:
    """Return whether a document is nested deeper than `levels`.

    It works breadth first, so a deep document does not exhaust the stack, here or later.
    """
    nodes = [document] if isinstance(document, dict | list) else []
    for _ in range(levels):
        nodes = [
            child
            for node in nodes
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not nodes:
            return False
    return True


def _whole_character(escape: re.Match[str]) -> str:
    """Return U+FFFD for half a surrogate pair, which UTF-8 cannot encode."""
    return "\\ufffd" if escape[1] else escape[0]


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a duplicate name with different values gets the list of them."""
    pairs = list(pairs)
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    every: dict[str, list[Any]] = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value)
    return {
        name: values[0] if all(value == values[0] for value in values) else values
        for name, values in every.items()
    }


def _integer(text: str) -> int | str:
    return int(text) if len(text.lstrip("-")) <= _EXACT_DIGITS else text


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) and len(text) <= _EXACT_DIGITS else text


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_float,
    parse_int=_integer,
    parse_constant=str,
    strict=False,
)
