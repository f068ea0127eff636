"""The objects of API Pix 2.9.0 that are events, Pix and Devolucao, and Efí's sent Pix, as drafts.

Fields with no place in an event go to `extra`, names and free text to `texts` under their path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Person, Reason
from pixstream.event.routing import TABLE
from pixstream.formats.json_body import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

RECEIVED, SENT, RETURN = "api_pix.pix", "api_pix.enviado", "api_pix.devolucao"

RETURN_REASONS = {
    "ORIGINAL": "MD06",
    "RETIRADA": "SL02",
    "MED_OPERACIONAL": "BE08",
    "MED_FRAUDE": "FR01",
    "MED_PIX_AUTOMATICO": "REFU",
}
"""`natureza` of a return → the SPI's code; REFU is the purpose of the pacs.008 that it is there."""

ACCOUNT_TYPES = {"CORRENTE": "CACC", "POUPANCA": "SVGS", "PAGAMENTO": "TRAN", "SALARIO": "SLRY"}
"""`tipoConta` → the ISO 20022 code."""

_STATUSES = {
    message: frozenset(rule.status for rule in TABLE if rule.message == message)
    for message in (RECEIVED, SENT, RETURN)
}
_EXPECTED_REST = {
    RECEIVED: frozenset({"componentesValor", "gnExtras"}),
    SENT: frozenset({"gnExtras", "idEnvio", "tipo", "horario", "favorecido"}),
    RETURN: frozenset({"id", "horario"}),
}
_SENT_ONLY = frozenset({"idEnvio", "favorecido", "e2eId"})


def pix(value: Mapping[str, Any], *, ispb: str | None) -> Draft:
    """The draft of a Pix object, received or sent, without its returns.

    Args:
        value: the object.
        ispb: of the account's own PSP: the payee's of a received Pix, the payer's of a sent one.
    """
    sent = _is_sent(value)
    fields = Fields(value)
    fields.take("devolucoes")
    extras = fields.inner("gnExtras")
    failure = extras.inner("erro")
    draft = Draft(
        message=SENT if sent else RECEIVED,
        status=fields.text("status") if sent else None,
        end_to_end_id=fields.text("endToEndId", "e2eId"),
        txid=fields.text("txid"),
        amount=fields.text("valor"),
        event_time=_time(fields, value, structured=None if sent else False),
        reason=failure.text("codigo"),
    )
    own = draft.payer if sent else draft.payee
    # `chave` is the own account's key: Efí's for a sent Pix too, whose payee is in `favorecido`.
    own.ispb, own.key = ispb, fields.text("chave")
    _person(draft, draft.payer, fields.inner("pagador"), "pagador")
    _person(draft, draft.payer, extras.inner("pagador"), "gnExtras.pagador")
    payee = fields.inner("favorecido")
    _person(draft, draft.payee, payee, "favorecido")
    for part in ("identificacao", "contaBanco"):
        _person(draft, draft.payee, payee.inner(part), f"favorecido.{part}")
    _texts(draft, fields, "", "infoPagador")
    _texts(draft, failure, "gnExtras.erro.", "motivo")
    if sent and draft.status is None and _settled(value):
        _assume(draft, "REALIZADO")
    if draft.end_to_end_id and draft.end_to_end_id.startswith("D"):
        # A D identifier is a return's by its definition, whatever the field is called.
        draft.return_id, draft.end_to_end_id = draft.end_to_end_id, None
        draft.flags.append(Flag.SHAPE_IRREGULAR)
    return _finished(draft, fields)


def devolucao(value: Mapping[str, Any], original: Draft | None, *, ispb: str | None) -> Draft:
    """The draft of a Devolucao object.

    Args:
        value: the object.
        original: of the Pix that holds it; its parties change sides. None: it came alone.
        ispb: of the account's own PSP, which gives back what it received.
    """
    fields = Fields(value)
    draft = Draft(
        message=RETURN,
        status=fields.text("status"),
        return_id=fields.text("rtrId"),
        amount=fields.text("valor"),
        event_time=_time(fields, value, structured=True),
        reason=fields.text("natureza", convert=RETURN_REASONS.get),
        payer=Person(ispb=ispb),
    )
    if value.get("natureza") is None:
        draft.reason = RETURN_REASONS["ORIGINAL"]
    if original is not None:
        draft.end_to_end_id, draft.txid = original.end_to_end_id, original.txid
        draft.payer, draft.payee = replace(original.payee), replace(original.payer)
    if draft.end_to_end_id is None:
        draft.end_to_end_id = fields.text("endToEndId", "e2eId")
    _texts(draft, fields, "", "descricao", "motivo")
    if draft.status is None and _settled(value):
        _assume(draft, "DEVOLVIDO")
    return _finished(draft, fields)


def problem(draft: Draft) -> tuple[Reason, str] | None:
    """Why a draft cannot become an event: the reason and what is wrong; None when it can."""
    name = "rtrId" if draft.message == RETURN else "endToEndId"
    found = draft.return_id if draft.message == RETURN else draft.end_to_end_id or draft.return_id
    if not found:
        return Reason.IDENTIFIER_MISSING, f"{name} is absent or no text"
    if draft.status not in _STATUSES[draft.message]:
        return Reason.STATUS_UNKNOWN, "status is absent or none that this API knows"
    return None


def _is_sent(value: Mapping[str, Any]) -> bool:
    """Whether a Pix was sent: API Pix knows received ones only, and those have no status."""
    extras = value.get("gnExtras")
    return (
        value.get("tipo") == "SOLICITACAO"
        or bool(value.keys() & _SENT_ONLY)
        or (isinstance(extras, dict) and "idEnvio" in extras)
        or (isinstance(value.get("status"), str) and value["status"] in _STATUSES[SENT])
    )


def _settled(value: Mapping[str, Any]) -> bool:
    times = value.get("horario")
    return isinstance(times, dict) and bool(times.get("liquidacao"))


def _assume(draft: Draft, status: str) -> None:
    """A time of settlement says what an absent status does not."""
    draft.status = status
    draft.flags.append(Flag.STATUS_ASSUMED)


def _time(fields: Fields, value: Mapping[str, Any], *, structured: bool | None) -> str | None:
    """`horario`, a text or an object as `structured` expects it (None: either)."""
    horario = value.get("horario")
    if horario is not None and structured is not None and isinstance(horario, dict) != structured:
        fields.mark_irregular()
    if isinstance(horario, dict):
        return fields.inner("horario").text("liquidacao", "solicitacao")
    return fields.text("horario")


def _person(draft: Draft, person: Person, fields: Fields, path: str) -> None:
    """Fill what `person` still lacks; a second, differing value stays for `extra`."""
    if not fields:
        return
    person.document = person.document or fields.text("cpf", "cnpj")
    person.key = person.key or fields.text("chave")
    person.ispb = person.ispb or fields.text("codigoBanco", "ispb", convert=_ispb)
    person.branch = person.branch or fields.text("agencia")
    person.account = person.account or fields.text("conta")
    person.account_type = person.account_type or fields.text("tipoConta", convert=_account_type)
    _texts(draft, fields, f"{path}.", "nome")


def _texts(draft: Draft, fields: Fields, prefix: str, *names: str) -> None:
    for name in names:
        text = fields.text(name)
        if text is not None:
            draft.texts[prefix + name] = text


def _ispb(text: str) -> str | None:
    """An ISPB; a three-digit bank code is none and stays in `extra`."""
    return text if identifiers.ISPB.fullmatch(text) else None


def _account_type(text: str) -> str | None:
    return ACCOUNT_TYPES.get(text.upper())


def _finished(draft: Draft, fields: Fields) -> Draft:
    draft.extra = fields.rest()
    if fields.irregular and Flag.SHAPE_IRREGULAR not in draft.flags:
        draft.flags.append(Flag.SHAPE_IRREGULAR)
    if draft.extra.keys() - _EXPECTED_REST[draft.message]:
        draft.flags.append(Flag.UNKNOWN_FIELD)
    return draft
