"""A client of a bank's API Pix 2.9.0: GET /pix with OAuth 2 and mutual TLS."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from pixstream.errors import ConfigError
from pixstream.producers.bank_api.answers import http_date, require_ok
from pixstream.producers.bank_api.auth import ClientCredentials, Token
from pixstream.producers.bank_api.pages import Page, page_query, read_page
from pixstream.producers.bank_api.tls import tls_context
from pixstream.producers.bank_api.transport import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.producers.bank_api.token_pace import TokenPace
    from pixstream.producers.bank_api.windows import Window

_GET_PIX = "GET /pix"


class Access(NamedTuple):
    """Addresses and credentials of a bank.

    Attributes:
        url: base URL of its API Pix, without `/pix`.
        token_url: its token endpoint.
        client_id: id of the client.
        client_secret: its secret; empty for banks that accept the certificate alone.
        scope: requested scope; empty: none.
        basic: send id and secret in the Authorization header, else in the form.
        certificate: PEM file of the client certificate; empty: none.
        key: PEM file of its private key; empty: in the same file.
        ca_file: PEM file of the trusted CAs; empty: the system's.
        timeout_seconds: longest exchange, from the connection to the last byte of the answer.
    """

    url: str
    token_url: str
    client_id: str
    client_secret: str = ""
    scope: str = ""
    basic: bool = True
    certificate: str = ""
    key: str = ""
    ca_file: str = ""
    timeout_seconds: float = 30.0


class BankClient:
    """A client of one bank, used by one event loop.

    Args:
        access: addresses and credentials of the bank.
        token: token of an earlier client with the same access, used until it expires.
        pace: the requests for tokens that earlier clients sent.

    Attributes:
        auth: the authorization, with the current token.

    Raises:
        ConfigError: an address or a file cannot be used.
    """

    def __init__(
        self, access: Access, token: Token | None = None, pace: TokenPace | None = None
    ) -> None:
        for name, value in (("url", access.url), ("token_url", access.token_url)):
            if not _is_address(value):
                raise ConfigError(f"{name}: must be an address such as https://bank.example/pix/v2")
        self.auth = ClientCredentials(
            url=access.token_url,
            client_id=access.client_id,
            client_secret=access.client_secret,
            scope=access.scope,
            basic=access.basic,
            token=token,
            pace=pace,
        )
        self._url = access.url.rstrip("/") + "/pix"
        context = tls_context(access.certificate, access.key, access.ca_file)
        self._http = httpx2.AsyncClient(
            transport=WholeAnswers(context, access.timeout_seconds), auth=self.auth
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def page(
        self,
        window: Window,
        number: int,
        size: int,
        *,
        returns: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Get one page of the Pix received in a window.

        Args:
            window: both ends included.
            number: number of the page, from 0.
            size: number of Pix to request.
            returns: request only Pix with a return.
            headers: further request headers, such as those of an account.

        Raises:
            Transient: the bank does not answer; `Unreadable`: not with a page.
            Busy: the bank says how long to wait.
            PixstreamError: the bank refuses, and waiting does not help.
        """
        answer = await self._http.get(
            self._url,
            params=page_query(window, number, size, returns=returns),
            headers=headers,
            extensions={"what": _GET_PIX},
        )
        advice = "check the scopes of this client and the headers of the account"
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            advice = "the bank may require shorter windows, smaller pages or no filter for returns"
        require_ok(_GET_PIX, answer, advice)
        return read_page(answer.content, at=http_date(answer.headers.get("date")))


def sent_in_clear(address: str) -> bool:
    """Whether what is sent to this address can be read on the way: no TLS, and another machine."""
    if not _is_address(address):
        return False
    url = httpx2.URL(address)
    try:
        here = ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        here = url.host == "localhost"
    return url.scheme == "http" and not here


def _is_address(text: str) -> bool:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)
