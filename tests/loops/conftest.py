"""Worlds over Kafka in memory for the loops, see `produce_world` and `consume_world`."""

from collections.abc import Iterator

import pytest

from pixstream import breaker
from pixstream.loops import assignment, member
from tests.loops import consume_world, produce_world


@pytest.fixture
def world() -> Iterator[produce_world.World]:
    """Kafka in memory, a source, and processes in steps."""
    made = produce_world.World()
    yield made
    made.close()


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> consume_world.Ticks:
    """The clock of the reading side, which goes on only when somebody looks."""
    clock = consume_world.Ticks()
    for part in (assignment, breaker, member):
        monkeypatch.setattr(part, "time", clock)
    monkeypatch.setattr(member, "POLL_SECONDS", 0.0001)
    return clock
