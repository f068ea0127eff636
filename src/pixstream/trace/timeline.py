"""A payment's life in the order of time: one step for each thing that happened to it."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pixstream.dead_letters import REPLAY_OF, unmasked
from pixstream.errors import PixstreamError
from pixstream.event.categories import Category
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixstream.privacy import Vault
    from pixstream.trace.answer import Life
    from pixstream.trace.facts import Absence, Arrival, Fact, Row
    from pixstream.trace.letters import Letter
    from pixstream.trace.log_lines import LogLine
    from pixstream.trace.question import Place

STEPS = ("happened", "told", "kafka", "log", "delta", "letter", "mark")
"""The kinds of steps, in the order of those that have the same time."""

_TOLD = (
    *("amount_centavos", "direction", "event_time", "end_to_end_id", "return_id"),
    *("txid", "reason"),
)
"""The fields of an event in which a later arrival may differ, as far as a trace shows them."""

_ABSENT = {
    "waiting": "not read yet, {behind} to go",
    "adds_nothing": "it adds nothing to what the table has",
    "dead_letter": "it became a dead letter",
    "for_another": "it was replayed for another consumer",
    "not_fed": "the table is fed from another topic of that name, a former one",
}
_LOGGED = (
    *("service.node.name", "event.action", "event.outcome", "event.duration", "pix.batch.id"),
    *("pix.records", "kafka.offset.first", "kafka.offset.last", "delta.version"),
)
"""The fields of a log line that a trace shows to programs."""

_FORGOTTEN = "since a version that the table's log no longer has"


class Step(NamedTuple):
    """One line of the timeline.

    Attributes:
        time: when it happened, UTC; None: unknown.
        step: one of `STEPS`.
        text: for people, without personal data.
        about: the same for programs, and more of it.
        revealed: the sealed fields in clear, only where they were asked for.
    """

    time: dt.datetime | None
    step: str
    text: str
    about: dict[str, Any]
    revealed: dict[str, Any] | None = None


def timeline(life: Life, reveal: Vault | None = None) -> list[Step]:
    """Return the steps of a life in the order of time.

    Args:
        life: as it was found.
        reveal: opens the sealed fields, which are then in `Step.revealed`; None: they stay sealed.
    """
    first = _first_facts(life)
    steps = [_happened(fact) for fact in first.values()]
    for arrival in life.arrivals.values():
        steps += _arrival(arrival, first, reveal)
    for letter in life.letters.values():
        steps += of_letter(letter, reveal)
    steps += map(_log_line, life.log)
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(steps, key=lambda step: (step.time or latest, STEPS.index(step.step)))


def of_letter(letter: Letter, reveal: Vault | None = None) -> Iterator[Step]:
    """Yield the writing of a dead letter, and its mark if it has one."""
    view, revealed = letter.view, None
    if reveal is not None and view.hidden_headers:
        try:
            opened = unmasked(view, reveal).headers
            revealed = {n: text for n, text in opened.items() if text != view.headers.get(n)}
        except PixstreamError as error:
            revealed = {"error": str(error)}
    names = ("stage", "reason", "message", "stream", "position", "consumer", "source")
    about: dict[str, Any] = {name: view.headers[name] for name in names if view.headers.get(name)}
    about |= {"letter_id": view.letter_id, "topic": letter.place.topic}
    about |= {"partition": letter.place.partition, "offset": letter.place.offset}
    text = f"dead letter {view.letter_id[:12]} of {view.component}, {about.get('stage')}: "
    text += f"{view.reason}, {about.get('message', '')}"
    if letter.origin is not None:
        about["origin"] = str(letter.origin)
        text += f" ({letter.origin})"
    elif "stream" in about:
        text += f" ({about['stream']}, position {about.get('position', '?')})"
    yield Step(view.time, "letter", text, about, revealed)
    mark = letter.mark
    if mark is not None:
        done = msgspec.to_builtins(mark)
        events = f", {counted(mark.events, 'event')} sent" if mark.events else ""
        said = f"dead letter {view.letter_id[:12]} {mark.state} by {mark.who}: {mark.why}{events}"
        yield Step(letter.marked_at, "mark", said, {**done, "letter_id": view.letter_id})


def _first_facts(life: Life) -> dict[str, Fact]:
    """Return each event as its first arrival told it."""
    first: dict[str, Fact] = {}
    for fact in sorted(life.facts, key=lambda fact: fact.ingested_at):
        first.setdefault(fact.event_id, fact)
    return first


def _happened(fact: Fact) -> Step:
    about = {
        "event_id": fact.event_id,
        "category": str(fact.category),
        "status": fact.status,
        **{name: getattr(fact, name) for name in _TOLD},
    }
    parts = [f"{fact.category} {fact.status}", _amount(fact.amount_centavos)]
    if fact.category is Category.ESTORNO and fact.return_id:
        parts.append(f"return {fact.return_id}")
    if fact.reason:
        parts.append(f"reason {fact.reason}")
    parts.append(f"event {fact.event_id}")
    known = {name: value for name, value in about.items() if value is not None}
    return Step(fact.event_time, "happened", ", ".join(filter(None, parts)), known)


def _arrival(arrival: Arrival, first: Mapping[str, Fact], reveal: Vault | None) -> Iterator[Step]:
    at, fact = arrival.place, arrival.fact
    where = _where(at)
    replay = arrival.headers.get(REPLAY_OF)
    if fact is not None:
        yield _told(fact, first[fact.event_id], where, reveal)
    text = str(at)
    if fact is None:
        text += ", which is not an event"
    if replay:
        where["replay_of"] = replay
        text += f", replay of dead letter {replay[:12]}"
    if arrival.expired:
        text += ", no longer in Kafka"
    state = "expired" if arrival.expired else "held" if arrival.record else "unknown"
    yield Step(arrival.sent, "kafka", text, {**where, "record": state})
    for row in arrival.rows:
        yield _row(row, arrival)
    for absence in arrival.absences:
        yield _absence(absence, arrival)


def _told(fact: Fact, first: Fact, where: dict[str, Any], reveal: Vault | None) -> Step:
    about: dict[str, Any] = {
        **where,
        "event_id": fact.event_id,
        "source": fact.source,
        "flags": fact.flags,
    }
    text = f"{fact.source} read {fact.category} {fact.status}"
    if fact.source_ref:
        about["source_ref"] = fact.source_ref
        text += f" in {fact.source_ref}"
    if fact.source_time:
        about["source_time"] = fact.source_time
    if fact.flags:
        text += f", flags {' '.join(fact.flags)}"
    differs = {n: getattr(fact, n) for n in _TOLD if getattr(fact, n) != getattr(first, n)}
    if differs:
        about["differs"] = differs
        text += f"; differs in {', '.join(_difference(*pair) for pair in differs.items())}"
    return Step(fact.ingested_at, "told", text, about, _opened(fact, reveal))


def _row(row: Row, arrival: Arrival) -> Step:
    about = msgspec.to_builtins(row, builtin_types=(dt.datetime,))
    about |= {"offset": arrival.place.offset, "partition": arrival.place.partition}
    version = f"since version {row.version}" if row.version is not None else _FORGOTTEN
    text = f"{row.table}: {arrival.place} is revision {row.revision}, {version}, in {row.file}"
    return Step(row.visible or row.decoded, "delta", text, about)


def _absence(absence: Absence, arrival: Arrival) -> Step:
    about = {**msgspec.to_builtins(absence), **arrival.place._asdict()}
    why = _ABSENT[absence.why].format(behind=counted(absence.behind, "offset"))
    return Step(arrival.sent, "delta", f"{absence.table}: no row of {arrival.place}: {why}", about)


def _log_line(line: LogLine) -> Step:
    fields = {name: line.fields.get(name) for name in _LOGGED}
    about = {name: value for name, value in fields.items() if value is not None}
    return Step(
        line.time, "log", str(line.fields.get("message", "")), {**about, **_where(line.place)}
    )


def _where(at: Place) -> dict[str, Any]:
    return {"topic": at.topic, "partition": at.partition, "offset": at.offset}


def _opened(fact: Fact, reveal: Vault | None) -> dict[str, Any] | None:
    """Return the sealed part of `extra` in clear, or why it cannot be opened."""
    if reveal is None:
        return None
    found: dict[str, Any] = {}
    for name, text in fact.extra.items():
        if not name.endswith("sealed"):
            continue
        try:
            opened = reveal.open(base64.b64decode(text), fact.event_id.encode())
            found |= msgspec.json.decode(opened, type=dict[str, Any])
        except (PixstreamError, ValueError) as error:
            found["error"] = str(error) if isinstance(error, PixstreamError) else "not readable"
    return found or None


def _difference(name: str, value: object) -> str:
    if name == "amount_centavos" and isinstance(value, int):
        return f"amount {_amount(value)}"
    return f"{name} {'-' if value is None else value}"


def _amount(centavos: int | None) -> str:
    return "" if centavos is None else f"R$ {centavos // 100:,}.{centavos % 100:02}"
