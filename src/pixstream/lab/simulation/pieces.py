"""What the renderers hand over: the smallest piece of a document and the facts that it tells."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import NamedTuple

import msgspec

from pixstream.event.categories import Category  # noqa: TC001  fields of a NamedTuple
from pixstream.event.model import Status  # noqa: TC001  the same

BANK_API, WEBHOOK, SYSTEM_LOG, ISO20022 = "bank_api", "webhook", "system_log", "iso20022"
SOURCES = (BANK_API, WEBHOOK, SYSTEM_LOG, ISO20022)
"""The producers' names, in the order of the documentation."""


class Fact(NamedTuple):
    """The identity of an event: what `routing.event_id` hashes."""

    category: Category
    identifier: str
    status: Status


class Group(NamedTuple):
    """Pieces of one group go into one document together.

    Attributes:
        source: which producer reads it.
        name: a key for a webhook body, a message and its way for an SPI file, else empty.
    """

    source: str
    name: str = ""


class Piece(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Pix object, log line or SPI transaction.

    Attributes:
        group: where it belongs.
        content: its bytes; a whole document when `whole`.
        when: when its source writes it.
        facts: what it tells for the first time, in no order.
        repeats: how many facts it tells again.
        malformed: it must become a dead letter, byte for byte.
        whole: it is a document of its own.
        created: when the bank recorded it, for an object of API Pix; None: on arrival.
        payer_document: by whom GET /pix finds it; the standard object does not say.
    """

    group: Group
    content: bytes
    when: dt.datetime
    facts: tuple[Fact, ...] = ()
    repeats: int = 0
    malformed: bool = False
    whole: bool = False
    created: dt.datetime | None = None
    payer_document: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, as it stands in the ledger."""
        return hashlib.sha256(self.content).hexdigest()

    def again(self) -> Piece:
        """The same piece, delivered once more."""
        return msgspec.structs.replace(self, facts=(), repeats=len(self.facts) + self.repeats)


def money(centavos: int) -> str:
    """Reais with two decimals, as API Pix, logs and SPI write them."""
    return f"{centavos // 100}.{centavos % 100:02d}"


def moment(when: dt.datetime) -> str:
    """An aware UTC time with milliseconds and Z, as the SPI demands."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
