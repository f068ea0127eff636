"""The rules for a return that a receiver requests (API Pix, PixDevolucaoInvalida)."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from pixstream.lab.sandbox.problems import Violations

WINDOW = dt.timedelta(days=90)
_AMOUNT = re.compile(r"\d{1,10}\.\d{2}", re.ASCII)
_ID = re.compile(r"[a-zA-Z0-9]{1,35}", re.ASCII)
_LONGEST_TEXT = 140


def violations(
    pix: dict[str, Any], number: str, order: dict[str, Any], now: dt.datetime
) -> Violations:
    """Return all violations of a requested return.

    Args:
        pix: the Pix to return, with its earlier returns.
        number: `id` of the new return.
        order: the object `DevolucaoSolicitada`.
        now: current time, timezone-aware.
    """
    wrong = Violations()
    returns = pix.get("devolucoes", [])
    if not _ID.fullmatch(number):
        wrong.add("devolucao.id", "O id não respeita o schema.", number)
    if any(known["id"] == number for known in returns):
        wrong.add("devolucao.id", "O id já foi utilizado por outra devolução deste Pix.", number)
    if order.get("natureza", "ORIGINAL") not in {"ORIGINAL", "RETIRADA"}:
        wrong.add("devolucao.natureza", "A natureza não pode ser solicitada.")
    text = order.get("descricao", "")
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        wrong.add("devolucao.descricao", "O campo não respeita o schema.")
    if now - dt.datetime.fromisoformat(pix["horario"]) > WINDOW:
        wrong.add("devolucao", "O prazo de 90 dias para devoluções deste Pix passou.")
    amount = order.get("valor")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        wrong.add("devolucao.valor", "O campo não respeita o schema.")
    else:
        given = sum(Decimal(r["valor"]) for r in returns if r["status"] != "NAO_REALIZADO")
        if given + Decimal(amount) > Decimal(pix["valor"]):
            wrong.add("devolucao.valor", "As devoluções excederiam o valor do Pix.", amount)
    return wrong
