"""The console command `pixstream`: the options that all commands share, and the exit codes.

Exit codes: 0 success; 1 failure; 2 wrong configuration or usage, or a missing extra;
130 interrupted.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import TYPE_CHECKING

import click

from pixstream.cli.lab_extra import INSTALL, belongs_to_lab
from pixstream.cli.root import Root
from pixstream.cli.shared_options import accept, shared
from pixstream.errors import ConfigError, PixstreamError

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "broker": "start, stop and inspect the embedded Kafka broker",
    "chaos": "break a running pipeline on purpose and prove that nothing is lost or duplicated",
    "check": "validate the configuration, then probe the broker, topics, sources and destinations",
    "config": "write a first configuration, show the effective one or the JSON schema",
    "dead-letters": "find, inspect, repair and replay records that could not be processed",
    "demo": "run everything against the sandbox bank and reconcile the results",
    "find": "find a person's rows in the Delta tables by pseudonym; audited",
    "jobs": "list, check and run the jobs of the Databricks bundle without a workspace",
    "keys": "create the privacy keys",
    "lag": "show how far behind each consumer and processor is",
    "monitoring": "start and stop Prometheus, Alertmanager and OpenSearch on this machine",
    "offsets": "show the offsets of each consumer and processor, and set them",
    "positions": "show where each producer is in its streams",
    "preview": "show how a producer would read some files, without Kafka",
    "query": "answer a SELECT over the Delta tables",
    "run": "run the configured producers, consumers and processors",
    "sandbox": "serve a bank that behaves as API Pix 2.9.0 specifies",
    "simulate": "write files of realistic Pix traffic, with fraud labels",
    "status": "show the state of every component of a running `pixstream run`",
    "topics": "plan, apply and list topics, and print the ACLs they need",
    "trace": "tell one payment's life: who told it, where it is in Kafka and in the tables",
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
        return accept(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error about an unknown one names those that are similar."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            name = error.command_name
            raise click.exceptions.NoSuchCommand(name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@shared
@click.version_option(package_name="pixstream")
@click.pass_context
def cli(ctx: click.Context, path: Path, env: str | None, overrides: tuple[str, ...]) -> None:
    """Take Pix events through Apache Kafka into Delta Lake, exactly once.

    \b
    Examples:
      pixstream demo --events 20000
      pixstream --env prod check
      pixstream run webhook delta_lake --set kafka.client=kafka-python

    --config, --env and --set may also stand after the command.
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream import logs

    logs.for_people()
    ctx.obj = Root(path, env, overrides)


def main() -> None:
    """Run the command line of this process and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it is closed
            # A name that is not UTF-8, or a terminal without the character, must not be an error.
            stream.reconfigure(errors="backslashreplace")
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
    except BrokenPipeError:  # `pixstream … | head` has seen enough
        _let_go_of_output()
        result = 1
    except (PixstreamError, ModuleNotFoundError, UnicodeEncodeError, OSError) as error:
        explained = _explained(error, arguments)
        if explained is None:
            raise
        text, result = explained
        click.echo(text, err=True)
    return result if isinstance(result, int) else 0


def _explained(error: Exception, arguments: list[str]) -> tuple[str, int] | None:
    """Return the message and the exit code of an expected error; None: it is a defect."""
    match error:
        case ConfigError():
            return f"{error}", 2
        case PixstreamError():
            return f"error: {error}", 1
        case ModuleNotFoundError() if belongs_to_lab(error):
            return f"{INSTALL} ({error.msg})", 2
        case UnicodeEncodeError() if any(map(_is_broken, arguments)):
            return "error: an argument is not UTF-8; give another name", 2
        case OSError():
            # The path and the reason of the operating system's error; neither contains a payload.
            what = f"{error.filename}: " if error.filename else ""
            return f"error: {what}{error.strerror or type(error).__name__}", 1
        case _:
            return None


def _is_broken(argument: str) -> bool:
    """Return whether an argument contains bytes that are not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return True
    return False


def _let_go_of_output() -> None:
    """Send what is left to nowhere: Python would complain when it flushes at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
