"""The contract of every consumer, as tests to inherit from. Needs pytest.

class TestMyDestination(ConsumerContract):
    type_name = "my_destination"
    sample = "url: https://destination.example"

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Destination: ...
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Protocol

import pytest

from pixstream.plugins.consumer import Consumer, RemembersOffsets
from pixstream.testing.batches import CLUSTER, batch, partition
from pixstream.testing.events import event
from pixstream.testing.plugin_contract import PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.plugins.component import Component


class Destination(Protocol):
    """An empty destination for one test."""

    def consumer(self) -> Consumer:
        """Return a new plugin on the same destination, as after a restart."""

    def held(self) -> Counter[str]:
        """Return how often the destination has each EndToEndId, read without the plugin."""


class ConsumerContract(PluginContract):
    """The tests; subclass it with a fixture `destination`.

    Attributes:
        forgets: the destination does not remember events (people who read a console): a batch that
            is written again appears again.
    """

    kind: ClassVar[type[Component]] = Consumer
    forgets: ClassVar[bool] = False

    def test_each_event_of_a_batch_arrives_once(self, destination: Destination) -> None:
        """Nothing that matches the schema is rejected."""
        destination.consumer().write(_FIRST, _never)
        assert destination.held() == _ONCE

    def test_the_same_batch_again_changes_nothing(self, destination: Destination) -> None:
        """After a crash between `write` and the group's commit, the same offsets come again."""
        consumer = destination.consumer()
        consumer.write(_FIRST, _never)
        consumer.write(_FIRST, _never)
        self._check(destination, times=2)

    def test_the_same_batch_again_after_a_restart_changes_nothing(
        self, destination: Destination
    ) -> None:
        """Its memory is in the destination, not in the process."""
        for _ in range(2):
            consumer = destination.consumer()
            consumer.write(_FIRST, _never)
            consumer.close()
        self._check(destination, times=2)

    def test_a_batch_without_events_is_taken(self, destination: Destination) -> None:
        """Offsets move past markers and dead letters too."""
        destination.consumer().write(batch({}, {_PLACE: 9}), _never)
        assert destination.held() == {}

    def test_the_offsets_it_remembers_are_those_of_the_batch(
        self, destination: Destination
    ) -> None:
        """Skipped if the destination does not remember offsets: the group decides."""
        consumer = destination.consumer()
        if not isinstance(consumer, RemembersOffsets):
            pytest.skip("it does not remember offsets")
        assert consumer.offsets([_PLACE], CLUSTER) == {}
        consumer.write(_FIRST, _never)
        again = destination.consumer()
        assert isinstance(again, RemembersOffsets)
        assert again.offsets([_PLACE], CLUSTER) == dict(_FIRST.next_offsets)

    def test_check_leaves_the_destination_as_it_is(self, destination: Destination) -> None:
        """`pixstream check` reports its finding and writes nothing."""
        assert destination.consumer().check()
        assert destination.held() == {}

    def _check(self, destination: Destination, times: int) -> None:
        factor = times if self.forgets else 1
        assert destination.held() == Counter(dict.fromkeys(_ONCE, factor))


_PLACE = partition()
_EVENTS = [event(number, amount_centavos=100 + number) for number in range(5)]
_FIRST = batch({_PLACE: (0, _EVENTS)}, {_PLACE: 7})
_ONCE = Counter(str(made.end_to_end_id) for made in _EVENTS)


def _never(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{len(rows)} events that match the schema are rejected: {reason}")
