"""What makes a run fail beside the verdict's counts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pixstream.errors import PixstreamError
from pixstream.lab.chaos import run as run_module
from pixstream.lab.chaos.run import Run
from pixstream.lab.chaos.stalls import BOUND_SECONDS, Stalls
from pixstream.lab.chaos.storm import Weather
from pixstream.lab.chaos.verdict import Verdict

ERROR = {
    "@timestamp": "2026-11-24T12:00:00.000Z",
    "log.level": "error",
    "message": "delta_lake-1 stops, nothing of its batch is committed: unexpected error",
    "service.node.name": "delta_lake-1",
    "log.logger": "pixstream.component",
    "error.type": "KeyError",
    "error.stack_trace": "pixstream/ingest/consume.py:7 run\npixstream/lake/feed.py:9 plan",
}


class Site:
    """Stands for the real one where no process is needed."""

    def __init__(self, directory: Path) -> None:
        self.place = SimpleNamespace(logs=directory, lake=directory / "lake")
        self.settings = SimpleNamespace(privacy=None, data_dir=str(directory))
        self.client = None
        self.ends: list[str] = []

    def unasked_ends(self) -> list[str]:
        return self.ends

    def keep_tables(self) -> None:
        return


class Auditor:
    """Finds nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        self.examples: list[str] = []

    def audit(self, kills: dict[str, int], faults: dict[str, int]) -> Verdict:
        zeros = dict.fromkeys(("lost", "duplicates", "unknown", "altered"), 0)
        return Verdict(offered=1, acknowledged=1, kills=kills, faults=faults, **zeros)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def said() -> list[str]:
    """What a run says to people."""
    return []


@pytest.fixture
def judged(site: Site, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run after its storm, of which every row is right."""
    monkeypatch.setattr(run_module, "Auditor", Auditor)
    monkeypatch.setattr(run_module, "keys", lambda _: (None, None))
    run: Any = run_on(site, said)
    run.storm = SimpleNamespace(faults={}, kills={}, spared=4)
    run.sources = SimpleNamespace(
        log=SimpleNamespace(rotations=0), callbacks=SimpleNamespace(repeated=0, refused=0)
    )
    run.stalls = Stalls(site.place.lake)
    made: Run = run
    return made


def run_on(site: Any, said: list[str], *, interrupted: bool = False) -> Run:
    weather = Weather(facts=100, seconds=1.0, seed=7)
    return Run(site, weather, say=said.append, interrupted=lambda: interrupted)


def test_a_run_without_findings_has_no_problem(judged: Run) -> None:
    assert judged._judge().ok
    assert judged.problems == []


def test_an_error_in_the_logs_that_nobody_foresaw_is_a_problem(judged: Run, site: Site) -> None:
    (site.place.logs / "pixstream.log").write_bytes(msgspec.json.encode(ERROR) + b"\n")
    assert judged._judge().ok
    (problem,) = judged.problems
    assert problem.startswith("delta_lake-1: KeyError, not foreseen, in pixstream/lake/feed.py:9")
    assert problem.endswith("at 2026-11-24T12:00:00.000Z")


@pytest.mark.parametrize(("seconds", "problems"), [(BOUND_SECONDS, 0), (BOUND_SECONDS + 1, 1)])
def test_the_longest_stalls_are_told_and_beyond_a_bound_a_problem(
    judged: Run, said: list[str], seconds: float, problems: int
) -> None:
    judged.stalls.told(judged.oracle.documents(50))
    for now in (0.0, seconds):
        judged.stalls.look(now, disk_shut=False)
    assert judged._judge().ok
    assert len(judged.problems) == problems
    assert said[-2].startswith(f"longest stalls in the storm: estornos {seconds:.1f} s ")
    assert said[-1] == "strikes left out while no table got a commit: 4"


def test_a_supervisor_that_ended_by_itself_is_said_at_once_and_is_a_problem(
    site: Site, said: list[str]
) -> None:
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
