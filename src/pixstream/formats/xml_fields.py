"""Untrusted XML: read safely, addressed by local names, with every text accounted for.

A DOCTYPE is refused where it begins, before libxml2 acts on it: if it has declarations, the pull
parser opens local files for parameter entities, regardless of its options. Without a DOCTYPE there
are no entities to expand and nothing to fetch. libxml2's own limits stay on (`huge_tree` off: a
text of 10 MB or 256 levels ends the parsing), since no SPI message comes near them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from pixstream.errors import Refused
from pixstream.event.model import Flag, Reason
from pixstream.formats.encoding import decoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lxml.etree import _Element

LONGEST_SHARED = 140
"""Characters. No identifier and no name of ISO 20022 is longer."""

_CHUNK = 1 << 16
_PROLOG_CHUNK = 1 << 10
_TEXT = "#text"
_ATTRIBUTES = etree.XPath("@*")
_DECLARED = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z][\w.-]*)", re.ASCII)


def repaired(raw: bytes) -> tuple[bytes, bool]:
    """Return a document that declares UTF-8, or nothing, as UTF-8; and whether it was not.

    A document that declares another encoding is libxml2's to read, also by its byte order mark.
    """
    declared = _DECLARED.match(raw)
    if not raw.startswith(b"<") or (declared and declared[1].upper() not in {b"UTF-8", b"UTF8"}):
        return raw, False
    text, changed = decoded(raw)
    return (text.encode(), True) if changed else (raw, False)


def skeleton(raw: bytes, emptied: Collection[str]) -> _Element:
    """Return the root of a well-formed document; elements named in `emptied` are empty.

    Raises:
        Refused: it is not well-formed to its last byte, or it has a DOCTYPE.
    """
    parser = _parser(emptied)
    try:
        _read_prolog(raw)
        for element in _ended(parser, raw):
            element.clear()
        root: _Element = parser.close()
    except etree.XMLSyntaxError as error:
        raise Refused(
            Reason.MALFORMED_XML,
            f"not well-formed XML, or cut off: see line {error.lineno or 1}",
        ) from None
    return root


def elements(raw: bytes, name: str) -> Iterator[_Element]:
    """Yield the elements with this local name, each when its end is read.

    `raw` must have been accepted by `skeleton`. Call `clear` on an element to free its memory.
    """
    yield from _ended(_parser([name]), raw)


def local_name(element: _Element) -> str:
    """Return an element's name without its namespace."""
    return _local(str(element.tag))


class XmlFields:
    """The texts below an element; what is not taken remains for `rest`.

    A path is local names joined by `/`; an attribute's name begins with `@`.

    Args:
        element: None counts as an element without content.
        without: elements with these local names are left out, at any depth.
    """

    def __init__(self, element: _Element | None, without: Collection[str] = ()) -> None:
        content = {} if element is None else _content(element, without)
        self._tree = content if isinstance(content, dict) else {_TEXT: content}
        self._surplus: dict[str, list[str]] = {}
        self.flags: list[Flag] = []

    def take(self, *paths: str) -> str | None:
        """Take the text of the first path that has one; flag and keep further texts there."""
        for path in paths:
            found = self.take_all(path)
            if found:
                if found[1:]:
                    self.flags.append(Flag.SHAPE_IRREGULAR)
                    self._surplus[path] = found[1:]
                return found[0]
        return None

    def take_shared(self, *paths: str) -> str | None:
        """Do as `take` for a text that many drafts share; one above `LONGEST_SHARED` stays.

        It would be copied into each of them.
        """
        for path in paths:
            nodes, last = self._parents(path)
            texts = [text for node in nodes for text in _texts(node, last)]
            if texts and all(len(text) <= LONGEST_SHARED for text in texts):
                return self.take(path)
        return None

    def take_all(self, path: str) -> list[str]:
        """Take every text at a path, in document order, without empty ones."""
        nodes, last = self._parents(path)
        return [text for node in nodes for text in _pop(node, last)]

    def _parents(self, path: str) -> tuple[list[Any], str]:
        """Return the nodes above the last step of a path, and that step."""
        *parents, last = path.split("/")
        nodes: list[Any] = [self._tree]
        for name in parents:
            nodes = [child for node in nodes for child in _children(node, name)]
        return nodes, last

    def rest(self) -> dict[str, Any]:
        """Return what was not taken, as nested mappings without empty elements."""
        return {**(_pruned(self._tree) or {}), **self._surplus}


class _Prolog:
    """A parser target of lxml for everything before the root element."""

    def __init__(self) -> None:
        self.over = False

    def doctype(self, *_: object) -> None:
        """Refuse the document; lxml calls this before it reads any declaration."""
        raise Refused(
            Reason.MALFORMED_XML, "has a DOCTYPE: SPI messages have none, and entities are not read"
        )

    def start(self, *_: object) -> None:
        """Record that the root element has begun: no DOCTYPE can follow."""
        self.over = True

    def close(self) -> None:
        """Do nothing; lxml requires this method."""


def _read_prolog(raw: bytes) -> None:
    prolog = _Prolog()
    parser = etree.XMLParser(
        target=cast("Any", prolog),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    for start in range(0, len(raw), _PROLOG_CHUNK):
        parser.feed(raw[start : start + _PROLOG_CHUNK])
        if prolog.over:
            return


def _parser(names: Collection[str]) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=("end",),
        tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        collect_ids=False,
        remove_comments=True,
        remove_pis=True,
    )


def _ended(parser: etree.XMLPullParser, raw: bytes) -> Iterator[_Element]:
    for start in range(0, len(raw), _CHUNK):
        parser.feed(raw[start : start + _CHUNK])
        for _, element in parser.read_events():
            yield cast("_Element", element)


def _content(element: _Element, without: Collection[str] = ()) -> str | dict[str, Any]:
    """Return an element as its text, or as a mapping if it has attributes or children."""
    content: dict[str, Any] = {}
    if element.attrib:
        # lxml's own `items` takes time that grows with the square of their number.
        attributes = cast("list[Any]", _ATTRIBUTES(element))
        content = {f"@{_local(str(a.attrname))}": str(a) for a in attributes}
    for child in element:
        name = _local(str(child.tag))
        if name in without:
            continue
        value = _content(child, without)
        if name not in content:
            content[name] = value
        elif isinstance(content[name], list):
            content[name].append(value)
        else:
            content[name] = [content[name], value]
    text = (element.text or "").strip()
    if text and content:
        content[_TEXT] = text
    return content or text


@lru_cache(maxsize=1024)
def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _children(node: Any, name: str) -> list[Any]:
    found = node.get(name, []) if isinstance(node, dict) else []
    return found if isinstance(found, list) else [found]


def _texts(node: Any, name: str) -> list[str]:
    """Return the texts of the children with this name, without empty ones."""
    values = [v.get(_TEXT, "") if isinstance(v, dict) else v for v in _children(node, name)]
    return [text for text in values if text]


def _pop(node: Any, name: str) -> list[str]:
    """Take the texts out of the children with this name; their other content stays."""
    if not isinstance(node, dict):
        return []
    texts: list[str] = []
    kept = []
    for value in _children(node, name):
        text = value.pop(_TEXT, "") if isinstance(value, dict) else value
        if text:
            texts.append(text)
        if isinstance(value, dict):
            kept.append(value)
    node.pop(name, None)
    if kept:
        node[name] = kept if kept[1:] else kept[0]
    return texts


def _pruned(value: Any) -> Any:
    """Return the value without its empty parts; None if nothing is left."""
    if isinstance(value, dict):
        return {n: left for n, child in value.items() if (left := _pruned(child))} or None
    if isinstance(value, list):
        return [left for child in value if (left := _pruned(child))] or None
    return value or None
