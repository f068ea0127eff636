"""The errors of API Pix: RFC 7807 bodies with the types of the Banco Central."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from starlette.requests import Request

TYPES = "https://pix.bcb.gov.br/api/v2/error/"
MEDIA_TYPE = "application/problem+json"

_TITLES = {
    "RequisicaoInvalida": "Requisição inválida.",
    "NaoAutorizado": "Não autorizado.",
    "AcessoNegado": "Acesso negado.",
    "NaoEncontrado": "Não encontrado.",
    "LimiteExcedido": "Limite de requisições excedido.",
    "ServicoIndisponivel": "Serviço indisponível.",
    "PixConsultaInvalida": "Consulta inválida.",
    "PixDevolucaoInvalida": "Devolução inválida.",
    "PixDevolucaoNaoEncontrada": "Devolução não encontrada.",
    "WebhookOperacaoInvalida": "Webhook inválido.",
    "WebhookNaoEncontrado": "Webhook não encontrado.",
    "WebhookConsultaInvalida": "Consulta inválida.",
}
"""Types of the specification; it has none for 401 and 429, so these two are the sandbox's."""


class Violations(list[dict[str, str]]):
    """The violations in a request, field by field (`violacoes`)."""

    def add(self, field: str, reason: str, value: str | None = None) -> None:
        """Add that `field` is wrong; omit the value if it is personal."""
        self.append({"razao": reason, "propriedade": field} | ({"valor": value} if value else {}))


class Problem(PixstreamError):  # noqa: N818  the name in RFC 7807
    """A request that the bank refuses.

    Args:
        kind: last part of the problem's type.
        status: HTTP status.
        detail: one sentence for people.
        violations: violations of single fields.
        headers: headers of the answer.
    """

    def __init__(
        self,
        kind: str,
        status: int,
        detail: str,
        *,
        violations: Violations | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.body: dict[str, Any] = {
            "type": TYPES + kind,
            "title": _TITLES[kind],
            "status": status,
            "detail": detail,
            "correlationId": uuid.uuid4().hex,
        }
        if violations:
            self.body["violacoes"] = list(violations)


async def answer(request: Request, error: Exception) -> Response:
    """Return the HTTP answer of a `Problem` or unknown path, for Starlette's error handlers."""
    del request
    if isinstance(error, HTTPException):
        error = Problem("NaoEncontrado", error.status_code, "Não há este endpoint ou método.")
    if not isinstance(error, Problem):
        raise error
    return Response(
        msgspec.json.encode(error.body), error.status, error.headers, media_type=MEDIA_TYPE
    )
