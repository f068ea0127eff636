import asyncio
import base64
import datetime as dt
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pixstream.errors import ConfigError, PixstreamError, Transient
from pixstream.http_serving.sockets import listen
from pixstream.producers.bank_api import transport
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.client import Access, BankClient
from pixstream.producers.bank_api.pages import Page
from pixstream.producers.bank_api.windows import Window

T = TypeVar("T")

END = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
WINDOW = Window(END - dt.timedelta(hours=1), END)
PERSON = "Fulano de Tal"


class Asked:
    """One request that the bank got."""

    def __init__(self, request: Request, body: bytes) -> None:
        self.path = request.url.path
        self.query = dict(request.query_params)
        self.headers = dict(request.headers)
        self.form = dict(urllib.parse.parse_qsl(body.decode()))


class Bank:
    """A server that gives prepared answers, the last of each path again and again."""

    asked: list[Asked]
    answers: dict[str, list[Callable[[], Response]]]

    def __init__(self) -> None:
        self.reset()
        self._socket = listen("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    def reset(self) -> None:
        self.asked = []
        self.answers = {
            "/token": [lambda: JSONResponse({"access_token": "t1", "expires_in": 300})],
            "/v2/pix": [lambda: JSONResponse(page())],
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append(Asked(request, await request.body()))
        prepared = self.answers[request.url.path]
        answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        await answer()(scope, receive, send)

    def tells(self, path: str, *answers: Callable[[], Response]) -> None:
        self.answers[path] = list(answers)

    def calls(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path]

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def access(self, **changes: Any) -> Access:
        base = f"http://127.0.0.1:{self.port}"
        access = Access(
            url=f"{base}/v2",
            token_url=f"{base}/token",
            client_id="me",
            client_secret="s3cret",
            scope="pix.read",
            timeout_seconds=5.0,
        )
        return access._replace(**changes)


@pytest.fixture(scope="module")
def running() -> Iterator[Bank]:
    server = Bank()
    yield server
    server.close()


@pytest.fixture
def bank(running: Bank, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.reset()
    return running


def page(*elements: Any, pages: int = 1, number: int = 0, total: int | None = None) -> Any:
    pagination = {
        "paginaAtual": number,
        "itensPorPagina": 100,
        "quantidadeDePaginas": pages,
        "quantidadeTotalDeItens": len(elements) if total is None else total,
    }
    return {"parametros": {"paginacao": pagination}, "pix": list(elements)}


def problem(status: int, **fields: Any) -> Callable[[], Response]:
    kind = "https://pix.bcb.gov.br/api/v2/error/AcessoNegado"
    body = {"type": kind, "title": PERSON, "detail": PERSON, "status": status} | fields
    return lambda: JSONResponse(body, status)


def using(access: Access, talk: Callable[[BankClient], Awaitable[T]]) -> T:
    async def whole() -> T:
        client = BankClient(access)
        try:
            return await talk(client)
        finally:
            await client.aclose()

    return asyncio.run(whole())


async def page_with_a_token(client: BankClient) -> Page:
    """Ask for a page; on a loaded machine the token may take longer than the short limit."""
    while True:
        try:
            return await client.page(WINDOW, 0, 1)
        except Transient as error:
            if not str(error).startswith("token:"):
                raise


def get(bank: Bank, **changes: Any) -> Page:
    return using(bank.access(**changes), lambda client: client.page(WINDOW, 0, 100))


def test_a_page_is_asked_for_as_the_specification_says(bank: Bank) -> None:
    bank.tells("/v2/pix", lambda: JSONResponse(page({"a": 1}, {"b": 2}, pages=7)))
    found = using(
        bank.access(),
        lambda client: client.page(WINDOW, 3, 50, returns=True, headers={"x-conta": "9"}),
    )
    assert (found.pages, found.items) == (7, 2)
    assert found.body.document["pix"] == [{"a": 1}, {"b": 2}]
    (asked,) = bank.calls("/v2/pix")
    assert asked.query == {
        "inicio": "2026-03-04T04:06:07.000Z",
        "fim": "2026-03-04T05:06:07.000Z",
        "paginacao.paginaAtual": "3",
        "paginacao.itensPorPagina": "50",
        "devolucaoPresente": "true",
    }
    assert asked.headers["authorization"] == "Bearer t1"
    assert asked.headers["x-conta"] == "9"


def test_without_the_filter_for_returns_none_is_sent(bank: Bank) -> None:
    get(bank)
    assert "devolucaoPresente" not in bank.calls("/v2/pix")[0].query


def test_client_credentials_go_in_the_header(bank: Bank) -> None:
    get(bank)
    (asked,) = bank.calls("/token")
    assert asked.form == {"grant_type": "client_credentials", "scope": "pix.read"}
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"me:s3cret").decode()


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        ("s3cret", {"client_id": "me", "client_secret": "s3cret"}),
        ("", {"client_id": "me"}),
    ],
)
def test_client_credentials_go_in_the_form(
    bank: Bank, secret: str, form: Mapping[str, str]
) -> None:
    get(bank, basic=False, client_secret=secret, scope="")
    (asked,) = bank.calls("/token")
    assert asked.form == {"grant_type": "client_credentials", **form}
    assert "authorization" not in asked.headers


def test_a_token_is_used_until_shortly_before_its_end(bank: Bank) -> None:
    async def talk(client: BankClient) -> None:
        await client.page(WINDOW, 0, 100)
        await client.page(WINDOW, 1, 100)
        assert len(bank.calls("/token")) == 1
        assert client.auth.token is not None
        assert 250 < client.auth.token.expires - time.monotonic() <= 270
        client.auth.token = client.auth.token._replace(expires=time.monotonic())
        await client.page(WINDOW, 2, 100)
        assert len(bank.calls("/token")) == 2

    using(bank.access(), talk)


def test_a_token_outlives_its_client(bank: Bank) -> None:
    async def talk() -> None:
        first = BankClient(bank.access())
        await first.page(WINDOW, 0, 100)
        await first.aclose()
        second = BankClient(bank.access(), first.auth.token)
        await second.page(WINDOW, 0, 100)
        await second.aclose()

    asyncio.run(talk())
    assert len(bank.calls("/token")) == 1


def test_calls_at_the_same_time_share_one_token(bank: Bank) -> None:
    async def talk(client: BankClient) -> None:
        await asyncio.gather(*(client.page(WINDOW, n, 100) for n in range(8)))

    using(bank.access(), talk)
    assert len(bank.calls("/token")) == 1
    assert len(bank.calls("/v2/pix")) == 8


def test_a_refused_token_is_replaced_once(bank: Bank) -> None:
    bank.tells(
        "/token",
        lambda: JSONResponse({"access_token": "old", "expires_in": 300}),
        lambda: JSONResponse({"access_token": "new", "expires_in": 300}),
    )
    bank.tells("/v2/pix", problem(401), lambda: JSONResponse(page()))
    get(bank)
    assert [a.headers["authorization"] for a in bank.calls("/v2/pix")] == [
        "Bearer old",
        "Bearer new",
    ]


def test_a_fresh_token_that_is_refused_is_for_a_person_to_mend(bank: Bank) -> None:
    bank.tells("/v2/pix", problem(401))
    with pytest.raises(PixstreamError, match="GET /pix: HTTP 401") as caught:
        get(bank)
    assert not isinstance(caught.value, Transient)
    assert len(bank.calls("/v2/pix")) == 2


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410, 422])
def test_a_refusal_is_told_by_its_kind_and_shows_no_value(bank: Bank, status: int) -> None:
    bank.tells("/v2/pix", problem(status, correlationId="ab-12", violacoes=[{"valor": PERSON}]))
    with pytest.raises(PixstreamError) as caught:
        get(bank)
    assert not isinstance(caught.value, Transient)
    text = str(caught.value)
    assert text.startswith(f"GET /pix: HTTP {status} (AcessoNegado, correlation id ab-12); ")
    assert PERSON not in text


def test_a_wrong_client_is_for_a_person_to_mend(bank: Bank) -> None:
    bank.tells("/token", lambda: JSONResponse({"error": "invalid_client"}, 401))
    with pytest.raises(PixstreamError, match="token: HTTP 401; check client_id") as caught:
        get(bank)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_work_later_is_transient(bank: Bank, status: int) -> None:
    for path in ("/v2/pix", "/token"):
        bank.tells(path, problem(status))
        with pytest.raises(Transient, match=f"HTTP {status}") as caught:
            get(bank)
        assert not isinstance(caught.value, Busy)


def test_the_bank_may_say_how_long_to_wait(bank: Bank) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    for header, least, most in [
        ("7", 7, 7),
        ("0", 0, 0),
        ("999999", 3600, 3600),
        (format_datetime(soon, usegmt=True), 80, 100),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
    ]:
        bank.tells("/v2/pix", partial(PlainTextResponse, "", 429, {"Retry-After": header}))
        with pytest.raises(Busy) as caught:
            get(bank)
        assert least <= caught.value.seconds <= most


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"access_token": 7}', '{"access_token": "a\\nb"}', '{"access_token": null}'],
)
def test_an_answer_without_a_token_is_transient(bank: Bank, body: str) -> None:
    bank.tells("/token", lambda: PlainTextResponse(body))
    with pytest.raises(Transient, match="contains no token"):
        get(bank)


def test_a_bank_that_does_not_answer_is_transient(bank: Bank) -> None:
    with listen("127.0.0.1", 0) as silent:
        port = silent.getsockname()[1]
        access = bank.access(url=f"http://127.0.0.1:{port}", timeout_seconds=0.2)
        with pytest.raises(
            Transient, match=r"GET /pix: no whole answer within timeout_seconds, 0.2"
        ):
            using(access, page_with_a_token)
    with pytest.raises(Transient, match=r"GET /pix: .*ConnectError"):
        using(access, page_with_a_token)


def test_a_bank_that_trickles_its_answer_is_not_listened_to_for_ever(bank: Bank) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" "
            await asyncio.sleep(0.05)

    bank.tells("/v2/pix", lambda: StreamingResponse(trickle()))
    began = time.monotonic()
    with pytest.raises(Transient, match=r"GET /pix: no whole answer within timeout_seconds, 0.5 s"):
        using(bank.access(timeout_seconds=0.5), page_with_a_token)
    assert time.monotonic() - began < 5


def test_an_answer_without_end_is_refused_with_advice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1000)
    bank.tells("/v2/pix", lambda: PlainTextResponse(PERSON * 1000))
    with pytest.raises(
        PixstreamError, match=r"longer than 1000 bytes; .* lower page_size"
    ) as caught:
        get(bank)
    assert not isinstance(caught.value, Transient)
    assert PERSON not in str(caught.value)


def test_an_answer_that_is_damaged_is_transient(bank: Bank) -> None:
    bank.tells(
        "/v2/pix", lambda: PlainTextResponse("no gzip", headers={"Content-Encoding": "gzip"})
    )
    with pytest.raises(Transient, match="cannot be read"):
        get(bank)


@pytest.mark.parametrize(
    "url", ["", "bank.example/pix", "ftp://bank.example", "https://", "https://bank.example:port/"]
)
def test_an_address_that_is_none_is_a_mistake(bank: Bank, url: str) -> None:
    for name in ("url", "token_url"):
        with pytest.raises(ConfigError, match=f"^{name}: must be an address"):
            get(bank, **{name: url})


def test_a_certificate_that_cannot_be_read_is_a_mistake(bank: Bank, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for changes in ({"certificate": str(bad)}, {"ca_file": str(tmp_path / "absent.pem")}):
        with pytest.raises(ConfigError, match="certificate, key or ca_file"):
            get(bank, **changes)


def test_a_page_says_when_the_bank_answered(bank: Bank) -> None:
    at = get(bank).at
    assert at is not None
    assert abs(at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
