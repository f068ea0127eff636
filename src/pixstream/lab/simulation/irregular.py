"""The small share of documents that break the rules and must be kept nevertheless.

Published payloads contain each of these irregularities: ids of 26 characters, a day 34, an object
in place of an array, numbers in place of texts, times without a zone, a masked CPF.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.event.values import BRASILIA
from pixstream.lab.simulation.pieces import SYSTEM_LOG

if TYPE_CHECKING:
    from random import Random

    from pixstream.lab.simulation.pieces import Piece
    from pixstream.lab.simulation.transfers import Transfer

EVERY = 1_200
"""One in this many transfers by webhook or log is irregular: under one fact in a thousand."""

_SHORT = 26
_DAY = slice(15, 17)


def identifier(transfer: Transfer, rng: Random) -> Transfer:
    """Return the transfer with an EndToEndId of 26 characters, or with an impossible day."""
    if rng.random() < 0.5:  # noqa: PLR2004  one half each
        e2e = transfer.e2e[:_SHORT]
    else:
        e2e = f"{transfer.e2e[: _DAY.start]}34{transfer.e2e[_DAY.stop :]}"
    return msgspec.structs.replace(transfer, e2e=e2e)


def shape(piece: Piece, rng: Random) -> Piece:
    """Return a Pix object or log entry in a shape that its format forbids; the facts stay."""
    document = msgspec.json.decode(piece.content)
    bent = _line(document, rng) if piece.group.source == SYSTEM_LOG else _pix(document, rng)
    return msgspec.structs.replace(piece, content=msgspec.json.encode(bent))


def _pix(document: dict[str, Any], rng: Random) -> dict[str, Any]:
    if len(document.get("devolucoes", ())) == 1:
        return document | {"devolucoes": document["devolucoes"][0]}
    return _number_or_zone(document, rng)


def _line(document: dict[str, Any], rng: Random) -> dict[str, Any]:
    if rng.randrange(2):
        return _number_or_zone(document, rng)
    party = document["recebedor"]
    masked = f"***{party['documento'][3:9]}**"
    return document | {"recebedor": party | {"documento": masked}}


def _number_or_zone(document: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Write the amount as a number, or the time without its zone."""
    if rng.randrange(2) or document["horario"] is None:
        return document | {"valor": float(document["valor"])}
    return document | {"horario": _naive(document["horario"])}


def _naive(text: str) -> str:
    """Return the same time in Brasília, without the zone."""
    local = dt.datetime.fromisoformat(text).astimezone(BRASILIA)
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds")
