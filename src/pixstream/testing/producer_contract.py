"""The contract of every producer, as tests to inherit from. Needs pytest.

class TestMySource(ProducerContract):
    type_name = "my_source"
    sample = "directory: data/inbox"

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source: ...
"""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, ClassVar, Protocol

from pixstream.event.identifiers import generate_cpf
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.plugins.producer import LearnsOfDelivery, Position, Producer, Reading, Stream
from pixstream.testing.plugin_contract import PluginContract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixstream.plugins.component import Component

SECONDS = 60.0
"""Only a producer that hangs takes this long."""

CPF = generate_cpf(Random(11))


class Source(Protocol):
    """A source for one test, empty at first."""

    def producer(self) -> Producer:
        """Return a new plugin on the same source, as after a restart."""

    def add(self, count: int) -> Sequence[str]:
        """Add this many Pix to the source; return their EndToEndIds."""

    def add_garbage(self, raw: bytes) -> None:
        """Add something to the source that is not a Pix."""


class Run:
    """Stands in for the produce loop: commits whenever the producer yields None."""

    def __init__(self) -> None:
        self.positions: dict[Stream, Position] = {}
        self.contents: list[Draft | Refusal] = []

    def read(
        self, producer: Producer, until: Callable[[], bool], *, commit: bool = True
    ) -> list[Reading]:
        """Read until all readings are committed and `until` is true; return what was read.

        Args:
            producer: the plugin to read, from the positions committed so far.
            until: called whenever the producer yields None.
            commit: False: the process is killed when it first has something to commit.
        """
        deadline = time.monotonic() + SECONDS
        readings: list[Reading] = []
        batch: list[Reading] = []
        running = producer.read(dict(self.positions))
        try:
            for reading in running:
                assert time.monotonic() < deadline, "the expected readings never came"
                if reading is not None:
                    batch.append(reading)
                    continue
                readings += batch
                if batch and not commit:
                    break
                for each in batch:
                    self._commit(each)
                    if isinstance(producer, LearnsOfDelivery):
                        producer.delivered(each)
                batch = []
                if until():
                    break
        finally:
            running.close()  # type: ignore[attr-defined]  # a generator
        return readings

    def ids(self) -> Counter[str]:
        """Return how often each EndToEndId was committed."""
        return Counter(str(c.end_to_end_id) for c in self.contents if isinstance(c, Draft))

    def refusals(self) -> list[Refusal]:
        """Return the committed refusals."""
        return [content for content in self.contents if isinstance(content, Refusal)]

    def _commit(self, reading: Reading) -> None:
        if reading.position is not None:
            self.positions[reading.stream] = reading.position
        if reading.content is not None:
            self.contents.append(reading.content)


class ProducerContract(PluginContract):
    """The tests; subclass it with a fixture `source`.

    Attributes:
        overlaps: after a restart the source is read from a little before its position, because
            late arrivals would be lost otherwise; the tables drop the repetitions.
    """

    kind: ClassVar[type[Component]] = Producer
    overlaps: ClassVar[bool] = False

    def test_it_yields_none_while_there_is_nothing(self, source: Source) -> None:
        """The loop commits, and stops if asked to, only at a None."""
        assert [r for r in Run().read(source.producer(), lambda: True) if r.content] == []

    def test_everything_is_read_once(self, source: Source) -> None:
        """This includes what arrives while it reads."""
        run, wanted = Run(), Counter(source.add(3))

        def all_came() -> bool:
            if wanted.total() == 3 and run.ids().total() == 3:
                wanted.update(source.add(2))
            return run.ids().total() >= 5

        run.read(source.producer(), all_came)
        assert run.ids() == wanted

    def test_after_a_restart_it_goes_on_from_its_positions(self, source: Source) -> None:
        """Nothing is lost, and nothing is repeated."""
        run, wanted = Run(), Counter(source.add(3))
        run.read(source.producer(), lambda: run.ids().total() >= 3)
        wanted.update(source.add(3))
        run.read(source.producer(), lambda: len(run.ids()) >= 6)
        if self.overlaps:
            assert run.ids().keys() == wanted.keys()
        else:
            assert run.ids() == wanted

    def test_what_was_not_committed_is_read_again(self, source: Source) -> None:
        """A process that is killed between `read` and the commit loses nothing."""
        run, wanted = Run(), Counter(source.add(3))
        assert run.read(source.producer(), lambda: False, commit=False)
        run.read(source.producer(), lambda: run.ids().total() >= 3)
        assert run.ids() == wanted

    def test_what_is_no_pix_is_refused_whole_and_stops_nothing(self, source: Source) -> None:
        """A refusal has a code of `event.Reason`; its message contains nothing of the bytes."""
        garbage = f"no Pix, but the CPF {CPF}".encode()
        source.add_garbage(garbage)
        run, wanted = Run(), Counter(source.add(2))
        run.read(source.producer(), lambda: run.ids().total() >= 2 and bool(run.refusals()))
        assert run.ids() == wanted
        assert all(garbage in refusal.raw for refusal in run.refusals())
        _check(run.refusals())

    def test_parsing_never_raises_and_tells_nothing_personal(self, source: Source) -> None:
        """`preview` and the replay of dead letters parse bytes without the source."""
        producer = source.producer()
        for raw in (b"", b"\xff\xfe", b"\x00" * 99, f"<a>{CPF}".encode(), f"[[{CPF}".encode()):
            found = list(producer.parse(raw))
            assert not [content for content in found if isinstance(content, Draft)]
            _check([content for content in found if isinstance(content, Refusal)])


def _check(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals:
        assert refusal.reason in frozenset(Reason)
        assert CPF not in refusal.message
