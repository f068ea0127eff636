"""`--config`, `--env` and `--set`, before the command and after it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixstream.cli.root import Root

if TYPE_CHECKING:
    from collections.abc import Callable

_CONFIG = "YAML file with all settings."
_ENV = "Environment whose overlay applies: dev, staging or prod."
_SET = "Override one setting for this call; repeatable."


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to the program itself, which receives `path`, `env` and `overrides`."""
    path = click.option(
        "--config",
        "-c",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("kafka_config.yaml"),
        envvar="PIXSTREAM_CONFIG",
        show_default=True,
        show_envvar=True,
        help=_CONFIG,
    )
    env = click.option("--env", help=_ENV)
    overrides = click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help=_SET)
    return path(env(overrides(function)))


def accept(command: click.Command) -> click.Command:
    """Let a command, and every command of a group, take the options too; return it.

    What stands after the command wins over what stands before it, and `--set` is added to it. A
    command that reads no configuration gets none of them.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            accept(inner)
    elif _reads_configuration(command) and "shared_config" not in {p.name for p in command.params}:
        command.params += _options()
    return command


def _reads_configuration(command: click.Command) -> bool:
    return "root" in inspect.signature(command.callback or accept).parameters


def _options() -> list[click.Parameter]:
    def option(*names: str, **kwargs: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_apply, **kwargs)

    return [
        option(
            *("--config", "-c", "shared_config"),
            type=click.Path(path_type=Path, dir_okay=False),
            help=_CONFIG,
        ),
        option("--env", "shared_env", help=_ENV),
        option("--set", "shared_set", multiple=True, metavar="PATH=VALUE", help=_SET),
    ]


def _apply(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Change the context's Root; an option that is absent changes nothing."""
    root = ctx.obj
    if not value or not isinstance(root, Root):
        return
    match parameter.name:
        case "shared_config":
            root.path = value
        case "shared_env":
            root.env = value
        case "shared_set":
            root.overrides = (*root.overrides, *value)
