"""OAuth 2 client credentials (RFC 6749, 4.4) for requests to a bank."""

from __future__ import annotations

import asyncio
import json
import math
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import httpx2

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import require_ok
from pixstream.producers.bank_api.token_pace import TokenPace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_DEFAULT_TOKEN_SECONDS = 300.0
_INHERITED = ("Accept", "Accept-Encoding", "User-Agent")


class Token(NamedTuple):
    """An access token, and the time (`time.monotonic`) at which to stop using it."""

    value: str
    expires: float


class ClientCredentials(httpx2.Auth):
    """Authorization with an access token: fetched once, reused, replaced once after a 401.

    Concurrent requests share one token. The client's transport must read answers to their end, as
    `WholeAnswers` does.

    Args:
        url: token endpoint of the bank.
        client_id: id of the client.
        client_secret: its secret; empty for banks that accept the certificate alone.
        scope: requested scope; empty: none.
        basic: send id and secret in the Authorization header, else in the form.
        token: token of an earlier client with the same credentials.
        pace: the requests for tokens that earlier clients sent.

    Attributes:
        token: the latest token.

    Raises:
        Transient: there is no token now; `Busy` if the bank says how long to wait.
        PixstreamError: the bank refuses these credentials.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        client_secret: str,
        scope: str,
        basic: bool,
        token: Token | None = None,
        pace: TokenPace | None = None,
    ) -> None:
        self.token = token
        self._pace = pace or TokenPace()
        self._url = url
        self._form = {"grant_type": "client_credentials"}
        if scope:
            self._form["scope"] = scope
        self._basic = httpx2.BasicAuth(client_id, client_secret) if basic else None
        if not basic:
            self._form["client_id"] = client_id
            if client_secret:
                self._form["client_secret"] = client_secret
        self._renewing = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Yield the requests to send, including the one for a token (see `httpx2.Auth`)."""
        refused: str | None = None
        for _ in range(2):
            async with self._renewing:
                token = self.token
                if token is None or token.value == refused or time.monotonic() >= token.expires:
                    self._pace.ask()
                    self.token = token = self._issued((yield self._token_request(request)))
            request.headers["Authorization"] = f"Bearer {token.value}"
            response = yield request
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                break
            refused = token.value

    def sync_auth_flow(self, request: httpx2.Request) -> NoReturn:  # noqa: ARG002  inherited
        """Raise: requests of several threads could not share a token."""
        raise RuntimeError("ClientCredentials works with httpx2.AsyncClient only")

    def _issued(self, answer: httpx2.Response) -> Token:
        try:
            return _token(answer)
        except PixstreamError as error:
            self._pace.failed(error)
            raise

    def _token_request(self, needing: httpx2.Request) -> httpx2.Request:
        headers = {name: needing.headers[name] for name in _INHERITED if name in needing.headers}
        request = httpx2.Request(
            "POST", self._url, headers=headers, data=self._form, extensions={"what": "token"}
        )
        return next(self._basic.auth_flow(request)) if self._basic else request


def _token(answer: httpx2.Response) -> Token:
    """Read the token in the bank's answer; it is replaced a little before it expires."""
    require_ok("token", answer, "check client_id, client_secret, scope and certificate")
    try:
        fields = json.loads(answer.content)
        value, seconds = fields["access_token"], float(fields.get("expires_in") or 0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise Transient("token: the answer contains no token") from None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Transient("token: the answer contains no token")
    if not 0 < seconds < math.inf:
        seconds = _DEFAULT_TOKEN_SECONDS
    return Token(value, time.monotonic() + seconds - min(30.0, seconds / 10))
