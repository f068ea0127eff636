"""The contracts are as small as CONTRIBUTING says, and their protocols are those that it names."""

import inspect
import re
from pathlib import Path
from typing import Protocol

import pytest

from pixstream.plugins import consumer, listening, processor, producer
from pixstream.plugins.component import Component
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.processor import Processor
from pixstream.plugins.producer import Producer

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
KINDS = [(producer, Producer), (consumer, Consumer), (processor, Processor)]


@pytest.mark.parametrize(("module", "kind"), KINDS, ids=lambda value: value.__name__)
def test_three_methods_and_the_protocols(module: object, kind: type[Component]) -> None:
    row = re.search(
        rf"^\| `plugins/{kind.__name__.lower()}\.py` \| (.*) \| (.*) \|$",
        CONTRIBUTING.read_text("utf-8"),
        re.MULTILINE,
    )
    assert row is not None
    methods = [
        name
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and not getattr(method, "__final__", False)
    ]
    assert len(methods) == 3
    assert sorted(re.findall(r"`(\w+)`", row[1])) == sorted(methods)
    assert sorted(re.findall(r"`(\w+)`", row[2])) == protocols(module)


def test_the_protocols_of_any_kind() -> None:
    row = re.search(
        r"^\| `plugins/listening\.py` \| none: for any kind \| (.*) \|$",
        CONTRIBUTING.read_text("utf-8"),
        re.MULTILINE,
    )
    assert row is not None
    assert re.findall(r"`(\w+)`", row[1]) == protocols(listening)


def protocols(module: object) -> list[str]:
    return sorted(
        name
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and found.__module__ == getattr(module, "__name__", "")
        and Protocol in found.__bases__
        and "__call__" not in vars(found)
    )
