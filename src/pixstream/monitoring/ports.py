"""The ports of the servers: free ones of this machine, the same at each start."""

from __future__ import annotations

import json
import secrets
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"

# Below the ephemeral ports, which a client's outgoing connection could occupy.
_PORTS = range(20_000, 30_000)


class Ports:
    """Ports by name, kept in a file.

    Args:
        file: a JSON object; a damaged one is replaced, and every server gets a new port.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._kept = {str(n): int(p) for n, p in json.loads(file.read_bytes()).items()}
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            self._kept = {}

    def of(self, name: str, *, in_use: bool) -> int:
        """Return the port of this name.

        Args:
            name: of a server, or of one of its ports.
            in_use: its server runs, so that the port stays although it is not free.
        """
        port = self._kept.get(name)
        if port is None or not (in_use or is_free(port)):
            taken = set(self._kept.values())
            port = next(p for p in iter(_any_port, 0) if p not in taken and is_free(p))
            self._kept[name] = port
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(self._kept), "utf-8")
            part.replace(self._file)
        return port


def _any_port() -> int:
    return secrets.choice(_PORTS)


def is_free(port: int) -> bool:
    """Return whether a server could listen there; lingering closed connections do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
