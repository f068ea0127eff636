from __future__ import annotations

import base64
import datetime as dt
import socket
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest

from pixstream.errors import PixstreamError
from pixstream.event import identifiers
from pixstream.lab.sandbox.access import Faults
from pixstream.lab.sandbox.bank import Bank
from pixstream.lab.sandbox.server import BankServer
from pixstream.lab.simulation.batches import Offer
from pixstream.lab.simulation.offers import plan
from pixstream.lab.simulation.pieces import BANK_API, SYSTEM_LOG, WEBHOOK
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from tests.lab.conftest import Receiver

KEY = "7d9f0335-8dcc-4054-9bf9-0dbd61d36906"
E2E = "E99999101202611231200abcdefghijk"
WINDOW = {"inicio": "2026-01-01T00:00:00Z", "fim": "2099-01-01T00:00:00Z"}


def pix(**fields: Any) -> dict[str, Any]:
    recent = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    return {
        "endToEndId": E2E,
        "valor": "100.00",
        "chave": KEY,
        "horario": recent.isoformat(timespec="milliseconds"),
        **fields,
    }


def token(server: BankServer, **form: str) -> httpx2.Response:
    data = {"grant_type": "client_credentials"} | form
    return httpx2.post(f"{server.url}/oauth/token", data=data)


def test_a_token_is_given_for_basic_and_for_form_credentials(server: BankServer) -> None:
    form = token(server, client_id="shop", client_secret="a long secret", scope="pix.read")
    basic = httpx2.post(
        f"{server.url}/oauth/token",
        auth=("shop", "a long secret"),
        data={"grant_type": "client_credentials"},
    )

    assert form.status_code == basic.status_code == 200
    assert form.json()["scope"] == "pix.read"
    assert basic.json()["token_type"] == "Bearer"
    assert basic.json()["expires_in"] == 3600
    assert "webhook.write" in basic.json()["scope"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "shop", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody", "client_secret": ""}, 401, "invalid_client"),
        ({}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "pix.read moon.walk"}, 400, "invalid_scope"),
    ],
)
def test_a_token_is_refused_as_oauth_says(
    server: BankServer, form: dict[str, str], status: int, error: str
) -> None:
    credentials = {"client_id": "shop", "client_secret": "a long secret"} if status == 400 else {}
    answer = token(server, **credentials, **form)

    assert answer.status_code == status
    assert answer.json() == {"error": error}


@pytest.mark.parametrize(
    "header", ["Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic", "Bearer x"]
)
def test_unreadable_basic_credentials_are_refused(server: BankServer, header: str) -> None:
    answer = httpx2.post(
        f"{server.url}/oauth/token",
        headers={"Authorization": header},
        data={"grant_type": "client_credentials"},
    )

    assert answer.status_code == 401


def test_calls_without_a_living_token_are_401_and_without_scope_403(server: BankServer) -> None:
    url = f"{server.url}/pix/v2/pix"
    read = token(
        server, client_id="shop", client_secret="a long secret", scope="webhook.read"
    ).json()["access_token"]

    for headers in ({}, {"Authorization": "Bearer nothing"}, {"Authorization": f"Basic {read}"}):
        assert httpx2.get(url, params=WINDOW, headers=headers).status_code == 401
    answer = httpx2.get(url, params=WINDOW, headers={"Authorization": f"Bearer {read}"})
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/AcessoNegado")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_expires() -> None:
    bank = Bank({"shop": "s"}, token_seconds=0)
    with BankServer(bank) as server:
        got = token(server, client_id="shop", client_secret="s").json()["access_token"]
        answer = httpx2.get(
            f"{server.url}/pix/v2/webhook", headers={"Authorization": f"Bearer {got}"}
        )

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_received_pix_are_listed_in_pages(bank: Bank, client: httpx2.Client) -> None:
    for number in range(25):
        bank.add(pix(endToEndId=f"{E2E[:-2]}{number:02d}"))

    answer = client.get("/pix", params=WINDOW | {"paginacao.itensPorPagina": 10})
    assert answer.json()["parametros"]["paginacao"] == {
        "paginaAtual": 0,
        "itensPorPagina": 10,
        "quantidadeDePaginas": 3,
        "quantidadeTotalDeItens": 25,
    }
    ids = [
        item["endToEndId"]
        for page in range(3)
        for item in client.get(
            "/pix",
            params=WINDOW | {"paginacao.itensPorPagina": 10, "paginacao.paginaAtual": page},
        ).json()["pix"]
    ]
    assert ids == [f"{E2E[:-2]}{number:02d}" for number in range(25)]


def test_a_wrong_query_names_every_violation(client: httpx2.Client) -> None:
    answer = client.get("/pix", params={"inicio": "x", "cpf": "1", "cnpj": "2"})

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "https://pix.bcb.gov.br/api/v2/error/PixConsultaInvalida"
    assert {v["propriedade"] for v in body["violacoes"]} == {"inicio", "fim", "cpf", "cnpj"}


def test_one_pix_is_shown_and_an_unknown_one_is_not_found(
    bank: Bank, client: httpx2.Client
) -> None:
    bank.add(pix())

    assert client.get(f"/pix/{E2E}").json()["valor"] == "100.00"
    for path in (f"/pix/{E2E[:-1]}x", f"/pix/{E2E[:-1]}x/devolucao/1"):
        assert client.get(path).status_code == 404
    missing = client.get(f"/pix/{E2E}/devolucao/1")
    assert missing.status_code == 404
    assert missing.json()["type"].endswith("/PixDevolucaoNaoEncontrada")


def test_a_return_is_under_way_then_settled_and_called_back(
    bank: Bank, client: httpx2.Client, receiver: Receiver
) -> None:
    bank.register(KEY, receiver.url)
    bank.add(pix(txid="a" * 30))
    answer = client.put(
        f"/pix/{E2E}/devolucao/r1", json={"valor": "40.00", "descricao": "em falta"}
    )

    assert answer.status_code == 201
    assert answer.json()["status"] == "EM_PROCESSAMENTO"
    assert identifiers.E2E.fullmatch(answer.json()["rtrId"])
    wait_for(lambda: client.get(f"/pix/{E2E}/devolucao/r1").json()["status"] == "DEVOLVIDO")
    settled = client.get(f"/pix/{E2E}/devolucao/r1").json()
    assert set(settled["horario"]) == {"solicitacao", "liquidacao"}
    wait_for(lambda: len(receiver.bodies) == 2)
    (told,) = msgspec.json.decode(receiver.bodies[1])["pix"]
    assert told["endToEndId"] == E2E
    assert told["devolucoes"] == [settled]
    assert client.get("/pix", params=WINDOW | {"devolucaoPresente": "true"}).json()["pix"] == [told]


@pytest.mark.parametrize(
    ("number", "order", "field"),
    [
        ("r2", {"valor": "60.01"}, "devolucao.valor"),
        ("r2", {"valor": "0.00"}, "devolucao.valor"),
        ("r2", {"valor": 10}, "devolucao.valor"),
        ("r2", {}, "devolucao.valor"),
        ("r2", {"valor": "1.00", "natureza": "MED_FRAUDE"}, "devolucao.natureza"),
        ("r2", {"valor": "1.00", "descricao": "x" * 141}, "devolucao.descricao"),
        ("r1", {"valor": "1.00"}, "devolucao.id"),
        ("r-2", {"valor": "1.00"}, "devolucao.id"),
    ],
)
def test_a_return_beyond_the_rules_is_refused(
    bank: Bank, client: httpx2.Client, number: str, order: dict[str, Any], field: str
) -> None:
    bank.add(pix())
    client.put(f"/pix/{E2E}/devolucao/r1", json={"valor": "40.00"}).raise_for_status()
    answer = client.put(f"/pix/{E2E}/devolucao/{number}", json=order)

    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/PixDevolucaoInvalida")
    assert [v["propriedade"] for v in answer.json()["violacoes"]] == [field]


def test_a_return_after_90_days_or_without_json_or_pix_is_refused(
    bank: Bank, client: httpx2.Client
) -> None:
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=91)
    bank.add(pix(horario=long_ago.isoformat()))

    assert client.put(f"/pix/{E2E}/devolucao/1", json={"valor": "1.00"}).status_code == 400
    assert client.put(f"/pix/{E2E}/devolucao/1", content=b"[").status_code == 400
    assert client.put("/pix/E0/devolucao/1", json={"valor": "1.00"}).status_code == 404


def test_a_webhook_is_registered_shown_listed_and_deleted(
    client: httpx2.Client, receiver: Receiver
) -> None:
    assert client.get(f"/webhook/{KEY}").status_code == 404
    assert client.put(f"/webhook/{KEY}", json={"webhookUrl": receiver.url}).status_code == 200

    shown = client.get(f"/webhook/{KEY}").json()
    assert shown["webhookUrl"] == receiver.url
    assert identifiers.document_valid(shown["cnpj"])
    assert client.get("/webhook").json()["webhooks"] == [shown]
    assert client.get("/webhook", params={"fim": "2020-01-01T00:00:00Z"}).json()["webhooks"] == []
    assert client.delete(f"/webhook/{KEY}").status_code == 204
    assert client.delete(f"/webhook/{KEY}").status_code == 404


def test_a_phone_and_an_email_are_keys_too(client: httpx2.Client) -> None:
    for key in ("%2B5511912345678", "someone%40example.com"):
        answer = client.put(f"/webhook/{key}", json={"webhookUrl": "https://example.com/x"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("key", "body", "field"),
    [
        ("no-key", {"webhookUrl": "https://example.com"}, "chave"),
        (KEY, {"webhookUrl": "example.com"}, "webhook.webhookUrl"),
        (KEY, {"webhookUrl": "ftp://example.com"}, "webhook.webhookUrl"),
        (KEY, {}, "webhook.webhookUrl"),
        (KEY, [], "body"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(
    client: httpx2.Client, key: str, body: Any, field: str
) -> None:
    answer = client.put(f"/webhook/{key}", json=body)

    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/WebhookOperacaoInvalida")
    assert [v["propriedade"] for v in answer.json()["violacoes"]] == [field]


def test_only_pix_with_a_txid_of_a_registered_key_are_called_back(
    bank: Bank, server: BankServer, receiver: Receiver
) -> None:
    assert server.bank is bank
    bank.register(KEY, receiver.url + "/")
    bank.add(pix(endToEndId=f"{E2E[:-1]}1"))
    bank.add(pix(endToEndId=f"{E2E[:-1]}2", txid="abc", chave="someone@example.com"))
    bank.add(pix(endToEndId=f"{E2E[:-1]}3", txid="abc"))
    bank.add(pix(endToEndId=f"{E2E[:-1]}3", txid="abc", infoPagador="no news"))

    assert bank.callbacks.wait(5)
    (body,) = receiver.bodies
    assert [p["endToEndId"] for p in msgspec.json.decode(body)["pix"]] == [f"{E2E[:-1]}3"]
    assert receiver.paths == ["/hooks/pix"]


def test_a_plans_offers_reach_the_list_and_the_webhook(
    bank: Bank, client: httpx2.Client, receiver: Receiver, now: dt.datetime
) -> None:
    bank.default_webhook = receiver.url
    receiver.answers = [503] * 10
    offers = list(plan(400, 1, now=now, sources=(BANK_API, WEBHOOK)))
    for offer in offers:
        bank.offer(offer)

    assert bank.callbacks.wait(20)
    bodies = [offer.content for offer in offers if offer.source == WEBHOOK]
    assert sorted(receiver.bodies) == sorted(bodies)
    listed = client.get("/pix", params=WINDOW | {"paginacao.itensPorPagina": 1000}).json()["pix"]
    assert {item["endToEndId"] for item in listed} == {
        offer.name for offer in offers if offer.source == BANK_API
    }


def test_bodies_for_a_key_without_webhook_wait_for_its_registration(
    bank: Bank, client: httpx2.Client, receiver: Receiver
) -> None:
    bank.offer(Offer(source=WEBHOOK, name=KEY, content=b"one"))
    assert bank.stats()["waiting_for_webhook"] == 1
    client.put(f"/webhook/{KEY}", json={"webhookUrl": receiver.url}).raise_for_status()

    wait_for(lambda: receiver.bodies == [b"one"])
    assert bank.stats()["waiting_for_webhook"] == 0


def test_offers_can_be_handed_over_http(server: BankServer, receiver: Receiver) -> None:
    server.bank.default_webhook = receiver.url
    offers = [
        Offer(source=BANK_API, name=E2E, content=msgspec.json.encode(pix())),
        Offer(source=WEBHOOK, name=KEY, content=b"\xff"),
    ]
    answer = httpx2.post(f"{server.url}/sandbox/offers", content=msgspec.json.encode(offers))

    assert answer.json() == {"offered": 2}
    wait_for(lambda: receiver.bodies == [b"\xff"])
    stats = httpx2.get(f"{server.url}/sandbox/stats").json()
    assert (stats["offered"], stats["pix"], stats["callbacks"]["acknowledged"]) == (2, 1, 1)
    assert httpx2.post(f"{server.url}/sandbox/offers", content=b"{}").status_code == 400


def test_a_bank_takes_no_offers_of_other_sources(bank: Bank) -> None:
    with pytest.raises(ValueError, match="system_log"):
        bank.offer(Offer(source=SYSTEM_LOG, name="", content=b""))


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ({"error_rate": 1}, 503),
        ({"throttle_rate": 1}, 429),
        ({"revoke_rate": 1}, 401),
    ],
)
def test_faults_are_switched_on_and_off(
    server: BankServer, client: httpx2.Client, faults: dict[str, float], status: int
) -> None:
    url = f"{server.url}/sandbox/faults"
    assert httpx2.put(url, json=faults).status_code == 200
    answer = client.get("/webhook")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"

    assert httpx2.put(url, json={}).json() == httpx2.get(url).json()
    if status != 401:
        assert client.get("/webhook").status_code == 200


def test_a_slow_bank_is_slow(bank: Bank, client: httpx2.Client) -> None:
    bank.access.faults = Faults(delay_seconds=0.3)

    with pytest.raises(httpx2.ReadTimeout):
        client.get("/webhook", timeout=0.1)


def test_a_share_of_errors_hits_that_share_of_calls(bank: Bank, client: httpx2.Client) -> None:
    bank.access.faults = Faults(error_rate=0.5)
    statuses = [client.get("/webhook").status_code for _ in range(100)]

    assert 25 < statuses.count(503) < 75
    assert set(statuses) == {200, 503}


def test_faults_that_cannot_be_are_refused(server: BankServer) -> None:
    for faults in ({"error_rate": 2}, {"earthquake": 1}):
        answer = httpx2.put(f"{server.url}/sandbox/faults", json=faults)
        assert answer.status_code == 400


def test_an_unknown_path_is_a_problem_too(server: BankServer) -> None:
    for answer in (
        httpx2.get(f"{server.url}/pix/v2/cob"),
        httpx2.post(f"{server.url}/pix/v2/pix"),
        httpx2.get(f"{server.url}/elsewhere"),
    ):
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PixstreamError, match=f"port {port} of 127.0.0.1 is taken.*another port"
        ):
            BankServer(Bank({}), port=port)
