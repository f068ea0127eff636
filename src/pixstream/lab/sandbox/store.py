"""The Pix recorded by the sandbox bank, by EndToEndId and by time of recording.

GET /pix filters by the time of recording ("data de criação"), not by `horario`: a Pix that the bank
records late appears late, and a client that polls windows up to now misses nothing. Threads may add
while the server reads.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.lab.sandbox.pix_query import PixQuery

FINAL = frozenset({"DEVOLVIDO", "NAO_REALIZADO"})
"""States of a return that do not change any more."""


class _Head(msgspec.Struct):
    """The fields of a Pix that the bank uses; the rest stays bytes."""

    endToEndId: str  # noqa: N815  the specification's name
    txid: str | None = None
    chave: str | None = None
    devolucoes: list[dict[str, Any]] = []


class StoredPix(msgspec.Struct):
    """One recorded Pix; `raw` is the JSON object that the API returns."""

    e2e: str
    created: dt.datetime
    raw: bytes
    txid: str | None
    key: str | None
    final_returns: int
    returned: bool
    payer_document: str | None


class Store:
    """The recorded Pix, in memory.

    Args:
        clock: returns the time of recording, timezone-aware; tests pass their own.
    """

    def __init__(self, clock: Callable[[], dt.datetime] | None = None) -> None:
        self._clock = clock or (lambda: dt.datetime.now(dt.UTC))
        self._lock = RLock()
        self._records: dict[str, StoredPix] = {}
        self._times: list[dt.datetime] = []
        self._ids: list[str] = []

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        pix: bytes | dict[str, Any],
        *,
        created: dt.datetime | None = None,
        payer_document: str | None = None,
    ) -> tuple[StoredPix, bool]:
        """Record a Pix, or its newer state; a newer state keeps the first time of recording.

        Args:
            pix: the object `Pix` of the specification, as JSON or decoded.
            created: time of recording, timezone-aware; None: now.
            payer_document: the payer's document, for the filters `cpf` and `cnpj`.

        Returns:
            The record, and whether it is news for a webhook: a new Pix, or one more final return.

        Raises:
            msgspec.DecodeError: it is not a JSON object, or has no endToEndId.
        """
        raw = pix if isinstance(pix, bytes) else msgspec.json.encode(pix)
        head = msgspec.json.decode(raw, type=_Head)
        final = sum(item.get("status") in FINAL for item in head.devolucoes)
        with self._lock:
            known = self._records.get(head.endToEndId)
            record = StoredPix(
                e2e=head.endToEndId,
                created=known.created if known else created or self._clock(),
                raw=raw,
                txid=head.txid,
                key=head.chave,
                final_returns=final,
                returned=bool(head.devolucoes),
                payer_document=payer_document or (known.payer_document if known else None),
            )
            self._records[record.e2e] = record
            if known is None:
                place = bisect_right(self._times, record.created)
                self._times.insert(place, record.created)
                self._ids.insert(place, record.e2e)
        return record, known is None or final > known.final_returns

    def add_return(self, e2e: str, devolucao: dict[str, Any]) -> tuple[StoredPix, bool]:
        """Add a return to a Pix, or replace the one with its `id`; see `add`.

        Raises:
            KeyError: there is no such Pix.
        """
        with self._lock:
            pix = self.get(e2e)
            if pix is None:
                raise KeyError(e2e)
            others = [d for d in pix.get("devolucoes", []) if d["id"] != devolucao["id"]]
            return self.add(pix | {"devolucoes": [*others, devolucao]})

    def get(self, e2e: str) -> dict[str, Any] | None:
        """Return the decoded Pix; None if there is none."""
        record = self._records.get(e2e)
        if record is None:
            return None
        decoded: dict[str, Any] = msgspec.json.decode(record.raw)
        return decoded

    def find(self, query: PixQuery) -> tuple[int, list[msgspec.Raw]]:
        """Return how many Pix match a query, and the requested page of them."""
        first = query.page * query.page_size
        with self._lock:
            start = bisect_left(self._times, query.start)
            stop = bisect_right(self._times, query.end)
            if query.unfiltered:
                ids = self._ids[start + first : min(stop, start + first + query.page_size)]
                return stop - start, [msgspec.Raw(self._records[e2e].raw) for e2e in ids]
            met = [r for r in self._between(start, stop) if query.meets(r)]
        return len(met), [msgspec.Raw(r.raw) for r in met[first : first + query.page_size]]

    def _between(self, start: int, stop: int) -> Iterator[StoredPix]:
        return (self._records[e2e] for e2e in islice(self._ids, start, stop))
