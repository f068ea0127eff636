"""The values of a page that change: rendered into it at first, then sent as they change.

One function makes both, in the reader's language, so a page reads the same without the script. A
stream sends only what differs from what it sent before (server-sent events).
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pixstream.kafka.names import DLQ, group_id
from pixstream.page import alerts, figures
from pixstream.page.picture import ways
from pixstream.processes.lag_watch import LAG_SECONDS
from pixstream.processes.run_status import READY, STALE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pixstream.metrics import Sample
    from pixstream.page.charts import Chart
    from pixstream.page.language import Tongue
    from pixstream.page.picture import Flow
    from pixstream.processes.run_status import SupervisorStatus

EVERY_SECONDS = 2.0
_LOOK_SECONDS = 0.25
_RETRY_MILLISECONDS = 3000
_QUIET_EVENTS = 5
"""After so many times without news an empty line says that the stream lives."""


class Values(NamedTuple):
    """What changes, by the keys that the templates put on their elements.

    Attributes:
        texts: texts.
        states: a word that the style sheet colours.
        weights: how wide a line is, 0 to 3.
        lines: paths of charts.
    """

    texts: dict[str, str]
    states: dict[str, str]
    weights: dict[str, str]
    lines: dict[str, str]

    def news(self, before: Values) -> dict[str, Any]:
        """Return what is other than before, part by part."""
        return {
            part: changed
            for part in self._fields
            if (
                changed := {
                    key: value
                    for key, value in getattr(self, part).items()
                    if getattr(before, part).get(key) != value
                }
            )
        }


NOTHING = Values({}, {}, {}, {})


def values(
    status: SupervisorStatus | None,
    samples: Sequence[Sample],
    flow: Flow,
    drawn: Sequence[Chart],
    tongue: Tongue,
    *,
    fresh: bool,
) -> Values:
    """Return every value of a status.

    Args:
        status: the last one; None: there is none yet.
        samples: those of all components, and of the supervisor itself.
        flow: what is connected with what.
        drawn: the charts of the page; empty: it has none.
        tongue: the reader's language.
        fresh: whether the supervisor still publishes.
    """
    found = Values({}, {}, {}, {})
    components = figures.of_components(status)
    _summary(found, status, components, tongue, fresh=fresh)
    for one in components.values():
        found.texts.update(
            {
                f"state:{one.name}": tongue.known("state", one.state),
                f"rate:{one.name}": tongue.rate(one.rate),
                f"taken:{one.name}": tongue.number(one.taken),
                f"letters:{one.name}": tongue.number(one.letters),
                f"freshness:{one.name}": tongue.duration(one.freshness),
                f"restarts:{one.name}": tongue.number(one.restarts),
            }
        )
        found.states[f"state:{one.name}"] = one.state if fresh else "stale"
    _replicas(found, status, tongue)
    _flow(found, samples, flow, components, tongue)
    for chart in drawn:
        _chart(found, chart, tongue)
    # When this changes there is something that the page, as it was made, has no place for.
    found.texts["layout"] = " ".join([*components, *found.lines])
    return found


def is_fresh(status: SupervisorStatus | None, clock: float) -> bool:
    """Return whether a status can be trusted."""
    return status is not None and clock - status.clock <= STALE_SECONDS


def _summary(
    found: Values,
    status: SupervisorStatus | None,
    components: dict[str, figures.Figures],
    tongue: Tongue,
    *,
    fresh: bool,
) -> None:
    """Say in one sentence whether all is well; it changes only with the states."""
    wrong = [one.name for one in components.values() if one.state != READY]
    if not fresh:
        text, state = tongue.t("now_stale"), "stale"
    elif wrong:
        text, state = tongue.t("now_wrong", names=", ".join(wrong)), "failed"
    else:
        text, state = tongue.t("now_well", number=len(components)), READY
    if status is not None and status.stopping:
        text, state = tongue.t("now_stopping"), "stopped"
    found.texts["now"], found.states["now"] = text, state
    number = sum(one.severity != "info" for one in alerts.of_states(status, fresh=fresh))
    found.texts["alerts"] = str(number) if number else ""
    if status is not None:
        found.texts["written"] = tongue.time(status.written)


def _replicas(found: Values, status: SupervisorStatus | None, tongue: Tongue) -> None:
    for one in [] if status is None else status.components:
        seconds = (status.written - one.since).total_seconds() if status is not None else 0.0
        found.texts.update(
            {
                f"replica:{one.label}:state": tongue.known("state", one.state),
                f"replica:{one.label}:for": tongue.duration(seconds),
                f"replica:{one.label}:restarts": tongue.number(one.restarts),
            }
        )
        found.states[f"replica:{one.label}:state"] = one.state


def _flow(
    found: Values,
    samples: Sequence[Sample],
    flow: Flow,
    components: dict[str, figures.Figures],
    tongue: Tongue,
) -> None:
    behind, seconds = figures.lag(samples), figures.lag(samples, LAG_SECONDS.name)
    totals = figures.produced(samples)
    topics = figures.of_topics(components) | {
        DLQ: sum(one.letter_rate for one in components.values())
    }
    for source in flow.sources:
        letters = components[source].letters if source in components else 0.0
        found.texts[f"note:{source}"] = tongue.t("note_letters", number=tongue.number(letters))
    for topic, rate in topics.items():
        found.texts[f"rate:{topic}"] = tongue.rate(rate)
        found.texts[f"note:{topic}"] = tongue.t(
            "note_total", number=tongue.number(totals.get(topic, 0.0))
        )
    total = sum(one.letters for one in components.values())
    found.texts[f"note:{DLQ}"] = tongue.t("note_letters", number=tongue.number(total))
    found.states[f"state:{DLQ}"] = "letters" if total else READY
    for reader, _ in flow.readers:
        notes = []
        group = group_id(reader)
        if group in behind:
            notes.append(tongue.t("note_lag", number=tongue.number(behind[group])))
        if group in seconds:
            notes.append(tongue.duration(seconds[group]))
        fresh = components[reader].freshness if reader in components else None
        found.texts[f"note:{reader}"] = " · ".join(notes)
        found.texts[f"fresh:{reader}"] = (
            "" if fresh is None else tongue.t("note_fresh", time=tongue.duration(fresh))
        )
    for key, start, end in ways(flow):
        found.weights[key] = str(_weight(start, end, components, topics))


def _weight(
    start: str, end: str, components: dict[str, figures.Figures], topics: dict[str, float]
) -> int:
    """Return 0 for a way that nothing takes, 1 for one in use, more for a busier one."""
    if start in components and end == DLQ:
        one = components[start]
        return 1 + (one.letter_rate > 0) if one.letters else 0
    if start in components:
        used, rate = end in components[start].topics, components[start].topics.get(end, 0.0)
    else:
        rate = topics.get(start, 0.0)
        used = end in components and components[end].taken > 0
    return 0 if not used else min(3, 1 + int(math.log10(1 + rate)))


def _chart(found: Values, chart: Chart, tongue: Tongue) -> None:
    write = tongue.rate if chart.kind == "throughput" else tongue.duration
    if chart.kind == "lag":
        write = tongue.number
    found.texts[f"top:{chart.kind}"] = write(chart.top)
    found.texts[f"span:{chart.kind}"] = tongue.t("ago", time=tongue.duration(chart.seconds))
    for line in chart.lines:
        found.texts[f"last:{chart.kind}:{line.name}"] = write(line.last)
        found.lines[f"{chart.kind}:{line.name}"] = line.points


class Streams:
    """The open streams of a page; used in one thread.

    Args:
        most: how many browsers may listen.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0
        self.ended = False

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self.open >= self._most

    async def events(self, read: Callable[[], Values]) -> AsyncIterator[bytes]:
        """Yield server-sent events until the page ends, or its reader goes away.

        Args:
            read: returns the present values.
        """
        self.open += 1
        try:
            yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
            before, quiet = NOTHING, 0
            while not self.ended:
                now = read()
                news = now.news(before)
                before, quiet = now, 0 if news else quiet + 1
                if news:
                    yield b"event: values\ndata: " + msgspec.json.encode(news) + b"\n\n"
                elif quiet % _QUIET_EVENTS == 0:
                    yield b": still here\n\n"
                await self._pause()
        finally:
            self.open -= 1

    async def _pause(self) -> None:
        """Wait for the next event, or for the end of the page."""
        waited = 0.0
        while waited < EVERY_SECONDS and not self.ended:
            await asyncio.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
