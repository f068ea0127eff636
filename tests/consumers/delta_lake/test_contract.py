from collections import Counter
from pathlib import Path

import pytest

from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event.categories import Category
from pixstream.lab.demo import tables
from pixstream.testing.consumer_contract import ConsumerContract


class Lake:
    def __init__(self, place: Path) -> None:
        self._place = place

    def consumer(self) -> DeltaLake:
        return DeltaLake(type="delta_lake", uri=str(self._place))

    def held(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for category in Category:
            table = tables.read(self._place / category.plural, ["end_to_end_id"])
            found.update([] if table is None else table["end_to_end_id"].to_pylist())
        return found


class TestDeltaLake(ConsumerContract):
    type_name = "delta_lake"
    sample = "uri: data/lake"

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Lake:
        return Lake(tmp_path / "lake")
