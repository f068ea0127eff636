"""A chaos run that cannot fail proves nothing: each bug it is there for is planted, and caught.

`make chaos` plants them one after the other; with every other test all of them are caught in
memory, in `tests/loops/test_planted_bugs_*.py`.
"""

from pathlib import Path

import pytest

from pixstream.lab.chaos.run import Run
from pixstream.lab.chaos.site import Site
from pixstream.lab.chaos.storm import Weather

pytestmark = [
    pytest.mark.broker,
    pytest.mark.demo,
    pytest.mark.campaign,
    pytest.mark.timeout(3600),
]

PLANTS = Path(__file__).parent / "plants"
SECONDS = 10.0
ATTEMPTS = 4
"""A bug bites only where a kill falls into its moment, which a few dozen kills may all miss."""
FACTS = 1500
CONSUMERS = {"kill_consumer": 40.0, "poison_at_end": 120.0}
PRODUCERS = {"kill_producer": 80.0}


SUPERVISORS = {"kill_consumer": 24.0, "kill_supervisor": 24.0}


def storm(directory: Path, plant: str, rates: dict[str, float]) -> Run:
    environment = {"PYTHONPATH": str(PLANTS), "PIXSTREAM_PLANT": plant}
    site = Site(directory / "chaos", "confluent", FACTS, environment)
    weather = Weather(FACTS, SECONDS, seed=11, rates=rates)
    return Run(site, weather, say=print, stalled_seconds=8.0)


@pytest.mark.parametrize(
    ("plant", "rates", "found"),
    [
        ("table_before_letters", CONSUMERS, "lost"),
        ("group_before_table", CONSUMERS, "lost"),
        ("position_skipped", PRODUCERS, "lost"),
        ("rejection_dropped", CONSUMERS, "lost"),
        ("answered_before_commit", PRODUCERS, "lost"),
        ("lower_version_accepted", CONSUMERS, "duplicates"),
    ],
)
def test_a_planted_bug_is_caught(
    tmp_path: Path, plant: str, rates: dict[str, float], found: str
) -> None:
    for attempt in range(ATTEMPTS):
        verdict = storm(tmp_path / str(attempt), plant, rates).run()
        if getattr(verdict, found):
            break
    assert getattr(verdict, found) > 0
    assert not verdict.ok


@pytest.mark.parametrize(
    ("plant", "rates", "found"),
    [
        ("supervisor_ends", SUPERVISORS, "`pixstream run` exited on its own with exit code 1"),
        ("unforeseen_error", {}, "ZeroDivisionError, not foreseen"),
    ],
)
def test_a_planted_crash_is_a_problem_also_where_the_next_start_heals_it(
    tmp_path: Path, plant: str, rates: dict[str, float], found: str
) -> None:
    run = storm(tmp_path, plant, rates)
    run.run()
    assert any(found in problem for problem in run.problems), run.problems
