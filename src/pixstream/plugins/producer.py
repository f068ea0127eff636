"""The contract of a producer: a source of Pix events, source → Kafka.

`Producer` is what every source implements; the protocols below it are for those that need more, and
are recognised by their methods.
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
"""One thing that a producer reads in order: an account at a bank, a log file, a directory."""


Position: TypeAlias = str
"""Where a producer stands in a stream: JSON text that only this producer understands."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer read: a draft or a refusal, and the position that resumes after it.

    `position` None: the stream's position does not move with this reading (more of the same page
    or file follows). `content` None: nothing but the position moves. `more`: the next reading is in
    the same transaction, whatever the batch's limits say; it comes without a None between.
    """

    stream: Stream
    position: Position | None
    content: Draft | Refusal | None
    more: bool = False


@dataclasses.dataclass(kw_only=True)
class Producer(Component):
    """A source of Pix events. Its fields are its YAML section; every field has a default."""

    batch: Annotated[BatchLimits, Meta(description="when a transaction closes")] = (
        dataclasses.field(default_factory=lambda: BatchLimits(rows=5_000, seconds=1.0))
    )

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Yield readings after `since`, each naming its stream and the position to resume from.

        Yields None within 100 ms when there is nothing yet. The generator is closed at the end
        (`finally` releases what it holds). Replica `self.replica` of `self.replicas` reads only
        the streams that `owns` gives it.

        Raises:
            Transient: the source does not answer now; the framework calls `read` again with
                back-off, from the last committed positions.
        """
        raise NotImplementedError

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield what one body or file holds, as `read` would, without its source."""
        raise NotImplementedError

    @final
    def owns(self, stream: Stream) -> bool:
        """Tell whether this replica is the one owner of `stream` (a stable hash decides)."""
        import zlib

        return zlib.crc32(stream.encode()) % self.replicas == self.replica


@runtime_checkable
class LearnsOfDelivery(Protocol):
    """A source that may forget, or answer for, what has arrived."""

    def delivered(self, reading: Reading) -> None:
        """Kafka holds `reading` durably. Called in reading order, in the loop's thread."""


@runtime_checkable
class LearnsOfFailure(Protocol):
    """A source with somebody who waits for the outcome."""

    def failed(self, reading: Reading, error: Exception) -> None:
        """`reading` was not committed in time; `read` is called again from the last positions."""


@runtime_checkable
class ParsesByStream(Protocol):
    """A source whose streams give the same bytes another meaning (an account's own ISPB)."""

    def parse_again(self, raw: bytes, stream: Stream) -> Iterator[Draft | Refusal]:
        """As `Producer.parse`, of a dead letter: of bytes that were read from `stream` once.

        Raises:
            ConfigError: this configuration does not say what they mean; the letter stays open.
        """


@runtime_checkable
class ReportsWaiting(Protocol):
    """A source of several parts, of which one may be silent while the others are read."""

    def waits(self) -> bool:
        """Whether a part of the source does not answer: the component is shown as waiting then.

        Called from another thread.
        """
