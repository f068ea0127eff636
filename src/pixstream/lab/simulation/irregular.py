"""The small share of documents that break the rules and must be kept all the same.

Each way was seen in published payloads: ids of 26 characters, a day 34, an object where an array
belongs, numbers for texts, times without zone, a masked CPF.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.event.sealing import BRASILIA
from pixstream.lab.simulation.pieces import SYSTEM_LOG

if TYPE_CHECKING:
    from random import Random

    from pixstream.lab.simulation.pieces import Piece
    from pixstream.lab.simulation.transfers import Transfer

EVERY = 1_200
"""One in so many transfers told by webhook or log: under one fact in a thousand."""

_SHORT = 26
_DAY = slice(15, 17)


def identifier(transfer: Transfer, rng: Random) -> Transfer:
    """The transfer with an EndToEndId of 26 characters, or of a day that no calendar has."""
    if rng.random() < 0.5:  # noqa: PLR2004  one half each
        e2e = transfer.e2e[:_SHORT]
    else:
        e2e = f"{transfer.e2e[: _DAY.start]}34{transfer.e2e[_DAY.stop :]}"
    return msgspec.structs.replace(transfer, e2e=e2e)


def shape(piece: Piece, rng: Random) -> Piece:
    """A Pix object or log entry in a shape that its format does not allow; the facts stay."""
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
    """An amount as a number, or a time without its zone."""
    if rng.randrange(2) or document["horario"] is None:
        return document | {"valor": float(document["valor"])}
    return document | {"horario": _naive(document["horario"])}


def _naive(text: str) -> str:
    """The same time as a local one of Brasília, its zone left out."""
    local = dt.datetime.fromisoformat(text).astimezone(BRASILIA)
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds")
