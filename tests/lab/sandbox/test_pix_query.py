from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from pixstream.lab.sandbox.pix_query import pix_query, webhook_window
from pixstream.lab.sandbox.problems import Problem

WINDOW = {"inicio": "2026-11-23T00:00:00Z", "fim": "2026-11-23T23:59:59.999-03:00"}


def violations(params: dict[str, str]) -> dict[str, str | None]:
    with pytest.raises(Problem) as caught:
        pix_query(QueryParams(params))
    assert caught.value.body["type"].endswith("/PixConsultaInvalida")
    assert caught.value.status == 400
    return {v["propriedade"]: v.get("valor") for v in caught.value.body["violacoes"]}


def test_times_are_utc_and_pages_have_their_defaults() -> None:
    query = pix_query(QueryParams(WINDOW))

    assert query.start == dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    assert query.end == dt.datetime(2026, 11, 24, 2, 59, 59, 999000, tzinfo=dt.UTC)
    assert (query.page, query.page_size) == (0, 100)
    assert query.unfiltered
    assert query.echo == WINDOW


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T00:00:00",
        "2026-11-23T00:00:00 03:00",
        "2026-20-08T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "20261123T000000Z",
        "",
    ],
)
def test_a_time_that_is_not_of_rfc_3339_is_a_violation(text: str) -> None:
    assert violations(WINDOW | {"fim": text}) == {"fim": text or None}


def test_both_times_are_required_and_in_order() -> None:
    assert set(violations({})) == {"inicio", "fim"}
    assert set(violations({"inicio": WINDOW["fim"], "fim": WINDOW["inicio"]})) == {"fim"}


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "", "99999999999"])
def test_a_page_is_a_whole_number_of_at_least_zero(number: str) -> None:
    page = "paginacao.paginaAtual"
    assert violations(WINDOW | {page: number}) == {page: number or None}


@pytest.mark.parametrize("number", ["0", "-1", "1001", "many"])
def test_a_page_has_from_1_to_1000_items(number: str) -> None:
    size = "paginacao.itensPorPagina"
    assert violations(WINDOW | {size: number}) == {size: number}


def test_cpf_and_cnpj_exclude_each_other_and_are_not_repeated() -> None:
    both = {"cpf": "00000000000", "cnpj": "00000000000000"}

    assert violations(WINDOW | both) == {"cpf": None}
    assert violations(WINDOW | {"cpf": "1"}) == {"cpf": None}
    assert violations(WINDOW | {"cnpj": "12abc"}) == {"cnpj": None}


def test_truth_values_and_txids_have_their_form() -> None:
    wrong = {"txIdPresente": "yes", "devolucaoPresente": "1", "txid": "a b"}

    assert violations(WINDOW | wrong) == wrong


def test_filters_are_repeated_in_the_answer() -> None:
    filters = {"txid": "abc", "txIdPresente": "true", "devolucaoPresente": "false"}
    query = pix_query(QueryParams(WINDOW | filters))

    assert query.echo == WINDOW | {"txid": "abc", "txIdPresente": True, "devolucaoPresente": False}
    assert not query.unfiltered


def test_the_times_of_a_list_of_webhooks_may_be_absent() -> None:
    assert webhook_window(QueryParams({})) == (None, None, 0, 100)
    with pytest.raises(Problem) as caught:
        webhook_window(QueryParams({"inicio": "yesterday"}))
    assert caught.value.body["type"].endswith("/WebhookConsultaInvalida")


@given(
    st.dictionaries(
        st.sampled_from(["inicio", "fim", "txid", "cpf", "cnpj", "txIdPresente"]), st.text()
    )
)
def test_any_parameters_are_read_or_refused(params: dict[str, str]) -> None:
    with contextlib.suppress(Problem):
        assert pix_query(QueryParams(params)).page == 0
