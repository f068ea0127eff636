"""Decides whether a Pix was received or sent, from everything its object says.

API Pix describes received Pix only, and a receipt has no field of its own to recognise it by. PSPs
put other movements into the same shape, so an object is a receipt only if nothing contradicts that.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pixstream.errors import Refused
from pixstream.event import identifiers
from pixstream.event.model import Reason
from pixstream.formats.dialect import RECEIVED, SENT
from pixstream.formats.json_body import is_absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.formats.dialect import Dialect

Side: TypeAlias = Literal["received", "sent", "returned"]

TYPE_FIELDS = (
    "tipo",
    "tipoOperacao",
    "tipoTransacao",
    "tipoMovimento",
    "tipoLancamento",
    "operacao",
    "direcao",
    "sentido",
    "creditoDebito",
    "debitoCredito",
    "type",
    "direction",
)
"""Fields of PSPs that name the kind of a movement."""

STATUS_FIELDS = ("status", "situacao", "estado")
"""Fields of PSPs that name the state of a movement."""

_MAY_BE_OTHER = frozenset({"situacao", "estado"})
"""Fields whose unknown words mean something else, such as a state of Brazil."""

_WORDS: dict[str, Side] = {
    **dict.fromkeys(
        [
            "C",
            "CREDITO",
            "CREDIT",
            "ENTRADA",
            "RECEBIDO",
            "RECEBIDA",
            "RECEBIMENTO",
            "RECEIVED",
            "RECEIPT",
            "INBOUND",
            "CASHIN",
        ],
        "received",
    ),
    **dict.fromkeys(
        [
            "D",
            "DEBITO",
            "DEBIT",
            "SAIDA",
            "ENVIO",
            "ENVIADO",
            "ENVIADA",
            "SENT",
            "OUTBOUND",
            "CASHOUT",
            "SAQUE",
        ],
        "sent",
    ),
    **dict.fromkeys(
        [
            "DEVOLUCAO",
            "DEVOLVIDO",
            "DEVOLVIDA",
            "ESTORNO",
            "ESTORNADO",
            "REFUND",
            "RETURN",
            "REVERSAL",
            "MED",
        ],
        "returned",
    ),
}

SETTLED, PENDING, FAILED = "settled", "pending", "failed"
_STATUSES: dict[str, str] = {
    **dict.fromkeys(
        [
            "REALIZADO",
            "REALIZADA",
            "CONCLUIDO",
            "CONCLUIDA",
            "LIQUIDADO",
            "LIQUIDADA",
            "PAGO",
            "PAGA",
            "EFETIVADO",
            "EFETIVADA",
            "CONFIRMADO",
            "CONFIRMADA",
            "RECEBIDO",
            "RECEBIDA",
            "CREDITADO",
            "CREDITADA",
            "FINALIZADO",
            "FINALIZADA",
            "SUCESSO",
            "SETTLED",
            "COMPLETED",
            "CONFIRMED",
            "PAID",
            "RECEIVED",
            "SUCCESS",
            "ACSC",
            "ACCC",
        ],
        SETTLED,
    ),
    **dict.fromkeys(
        [
            "EM_PROCESSAMENTO",
            "PROCESSANDO",
            "PENDENTE",
            "INICIADO",
            "INICIADA",
            "EM_ANALISE",
            "AGENDADO",
            "AGENDADA",
            "PROCESSING",
            "PENDING",
            "SCHEDULED",
            "ACSP",
        ],
        PENDING,
    ),
    **dict.fromkeys(
        [
            "NAO_REALIZADO",
            "NAO_REALIZADA",
            "REJEITADO",
            "REJEITADA",
            "CANCELADO",
            "CANCELADA",
            "RECUSADO",
            "RECUSADA",
            "NEGADO",
            "NEGADA",
            "FALHA",
            "FALHOU",
            "ERRO",
            "REJECTED",
            "CANCELED",
            "CANCELLED",
            "FAILED",
            "RJCT",
        ],
        FAILED,
    ),
}
OF_SENT = {SETTLED: "REALIZADO", PENDING: "EM_PROCESSAMENTO", FAILED: "NAO_REALIZADO"}
"""What a status word means → the word of `routing.TABLE` for a sent Pix."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_LETTERS = re.compile(r"[^A-Z0-9]+")


def message(value: Mapping[str, Any], own: Dialect, ispb: str | None) -> str:
    """Return `RECEIVED` or `SENT`.

    Args:
        value: a Pix object.
        own: its dialect.
        ispb: the ISPB of the account's PSP, if known.

    Raises:
        Refused: the object describes a return without its RtrId, contradicts itself, or is a
            receipt that is not settled.
    """
    said = _said(value)
    sides = set(said.values())
    if "returned" in sides:
        raise Refused(Reason.IDENTIFIER_MISSING, f"{', '.join(said)}: a return, without its rtrId")
    if own.says_sent(value) and not (_only_status(value, own) and _is_receipt(value, ispb)):
        sides.add("sent")
        said.setdefault("the fields of a sent Pix", "sent")
    if not sides and not _may_be_receipt(value, ispb):
        raise Refused(
            Reason.CONTRADICTORY,
            "pagador and recebedor have ISPBs, recebedor's is not known to be this account's, and "
            "no field says whether the Pix was received or sent",
        )
    if len(sides) > 1:
        raise Refused(Reason.CONTRADICTORY, f"{', '.join(said)}: both received and sent")
    if "sent" in sides:
        return SENT
    for name in STATUS_FIELDS:
        word = value.get(name)
        unknown = SETTLED if name in _MAY_BE_OTHER else None
        if (
            not is_absent(word)
            and own.status(RECEIVED, str(word))
            and (meaning(word) or unknown) != SETTLED
        ):
            raise Refused(
                Reason.STATUS_UNKNOWN,
                f"{name} is not known to mean settled, and only settled Pix are received",
            )
    return RECEIVED


def meaning(status: object) -> str | None:
    """Return what a PSP's status word means: settled, pending or failed; None if unknown."""
    return _STATUSES.get("_".join(_words(status)))


def _said(value: Mapping[str, Any]) -> dict[str, Side]:
    """Return the type fields with a known word, and the side that each of them names."""
    found: dict[str, Side] = {}
    for name in TYPE_FIELDS:
        if name in value:
            sides = {_WORDS[word] for word in _words(value[name]) if word in _WORDS}
            if "returned" in sides:
                found[name] = "returned"
            elif len(sides) == 1:
                found[name] = sides.pop()
    return found


def _only_status(value: Mapping[str, Any], own: Dialect) -> bool:
    """Return whether nothing but the word in `status` marks a Pix as sent."""
    return not own.says_sent({name: part for name, part in value.items() if name != "status"})


def _is_receipt(value: Mapping[str, Any], ispb: str | None) -> bool:
    """Return whether another PSP issued the identifier, or the payer is described as in API Pix."""
    issuer = identifiers.E2E.fullmatch(str(value.get("endToEndId", "")))
    if issuer and ispb:
        return issuer[0][1:9] != ispb
    return isinstance(value.get("pagador"), dict) and meaning(value.get("status")) == SETTLED


def _may_be_receipt(value: Mapping[str, Any], ispb: str | None) -> bool:
    """Return whether the parties, where both are described by their PSP, leave that possible.

    API Pix does not describe the payee of a receipt, since it is the account's owner.
    """
    payer, payee = (_ispb_of(value.get(name)) for name in ("pagador", "recebedor"))
    return payer is None or payee is None or payee == ispb


def _ispb_of(person: object) -> str | None:
    found = person.get("ispb") if isinstance(person, dict) else None
    return None if is_absent(found) else str(found).zfill(8)


def _words(value: object) -> list[str]:
    """Return the words of a text in capitals, without accents: `pixEnviado` has PIX and ENVIADO."""
    if not isinstance(value, str):
        return []
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", value)).encode("ascii", "ignore").decode()
    return [word for word in _NO_LETTERS.split(plain.upper()) if word]
