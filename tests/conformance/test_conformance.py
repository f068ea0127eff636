"""Every input of `cases.yaml` becomes what docs/conformance.md says, up to the table."""

from pathlib import Path

import pytest

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event.model import encode
from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from tests.conformance.page import CPF, PAGE, SPELT, Case, cases, outcomes, page


def test_the_page_says_what_the_code_does() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.conformance.page`"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_its_events_reach_the_table_and_show_nobody(case: Case, tmp_path: Path) -> None:
    events = [found.event for found in outcomes(case) if found.event is not None]
    values = [encode(event) for event in events]
    assert not any(text.encode() in value for value in values for text in (CPF, SPELT))
    lake = DeltaLake(type="delta_lake", uri=str(tmp_path))
    for category in sorted({event.category for event in events}):
        topic = category.topic
        records = [
            Record(topic, 0, n, 1, None, value, ())
            for n, (event, value) in enumerate(zip(events, values, strict=True))
            if event.category == category
        ]
        decoded = decode(records)
        assert not decoded.bad
        place = TopicIdPartition(topic, "id", 0)
        lake.write(EventBatch(decoded.table, {place: len(events)}, "cluster"), _refuse)
        table = LakeTable(Location(str(tmp_path), category.plural))
        assert {file.date.year for file in table.live().values()} == {2026}
    assert lake.counts["written"] == len(events)


def _refuse(rows: object, reason: str) -> None:
    raise AssertionError(reason, rows)
