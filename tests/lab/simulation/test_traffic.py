from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from pixstream.event import identifiers
from pixstream.event.model import Status
from pixstream.event.values import BRASILIA
from pixstream.lab.simulation import fraud
from pixstream.lab.simulation.traffic import Traffic
from pixstream.lab.simulation.world import World

if TYPE_CHECKING:
    from pixstream.lab.simulation.transfers import Transfer

END = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
WORLD = World(1)


def traffic(count: int, *, days: float = 7, seed: int = 1) -> list[Transfer]:
    start = END - dt.timedelta(days=days)
    stream = Traffic(WORLD, seed, start=start, end=END, expected=count)
    return list(islice(stream, count))


@pytest.fixture(scope="module")
def week() -> list[Transfer]:
    return traffic(20_000)


def test_the_same_seed_makes_the_same_transfers() -> None:
    first, second = ([(t.e2e, t.centavos, t.key) for t in traffic(500)] for _ in range(2))

    assert first == second
    assert first != [(t.e2e, t.centavos, t.key) for t in traffic(500, seed=2)]


def test_transfers_come_in_the_order_of_telling_and_never_after_the_end(
    week: list[Transfer],
) -> None:
    told = [t.told for t in week]
    regular = [when for when in told if when < END - dt.timedelta(minutes=2)]

    assert regular == sorted(regular)
    assert max(told) <= END
    assert all(r.requested <= END for t in week for r in t.returns if t.pattern is None)


def test_people_pay_by_day_more_than_by_night(week: list[Transfer]) -> None:
    by_hour = Counter(t.told.astimezone(BRASILIA).hour for t in week)

    assert min(by_hour[hour] for hour in range(11, 20)) > 3 * by_hour[3]


def test_sundays_are_quieter_than_fridays(week: list[Transfer]) -> None:
    by_day = Counter(t.told.astimezone(BRASILIA).weekday() for t in week)

    assert by_day[4] > 1.3 * by_day[6]


def test_amounts_are_whole_centavos_of_at_least_one_and_mostly_small(week: list[Transfer]) -> None:
    amounts = sorted(t.centavos for t in week)

    assert amounts[0] >= 1
    assert amounts[len(amounts) // 2] < 20_000 < amounts[-1]


def test_every_transfer_touches_the_own_institution_and_two_holders(week: list[Transfer]) -> None:
    assert all(t.payer.own or t.payee.own for t in week)
    assert all(t.payer != t.payee for t in week)


def test_identifiers_are_regular_unique_and_name_the_payers_bank(week: list[Transfer]) -> None:
    assert len({t.e2e for t in week}) == len(week)
    for t in week:
        assert identifiers.E2E.fullmatch(t.e2e)
        assert t.e2e[1:9] == t.payer.ispb
        assert identifiers.id_time(t.e2e) == t.when.replace(second=0, microsecond=0)


def test_keys_and_txids_follow_the_form_of_initiation(week: list[Transfer]) -> None:
    forms = {t.initiation for t in week}

    assert forms == {"DICT", "MANU", "QRES", "QRDN", "APDN", "INIC", "AUTO"}
    for t in week:
        assert (t.key is None) == (t.initiation in {"MANU", "AUTO"})
        if t.initiation in {"QRDN", "APDN"}:
            assert t.txid is not None
            assert 26 <= len(t.txid) <= 35
        elif t.initiation in {"QRES", "INIC"}:
            assert t.txid is not None
            assert len(t.txid) <= 25
        else:
            assert t.txid is None


def test_returns_never_exceed_their_pix_and_some_are_of_two_months_ago(
    week: list[Transfer],
) -> None:
    returned = [t for t in week if t.returns]
    old = [t for t in returned if t.old]

    assert all(sum(r.centavos for r in t.returns) <= max(t.centavos, 2) for t in returned)
    assert all(49 <= (t.told - t.when).days <= 70 for t in old)
    assert {r.outcome for t in returned for r in t.returns} == {
        Status.INITIATED,
        Status.SETTLED,
        Status.REJECTED,
    }
    assert len(old) > 50


def test_every_pattern_of_fraud_happens_and_stays_rare(week: list[Transfer]) -> None:
    labelled = [t for t in week if t.pattern]

    assert {t.pattern for t in labelled} == {story.__name__ for story in fraud.STORIES}
    assert len(labelled) < 0.05 * len(week)


def test_a_mule_passes_on_most_of_what_it_got_within_two_hours(week: list[Transfer]) -> None:
    case = _case(week, "mule")
    payees = {t.payee.account for t in case}
    (mule,) = payees & {t.payer.account for t in case}
    got = [t for t in case if t.payee.account == mule]
    passed = [t for t in case if t.payer.account == mule]

    assert len({t.payer.account for t in got}) >= 6
    assert sum(t.centavos for t in passed) >= 0.9 * sum(t.centavos for t in got)
    assert max(t.when for t in passed) - min(t.when for t in got) <= dt.timedelta(hours=2)


def test_a_taken_account_pays_from_a_device_that_nobody_had(week: list[Transfer]) -> None:
    case = _case(week, "account_takeover")
    known = {holder.device.identifier for holder in WORLD.holders}

    assert len({t.device.identifier for t in case}) == 1
    assert case[0].device.identifier not in known
    assert all(t.centavos <= 20_000 for t in case)


def test_coercion_happens_in_the_local_night(week: list[Transfer]) -> None:
    assert all(fraud.night(t.when) for t in week if t.pattern == "coercion")


def test_fragments_stay_just_below_a_limit_for_one_payee(week: list[Transfer]) -> None:
    case = _case(week, "fragmentation")
    below = {
        limit
        for limit in (20_000, 100_000, 1_500_000)
        if all(limit - 500 <= t.centavos < limit for t in case)
    }

    assert len(below) == 1
    assert len({t.payee.account for t in case}) == 1


def _case(transfers: list[Transfer], pattern: str) -> list[Transfer]:
    """The first whole case of a pattern."""
    cases: dict[str, list[Transfer]] = {}
    for t in transfers:
        if t.pattern == pattern and t.case:
            cases.setdefault(t.case, []).append(t)
    return max(cases.values(), key=len)
