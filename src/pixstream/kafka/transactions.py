"""Transactions: how a writer is opened, a transaction begun and ended, and a writer replaced.

The one place that calls `begin`, `commit` and `abort` of an `Outbox`. What it promises:

- Opening a writer fences whoever wrote under its transactional id, and Kafka aborts what that one
  left open. So whatever depends on being the only writer is read after `open`, never before.
- Nothing of a transaction is ever seen if the `with` block or the commit fails.
- A writer that cannot begin is of no more use: its client gave up a record, or never ended what an
  absent broker left open, even when Kafka is back. It is closed; the next one, opened under the
  same id, fences it.
- A commit that nobody answered (a `KafkaError`) is neither repeated nor aborted. The process must
  end: the next one opens its writer, which settles the transaction, and reads what became of it.
"""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pixstream.errors import KafkaError, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.kafka.ports import Client, Outbox, Transaction

log = logging.getLogger("pixstream.kafka")


class Writer:
    """Writes transactions under one transactional id.

    Args:
        client: Kafka.
        transactional_id: only one writer in the whole cluster has it at a time.
    """

    def __init__(self, client: Client, transactional_id: str) -> None:
        self._client = client
        self._id = transactional_id
        self._outbox: Outbox | None = None

    def open(self) -> bool:
        """Fence the former owner of the id, unless this writer is open already.

        Returns:
            whether it was opened just now, for the first time or in the place of one that could
            not begin: what was read before may have changed since.

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
        """Commit what the `with` block sends, or nothing of it if the block raises.

        Raises:
            Transient: nothing is committed, and the same may be tried again.
            FencedError: a newer owner exists; nothing is committed.
            KafkaError: Kafka refuses; or it did not say whether the transaction is committed.
        """
        outbox = self._begun()
        try:
            yield outbox
        except BaseException:
            self._give_up(outbox)
            raise
        outbox.commit()

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
        """Abort, which waits until Kafka has answered for every record."""
        try:
            outbox.abort()
        except (Transient, KafkaError) as error:
            log.warning(
                "transactional id %s: the open transaction could not be aborted (%s); Kafka aborts "
                "it by itself after kafka.transaction_timeout_ms",
                self._id,
                error,
            )


def fence_off(client: Client, transactional_id: str) -> None:
    """Shut out whoever writes under this id; Kafka aborts what that one has open.

    Raises:
        Transient: no broker answers now.
    """
    with closing(Writer(client, transactional_id)) as writer:
        writer.open()
