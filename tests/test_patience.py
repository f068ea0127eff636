"""Which seconds of a wait count."""

import subprocess
import sys
import time

import pytest

from pixstream.patience import LEAST_SHARE, Effort, Family, Patience

BUSY = "while True: pass"
IDLE = "input()"


class World:
    """A clock, and processes that do what the test says."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.did = Effort(50.0, 50.0)

    def patience(self, seconds: float = 60.0, *, even_at_work: bool = False) -> Patience:
        made = Patience(
            seconds, even_at_work=even_at_work, clock=lambda: self.now, effort=lambda: self.did
        )
        self.passes(1.0)
        assert made.spent == LEAST_SHARE  # nobody knows yet what they did
        return made

    def passes(self, seconds: float, *, ran: float = 0.0, queued: float = 0.0) -> None:
        self.now += seconds
        self.did = Effort(self.did.ran + ran, self.did.queued + queued)


@pytest.fixture
def world() -> World:
    return World()


def test_idle_time_counts(world: World) -> None:
    patience = world.patience(60.0)
    world.passes(59.0)
    assert (patience.spent, patience.exhausted) == (59.0 + LEAST_SHARE, False)
    world.passes(1.0)
    assert (patience.spent, patience.exhausted) == (60.0 + LEAST_SHARE, True)


def test_progress_begins_anew_and_the_same_state_does_not(world: World) -> None:
    patience = world.patience(60.0)
    patience.saw(1)
    assert patience.spent == 0.0
    world.passes(50.0)
    patience.saw(2)
    world.passes(40.0)
    known = patience.spent
    patience.saw(2)
    world.passes(40.0)
    assert patience.spent == known + 40.0


def test_time_at_work_and_in_the_queue_does_not_count(world: World) -> None:
    patience = world.patience()
    world.passes(10.0, ran=2.0, queued=5.0)
    assert patience.spent == pytest.approx(3.0 + LEAST_SHARE)


def test_a_promise_of_speed_excuses_only_the_queue(world: World) -> None:
    patience = world.patience(even_at_work=True)
    world.passes(10.0, ran=2.0, queued=5.0)
    assert patience.spent == pytest.approx(5.0 + LEAST_SHARE)


def test_what_spins_for_ever_ends_too(world: World) -> None:
    patience = world.patience()
    world.passes(10.0, ran=10.0, queued=70.0)
    assert patience.spent == pytest.approx(11.0 * LEAST_SHARE)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what threads do")
def test_what_descendants_do_is_seen() -> None:
    family = Family()
    family.effort()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as child:
        before = family.effort()
        began = time.monotonic()
        while (now := family.effort()).ran < before.ran + 0.2:
            time.sleep(0.05)
        child.kill()
    assert now.ran - before.ran <= 64 * (time.monotonic() - began)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what threads do")
def test_an_idle_child_lets_the_wait_run_out() -> None:
    with subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE) as child:
        patience = Patience(1.0)
        while not patience.exhausted:
            time.sleep(0.05)
        child.communicate(b"\n")
    assert child.returncode == 0
