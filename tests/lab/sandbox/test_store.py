from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from starlette.datastructures import QueryParams

from pixstream.lab.sandbox.pix_query import pix_query
from pixstream.lab.sandbox.store import Store

START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


class Clock:
    """A minute passes with every look at it."""

    def __init__(self) -> None:
        self.minutes = 0

    def __call__(self) -> dt.datetime:
        self.minutes += 1
        return START + dt.timedelta(minutes=self.minutes)


@pytest.fixture
def store() -> Store:
    made = Store(Clock())
    for number in range(1, 11):
        made.add(pix(number), payer_document=f"{number:011d}")
    return made


def pix(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "endToEndId": f"E{number:031d}",
        "valor": "10.00",
        "horario": "2026-11-01T00:00:00.000Z",
        **fields,
    }


def find(store: Store, **params: str) -> tuple[int, list[str]]:
    window = {"inicio": "2026-11-23T00:00:00Z", "fim": "2026-11-24T00:00:00Z"}
    total, items = store.find(pix_query(QueryParams(window | params)))
    return total, [msgspec.json.decode(item)["endToEndId"] for item in items]


def ids(*numbers: int) -> list[str]:
    return [f"E{number:031d}" for number in numbers]


def test_pix_are_found_by_time_of_recording_with_both_ends(store: Store) -> None:
    found = find(store, inicio="2026-11-23T00:03:00Z", fim="2026-11-23T02:05:00+02:00")

    assert found == (3, ids(3, 4, 5))


def test_pages_share_out_what_a_query_meets(store: Store) -> None:
    page = {"paginacao.itensPorPagina": "4"}

    assert find(store, **page) == (10, ids(1, 2, 3, 4))
    assert find(store, **page, **{"paginacao.paginaAtual": "2"}) == (10, ids(9, 10))
    assert find(store, **page, **{"paginacao.paginaAtual": "3"}) == (10, [])


def test_a_pages_end_is_the_windows_end_too(store: Store) -> None:
    found = find(store, fim="2026-11-23T00:03:00Z", **{"paginacao.itensPorPagina": "100"})

    assert found == (3, ids(1, 2, 3))


def test_filters_ask_for_txid_returns_and_payer(store: Store) -> None:
    store.add(pix(11, txid="abc"))
    store.add(pix(12, devolucoes=[{"id": "1", "status": "DEVOLVIDO"}]))

    assert find(store, txid="abc") == (1, ids(11))
    assert find(store, txIdPresente="true") == (1, ids(11))
    assert find(store, txIdPresente="false")[0] == 11
    assert find(store, devolucaoPresente="true") == (1, ids(12))
    assert find(store, cpf="00000000007") == (1, ids(7))


def test_a_newer_state_replaces_the_older_and_keeps_its_place(store: Store) -> None:
    _, news = store.add(pix(3, infoPagador="changed"))

    assert not news
    assert len(store) == 10
    assert find(store)[1] == ids(*range(1, 11))
    assert (store.get(ids(3)[0]) or {})["infoPagador"] == "changed"
    assert find(store, cpf="00000000003") == (1, ids(3))


def test_a_pix_of_long_ago_is_recorded_then(store: Store) -> None:
    store.add(pix(99), created=START - dt.timedelta(days=60))

    assert find(store)[0] == 10
    assert find(store, inicio="2026-09-01T00:00:00Z") == (11, ids(99, *range(1, 11)))


def test_only_a_new_pix_and_a_return_that_became_final_are_news(store: Store) -> None:
    e2e = ids(1)[0]
    under_way = {"id": "1", "status": "EM_PROCESSAMENTO"}

    assert store.add(pix(20))[1]
    assert not store.add_return(e2e, under_way)[1]
    assert store.add_return(e2e, under_way | {"status": "DEVOLVIDO"})[1]
    assert not store.add_return(e2e, {"id": "2", "status": "EM_PROCESSAMENTO"})[1]
    assert [d["id"] for d in (store.get(e2e) or {})["devolucoes"]] == ["1", "2"]


def test_a_return_of_an_unknown_pix_is_refused(store: Store) -> None:
    with pytest.raises(KeyError):
        store.add_return("E0", {"id": "1", "status": "DEVOLVIDO"})


def test_an_object_without_identifier_is_not_recorded(store: Store) -> None:
    with pytest.raises(msgspec.DecodeError):
        store.add(b'{"valor": "1.00"}')
    assert len(store) == 10
