"""The output of the renderers: the smallest pieces of documents, and the facts they report."""

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
    """A group of pieces that share a document.

    Attributes:
        source: name of the producer that reads it.
        name: the key of a webhook body, the message and direction of an SPI file, else empty.
    """

    source: str
    name: str = ""


class Piece(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Pix object, log line or SPI transaction.

    Attributes:
        group: its group.
        content: its bytes; a whole document if `whole`.
        when: time at which its source writes it.
        facts: facts that it reports for the first time, in no order.
        repeats: number of facts that it repeats.
        malformed: it must become a dead letter, byte for byte.
        whole: it is a separate document.
        created: time at which the bank recorded it, for an object of API Pix; None: on arrival.
        payer_document: the payer's document, for GET /pix; the standard object does not contain it.
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
        """SHA-256 of the bytes, as in the ledger."""
        return hashlib.sha256(self.content).hexdigest()

    def again(self) -> Piece:
        """Return the same piece for another delivery."""
        return msgspec.structs.replace(self, facts=(), repeats=len(self.facts) + self.repeats)


def money(centavos: int) -> str:
    """Return reais with two decimals, the format of API Pix, logs and SPI."""
    return f"{centavos // 100}.{centavos % 100:02d}"


def moment(when: dt.datetime) -> str:
    """Return a UTC time with milliseconds and Z, as the SPI requires."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
