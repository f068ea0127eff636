"""Opens listening sockets."""

from __future__ import annotations

import errno
import socket

from pixstream.errors import ConfigError, PortTakenError

_BACKLOG = 4096
"""Connections that may wait while a process is being restarted; the kernel may allow fewer."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        PortTakenError: another program already listens on the port.
        ConfigError: this machine does not have the address, or the port may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Name TCP explicitly: for any other socket asyncio does not turn off Nagle's algorithm, which
    # costs 40 ms per response on a kept-alive connection.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        place = f"port {port} of {host}"
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"{place} is taken by another program; stop that program or configure another port"
            ) from None
        raise ConfigError(f"cannot listen on {place}: {error.strerror}") from None
    return listening
