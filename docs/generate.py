"""Generate the reference pages and files from the code.

`python docs/generate.py` writes them; `--check` changes nothing and fails if one differs.
A page is a file name below docs/reference and a function that returns its text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import command_page
import configuration_page
import event_pages
import metrics_page
import rooms_page

from pixstream.config import editor_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFERENCE = Path(__file__).parent / "reference"


def editor_schema_file() -> str:
    """Return the schema for editors, which the first line of kafka_config.yaml refers to."""
    return json.dumps(editor_schema.build(), indent=2, ensure_ascii=False) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": command_page.build,
    "configuration.md": configuration_page.build,
    "event.md": event_pages.event,
    "kafka_config.schema.json": editor_schema_file,
    "metrics.md": metrics_page.build,
    "rooms.md": rooms_page.page,
    "rooms.svg": rooms_page.picture,
    "routing.md": event_pages.routes,
}


def outdated() -> list[str]:
    """Return the pages whose files differ from what the code generates."""
    return [
        name
        for name, build in PAGES.items()
        if not (file := REFERENCE / name).is_file() or file.read_text("utf-8") != build()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or only check them, and return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    names = outdated()
    for name in names:
        if arguments:
            print(f"docs/reference/{name} differs: run `python docs/generate.py`", file=sys.stderr)
        else:
            REFERENCE.mkdir(exist_ok=True)
            (REFERENCE / name).write_text(PAGES[name](), "utf-8")
            print(f"docs/reference/{name} written")
    return 1 if names and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
