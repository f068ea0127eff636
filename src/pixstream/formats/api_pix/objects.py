"""The objects of API Pix 2.9.0 that are events, Pix and Devolucao, as drafts.

Each is read in the dialect of the PSP that wrote it. Fields with no place in an event go to
`extra`, names and free text to `texts` by their path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from pixstream.event import values
from pixstream.event.identifiers import is_identity
from pixstream.event.model import Draft, Flag, Person, Reason
from pixstream.event.routing import TABLE
from pixstream.formats.api_pix import side
from pixstream.formats.api_pix.filling import fill, person, texts
from pixstream.formats.api_pix.recognition import dialect_of_pix, dialect_of_return
from pixstream.formats.dialect import RECEIVED, RETURN, SENT
from pixstream.formats.json_body import JsonFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.formats.dialect import Dialect

RETURN_REASONS = {
    "ORIGINAL": "MD06",
    "RETIRADA": "SL02",
    "MED_OPERACIONAL": "BE08",
    "MED_FRAUDE": "FR01",
    "MED_PIX_AUTOMATICO": "REFU",
}
"""`natureza` of a return → the SPI's code; REFU is the purpose of its pacs.008 in the SPI."""

_STATUSES = {
    message: frozenset(rule.status for rule in TABLE if rule.message == message)
    for message in (RECEIVED, SENT, RETURN)
}
_OF_RETURN = {
    side.SETTLED: "DEVOLVIDO",
    side.PENDING: "EM_PROCESSAMENTO",
    side.FAILED: "NAO_REALIZADO",
}
_EXPECTED_REST = {
    RECEIVED: frozenset({"componentesValor"}),
    SENT: frozenset({"horario"}),
    RETURN: frozenset({"id", "horario"}),
}


def pix(value: Mapping[str, Any], *, ispb: str | None) -> Draft:
    """Return the draft of a Pix object, received or sent, without its returns.

    Args:
        value: the object.
        ispb: the ISPB of the account's own PSP: the payee's for a received Pix, the payer's for a
            sent one.

    Raises:
        Refused: it is neither a settled receipt nor a sent Pix, or contradicts itself.
    """
    own = dialect_of_pix(value)
    kind = side.message(value, own, ispb)
    sent = kind == SENT
    fields = JsonFields(value)
    fields.take("devolucoes")
    draft = Draft(
        message=kind,
        status=fields.text("status") if sent else None,
        end_to_end_id=fields.text("endToEndId"),
        txid=fields.text("txid"),
        amount=fields.text("valor"),
        event_time=_time(fields, value, structured=None if sent else False),
    )
    # `chave` is the account's own key, also in a sent Pix.
    account = draft.payer if sent else draft.payee
    account.ispb, account.key = ispb, fields.text("chave")
    person(draft, draft.payer, fields.inner("pagador"), "pagador")
    person(draft, draft.payee, fields.inner("recebedor"), "recebedor")
    texts(draft, fields, "", "infoPagador")
    fill(draft, fields, value, own.pix_entries)
    if draft.status is not None:
        draft.status = _status(own, kind, draft.status, side.OF_SENT if sent else {})
    if sent and draft.status is None and _settled(value):
        _assume(draft, "REALIZADO")
    if draft.end_to_end_id and draft.end_to_end_id.startswith("D"):
        # By definition a D identifier is a return's, regardless of the field's name.
        draft.return_id, draft.end_to_end_id = draft.end_to_end_id, None
        draft.flags.append(Flag.SHAPE_IRREGULAR)
    return _finished(draft, fields, own)


def devolucao(
    value: Mapping[str, Any],
    original: Draft | None,
    *,
    ispb: str | None,
    around: Mapping[str, Any] | None = None,
) -> Draft:
    """Return the draft of a Devolucao object.

    Args:
        value: the object.
        original: the draft of the Pix that contains it; payer and payee change sides. None: the
            object came alone.
        ispb: the ISPB of the account's own PSP, which returns what it received.
        around: the Pix object that contains it; a return without marks is read in its dialect.
    """
    own = dialect_of_return(value, around)
    fields = JsonFields(value)
    draft = Draft(
        message=RETURN,
        status=fields.text("status"),
        return_id=fields.text("rtrId"),
        amount=fields.text("valor"),
        reason=fields.text("natureza", convert=RETURN_REASONS.get),
        payer=Person(ispb=ispb),
    )
    draft.event_time = _time(fields, value, structured=True)
    if _settled(value) and "liquidacao" in fields.inner("horario"):
        draft.flags += (Flag.TIME_IRREGULAR, Flag.TIME_INFERRED)
    if original is not None:
        draft.end_to_end_id, draft.txid = original.end_to_end_id, original.txid
        draft.payer, draft.payee = replace(original.payee), replace(original.payer)
    if draft.end_to_end_id is None:
        draft.end_to_end_id = fields.text("endToEndId")
    texts(draft, fields, "", "descricao", "motivo")
    fill(draft, fields, value, own.return_entries)
    if draft.status is not None:
        draft.status = _status(own, RETURN, draft.status, _OF_RETURN)
    if draft.reason is None and not value.get("natureza"):
        draft.reason = RETURN_REASONS["ORIGINAL"]
    if draft.status is None and _settled(value):
        _assume(draft, "DEVOLVIDO")
    return _finished(draft, fields, own)


def problem(draft: Draft) -> tuple[Reason, str] | None:
    """Return why a draft cannot become an event: the reason and the problem; None if it can."""
    name = "rtrId" if draft.message == RETURN else "endToEndId"
    found = draft.return_id if draft.message == RETURN else draft.end_to_end_id or draft.return_id
    if not found:
        return Reason.IDENTIFIER_MISSING, f"{name} is absent or not a text"
    if not is_identity(found.strip()):
        return Reason.IDENTIFIER_MISSING, f"{name} is a placeholder or a document"
    if draft.status not in _STATUSES[draft.message]:
        return Reason.STATUS_UNKNOWN, "status is absent or unknown to this API"
    return None


def _status(own: Dialect, message: str, word: str, general: Mapping[str, str]) -> str | None:
    """Return the word of `routing.TABLE` for a status; an unknown one is unchanged."""
    specified = own.status(message, word)
    if specified in _STATUSES[message]:
        return specified
    return general.get(side.meaning(word) or "", word)


def _settled(value: Mapping[str, Any]) -> bool:
    times = value.get("horario")
    return isinstance(times, dict) and bool(times.get("liquidacao"))


def _assume(draft: Draft, status: str) -> None:
    """Set a missing status, because the object has a time of settlement; flag it as assumed."""
    draft.status = status
    draft.flags.append(Flag.STATUS_ASSUMED)


def _time(fields: JsonFields, value: Mapping[str, Any], *, structured: bool | None) -> str | None:
    """Take `horario`: an object if `structured`, a text if not, either if None.

    Of an object's two times the first that is a time; a placeholder stays for `extra`.
    """
    horario = value.get("horario")
    if horario is not None and structured is not None and isinstance(horario, dict) != structured:
        fields.mark_irregular()
    if isinstance(horario, dict):
        times = fields.inner("horario")
        return times.text("liquidacao", "solicitacao", convert=_if_time)
    return fields.text("horario")


def _if_time(text: str) -> str | None:
    return text if values.time(text) else None


def _finished(draft: Draft, fields: JsonFields, own: Dialect) -> Draft:
    draft.extra = fields.rest()
    if fields.irregular and Flag.SHAPE_IRREGULAR not in draft.flags:
        draft.flags.append(Flag.SHAPE_IRREGULAR)
    unknown = draft.extra.keys() - _EXPECTED_REST[draft.message]
    if unknown and unknown - own.expected.get(draft.message, frozenset()):
        draft.flags.append(Flag.UNKNOWN_FIELD)
    return draft
