import time
from collections import Counter

import msgspec
import pytest

from pixstream.backoff import BackoffSettings
from pixstream.config.settings import Settings
from pixstream.dead_letters import replay_transaction as desks
from pixstream.dead_letters.replay_transaction import ReplayTransaction
from pixstream.dead_letters.state import DISCARDED, REPLAYED, Mark, mark_of, states
from pixstream.errors import FencedError, KafkaError, PixstreamError, Transient
from pixstream.event.record import EventRecord
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ_STATE
from pixstream.kafka.topics.declared import declared

QUICK = BackoffSettings(min_seconds=0.001, max_seconds=0.002)
TOPIC = "pix.estornos"


@pytest.fixture
def kafka() -> MemoryKafka:
    broker = MemoryKafka()
    admin = broker.client().admin()
    for spec in declared(Settings().topics):
        admin.create(spec)
    return broker


def desk(kafka: MemoryKafka) -> ReplayTransaction:
    return ReplayTransaction(kafka.client(), QUICK, who="ana", why="ticket 1")


def ids(count: int, start: int = 0) -> list[str]:
    return [f"{number:032x}" for number in range(start, start + count)]


def event(letter_id: str) -> EventRecord:
    return EventRecord(TOPIC, b"key", letter_id.encode(), [("n", b"1")])


def sent(kafka: MemoryKafka) -> Counter[str]:
    return Counter((record.value or b"").decode() for record in kafka.client().scan(TOPIC))


def replay(kafka: MemoryKafka, letters: list[str]) -> None:
    """As the command does: open, leave out what is marked, put the rest, flush."""
    with desk(kafka) as open_desk:
        for letter_id in letters:
            if bytes.fromhex(letter_id) not in open_desk.states:
                open_desk.put(letter_id, REPLAYED, [event(letter_id)])
        open_desk.flush()


def test_events_and_mark_are_there_together_and_the_mark_says_who_and_why(
    kafka: MemoryKafka,
) -> None:
    (letter_id,) = ids(1)
    with desk(kafka) as one:
        one.put(letter_id, REPLAYED, [event(letter_id)] * 2)
        assert not sent(kafka)
        one.flush()
        assert one.counts == {"letters": 1, "events": 2}
    assert sent(kafka) == {letter_id: 2}
    mark = mark_of(kafka.client(), letter_id)
    assert mark is not None
    assert (mark.state, mark.who, mark.why, mark.events) == (REPLAYED, "ana", "ticket 1", 2)
    record = next(iter(kafka.client().scan(TOPIC)))
    assert (record.key, record.headers) == (b"key", [("n", b"1")])


def test_what_was_not_flushed_is_not_written(kafka: MemoryKafka) -> None:
    with desk(kafka) as one:
        one.put(ids(1)[0], REPLAYED, [event("x")])
    assert not sent(kafka)
    assert states(kafka.client()) == {}


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_LETTERS", 3), ("MAX_RECORDS", 3), ("MAX_BYTES", 3 * 35)]
)
def test_a_transaction_closes_at_each_of_its_limits(
    kafka: MemoryKafka, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(desks, limit, value)
    with desk(kafka) as one:
        for number, letter_id in enumerate(ids(7)):
            one.put(letter_id, REPLAYED, [event(letter_id)])
            assert one.counts["letters"] == (number + 1) // 3 * 3


@pytest.mark.parametrize("operation", ["begin", "send", "commit"])
def test_a_transient_failure_is_tried_again_and_nothing_is_doubled(
    kafka: MemoryKafka, operation: str
) -> None:
    letters = ids(5)
    for _ in range(desks.TRIES - 1):
        kafka.fail(operation, Transient("no broker answers"))
    replay(kafka, letters)
    assert sent(kafka) == dict.fromkeys(letters, 1)
    assert len(states(kafka.client())) == 5


@pytest.mark.parametrize("changed", [True, False])
def test_a_writer_opened_after_a_failure_goes_on_only_where_nobody_else_changed_anything(
    kafka: MemoryKafka, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    letters = ids(3)
    with desk(kafka) as one:
        one.put(letters[0], REPLAYED, [event(letters[0])])
        one.flush()
        one.put(letters[1], REPLAYED, [event(letters[1])])
        kafka.fail("commit", Transient("no broker answers"))
        # While it waits for the next try.
        other = letters[1:] if changed else []
        monkeypatch.setattr(time, "sleep", lambda _: replay(kafka, other))
        if changed:
            with pytest.raises(FencedError, match="start it again"):
                one.flush()
        else:
            one.flush()
    assert sent(kafka) == dict.fromkeys(letters if changed else letters[:2], 1)


@pytest.mark.parametrize("error", [Transient("no broker answers"), KafkaError("in doubt")])
@pytest.mark.parametrize("operation", ["outbox", "begin", "send", "commit"])
def test_after_a_failure_at_any_step_a_second_replay_completes_the_first(
    kafka: MemoryKafka,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    error: PixstreamError,
) -> None:
    monkeypatch.setattr(desks, "MAX_LETTERS", 2)
    letters = ids(7)
    replay(kafka, letters[:2])
    for _ in range(desks.TRIES):
        kafka.fail(operation, error)
    with pytest.raises(type(error)):
        replay(kafka, letters)
    kafka._failures.clear()
    replay(kafka, letters)
    assert sent(kafka) == dict.fromkeys(letters, 1)


def test_a_second_desk_fences_the_first_and_sees_all_its_marks(
    kafka: MemoryKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "MAX_LETTERS", 2)
    letters = ids(5)
    with desk(kafka) as first:
        for letter_id in letters[:3]:
            first.put(letter_id, REPLAYED, [event(letter_id)])
        replay(kafka, letters)
        with pytest.raises(FencedError):
            first.put(letters[3], REPLAYED, [event(letters[3])])
    assert sent(kafka) == dict.fromkeys(letters, 1)


def test_a_letter_is_discarded_and_opened_again(kafka: MemoryKafka) -> None:
    one, other = ids(2)
    with desk(kafka) as first:
        first.put(one, DISCARDED)
        first.put(other, REPLAYED, [event(other)])
        first.flush()
        assert first.counts == {"letters": 2, "events": 1}
    with desk(kafka) as second:
        assert second.states == {bytes.fromhex(one): DISCARDED, bytes.fromhex(other): REPLAYED}
        second.put(one, None)
        second.flush()
    assert states(kafka.client()) == {bytes.fromhex(other): REPLAYED}
    assert mark_of(kafka.client(), one) is None


def test_a_mark_that_nobody_can_read_stops_the_replay(kafka: MemoryKafka) -> None:
    later = kafka.client().outbox("a later version")
    later.begin()
    later.send(DLQ_STATE, ids(1)[0].encode(), b'{"status": 3}', ())
    later.send(DLQ_STATE, b"no letter", b"{}", ())
    later.commit()
    with pytest.raises(PixstreamError, match="does not know what was replayed"), desk(kafka):
        pass


def test_a_mark_without_its_topic_says_how_to_create_it(kafka: MemoryKafka) -> None:
    kafka.client().admin().delete(DLQ_STATE)
    with pytest.raises(KafkaError, match="topics apply"), desk(kafka):
        pass


def test_a_mark_of_a_later_version_with_more_fields_is_still_read() -> None:
    raw = b'{"state": "replayed", "time": "t", "who": "ana", "why": "w", "ticket": 4711}'
    assert msgspec.json.decode(raw, type=Mark).state == REPLAYED
