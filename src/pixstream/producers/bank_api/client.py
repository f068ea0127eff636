"""A client of API Pix 2.9.0: OAuth2 client credentials, mutual TLS, pages of GET /pix.

What a bank answers is told by its kind: come again later (`Busy`, `Transient`), or something a
person has to mend (`PixstreamError`). A message names the HTTP status, the type of an RFC 7807
error and its correlation id, which a bank's support asks for, and nothing else of an answer.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import ssl
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from pixstream.errors import ConfigError, PixstreamError, Refused, Transient
from pixstream.formats.json_body import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.producers.bank_api.windows import Window

MAX_ANSWER_BYTES = 64 * 2**20
"""A page of 1000 Pix with their returns has a few MiB."""

_MAX_RETRY_AFTER_SECONDS = 3600.0
_DEFAULT_TOKEN_SECONDS = 300.0
_LATER = frozenset({408, 425, 429})
_ERROR_TYPE = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_CORRELATION = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class Busy(Transient):
    """The bank says when to come again.

    Args:
        message: what was asked and answered.
        seconds: to wait, at most an hour.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Access(NamedTuple):
    """How to reach a bank.

    Attributes:
        url: base of its API Pix, below which `/pix` lies.
        token_url: where it gives tokens.
        client_id: the client's name there.
        client_secret: empty for banks that trust the certificate alone.
        scope: asked for; empty: none is named.
        basic: id and secret go in the Authorization header, else in the form.
        certificate: PEM file of the client, empty: none.
        key: PEM file of its private key, empty: in the same file.
        ca_file: PEM file of the authorities to trust, empty: the system's.
        timeout_seconds: of one call, from its connection to the last byte of its answer.
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


class Token(NamedTuple):
    """An access token, and when to stop using it (`time.monotonic`)."""

    value: str
    expires: float


class Page(NamedTuple):
    """A page of GET /pix.

    Attributes:
        body: the JSON.
        pages: how many there are; None: not told.
        items: how many elements this one has.
        at: the bank's own time of the answer; None: not told.
    """

    body: Body
    pages: int | None
    items: int
    at: dt.datetime | None = None


class _Answer(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    raw: bytes


class ApiClient:
    """Asks one bank; used by one event loop.

    Args:
        access: how to reach the bank.
        token: of an earlier client of the same access, used while it lasts.

    Raises:
        ConfigError: an address or a file cannot be used.
    """

    def __init__(self, access: Access, token: Token | None = None) -> None:
        for name, value in (("url", access.url), ("token_url", access.token_url)):
            if not _is_address(value):
                raise ConfigError(f"{name}: must be an address such as https://bank.example/pix/v2")
        self.token = token
        self._access = access
        self._renewing = asyncio.Lock()
        self._http = httpx.AsyncClient(
            verify=_tls_context(access),
            timeout=None,  # noqa: S113  `_send` has one for the whole call
            follow_redirects=False,
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
        """One page of the Pix that were received in a window.

        Args:
            window: both ends included.
            number: of the page, from 0.
            size: how many Pix to ask for.
            returns: only Pix with a return.
            headers: further ones, such as an account's.

        Raises:
            Transient: the bank does not answer, or not with a page.
            Busy: it says when to come again.
            PixstreamError: it refuses, for a reason that waiting does not cure.
        """
        query = {
            "inicio": _rfc3339(window.start),
            "fim": _rfc3339(window.end),
            "paginacao.paginaAtual": str(number),
            "paginacao.itensPorPagina": str(size),
        }
        if returns:
            query["devolucaoPresente"] = "true"
        url = self._access.url.rstrip("/") + "/pix"
        token = await self._fresh_token()
        answer = await self._get(url, query, headers, token)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            token = await self._fresh_token(refused=token)
            answer = await self._get(url, query, headers, token)
        advice = "check the scopes of this client and the account's headers"
        if answer.status == HTTPStatus.BAD_REQUEST:
            advice = "the bank may allow shorter windows, smaller pages or no filter for returns"
        _check("GET /pix", answer, advice)
        return _page(answer.raw)._replace(at=_date(answer.headers.get("date")))

    async def _get(
        self, url: str, query: Mapping[str, str], headers: Mapping[str, str] | None, token: str
    ) -> _Answer:
        own = {**(headers or {}), "Authorization": f"Bearer {token}"}
        return await self._send(
            "GET /pix", self._http.build_request("GET", url, params=query, headers=own)
        )

    async def _fresh_token(self, refused: str | None = None) -> str:
        """The token in use; a new one when it is `refused` or its time is over."""
        async with self._renewing:
            token = self.token
            if token is None or token.value == refused or time.monotonic() >= token.expires:
                self.token = token = await self._new_token()
            return token.value

    async def _new_token(self) -> Token:
        access = self._access
        form = {"grant_type": "client_credentials"}
        if access.scope:
            form["scope"] = access.scope
        auth: httpx.BasicAuth | None = None
        if access.basic:
            auth = httpx.BasicAuth(access.client_id, access.client_secret)
        else:
            form["client_id"] = access.client_id
            if access.client_secret:
                form["client_secret"] = access.client_secret
        request = self._http.build_request("POST", access.token_url, data=form)
        answer = await self._send("token", request, auth)
        _check("token", answer, "check client_id, client_secret, scope and certificate")
        try:
            fields = json.loads(answer.raw)
            value, seconds = fields["access_token"], fields.get("expires_in")
            lasts = float(seconds) if seconds else _DEFAULT_TOKEN_SECONDS
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise Transient("token: the answer holds no token") from None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise Transient("token: the answer holds no token")
        slack = min(30.0, lasts / 10)
        return Token(value, time.monotonic() + lasts - slack)

    async def _send(
        self, what: str, request: httpx.Request, auth: httpx.BasicAuth | None = None
    ) -> _Answer:
        seconds = self._access.timeout_seconds
        try:
            # Not a timeout of httpx, which is for one chunk: a bank that trickles never meets it.
            async with asyncio.timeout(seconds):
                response = await self._http.send(request, auth=auth, stream=True)
                try:
                    raw = await _whole(what, response)
                finally:
                    await response.aclose()
                return _Answer(response.status_code, response.headers, raw)
        except TimeoutError:
            raise Transient(
                f"{what}: no whole answer within timeout_seconds, {seconds:g} s"
            ) from None
        except httpx.TransportError as error:
            if _untrusted(error):
                raise PixstreamError(
                    f"{what}: the bank's certificate is not trusted; set ca_file to the authority "
                    "that the bank publishes"
                ) from None
            kind = type(error).__name__
            raise Transient(f"{what}: the bank does not answer ({kind})") from None
        except httpx.HTTPError:
            raise Transient(f"{what}: the answer cannot be read") from None


async def _whole(what: str, response: httpx.Response) -> bytes:
    """The body, decompressed.

    Raises:
        PixstreamError: it is longer than any page.
    """
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise PixstreamError(
                f"{what}: the answer is longer than {MAX_ANSWER_BYTES} bytes and was not read "
                "further; lower page_size, or check the address"
            )
    return bytes(raw)


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _check(what: str, answer: _Answer, advice: str) -> None:
    """Let a 200 pass; raise what every other status means."""
    status = answer.status
    if status == HTTPStatus.OK:
        return
    told = f"{what}: HTTP {status}{_detail(answer)}"
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        seconds = _retry_after(answer.headers.get("retry-after"))
        if seconds is not None:
            raise Busy(f"{told}; it asks to wait {seconds:.0f} s", seconds)
        raise Transient(told)
    raise PixstreamError(f"{told}; {advice}")


def _detail(answer: _Answer) -> str:
    """The kind of an RFC 7807 error and its correlation id, where they look like such."""
    try:
        error = json.loads(answer.raw)
        kind = str(error.get("type", "")).rpartition("/")[2]
        correlation = str(error.get("correlationId", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""
    parts = [kind] if _ERROR_TYPE.fullmatch(kind) else []
    if _CORRELATION.fullmatch(correlation):
        parts.append(f"correlation id {correlation}")
    return f" ({', '.join(parts)})" if parts else ""


def _retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header, in either of its forms."""
    if not text:
        return None
    try:
        if text.isdecimal():
            seconds = float(text)
        else:
            when = _date(text)
            if when is None:
                return None
            seconds = (when - dt.datetime.now(dt.UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)


def _date(text: str | None) -> dt.datetime | None:
    """The time in a header Date, which is in GMT by RFC 9110."""
    try:
        when = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)


def _page(raw: bytes) -> Page:
    """A page, or Transient: what is no page says nothing about the window, which stays to be read.

    A page of a bank's maintenance, a proxy's word, a body cut off: the stream stands still and says
    so until the bank answers with a page. Skipping it would lose the window.
    """
    try:
        body = Body(raw)
    except Refused as error:
        raise Transient(f"GET /pix: the answer is no page ({error.reason})") from None
    document = body.document
    if not isinstance(document, dict) or not document.keys() & {"pix", "parametros"}:
        raise Transient("GET /pix: the answer is JSON, but no page")
    pagination = _inside(_inside(document, "parametros"), "paginacao")
    elements = document.get("pix")
    items = len(elements) if isinstance(elements, list) else int(elements is not None)
    number, pages = (_count(pagination, n) for n in ("paginaAtual", "quantidadeDePaginas"))
    if not items and _count(pagination, "quantidadeTotalDeItens") and (number or 0) < (pages or 0):
        raise Transient("GET /pix: a page says that it has elements, and has none")
    return Page(body, pages, items)


def _inside(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    """A count, which some banks write as a text."""
    text = str(fields.get(name))
    return int(text) if _COUNT.fullmatch(text) else None


def _tls_context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_file or None)
        if access.certificate:
            # The empty password keeps OpenSSL from asking a terminal for the one of a locked key.
            context.load_cert_chain(access.certificate, access.key or None, password="")
    except OSError:
        raise ConfigError(
            "certificate, key or ca_file: a file cannot be read, or is no PEM of its kind"
        ) from None
    return context


def _untrusted(error: BaseException | None) -> bool:
    """Whether the cause of an error is a certificate that nobody we trust has signed."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _rfc3339(when: dt.datetime) -> str:
    text = when.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
