"""A further category is one file and the generated pages; everything else follows from it."""

import json
from pathlib import Path

import pytest

from tests.source_copy import SourceCopy

CATEGORIES = "src/pixstream/event/categories.py"

WALK = """
import contextlib, io, json, sys
from pathlib import Path
from pixstream import config
from pixstream.consumers.console.consumer import Console
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Draft
from pixstream.formats import log_line
from pixstream.kafka.topics import acls
from pixstream.kafka.topics.declared import declared
from pixstream.lab.demo import tables
from pixstream.testing import batch, event, partition

place = Path(sys.argv[1])
file = place / "kafka_config.yaml"
file.write_text(
    "privacy: {pseudonym_key: %s, encryption_key: %s}\\n"
    "consumers: {console: {}, vault: {type: delta_lake, categories: [bloqueios]}}\\n"
    % ("11" * 32, "22" * 32)
)
settings = config.load(file)
new = Category.BLOQUEIO
made = batch({partition(0, new.topic): (0, [event(1, category=new)])})
DeltaLake(type="delta_lake", uri=str(place / "lake")).write(made, None)
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    Console(type="console").write(made, None)
line = {"event": "pix.bloqueio", "status": "liquidado", "endToEndId": event(1).end_to_end_id}
draft = log_line.parse(json.dumps(line).encode())
print(json.dumps({
    "topics": [topic.name for topic in declared(settings.topics)],
    "writes": [r.name for r in acls.for_producer("User:w", "webhook") if r.operation == "Write"],
    "console": settings.consumers["console"].categories,
    "vault": settings.consumers["vault"].categories,
    "row": tables.read(place / "lake" / new.plural)["category"].to_pylist(),
    "shown": shown.getvalue(),
    "log": routing.route(draft, frozenset()).category,
}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> SourceCopy:
    made = SourceCopy(tmp_path / "copy")
    estorno = '    ESTORNO = "estorno"\n'
    made.edit(CATEGORIES, estorno, f'{estorno}    BLOQUEIO = "bloqueio"\n')
    return made


def decide(copy: SourceCopy) -> None:
    arm = "            case Category.ESTORNO:"
    copy.edit(CATEGORIES, arm, arm.replace(":", " | Category.BLOQUEIO:"))


def test_what_must_be_decided_about_a_category_is_named_by_mypy(copy: SourceCopy) -> None:
    checked = copy.python("-m", "mypy", CATEGORIES)
    assert checked.returncode == 1
    assert 'Argument 1 to "assert_never"' in checked.stdout
    assert "Found 1 error in 1 file" in checked.stdout


@pytest.mark.timeout(600)
def test_a_category_is_one_file_and_the_generated_pages(copy: SourceCopy, tmp_path: Path) -> None:
    decide(copy)
    walked = copy.python("-c", WALK, str(tmp_path))
    assert walked.returncode == 0, walked.stderr
    found = json.loads(walked.stdout)
    assert "pix.bloqueios" in found["topics"]
    assert "pix.bloqueios" in found["writes"]
    assert found["console"][-1] == "bloqueios"
    assert found["vault"] == ["bloqueios"]
    assert found["row"] == ["bloqueio"]
    assert "  bloqueio  " in found["shown"]
    assert found["log"] == "bloqueio"

    assert copy.python("docs/generate.py").returncode == 0
    pages = copy.changed() - {CATEGORIES}
    assert {name for name in pages if not name.startswith("docs/reference/")} == set()
    event_page = (copy.root / "docs/reference/event.md").read_text("utf-8")
    assert "estorno, bloqueio" in event_page
    assert "`log.bloqueio`" in (copy.root / "docs/reference/routing.md").read_text("utf-8")
    configuration = (copy.root / "docs/reference/configuration.md").read_text("utf-8")
    assert "estornos, bloqueios" in configuration

    checked = copy.python("-m", "mypy", "src")
    assert checked.returncode == 0, checked.stdout
