"""Runs every scheduled job of a bundle, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.bundle.definition import JobWork
from pixstream.config.problems import nearest
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.bundle.definition import Bundle, Job
    from pixstream.bundle.running import Runner


def run_all(runner: Runner, bundle: Bundle, parameters: Mapping[str, str]) -> dict[str, str]:
    """Run the jobs that are neither paused nor continuous; return the skipped ones with reasons.

    A job that starts others runs before them, and the jobs that it started are not run again;
    otherwise the order is that of the files. A failed job does not stop the others.

    Args:
        runner: runs them.
        bundle: the bundle.
        parameters: values for every job that declares such a parameter.

    Raises:
        ConfigError: no job declares one of the parameters.
    """
    left_out = {job.key: _reason(job) for job in bundle.jobs.values() if _reason(job)}
    chosen = [job for job in _starters_first(bundle) if job.key not in left_out]
    declared = {name for job in chosen for name in job.parameters}
    for name in parameters:
        if name not in declared:
            hint = nearest(name, declared)
            raise ConfigError(f"no job that runs declares a parameter {name!r}{hint}")
    for job in chosen:
        starter = next((r.started_by for r in runner.results if r.job == job.key), None)
        if runner.stopped:
            left_out[job.key] = "a stop was asked for before it started"
        elif starter:
            left_out[job.key] = f"ran already, started by {starter}"
        else:
            given = {name: text for name, text in parameters.items() if name in job.parameters}
            runner.run(job.key, given)
    return left_out


def _reason(job: Job) -> str:
    """Return why a job is skipped; empty if it runs."""
    if job.timing.continuous:
        return "continuous: it would not end; run it by its name"
    return "paused in this target; run it by its name" if job.timing.paused else ""


def _starters_first(bundle: Bundle) -> list[Job]:
    """Return the jobs in the order of the files, but each after those that start it."""
    starts = {
        job.key: {t.work.job for t in job.tasks if isinstance(t.work, JobWork)}
        for job in bundle.jobs.values()
    }
    left = dict(bundle.jobs)
    order: list[Job] = []
    while left:
        free = (job for job in left.values() if not any(job.key in starts[k] for k in left))
        # Jobs that start one another in a cycle are refused when the first of them runs.
        job = next(free, next(iter(left.values())))
        order.append(left.pop(job.key))
    return order
