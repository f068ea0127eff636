"""A table to which nothing is committed while facts wait is seen, whatever heals it later."""

import datetime as dt
import re
from pathlib import Path

import pytest

from pixstream.cli.console import PLAIN_WIDTH
from pixstream.event.categories import Category
from pixstream.lab.chaos.oracle import NumberedDocument, Oracle
from pixstream.lab.chaos.stalls import LOOK_SECONDS, Stalls
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SYSTEM_LOG, WEBHOOK

P, R, E = Category.PAGAMENTO, Category.RECEBIMENTO, Category.ESTORNO
ORACLE = Oracle(7, dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC))


def told(source: str, *categories: Category) -> NumberedDocument:
    """A document of this source with facts of these categories."""
    wanted = (source, list(categories))
    documents = (ORACLE.told(number) for number in range(10_000))
    return next(d for d in documents if (d.source, [f.category for f in d.facts]) == wanted)


class Lake:
    """Logs of tables, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.versions = dict.fromkeys(Category, -1)
        self.now = 1000.0
        for category in Category:
            (directory / category.plural / "_delta_log").mkdir(parents=True)
            self.commit(category, '{"protocol":{}}')
        self.stalls = Stalls(directory)

    def commit(self, category: Category, content: str = '{"txn":{"appId":"a"}}') -> None:
        self.versions[category] += 1
        log = self.directory / category.plural / "_delta_log"
        (log / f"{self.versions[category]:020d}.json").write_text(content)

    def look(self, seconds: float, *, disk_shut: bool = False) -> None:
        self.now += seconds
        self.stalls.look(self.now, disk_shut=disk_shut)

    def longest(self) -> dict[Category, float]:
        return {c: stall.seconds for c, stall in self.stalls.longest.items()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    lake.look(0)
    return lake


def test_a_wait_counts_until_the_next_commit_to_its_own_table(lake: Lake) -> None:
    lake.stalls.told([told(SYSTEM_LOG, P), told(ISO20022, R)])
    lake.look(10)
    lake.commit(R)
    lake.look(10)
    lake.look(10)
    lake.commit(P)
    lake.look(10)
    lake.look(100)
    assert lake.longest() == {P: 30.0, R: 10.0}


def test_the_longest_of_several_waits_stays(lake: Lake) -> None:
    for seconds in (5, 40, 20):
        lake.stalls.told([told(BANK_API, R)])
        lake.look(seconds)
        lake.commit(R)
        lake.look(1)
    assert lake.longest() == {R: 40.0}


def test_without_waiting_facts_there_is_no_stall(lake: Lake) -> None:
    lake.look(500)
    lake.stalls.told([])
    lake.stalls.told([told(WEBHOOK, R)])  # an obligation only when it is answered for
    lake.look(500)
    assert lake.longest() == {}
    assert lake.stalls.summary().endswith(": none")


def test_every_fact_of_a_document_waits(lake: Lake) -> None:
    lake.stalls.told([told(BANK_API, R, E)])
    lake.look(3)
    assert lake.longest() == {R: 3.0, E: 3.0}


def test_what_moves_no_offset_is_no_commit_of_facts(lake: Lake) -> None:
    lake.stalls.told([told(SYSTEM_LOG, P)])
    lake.look(10)
    lake.commit(P, '{"add":{"dataChange":false}}')
    lake.look(10)
    assert lake.longest() == {P: 20.0}


def test_time_with_the_disk_shut_does_not_count(lake: Lake) -> None:
    lake.stalls.told([told(SYSTEM_LOG, P)])
    lake.look(2)
    lake.look(50, disk_shut=True)
    lake.look(3)
    assert lake.longest() == {P: 5.0}


def test_a_table_that_is_not_there_yet_stalls_too(tmp_path: Path) -> None:
    stalls = Stalls(tmp_path)
    stalls.told([told(SYSTEM_LOG, P)])
    stalls.look(1.0, disk_shut=False)
    stalls.look(8.0, disk_shut=False)
    assert stalls.longest[P].seconds == 7.0


def test_looks_that_follow_at_once_ask_for_nothing(lake: Lake) -> None:
    lake.stalls.told([told(SYSTEM_LOG, P)])
    lake.look(LOOK_SECONDS / 2)
    assert lake.longest() == {}
    lake.look(LOOK_SECONDS / 2)
    assert lake.longest() == {P: LOOK_SECONDS}


def test_the_summary_names_every_table_with_its_longest_stall(lake: Lake) -> None:
    lake.stalls.told([told(SYSTEM_LOG, P), told(BANK_API, R, E)])
    lake.look(7)
    summary = lake.stalls.summary()
    assert re.fullmatch(
        r"longest stalls in the storm: estornos 7\.0 s \(from [0-9:]{8} UTC\), "
        r"pagamentos 7\.0 s \(from [0-9:]{8} UTC\), recebimentos 7\.0 s \(from [0-9:]{8} UTC\)",
        summary,
    )
    assert len(summary) < PLAIN_WIDTH


def test_it_is_quiet_while_facts_wait_and_no_table_at_all_gets_a_commit(lake: Lake) -> None:
    lake.look(50)
    assert lake.stalls.quiet_seconds == 0
    lake.stalls.told([told(SYSTEM_LOG, P), told(ISO20022, R)])
    lake.look(10)
    lake.look(5, disk_shut=True)
    assert lake.stalls.quiet_seconds == 10
    lake.commit(R)
    lake.look(1)
    assert lake.stalls.quiet_seconds == 0
    lake.look(3)
    assert lake.stalls.quiet_seconds == 3


def test_commits_that_move_offsets_are_counted(lake: Lake) -> None:
    for content in ('{"txn":{}}', '{"add":{}}', '{"txn":{}}'):
        lake.commit(R, content)
    lake.commit(P)
    lake.look(1)
    assert lake.stalls.commits == 3
