"""The sandbox bank's endpoints of API Pix 2.9.0, and its token endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from pixstream.lab.sandbox.access import TokenRefused
from pixstream.lab.sandbox.json_http import answer, read
from pixstream.lab.sandbox.pix_query import pix_query, webhook_window
from pixstream.lab.sandbox.problems import Problem
from pixstream.lab.sandbox.query_parameters import paging
from pixstream.lab.simulation.pieces import moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from pixstream.lab.sandbox.bank import Bank, RegisteredWebhook

    Endpoint = Callable[[Request], Awaitable[Response]]


class PixApi:
    """The endpoints of the specification.

    Args:
        bank: bank to serve.
        settle_seconds: how long a requested return stays EM_PROCESSAMENTO.
    """

    def __init__(self, bank: Bank, settle_seconds: float) -> None:
        self._bank = bank
        self._settle_seconds = settle_seconds

    def routes(self) -> list[Route]:
        """Path, scope and method of each endpoint."""
        return [
            self._route("/pix", "GET", "pix.read", self.list_pix),
            self._route("/pix/{e2eid}", "GET", "pix.read", self.get_pix),
            self._route("/pix/{e2eid}/devolucao/{id}", "GET", "pix.read", self.get_return),
            self._route("/pix/{e2eid}/devolucao/{id}", "PUT", "pix.write", self.put_return),
            self._route("/webhook", "GET", "webhook.read", self.list_webhooks),
            self._route("/webhook/{chave}", "GET", "webhook.read", self.get_webhook),
            self._route("/webhook/{chave}", "PUT", "webhook.write", self.put_webhook),
            self._route("/webhook/{chave}", "DELETE", "webhook.write", self.delete_webhook),
        ]

    def _route(self, path: str, method: str, scope: str, endpoint: Endpoint) -> Route:
        async def guarded(request: Request) -> Response:
            await self._bank.access.check(request, scope)
            return await endpoint(request)

        return Route(path, guarded, methods=[method])

    async def token(self, request: Request) -> Response:
        """POST /oauth/token."""
        try:
            granted = self._bank.access.grant(
                request.headers.get("authorization"), await request.body()
            )
        except TokenRefused as refusal:
            headers = {"WWW-Authenticate": "Basic"} if refusal.status == 401 else {}  # noqa: PLR2004
            return answer({"error": refusal.error}, refusal.status, headers)
        return answer(granted, headers={"Cache-Control": "no-store"})

    async def list_pix(self, request: Request) -> Response:
        """GET /pix: received Pix, by time of recording."""
        query = pix_query(request.query_params)
        total, items = self._bank.store.find(query)
        pages = paging(query.page, query.page_size, total)
        return answer({"parametros": query.echo | {"paginacao": pages}, "pix": items})

    async def get_pix(self, request: Request) -> Response:
        """GET /pix/{e2eid}."""
        return answer(self._pix(request))

    async def get_return(self, request: Request) -> Response:
        """GET /pix/{e2eid}/devolucao/{id}."""
        number = request.path_params["id"]
        for devolucao in self._pix(request).get("devolucoes", ()):
            if devolucao["id"] == number:
                return answer(devolucao)
        raise Problem("PixDevolucaoNaoEncontrada", 404, "Não há devolução com este id.")

    async def put_return(self, request: Request) -> Response:
        """PUT /pix/{e2eid}/devolucao/{id}: request a return; it settles a little later."""
        e2e, number = request.path_params["e2eid"], request.path_params["id"]
        order = read(await request.body(), dict[str, Any], "PixDevolucaoInvalida")
        devolucao = self._bank.order_return(e2e, number, order)
        loop = asyncio.get_running_loop()
        loop.call_later(self._settle_seconds, self._bank.settle_return, e2e, number)
        return answer(devolucao, 201)

    async def list_webhooks(self, request: Request) -> Response:
        """GET /webhook."""
        start, end, page, page_size = webhook_window(request.query_params)
        met = [
            webhook
            for webhook in self._bank.webhooks.values()
            if (not start or webhook.created >= start) and (not end or webhook.created <= end)
        ]
        shown = met[page * page_size : (page + 1) * page_size]
        params = {k: v for k, v in request.query_params.items() if k in {"inicio", "fim"}}
        parameters: dict[str, Any] = params | {"paginacao": paging(page, page_size, len(met))}
        return answer({"parametros": parameters, "webhooks": [self._shown(w) for w in shown]})

    async def get_webhook(self, request: Request) -> Response:
        """GET /webhook/{chave}."""
        return answer(self._shown(self._webhook(request)))

    async def put_webhook(self, request: Request) -> Response:
        """PUT /webhook/{chave}."""
        order = read(await request.body(), dict[str, Any], "WebhookOperacaoInvalida")
        self._bank.register(request.path_params["chave"], str(order.get("webhookUrl", "")))
        return Response(status_code=200)

    async def delete_webhook(self, request: Request) -> Response:
        """DELETE /webhook/{chave}."""
        del self._bank.webhooks[self._webhook(request).key]
        return Response(status_code=204)

    def _pix(self, request: Request) -> dict[str, Any]:
        pix = self._bank.store.get(request.path_params["e2eid"])
        if pix is None:
            raise Problem("NaoEncontrado", 404, "Não há Pix com este endToEndId.")
        return pix

    def _webhook(self, request: Request) -> RegisteredWebhook:
        webhook = self._bank.webhooks.get(request.path_params["chave"])
        if webhook is None:
            raise Problem("WebhookNaoEncontrado", 404, "Não há webhook para esta chave.")
        return webhook

    def _shown(self, webhook: RegisteredWebhook) -> dict[str, str]:
        return {
            "webhookUrl": webhook.url,
            "chave": webhook.key,
            "cnpj": self._bank.cnpj,
            "criacao": moment(webhook.created),
        }
