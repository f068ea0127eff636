"""Commands in processes of their own: limits, sharing, and that whatever they do is contained."""

import asyncio
import sys
from pathlib import Path

import pytest

from pixstream.page import calls
from pixstream.page.calls import Answer, Caller


def caller(code: str, seconds: float = 60.0) -> Caller:
    return Caller([sys.executable, "-c", code], seconds)


def answer(code: str, *words: str, seconds: float = 60.0) -> Answer:
    async def ask() -> Answer:
        return await caller(code, seconds).ask(*words)

    return asyncio.run(ask())


def test_what_a_command_says_comes_back() -> None:
    found = answer("import sys; print(sys.argv[1]); print('w', file=sys.stderr)", "--x=1")
    assert (found.output, found.errors, found.code, found.good) == ("--x=1\n", "w\n", 0, True)


def test_a_command_that_fails_says_why() -> None:
    found = answer("raise SystemExit('error: no broker')")
    assert (found.why, found.code, found.errors) == (calls.FAILED, 1, "error: no broker\n")


def test_a_machine_that_cannot_start_it_is_an_answer_too() -> None:
    async def ask() -> Answer:
        return await Caller(["/no/such/program"], 60.0).ask()

    found = asyncio.run(ask())
    assert (found.why, found.errors) == (calls.FAILED, "No such file or directory")


def test_a_command_that_crashes_takes_nothing_along() -> None:
    found = answer("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (found.why, found.code) == (calls.FAILED, -11)


SLOW = """
import os, signal, time
{ignore}
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_command_is_ended_with_the_page(
    monkeypatch: pytest.MonkeyPatch, *, stubborn: bool
) -> None:
    monkeypatch.setattr(calls, "_PAUSE_SECONDS", 1.0 if stubborn else 60.0)
    ignore = "signal.signal(signal.SIGINT, signal.SIG_IGN)" if stubborn else ""
    said: list[str] = []

    async def begin_and_leave() -> None:
        begun = asyncio.Event()

        def hear(text: str) -> None:
            said.append(text)
            begun.set()

        task = asyncio.create_task(caller(SLOW.format(ignore=ignore)).run(heard=hear))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_leave())
    assert not Path(f"/proc/{said[0].strip()}").exists()


def test_a_command_that_takes_too_long_gives_no_answer() -> None:
    found = answer("import time; print('a', flush=True); time.sleep(600)", seconds=0.2)
    assert (found.why, found.code) == (calls.LATE, None)


def test_output_beyond_the_bound_is_dropped_and_does_not_stop_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "MOST_BYTES", 1_000)
    found = answer("import sys; sys.stdout.write('x' * 300_000); sys.exit(3)")
    assert (len(found.output), found.cut, found.code) == (1_000, True, 3)


COUNTS = "import sys; open(sys.argv[1], 'a').write('.')"


def test_the_same_question_at_the_same_time_is_one_command(tmp_path: Path) -> None:
    async def many() -> None:
        one = caller(COUNTS)
        await asyncio.gather(*(one.ask(str(tmp_path / "asked")) for _ in range(20)))

    asyncio.run(many())
    assert (tmp_path / "asked").read_text() == "."


def test_an_answer_is_kept_as_long_as_the_asker_likes_and_until_something_changes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "asked"

    async def several() -> list[int]:
        one, seen = caller(COUNTS), []
        for fresh in (600.0, 600.0, 0.0, 600.0):
            await one.ask(str(file), fresh_seconds=fresh)
            seen.append(await asyncio.to_thread(size))
        one.forget()
        await one.ask(str(file), fresh_seconds=600.0)
        return [*seen, await asyncio.to_thread(size)]

    def size() -> int:
        return file.stat().st_size

    assert asyncio.run(several()) == [1, 1, 2, 2, 3]


WAITS = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
"""


def test_too_many_questions_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "WAITING", 3)

    async def crowd() -> list[str]:
        one, go = caller(WAITS), tmp_path / "go"
        tasks = [asyncio.create_task(one.ask(str(go), str(number))) for number in range(4)]
        refused = await tasks[3]
        await asyncio.to_thread(go.touch)
        return [refused.why, *[(await task).why for task in tasks[:3]]]

    assert asyncio.run(crowd()) == [calls.BUSY, "", "", ""]
