"""The log lines of a transfer: one JSON line per step, with parties, channel and device.

In a line about a return, the payer is the party that returns the money.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pixstream.event.categories import Category
from pixstream.event.model import Status
from pixstream.lab.simulation.pieces import SYSTEM_LOG, Fact, Group, Piece, moment, money

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from pixstream.lab.simulation.transfers import Return, Transfer
    from pixstream.lab.simulation.world import Holder

LOG = Group(SYSTEM_LOG)
WORDS = {
    Status.INITIATED: "iniciado",
    Status.ACCEPTED: "aceito",
    Status.SETTLED: "liquidado",
    Status.REJECTED: "rejeitado",
}


class Step(NamedTuple):
    """One line to write: category of the event, status and time."""

    category: Category
    status: Status
    when: dt.datetime


def lines(transfer: Transfer, rng: Random) -> list[Piece]:
    """Return the lines of a transfer and its returns, in the order of writing.

    A transfer within the own institution is both a payment and a receipt.
    """
    pieces = [_line(transfer, None, step) for step in _steps(transfer, rng)]
    for returned in transfer.returns:
        course = _course(returned.outcome, returned.requested, rng)
        pieces += [
            _line(transfer, returned, Step(Category.ESTORNO, status, when))
            for status, when in course
        ]
    return pieces


def _steps(transfer: Transfer, rng: Random) -> Iterator[Step]:
    if transfer.old:
        return
    sides = ((transfer.payer, Category.PAGAMENTO), (transfer.payee, Category.RECEBIMENTO))
    for holder, category in sides:
        if holder.own:
            for status, when in _course(transfer.outcome, transfer.when, rng):
                yield Step(category, status, when)


def _course(
    outcome: Status, start: dt.datetime, rng: Random
) -> Iterator[tuple[Status, dt.datetime]]:
    """Yield initiated, usually accepted, then the outcome; not every system logs every step."""
    yield Status.INITIATED, start
    if outcome == Status.INITIATED:
        return
    if rng.randrange(3):
        yield Status.ACCEPTED, start + dt.timedelta(milliseconds=rng.randint(200, 900))
    yield outcome, start + dt.timedelta(milliseconds=rng.randint(1_000, 9_000))


def _line(transfer: Transfer, returned: Return | None, step: Step) -> Piece:
    document = entry(transfer, returned, step)
    identifier = returned.rtr_id if returned else transfer.e2e
    return Piece(
        group=LOG,
        content=msgspec.json.encode(document),
        when=step.when,
        facts=(Fact(step.category, identifier, step.status),),
    )


def entry(transfer: Transfer, returned: Return | None, step: Step) -> dict[str, Any]:
    """Return the JSON object of one line; fields that a step does not know are omitted."""
    payer, payee = _party(transfer.payer, None), _party(transfer.payee, transfer.key)
    written = step.when + dt.timedelta(milliseconds=40)
    document: dict[str, Any] = {
        "timestamp": moment(written),
        "event": f"pix.{step.category.value}",
        "status": WORDS[step.status],
        "endToEndId": transfer.e2e,
    }
    if returned:
        document["rtrId"] = returned.rtr_id
        payer, payee = payee, payer
    elif transfer.txid:
        document["txid"] = transfer.txid
    document |= {
        "valor": money(returned.centavos if returned else transfer.centavos),
        "moeda": "BRL",
        "horario": moment(step.when),
        "pagador": payer,
        "recebedor": payee,
        "canal": transfer.channel,
    }
    if step.category == Category.PAGAMENTO:
        device = transfer.device
        document["dispositivo"] = {"id": device.identifier, "so": device.system}
        document["ip"] = device.ip
    if returned:
        document["motivo"] = returned.reason
    else:
        document |= {"iniciacao": transfer.initiation, "finalidade": transfer.purpose}
        if step.status == Status.REJECTED:
            document["motivo"] = transfer.reason
    return document


def _party(holder: Holder, key: str | None) -> dict[str, Any]:
    party = {
        "ispb": holder.ispb,
        "agencia": holder.branch,
        "conta": holder.account,
        "tipoConta": holder.account_type,
        "documento": holder.document,
        "nome": holder.name,
    }
    return party | {"chave": key} if key else party
