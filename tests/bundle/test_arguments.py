"""Arguments of the bundle with the root command's options in their place."""

from __future__ import annotations

import pytest

from pixstream.bundle.arguments import LocalContext, refuse_unknown
from pixstream.errors import ConfigError


@pytest.mark.parametrize(
    ("here", "written", "kept", "own"),
    [
        (
            LocalContext("k.yaml"),
            ["--config", "/w/c.yaml", "--days", "1"],
            ["--days", "1"],
            ["--config", "k.yaml"],
        ),
        (LocalContext("k.yaml"), ["--config=/w/c.yaml", "-v"], ["-v"], ["--config", "k.yaml"]),
        (
            LocalContext("k.yaml"),
            ["--env", "prod", "x", "--config", "c"],
            ["x"],
            ["--config", "k.yaml"],
        ),
        (
            LocalContext("k.yaml", "dev"),
            ["--config=c", "--env=prod"],
            [],
            ["--config", "k.yaml", "--env", "dev"],
        ),
        (
            LocalContext("k.yaml", None, ("a=1", "b=2")),
            ["--config", "c", "--set", "kafka=null", "--set=c=3", "x"],
            ["x"],
            ["--config", "k.yaml", "--set", "a=1", "--set", "b=2"],
        ),
        (
            LocalContext("k.yaml"),
            ["--set", "--config", "--config", "c", "x"],
            ["x"],
            ["--config", "k.yaml"],
        ),
        (LocalContext("k.yaml", "dev", ("a=1",)), ["--env", "prod"], ["--env", "prod"], []),
        (LocalContext("k.yaml"), [], [], []),
    ],
)
def test_the_configuration_of_a_task_that_reads_one_is_the_root_commands(
    here: LocalContext, written: list[str], kept: list[str], own: list[str]
) -> None:
    assert here.divided(written) == (kept, own)


def test_what_only_a_workspace_knows_is_refused() -> None:
    refuse_unknown(["--table", "a.b", "${HOME"])
    with pytest.raises(
        ConfigError, match=r"\$\{workspace.file_path\} is known only to a workspace"
    ):
        refuse_unknown(["--x", "${workspace.file_path}/c.yaml"])
