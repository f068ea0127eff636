"""The console command `pixstream`: the options that all commands share, and the exit codes.

Exit codes: 0 success; 1 failure; 2 wrong configuration or usage, or a missing extra;
130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from pixstream.cli.lab_extra import INSTALL, belongs_to_lab
from pixstream.cli.root import Root
from pixstream.errors import ConfigError, PixstreamError

COMMANDS = {
    "broker": "start, stop and inspect the embedded Kafka broker",
    "chaos": "break a running pipeline on purpose and prove that nothing is lost or duplicated",
    "check": "validate the configuration, then probe the broker, topics, sources and destinations",
    "config": "write a first configuration, show the effective one or the JSON schema",
    "dead-letters": "find, inspect, repair and replay records that could not be processed",
    "demo": "run everything against the sandbox bank and reconcile the results",
    "jobs": "list, check and run the jobs of the Databricks bundle without a workspace",
    "keys": "create the privacy keys",
    "lag": "show how far behind each consumer and processor is",
    "offsets": "show the offsets of each consumer and processor, and set them",
    "preview": "show how a producer would read some files, without Kafka",
    "query": "answer a SELECT over the Delta tables",
    "run": "run the configured producers, consumers and processors",
    "sandbox": "serve a bank that behaves as API Pix 2.9.0 specifies",
    "simulate": "write files of realistic Pix traffic, with fraud labels",
    "status": "show the state of every component of a running `pixstream run`",
    "topics": "plan, apply and list topics, and print the ACLs they need",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is called, so `--help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command: `dead-letters` is in `pixstream.cli.dead_letters.dead_letters`."""
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
    help="YAML file with all settings.",
)
@click.option("--env", help="Environment whose overlay applies: dev, staging or prod.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override one setting for this call; repeatable.",
)
@click.version_option(package_name="pixstream")
@click.pass_context
def cli(ctx: click.Context, path: Path, env: str | None, overrides: tuple[str, ...]) -> None:
    """Take Pix events through Apache Kafka into Delta Lake, exactly once.

    \b
    Examples:
      pixstream demo --events 20000
      pixstream --env prod check
      pixstream --set kafka.client=kafka-python run webhook delta_lake
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream import logs

    logs.for_people()
    ctx.obj = Root(path, env, overrides)


def main() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; turn its expected errors into one clear message.

    A missing module that the extra `lab` does not install is a defect and is raised again.
    """
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
    except ModuleNotFoundError as error:
        if not belongs_to_lab(error):
            raise
        click.echo(f"{INSTALL} ({error.msg})", err=True)
        result = 2
    except OSError as error:
        # The path and the reason of the operating system's error; neither contains a payload.
        what = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {what}{error.strerror or type(error).__name__}", err=True)
        result = 1
    return result if isinstance(result, int) else 0
