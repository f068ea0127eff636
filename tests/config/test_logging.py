"""Levels of log lines have names that exist."""

from pathlib import Path

import pytest

from pixstream import config
from pixstream.errors import ConfigError


def load(directory: Path, levels: str) -> None:
    file = directory / "kafka_config.yaml"
    text = f"logging: {{levels: {levels}}}\nconsumers: {{console: {{}}}}\n"
    file.write_text(text, "utf-8")
    config.load(file)


def test_components_the_supervisor_and_loggers_have_levels(tmp_path: Path) -> None:
    load(tmp_path, "{console: DEBUG, supervisor: ERROR, pixstream.batches: WARNING}")


@pytest.mark.parametrize("name", ["webhook", "uvicorn", "pixstream"])
def test_a_level_for_nobody_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"logging\.levels\.{name}.*components: console, super"):
        load(tmp_path, f"{{{name}: DEBUG}}")
