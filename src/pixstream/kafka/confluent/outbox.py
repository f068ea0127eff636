"""Writing to Kafka in transactions through confluent-kafka."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from confluent_kafka import KafkaException, Producer
from confluent_kafka import TopicPartition as Partition

from pixstream.errors import PixstreamError, Transient
from pixstream.kafka import faults
from pixstream.kafka.confluent.admin import ConfluentAdmin
from pixstream.kafka.confluent.link import PURGED, cause, connection, translate
from pixstream.kafka.ports import Span, TopicPartition
from pixstream.kafka.record_limits import RecordLimits
from pixstream.kafka.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError as Fault

    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Membership, TopicIdPartition
    from pixstream.kafka.settings import KafkaSettings

_QUEUE_KILOBYTES = 64 * 1024
_BATCH_BYTES = 256 * 1024
_ROOM_SECONDS = 0.1
_ABORT_SECONDS = 5.0
_STUCK_SECONDS = 10.0
_METADATA_MILLISECONDS = 5000


class ConfluentOutbox:
    """`kafka.Outbox` through confluent-kafka.

    When an abort removes records from its queue, librdkafka 2.16 reuses their sequence numbers for
    the next records. Kafka may already have the first ones, if a connection broke and lost the
    answer. It then treats the next records as duplicates: it acknowledges and drops them. So an
    abort first waits for every answer, and after a record was given up no transaction follows.
    """

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._admin = ConfluentAdmin(settings)
        self._admin.connect()
        self._limits = RecordLimits(self._admin.max_message_bytes)
        self._seconds = (settings.transaction_timeout_ms + settings.request_timeout_ms) / 1000
        self._name = f"transactional id {transactional_id}"
        self._open = False
        self._spent = False
        self._failure: PixstreamError | None = None
        self._spans: dict[tuple[str, int], list[int]] = {}
        self._producer = Producer(
            connection(settings)
            | {
                "error_cb": self._on_error,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": settings.transaction_timeout_ms,
                # librdkafka requires it: a request must not outlast its transaction.
                "socket.timeout.ms": min(
                    settings.request_timeout_ms, settings.transaction_timeout_ms
                ),
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": settings.compression,
                "linger.ms": settings.linger_ms,
                "batch.size": _BATCH_BYTES,
                "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
                "partitioner": "murmur2_random",  # the same as kafka-python's and Java's
                "topic.metadata.propagation.max.ms": _METADATA_MILLISECONDS,
            }
        )
        try:
            self._producer.init_transactions(settings.request_timeout_ms / 1000)
        except KafkaException as error:
            raise translate(self._name, cause(error)) from error

    def begin(self) -> None:
        """See `kafka.Outbox`."""
        if not self._spent:
            self.abort()  # a transaction that stayed open because no broker answered
        if self._spent:
            raise faults.spent(self._name)
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise translate(self._name, cause(error)) from error
        self._open, self._failure = True, None
        self._spans = {}

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Outbox`."""
        try:
            self._limits.check(topic, key, value, headers)
        except PixstreamError as error:
            self._give_up(error)
        while self._failure is None:
            try:
                self._producer.produce(
                    topic, value, key, headers=list(headers), on_delivery=self._on_report
                )
            except BufferError:
                self._hear(_ROOM_SECONDS)
            except KafkaException as error:
                self._hear(0)  # the cause, if it is an earlier record's
                self._failure = self._failure or translate(f"topic {topic}", cause(error))
            else:
                return
        self._give_up(self._failure)

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """See `kafka.Outbox`."""
        wanted = [Partition(p.topic, p.partition, offset) for p, offset in offsets.items()]
        deadline = time.monotonic() + self._seconds
        while True:
            left = max(deadline - time.monotonic(), 0.1)
            # The thread keeps the library's producer alive: destroying it would wait as well.
            producer = self._producer
            sending = in_thread(
                partial(producer.send_offsets_to_transaction, wanted, membership, left)
            )
            try:
                sending.result(left + _STUCK_SECONDS)
            except TimeoutError:
                # librdkafka 2.16 may lose the request when a connection breaks, and waits for ever.
                self._spent, self._open = True, False
                raise Transient(
                    f"{self._name}: librdkafka does not return from sending offsets; a new writer "
                    "is needed"
                ) from None
            except KafkaException as error:
                fault = cause(error)
                if fault.retriable() and time.monotonic() < deadline:
                    continue
                self._hear(0)
                if fault.code() in faults.LOST_MEMBERSHIP:
                    self._give_up(faults.lost_membership(self._name, fault.name()))
                self._give_up(self._failure or translate(self._name, fault))
            else:
                return

    def commit(self) -> None:
        """See `kafka.Outbox`; after a KafkaError the outcome may be unknown."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                self._producer.commit_transaction(max(deadline - time.monotonic(), 0.1))
            except KafkaException as error:
                fault = cause(error)
                if fault.txn_requires_abort():
                    self._hear(0)
                    self._give_up(self._failure or translate(self._name, fault))
                failure = translate(self._name, fault)
                if not isinstance(failure, Transient):
                    raise failure from error
                if time.monotonic() >= deadline:
                    raise faults.in_doubt(self._name, fault.name()) from error
            else:
                self._open = False
                return

    def spans(self) -> Mapping[TopicPartition, Span]:
        """See `kafka.Outbox`."""
        return {TopicPartition(*place): Span(*span) for place, span in self._spans.items()}

    def abort(self) -> None:
        """See `kafka.Outbox`; it does nothing when no transaction is open."""
        if not self._open:
            return
        try:
            if self._producer.flush(_ABORT_SECONDS):
                raise Transient(f"{self._name}: Kafka does not answer, nothing is committed")
            self._producer.abort_transaction(_ABORT_SECONDS)
        except KafkaException as error:
            raise translate(self._name, cause(error)) from error
        self._open = False

    def close(self) -> None:
        """See `kafka.Outbox`."""
        if self._open:
            with suppress(KafkaException):
                self._producer.abort_transaction(_ABORT_SECONDS)
        # Dropping the reference destroys it: `Producer.close` would abort again and complain.
        del self._producer
        self._admin.close()

    def _give_up(self, failure: PixstreamError) -> NoReturn:
        """Abort and raise `failure`; if the abort fails too, the next `begin` reports it."""
        with suppress(PixstreamError):
            self.abort()
        self._limits.forget()
        raise failure

    def _hear(self, seconds: float) -> None:
        """Handle delivery reports of earlier records; keep a fatal error as the failure."""
        try:
            self._producer.poll(seconds)
        except KafkaException as error:
            self._failure = self._failure or translate(self._name, cause(error))

    def _on_error(self, error: Fault) -> None:
        if error.fatal() and self._failure is None:
            self._failure = translate(self._name, error)

    def _on_report(self, error: Fault | None, message: Any) -> None:
        """Note where Kafka stored a record, or that it gave it up; called for every record.

        This costs about half a microsecond a record, which is 1 or 2 % of producing an event.
        """
        if error is None:
            place, offset = (message.topic(), message.partition()), message.offset()
            span = self._spans.get(place)
            if span is None:
                self._spans[place] = [offset, offset, 1]
            else:
                span[2] += 1
                if offset > span[1]:  # reports of a partition come in the order of its offsets
                    span[1] = offset
                    if span[0] < 0:
                        span[0] = offset
            return
        self._spent = True
        if error.code() not in PURGED and self._failure is None:
            self._failure = translate(f"topic {message.topic()}: a record was rejected", error)
