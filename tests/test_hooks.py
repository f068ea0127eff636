"""The commit hooks use the tools of this environment and of no other."""

import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CONFIGURATION: dict[str, Any] = yaml.safe_load(
    (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
)


def test_no_hook_fetches_anything() -> None:
    assert {repo["repo"] for repo in CONFIGURATION["repos"]} == {"local"}
    hooks = [hook for repo in CONFIGURATION["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"unsupported"}


def test_every_hook_runs_a_tool_that_is_installed() -> None:
    for repo in CONFIGURATION["repos"]:
        for hook in repo["hooks"]:
            program = shlex.split(hook["entry"])[0]
            place, _, name = program.rpartition("/")
            if program != "make":
                assert place == ".venv/bin", hook["id"]
                assert (Path(sys.executable).parent / name).exists(), hook["id"]
