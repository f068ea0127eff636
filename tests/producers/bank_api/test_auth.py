"""OAuth on its own: an `httpx2.AsyncClient` with the credentials, and a bank that is a function."""

import asyncio
import base64
import json
import time
import urllib.parse
from collections.abc import Sequence

import httpx2
import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.auth import ClientCredentials, Token
from pixstream.producers.bank_api.token_pace import TokenPace

TOKEN_URL = "https://bank.example/token"
DATA_URL = "https://bank.example/data"


class Bank:
    """Issues the tokens t1, t2, … and refuses those in `revoked`; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []
        self.tokens_used: list[str] = []
        self.revoked: set[str] = set()
        self.token_answers: list[httpx2.Response] = []
        self.issued = 0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        await asyncio.sleep(0)  # others may begin meanwhile
        if str(request.url) == TOKEN_URL:
            if self.token_answers:
                return self.token_answers.pop(0)
            self.issued += 1
            return httpx2.Response(200, json=issued(f"t{self.issued}"))
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens_used.append(token)
        return httpx2.Response(401 if token in self.revoked else 200)


def issued(token: str, seconds: object = 300) -> dict[str, object]:
    return {"access_token": token, "expires_in": seconds}


def credentials(
    token: Token | None = None, *, basic: bool = True, pace: TokenPace | None = None
) -> ClientCredentials:
    return ClientCredentials(
        url=TOKEN_URL,
        client_id="me",
        client_secret="s3cret",
        scope="pix.read",
        basic=basic,
        token=token,
        pace=pace,
    )


def ask(bank: Bank, auth: ClientCredentials, times: int = 1, at_once: int = 1) -> list[int]:
    """The statuses of `times` rounds of `at_once` requests."""

    async def talk() -> list[int]:
        statuses: list[int] = []
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(bank), auth=auth) as client:
            for _ in range(times):
                answers = await asyncio.gather(*(client.get(DATA_URL) for _ in range(at_once)))
                statuses += [answer.status_code for answer in answers]
        return statuses

    return asyncio.run(talk())


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.mark.parametrize("basic", [True, False])
def test_the_token_is_asked_for_as_rfc_6749_says(bank: Bank, basic: bool) -> None:  # noqa: FBT001
    assert ask(bank, credentials(basic=basic)) == [200]
    request = bank.asked[0]
    form = dict(urllib.parse.parse_qsl(request.content.decode()))
    asked_for = {"grant_type": "client_credentials", "scope": "pix.read"}
    if basic:
        secret = base64.b64encode(b"me:s3cret").decode()
        assert request.headers["authorization"] == f"Basic {secret}"
        assert form == asked_for
    else:
        assert "authorization" not in request.headers
        assert form == asked_for | {"client_id": "me", "client_secret": "s3cret"}
    assert request.headers["user-agent"] == bank.asked[1].headers["user-agent"]


def test_a_token_is_reused(bank: Bank) -> None:
    assert ask(bank, credentials(), times=3) == [200] * 3
    assert bank.issued == 1
    assert bank.tokens_used == ["t1"] * 3


def test_a_token_of_an_earlier_client_is_used_until_it_expires(bank: Bank) -> None:
    ask(bank, credentials(Token("kept", time.monotonic() + 60)))
    ask(bank, credentials(Token("old", time.monotonic())))
    assert bank.tokens_used == ["kept", "t1"]


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(300, 270), ("600", 570), (10, 9), (None, 270), (0, 270), (-5, 270), (float("nan"), 270)],
)
def test_a_token_is_given_up_shortly_before_it_expires(
    bank: Bank, seconds: object, kept: float
) -> None:
    bank.token_answers = [httpx2.Response(200, content=json.dumps(issued("t", seconds)))]
    auth = credentials()
    ask(bank, auth)
    assert auth.token is not None
    assert kept - 5 < auth.token.expires - time.monotonic() <= kept


def test_a_refused_secret_is_sent_once_for_every_request_and_client(bank: Bank) -> None:
    bank.token_answers = [httpx2.Response(401)]
    pace = TokenPace()
    for _ in range(2):
        with pytest.raises(PixstreamError, match="token: HTTP 401; check client_id"):
            ask(bank, credentials(pace=pace))
    assert (len(bank.asked), bank.issued) == (1, 0)


def test_tokens_that_are_all_revoked_are_not_asked_for_without_end(bank: Bank) -> None:
    bank.revoked = {f"t{number}" for number in range(20)}
    with pytest.raises(Busy, match="token: asked for 3 times"):
        ask(bank, credentials(), times=10)
    assert bank.issued == 3


def test_requests_at_the_same_time_share_one_token(bank: Bank) -> None:
    assert ask(bank, credentials(), at_once=8) == [200] * 8
    assert bank.issued == 1


def test_a_revoked_token_is_replaced_once_for_all_who_used_it(bank: Bank) -> None:
    bank.revoked = {"kept"}
    auth = credentials(Token("kept", time.monotonic() + 60))
    assert ask(bank, auth, at_once=3) == [200] * 3
    assert bank.issued == 1
    assert sorted(bank.tokens_used) == ["kept"] * 3 + ["t1"] * 3


def test_a_401_with_a_new_token_is_the_answer(bank: Bank) -> None:
    bank.revoked = {"t1", "t2"}
    assert ask(bank, credentials()) == [401]
    assert bank.tokens_used == ["t1", "t2"]


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, PixstreamError),
        (400, {}, PixstreamError),
        (503, {}, Transient),
        (429, {"Retry-After": "7"}, Busy),
    ],
)
def test_no_token_is_an_error_that_says_why_and_not_the_secret(
    bank: Bank, status: int, headers: dict[str, str], kind: type[PixstreamError]
) -> None:
    problem = {"type": "https://x/error/AcessoNegado", "correlationId": "ab-12", "x": "s3cret"}
    bank.token_answers = [httpx2.Response(status, headers=headers, json=problem)]
    with pytest.raises(PixstreamError) as caught:
        ask(bank, credentials())
    assert type(caught.value) is kind
    said = f"token: HTTP {status} (AcessoNegado, correlation id ab-12)"
    assert str(caught.value).startswith(said)
    assert "s3cret" not in str(caught.value)
    assert bank.tokens_used == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"access_token": 7}', "{" * 100_000])
def test_an_answer_without_a_token_is_transient(bank: Bank, content: str) -> None:
    bank.token_answers = [httpx2.Response(200, content=content)]
    with pytest.raises(Transient, match="contains no token"):
        ask(bank, credentials())


def test_after_a_failed_or_cancelled_call_the_next_one_gets_a_token(bank: Bank) -> None:
    auth = credentials()
    bank.token_answers = [httpx2.Response(503)]

    async def talk() -> Sequence[int | BaseException]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(bank), auth=auth) as client:
            with pytest.raises(Transient):
                await client.get(DATA_URL)
            cancelled = asyncio.create_task(client.get(DATA_URL))
            while len(bank.asked) < 2:  # noqa: ASYNC110  no event: the mock asks nobody
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
            return (await client.get(DATA_URL)).status_code, len(bank.tokens_used)

    assert asyncio.run(talk()) == (200, 1)


def test_a_client_without_an_event_loop_is_refused() -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise AssertionError

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer), auth=credentials()) as client,
        pytest.raises(RuntimeError, match="AsyncClient only"),
    ):
        client.get(DATA_URL)
