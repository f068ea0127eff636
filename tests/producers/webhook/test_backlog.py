import asyncio
import threading
from collections.abc import Iterator

import pytest

from pixstream.producers.webhook.backlog import GRACE_SECONDS, Backlog, Limits, PendingBody

LIMITS = Limits(body_bytes=100, waiting=3, answer_seconds=1.0, held_bytes=200, patience_seconds=5.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> Iterator[Backlog]:
    """A room, with an event loop in whose time deliveries are made."""
    loop = asyncio.new_event_loop()

    class InLoop(Backlog):
        def enter(self, place: str, announced: int) -> PendingBody | None:
            async def inside() -> PendingBody | None:
                return super(InLoop, self).enter(place, announced)

            return loop.run_until_complete(inside())

    yield InLoop(LIMITS, clock)
    loop.close()


def let_in(room: Backlog, size: int) -> PendingBody:
    delivery = room.enter("pix", size)
    assert delivery is not None
    return delivery


def complete(room: Backlog, size: int = 1) -> PendingBody:
    delivery = let_in(room, size)
    assert room.grow(delivery, size)
    assert room.offer(delivery, b"x" * size)
    return delivery


def takes(room: Backlog) -> bool:
    return room.takes


def test_complete_bodies_are_bounded_in_number(room: Backlog) -> None:
    late = let_in(room, 1)
    held = [complete(room) for _ in range(3)]
    assert room.enter("pix", 1) is None
    assert takes(room) is False
    assert not room.offer(late, b"x")
    room.leave(held[0])
    assert takes(room) is True
    complete(room)


def test_bodies_are_bounded_in_bytes_as_they_come_and_as_they_are_announced(room: Backlog) -> None:
    first = let_in(room, 150)
    second = let_in(room, 150)  # what is only announced takes no room from others
    assert room.grow(first, 150)
    assert room.enter("pix", 51) is None
    assert room.grow(second, 50)
    assert not room.grow(second, 51)
    assert room.size == 200
    room.leave(first)
    assert room.grow(second, 51)
    room.leave(second)
    assert (room.size, room.bodies, room.incomplete) == (0, 0, 0)


def test_whoever_does_not_finish_gives_way_to_others(room: Backlog, clock: Clock) -> None:
    ended: list[str] = []
    slow, slower = let_in(room, 100), let_in(room, 100)
    slow.give_way, slower.give_way = (
        (lambda: ended.append("slow")),
        (lambda: ended.append("slower")),
    )
    for body in (slow, slower):
        assert room.grow(body, 100)
    assert room.enter("pix", 10) is None  # they have only just begun
    clock.now += GRACE_SECONDS
    honest = let_in(room, 10)
    assert ended == ["slow"]
    assert room.grow(honest, 101)
    assert ended == ["slow", "slower"]
    assert not room.grow(slow, 101)
    for body in (slow, slower):
        room.leave(body)
    assert room.size == 101


def test_a_body_that_nobody_took_is_let_go_with_its_sender(room: Backlog) -> None:
    delivery = complete(room, 4)
    room.leave(delivery)
    assert (room.size, room.bodies, room.queued) == (0, 0, 0)
    assert room.take(0) is None


def test_a_body_that_is_being_made_safe_counts_until_its_taker_has_done_with_it(
    room: Backlog,
) -> None:
    delivery = complete(room, 4)
    assert room.take(0) is delivery
    room.leave(delivery)  # its sender was told to come again
    assert (room.size, room.bodies) == (4, 1)
    delivery.answer(safe=True)
    assert (room.size, room.bodies) == (0, 0)
    assert delivery.raw == b""


def test_while_the_oldest_waits_too_long_nobody_else_is_let_in(room: Backlog, clock: Clock) -> None:
    reading = let_in(room, 1)
    clock.now += 60
    oldest = let_in(room, 1)  # one that is still being read makes nobody wait
    room.offer(oldest, b"a")
    clock.now += 5
    room.leave(let_in(room, 1))
    clock.now += 0.1
    assert room.enter("pix", 1) is None
    room.take(0)
    assert room.enter("pix", 1) is None
    oldest.answer(safe=True)
    let_in(room, 1)
    room.leave(reading)


def test_bodies_are_taken_in_the_order_in_which_they_were_complete(room: Backlog) -> None:
    first, second = let_in(room, 1), let_in(room, 1)
    room.offer(second, b"2")
    room.offer(first, b"1")
    assert [room.take(0), room.take(0), room.take(0)] == [second, first, None]


def test_taking_waits_for_the_next_body(room: Backlog) -> None:
    delivery = let_in(room, 1)
    threading.Timer(0.05, room.offer, (delivery, b"1")).start()
    assert room.take(20.0) is delivery


def test_a_closed_room_lets_nobody_in_and_holds_nothing(room: Backlog) -> None:
    reading, waiting = let_in(room, 1), let_in(room, 1)
    room.offer(waiting, b"1")
    room.close()
    assert room.enter("pix", 1) is None
    assert (room.bodies, room.incomplete) == (0, 0)
    assert not room.grow(reading, 2)
    assert not room.offer(reading, b"2")
    room.leave(reading)
    room.leave(waiting)
    assert room.queued == 0


def test_a_room_that_opens_again_lets_in(room: Backlog) -> None:
    room.close()
    assert takes(room) is False
    room.open()
    assert takes(room) is True
    assert room.take(0) is None
    delivery = complete(room)
    assert room.take(0) is delivery
