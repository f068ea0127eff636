"""`pixstream sandbox`: a bank that behaves as API Pix 2.9.0 describes."""

from __future__ import annotations

import datetime as dt
import secrets

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True)
@click.option("--events", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="Of the simulated traffic.")
@click.option("--client-id", default="sandbox", show_default=True)
@click.option(
    "--client-secret",
    envvar="PIXSTREAM_SANDBOX_SECRET",
    default=None,
    help="Default: a new one, printed at the start.",
)
@click.option("--webhook", help="URL that callback bodies go to, with /pix behind it.")
def sandbox(
    host: str,
    port: int,
    events: int,
    seed: int,
    client_id: str,
    client_secret: str | None,
    webhook: str | None,
) -> None:
    """Serve a bank in memory until Ctrl-C, filled with EVENTS facts of simulated traffic.

    \b
    It gives tokens (POST /oauth/token), lists received Pix (GET /pix/v2/pix), takes webhooks
    (PUT /pix/v2/webhook/{chave}) and posts to them, and orders returns; errors come in RFC 7807.
      pixstream sandbox --events 5000 --webhook http://127.0.0.1:8080
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.lab.sandbox.bank import Bank
    from pixstream.lab.sandbox.server import serve
    from pixstream.lab.simulation.offers import Plan
    from pixstream.lab.simulation.pieces import BANK_API, WEBHOOK

    secret = client_secret or secrets.token_urlsafe(16)
    bank = Bank({client_id: secret}, default_webhook=webhook)
    if events:
        sources = [BANK_API, WEBHOOK]
        for offer in Plan(events, seed, now=dt.datetime.now(dt.UTC), sources=sources):
            bank.offer(offer)
    click.echo(
        f"API Pix    http://{host}:{port}/pix/v2\ntoken      http://{host}:{port}/oauth/token"
    )
    click.echo(f"client     {client_id}\nsecret     {secret if client_secret is None else '***'}")
    click.echo(f"Pix        {len(bank.store):,}; bodies for webhooks follow their registration")
    serve(bank, host, port)
