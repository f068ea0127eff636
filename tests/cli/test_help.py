"""`--help` of every command: an example in it, and nothing heavy loaded for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from pixstream.cli.main import COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY = {
    *("confluent_kafka", "deltalake", "httpx2", "kafka", "lxml", "pyarrow", "pyspark"),
    *("jsonschema", "starlette", "uvicorn"),
}

LOADED = """
import contextlib, io, json, sys
from pixstream.cli import main

with contextlib.redirect_stdout(io.StringIO()):
    code = main.run(json.loads(sys.argv[1]))
assert code == 0
print(json.dumps(sorted(sys.modules)))
"""


def walk(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group below this one, with the words that call it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, *names, name)


EVERY = dict(walk(cli))
GROUPS = [names for names, command in EVERY.items() if isinstance(command, click.Group) and names]


def loaded(*arguments: str) -> set[str]:
    """The modules that a new process has loaded after this command."""
    command = [sys.executable, "-c", LOADED, json.dumps(arguments)]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return set(json.loads(output))


@pytest.mark.parametrize("names", EVERY, ids=" ".join)
def test_every_help_shows_an_example(names: tuple[str, ...]) -> None:
    command = EVERY[names]
    text = command.get_help(click.Context(command))
    assert re.search(r"^ +pixstream ", text, re.MULTILINE)


@pytest.mark.parametrize("names", EVERY, ids=" ".join)
def test_every_option_is_explained(names: tuple[str, ...]) -> None:
    options = [p for p in EVERY[names].params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_list_of_commands_is_complete() -> None:
    assert {names[0] for names in EVERY if names} == set(COMMANDS)
    assert len(GROUPS) == 8


def test_the_list_of_commands_is_printed_without_importing_one() -> None:
    ours = {name for name in loaded("--help") if name.startswith("pixstream")}
    assert ours == {
        *("pixstream", "pixstream.errors", "pixstream.cli", "pixstream.cli.main"),
        *("pixstream.cli.lab_extra", "pixstream.cli.root", "pixstream.cli.shared_options"),
    }


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_help_of_a_group_loads_no_heavy_library(names: tuple[str, ...]) -> None:
    modules = loaded(*names, "--help")
    assert modules & HEAVY == set()
    assert not any(name.startswith("pixstream.lab") for name in modules)


def test_every_command_that_reads_the_configuration_takes_the_shared_options() -> None:
    takers = {
        names
        for names, command in EVERY.items()
        if not isinstance(command, click.Group)
        and {"--config", "-c", "--env", "--set"} <= {o for p in command.params for o in p.opts}
    }
    leaves = {names for names, command in EVERY.items() if not isinstance(command, click.Group)}
    assert leaves - takers == {
        *(("demo",), ("simulate",), ("sandbox",), ("chaos",)),
        *(("config", "schema"), ("jobs", "check"), ("jobs", "list")),
    }
