"""What a listener demands of its clients: how many connections, how long, and from where."""

from __future__ import annotations

import functools
import ipaddress
import resource
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

KEPT_FILES = 128
"""Files that a process may have open besides its clients' connections."""

_LEAST_CONNECTIONS = 8
_CACHED_ADDRESSES = 4096
_NEIGHBOURS = 64
"""Bits of an IPv6 address that one customer of a provider has: the rest is free to choose."""


class ConnectionLimits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `connections` section of something that listens."""

    most: Annotated[
        int,
        Meta(
            ge=1,
            description="open connections; fewer where the process may not open as many files. One "
            "more takes the place of the one that has waited longest for its client",
        ),
    ] = 1000
    per_address: Annotated[
        int,
        Meta(
            ge=1,
            description="the same of one address (IPv6: /64); as many as `most` behind a proxy",
        ),
    ] = 500
    head_seconds: Annotated[
        float, Meta(gt=0, description="how long TLS and the headers of a request may take, s")
    ] = 10.0
    body_seconds: Annotated[
        float, Meta(gt=0, description="how long the body of a request may take, s")
    ] = 20.0
    idle_seconds: Annotated[
        float, Meta(gt=0, description="how long a connection may wait for its next request, s")
    ] = 15.0
    write_seconds: Annotated[
        float,
        Meta(
            gt=0, description="a client that reads nothing of its answer is cut off after this, s"
        ),
    ] = 10.0

    def within_files(self) -> int:
        """Return how many connections may be open: `most`, and what files this process may open."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files == resource.RLIM_INFINITY:
            return self.most
        return min(self.most, max(files - KEPT_FILES, _LEAST_CONNECTIONS))


class Terms(NamedTuple):
    """The terms on which connections are accepted.

    Attributes:
        limits: how many, and how long each may take for what it does.
        allowed: from where; empty: from everywhere.
        tls: None: plain HTTP.
    """

    limits: ConnectionLimits = ConnectionLimits()
    allowed: tuple[Network, ...] = ()
    tls: ssl.SSLContext | None = None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of a setting; an address alone is a network of one.

    Raises:
        ConfigError: one of them is neither an address nor a network.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip()))
        except ValueError:
            raise ConfigError(
                f"allow_from: {text!r} is neither an address nor a network such as 10.1.0.0/16"
            ) from None
    return tuple(found)


def everybody(allowed: Iterable[Network]) -> bool:
    """Return whether a network contains every address of its kind, so that the list is no guard."""
    return any(network.prefixlen == 0 for network in allowed)


def is_allowed(address: str, allowed: tuple[Network, ...]) -> bool:
    """Return whether an address may call: it is in one of the networks, or there are none."""
    own = _plain(address)
    return not allowed or any(
        own in network for network in allowed if network.version == own.version
    )


@functools.lru_cache(_CACHED_ADDRESSES)
def neighbours(address: str) -> str:
    """Return the name under which connections are counted by address: an IPv6 client has a /64."""
    own = _plain(address)
    if own.version == 4:  # noqa: PLR2004  a version, not a quantity
        return str(own)
    return str(ipaddress.ip_network((own, _NEIGHBOURS), strict=False))


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found
