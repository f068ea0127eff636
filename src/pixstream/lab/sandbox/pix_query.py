"""The query parameters of GET /pix and GET /webhook, checked as API Pix 2.9.0 specifies."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.lab.sandbox.problems import Problem, Violations
from pixstream.lab.sandbox.query_parameters import boolean, matching, pages, window

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from pixstream.lab.sandbox.store import StoredPix

_TXID = re.compile(r"[a-zA-Z0-9]{1,35}", re.ASCII)
_CPF = re.compile(r"\d{11}", re.ASCII)
_CNPJ = re.compile(r"[0-9A-Z]{14}", re.ASCII)


class PixQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A valid query; `echo` is the part that the answer repeats under `parametros`."""

    start: dt.datetime
    end: dt.datetime
    page: int
    page_size: int
    txid: str | None
    has_txid: bool | None
    has_return: bool | None
    payer_document: str | None
    echo: dict[str, Any]

    @property
    def unfiltered(self) -> bool:
        """Whether it has only times and pages."""
        return (
            self.txid is None
            and self.has_txid is None
            and self.has_return is None
            and self.payer_document is None
        )

    def meets(self, record: StoredPix) -> bool:
        """Return whether a Pix within the times passes the filters."""
        return (
            self.txid in (None, record.txid)
            and self.has_txid in (None, record.txid is not None)
            and self.has_return in (None, record.returned)
            and self.payer_document in (None, record.payer_document)
        )


def pix_query(params: QueryParams) -> PixQuery:
    """Read the parameters of GET /pix.

    Raises:
        Problem: PixConsultaInvalida with all violations.
    """
    wrong = Violations()
    start, end = window(params, wrong, required=True)
    page, page_size = pages(params, wrong)
    txid = matching(params, "txid", _TXID, wrong)
    cpf = matching(params, "cpf", _CPF, wrong, personal=True)
    cnpj = matching(params, "cnpj", _CNPJ, wrong, personal=True)
    if "cpf" in params and "cnpj" in params:
        wrong.add("cpf", "Os parâmetros cpf e cnpj são mutuamente exclusivos.")
    has_txid = boolean(params, "txIdPresente", wrong)
    has_return = boolean(params, "devolucaoPresente", wrong)
    if wrong or start is None or end is None:
        raise Problem(
            "PixConsultaInvalida",
            400,
            "Os parâmetros da consulta não respeitam o schema ou não fazem sentido.",
            violations=wrong,
        )
    filters = {
        "txid": txid,
        "txIdPresente": has_txid,
        "devolucaoPresente": has_return,
        "cpf": cpf,
        "cnpj": cnpj,
    }
    echo = {"inicio": params["inicio"], "fim": params["fim"]}
    return PixQuery(
        start=start,
        end=end,
        page=page,
        page_size=page_size,
        txid=txid,
        has_txid=has_txid,
        has_return=has_return,
        payer_document=cpf or cnpj,
        echo=echo | {name: value for name, value in filters.items() if value is not None},
    )


def webhook_window(params: QueryParams) -> tuple[dt.datetime | None, dt.datetime | None, int, int]:
    """Read the parameters of GET /webhook: optional times, page and page size.

    Raises:
        Problem: WebhookConsultaInvalida with everything that is wrong.
    """
    wrong = Violations()
    start, end = window(params, wrong, required=False)
    page, page_size = pages(params, wrong)
    if wrong:
        raise Problem(
            "WebhookConsultaInvalida",
            400,
            "Os parâmetros da consulta não respeitam o schema ou não fazem sentido.",
            violations=wrong,
        )
    return start, end, page, page_size
