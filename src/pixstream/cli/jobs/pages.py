"""The output of `pixstream jobs`: lists, progress while jobs run, and the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pixstream.bundle.definition import WheelWork
from pixstream.bundle.results import BAD, State
from pixstream.bundle.values import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from pixstream.bundle.calling import AttemptResult
    from pixstream.bundle.definition import Bundle, Job, Task
    from pixstream.bundle.results import JobResult, TaskResult


def list_page(bundle: Bundle) -> Table:
    """Return the table of every job and its tasks."""
    title = f"{bundle.name}, target {bundle.target}"
    table = _table(title, ("job", "when", "paused", "task", "after", "what it does"))
    for job in bundle.jobs.values():
        head = (job.key, job.timing.words or "on demand", "yes" if job.timing.paused else "")
        for number, task in enumerate(job.tasks):
            own = head if number == 0 else ("", "", "")
            table.add_row(*map(escape, (*own, task.key, _after(task), _what(task))))
    return table


def summary(results: Sequence[JobResult]) -> Table:
    """Return the table of the results of all tasks."""
    heads = ("job", "task", "state", "attempts", "seconds", "what it reported")
    table = _table("Summary", heads)
    for result in results:
        for task in result.tasks:
            reported = " ".join(filter(None, (in_words(task.facts), _first_line(task.note))))
            table.add_row(
                escape(task.job),
                escape(task.task),
                f"[{_style(task.state)}]{task.state}[/]",
                str(task.attempts),
                f"{task.seconds:.1f}",
                escape(reported),
            )
    return table


def left_out_lines(left_out: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each job that did not run, with the reason."""
    for job, reason in left_out.items():
        yield f"left out: {job}: {reason}"


class JobView:
    """The display while jobs run: lines, and on a terminal a bar below them."""

    def __init__(self, screen: Console, bundle: Bundle) -> None:
        self._screen = screen
        self._bundle = bundle
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(
            *columns, TimeElapsedColumn(), console=screen, disable=not screen.is_terminal
        )

    def __enter__(self) -> Self:
        """Start drawing if there is a terminal."""
        self._bar.start()
        self._line = self._bar.add_task("starting", total=0)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the last state stays on the screen."""
        self._bar.stop()

    def job_started(self, job: Job, parameters: Mapping[str, str]) -> None:
        """Print that a job starts."""
        total = (self._bar.tasks[0].total or 0) + len(job.tasks)
        self._bar.update(self._line, description=job.key, total=total)
        with_ = " ".join(f"{name}={value}" for name, value in parameters.items())
        self._say(f"job {job.key} {with_}".rstrip())

    def task_started(self, job: str, task: str, attempt: int, work: str) -> None:
        """Print that a task starts."""
        self._bar.update(self._line, description=f"{job}.{task}")
        again = f" (attempt {attempt})" if attempt > 1 else ""
        self._say(f"  {job}.{task}{again}: {work}")

    def task_failed(
        self, job: str, task: str, ending: AttemptResult, wait: float, wanted: float
    ) -> None:
        """Print that an attempt failed and when the next one starts."""
        self._trace(ending)
        capped = f"; the bundle says {wanted:.0f} s, --max-wait {wait:g}" if wanted > wait else ""
        self._say(f"  {job}.{task} failed: {ending.why}; retry in {wait:.1f} s{capped}")

    def task_ended(self, result: TaskResult, ending: AttemptResult | None) -> None:
        """Print how a task ended, or that it does not run."""
        self._bar.advance(self._line)
        if ending is not None:
            self._trace(ending)
        reported = " ".join(filter(None, (in_words(result.facts), result.note)))
        took = f" after {result.seconds:.1f} s" if result.attempts else ""
        self._say(f"  {result.job}.{result.task}: {result.state}{took} {reported}".rstrip())

    def _say(self, line: str) -> None:
        self._screen.print(line, highlight=False, markup=False, soft_wrap=True)

    def _trace(self, ending: AttemptResult) -> None:
        if ending.trace:
            click.echo(ending.trace, err=True, nl=False)


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for head in heads:
        right = head in ("attempts", "seconds")
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    return table


def _after(task: Task) -> str:
    names = (f"{one.task} is {one.outcome}" if one.outcome else one.task for one in task.depends_on)
    rule = "" if task.run_if == "ALL_SUCCESS" else f" ({task.run_if})"
    return ", ".join(names) + rule


def _what(task: Task) -> str:
    """Return what a task does: its description, or its work with all arguments."""
    if not task.description:
        return str(task.work)
    work = task.work.entry_point if isinstance(task.work, WheelWork) else str(task.work)
    return f"{work}: {task.description}"


def _style(state: State) -> str:
    if state in BAD:
        return "red"
    return "green" if state is State.SUCCESS else "yellow"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
