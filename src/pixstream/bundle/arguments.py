"""The arguments that a task gets in a local run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.bundle.variables import REFERENCE
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONFIGURATION = ("--config", "--env", "--set")


class LocalContext(NamedTuple):
    """The root command's own options: `-c`, `--env` and each `--set`.

    A task whose arguments have `--config` reads the configuration. In a workspace its `--env` and
    `--set` fit that configuration to the workspace, its catalog for instance; here all three are
    the root command's. A task without `--config` gets exactly what the bundle says.
    """

    path: str
    env: str | None = None
    overrides: Sequence[str] = ()

    def divided(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the bundle's arguments that apply here, and those of the root command."""
        names = [argument.partition("=")[0] for argument in arguments]
        if "--config" not in names:
            return list(arguments), []
        kept: list[str] = []
        value_follows = False
        for argument, name in zip(arguments, names, strict=True):
            if value_follows or name in _CONFIGURATION:
                value_follows = not value_follows and argument in _CONFIGURATION
            else:
                kept.append(argument)
        own = ["--config", self.path]
        own += [] if self.env is None else ["--env", self.env]
        for override in self.overrides:
            own += ["--set", override]
        return kept, own


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Refuse arguments with a reference that only a workspace can resolve.

    Raises:
        ConfigError: one does.
    """
    for argument in arguments:
        if match := REFERENCE.search(argument):
            raise ConfigError(
                f"{match[0]} is known only to a workspace; make it a job parameter "
                "({{job.parameters.x}}) and give it with --param, or a variable and "
                "BUNDLE_VAR_<name>"
            )
