"""What makes a run fail beside the verdict's counts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pixstream.chaos.run import Run
from pixstream.chaos.storm import Weather
from pixstream.errors import PixstreamError


class Site:
    """Stands for the real one where no process is needed."""

    def __init__(self, directory: Path) -> None:
        self.place = SimpleNamespace(logs=directory)
        self.ends: list[str] = []

    def unasked_ends(self) -> list[str]:
        return self.ends


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def run_on(site: Any, said: list[str], *, interrupted: bool = False) -> Run:
    weather = Weather(facts=100, seconds=1.0, seed=7)
    return Run(site, weather, say=said.append, interrupted=lambda: interrupted)


def test_a_supervisor_that_ended_by_itself_is_said_at_once_and_is_a_problem(site: Site) -> None:
    said: list[str] = []
    run = run_on(site, said)
    run._look()
    assert (run.problems, said) == ([], [])
    site.ends.append("`pixstream run` ended by itself with exit code 1")
    run._look()
    run._look()
    assert run.problems == site.ends
    assert len(said) == 1
    site.ends.append("`pixstream run` ended by itself with signal SIGSEGV")
    run._look()
    assert run.problems == site.ends


def test_an_interrupted_run_judges_nothing(site: Site) -> None:
    with pytest.raises(PixstreamError, match="interrupted"):
        run_on(site, [], interrupted=True)._look()
