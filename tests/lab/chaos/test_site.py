"""The site's supervisor: who starts another one, and what is told of the last."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixstream.lab.chaos.site import Site
from pixstream.testing.waiting import wait_for


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Its supervisor is a process that only sleeps, or ends at once."""
    site = Site(tmp_path / "chaos", "confluent", 100)
    code = iter(["raise SystemExit(1)", *["import time; time.sleep(3600)"] * 3])
    monkeypatch.setattr(
        site, "start", lambda: site._supervised.start([sys.executable, "-c", next(code)], None)
    )
    yield site
    site.close()


def until_it_ended(site: Site) -> None:
    wait_for(lambda: not site.is_running())


def test_a_supervisor_that_ended_by_itself_is_revived_and_told(site: Site) -> None:
    site.start()
    until_it_ended(site)
    site.revive()
    living = site._supervised.look()
    assert living is not None
    site.revive()
    assert site._supervised.look() == living
    (end,) = site.unasked_ends()
    assert "exit code 1" in end


def test_the_next_planned_kill_counts_no_kill_where_there_was_nothing_to_hit(site: Site) -> None:
    site.start()
    until_it_ended(site)
    assert not site.kill_supervisor()
    assert site._supervised.look() is not None
    assert site.kill_supervisor()
    (end,) = site.unasked_ends()
    assert "exit code 1" in end
