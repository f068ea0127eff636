from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from pixstream.lab.sandbox.callbacks import LARGEST_BODY, Callbacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.conftest import Receiver


@pytest.fixture
def running(callbacks: Callbacks) -> Iterator[Callbacks]:
    callbacks.start()
    yield callbacks
    callbacks.stop()


def test_a_body_is_posted_as_it_is(running: Callbacks, receiver: Receiver) -> None:
    running.send(f"{receiver.url}/pix", b"\xff no json {")

    assert running.wait(5)
    assert receiver.bodies == [b"\xff no json {"]
    assert receiver.paths == ["/hooks/pix"]


def test_a_body_is_posted_again_until_it_is_acknowledged(
    running: Callbacks, receiver: Receiver
) -> None:
    receiver.answers = [503, 500, 429, 302, 201]
    running.send(receiver.url, b"one")

    assert running.wait(5)
    assert receiver.bodies == [b"one"]
    assert running.stats() == {
        "sent": 1,
        "acknowledged": 1,
        "attempts": 6,
        "failures": 5,
        "pending": 0,
    }


def test_the_pause_before_each_further_attempt_grows(receiver: Receiver) -> None:
    callbacks = Callbacks(workers=1, first_delay_seconds=0.04, longest_delay_seconds=1)
    callbacks.start()
    receiver.answers = [503, 503, 503]
    start = time.monotonic()
    callbacks.send(receiver.url, b"one")

    assert callbacks.wait(5)
    callbacks.stop()
    assert time.monotonic() - start >= 0.04 + 0.08 + 0.16


def test_a_refused_body_does_not_hold_up_others(receiver: Receiver) -> None:
    callbacks = Callbacks(workers=1, first_delay_seconds=0.3)
    callbacks.start()
    receiver.answers = [503]
    callbacks.send(receiver.url, b"first")
    for _ in range(3):
        callbacks.send(receiver.url, b"later")

    assert callbacks.wait(5)
    callbacks.stop()
    assert receiver.bodies == [b"later", b"later", b"later", b"first"]


def test_nothing_is_lost_while_the_webhook_is_away(callbacks: Callbacks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    callbacks.start()
    callbacks.send(f"http://127.0.0.1:{port}/pix", b"one")

    assert not callbacks.wait(0.2)
    callbacks.stop()
    stats = callbacks.stats()
    assert stats["pending"] == 1
    assert stats["failures"] >= 1


def test_what_was_sent_before_the_start_is_delivered_after_it(
    callbacks: Callbacks, receiver: Receiver
) -> None:
    callbacks.send(receiver.url, b"early")
    assert callbacks.stats()["pending"] == 1
    callbacks.start()

    assert callbacks.wait(5)
    callbacks.stop()
    assert receiver.bodies == [b"early"]


def test_pix_of_one_key_go_together_and_of_two_keys_do_not(
    running: Callbacks, receiver: Receiver
) -> None:
    for number in range(5):
        running.notify("a", receiver.url, b'{"n":%d}' % number)
        running.notify("b", receiver.url, b'{"m":%d}' % number)

    assert running.wait(5)
    bodies = [msgspec.json.decode(body)["pix"] for body in receiver.bodies]
    assert sorted(bodies, key=str) == sorted(
        [[{"n": n} for n in range(5)], [{"m": n} for n in range(5)]], key=str
    )


def test_a_body_holds_no_more_than_its_limit(running: Callbacks, receiver: Receiver) -> None:
    for number in range(2 * LARGEST_BODY + 1):
        running.notify("a", receiver.url, b"%d" % number)

    assert running.wait(5)
    bodies = [msgspec.json.decode(body)["pix"] for body in receiver.bodies]
    assert max(map(len, bodies)) == LARGEST_BODY
    assert sorted(n for body in bodies for n in body) == list(range(2 * LARGEST_BODY + 1))


def test_many_bodies_arrive_once_each(running: Callbacks, receiver: Receiver) -> None:
    receiver.answers = [503] * 40
    for number in range(200):
        running.send(receiver.url, b"%d" % number)

    assert running.wait(20)
    assert sorted(map(int, receiver.bodies)) == list(range(200))
