"""API objects and log lines, as their formats promise them."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pixstream.lab.simulation.offers import plan
from pixstream.lab.simulation.pieces import BANK_API, SYSTEM_LOG, WEBHOOK

if TYPE_CHECKING:
    from pixstream.lab.simulation.batches import Offer

NOW = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)
UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def offers() -> list[Offer]:
    return [offer for offer in plan(12_000, 5, now=NOW) if not offer.malformed]


@pytest.fixture(scope="module")
def lines(offers: list[Offer]) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(line)
        for offer in offers
        if offer.source == SYSTEM_LOG
        for line in offer.content.splitlines()
    ]


@pytest.fixture(scope="module")
def hooked(offers: list[Offer]) -> list[dict[str, Any]]:
    return [
        pix
        for offer in offers
        if offer.source == WEBHOOK
        for pix in msgspec.json.decode(offer.content)["pix"]
    ]


def test_components_add_up_to_the_amount(offers: list[Offer]) -> None:
    told = [msgspec.json.decode(o.content) for o in offers if o.source == BANK_API]
    composed = [pix for pix in told if "componentesValor" in pix]

    assert {name for pix in composed for name in pix["componentesValor"]} == {
        "original",
        "saque",
        "troco",
    }
    for pix in composed:
        parts = sum(Decimal(part["valor"]) for part in pix["componentesValor"].values())
        assert parts == Decimal(pix["valor"])


def test_api_objects_name_no_payer(offers: list[Offer]) -> None:
    names = {
        name for o in offers if o.source == BANK_API for name in msgspec.json.decode(o.content)
    }

    assert names <= {
        "endToEndId",
        "txid",
        "valor",
        "componentesValor",
        "chave",
        "horario",
        "infoPagador",
        "devolucoes",
    }


def test_a_webhook_tells_received_pix_of_its_key_with_a_txid(offers: list[Offer]) -> None:
    for offer in offers:
        if offer.source == WEBHOOK:
            pix = msgspec.json.decode(offer.content)["pix"]
            assert {element["chave"] for element in pix} == {offer.name}
            assert all("txid" in e for e in pix if e.get("tipo") != "SOLICITACAO")


def test_some_received_pix_name_a_payer_with_a_masked_cpf(hooked: list[dict[str, Any]]) -> None:
    payers = [p["gnExtras"]["pagador"] for p in hooked if "pagador" in p.get("gnExtras", {})]

    assert payers
    assert all(
        re.fullmatch(r"\*{3}\.\d{3}\.\d{3}-\*\*", payer["cpf"])
        for payer in payers
        if "cpf" in payer
    )


def test_sent_pix_are_told_with_every_outcome(hooked: list[dict[str, Any]]) -> None:
    sent = [pix for pix in hooked if pix.get("tipo") == "SOLICITACAO"]

    assert {pix["status"] for pix in sent} == {"REALIZADO", "NAO_REALIZADO", "EM_PROCESSAMENTO"}
    for pix in sent:
        assert (pix["horario"] is None) == (pix["status"] == "NAO_REALIZADO")
        assert ("erro" in pix["gnExtras"]) == (pix["status"] == "NAO_REALIZADO")


def test_every_event_and_status_is_logged(lines: list[dict[str, Any]]) -> None:
    told = Counter((line["event"], line["status"]) for line in lines)

    assert set(told) == {
        (f"pix.{event}", status)
        for event in ("pagamento", "recebimento", "estorno")
        for status in ("iniciado", "aceito", "liquidado", "rejeitado")
    }


def test_lines_have_utc_times_parties_and_where_the_payer_sat(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert UTC_MILLISECONDS.fullmatch(line["timestamp"])
        assert set(line["pagador"]) >= {"ispb", "agencia", "conta", "tipoConta", "documento"}
        assert line["canal"] in {"app", "web", "atm", "api"}
        assert ("dispositivo" in line) == (line["event"] == "pix.pagamento")
        assert ("rtrId" in line) == (line["event"] == "pix.estorno")
        if line["status"] == "rejeitado":
            assert line["motivo"]


def test_a_line_about_a_return_swaps_the_parties(lines: list[dict[str, Any]]) -> None:
    payments = {x["endToEndId"]: x for x in lines if x["event"] != "pix.estorno"}
    both = [
        (payments[line["endToEndId"]], line)
        for line in lines
        if line["event"] == "pix.estorno" and line["endToEndId"] in payments
    ]

    assert both
    for payment, returned in both:
        assert returned["pagador"]["conta"] == payment["recebedor"]["conta"]
        assert returned["recebedor"]["conta"] == payment["pagador"]["conta"]
