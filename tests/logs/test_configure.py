"""Where lines go, by component, and from which level on."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from pixstream import logs
from pixstream.logs.settings import LoggingSettings


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    settings = LoggingSettings(file=str(tmp_path / "{component}.log"))
    logs.configure(settings, "webhook", 0)
    logging.getLogger("pixstream.x").info("from the webhook")
    logs.configure(settings, "supervisor")
    logging.getLogger("pixstream.x").info("from the supervisor")
    (webhook,) = lines(tmp_path / "webhook-0.log")
    (supervisor,) = lines(tmp_path / "supervisor.log")
    assert (webhook["message"], webhook["service.node.name"]) == ("from the webhook", "webhook-0")
    assert supervisor["service.node.name"] == "supervisor"


def test_a_component_and_a_logger_have_levels_of_their_own(tmp_path: Path) -> None:
    settings = LoggingSettings(
        level="WARNING",
        levels={"webhook": "DEBUG", "pixstream.kafka": "ERROR"},
        file=str(tmp_path / "{component}.log"),
    )
    for component in ("webhook", "delta_lake"):
        logs.configure(settings, component, 1)
        for name in ("pixstream.x", "pixstream.kafka"):
            logging.getLogger(name).debug("%s debug", name)
            logging.getLogger(name).warning("%s warning", name)
    assert [line["message"] for line in lines(tmp_path / "webhook-1.log")] == [
        "pixstream.x debug",
        "pixstream.x warning",
    ]
    assert [line["message"] for line in lines(tmp_path / "delta_lake-1.log")] == [
        "pixstream.x warning"
    ]


@pytest.mark.parametrize(
    ("form", "levels", "shown"),
    [("ecs", {}, True), ("text", {}, False), ("text", {"pixstream.batches": "INFO"}, True)],
)
def test_lines_of_batches_are_for_programs(
    tmp_path: Path, form: Any, levels: dict[str, Any], *, shown: bool
) -> None:
    settings = LoggingSettings(file=str(tmp_path / "log"), format=form, levels=levels)
    logs.configure(settings, "webhook", 0)
    logging.getLogger(logs.BATCHES).info("a batch")
    logging.getLogger(logs.BATCHES).warning("a letter")
    text = (tmp_path / "log").read_text("utf-8")
    assert ("a batch" in text) is shown
    assert "a letter" in text


def test_what_is_left_out_is_counted_for_the_supervisor(tmp_path: Path) -> None:
    settings = LoggingSettings(file=str(tmp_path / "log"))
    counts = logs.configure(settings, "webhook", 0).counts
    for _ in range(25):
        logging.getLogger("pixstream.x").warning("again")
    assert counts["log_lines_left_out"] == 5
    (handler,) = logging.getLogger().handlers
    handler.close()
    assert lines(tmp_path / "log")[-1]["pix.left_out"] == 4
