"""The contracts of plugins fail for a plugin that breaks them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from pixstream.columns.batch import EventBatch
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.plugins.component import Component
from pixstream.plugins.consumer import Consumer, Reject
from pixstream.plugins.discovery import builtin
from pixstream.plugins.producer import Position, Producer, Reading, Stream
from pixstream.testing import event
from pixstream.testing.consumer_contract import ConsumerContract
from pixstream.testing.producer_contract import CPF, ProducerContract


class Listed(Producer):
    """Reads a list of contents; a position counts them."""

    contents: list[Draft | Refusal]

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        at = int(since.get("list", "0"))
        while True:
            while at < len(self.contents):
                at += 1
                yield Reading(stream="list", position=str(at), content=self.contents[at - 1])
            yield None

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        yield Refusal(reason=Reason.NOT_A_PIX, message="no Pix", raw=raw)


class ForgetsPositions(Listed):
    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        return super().read({"list": "0"} if since else {})


class SkipsAhead(Listed):
    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        for reading in super().read(since):
            yield (
                None
                if reading is None
                else Reading(
                    stream="list", position=str(len(self.contents) + 1), content=reading.content
                )
            )


class Talkative(Listed):
    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        yield Refusal(reason=Reason.NOT_A_PIX, message=f"no Pix: {raw!r}", raw=raw)


class Things:
    def __init__(self, kind: type[Listed]) -> None:
        self._kind = kind
        self._contents: list[Draft | Refusal] = []

    def producer(self) -> Listed:
        made = self._kind(type="listed")
        made.contents = self._contents
        return made

    def add(self, count: int) -> Sequence[str]:
        first = len(self._contents)
        ids = [str(event(first + number).end_to_end_id) for number in range(count)]
        self._contents += [Draft(message="api_pix.pix", end_to_end_id=name) for name in ids]
        return ids

    def add_garbage(self, raw: bytes) -> None:
        self._contents.append(next(self.producer().parse(raw)))


PRODUCER = ProducerContract()
READS = (
    PRODUCER.test_it_yields_none_while_there_is_nothing,
    PRODUCER.test_everything_is_read_once,
    PRODUCER.test_after_a_restart_it_goes_on_from_its_positions,
    PRODUCER.test_what_was_not_committed_is_read_again,
    PRODUCER.test_what_is_no_pix_is_refused_whole_and_stops_nothing,
    PRODUCER.test_parsing_never_raises_and_tells_nothing_personal,
)


@pytest.mark.parametrize("check", READS)
def test_a_producer_that_keeps_its_contract_passes(check: Callable[[Things], None]) -> None:
    check(Things(Listed))


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (ForgetsPositions, PRODUCER.test_after_a_restart_it_goes_on_from_its_positions),
        (Talkative, PRODUCER.test_parsing_never_raises_and_tells_nothing_personal),
        (Talkative, PRODUCER.test_what_is_no_pix_is_refused_whole_and_stops_nothing),
    ],
)
def test_a_producer_that_breaks_its_contract_fails(
    kind: type[Listed], check: Callable[[Things], None]
) -> None:
    with pytest.raises(AssertionError):
        check(Things(kind))


def test_a_producer_that_skips_is_waited_for_and_then_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pixstream.testing.producer_contract.SECONDS", 0.2)
    with pytest.raises(AssertionError, match="never came"):
        PRODUCER.test_after_a_restart_it_goes_on_from_its_positions(Things(SkipsAhead))


class Doubling(Consumer):
    """Adds whatever comes."""

    rows: Counter[str]

    def write(self, batch: EventBatch, reject: Reject) -> None:
        del reject
        self.rows.update(batch.table["end_to_end_id"].to_pylist())


class Rejecting(Doubling):
    def write(self, batch: EventBatch, reject: Reject) -> None:
        reject(range(batch.table.num_rows), "not today")


class Heap:
    def __init__(self, kind: type[Doubling]) -> None:
        self._kind = kind
        self._rows: Counter[str] = Counter()

    def consumer(self) -> Doubling:
        made = self._kind(type="heap")
        made.rows = self._rows
        return made

    def held(self) -> Counter[str]:
        return self._rows


def test_a_consumer_that_writes_twice_or_rejects_what_is_good_fails() -> None:
    contract = ConsumerContract()
    contract.test_each_event_of_a_batch_arrives_once(Heap(Doubling))
    for check in (
        contract.test_the_same_batch_again_changes_nothing,
        contract.test_the_same_batch_again_after_a_restart_changes_nothing,
    ):
        with pytest.raises(AssertionError):
            check(Heap(Doubling))
    with pytest.raises(AssertionError, match="not today"):
        contract.test_each_event_of_a_batch_arrives_once(Heap(Rejecting))


@pytest.mark.parametrize("kind", [Producer, Consumer])
def test_every_built_in_plugin_is_held_to_its_contract(kind: type[Component]) -> None:
    tests = Path(__file__).parents[1] / f"{kind.__name__.lower()}s"
    without = [name for name in builtin(kind) if not (tests / name / "test_contract.py").is_file()]
    assert without == []


def test_the_garbage_of_the_contract_would_betray_a_person() -> None:
    assert len(CPF) == 11
