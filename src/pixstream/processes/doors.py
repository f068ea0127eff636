"""The listening sockets of the components, which the supervisor holds for their processes.

A process inherits the socket of its component. While it is being restarted, connections wait in the
kernel's queue for the next process instead of being refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.http_serving.sockets import listen
from pixstream.plugins.listening import Listens

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from pixstream.plugins.component import Component


class Doors:
    """One socket for each component that listens, opened when it is first needed.

    Args:
        components: the components that run.
    """

    def __init__(self, components: Iterable[Component]) -> None:
        self._listeners = {c.name: c.listener() for c in components if isinstance(c, Listens)}
        self._sockets: dict[str, socket.socket] = {}

    def descriptor(self, component: str) -> int | None:
        """Return the open socket of a component; None: it does not listen.

        Raises:
            PortTakenError: another program listens on its port.
            ConfigError: this machine does not have the address, or the port may not be used.
        """
        listener = self._listeners.get(component)
        if listener is None:
            return None
        if component not in self._sockets:
            self._sockets[component] = listen(listener.host, listener.port)
        return self._sockets[component].fileno()

    def close(self) -> None:
        """Close them; a process that still runs keeps its own copy."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
