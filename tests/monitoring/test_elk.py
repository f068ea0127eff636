"""The files of monitoring/elk are valid in their formats, and fit one another."""

import json
from pathlib import Path

import yaml

from pixstream.monitoring import elk, index

ROOT = Path(__file__).parents[2]
FILES = elk.files()


def test_no_other_file_is_there_but_a_readme() -> None:
    folder = ROOT / "monitoring" / "elk"
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert there - {"README.md"} == FILES.keys()


def test_the_readme_names_every_file() -> None:
    text = (ROOT / "monitoring" / "elk" / "README.md").read_text("utf-8")
    assert [name for name in FILES if name not in text] == []


def test_json_is_json_and_yaml_yaml() -> None:
    for name, text in FILES.items():
        if name.endswith(".json"):
            assert json.loads(text)
    beat = yaml.safe_load(FILES["filebeat/filebeat.yml"])
    (source,) = beat["filebeat.inputs"]
    assert source["parsers"][0]["ndjson"]["document_id"] == "event.id"
    assert beat["output.elasticsearch"]["index"] == index.DATA_STREAM


def test_every_component_of_an_index_template_has_a_file() -> None:
    folders = {
        "elasticsearch": ("component-templates", "elasticsearch/component-templates"),
        "opensearch": ("component-templates",),
    }
    for product, places in folders.items():
        template = json.loads(FILES[f"{product}/index-template.json"])
        for component in template["composed_of"]:
            assert any(f"{place}/{component}.json" in FILES for place in places)
    life_cycle = json.loads(FILES[f"elasticsearch/component-templates/{index.LIFECYCLE}.json"])
    assert life_cycle["template"]["settings"]["index"]["lifecycle"]["name"] == index.POLICY


def test_every_way_of_shipping_sends_to_the_data_stream_under_the_line_s_id() -> None:
    assert index.DATA_STREAM.startswith(index.PATTERN.rstrip("*"))
    for name, word in {
        "logstash/pixstream.conf": 'document_id => "%{[event.id]}"',
        "rsyslog/pixstream.conf": 'string="%$!event.id%"',
        "filebeat/filebeat.yml": "document_id: event.id",
    }.items():
        assert index.DATA_STREAM in FILES[name]
        assert word in FILES[name]
        assert elk.FILES_ON_A_SERVER in FILES[name]


def test_braces_of_the_pipeline_are_balanced() -> None:
    text = "\n".join(
        line
        for line in FILES["logstash/pixstream.conf"].splitlines()
        if not line.lstrip().startswith("#")
    )
    assert text.count("{") == text.count("}")
