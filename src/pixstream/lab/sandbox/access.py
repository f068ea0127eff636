"""Access to the sandbox bank, and the faults that it can simulate.

OAuth2 client credentials as in RFC 6749 §4.4: the client's id and secret by HTTP Basic or in the
form, a token with a limited lifetime, scopes of API Pix.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
import time
from random import Random
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Meta

from pixstream.lab.sandbox.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

SCOPES = frozenset({"pix.read", "pix.write", "webhook.read", "webhook.write"})
"""The scopes of the sandbox's endpoints."""

Share = Annotated[float, Meta(ge=0, le=1)]


class TokenRefused(Exception):  # noqa: N818  what RFC 6749 §5.2 calls an error response
    """A refused request for a token; `error` is the code of RFC 6749."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Faults of the bank, for tests and demos.

    Attributes:
        error_rate: share of requests answered 503.
        throttle_rate: share of requests answered 429 with `Retry-After: 1`.
        delay_seconds: delay of every answer.
        revoke_rate: share of requests whose token is revoked before it expires (401).
    """

    error_rate: Share = 0.0
    throttle_rate: Share = 0.0
    delay_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.0
    revoke_rate: Share = 0.0


class AccessControl:
    """Tokens and faults of one bank.

    Args:
        clients: secret by client id; every client may have every scope.
        token_seconds: lifetime of a token.
        faults: initial faults.
        seed: seed of the faults' randomness.
    """

    def __init__(
        self,
        clients: Mapping[str, str],
        *,
        token_seconds: int = 3600,
        faults: Faults | None = None,
        seed: int = 0,
    ) -> None:
        self.faults = faults or Faults()
        self._clients = dict(clients)
        self._life = token_seconds
        self._rng = Random(seed)
        self._tokens: dict[str, tuple[frozenset[str], float]] = {}

    def grant(self, authorization: str | None, form: bytes) -> dict[str, str | int]:
        """Return the answer of the token endpoint.

        Args:
            authorization: the request's header of that name.
            form: the body, application/x-www-form-urlencoded.

        Raises:
            TokenRefused: the client, grant type or scope is wrong.
        """
        fields = dict(parse_qsl(form.decode("ascii", "replace")))
        client, secret = _basic(authorization) or (
            fields.get("client_id", ""),
            fields.get("client_secret", ""),
        )
        expected = self._clients.get(client, "")
        known = secrets.compare_digest(expected.encode(), secret.encode())
        if not expected or not known:
            raise TokenRefused(401, "invalid_client")
        if fields.get("grant_type") != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type")
        scopes = frozenset(fields.get("scope", "").split()) or SCOPES
        if not scopes <= SCOPES:
            raise TokenRefused(400, "invalid_scope")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = scopes, time.monotonic() + self._life
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._life,
            "scope": " ".join(sorted(scopes)),
        }

    async def check(self, request: Request, scope: str) -> None:
        """Return if a request is allowed.

        Raises:
            Problem: 401 without a valid token, 403 without the scope, 429 and 503 by `faults`.
        """
        await asyncio.sleep(self.faults.delay_seconds)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self._happens(self.faults.revoke_rate):
            self._tokens.pop(token, None)
        scopes, end = self._tokens.get(token, (frozenset(), 0.0))
        if scheme.lower() != "bearer" or time.monotonic() >= end:
            raise Problem(
                "NaoAutorizado",
                401,
                "O token de acesso está ausente, é desconhecido ou expirou.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope not in scopes:
            raise Problem("AcessoNegado", 403, f"O token não tem o escopo {scope}.")
        if self._happens(self.faults.throttle_rate):
            raise Problem(
                "LimiteExcedido",
                429,
                "Requisições demais; tente novamente em um segundo.",
                headers={"Retry-After": "1"},
            )
        if self._happens(self.faults.error_rate):
            raise Problem("ServicoIndisponivel", 503, "O serviço não está disponível no momento.")

    def _happens(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share


def _basic(authorization: str | None) -> tuple[str, str] | None:
    """Return the client id and secret of an HTTP Basic header; None if it cannot be read."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote_plus(client), unquote_plus(secret)) if colon else None
