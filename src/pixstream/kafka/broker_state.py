"""What the embedded broker remembers between two starts."""

import base64
import json
import logging
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pixstream.kafka.broker_properties import HOST

# Below the ports that systems lend to outgoing connections (Linux: from 32768): otherwise a client
# that retries while the broker is down could be lent, and so occupy, the broker's own port.
_PORTS = range(20_000, 30_000)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrokerState:
    """The content of `broker.json`.

    Args:
        cluster_id: what the data directories were prepared with.
        ports: one per listener.
        pid: of the last start.
    """

    cluster_id: str
    ports: Mapping[str, int] = field(default_factory=dict)
    pid: int | None = None

    def save(self, file: Path) -> None:
        """Replace the file at once: a reader never sees half of it."""
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)), "utf-8")
        part.replace(file)


def load_state(file: Path) -> BrokerState:
    """Read the file; without it, or when it is damaged, there is a new id and nothing else."""
    try:
        content = json.loads(file.read_bytes())
        ports = {str(name): int(port) for name, port in content["ports"].items()}
        pid = content["pid"]
        return BrokerState(str(content["cluster_id"]), ports, None if pid is None else int(pid))
    except FileNotFoundError:
        return BrokerState(_new_cluster_id())
    except (ValueError, TypeError, KeyError, AttributeError):
        _log.warning("%s is damaged: the broker's ports are chosen anew", file)
        return BrokerState(_new_cluster_id())


def _new_cluster_id() -> str:
    """Make 16 bytes as Kafka writes them; the prefix keeps them from starting with a hyphen."""
    return base64.urlsafe_b64encode(b"pix" + secrets.token_bytes(13)).decode("ascii").rstrip("=")


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
