"""What a plugin that others connect to adds to its contract, of whichever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import socket

    from pixstream.http_serving.exposure import Listener


@runtime_checkable
class Listens(Protocol):
    """A plugin that listens on a port from the start to the end of its process.

    `pixstream run` opens the socket in the supervisor and lets every process of the component
    inherit it: while one is being restarted, connections wait instead of being refused.
    """

    def listener(self) -> Listener:
        """Return where it listens, and who may call."""

    def serve(self, listening: socket.socket | None = None) -> None:
        """Answer from now on, even if it is only to say that nothing can be taken yet.

        Args:
            listening: the socket to use, which the plugin closes; None: it opens its own.

        Raises:
            PixstreamError: it cannot listen there.
        """

    def hang_up(self) -> None:
        """Answer everybody who still waits, and stop listening."""
