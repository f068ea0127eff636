"""`pixstream sandbox`: serve a bank that behaves as API Pix 2.9.0 specifies."""

from __future__ import annotations

import datetime as dt
import secrets

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--events", type=click.IntRange(0), default=1000, show_default=True, help="Number of facts."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the simulation.")
@click.option("--client-id", default="sandbox", show_default=True, help="OAuth client id.")
@click.option(
    "--client-secret",
    envvar="PIXSTREAM_SANDBOX_SECRET",
    default=None,
    help="OAuth client secret.  [default: a new one, printed at startup]",
)
@click.option(
    "--open", "public", is_flag=True, help="Serve on an address that other machines reach."
)
@click.option("--webhook", help="URL for callbacks; /pix is appended to it.")
def sandbox(
    host: str,
    port: int,
    events: int,
    seed: int,
    client_id: str,
    client_secret: str | None,
    *,
    public: bool,
    webhook: str | None,
) -> None:
    """Serve an in-memory bank, filled with simulated traffic, until Ctrl-C.

    \b
    It issues tokens (POST /oauth/token), lists received Pix (GET /pix/v2/pix), registers webhooks
    (PUT /pix/v2/webhook/{chave}) and calls them, and accepts returns. Errors follow RFC 7807.
      pixstream sandbox --events 5000 --webhook http://127.0.0.1:8080
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.http_serving.exposure import is_loopback
    from pixstream.lab.sandbox.bank import Bank
    from pixstream.lab.sandbox.server import serve
    from pixstream.lab.simulation.offers import TrafficPlan
    from pixstream.lab.simulation.pieces import BANK_API, WEBHOOK

    if not public and not is_loopback(host):
        raise click.UsageError(
            f"other machines reach {host}, and /sandbox asks nobody for a password; use "
            "--host 127.0.0.1, or --open if that is meant"
        )
    secret = client_secret or secrets.token_urlsafe(16)
    bank = Bank({client_id: secret}, default_webhook=webhook)
    if events:
        sources = [BANK_API, WEBHOOK]
        for offer in TrafficPlan(events, seed, now=dt.datetime.now(dt.UTC), sources=sources):
            bank.offer(offer)
    click.echo(
        f"API Pix    http://{host}:{port}/pix/v2\ntoken      http://{host}:{port}/oauth/token"
    )
    click.echo(f"client     {client_id}\nsecret     {secret if client_secret is None else '***'}")
    click.echo(f"Pix        {len(bank.store):,}; callbacks start once a webhook is registered")
    serve(bank, host, port)
