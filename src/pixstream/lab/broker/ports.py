"""The ports of the embedded broker: the ones it had, unless another program has taken them."""

import logging
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence

from pixstream.kafka.embedded import HOST

# Below the ports that systems lend to outgoing connections (Linux: from 32768): otherwise a client
# that retries while the broker is down could be lent, and so occupy, the broker's own port.
_PORTS = range(20_000, 30_000)
_log = logging.getLogger(__name__)


def choose_ports(names: Sequence[str], kept: Mapping[str, int]) -> dict[str, int]:
    """Return a free port per name: the kept one, unless another program has taken it meanwhile."""
    ports: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        if port is None or port in ports.values() or not _is_free(port):
            ports[name] = _free_port(avoid=ports.values())
            if port is not None:
                _log.warning(
                    "port %d of the broker's listener %s is taken by another program: from now on "
                    "it is %d; clients with the old address must be told",
                    port,
                    name,
                    ports[name],
                )
        else:
            ports[name] = port
    return ports


def _free_port(avoid: Collection[int]) -> int:
    while True:
        port = secrets.choice(_PORTS)
        if port not in avoid and _is_free(port):
            return port


def _is_free(port: int) -> bool:
    """Try as Kafka will: connections of the past that still linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
