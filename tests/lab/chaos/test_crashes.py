"""Errors that nobody foresaw are found in the logs, and the storm's own faults are none of them."""

import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixstream import errors
from pixstream.config.settings import SupervisorSettings
from pixstream.lab.chaos import crashes
from pixstream.logs import EcsFormatter
from pixstream.plugins.consumer import Consumer
from pixstream.processes.component import ChildSpec
from pixstream.processes.lifeline import EXIT_FAILED, EXIT_FENCED
from pixstream.processes.supervisor import Supervisor

Log = Callable[[str], logging.Logger]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Writes the log file as the components do, under the label of the last one named."""
    handler = logging.FileHandler(tmp_path / "pixstream.log")
    logger = logging.getLogger("pixstream")
    logger.addHandler(handler)

    def of(label: str) -> logging.Logger:
        handler.setFormatter(EcsFormatter(label))
        return logging.getLogger("pixstream.component")

    of("supervisor")
    yield of
    logger.removeHandler(handler)
    handler.close()


@pytest.fixture
def supervisor() -> Supervisor:
    order = ChildSpec(config_path="", environment=None, overrides=[], name="", replica=0)
    component = Consumer(type="fake")
    component.name = "delta_lake"
    return Supervisor(order, [component], SupervisorSettings())


def stop_by(log: logging.Logger, error: BaseException) -> None:
    """The line with which a component says why it ends."""

    def fail() -> None:
        raise error

    try:
        fail()
    except BaseException:
        log.exception("it stops, nothing of its batch is committed: unexpected error")


def test_an_exception_that_nobody_foresaw_tells_component_kind_place_and_time(
    log: Log, tmp_path: Path
) -> None:
    stop_by(log("delta_lake-1"), KeyError("12345678909"))
    (told,) = crashes.told_in(tmp_path)
    assert told.startswith("delta_lake-1: KeyError, not foreseen, in ")
    assert "test_crashes.py:" in told
    assert " fail, at 20" in told
    assert "12345678909" not in told


def test_what_looks_alike_is_told_once_with_its_number(log: Log, tmp_path: Path) -> None:
    for error in (KeyError(), KeyError(), ValueError(), KeyError()):
        stop_by(log("webhook-0"), error)
    stop_by(log("webhook-1"), KeyError())
    told = crashes.told_in(tmp_path)
    assert [text.partition(",")[0] for text in told] == [
        "webhook-0: KeyError",
        "webhook-0: ValueError",
        "webhook-1: KeyError",
    ]
    assert told[0].endswith("Z and 2 times more")
    assert told[1].endswith("Z")


def test_rotated_files_are_read_too(log: Log, tmp_path: Path) -> None:
    stop_by(log("bank_api-0"), OSError())
    (tmp_path / "pixstream.log").rename(tmp_path / "pixstream.log.1")
    (told,) = crashes.told_in(tmp_path)
    assert told.startswith("bank_api-0: OSError")


def test_no_error_of_pixstream_is_an_accident(log: Log, tmp_path: Path) -> None:
    root = errors.PixstreamError
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, root)]
    assert errors.DestinationError in kinds
    for kind in kinds:
        stop_by(log("delta_lake-0"), kind.__new__(kind))
    log("delta_lake-0").error("cannot commit: No space left on device (unexpected error)")
    log("delta_lake-0").critical("FATAL: broker is away: Traceback")
    assert crashes.told_in(tmp_path) == []


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGTERM])
def test_a_component_that_ends_by_a_signal_of_no_storm_is_told(
    supervisor: Supervisor, tmp_path: Path, number: signal.Signals
) -> None:
    supervisor._after(supervisor.children[0], -number)
    (told,) = crashes.told_in(tmp_path)
    assert told.startswith(f"delta_lake-0: ended with signal {number.name}, at 20")


@pytest.mark.usefixtures("log")
def test_a_component_that_hung_is_told_once(supervisor: Supervisor, tmp_path: Path) -> None:
    (child,) = supervisor.children
    child.silent = 61.0
    supervisor._watch(child)
    child.verdict = "no report for 61 s"
    supervisor._after(child, -signal.SIGKILL)
    (told,) = crashes.told_in(tmp_path)
    assert told.startswith("delta_lake-0: hung, and its supervisor killed it, at 20")


@pytest.mark.usefixtures("log")
def test_the_storms_kills_and_ends_with_a_reason_are_not_told(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    for code in (-signal.SIGKILL, EXIT_FAILED, EXIT_FENCED):
        supervisor._after(supervisor.children[0], code)
    assert len((tmp_path / "pixstream.log").read_text().splitlines()) == 3
    assert crashes.told_in(tmp_path) == []


def test_a_traceback_on_standard_error_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "components.err").write_text(
        "error: the port is taken\n"
        "Exception ignored in: <function Inbox.__del__ at 0x7f>\n"
        "Traceback (most recent call last):\n"
        '  File "inbox.py", line 7, in __del__\n'
        "OSError: 12345678909\n"
        "Traceback (most recent call last):\n"
        '  File "supervisor.py", line 1, in step\n'
        "    raise DeltaError(document)\n"
        "deltalake.exceptions.DeltaError: 12345678909\n"
        "Traceback (most recent call last):\n"
        '  File "main.py", line 1, in run\n'
        "pixstream.errors.DestinationError: the disk is full\n"
        "Traceback (most recent call last):\n"
        '  File "main.py", line 9, in ru'
    )
    assert crashes.told_in(tmp_path) == [
        "a process: DeltaError, not foreseen, at line 6 of components.err",
        "a process: an exception that it did not finish, at line 13 of components.err",
    ]


def test_a_line_that_a_kill_cut_short_is_no_reason_to_fail_unless_it_tells_of_an_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "pixstream.log").write_text(
        '{"@timestamp":"2026-11-24T12:00:00.000Z","message":"delta_lake-0 ended with signal SIGK\n'
        '{"@timestamp":"2026-11-24T12:00:00.000Z","error.type":"KeyErr'
    )
    (told,) = crashes.told_in(tmp_path)
    assert told.startswith("a component: a log line of an error is cut short")


def test_quiet_logs_tell_nothing(tmp_path: Path) -> None:
    assert crashes.told_in(tmp_path) == []
    (tmp_path / "components.err").touch()
    (tmp_path / "pixstream.log").touch()
    assert crashes.told_in(tmp_path) == []
