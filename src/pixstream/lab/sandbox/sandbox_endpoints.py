"""The sandbox's own endpoints, under /sandbox: stats, faults, and delivery of offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from pixstream.lab.sandbox.access import Faults
from pixstream.lab.sandbox.json_http import answer, read
from pixstream.lab.simulation.batches import Offer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.lab.sandbox.bank import Bank


class Sandbox:
    """The endpoints for the person who runs the sandbox; they need no token.

    Args:
        bank: bank that they inspect and change.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def routes(self) -> list[Route]:
        """Path and method of each endpoint."""
        return [
            Route("/stats", self.stats),
            Route("/faults", self.faults, methods=["GET", "PUT"]),
            Route("/offers", self.offers, methods=["POST"]),
        ]

    async def stats(self, request: Request) -> Response:
        """GET /sandbox/stats."""
        del request
        return answer(self._bank.stats())

    async def faults(self, request: Request) -> Response:
        """GET or PUT /sandbox/faults: all faults as one object; omitted ones are switched off."""
        if request.method == "PUT":
            self._bank.access.faults = read(await request.body(), Faults)
        return answer(self._bank.access.faults)

    async def offers(self, request: Request) -> Response:
        """POST /sandbox/offers: an array of offers of a plan, `content` in base64."""
        offers = read(await request.body(), list[Offer])
        for offer in offers:
            self._bank.offer(offer)
        return answer({"offered": len(offers)})
