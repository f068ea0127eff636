from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pixstream.event.categories import Category
from pixstream.lab.simulation.offers import TrafficPlan, plan
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SOURCES, SYSTEM_LOG, WEBHOOK

if TYPE_CHECKING:
    import datetime as dt

    from pixstream.lab.simulation.batches import Offer


def run(events: int, now: dt.datetime, **options: Any) -> tuple[TrafficPlan, list[Offer]]:
    planned = plan(events, options.pop("seed", 7), now=now, **options)
    return planned, list(planned)


@cache
def twenty_thousand(now: dt.datetime) -> tuple[TrafficPlan, list[Offer]]:
    return run(20_000, now)


@pytest.mark.parametrize("events", [1, 2, 10, 1_000, 20_000])
def test_a_plan_has_exactly_the_distinct_facts_it_was_asked_for(
    events: int, now: dt.datetime
) -> None:
    planned, offers = run(events, now)
    facts = [fact for offer in offers for fact in offer.facts]
    malformed = [digest for offer in offers for digest in offer.malformed]

    assert len(facts) == len(set(facts)) == planned.facts
    assert len(malformed) == len(set(malformed)) == planned.malformed
    assert len(facts) + len(malformed) == events


@pytest.mark.parametrize("seed", range(20))
def test_small_plans_are_exact_with_every_seed(seed: int, now: dt.datetime) -> None:
    planned, offers = run(25, now, seed=seed)

    assert len({f for o in offers for f in o.facts}) + planned.malformed == 25


def test_the_same_arguments_make_the_same_bytes(now: dt.datetime) -> None:
    assert run(2_000, now)[1] == run(2_000, now)[1]
    assert run(2_000, now)[1] != run(2_000, now, seed=8)[1]


P, R, E = Category.PAGAMENTO, Category.RECEBIMENTO, Category.ESTORNO


def test_every_source_tells_every_category_that_it_can(now: dt.datetime) -> None:
    planned, _ = twenty_thousand(now)
    everything = {(source, category) for source in SOURCES for category in (P, R, E)}

    assert set(planned.counts) == everything - {(BANK_API, Category.PAGAMENTO)}
    assert min(planned.counts.values()) >= 100
    assert sum(planned.counts.values()) == planned.facts


def test_a_few_are_malformed_and_a_few_are_delivered_twice(now: dt.datetime) -> None:
    planned, offers = twenty_thousand(now)

    assert 60 <= planned.malformed <= 140
    assert 200 <= planned.repeats <= 1_000
    assert sum(offer.repeats for offer in offers) == planned.repeats
    assert {o.source for o in offers if o.malformed} == {WEBHOOK, SYSTEM_LOG, ISO20022}


def test_a_malformed_piece_stands_in_its_document_byte_for_byte(now: dt.datetime) -> None:
    _, offers = twenty_thousand(now)

    for offer in offers:
        assert set(offer.malformed) <= {_digest(p) for p in _pieces(offer)}


def test_some_pix_come_first_without_and_later_with_their_return(now: dt.datetime) -> None:
    _, offers = twenty_thousand(now)
    states: dict[str, list[bool]] = {}
    for offer in offers:
        if offer.source == BANK_API:
            returned = "devolucoes" in msgspec.json.decode(offer.content)
            states.setdefault(offer.name, []).append(returned)

    assert [False, True] in states.values()
    assert [True] in states.values()


def test_a_pix_of_two_months_ago_is_recorded_then(now: dt.datetime) -> None:
    _, offers = twenty_thousand(now)
    old = [offer for offer in offers if offer.created]

    assert old
    assert all(49 <= (now - o.created).days <= 74 for o in old if o.created)


def test_no_document_is_later_than_now(now: dt.datetime) -> None:
    _, offers = run(5_000, now)
    written = f"{now:%Y-%m-%dT%H:%M:%S}"

    for offer in offers:
        if offer.source == SYSTEM_LOG and not offer.malformed:
            for line in offer.content.splitlines():
                assert msgspec.json.decode(line)["timestamp"] <= written


def test_irregular_documents_are_under_one_in_a_thousand(now: dt.datetime) -> None:
    _, offers = twenty_thousand(now)
    facts = [fact for offer in offers for fact in offer.facts]
    irregular = [f for f in facts if len(f.identifier) != 32 or f.identifier[15:17] == "34"]

    assert 0 < len(irregular) < len(facts) / 1_000


def test_labels_name_fraudulent_pix_that_the_offers_tell(now: dt.datetime) -> None:
    planned, offers = twenty_thousand(now)
    told = b"\n".join(offer.content for offer in offers)

    assert planned.labels
    assert {label["pattern"] for label in planned.labels} >= {
        "mule",
        "account_takeover",
        "fragmentation",
        "return_chain",
    }
    for label in planned.labels:
        assert label["end_to_end_id"].encode() in told


def test_the_documents_hold_the_clear_identifiers_that_the_plan_names(now: dt.datetime) -> None:
    planned, offers = run(500, now)
    told = b"\n".join(offer.content for offer in offers).decode(errors="replace")
    clear = planned.clear_identifiers()
    documents = {
        line["pagador"][name]
        for offer in offers
        if offer.source == SYSTEM_LOG and not offer.malformed
        for line in map(msgspec.json.decode, offer.content.splitlines())
        for name in ("documento", "conta", "nome")
    }

    assert documents
    assert documents <= clear
    assert sum(text in told for text in clear) > 500


def test_only_the_wanted_sources_are_fed(now: dt.datetime) -> None:
    for source in SOURCES:
        planned, offers = run(300, now, sources=(source,))
        assert {offer.source for offer in offers} == {source}
        assert planned.facts + planned.malformed == 300


@pytest.mark.parametrize(
    ("events", "options"), [(0, {}), (5, {"days": 0}), (5, {"sources": ("fax",)})]
)
def test_a_plan_that_makes_no_sense_is_refused(
    events: int, options: dict[str, Any], now: dt.datetime
) -> None:
    with pytest.raises(ValueError, match="at least one event"):
        plan(events, 1, now=now, **options)


def _pieces(offer: Offer) -> list[bytes]:
    """Everything in a document that could be a dead letter."""
    pieces = [offer.content]
    if offer.source == SYSTEM_LOG:
        pieces += offer.content.split(b"\n")
    elif offer.source == WEBHOOK and offer.content.startswith(b'{"pix":['):
        try:
            pieces += map(
                bytes, msgspec.json.decode(offer.content, type=dict[str, list[msgspec.Raw]])["pix"]
            )
        except msgspec.DecodeError:
            return pieces
    return pieces


def _digest(piece: bytes) -> str:
    return hashlib.sha256(piece).hexdigest()
