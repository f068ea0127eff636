"""Warnings of a component: counted while they are news, and gone afterwards."""

import datetime as dt
import logging
import time
from collections.abc import Iterator
from random import Random

import pytest
from rich.console import Console

from pixstream.backoff import BackoffSettings
from pixstream.cli import status
from pixstream.event.identifiers import generate_cpf
from pixstream.processes.child import Child
from pixstream.processes.component import ChildSpec
from pixstream.processes.report import WARNED_SECONDS, Report, _LastWarning
from pixstream.processes.run_status import ComponentStatus


@pytest.fixture
def child() -> Child:
    order = ChildSpec(config_path="", environment=None, overrides=[], name="spi", replica=0)
    return Child(order, BackoffSettings(), None, ())


@pytest.fixture
def last() -> Iterator[_LastWarning]:
    handler = _LastWarning()
    logger = logging.getLogger("pixstream.test_warnings")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def notes(seen: ComponentStatus) -> list[str]:
    return list(status._notes(seen))


def test_a_warning_is_shown_while_it_is_news(child: Child) -> None:
    for age, shown in ((1.0, True), (WARNED_SECONDS - 60, True), (WARNED_SECONDS + 60, False)):
        child._last = Report(state="ready", warning="no", warned_at=time.time() - age, warnings=1)
        seen = child.status(60.0)
        assert (seen.last_warning, seen.last_warning_at is not None) == (
            "no" if shown else None,
            shown,
        )
        assert [text.startswith("spi-0: warning at ") for text in notes(seen)] == [True] * shown
    assert child.status(60.0).recent_warnings == 0


def test_a_queue_of_bad_inputs_is_not_shown_as_one(child: Child, last: _LastWarning) -> None:
    for number in range(200):
        logging.getLogger("pixstream.test_warnings").warning("%d.xml is not XML", number)
    now = time.time()
    assert last.recent(now) == 200
    assert last.recent(now + WARNED_SECONDS + 1) == 0
    child._last = Report(state="ready", warning=last.text, warned_at=last.when, warnings=200)
    (text,) = notes(child.status(60.0))
    assert "UTC, the last of 200 in 15 min: 199.xml is not XML" in text
    console = Console(width=200)
    with console.capture() as shown:
        console.print(status._table([child.status(60.0)]))
    assert "spi-0" in shown.get()


def test_a_warning_outlives_its_process_until_it_is_old(child: Child) -> None:
    child._last = Report(state="ready", warning="no", warned_at=time.time(), warnings=1)
    child.state = "restarting"
    assert child.status(60.0).last_warning == "no"


def test_the_end_of_a_process_is_shown_until_the_next_one_has_worked_for_long(child: Child) -> None:
    child._last_exit = "signal SIGKILL"
    for state, seconds, shown in (
        ("ready", 60, True),
        ("ready", WARNED_SECONDS + 60, False),
        ("waiting", WARNED_SECONDS + 60, True),
    ):
        child.state = state
        child._last_exit_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
        assert ["SIGKILL" in text for text in notes(child.status(60.0))] == [True] * shown


def test_a_document_in_a_warning_is_masked_in_the_status_too(last: _LastWarning) -> None:
    cpf = generate_cpf(Random(1))
    logging.getLogger("pixstream.test_warnings").warning("%s.xml: moved", cpf)
    assert last.text == f"***{cpf[3:9]}**.xml: moved"
