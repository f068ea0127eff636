"""Which process owns each of a producer's streams: exactly one, even while `replicas` changes.

The number of replicas is the layout. It decides which process owns a stream, and it is part of each
process's transactional id. A process that finds a recorded layout other than its own first stops
all processes of that layout: it fences their transactional ids. Only then does it read positions.

The record is in the topic of positions. Its key is the component's bare name, which cannot be the
key of a stream (`component/stream`). It is written under one transactional id that all processes of
the component share: if two of them change it at the same time, only the last one to begin succeeds.
It names the layouts that may still have live processes, and is written before they are fenced. A
process that starts in the meantime either is fenced, or finds the record and fences in its turn.
Two supervisors with different layouts therefore take turns, each of them exact.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.errors import FencedError, KafkaError, Transient
from pixstream.kafka.names import POSITIONS, layout_id, transactional_id
from pixstream.kafka.transactions import Writer, fence_off
from pixstream.loops.positions import from_record
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.kafka.ports import Client
    from pixstream.plugins.producer import Position, Stream
    from pixstream.privacy import Vault

log = logging.getLogger("pixstream.loops")

_UNNAMED = 0
"""The layout of the ids of version 0.1, which did not name one."""


class Layout(msgspec.Struct, frozen=True):
    """The number of replicas that own the streams, and former numbers that may have processes."""

    replicas: int
    fence: tuple[int, ...] = ()


class _Held(NamedTuple):
    """The records of one component in the topic of positions."""

    layout: Layout | None
    positions: Mapping[Stream, Position]


class Ownership:
    """One process's claim to the streams of its component.

    Args:
        client: Kafka.
        component: the name of the producer.
        replicas: our layout.
        vault: opens sealed positions.
    """

    def __init__(self, client: Client, component: str, replicas: int, vault: Vault) -> None:
        self._client = client
        self._vault = vault
        self._component = component
        self._ours = Layout(replicas)
        self._unfinished: Layout | None = None
        self._claimed = False

    def claim(self) -> Mapping[Stream, Position]:
        """Make ours the only layout with live processes, once; return the streams' positions.

        Call it after the process has opened its own writer, which fences its predecessor.

        Raises:
            FencedError: processes of another layout took over the streams after we claimed them.
            Transient: Kafka does not answer, or another process is changing the layout.
            KafkaError: Kafka refuses, or this version cannot read the record.
        """
        if self._claimed:
            return self.positions()
        held = _load(self._client, self._component, self._vault)
        if held.layout == self._ours:
            self._claimed = True
            return held.positions
        if held.layout and held.layout.fence and held.layout != self._unfinished:
            # A process is changing the layout, or died doing so: if the record is unchanged at our
            # next look, it died.
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
        """Return the streams' positions, for a process that has claimed them.

        Raises:
            FencedError: processes of another layout took over the streams.
            Transient: Kafka does not answer.
        """
        held = _load(self._client, self._component, self._vault)
        if held.layout != self._ours:
            raise FencedError(
                f"{self._component}: processes of another layout took over the streams "
                f"(replicas: {held.layout.replicas if held.layout else 'none recorded'}; this one "
                f"has replicas: {self._ours.replicas}). Nothing uncommitted becomes visible, and "
                "this process ends. Stop one of the two supervisors"
            )
        return held.positions

    def _change(self, writer: Writer) -> None:
        """Record our layout, fence the processes of all others, and record that this is done."""
        writer.open()
        name, ours = self._component, self._ours.replicas
        before = _load(self._client, name, self._vault).layout
        former = {_UNNAMED} if before is None else {before.replicas, *before.fence}
        fence = tuple(sorted(former - {ours}))
        _write(writer, name, Layout(ours, fence))
        for replicas in fence:
            if replicas:
                log.warning(
                    "%s: its streams move from %s to %d; processes of the former layout "
                    "are fenced before positions are read",
                    name,
                    counted(replicas, "replica"),
                    ours,
                )
            for one in _ids(name, replicas, ours):
                fence_off(self._client, one)
        _write(writer, name, self._ours)

    def _busy(self) -> Transient:
        return Transient("another process is taking over the streams")


def _ids(component: str, replicas: int, own: int) -> list[str]:
    """Return the transactional ids of a layout; for the unnamed one, as many as our own."""
    if replicas == _UNNAMED:
        return [transactional_id(component, replica) for replica in range(own)]
    return [transactional_id(component, replica, replicas) for replica in range(replicas)]


def _write(writer: Writer, component: str, layout: Layout) -> None:
    with writer.transaction() as transaction:
        transaction.send(POSITIONS, component.encode(), msgspec.json.encode(layout), ())


def _load(client: Client, component: str, vault: Vault) -> _Held:
    found = dict(client.load(POSITIONS, component))
    record, prefix = found.pop(component, None), f"{component}/"
    try:
        layout = None if record is None else msgspec.json.decode(record, type=Layout)
    except msgspec.MsgspecError:
        raise KafkaError(
            f"topic {POSITIONS}, key {component}: is not a layout that this version can read. "
            "Nothing is read until the record is corrected or the producer is renamed"
        ) from None
    return _Held(
        layout,
        {
            key.removeprefix(prefix): from_record(key.encode(), value, vault)
            for key, value in found.items()
            if key.startswith(prefix)
        },
    )
