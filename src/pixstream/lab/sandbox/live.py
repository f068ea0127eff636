"""Live traffic for a sandbox that is tried by hand."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import TYPE_CHECKING

from pixstream.lab.simulation.offers import TrafficPlan
from pixstream.lab.simulation.pieces import BANK_API
from pixstream.lab.simulation.world import World

if TYPE_CHECKING:
    from threading import Event

    from pixstream.lab.sandbox.bank import Bank

CHUNK_SECONDS = 10


def live(bank: Bank, *, per_second: float, seed: int, stop: Event) -> None:
    """Record receipts and returns, and call back, until `stop` is set.

    Args:
        bank: the receiving bank; it calls back for Pix with a txid to registered keys.
        per_second: average number of events per second.
        seed: seed of the people and their traffic; the times come from the clock.
        stop: event that ends the traffic.
    """
    world = World(seed)
    for chunk in count():
        now = dt.datetime.now(dt.UTC)
        events = max(1, round(per_second * CHUNK_SECONDS))
        sub_seed = seed * 1_000_003 + chunk
        offers = list(
            TrafficPlan(events, sub_seed, now=now, days=0.05, sources=(BANK_API,), world=world)
        )
        for offer in offers:
            if stop.wait(events / per_second / len(offers)):
                return
            bank.add(offer.content, created=offer.created, payer_document=offer.payer_document)
