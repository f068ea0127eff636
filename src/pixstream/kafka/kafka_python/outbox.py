"""Writing to Kafka in transactions through kafka-python."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from kafka.errors import CommitFailedError
from kafka.errors import KafkaError as Fault
from kafka.structs import OffsetAndMetadata

from kafka import KafkaProducer
from kafka import TopicPartition as Partition
from pixstream.errors import FencedError, KafkaError, PixstreamError, Transient
from pixstream.kafka import faults
from pixstream.kafka.kafka_python.admin import KafkaPythonAdmin
from pixstream.kafka.kafka_python.link import build, connection, translate
from pixstream.kafka.ports import Span, TopicPartition
from pixstream.kafka.record_limits import RecordLimits, largest_request
from pixstream.kafka.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Membership, TopicIdPartition
    from pixstream.kafka.settings import KafkaSettings

_QUEUE_BYTES = 32 * 2**20
_BATCH_BYTES = 256 * 1024
_ABORT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0


class KafkaPythonOutbox:
    """`kafka.Outbox` through kafka-python.

    A record that timed out may still be in flight, and the library begins the next transaction with
    the same epoch: a late record would become part of that transaction. So after a transaction in
    which Kafka did not answer for every record no other follows; the next writer's epoch fences
    late records.
    """

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._name = f"transactional id {transactional_id}"
        self._seconds = (settings.transaction_timeout_ms + settings.request_timeout_ms) / 1000
        self._open = False
        self._spent = False
        self._fenced: FencedError | None = None
        self._ending: Future[None] | None = None
        self._sent: list[tuple[str, Any]] = []
        self._queued_bytes = 0
        self._spans: dict[TopicPartition, Span] = {}
        self._producer: Any = None
        self._admin = KafkaPythonAdmin(settings)
        self._limits = RecordLimits(self._admin.max_message_bytes)
        try:
            self._admin.connect()
            self._producer, _ = build(KafkaProducer, _config(settings, transactional_id))
            self._producer.init_transactions()
        except Fault as error:
            self.close()
            raise translate(self._name, error) from error
        except RuntimeError as error:
            self.close()
            raise KafkaError(
                f"kafka-python cannot compress with {settings.compression}: the package for it is "
                "not installed. Set kafka.compression to lz4 or zstd, or kafka.client to confluent"
            ) from error
        except PixstreamError:
            self.close()
            raise

    def begin(self) -> None:
        """See `kafka.Outbox`."""
        if self._fenced is not None:
            raise self._fenced
        if not self._spent:
            self.abort()  # a transaction that stayed open because no broker answered
        if self._spent:
            raise faults.spent(self._name)
        try:
            self._producer.begin_transaction()
        except Fault as error:
            raise translate(self._name, error) from error
        self._open, self._spans = True, {}

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Outbox`."""
        try:
            self._limits.check(topic, key, value, headers)
        except PixstreamError as error:
            self._give_up(error)
        # The library's queue has no limit of its own.
        if self._queued_bytes > _QUEUE_BYTES:
            self._deliver()
        try:
            sent = self._producer.send(topic, value=value, key=key, headers=list(headers))
        except Fault as error:
            self._deliver()  # the cause, if it is an earlier record's
            self._give_up(translate(f"topic {topic}: a record was rejected", error))
        self._sent.append((topic, sent))
        self._queued_bytes += len(key or b"") + len(value or b"")

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """See `kafka.Outbox`."""
        wanted = {
            Partition(p.topic, p.partition): OffsetAndMetadata(offset, "", -1)
            for p, offset in offsets.items()
        }
        sending = in_thread(lambda: self._producer.send_offsets_to_transaction(wanted, membership))
        try:
            sending.result(self._seconds)
        except NoAnswer:
            self._spent = True
            self._give_up(Transient(f"{self._name}: Kafka does not answer, nothing is committed"))
        except CommitFailedError:
            self._give_up(faults.lost_membership(self._name, "another generation"))
        except Fault as error:
            self._give_up(translate(self._name, error))

    def commit(self) -> None:
        """See `kafka.Outbox`; after a KafkaError the outcome may be unknown."""
        # The library would commit the other records even if one timed out.
        self._deliver()
        try:
            self._end(self._producer.commit_transaction, self._seconds)
        except NoAnswer as error:
            raise faults.in_doubt(self._name, "no answer") from error
        except Fault as error:
            self._give_up(translate(self._name, error))

    def spans(self) -> Mapping[TopicPartition, Span]:
        """See `kafka.Outbox`."""
        return self._spans

    def abort(self) -> None:
        """See `kafka.Outbox`; it does nothing when no transaction is open."""
        if not self._open:
            return
        with suppress(Fault):
            self._producer.flush(timeout=_ABORT_SECONDS)
        self._spent |= not all(answer.succeeded() for _, answer in self._sent)
        self._abort()

    def close(self) -> None:
        """See `kafka.Outbox`."""
        if self._open:
            with suppress(PixstreamError):
                self._abort()
        if self._producer is not None:
            try:
                self._producer.close(timeout=_CLOSE_SECONDS)
            except Fault:  # undelivered records, which its thread would keep sending
                self._producer._sender.force_close()  # noqa: SLF001  there is no public method
        self._admin.close()

    def _abort(self) -> None:
        try:
            self._end(self._producer.abort_transaction, _ABORT_SECONDS)
        except NoAnswer as error:
            raise Transient(f"{self._name}: Kafka does not answer, nothing is committed") from error
        except Fault as error:
            raise translate(self._name, error) from error

    def _deliver(self) -> None:
        """Wait until Kafka has accepted every record; if it has not, give up the transaction."""
        deadline = time.monotonic() + self._seconds
        with suppress(Fault):  # reported for each record below
            self._producer.flush(timeout=self._seconds)
        sent, self._sent, self._queued_bytes = self._sent, [], 0
        for topic, answer in sent:
            try:
                if not answer.succeeded():
                    answer.get(timeout=max(deadline - time.monotonic(), 0))
            except Fault as error:
                self._spent = True
                self._give_up(translate(f"topic {topic}: a record was rejected", error))
            place, offset = TopicPartition(topic, answer.value.partition), answer.value.offset
            span = self._spans.get(place)
            self._spans[place] = Span(offset, offset, 1) if span is None else span.and_at(offset)

    def _end(self, how: Callable[[], None], seconds: float) -> None:
        """Commit or abort within a time limit; the next call waits for an unfinished one."""
        if self._ending is None:
            self._ending = in_thread(how)
        try:
            self._ending.result(seconds)
        except Fault:
            self._ending = None
            raise
        self._open, self._ending = False, None
        self._sent, self._queued_bytes = [], 0

    def _give_up(self, failure: PixstreamError) -> NoReturn:
        """Abort and raise `failure`; if the abort fails too, the next `begin` reports it."""
        if isinstance(failure, FencedError):
            self._fenced = failure
        else:
            with suppress(PixstreamError):
                self.abort()
        self._limits.forget()
        raise failure


def _config(settings: KafkaSettings, transactional_id: str) -> dict[str, Any]:
    patience = min(settings.request_timeout_ms, settings.transaction_timeout_ms)
    return {
        **connection(settings),
        "transactional_id": transactional_id,
        "transaction_timeout_ms": settings.transaction_timeout_ms,
        "request_timeout_ms": patience,
        "delivery_timeout_ms": patience + settings.linger_ms,
        "max_block_ms": settings.request_timeout_ms,
        "acks": "all",
        "compression_type": None if settings.compression == "none" else settings.compression,
        "linger_ms": settings.linger_ms,
        "batch_size": _BATCH_BYTES,
        "max_request_size": largest_request(settings),
        "allow_auto_create_topics": False,
    }
