"""Kafka → terminal: one line per event on standard output, without personal data."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow.compute as pc
from msgspec import Meta

from pixstream.errors import DestinationError
from pixstream.event.categories import Category
from pixstream.event.values import BRASILIA
from pixstream.metrics import Counter
from pixstream.metrics.records import WRITTEN
from pixstream.plugins.consumer import Consumer, Reject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.columns.batch import EventBatch

LINES = Counter("pix_console_lines_total", "Events shown as lines", short="shown")

_COLUMNS = ["event_time", "category", "status", "amount_centavos", "payer", "payee", "flags"]
_CATEGORY_WIDTH = max(map(len, Category))
_SHORT = 6
"""Characters shown of a pseudonym: enough to recognise that two are the same."""


@dataclasses.dataclass(kw_only=True)
class Console(Consumer):
    """Lines like `23/11/2026 10:15:03  pagamento  settled  R$ 1.234,56  12345678 → 87654321`."""

    metrics = (WRITTEN, LINES)

    lines_per_second: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="events shown per second, the others are only counted; 0: show all"),
    ] = 20

    def __post_init__(self) -> None:
        """Start with no line shown."""
        super().__post_init__()
        self._second = 0
        self._shown = 0

    def check(self) -> str:
        """Report success: standard output always exists."""
        return "writes to standard output"

    def write(self, batch: EventBatch, reject: Reject) -> None:
        """Show a batch; one line sums up the events beyond the limit.

        Raises:
            DestinationError: standard output is closed.
        """
        del reject  # every decoded row can be shown
        total = batch.table.num_rows
        room = self._room(total)
        lines = [line(event) for event in batch.table.slice(0, room).select(_COLUMNS).to_pylist()]
        if room < total:
            lines.append(f"… and {total - room} more: {_totals(batch)}")
        try:
            sys.stdout.write("".join(f"{text}\n" for text in lines))
            sys.stdout.flush()
        except BrokenPipeError:
            raise DestinationError("standard output is closed: its reader has ended") from None
        self.counts.add(WRITTEN, total)
        self.counts.add(LINES, room)

    def _room(self, wanted: int) -> int:
        """Return how many of the wanted lines may be shown now."""
        if self.lines_per_second == 0:
            return wanted
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._shown = second, 0
        room = min(wanted, self.lines_per_second - self._shown)
        self._shown += room
        return room


def line(event: Mapping[str, Any]) -> str:
    """Return one event as a line: Brasília time, category, status, amount, payer and payee."""
    when = event["event_time"]
    with contextlib.suppress(OverflowError):  # the first hours of year 1 have no Brasília time
        when = when.astimezone(BRASILIA)
    parts = [
        f"{when:%d/%m/%Y %H:%M:%S}",
        f"{event['category']:<{_CATEGORY_WIDTH}}",
        f"{event['status']:<9}",
        f"{reais(event['amount_centavos']):>16}",
        f"{_party(event['payer'])} → {_party(event['payee'])}",
        *([f"[{', '.join(event['flags'])}]"] if event["flags"] else []),
    ]
    return "".join(c if c.isprintable() else "·" for c in "  ".join(parts))


def reais(centavos: int | None) -> str:
    """Return an amount in Brazilian notation, `R$ 1.234,56`; a dash if there is none."""
    if centavos is None:
        return "—"
    whole, cents = divmod(centavos, 100)
    return f"R$ {whole:,}".replace(",", ".") + f",{cents:02}"


def _party(party: Mapping[str, str | None]) -> str:
    """Return the participant and the end of the person's pseudonym, if they are known."""
    person = party["document"] or party["account"] or party["key"]
    name = f"{party['ispb'] or '????????':<8}"
    return f"{name}/{person[-_SHORT:]}" if person else name


def _totals(batch: EventBatch) -> str:
    counts = pc.value_counts(batch.table["category"]).to_pylist()
    return ", ".join(f"{c['counts']} {c['values']}" for c in counts)
