"""Transactions: opens a writer, begins and ends its transactions, replaces a failed writer.

Only this module calls `begin`, `commit` and `abort` of an `Outbox`. What it guarantees:

- Opening a writer fences the previous writer with the same transactional id, and Kafka aborts that
  writer's open transaction. So state that only one writer may change is read after `open`, never
  before.
- If the `with` block or the commit fails, no reader ever sees anything of the transaction.
- A writer that cannot begin can no longer be used: its client gave up a record, or never ended a
  transaction that was open when the broker went away, even after Kafka is back. It is closed; the
  next writer, opened with the same id, fences it.
- A commit without an answer (a `KafkaError`) is neither repeated nor aborted. The process must
  end: the next process opens its writer, which ends the transaction, and reads the outcome.
"""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pixstream.errors import KafkaError, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixstream.kafka.ports import Client, Outbox, Span, TopicPartition, Transaction

log = logging.getLogger("pixstream.kafka")


class Writer:
    """Writer of transactions with one transactional id.

    Args:
        client: the Kafka client.
        transactional_id: only one writer in the whole cluster has it at a time.
    """

    def __init__(self, client: Client, transactional_id: str) -> None:
        self._client = client
        self._id = transactional_id
        self._outbox: Outbox | None = None

    def open(self) -> bool:
        """Fence the previous owner of the id, unless this writer is already open.

        Returns:
            whether the writer was opened just now, for the first time or to replace one that could
            not begin: state that was read before may have changed since.

        Raises:
            Transient: no broker answers now.
            KafkaError: this principal may not use the id.
        """
        if self._outbox is not None:
            return False
        self._outbox = self._client.outbox(self._id)
        return True

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit what the `with` block sends, or nothing if the block raises.

        Raises:
            Transient: nothing is committed; the caller may retry.
            FencedError: a newer owner exists; nothing is committed.
            KafkaError: Kafka rejects it, or did not answer whether the transaction is committed.
        """
        outbox = self._begun()
        try:
            yield outbox
        except BaseException:
            self._give_up(outbox)
            raise
        outbox.commit()

    def spans(self) -> Mapping[TopicPartition, Span]:
        """Return where Kafka stored the records of the last committed transaction."""
        return {} if self._outbox is None else self._outbox.spans()

    def close(self) -> None:
        """Release the connection; an open transaction is aborted."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    def _begun(self) -> Outbox:
        self.open()
        assert self._outbox is not None  # noqa: S101  it was opened
        try:
            self._outbox.begin()
        except Transient:
            self.close()
            raise
        return self._outbox

    def _give_up(self, outbox: Outbox) -> None:
        """Abort; this waits until Kafka has answered for every record."""
        try:
            outbox.abort()
        except (Transient, KafkaError) as error:
            log.warning(
                "transactional id %s: the open transaction could not be aborted (%s); Kafka aborts "
                "it after kafka.transaction_timeout_ms",
                self._id,
                error,
            )


def fence_off(client: Client, transactional_id: str) -> None:
    """Fence the current owner of this id; Kafka aborts its open transaction.

    Raises:
        Transient: no broker answers now.
    """
    with closing(Writer(client, transactional_id)) as writer:
        writer.open()
