"""Whether a listener can be reached by strangers."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple


class Listener(NamedTuple):
    """Where something listens, and what its settings say about who may call.

    Attributes:
        host: address or name that it is bound to; empty: every address of the machine.
        port: port that it is bound to; 0: any free one.
        guards: the settings that can keep strangers out, by name, and whether each one does.
        open: the settings say that everybody who reaches the address may call.
    """

    host: str
    port: int
    guards: dict[str, bool]
    open: bool

    @property
    def exposure(self) -> str | None:
        """What is wrong, and what to do, if strangers may call without anybody having said so."""
        if self.open or is_loopback(self.host) or any(self.guards.values()):
            return None
        unset = " and ".join(self.guards)
        return (
            f"everybody who reaches port {self.port} of {self.host or 'any address'} may call, "
            f"since {unset} {'is' if len(self.guards) == 1 else 'are'} not set; set one, listen on "
            "127.0.0.1, or say open: true if it is meant"
        )


def is_loopback(host: str) -> bool:
    """Return whether only processes of this machine reach the address; a name counts as public."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
