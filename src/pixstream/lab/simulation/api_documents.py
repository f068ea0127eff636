"""The API Pix 2.9.0 documents of received transfers, and Efí's documents of sent ones.

The standard object does not contain the payer; Efí adds one under `gnExtras`, with a masked CPF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.event.categories import Category
from pixstream.event.model import Status
from pixstream.lab.simulation.pieces import BANK_API, WEBHOOK, Fact, Group, Piece, moment, money
from pixstream.lab.simulation.transfers import NATURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pixstream.lab.simulation.transfers import Return, Transfer

_RETURN_STATUS = {
    Status.INITIATED: "EM_PROCESSAMENTO",
    Status.SETTLED: "DEVOLVIDO",
    Status.REJECTED: "NAO_REALIZADO",
}
_SENT_STATUS = {
    Status.INITIATED: "EM_PROCESSAMENTO",
    Status.SETTLED: "REALIZADO",
    Status.REJECTED: "NAO_REALIZADO",
}


def received(
    source: str, transfer: Transfer, returns: Sequence[Return], extras: dict[str, Any] | None = None
) -> Piece:
    """Return a received Pix with the returns known so far.

    Args:
        source: `bank_api` (an object of GET /pix) or `webhook` (an element of a callback).
        transfer: the transfer.
        returns: those of its returns that the document contains.
        extras: fields that a bank adds to the specification.
    """
    document = pix(transfer, returns) | (extras or {})
    settled = Fact(Category.RECEBIMENTO, transfer.e2e, Status.SETTLED)
    return Piece(
        group=Group(source, transfer.key or "" if source == WEBHOOK else transfer.e2e),
        content=msgspec.json.encode(document),
        when=returns[-1].settled if returns else transfer.after(2),
        facts=(settled, *(Fact(Category.ESTORNO, r.rtr_id, r.outcome) for r in returns)),
        whole=source == BANK_API,
        created=transfer.when if transfer.old else None,
        payer_document=transfer.payer.document,
    )


def pix(transfer: Transfer, returns: Sequence[Return]) -> dict[str, Any]:
    """Return the object `Pix` of the specification."""
    document: dict[str, Any] = {"endToEndId": transfer.e2e}
    if transfer.txid:
        document["txid"] = transfer.txid
    document["valor"] = money(transfer.centavos)
    if transfer.purpose in {"OTHR", "GSCB"}:
        document["componentesValor"] = _components(transfer)
    if transfer.key:
        document["chave"] = transfer.key
    document["horario"] = moment(transfer.after(2))
    if transfer.text:
        document["infoPagador"] = transfer.text
    if returns:
        document["devolucoes"] = [devolucao(r) for r in returns]
    return document


def devolucao(returned: Return) -> dict[str, Any]:
    """Return the object `Devolucao`; the nature ORIGINAL is omitted, as the standard allows."""
    times = {"solicitacao": moment(returned.requested)}
    if returned.outcome == Status.SETTLED:
        times["liquidacao"] = moment(returned.settled)
    document: dict[str, Any] = {
        "id": returned.number,
        "rtrId": returned.rtr_id,
        "valor": money(returned.centavos),
        "horario": times,
        "status": _RETURN_STATUS[returned.outcome],
    }
    if returned.reason != "MD06":
        document["natureza"] = NATURES[returned.reason]
    if returned.text:
        document["descricao"] = returned.text
    if returned.outcome == Status.REJECTED:
        document["motivo"] = "Saldo insuficiente na conta do recebedor"
    return document


def payer_extras(transfer: Transfer) -> dict[str, Any]:
    """Return Efí's extension of a received Pix: the payer, with a masked CPF."""
    payer = transfer.payer
    who = {"nome": payer.name, "codigoBanco": payer.ispb}
    if payer.company:
        who["cnpj"] = payer.document
    else:
        who["cpf"] = f"***.{payer.document[3:6]}.{payer.document[6:9]}-**"
    return {"gnExtras": {"pagador": who, "tarifa": "0.01"}}


def sent(transfer: Transfer, status: Status, rng: Random) -> Piece:
    """Return a sent Pix of Efí's webhook: `chave` is the sender's; a refused one has no time."""
    extras: dict[str, Any] = {"idEnvio": f"{rng.getrandbits(80):020x}"}
    if status == Status.REJECTED:
        extras["erro"] = {
            "codigo": transfer.reason,
            "origem": "PSP do usuário recebedor",
            "motivo": "Pagamento recusado pela instituição do recebedor",
        }
    document = {
        "endToEndId": transfer.e2e,
        "chave": transfer.payer.keys[0],
        "tipo": "SOLICITACAO",
        "status": _SENT_STATUS[status],
        "valor": money(transfer.centavos),
        "horario": None if status == Status.REJECTED else moment(transfer.after(2)),
        "gnExtras": extras,
        "favorecido": _beneficiary(transfer),
    }
    return Piece(
        group=Group(WEBHOOK, transfer.payer.keys[0]),
        content=msgspec.json.encode(document),
        when=transfer.after(2),
        facts=(Fact(Category.PAGAMENTO, transfer.e2e, status),),
    )


def _beneficiary(transfer: Transfer) -> dict[str, Any]:
    payee = transfer.payee
    kind = "cnpj" if payee.company else "cpf"
    return {
        "nome": payee.name,
        kind: payee.document,
        "codigoBanco": payee.ispb,
        "chave": transfer.key,
    }


def _components(transfer: Transfer) -> dict[str, Any]:
    """Return the components: Pix Saque is all withdrawal, Pix Troco a purchase and change."""
    provider = transfer.payee.ispb
    if transfer.purpose == "OTHR":
        agent = {"modalidadeAgente": "AGPSS", "prestadorDoServicoDeSaque": provider}
        return {"saque": {"valor": money(transfer.centavos), **agent}}
    change = transfer.centavos // 4
    agent = {"modalidadeAgente": "AGTEC", "prestadorDoServicoDeSaque": provider}
    return {
        "original": {"valor": money(transfer.centavos - change)},
        "troco": {"valor": money(change), **agent},
    }
