"""Traffic of this very moment for a sandbox that somebody tries by hand."""

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
        bank: who receives; its registered keys with a txid are called back.
        per_second: events, on average.
        seed: of the people and of their traffic; the times are those of the clock.
        stop: ends it.
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
