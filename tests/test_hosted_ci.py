"""The workflow of the hosted CI, which cannot be run here, does what the Makefile does."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
JOBS: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))[
    "jobs"
]
STEPS: list[dict[str, Any]] = [step for job in JOBS.values() for step in job["steps"]]


def test_it_runs_targets_of_the_makefile_and_nothing_else() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = [step["run"] for step in STEPS if "run" in step]
    assert sorted(commands) == ["make check", "make coverage", "make docs-site", "make test"]
    for command in commands:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE), command


def test_every_action_is_pinned_to_a_release() -> None:
    for action in (step["uses"] for step in STEPS if "uses" in step):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action), action


def test_it_tests_the_oldest_and_the_newest_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert JOBS["test"]["strategy"]["matrix"]["python-version"] == [supported[0], supported[-1]]
