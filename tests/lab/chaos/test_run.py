"""What makes a run fail beside the verdict's counts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pixstream.errors import PixstreamError
from pixstream.lab.chaos import run as run_module
from pixstream.lab.chaos.run import Run
from pixstream.lab.chaos.stalls import Stalls
from pixstream.lab.chaos.storm import Weather
from pixstream.lab.chaos.verdict import Verdict
from pixstream.patience import LEAST_SHARE, Effort, Patience

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
    run.storm = SimpleNamespace(faults={}, kills={}, spared_seconds=4.0, disk_shut=False)
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


def test_the_longest_stalls_are_told(judged: Run, said: list[str]) -> None:
    judged.stalls.told(judged.oracle.documents(50))
    for now in (0.0, 77.0):
        judged.stalls.look(now, disk_shut=False)
    assert judged._judge().ok
    assert judged.problems == []
    assert said[-2].startswith("longest stalls in the storm: estornos 77.0 s ")
    assert said[-1] == "the storm spared processes for 4 s"


class Watched:
    """A run in a storm whose clock the test moves; its processes idle, or are at work."""

    def __init__(self, run: Run) -> None:
        self.run: Any = run
        self.now = self.ran = 0.0
        self.patience = Patience(60.0, clock=lambda: self.now, effort=lambda: Effort(self.ran, 0.0))

    def passes(self, seconds: float, *, ran: float = 0.0, disk_shut: bool = False) -> None:
        self.now += seconds
        self.ran += ran
        self.run.storm.disk_shut = disk_shut
        self.run.stalls.look(self.now, disk_shut=disk_shut)
        self.run._watch(self.patience)


@pytest.fixture
def watched(judged: Run) -> Watched:
    judged.stalls.told(judged.oracle.documents(50))
    watched = Watched(judged)
    for _ in range(3):  # facts begin to wait, and from then on efforts are known
        watched.passes(1.0)
    return watched


def test_tables_without_a_commit_while_the_processes_idle_are_a_problem_once(
    watched: Watched,
) -> None:
    watched.passes(60.0 - LEAST_SHARE - 0.1)
    assert watched.run.problems == []
    for _ in range(3):
        watched.passes(1.0)
    (problem,) = watched.run.problems
    assert problem.startswith("no table got a commit while the processes idled for 6")


def test_tables_without_a_commit_are_none_while_there_is_work_or_no_disk_or_no_fact(
    watched: Watched,
) -> None:
    watched.passes(200.0, ran=400.0)
    watched.passes(200.0, disk_shut=True)
    watched.passes(1.0)
    watched.run.stalls._waiting.clear()
    watched.passes(200.0)
    assert watched.run.problems == []


@pytest.mark.parametrize("moved", [[1] * 9, list(range(9))])
def test_a_wait_ends_when_nothing_moves_wherever_it_is(site: Site, moved: list[int]) -> None:
    run: Any = run_on(site, [])
    run._keep_running = lambda: None
    states, looks = iter(moved), iter([False] * 9 + [True])
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 10.0
        return now

    patience = Patience(30.0, clock=clock, effort=lambda: Effort(0.0, 0.0))

    def wait() -> None:
        run._wait(lambda: next(looks), "callbacks are refused", patience, lambda: next(states))

    if len(set(moved)) == 1:
        with pytest.raises(PixstreamError, match="callbacks are refused: after 30 s"):
            wait()
    else:
        wait()


def test_a_supervisor_that_ended_by_itself_is_said_at_once_and_is_a_problem(
    site: Site, said: list[str]
) -> None:
    run = run_on(site, said)
    run._look()
    assert (run.problems, said) == ([], [])
    site.ends.append("`pixstream run` exited on its own with exit code 1")
    run._look()
    run._look()
    assert run.problems == site.ends
    assert len(said) == 1
    site.ends.append("`pixstream run` exited on its own with signal SIGSEGV")
    run._look()
    assert run.problems == site.ends


def test_an_interrupted_run_judges_nothing(site: Site) -> None:
    with pytest.raises(PixstreamError, match="interrupted"):
        run_on(site, [], interrupted=True)._look()
