"""docs/sources/system_log.md names every field of a line, and its examples are read."""

import re
from pathlib import Path

import pytest

from pixstream import config
from pixstream.event.model import Draft, Refusal
from pixstream.formats import log_line, log_wrapping
from pixstream.producers.system_log.producer import SystemLog

TEXT = (Path(__file__).parent.parent / "docs" / "sources" / "system_log.md").read_text("utf-8")
KEYS = {"pseudonym_key": "11" * 32, "encryption_key": "22" * 32}


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def test_every_field_is_in_the_table_with_its_path() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|", TEXT, re.MULTILINE)
    assert dict(rows) == dict(log_line.FIELDS)
    assert [name for name, _ in rows] == list(log_line.FIELDS)


def test_every_word_is_named() -> None:
    for word in (*log_line.EVENTS, *log_line.STATUSES):
        assert f"`{word}`" in TEXT


def test_every_wrapping_is_named() -> None:
    rows = re.findall(r"^\| `(\w+|json:PATH)` \|", TEXT, re.MULTILINE)
    wrappings = [name for name in rows if re.fullmatch(log_wrapping.PATTERN, name)]
    assert sorted(wrappings) == sorted([*log_wrapping.KNOWN, "json:PATH"])


def test_the_example_of_a_line_is_read_and_has_nothing_beside_the_fields() -> None:
    draft = log_line.parse(block("json").replace("\n", "").encode())
    assert isinstance(draft, Draft)
    assert (draft.extra, draft.flags) == ({}, [])


def test_the_example_of_the_settings_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "kafka_config.yaml"
    keys = "".join(f"\n  {name}: '{value}'" for name, value in KEYS.items())
    path.write_text(f"{block('yaml')}\nprivacy:{keys}\n", "utf-8")
    producer = config.load(path).producers["system_log"]
    assert isinstance(producer, SystemLog)
    line = (
        b'2026-11-20T14:00:09.120739149Z stdout F {"event": "TransferReceived", '
        b'"status": "Settled", "payment": '
        b'{"e2e": "E9999901020261123170500000000001", "cents": 1050}}'
    )
    (draft,) = producer.parse(line)
    assert isinstance(draft, Draft)
    assert (draft.message, draft.status, draft.amount) == ("log.recebimento", "liquidado", "10.50")


EXAMPLES = re.findall(r"^\| `(\w+)` \| (.*?) \|$", TEXT, re.MULTILINE)
INSIDE = '{"event": "pix.recebimento", "endToEndId": "E9999901020261123170500000000001"}'


@pytest.mark.parametrize(
    ("wrapping", "example"),
    [
        (wrapping, example)
        for wrapping, cell in EXAMPLES
        if wrapping in log_wrapping.KNOWN
        for example in re.findall(r"`([^`]*\{…\}[^`]*)`", cell)
    ],
)
def test_the_example_of_a_wrapping_is_read(wrapping: str, example: str) -> None:
    quoted = wrapping in {"docker", "journald"}
    inside = INSIDE.replace('"', '\\"') if quoted else INSIDE
    raw = example.replace("{…}", inside).replace(", …}", "}").replace('"…"', '"x"').encode()
    found = list(SystemLog(type="system_log", wrapping=wrapping).parse(raw))
    assert not [content.message for content in found if isinstance(content, Refusal)]
    assert len(found) == 1
