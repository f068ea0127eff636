"""Runs commands of pixstream for the page: in processes of their own, few at a time, within limits.

A scan of all dead letters takes memory and minutes, and a client library that crashes takes its
process along; neither may happen to the supervisor. The commands are what a person would type, so
the page and the command line never disagree.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE = 2
"""Commands that run at the same time; further ones wait for their turn."""

WAITING = 16
"""Questions that may be open; one more is refused."""

MOST_BYTES = 2 * 2**20
"""Of what a command prints; the rest is dropped."""

KEPT = 64
"""Answers that are kept for a while."""

_PAUSE_SECONDS = 5.0
"""How long a command that was asked to end may go on."""

BUSY, LATE, FAILED = "call_busy", "call_late", "call_failed"
"""Why there is no answer: keys of `words`."""


class Answer(NamedTuple):
    """What a command said.

    Attributes:
        output: its standard output.
        errors: its standard error.
        code: its exit code; None: it did not run, or did not end in time.
        why: BUSY, LATE or FAILED; empty: it succeeded.
        cut: some of its output was dropped.
        seconds: how long it took.
    """

    output: str
    errors: str = ""
    code: int | None = 0
    why: str = ""
    cut: bool = False
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it succeeded."""
        return not self.why


class Caller:
    """Runs commands; used in the thread of its event loop.

    Args:
        program: what comes before the arguments: python, the module, the shared options.
        seconds: how long a command may take.
    """

    def __init__(self, program: Sequence[str], seconds: float) -> None:
        self._program = tuple(program)
        self._seconds = seconds
        self._places = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[str, ...], tuple[float, asyncio.Task[Answer]]] = OrderedDict()

    async def ask(self, *arguments: str, fresh_seconds: float = 0.0) -> Answer:
        """Return what a command that only reads says.

        Several that ask the same at the same time share one process, and an answer that is younger
        than `fresh_seconds` is given again.
        """
        now = time.monotonic()
        known = self._kept.get(arguments)
        if known is not None and (not known[1].done() or now - known[0] < fresh_seconds):
            return await asyncio.shield(known[1])
        if sum(not task.done() for _, task in self._kept.values()) >= WAITING:
            return Answer("", why=BUSY, code=None)
        task = asyncio.create_task(self.run(*arguments))
        self._kept[arguments] = (now, task)
        self._kept.move_to_end(arguments)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Forget every answer: something has been changed."""
        self._kept = OrderedDict((k, v) for k, v in self._kept.items() if not v[1].done())

    async def run(
        self,
        *arguments: str,
        seconds: float | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> Answer:
        """Run a command to its end, or to its time limit.

        Args:
            arguments: its words.
            seconds: another time limit.
            heard: called with the standard output as it comes.
        """
        async with self._places:
            return await self._run(arguments, seconds or self._seconds, heard)

    async def _run(
        self, arguments: Sequence[str], seconds: float, heard: Callable[[str], None] | None
    ) -> Answer:
        began = time.monotonic()
        try:
            process = await self._start(arguments)
        except OSError as error:  # the machine is out of memory, processes or open files
            return Answer("", error.strerror or "", None, FAILED)
        assert process.stdout is not None  # noqa: S101  they were opened as pipes
        assert process.stderr is not None  # noqa: S101
        output, errors = _Text(heard), _Text(None)
        late = False
        reading = asyncio.gather(
            _drain(process.stdout, output), _drain(process.stderr, errors), process.wait()
        )
        try:
            await asyncio.wait_for(asyncio.shield(reading), seconds)
        except TimeoutError:
            late = True
        finally:
            if process.returncode is None:
                await _end(process, reading)
        code = process.returncode
        why = LATE if late else FAILED if code else ""
        cut = output.cut or errors.cut
        passed = time.monotonic() - began
        return Answer(output.text, errors.text, None if late else code, why, cut, passed)

    async def _start(self, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C of the supervisor's terminal is not meant for it, and what it starts ends too.
            start_new_session=True,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"},
        )


class _Text:
    """The beginning of what a command prints."""

    def __init__(self, heard: Callable[[str], None] | None) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._heard = heard
        self.cut = False

    @property
    def text(self) -> str:
        return b"".join(self._parts).decode("utf-8", "replace")

    def add(self, part: bytes) -> None:
        room = MOST_BYTES - self._size
        self.cut = self.cut or len(part) > room
        self._parts.append(part[:room])
        self._size += len(part[:room])
        if self._heard is not None:
            self._heard(self.text)


async def _drain(stream: asyncio.StreamReader, into: _Text) -> None:
    """Read to the end, also what is dropped: a full pipe would stop the command."""
    while part := await stream.read(65536):
        into.add(part)


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Future[Any]) -> None:
    """Ask the command to end, as Ctrl-C does, and kill it if it goes on."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), _PAUSE_SECONDS)
            return
    reading.cancel()
