"""The `page` section: the operator's page of each `pixstream run`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pixstream.http_serving.exposure import Listener
from pixstream.http_serving.limits import ConnectionLimits, everybody, networks
from pixstream.secret_setting import public, secret


class PageSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `page` section: the operator's page of each `pixstream run`."""

    enabled: Annotated[bool, Meta(description="serve the operator's page")] = True
    host: Annotated[
        str,
        Meta(min_length=1, description="address to listen on; reading the page needs no login"),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="port; 0, or where another program has it: any free one, which "
            "`pixstream status` shows",
        ),
    ] = 9490
    names: Annotated[
        list[str],
        Meta(
            description="host names by which browsers reach it, besides localhost, its address and "
            "every address of the loopback network; a request for another name is refused"
        ),
    ] = msgspec.field(default_factory=list)
    token: Annotated[
        str,
        Meta(pattern="^(.{16,})?$"),
        secret(
            "what an operator presents to replay, discard or reopen letters, 16 characters at "
            "least; empty: the page only shows"
        ),
    ] = ""
    certificate: Annotated[
        str, Meta(description="PEM file of the server certificate; empty: plain HTTP")
    ] = ""
    key: Annotated[
        str, public("PEM file of its private key; empty: it is in the file of the certificate")
    ] = ""
    alertmanager: Annotated[
        str,
        Meta(
            pattern="^(https?://.+)?$",
            description="address of an Alertmanager, whose alerts the page shows; empty: what the "
            "supervisor itself sees",
        ),
    ] = ""
    bundle: Annotated[
        str, Meta(description="folder of the Databricks bundle whose jobs the page lists")
    ] = "databricks"
    streams: Annotated[
        int, Meta(ge=1, le=1000, description="browsers that may get live figures at the same time")
    ] = 20
    call_seconds: Annotated[
        float,
        Meta(gt=0, description="how long a page may wait for Kafka or a table, s"),
    ] = 30.0
    action_seconds: Annotated[
        float, Meta(gt=0, description="how long a replay from the page may take, s")
    ] = 1800.0
    allow_from: Annotated[
        list[str],
        Meta(description="addresses and networks that may connect: 10.1.0.0/16; empty: all"),
    ] = msgspec.field(default_factory=list)
    connections: Annotated[ConnectionLimits, Meta(description="limits of the connections")] = (
        msgspec.field(
            default_factory=lambda: ConnectionLimits(
                most=200, per_address=100, head_seconds=5.0, body_seconds=5.0, write_seconds=10.0
            )
        )
    )
    open: Annotated[
        bool,
        Meta(
            description="true: everybody who reaches host may read it; without it a page on "
            "another address than 127.0.0.1 does not start in prod"
        ),
    ] = False

    def listener(self) -> Listener:
        """Return where it listens, and who may call."""
        allowed = networks(self.allow_from)
        guards = {"allow_from": bool(allowed) and not everybody(allowed)}
        return Listener(self.host, self.port, guards, self.open)
