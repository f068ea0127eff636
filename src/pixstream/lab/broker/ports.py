"""The ports of the embedded broker: the same at every start, unless another program uses them."""

import logging
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence

from pixstream.errors import BrokerError
from pixstream.kafka.embedded import HOST, METRICS_PORT

# Below the ephemeral ports for outgoing connections (Linux: from 32768): otherwise a client that
# retries while the broker is down could be given, and so occupy, the broker's own port.
_PORTS = range(20_000, 30_000)
_SETTINGS = {METRICS_PORT: "broker.metrics_port"}
_log = logging.getLogger(__name__)


def choose_ports(
    names: Sequence[str], kept: Mapping[str, int], fixed: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return a free port per name: the saved one, unless another program uses it now.

    Args:
        names: what needs a port.
        kept: the ports of the last start, by name.
        fixed: the ports that the configuration demands, by name.

    Raises:
        BrokerError: another program uses such a port.
    """
    ports = dict(fixed or {})
    for name, demanded in ports.items():
        if not _is_free(demanded):
            raise BrokerError(
                f"port {demanded} ({_SETTINGS.get(name, 'broker.port')}) of the listener {name} is "
                "used by another program; stop that program, or set another port"
            )
    for name in names:
        if name in ports:
            continue
        port = kept.get(name)
        if port is None or port in ports.values() or not _is_free(port):
            ports[name] = _free_port(avoid=ports.values())
            if port is not None:
                _log.warning(
                    "port %d of the broker's listener %s is used by another program; the new port "
                    "is %d: change it in clients that use the old address",
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
    """Bind like Kafka does: lingering closed connections do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
