"""What the loops that read from Kafka do alike: start, read batches until told to stop, close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.batch_log import BatchLog
from pixstream.errors import PixstreamError
from pixstream.kafka.names import transactional_id
from pixstream.kafka.transactions import Writer

if TYPE_CHECKING:
    import threading

    from pixstream.kafka.ports import Client
    from pixstream.loops.member import Member
    from pixstream.loops.segments import Segment
    from pixstream.metrics import Counts
    from pixstream.plugins.reader import Reader


class ReadingLoop(ABC):
    """Kafka → somewhere; `_take` brings a part of a batch there.

    Args:
        reader: the plugin.
        member: its reading side.
        client: Kafka.
        stop: set to end after the current batch.

    Attributes:
        member: the reading side.
        lines: logs what is committed.
    """

    def __init__(
        self, reader: Reader, member: Member, client: Client, stop: threading.Event
    ) -> None:
        self.member = member
        self.lines = BatchLog(reader.name)
        self._reader = reader
        self._stop = stop
        self._writer = Writer(client, transactional_id(reader.name, reader.replica))

    @property
    def state(self) -> str:
        """The loop's state, see `RetryPolicy`."""
        return self.member.retries.state

    @property
    def counts(self) -> Counts:
        """The values of the loop's `METRICS`."""
        return self.member.counts

    def run(self) -> None:
        """Process batches until `stop` is set, and what is buffered before returning.

        Raises:
            PixstreamError: waiting does not cure the failure; nothing of the batch is committed.
        """
        with closing(self):
            try:
                self.open()
                while not self._stop.is_set():
                    self.step()
            except PixstreamError as error:
                self.member.retries.failed(error)
                raise

    def open(self) -> None:
        """Fence the former owner of the transactional id, and join the group."""
        self._writer.open()
        self.member.join()

    def step(self) -> None:
        """Read and process one batch."""
        self.member.step(self._take)

    def close(self) -> None:
        """Release everything; the member keeps its static membership."""
        self.member.close()
        self._writer.close()
        self._reader.close()

    @abstractmethod
    def _take(self, segment: Segment) -> None:
        """Bring one segment of a batch where it belongs.

        Raises:
            Transient: called again with the same records, after a back-off.
        """
