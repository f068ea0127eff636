"""Every documented answer of the sandbox against the official OpenAPI file."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from pixstream.lab.sandbox.access import Faults
from pixstream.lab.simulation.offers import plan
from pixstream.lab.simulation.pieces import BANK_API

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx2

    from pixstream.lab.sandbox.bank import Bank

KEY = "7d9f0335-8dcc-4054-9bf9-0dbd61d36906"
WINDOW = {"inicio": "2026-01-01T00:00:00Z", "fim": "2099-01-01T00:00:00Z"}
PREFIX = "/api"


@pytest.fixture(scope="module")
def check(shared: Path) -> Callable[[httpx2.Response], int]:
    """Validates an answer as its operation's documented response; gives the status."""
    spec = yaml.safe_load((shared / "domain" / "api" / "api-pix-2.9.0.yaml").read_text("utf-8"))
    _mend(spec)
    config: dict[str, Any] = {
        # the file itself breaks OpenAPI's rules in parts that the sandbox does not have
        "spec_validator_cls": None,
        "extra_media_type_deserializers": {"application/problem+json": json.loads},
    }
    openapi = OpenAPI.from_dict(spec, Config(**config))

    def checked(answer: httpx2.Response) -> int:
        request = answer.request
        path = request.url.path.removeprefix("/pix/v2")
        asked = MockRequest("https://pix.example.com", request.method.lower(), PREFIX + path)
        openapi.validate_response(
            asked,
            MockResponse(
                answer.content,
                status_code=answer.status_code,
                content_type=answer.headers.get("content-type", "").partition(";")[0],
            ),
        )
        return answer.status_code

    return checked


def _mend(spec: dict[str, Any]) -> None:
    """Put right what the file says by mistake, see the comments."""
    schemas = spec["components"]["schemas"]
    # the list of Pix is `pix`, as in the same schema's properties and example
    schemas["PixConsultados"]["required"] = ["parametros", "pix"]
    # slashes of another language's patterns
    schemas["ParametrosConsultaPix"]["properties"]["cpf"]["pattern"] = r"^\d{11}$"
    # 26 to 35 characters are a charge's txid; GET /pix admits 1 to 35 beside
    schemas["TxId"]["pattern"] = "[a-zA-Z0-9]{1,35}"


@pytest.fixture
def filled(bank: Bank, now: dt.datetime) -> Bank:
    for offer in plan(600, 3, now=now, sources=(BANK_API,)):
        bank.offer(offer)
    return bank


def test_lists_of_pix(
    filled: Bank, client: httpx2.Client, check: Callable[[httpx2.Response], int]
) -> None:
    assert len(filled.store) > 400
    size = {"paginacao.itensPorPagina": "1000"}
    for more in ({}, {"devolucaoPresente": "true"}, {"txIdPresente": "false"}, size):
        answer = client.get("/pix", params=WINDOW | more)
        assert check(answer) == 200
        assert answer.json()["pix"]
    for nothing in ({"cpf": "12345678909"}, {"cnpj": "12ABC34501DE35"}, {"txid": "abc"}):
        answer = client.get("/pix", params=WINDOW | nothing)
        assert check(answer) == 200
        assert answer.json()["pix"] == []


def test_single_pix_and_returns(
    filled: Bank, client: httpx2.Client, check: Callable[[httpx2.Response], int]
) -> None:
    assert len(filled.store) > 400
    listed = client.get("/pix", params=WINDOW | {"devolucaoPresente": "true"}).json()["pix"]
    for pix in listed[:30]:
        path = f"/pix/{pix['endToEndId']}"
        assert check(client.get(path)) == 200
        for devolucao in pix["devolucoes"]:
            assert check(client.get(f"{path}/devolucao/{devolucao['id']}")) == 200


def test_ordered_returns(
    bank: Bank, client: httpx2.Client, check: Callable[[httpx2.Response], int]
) -> None:
    e2e = "E99999101202611231200abcdefghijk"
    when = dt.datetime.now(dt.UTC).isoformat()
    bank.add({"endToEndId": e2e, "valor": "10.00", "horario": when})
    order = {"valor": "4.00", "natureza": "ORIGINAL", "descricao": "em falta"}

    assert check(client.put(f"/pix/{e2e}/devolucao/a1", json=order)) == 201
    assert check(client.put(f"/pix/{e2e}/devolucao/a1", json=order)) == 400
    assert check(client.get(f"/pix/{e2e}/devolucao/a1")) == 200


def test_webhooks(client: httpx2.Client, check: Callable[[httpx2.Response], int]) -> None:
    path, body = f"/webhook/{KEY}", {"webhookUrl": "https://example.com/hooks"}

    assert check(client.get(path)) == 404
    assert check(client.put(path, json={})) == 400
    assert check(client.put(path, json=body)) == 200
    assert check(client.get(path)) == 200
    assert check(client.get("/webhook")) == 200
    assert check(client.get("/webhook", params=WINDOW)) == 200
    assert check(client.delete(path)) == 204
    assert check(client.delete(path)) == 404


def test_refusals(
    bank: Bank, client: httpx2.Client, check: Callable[[httpx2.Response], int]
) -> None:
    unknown = "E" + "0" * 31
    assert check(client.get(f"/pix/{unknown}")) == 404
    assert check(client.get(f"/pix/{unknown}/devolucao/1")) == 404
    assert check(client.put(f"/pix/{unknown}/devolucao/1", json={"valor": "1.00"})) == 404

    bank.access.faults = Faults(error_rate=1)
    for path in ("/pix", f"/pix/{unknown}", "/webhook", f"/webhook/{KEY}"):
        assert check(client.get(path)) == 503


def test_lacking_scopes(
    bank: Bank, client: httpx2.Client, check: Callable[[httpx2.Response], int]
) -> None:
    bank.access._tokens = {
        token: (frozenset(), end) for token, (_, end) in bank.access._tokens.items()
    }
    for path in ("/pix", "/webhook", f"/webhook/{KEY}"):
        assert check(client.get(path)) == 403


def test_undocumented_statuses_still_have_the_bodies_of_problems(
    shared: Path, bank: Bank, client: httpx2.Client
) -> None:
    text = (shared / "domain" / "api" / "api-pix-2.9.0.yaml").read_text("utf-8")
    spec = yaml.safe_load(text)
    problem = Draft202012Validator(
        {"$ref": "#/components/schemas/Problema", "components": spec["components"]}
    )
    answers = [client.get("/pix"), client.get("/webhook", params={"inicio": "x"})]
    bank.access.faults = Faults(throttle_rate=1)
    answers.append(client.get("/webhook"))
    bank.access.faults = Faults(revoke_rate=1)
    answers.append(client.get("/webhook"))

    assert [answer.status_code for answer in answers] == [400, 400, 429, 401]
    for answer in answers:
        problem.validate(answer.json())
        assert answer.headers["content-type"] == "application/problem+json"
