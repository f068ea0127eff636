"""The options of every task, and the configuration that they select."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixstream import config
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.config.settings import Settings


def task(function: Callable[..., None]) -> Callable[[], None]:
    """Turn a function of settings, with the options above it, into the `main` of a task.

    It returns on success and raises on failure, as a Python wheel task requires.
    """
    options = [
        click.option(
            "--config", type=click.Path(path_type=Path), default=Path("kafka_config.yaml")
        ),
        click.option("--env", default=None, help="Environment whose overlay applies."),
        click.option("--set", "overrides", multiple=True, help="Change one setting: path=value."),
    ]

    def run(config: Path, env: str | None, overrides: tuple[str, ...], **rest: Any) -> None:
        function(_settings(config, env, overrides), **rest)

    run.__doc__ = function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in options:
        run = option(run)
    command = click.command(name=function.__module__.rpartition(".")[2])(run)

    def main() -> None:
        command.main(standalone_mode=False)

    main.__doc__ = function.__doc__
    return main


def day(option: str, text: str) -> dt.date | None:
    """Return the day in an option; None if it is empty, as a job's parameter may be.

    Raises:
        ConfigError: it is not a date.
    """
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is not a date of the form YYYY-MM-DD") from None


def _settings(path: Path, env: str | None, overrides: tuple[str, ...]) -> Settings:
    return config.load(path, env=env, overrides=overrides)
