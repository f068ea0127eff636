"""Changes the state of letters: writes events and marks in one transaction.

No other module does. All replays share one transactional id: opening a replay transaction fences
any other one, and the marks are read only after that. So this process sees every letter that
another replay has settled, and that replay can settle no more: no letter is replayed twice, no
matter which process is killed and when.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from pixstream.backoff import Backoff
from pixstream.dead_letters.state import Mark, states
from pixstream.errors import FencedError, Transient
from pixstream.kafka.names import DEAD_LETTERS, DLQ_STATE
from pixstream.kafka.transactions import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.backoff import BackoffSettings
    from pixstream.event.record import EventRecord
    from pixstream.kafka.ports import Client

log = logging.getLogger("pixstream.dead_letters")

MAX_LETTERS, MAX_RECORDS, MAX_BYTES = 500, 5_000, 8 * 2**20
"""A transaction is written when it reaches the first of these limits, which keep it short."""

TRIES = 5
"""How often a transaction that Kafka could not commit is tried before the replay ends."""


class _Settled(NamedTuple):
    letter_id: str
    state: str | None
    records: Sequence[EventRecord]
    mark: bytes | None


class ReplayTransaction:
    """Writer of outcomes, used in a `with` block; `flush` or a full transaction writes them.

    Args:
        client: the Kafka client.
        retry: the back-off between tries of a transaction.
        who: the login name in every mark.
        why: the reason in every mark.

    Attributes:
        states: the states of letters that are not open: read after the previous replay was fenced,
            then updated by every flush.
        counts: letters and events of the committed transactions.
    """

    def __init__(self, client: Client, retry: BackoffSettings, *, who: str, why: str) -> None:
        self._client = client
        self._writer = Writer(client, DEAD_LETTERS)
        self._backoff = Backoff(retry)
        self._who, self._why = who, why
        self._waiting: list[_Settled] = []
        self._records = self._bytes = 0
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Fence any other replay, then read the marks.

        Raises:
            KafkaError: this user is not allowed to, or `pix.dlq.state` does not exist.
        """
        self._writer.open()
        try:
            self.states = states(self._client)
        except BaseException:
            self._writer.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Release the connection; what was not flushed is not written."""
        self._writer.close()

    def put(self, letter_id: str, state: str | None, records: Sequence[EventRecord] = ()) -> None:
        """Settle a letter: write its events and the mark of its new state (None: open again).

        Raises:
            FencedError: another replay fenced this one, which writes nothing more.
            PixstreamError: the transaction was not written; letters put since the last one are
                unchanged.
        """
        mark = None
        if state is not None:
            now = dt.datetime.now(dt.UTC)
            fields = Mark.now(state, now, who=self._who, why=self._why, events=len(records))
            mark = msgspec.json.encode(fields)
        self._waiting.append(_Settled(letter_id, state, records, mark))
        self._records += len(records)
        self._bytes += sum(record.size for record in records)
        if (
            len(self._waiting) >= MAX_LETTERS
            or self._records >= MAX_RECORDS
            or self._bytes >= MAX_BYTES
        ):
            self.flush()

    def flush(self) -> None:
        """Write the letters that were put and not yet written; raise the errors of `put`."""
        if not self._waiting:
            return
        for left in reversed(range(TRIES)):
            try:
                self._open()
                self._write()
            except Transient as error:
                self._writer.close()
                if not left:
                    raise
                wait = self._backoff.next()
                log.warning("%s; the transaction is tried again in %.1f s", error, wait)
                time.sleep(wait)
            else:
                break
        self._backoff.reset()
        self._remember()
        self.counts["letters"] += len(self._waiting)
        self.counts["events"] += self._records
        self._waiting.clear()
        self._records = self._bytes = 0

    def _open(self) -> None:
        """Open a new writer to replace one that failed; it fences any replay opened since."""
        if self._writer.open() and states(self._client) != self.states:
            raise FencedError(
                "another replay or discard changed dead letters while Kafka did not answer this "
                "one. This one writes nothing more: start it again"
            )

    def _write(self) -> None:
        with self._writer.transaction() as transaction:
            for letter in self._waiting:
                for record in letter.records:
                    transaction.send(*record)
                transaction.send(DLQ_STATE, letter.letter_id.encode(), letter.mark, ())

    def _remember(self) -> None:
        for letter in self._waiting:
            letter_id = bytes.fromhex(letter.letter_id)
            if letter.state is None:
                self.states.pop(letter_id, None)
            else:
                self.states[letter_id] = letter.state
