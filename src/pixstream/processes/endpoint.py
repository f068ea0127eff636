"""The HTTP endpoint of a supervisor: `/metrics` for Prometheus, `/healthy` and `/ready` for probes.

It has its own thread and only reads the last status that the supervisor published, so it never
blocks the supervisor.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pixstream.errors import ConfigError, PortTakenError
from pixstream.http_serving import door
from pixstream.http_serving.limits import Terms, networks
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen
from pixstream.metrics import Counts
from pixstream.processes.metrics import StatusCollector
from pixstream.processes.run_status import READY, STALE_SECONDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from pixstream.config.settings import MetricsSettings
    from pixstream.metrics import Sample
    from pixstream.processes.lag_watch import LagWatch
    from pixstream.processes.run_status import SupervisorStatus

    Latest = Callable[[], SupervisorStatus | None]

log = logging.getLogger("pixstream.supervisor")

_GRACE_SECONDS = 1
_LAST_PORT = 65535


class Endpoint:
    """Serves until it is closed.

    Args:
        settings: where to listen.
        latest: returns the status that the supervisor last published; None: none yet.
        lag: measures the lag while the endpoint is open; None: nobody does.

    Attributes:
        address: the URL of the metrics.

    Raises:
        ConfigError: it cannot listen there.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        latest: Latest,
        lag: LagWatch | None = None,
    ) -> None:
        self._lag = lag
        listening = _listen(settings)
        port = listening.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{port}/metrics"
        if settings.port not in (0, port):
            log.warning(
                "metrics.port %d is taken, perhaps by another `pixstream run`; the metrics of this "
                "one are at %s",
                settings.port,
                self.address,
            )
        else:
            log.info("metrics at %s", self.address)
        counts = Counts(*door.METRICS)

        def own() -> list[Sample]:
            return counts.samples() + ([] if lag is None else lag.samples())

        self._server = HttpServer(
            create_app(latest, own),
            listening,
            "metrics",
            Terms(settings.connections, networks(settings.allow_from)),
            grace_seconds=_GRACE_SECONDS,
            counts=counts,
        )
        self._server.start()
        if lag is not None:
            lag.start()

    def close(self) -> None:
        """Stop listening; responses in progress are completed."""
        if self._lag is not None:
            self._lag.stop()
        self._server.stop()


def opener(
    settings: MetricsSettings, lag: LagWatch | None = None
) -> Callable[[Latest], Endpoint] | None:
    """Return how to open the endpoint of a supervisor; None: it is not enabled."""
    return (lambda latest: Endpoint(settings, latest, lag)) if settings.enabled else None


def create_app(latest: Latest, own: Callable[[], Sequence[Sample]] = tuple) -> Starlette:
    """Return the endpoint as an ASGI application.

    Args:
        latest: returns the status that the supervisor last published; None: none yet.
        own: returns samples of the supervisor itself.
    """
    registry = CollectorRegistry()
    registry.register(StatusCollector(latest, own))

    def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": kind})

    def healthy(_: Request) -> Response:
        return _probe([] if _fresh(latest()) else ["the supervisor hangs"])

    def ready(_: Request) -> Response:
        return _probe(_not_ready(latest()))

    pages = {"/metrics": metrics, "/healthy": healthy, "/ready": ready}

    async def not_found(_: Request, error: Exception) -> Response:
        del error
        return PlainTextResponse(f"{', '.join(pages)}\n", 404)

    return Starlette(
        routes=[Route(path, _guarded(respond)) for path, respond in pages.items()],
        middleware=[Middleware(GZipMiddleware)],
        exception_handlers={404: not_found},
    )


def _guarded(respond: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Answer 500 if a page fails, and log the error; nothing else is affected."""

    async def answer(request: Request) -> Response:
        try:
            return respond(request)
        except Exception:
            log.exception("a request for %s failed; the components continue", request.url.path)
            return PlainTextResponse("failed; see the log of `pixstream run`\n", 500)

    return answer


def _probe(wrong: list[str]) -> Response:
    return PlainTextResponse("\n".join(wrong or ["ok"]) + "\n", 503 if wrong else 200)


def _listen(settings: MetricsSettings) -> socket.socket:
    """Listen on the first free port.

    Two supervisors on one machine are common, and metrics must not keep the second one from
    starting; any other obstacle is a wrong setting.
    """
    last = settings.port if settings.port == 0 else settings.port + settings.port_tries - 1
    for port in range(settings.port, min(last, _LAST_PORT) + 1):
        try:
            return listen(settings.host, port)
        except PortTakenError:
            continue
        except ConfigError as error:
            raise ConfigError(
                f"metrics: {error}. Nothing was started. Correct metrics.host or metrics.port, or "
                "set metrics.enabled to false"
            ) from None
    raise ConfigError(
        f"metrics: {settings.host} has no free port from {settings.port} to {last}. Nothing was "
        "started. Set another metrics.port (0: any free one) or more metrics.port_tries, or set "
        "metrics.enabled to false"
    )


def _fresh(status: SupervisorStatus | None) -> bool:
    return status is not None and time.monotonic() - status.clock <= STALE_SECONDS


def _not_ready(status: SupervisorStatus | None) -> list[str]:
    """Return why the supervisor is not ready, one reason per line; empty: it is."""
    if status is None or not _fresh(status):
        return ["the supervisor hangs"]
    if status.stopping:
        return ["stopping"]
    return [f"{c.label} {c.state}" for c in status.components if c.state != READY]
