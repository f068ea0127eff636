"""The console command `pixstream`: options that every command shares, and the only exits.

Exit codes: 0 done, 1 failed, 2 configuration or usage is wrong, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.errors import ConfigError, PixstreamError

if TYPE_CHECKING:
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Client

COMMANDS = {
    "broker": "start, stop and look at the embedded Kafka broker",
    "chaos": "break a running pipeline on purpose and prove that nothing is lost or doubled",
    "check": "validate the configuration, then try broker, topics, sources and destinations",
    "config": "show the effective configuration, or its JSON schema",
    "dead-letters": "find, read, repair and replay what could not go on",
    "demo": "run everything against the sandbox bank and reconcile",
    "jobs": "list, check and run the jobs of the Databricks bundle, without a workspace",
    "keys": "create the privacy keys",
    "lag": "how far each consumer is behind",
    "offsets": "show where consumers stand, and decide where one goes on",
    "preview": "show what a producer would make of some files, without Kafka",
    "run": "run the configured producers and consumers",
    "sandbox": "serve a bank that behaves as API Pix 2.9.0 describes",
    "simulate": "write files of realistic Pix traffic, with fraud labels",
    "status": "what every component of a running `pixstream run` does",
    "topics": "plan, apply and list topics, and print the ACLs they need",
}


class Root:
    """What the shared options say, for the commands.

    Attributes:
        path: the YAML file.
        env: environment named by `--env`, if any.
        overrides: `path=value` of each `--set`.
    """

    def __init__(self, path: Path, env: str | None, overrides: tuple[str, ...]) -> None:
        self.path = path
        self.env = env
        self.overrides = overrides

    def load(self) -> Settings:
        """The configuration that the options select.

        Raises:
            ConfigError: one problem a line.
        """
        from pixstream import config

        return config.load(self.path, env=self.env, overrides=self.overrides)

    def client(self, settings: Settings) -> Client:
        """A Kafka client for the configured brokers, or for the running embedded one.

        Raises:
            BrokerError: none is configured and the embedded one does not run.
        """
        from pixstream import runtime

        return runtime.client(settings)


class LazyGroup(click.Group):
    """Imports a command's module when it is called, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command: `dead-letters` is `cli/dead_letters.py:dead_letters`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"pixstream.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("kafka_config.yaml"),
    envvar="PIXSTREAM_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The YAML file with every setting.",
)
@click.option("--env", help="Environment whose overlay counts: dev, staging, prod.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change one setting for this call; may be repeated.",
)
@click.version_option(package_name="pixstream")
@click.pass_context
def cli(ctx: click.Context, path: Path, env: str | None, overrides: tuple[str, ...]) -> None:
    """Pix events through Apache Kafka into Delta Lake, exactly once.

    \b
    Examples:
      pixstream demo --events 20000
      pixstream --env prod check
      pixstream --set kafka.client=kafka-python run webhook delta_lake
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream import logs

    logs.for_people()
    ctx.obj = Root(path, env, overrides)


def main() -> None:
    """Run a command and turn what it raises into an exit code and one clear message."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command with these arguments; the exit code."""
    try:
        result = cli.main(arguments, prog_name="pixstream", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        result = exit_.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        result = 130
    except click.ClickException as error:
        error.show()
        result = error.exit_code
    except ConfigError as error:
        click.echo(f"{error}", err=True)
        result = 2
    except PixstreamError as error:
        click.echo(f"error: {error}", err=True)
        result = 1
    except OSError as error:
        # What the machine refuses a command: its place and reason, of which neither is a payload.
        what = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {what}{error.strerror or type(error).__name__}", err=True)
        result = 1
    return result if isinstance(result, int) else 0
