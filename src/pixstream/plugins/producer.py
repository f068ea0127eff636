"""The contract of a producer: a source of Pix events, source → Kafka.

Every source implements `Producer`. The protocols below it are optional, for sources that need more;
the framework recognises them by their methods.
"""

from __future__ import annotations

import dataclasses
from typing import (
    TYPE_CHECKING,
    Annotated,
    Protocol,
    TypeAlias,
    final,
    runtime_checkable,
)

import msgspec
from msgspec import Meta

from pixstream.event.model import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
from pixstream.event.model import Refusal
from pixstream.plugins.component import BatchLimits, Component

Stream: TypeAlias = str
"""Something that a producer reads in order: an account at a bank, a log file, a directory."""


Position: TypeAlias = str
"""A producer's place in a stream: JSON text that only this producer understands."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer read: a draft or a refusal, and the position to resume from after it.

    `position` None: the stream's position does not move with this reading (more of the same page
    or file follows). `content` None: only the position moves. `more`: the next reading belongs to
    the same transaction, whatever the batch's limits say; no None is yielded between the two.
    `traceparent`: the W3C trace context of the request that brought it, as its sender wrote it.
    """

    stream: Stream
    position: Position | None
    content: Draft | Refusal | None
    more: bool = False
    traceparent: str | None = None


@dataclasses.dataclass(kw_only=True)
class Producer(Component):
    """A source of Pix events. Its fields are its YAML section; every field has a default."""

    batch: Annotated[BatchLimits, Meta(description="when a transaction closes")] = (
        dataclasses.field(default_factory=lambda: BatchLimits(rows=5_000, seconds=1.0))
    )

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Yield readings after `since`, each naming its stream and the position to resume from.

        Yield None within 100 ms if there is nothing yet. The framework closes the generator at the
        end (its `finally` releases resources). Replica `self.replica` of `self.replicas` reads only
        the streams that `owns` assigns to it.

        Raises:
            Transient: the source does not answer now; the framework calls `read` again, with
                back-off, from the last committed positions.
        """
        raise NotImplementedError

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield what one body or file contains, as `read` would, but without the source."""
        raise NotImplementedError

    @final
    def owns(self, stream: Stream) -> bool:
        """Return whether this replica is the owner of `stream` (a stable hash decides)."""
        import zlib

        return zlib.crc32(stream.encode()) % self.replicas == self.replica


@runtime_checkable
class LearnsOfDelivery(Protocol):
    """A source that may delete or acknowledge what Kafka holds."""

    def delivered(self, reading: Reading) -> None:
        """Note that `reading` is durable in Kafka; called in reading order, in the loop thread."""


@runtime_checkable
class LearnsOfFailure(Protocol):
    """A source whose clients wait for the outcome."""

    def failed(self, reading: Reading, error: Exception) -> None:
        """Note that `reading` was not committed; `read` is called again from the last positions."""


@runtime_checkable
class ParsesByStream(Protocol):
    """A source in which the meaning of bytes depends on the stream (an account's own ISPB)."""

    def parse_again(self, raw: bytes, stream: Stream) -> Iterator[Draft | Refusal]:
        """Parse the bytes of a dead letter like `Producer.parse`; they were read from `stream`.

        Raises:
            ConfigError: the configuration does not define their meaning; the letter stays open.
        """


@runtime_checkable
class ReportsWaiting(Protocol):
    """A source of several parts, one of which may not answer while the others are read."""

    def waits(self) -> bool:
        """Return whether a part of the source does not answer; the component is shown as waiting.

        Called from another thread.
        """
