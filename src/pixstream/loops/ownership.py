"""Which processes own a producer's streams: one each, also while `replicas` changes.

The number of replicas is the layout: it decides which of them owns a stream, and it stands in the
transactional id of each. A process that finds another layout recorded than its own first takes
every process of that one out: it fences their transactional ids. Only then does it read positions.

The record lies in the topic of positions under the component's bare name, which no stream's key can
be (`component/stream`). It is written under one transactional id that all processes of the
component share, so that of two who change it at the same time only the last to begin succeeds. It
names the layouts that may still have living processes, and is written before they are fenced: a
process that starts meanwhile either is fenced, or finds the record and fences in its turn. Two
supervisors with different layouts therefore take turns, each of them exact.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.errors import FencedError, KafkaError, Transient
from pixstream.kafka.names import POSITIONS, layout_id, transactional_id
from pixstream.kafka.transactions import Writer, fence_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.kafka.ports import Client
    from pixstream.plugins.producer import Position, Stream

log = logging.getLogger("pixstream.loops")

_UNNAMED = 0
"""Stands for the ids of version 0.1, which named no layout."""


class Layout(msgspec.Struct, frozen=True):
    """How many replicas own the streams, and which former numbers may still have processes."""

    replicas: int
    fence: tuple[int, ...] = ()


class _Held(NamedTuple):
    """What the topic of positions holds of one component."""

    layout: Layout | None
    positions: Mapping[Stream, Position]


class Ownership:
    """The claim of one process to the streams of its component.

    Args:
        client: Kafka.
        component: name of the producer.
        replicas: our layout.
    """

    def __init__(self, client: Client, component: str, replicas: int) -> None:
        self._client = client
        self._component = component
        self._ours = Layout(replicas)
        self._unfinished: Layout | None = None
        self._claimed = False

    def claim(self) -> Mapping[Stream, Position]:
        """Make ours the only layout with living processes, once; then where the streams stand.

        Call it once the process has opened its own writer, which fences its own predecessor.

        Raises:
            FencedError: processes of another layout took the streams over since we claimed them.
            Transient: Kafka does not answer, or another process changes the layout at this moment.
            KafkaError: Kafka refuses, or the record is none of ours.
        """
        if self._claimed:
            return self.positions()
        held = _load(self._client, self._component)
        if held.layout == self._ours:
            self._claimed = True
            return held.positions
        if held.layout and held.layout.fence and held.layout != self._unfinished:
            # Somebody is at it, or died of it: whoever has not finished by our next look did.
            self._unfinished = held.layout
            raise self._busy()
        try:
            with closing(Writer(self._client, layout_id(self._component))) as writer:
                self._change(writer)
        except FencedError as error:
            raise self._busy() from error
        self._claimed = True
        return self.positions()

    def positions(self) -> Mapping[Stream, Position]:
        """Where the streams stand, for a process that has claimed them.

        Raises:
            FencedError: processes of another layout took the streams over.
            Transient: Kafka does not answer.
        """
        held = _load(self._client, self._component)
        if held.layout != self._ours:
            raise FencedError(
                f"{self._component}: processes of another layout took the streams over "
                f"(replicas: {held.layout.replicas if held.layout else 'none recorded'}; this one "
                f"has replicas: {self._ours.replicas}). Nothing uncommitted will be seen; this "
                "process must end: stop one of the two supervisors"
            )
        return held.positions

    def _change(self, writer: Writer) -> None:
        """Record our layout, fence the processes of every other, and record that this is done."""
        writer.open()
        name, ours = self._component, self._ours.replicas
        before = _load(self._client, name).layout
        former = {_UNNAMED} if before is None else {before.replicas, *before.fence}
        fence = tuple(sorted(former - {ours}))
        _write(writer, name, Layout(ours, fence))
        for replicas in fence:
            if replicas:
                log.warning(
                    "%s: its streams move from %d replicas to %d; processes of the former layout "
                    "are fenced before positions are read",
                    name,
                    replicas,
                    ours,
                )
            for one in _ids(name, replicas, ours):
                fence_off(self._client, one)
        _write(writer, name, self._ours)

    def _busy(self) -> Transient:
        return Transient("another process takes the streams over at this moment")


def position_key(component: str, stream: Stream) -> bytes:
    """The key of a stream in the topic of positions."""
    return f"{component}/{stream}".encode()


def _ids(component: str, replicas: int, own: int) -> list[str]:
    """The transactional ids of a layout; of the unnamed one as many as we have ourselves."""
    if replicas == _UNNAMED:
        return [transactional_id(component, replica) for replica in range(own)]
    return [transactional_id(component, replica, replicas) for replica in range(replicas)]


def _write(writer: Writer, component: str, layout: Layout) -> None:
    with writer.transaction() as transaction:
        transaction.send(POSITIONS, component.encode(), msgspec.json.encode(layout), ())


def _load(client: Client, component: str) -> _Held:
    found = dict(client.load(POSITIONS, component))
    record, prefix = found.pop(component, None), f"{component}/"
    try:
        layout = None if record is None else msgspec.json.decode(record, type=Layout)
    except msgspec.MsgspecError:
        raise KafkaError(
            f"topic {POSITIONS}, key {component}: is no layout that this version reads; nothing is "
            "read before it is corrected, or the producer gets a new name"
        ) from None
    return _Held(
        layout,
        {
            key.removeprefix(prefix): value.decode()
            for key, value in found.items()
            if key.startswith(prefix)
        },
    )
