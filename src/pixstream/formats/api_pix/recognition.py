"""Recognises the kind of an object, and the PSP that wrote it, by the names of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixstream.event.model import Reason
from pixstream.formats.dialect import API_PIX, Place, every
from pixstream.formats.json_body import is_absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.formats.dialect import Dialect

LISTS = ("pix", "cobs", "cobsr", "recs", "webhooks", *(name for d in every() for name in d.lists))
"""Fields with the elements of a page or of a webhook's body; `pix` is also a field of a charge."""


def _outermost(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(Place.of(path).outer for path in paths)


def _filling(target: str, table: Mapping[str, str]) -> frozenset[str]:
    return _outermost(path for path, filled in table.items() if filled == target)


_DIALECTS = every()
_MARKS = frozenset(name for d in _DIALECTS for name in d.marks)
_SENT_FIELDS = _outermost(path for d in _DIALECTS for path in d.sent)
_RETURN_IDS = frozenset({"rtrId"}).union(*(_filling("return_id", d.returns) for d in _DIALECTS))
_PIX_IDS = frozenset({"endToEndId"}).union(*(_filling("end_to_end_id", d.pix) for d in _DIALECTS))
_PIX_OR_RETURNS = _PIX_IDS | {"devolucoes"}
_SPECIFIED = frozenset({"valor", "horario", "chave", "txid", "devolucoes", "componentesValor"})
# Distinguishes a Pix of this API from an object of another API that also has an endToEndId.
_PIX_FIELDS = _SPECIFIED.union(_MARKS, *(_outermost(d.pix) for d in _DIALECTS)) - _PIX_IDS
_CHARGE_FIELDS = frozenset(
    {"calendario", "devedor", "loc", "location", "idRec", "tipoCob", "cobs", "cobsr", "recs"}
)
_CONFIGURATION_FIELDS = frozenset({"webhookUrl", "webhooks"})
_ERROR_FIELDS = ({"type", "title"}, {"title", "status"}, {"nome", "mensagem"}, {"error"})


def is_return(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a return (Devolucao) outside its Pix."""
    return (
        not value.keys().isdisjoint(_RETURN_IDS)
        and any(not is_absent(value.get(name)) for name in _RETURN_IDS)
        and "devolucoes" not in value
    )


def is_pix(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a Pix."""
    names = value.keys()
    return not (names.isdisjoint(_PIX_FIELDS) or names.isdisjoint(_PIX_OR_RETURNS))


def dialect_of_pix(value: Mapping[str, Any]) -> Dialect:
    """Return the dialect with a mark in a Pix, or else the one whose words mark it as sent."""
    marked = _marked(value)
    if marked is not None:
        return marked
    if value.keys().isdisjoint(_SENT_FIELDS):
        return API_PIX
    return next((dialect for dialect in _DIALECTS if dialect.says_sent(value)), API_PIX)


def dialect_of_return(value: Mapping[str, Any], around: Mapping[str, Any] | None) -> Dialect:
    """Return the dialect with a mark in a return, or else in the Pix that contains it."""
    return _marked(value) or (around and _marked(around)) or API_PIX


def no_pix(value: Mapping[str, Any]) -> tuple[Reason, str]:
    """Return the reason and the description of an object without a Pix."""
    names = value.keys()
    if isinstance(value.get("event"), str):
        return Reason.MESSAGE_UNKNOWN, "a notification of another API, with a field `event`"
    if names and any(error <= names for error in _ERROR_FIELDS):
        return Reason.ERROR_BODY, "an error message, not a Pix"
    if names & _CONFIGURATION_FIELDS:
        return Reason.CONFIGURATION_NOT_PIX, "the configuration of a webhook, not a Pix"
    if names & _CHARGE_FIELDS:
        return Reason.CHARGE_NOT_PIX, "a charge without a Pix"
    if names & _PIX_FIELDS:
        return Reason.IDENTIFIER_MISSING, "has neither endToEndId nor rtrId"
    return Reason.NOT_A_PIX, "has no field of a Pix or of a return"


def _marked(value: Mapping[str, Any]) -> Dialect | None:
    if value.keys().isdisjoint(_MARKS):
        return None
    for dialect in _DIALECTS:
        if not value.keys().isdisjoint(dialect.marks):
            return dialect
    return None
