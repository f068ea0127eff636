"""When the storm strikes, and when it leaves processes alone."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pixstream.lab.chaos.storm import Storm, Weather
from pixstream.testing.waiting import wait_for


class Struck(Storm):
    """Counts in place of striking."""

    def _kill_producer(self) -> None:
        self.kills["producers"] += 1

    def _rotate(self) -> None:
        self.faults["rotations"] += 1


RATES = {"kill_producer": 1200.0, "rotate": 600.0}


@pytest.fixture
def begin() -> Iterator[Callable[[Callable[[], bool]], Struck]]:
    """`begin(spare)`: a storm of half a second, already over the site."""
    nothing: Any = None
    begun: list[Struck] = []

    def begin(spare: Callable[[], bool]) -> Struck:
        weather = Weather(facts=1, seconds=0.5, seed=7, rates=RATES)
        begun.append(Struck(nothing, nothing, nothing, weather, spare))
        begun[-1].start()
        return begun[-1]

    yield begin
    for storm in begun:
        storm.stop()


def test_every_strike_of_the_weather_is_struck(
    begin: Callable[[Callable[[], bool]], Struck],
) -> None:
    storm = begin(lambda: False)
    wait_for(storm.over)
    assert (storm.kills["producers"], storm.faults["rotations"]) == (10, 5)
    assert storm.spared_seconds == 0


def test_strikes_on_processes_are_put_off_while_nothing_gets_done_and_the_rest_is_not(
    begin: Callable[[Callable[[], bool]], Struck],
) -> None:
    stuck = threading.Event()
    stuck.set()
    storm = begin(stuck.is_set)
    wait_for(lambda: storm.faults["rotations"] == 5 and storm.spared_seconds > 0)
    assert (storm.kills["producers"], storm.over()) == (0, False)
    stuck.clear()
    wait_for(storm.over)
    assert storm.kills["producers"] == 10


def test_a_storm_that_is_stopped_strikes_no_more(
    begin: Callable[[Callable[[], bool]], Struck],
) -> None:
    storm = begin(lambda: True)
    storm.stop()
    assert storm.over()
    assert storm.kills["producers"] == 0


class Site:
    """Has a component to hit at the third look, as long as its supervisor lives."""

    def __init__(self, *, supervised: bool) -> None:
        self.supervised = supervised
        self.looks = 0
        self.killed: list[str] = []

    def is_running(self) -> bool:
        return self.supervised

    def components(self) -> dict[str, Any]:
        self.looks += 1
        victim = SimpleNamespace(kill=lambda: self.killed.append("webhook-0"))
        return {"webhook-0": victim} if self.looks == 3 else {}


@pytest.mark.parametrize(("supervised", "killed"), [(True, ["webhook-0"]), (False, [])])
def test_a_strike_waits_for_its_victim_while_somebody_may_start_it(
    *, supervised: bool, killed: list[str]
) -> None:
    site: Any = Site(supervised=supervised)
    nothing: Any = None
    storm = Storm(site, nothing, nothing, Weather(1, 1.0, 7, {}), lambda: False)
    storm._kill_producer()
    assert site.killed == killed
    assert storm.kills["producers"] == len(killed)
