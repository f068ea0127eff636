import datetime as dt
import json
from typing import Any

import pytest

from pixstream.errors import Transient
from pixstream.producers.bank_api.pages import page_query, read_page
from pixstream.producers.bank_api.windows import Window

END = dt.datetime(2026, 3, 4, 2, 6, 7, 890_000, tzinfo=dt.timezone(dt.timedelta(hours=-3)))


def page(*elements: Any, pages: int = 1, number: int = 0, total: int | None = None) -> Any:
    pagination = {
        "paginaAtual": number,
        "itensPorPagina": 100,
        "quantidadeDePaginas": pages,
        "quantidadeTotalDeItens": len(elements) if total is None else total,
    }
    return {"parametros": {"paginacao": pagination}, "pix": list(elements)}


def test_a_query_holds_the_times_in_utc() -> None:
    window = Window(END - dt.timedelta(hours=1), END)
    query = {
        "inicio": "2026-03-04T04:06:07.890Z",
        "fim": "2026-03-04T05:06:07.890Z",
        "paginacao.paginaAtual": "3",
        "paginacao.itensPorPagina": "50",
    }
    assert page_query(window, 3, 50, returns=False) == query
    assert page_query(window, 3, 50, returns=True) == query | {"devolucaoPresente": "true"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>manutenção</html>",
        '{"pix": [',
        "[]",
        "7",
        '{"message": "ok"}',
        json.dumps(page(total=5)),
        json.dumps(page(total=5) | {"pix": None}),
    ],
)
def test_what_is_not_a_page_leaves_the_window_to_be_read(body: str) -> None:
    with pytest.raises(Transient, match=r"^GET /pix: "):
        read_page(body.encode(), None)


@pytest.mark.parametrize(
    ("body", "pages", "items"),
    [
        ({"pix": []}, None, 0),
        ({"pix": {"endToEndId": "E"}}, None, 1),
        ({"parametros": {"paginacao": {"quantidadeDePaginas": "3"}}, "pix": [1]}, 3, 1),
        ({"parametros": None, "pix": [1]}, None, 1),
        ({"parametros": {"paginacao": {"quantidadeDePaginas": None}}}, None, 0),
        (page(number=3, pages=3, total=250), 3, 0),
    ],
)
def test_pages_are_read_as_banks_write_them(body: Any, pages: int | None, items: int) -> None:
    found = read_page(json.dumps(body).encode(), END)
    assert (found.pages, found.items, found.at) == (pages, items, END)
