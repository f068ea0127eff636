"""The index has exactly the fields of the lines."""

import re
from typing import Any

from pixstream.logs.fields import FIELDS
from pixstream.monitoring import index

DOT = re.compile(r"\.")


def leaves(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, mapping in properties.items():
        if "properties" in mapping:
            found |= leaves(mapping["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = mapping["type"]
    return found


def test_every_field_of_a_line_is_mapped_and_no_other() -> None:
    mappings = index.mappings()["template"]["mappings"]
    assert leaves(mappings["properties"]) == {field.name: field.kind for field in FIELDS}
    assert mappings["dynamic"] is False


def test_no_field_is_also_the_parent_of_another() -> None:
    names = {field.name for field in FIELDS}
    parents = {name[: place.start()] for name in names for place in DOT.finditer(name)}
    assert not names & parents


def test_the_templates_that_a_template_names_are_put_before_it() -> None:
    known: set[str] = set()
    for path, body in index.requests():
        assert set(body.get("composed_of", ())) <= known
        known.add(path.rsplit("/", 1)[-1])


def test_both_life_cycles_roll_over_and_delete_alike() -> None:
    phases = index.ilm_policy()["policy"]["phases"]
    hot, gone = index.ism_policy()["policy"]["states"]
    assert phases["hot"]["actions"]["rollover"]["max_age"] == "1d"
    assert hot["actions"][0]["rollover"]["min_index_age"] == "1d"
    assert phases["delete"]["min_age"] == hot["transitions"][0]["conditions"]["min_rollover_age"]
    assert gone["actions"] == [{"delete": {}}]
