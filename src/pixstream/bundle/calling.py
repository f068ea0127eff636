"""One attempt of a task: a function called in this process, and how it ended."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import traceback
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class AttemptResult(NamedTuple):
    """How a call ended.

    Attributes:
        ok: it returned, or exited with 0.
        why: what went wrong, on one line.
        trace: the traceback of an unexpected exception; else empty.
        interrupted: Ctrl-C ended it.
    """

    ok: bool
    why: str = ""
    trace: str = ""
    interrupted: bool = False


def call(load: Callable[[], Callable[[], Any]], arguments: list[str]) -> AttemptResult:
    """Load a function and call it with `sys.argv` set to `arguments`; ignore what it returns.

    A function that cannot be loaded (the library of an extra is missing, for instance) counts as
    one that fails.
    """
    signals: set[int] = set()
    try:
        with _as_a_program(arguments, signals):
            load()()
    except SystemExit as end:
        return _of_exit(end, interrupted=signal.SIGINT in signals)
    except KeyboardInterrupt:
        return AttemptResult(ok=False, why="interrupted", interrupted=True)
    except PixstreamError as error:
        return AttemptResult(ok=False, why=str(error))
    except Exception as error:  # noqa: BLE001  a task may fail with anything
        return AttemptResult(ok=False, why=_place(error), trace=traceback.format_exc())
    return AttemptResult(ok=True)


def _of_exit(end: SystemExit, *, interrupted: bool) -> AttemptResult:
    if end.code in (None, 0):
        return AttemptResult(ok=True)
    why = f"exit code {end.code}" if isinstance(end.code, int) else str(end.code)
    # How a task ends after Ctrl-C under click: `Aborted!` and exit code 1.
    return AttemptResult(
        ok=False, why=f"{why} after Ctrl-C" if interrupted else why, interrupted=interrupted
    )


@contextmanager
def _as_a_program(arguments: list[str], signals: set[int]) -> Iterator[None]:
    """Set `sys.argv`; afterwards restore it, with the signals received meanwhile in `signals`."""
    former, sys.argv = sys.argv, arguments
    main = threading.current_thread() is threading.main_thread()
    try:
        with _noting(signals) if main else nullcontext():
            yield
    finally:
        sys.argv = former


@contextmanager
def _noting(signals: set[int]) -> Iterator[None]:
    """Note signals whatever handler they have: a Spark session sets one of its own for Ctrl-C."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        former = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(former)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            with suppress(BlockingIOError):
                signals.update(reader.recv(4096))


def _place(error: Exception) -> str:
    """Return the class and where it was raised, not the text, which may quote a payload."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    name = frame.filename.rpartition("/")[2]
    return f"{type(error).__name__} in {name}:{frame.lineno} {frame.name}"
