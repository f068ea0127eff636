"""Kafka → destination: letters, then the destination, then the group's offsets, batch by batch."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.errors import Transient
from pixstream.kafka.names import DLQ, transactional_id
from pixstream.kafka.transactions import Writer
from pixstream.loops import member
from pixstream.loops.decoder import Decoder
from pixstream.loops.member import Member
from pixstream.metrics.records import LETTERS, NOT_FOR_US, WRITTEN
from pixstream.plugins.consumer import HasColumns

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from pixstream.breaker import RetrySettings
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Client
    from pixstream.loops.decoder import Decoded
    from pixstream.loops.segments import Segment
    from pixstream.metrics import Counts
    from pixstream.plugins.consumer import Consumer

METRICS = (*member.METRICS, WRITTEN, LETTERS, NOT_FOR_US)
"""Of the member; and records: what became of them."""


class ConsumeLoop:
    """Kafka → destination; `_take` shows the steps in the order that the guarantees need.

    Args:
        consumer: the plugin.
        client: Kafka.
        letters: makes dead letters.
        retry: back-off of transient failures, and the destination's circuit breaker.
        stop: set to end after the batch in hand.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what becomes of new fields of a newer writer; columns when absent.

    Attributes:
        member: the reading side.
    """

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        letters: LetterWriter,
        *,
        retry: RetrySettings,
        stop: threading.Event,
        seal_extra: SealExtra | None = None,
        contract: ContractSettings | None = None,
    ) -> None:
        self._consumer = consumer
        self._stop = stop
        self.member = Member(consumer, client, retry, stop, METRICS)
        columns = consumer.columns if isinstance(consumer, HasColumns) else dict
        self._decoder = Decoder(consumer.name, letters, seal_extra, contract, columns)
        self._writer = Writer(client, transactional_id(consumer.name, consumer.replica))

    @property
    def state(self) -> str:
        """See `Patience`."""
        return self.member.patience.state

    @property
    def counts(self) -> Counts:
        """See `METRICS`."""
        return self.member.counts

    def run(self) -> None:
        """Consume and write until `stop` is set; what is buffered then is written first.

        Raises:
            PixstreamError: what waiting does not cure; nothing of the batch is committed.
        """
        with closing(self):
            self.open()
            while not self._stop.is_set():
                self.step()

    def open(self) -> None:
        """Fence the former owner of the letters' transactional id, and join the group."""
        self._writer.open()
        self.member.join()

    def step(self) -> None:
        """Read one batch and take it through."""
        self.member.step(self._take)

    def close(self) -> None:
        """Release everything; the group keeps our place."""
        self.member.close()
        self._writer.close()
        self._consumer.close()

    def _take(self, segment: Segment) -> None:
        """Take one part of the batch through; each step is durable before the next one begins.

        After a failure whatever is not known to be done is done again: a letter has the id of its
        origin, the destination tolerates the same offsets, and the group just moves.
        """
        # Where nothing was read, a destination that remembers offsets is told them all the same:
        # the group never knows more than it does.
        if segment.records or self.member.remembers:
            batch = self._decoder.decode(segment, self.member.cluster_id, self.member.standing)
            # 1. Letters of the records that are not events.
            self._post(batch.letters)
            # 2. The events, into the destination. What it rejects becomes letters before that.
            self._write(batch)
            self.member.drop(batch.taken)
        # 3. The group's offsets.
        self.member.inbox.commit(segment.next_offsets)
        self.member.settle(segment.next_offsets)

    def _post(self, letters: Sequence[Letter]) -> None:
        """Make letters durable, in a transaction of their own."""
        if not letters:
            return
        with self._writer.transaction() as transaction:
            for letter in letters:
                transaction.send(DLQ, *letter)
        self.counts.add(LETTERS, len(letters))

    def _write(self, batch: Decoded) -> None:
        """Let the destination write; its breaker counts what it fails at, not what Kafka does."""
        of_kafka: list[Transient] = []

        def reject(rows: Sequence[int], reason: str) -> None:
            try:
                self._post(self._decoder.rejected(batch, rows, reason))
            except Transient as error:
                of_kafka.append(error)
                raise

        with self.member.patience.attempt(of_kafka):
            self._consumer.write(batch.events, reject)
        self.counts.add(WRITTEN, batch.events.table.num_rows)
        self.counts.add(NOT_FOR_US, batch.skipped)
