"""Pages of GET /pix, API Pix 2.9.0: their queries, and the answers of banks."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.errors import Refused, Transient
from pixstream.event.model import Reason
from pixstream.formats.json_body import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.producers.bank_api.windows import Window

_COUNT = re.compile(r"\d{1,9}", re.ASCII)


class Unreadable(Transient):
    """An answer that is not a page: a maintenance notice, a proxy's error, or a bank's mistake.

    It says nothing about the window, and skipping it would lose its Pix.

    Args:
        why: what it is, without any value of it.
        raw: the answer.
        reason: why it cannot become events, a `Reason`.
    """

    def __init__(self, why: str, raw: bytes, reason: str) -> None:
        super().__init__(f"GET /pix: {why}")
        self.why = why
        self.raw = raw
        self.reason = reason

    @property
    def is_document(self) -> bool:
        """Whether it begins like JSON, so that it is rather the bank's than a proxy's."""
        return self.raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


class Page(NamedTuple):
    """A page of GET /pix.

    Attributes:
        body: the JSON.
        pages: number of pages; None: the bank does not say.
        items: number of elements in this page.
        at: the bank's time of the answer; None: the bank does not say.
    """

    body: Body
    pages: int | None
    items: int
    at: dt.datetime | None = None


def page_query(window: Window, number: int, size: int, *, returns: bool) -> dict[str, str]:
    """Return the query of a page.

    Args:
        window: both ends included.
        number: number of the page, from 0.
        size: number of Pix to request.
        returns: request only Pix with a return.
    """
    query = {
        "inicio": _rfc3339(window.start),
        "fim": _rfc3339(window.end),
        "paginacao.paginaAtual": str(number),
        "paginacao.itensPorPagina": str(size),
    }
    if returns:
        query["devolucaoPresente"] = "true"
    return query


def read_page(raw: bytes, at: dt.datetime | None) -> Page:
    """Read the answer to GET /pix, which the bank gave at `at`.

    Raises:
        Unreadable: it is not a page.
    """
    try:
        body = Body(raw)
    except Refused as error:
        why = f"the answer is not a page ({error.reason})"
        raise Unreadable(why, raw, error.reason) from None
    document = body.document
    if not isinstance(document, dict) or not document.keys() & {"pix", "parametros"}:
        raise Unreadable("the answer is JSON, but not a page", raw, Reason.NOT_A_PIX)
    pagination = _object(_object(document, "parametros"), "paginacao")
    elements = document.get("pix")
    items = len(elements) if isinstance(elements, list) else int(elements is not None)
    number, pages = (_count(pagination, n) for n in ("paginaAtual", "quantidadeDePaginas"))
    if not items and _count(pagination, "quantidadeTotalDeItens") and (number or 0) < (pages or 0):
        raise Unreadable("a page announces elements but has none", raw, Reason.NOT_A_PIX)
    return Page(body, pages, items, at)


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    """Return a count, which some banks write as a string."""
    text = str(fields.get(name))
    return int(text) if _COUNT.fullmatch(text) else None


def _rfc3339(when: dt.datetime) -> str:
    text = when.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
