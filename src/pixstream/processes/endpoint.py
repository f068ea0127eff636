"""The HTTP endpoint of a supervisor: `/metrics` for Prometheus, `/healthy` and `/ready` for probes.

It has a thread of its own and one for each request, and only ever reads the last status that the
supervisor published: it makes nobody wait, and a client that reads slowly is cut off.
"""

from __future__ import annotations

import errno
import logging
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from socket import AF_INET6
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, MetricsHandler

from pixstream.errors import ConfigError
from pixstream.processes.metrics import StatusCollector
from pixstream.processes.run_status import READY, STALE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.config.settings import MetricsSettings
    from pixstream.processes.run_status import SupervisorStatus

log = logging.getLogger("pixstream.supervisor")

CLIENT_SECONDS = 5.0
"""A client that neither sends nor takes anything for so long is cut off."""

_POLL_SECONDS = 0.1
_LAST_PORT = 65535


class Endpoint:
    """Serves until it is closed.

    Args:
        settings: where to listen.
        latest: what the supervisor last published; None before it did.

    Attributes:
        address: of the metrics.

    Raises:
        ConfigError: it cannot listen there.
    """

    def __init__(
        self, settings: MetricsSettings, latest: Callable[[], SupervisorStatus | None]
    ) -> None:
        registry = CollectorRegistry()
        registry.register(StatusCollector(latest))
        handler = type("Handler", (_Handler,), {"registry": registry, "latest": (latest,)})
        self._server = _listen(settings, handler)
        port = self._server.server_address[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{port}/metrics"
        if settings.port not in (0, port):
            log.warning(
                "metrics.port %d is taken, perhaps by another `pixstream run`: the metrics of this "
                "one are at %s",
                settings.port,
                self.address,
            )
        else:
            log.info("metrics at %s", self.address)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True, name="metrics"
        )
        self._thread.start()

    def close(self) -> None:
        """Listen no longer; who is being answered still is."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Does without the look-up of its own name, which can wait long for a DNS that is away."""

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError):  # an OSError: the client is gone
            log.error("a request for metrics failed; the components go on", exc_info=error)


class _Server6(_Server):
    """The same for addresses with colons."""

    address_family = AF_INET6


class _Handler(MetricsHandler):
    """Answers one request.

    Attributes:
        latest: in a tuple, so that it is no method.
    """

    timeout = CLIENT_SECONDS
    latest: tuple[Callable[[], SupervisorStatus | None]]

    def do_GET(self) -> None:  # noqa: N802  the library's name
        """Metrics, or what a probe asks for."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            super().do_GET()
        elif path == "/healthy":
            self._probe([] if _fresh(self.latest[0]()) else ["the supervisor hangs"])
        elif path == "/ready":
            self._probe(_not_ready(self.latest[0]()))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "/metrics, /healthy, /ready")

    def _probe(self, wrong: list[str]) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        self._answer(status, "\n".join(wrong) or "ok")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _listen(settings: MetricsSettings, handler: type[_Handler]) -> _Server:
    """A server at the first free port.

    Two supervisors on one machine are usual, and metrics are no reason to keep the second one from
    its work; any other obstacle is a wrong setting.
    """
    kind = _Server6 if ":" in settings.host else _Server
    last = settings.port if settings.port == 0 else settings.port + settings.port_tries - 1
    for port in range(settings.port, min(last, _LAST_PORT) + 1):
        try:
            return kind((settings.host, port), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"metrics: cannot listen on {settings.host} port {port}: {error.strerror}. "
                    "Nothing was started. Correct metrics.host or metrics.port, or set "
                    "metrics.enabled to false"
                ) from None
    raise ConfigError(
        f"metrics: {settings.host} has no free port from {settings.port} to {last}. Nothing was "
        "started. Set another metrics.port (0: any free one) or more metrics.port_tries, or set "
        "metrics.enabled to false"
    )


def _fresh(status: SupervisorStatus | None) -> bool:
    return status is not None and time.monotonic() - status.clock <= STALE_SECONDS


def _not_ready(status: SupervisorStatus | None) -> list[str]:
    """Why not, one reason a line."""
    if status is None or not _fresh(status):
        return ["the supervisor hangs"]
    if status.stopping:
        return ["stopping"]
    return [f"{c.label} {c.state}" for c in status.components if c.state != READY]
