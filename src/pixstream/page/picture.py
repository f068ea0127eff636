"""The picture of the flow: sources, topics, and those that read them, with a line for each way.

Only places and ways are here; what is written in them comes from `live`, and changes.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from pixstream.kafka.names import DLQ, EVENT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixstream.config.settings import Settings

WIDTH, BOX_WIDTH, GAP, HEAD = 1060, 250, 18, 30
HEIGHTS = {"source": 66, "topic": 66, "reader": 88}
"""Of a box, by its kind: a reader has a line more."""

NARROW_WIDTH, NARROW_GAP, BAND_GAP = 360, 10, 62


class Box(NamedTuple):
    """One place of the flow; `key` is the name in the values of `live`."""

    key: str
    kind: str
    href: str
    x: float
    y: float
    width: float
    height: float


class Way(NamedTuple):
    """A line from one place to another; `key` is its name in the values of `live`."""

    key: str
    path: str


class Heading(NamedTuple):
    """The title of a column or band: a key of `words`."""

    key: str
    x: float
    y: float


class Picture(NamedTuple):
    """A drawing in its own units."""

    width: float
    height: float
    boxes: Sequence[Box]
    ways: Sequence[Way]
    headings: Sequence[Heading]


class Flow(NamedTuple):
    """What is connected with what, by names.

    Attributes:
        sources: producers.
        topics: of events, then that of dead letters.
        readers: consumers and processors, with the topics that each reads.
    """

    sources: Sequence[str]
    topics: Sequence[str]
    readers: Sequence[tuple[str, Sequence[str]]]


def flow(settings: Settings, running: Iterable[str]) -> Flow:
    """Return the flow of the components that run."""
    names = set(running)
    readers = [
        (name, [EVENT_TOPICS[category] for category in reader.categories])
        for name, reader in settings.readers.items()
        if name in names
    ]
    sources = [name for name in settings.producers if name in names]
    return Flow(sources, [*EVENT_TOPICS.values(), DLQ], readers)


def ways(flow: Flow) -> list[tuple[str, str, str]]:
    """Return every way as its key, from and to."""
    inward = [(f"{s}>{t}", s, t) for s in flow.sources for t in flow.topics]
    outward = [(f"{t}>{r}", t, r) for r, topics in flow.readers for t in topics]
    lost = [(f"{r}>{DLQ}", r, DLQ) for r, _ in flow.readers]
    return [*inward, *outward, *lost]


def wide(flow: Flow) -> Picture:
    """Return the flow from left to right."""
    columns = _columns(flow)
    height = HEAD + max(len(names) * (HEIGHTS[kind] + GAP) for _, kind, names in columns)
    boxes: dict[str, Box] = {}
    headings = []
    for number, (heading, kind, names) in enumerate(columns):
        x = number * (WIDTH - BOX_WIDTH) / 2
        headings.append(Heading(heading, x, 16))
        spare = height - HEAD - len(names) * (HEIGHTS[kind] + GAP)
        for row, name in enumerate(names):
            y = HEAD + spare / 2 + row * (HEIGHTS[kind] + GAP)
            boxes[name] = _box(name, kind, x, y, BOX_WIDTH)
    lines = [Way(key, _curve(boxes[a], boxes[b])) for key, a, b in ways(flow)]
    return Picture(WIDTH, height, list(boxes.values()), lines, headings)


def narrow(flow: Flow) -> Picture:
    """Return the flow from top to bottom, for a telephone: an arrow from each band to the next."""
    y, boxes, headings, lines = 0.0, [], [], []
    for number, (heading, kind, names) in enumerate(_columns(flow)):
        if number:
            y += BAND_GAP - NARROW_GAP
            middle, top = NARROW_WIDTH / 2, y - BAND_GAP + 16
            arrow = f"M{middle:g},{top:g} V{y - 8:g} m-8,-8 l8,8 l8,-8"
            lines.append(Way(f"band{number}", arrow))
        headings.append(Heading(heading, 0, y + 16))
        y += HEAD
        for name in names:
            boxes.append(_box(name, kind, 0, y, NARROW_WIDTH))
            y += HEIGHTS[kind] + NARROW_GAP
    return Picture(NARROW_WIDTH, y, boxes, lines, headings)


def _columns(flow: Flow) -> list[tuple[str, str, list[str]]]:
    return [
        ("flow_sources", "source", list(flow.sources)),
        ("flow_topics", "topic", list(flow.topics)),
        ("flow_readers", "reader", [name for name, _ in flow.readers]),
    ]


def _box(name: str, kind: str, x: float, y: float, width: float) -> Box:
    href = f"/components/{name}" if kind != "topic" else "/letters" if name == DLQ else "/topics"
    return Box(name, kind, href, x, y, width, HEIGHTS[kind])


def _curve(start: Box, end: Box) -> str:
    """Return a line from the side of one box to the facing side of another."""
    forward = start.x < end.x
    x1, x2 = (start.x + start.width, end.x) if forward else (start.x, end.x + end.width)
    y1, y2 = start.y + start.height / 2, end.y + end.height / 2
    bend = (x2 - x1) / 2
    numbers = chain((x1, y1), (x1 + bend, y1), (x2 - bend, y2), (x2, y2))
    a, b, c, d, e, f, g, h = (f"{n:g}" for n in numbers)
    return f"M{a},{b} C{c},{d} {e},{f} {g},{h}"
