"""Opens the page beside a supervisor: a listener and a thread of its own."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from pixstream.errors import ConfigError, PortTakenError
from pixstream.http_serving.limits import Terms, networks
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen
from pixstream.page.app import create_app
from pixstream.page.site import Site

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from pixstream.config.loading import Effective, Settings
    from pixstream.config.page_settings import PageSettings
    from pixstream.metrics import Sample
    from pixstream.processes.run_status import SupervisorStatus

log = logging.getLogger("pixstream.page")

_GRACE_SECONDS = 8
"""An action that is under way ends after its present transaction."""


class Page:
    """Serves until it is closed.

    Args:
        effective: the configuration as it was written.
        settings: the settings made from it.
        program: how a command of pixstream is called with the same configuration.
        latest: returns the status that the supervisor last published; None: none yet.
        own: returns samples of the supervisor itself, such as the lag.

    Attributes:
        address: its URL.

    Raises:
        ConfigError: it cannot listen there, or its certificate cannot be used.
    """

    def __init__(
        self,
        effective: Effective,
        settings: Settings,
        program: Sequence[str],
        latest: Callable[[], SupervisorStatus | None],
        own: Callable[[], Sequence[Sample]] = tuple,
    ) -> None:
        chosen = settings.page
        tls = _tls_context(chosen) if chosen.certificate else None
        listening = _listen(chosen)
        port = listening.getsockname()[1]
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        self.address = f"{'https' if tls else 'http'}://{host}:{port}/"
        if chosen.port not in (0, port):
            log.warning(
                "page.port %d is taken, perhaps by another `pixstream run`; the page of this one "
                "is at %s",
                chosen.port,
                self.address,
            )
        else:
            log.info("the operator's page is at %s", self.address)
        self._site = Site(effective, settings, program, latest, own)
        self._site.cookie = f"pixstream_page_{port}"
        self._server = HttpServer(
            create_app(self._site),
            listening,
            "page",
            Terms(chosen.connections, networks(chosen.allow_from), tls),
            grace_seconds=_GRACE_SECONDS,
            lifespan="on",
        )
        self._server.start()

    def close(self) -> None:
        """Stop listening, and end what an operator has begun and what browsers listen to."""
        self._site.streams.ended = True
        self._server.stop()


def _listen(settings: PageSettings) -> socket.socket:
    """Listen on the port, or on any: no page must keep the components from starting."""
    try:
        try:
            return listen(settings.host, settings.port)
        except PortTakenError:
            return listen(settings.host, 0)
    except ConfigError as error:
        raise ConfigError(
            f"page: {error}. Nothing was started. Correct page.host or page.port, or set "
            "page.enabled to false"
        ) from None


def _tls_context(settings: PageSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The empty password keeps OpenSSL from prompting for the one of an encrypted key.
        context.load_cert_chain(settings.certificate, settings.key or None, password="")
    except OSError:
        raise ConfigError(
            "page.certificate or page.key: a file cannot be read, or is not a PEM file of its kind"
        ) from None
    return context
