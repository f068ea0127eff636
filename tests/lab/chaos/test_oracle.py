import datetime as dt

import pytest

from pixstream.lab.chaos.oracle import KINDS, SKEWED, Marks, Oracle
from pixstream.lab.simulation.pieces import SOURCES

START = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(7, START)


def test_the_same_number_is_always_the_same_document(oracle: Oracle) -> None:
    again = Oracle(7, START)
    assert [oracle.told(n) for n in range(200)] == [again.told(n) for n in range(200)]
    assert oracle.told(5) != Oracle(8, START).told(5)


def test_documents_hold_exactly_the_facts_asked_for(oracle: Oracle) -> None:
    for wanted in (1, 2, 3, 1000):
        assert sum(len(told.facts) for told in oracle.documents(wanted)) == wanted


def test_every_source_and_kind_is_told(oracle: Oracle) -> None:
    documents = list(oracle.documents(2000))
    assert {told.source for told in documents} == set(SOURCES)
    kinds = {(t.source, tuple((f.category, f.status) for f in t.facts)) for t in documents}
    assert kinds == {(kind.source, kind.facts) for kind in KINDS}
    assert sum(kind.percent for kind in KINDS) == 100


def test_an_identifier_tells_its_number_and_its_fact(oracle: Oracle) -> None:
    for told in oracle.documents(500):
        for fact in told.facts:
            assert oracle.number(fact.identifier) == told.number
            assert fact.bit == (1 if fact.identifier.startswith("E") else 2)


def test_an_identifier_that_the_oracle_never_made_has_no_number(oracle: Oracle) -> None:
    identifier = oracle.told(3).facts[0].identifier
    changed = identifier[:-1] + ("0" if identifier[-1] != "0" else "1")
    assert oracle.number(changed) is None
    assert oracle.number("E9999900420261124120000000000000") is None
    assert oracle.number(None) is None
    assert Oracle(8, START).number(identifier) is None


def test_event_ids_are_distinct(oracle: Oracle) -> None:
    ids = [fact.event_id for told in oracle.documents(3000) for fact in told.facts]
    assert len(set(ids)) == 3000


def test_some_sources_have_a_clock_that_jumped(oracle: Oracle) -> None:
    years = {oracle.told(n).transfer.when.year for n in range(SKEWED * 3)}
    assert years == {2021, 2026, 2056}


def test_poison_is_found_again_inside_of_anything(oracle: Oracle) -> None:
    content = f"x{oracle.poison(4)}y {oracle.poison(9)}".encode()
    assert oracle.poisons(content) == {4, 9}
    assert oracle.poisons(b"poison-00000400000") == set()


def test_marks_count_facts_and_compare() -> None:
    told, found = Marks(), Marks()
    told.add(0, 1)
    told.add(5000, 3)
    found.add(5000, 2)
    assert (told.count(), found.count()) == (3, 1)
    assert told.missing_in(found) == 2
    assert list(told.missing_numbers(found)) == [0, 5000]
    assert found.missing_in(told) == 0
    assert told[4000] == 0
    assert told[10**6] == 0
