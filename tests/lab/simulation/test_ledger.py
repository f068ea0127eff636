"""The plan's ledger against the parsers: both must name the same facts."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixstream.event import routing
from pixstream.event.model import Draft, Flag
from pixstream.formats import api_pix, log_line, spi
from pixstream.lab.simulation.offers import plan
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SYSTEM_LOG, WEBHOOK, Fact
from pixstream.lab.simulation.world import OWN_ISPB

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from pixstream.event.model import Refusal
    from pixstream.lab.simulation.batches import Offer


def read(offer: Offer) -> Iterator[Draft | Refusal]:
    if offer.source == ISO20022:
        yield from spi.parse(offer.content)
    elif offer.source == SYSTEM_LOG:
        for line in offer.content.split(b"\n"):
            parsed = log_line.parse(line)
            if parsed is not None:
                yield parsed
    else:
        yield from api_pix.parse(offer.content, ispb=OWN_ISPB)


def fact(draft: Draft) -> Fact:
    route = routing.route(draft, frozenset({OWN_ISPB}))
    assert Flag.CATEGORY_ASSUMED not in route.flags
    return Fact(route.category, draft.return_id or draft.end_to_end_id or "", route.status)


@pytest.mark.parametrize("seed", [1, 2])
def test_parsers_and_routing_find_the_ledgers_facts_and_letters(
    seed: int, now: dt.datetime
) -> None:
    told: set[Fact] = set()
    deliveries = repeats = 0
    again: set[Fact] = set()
    for offer in plan(10_000, seed, now=now):
        contents = list(read(offer))
        found = [fact(content) for content in contents if isinstance(content, Draft)]
        letters = Counter(
            hashlib.sha256(content.raw).hexdigest()
            for content in contents
            if not isinstance(content, Draft)
        )

        assert letters == Counter(offer.malformed)
        assert set(offer.facts) <= set(found)
        assert len(found) == len(offer.facts) + offer.repeats
        told |= set(offer.facts)
        again |= set(found) - set(offer.facts)
        deliveries += len(found)
        repeats += offer.repeats

    assert again <= told
    assert deliveries == len(told) + repeats


def test_irregular_documents_carry_their_flags(now: dt.datetime) -> None:
    flags: set[str] = set()
    for offer in plan(6_000, 1, now=now, sources=(WEBHOOK, SYSTEM_LOG)):
        for content in read(offer):
            if isinstance(content, Draft):
                flags |= set(content.flags)

    assert Flag.SHAPE_IRREGULAR in flags


def test_the_banks_own_objects_are_all_regular(now: dt.datetime) -> None:
    for offer in plan(3_000, 1, now=now, sources=(BANK_API,)):
        for content in read(offer):
            assert isinstance(content, Draft)
            assert content.flags == []
