"""Generate the reference pages and files from the code.

`python docs/generate.py` writes them; `--check` changes nothing and fails if one differs.
A page is a file name below docs/reference and a function that returns its text. What servers of
others read is below monitoring/elk, monitoring/grafana and monitoring/victoriametrics.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import command_page
import configuration_page
import event_pages
import grafana_dashboards
import log_fields_page
import metrics_page
import rooms_page

from pixstream.config import editor_schema
from pixstream.monitoring import elk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parent.parent


def editor_schema_file() -> str:
    """Return the schema for editors, which the first line of kafka_config.yaml refers to."""
    return json.dumps(editor_schema.build(), indent=2, ensure_ascii=False) + "\n"


_REFERENCE: Mapping[str, Callable[[], str]] = {
    "commands.md": command_page.build,
    "configuration.md": configuration_page.build,
    "event.md": event_pages.event,
    "kafka_config.schema.json": editor_schema_file,
    "log-fields.md": log_fields_page.build,
    "metrics.md": metrics_page.build,
    "rooms.md": rooms_page.page,
    "rooms.svg": rooms_page.picture,
    "routing.md": event_pages.routes,
}


def everything() -> dict[str, str]:
    """Return the text of every generated file, by its path in the repository."""
    pages = {f"docs/reference/{name}": build() for name, build in _REFERENCE.items()}
    others = {f"elk/{name}": text for name, text in elk.files().items()}
    others |= grafana_dashboards.files()
    return pages | {f"monitoring/{name}": text for name, text in others.items()}


def main(arguments: list[str]) -> int:
    """Write the pages, or only check them, and return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    outdated = {
        name: text
        for name, text in everything().items()
        if not (file := ROOT / name).is_file() or file.read_text("utf-8") != text
    }
    for name, text in outdated.items():
        if arguments:
            print(f"{name} differs: run `python docs/generate.py`", file=sys.stderr)
        else:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(text, "utf-8")
            print(f"{name} written")
    return 1 if outdated and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
