"""The catalogue: both languages have every text, and every text is one that the page uses."""

import re
import string
from pathlib import Path

import pytest

import pixstream.page
from pixstream.page import alerts
from pixstream.page.history import KINDS
from pixstream.page.rendering import PLACES
from pixstream.page.views import trace
from pixstream.page.views.letters import VERBS
from pixstream.page.words import WORDS
from pixstream.processes.run_status import STATES

HOME = Path(pixstream.page.__file__).parent
SOURCES = {
    str(file.relative_to(HOME)): file.read_text("utf-8")
    for file in [*HOME.rglob("*.py"), *HOME.rglob("*.html")]
    if file.name != "words.py"
}
TEMPLATES = {Path(name).stem for name in SOURCES if name.endswith(".html")}
COMPOSED = {
    *(f"page_{name}" for name in (*PLACES, *TEMPLATES - {"base", "macros"})),
    *(f"state_{name}" for name in STATES),
    *(f"alert_{name}" for name in STATES if name != "ready"),
    *(f"severity_{name}" for name in ("critical", "warning", "info")),
    *(f"chart_{kind}" for kind in KINDS),
    *(f"kind_{name}" for name in ("producers", "consumers", "processors")),
    *(
        f"{kind}_{state}"
        for kind in ("letter", "letters")
        for state in ("open", "replayed", "discarded")
    ),
    *(f"step_{step}" for step in trace.STEPS),
    "latency_produce",
    "latency_write",
    "letters_all",
    *(f"act_{verb}" for verb in VERBS),
    *(f"act_{verb}_do" for verb in VERBS),
}
"""Keys that are put together out of closed lists."""


def quoted() -> set[str]:
    return {w for text in SOURCES.values() for w in re.findall(r"(?<=[\"'])[a-z_]+(?=[\"'])", text)}


@pytest.mark.parametrize("key", sorted(WORDS))
def test_each_text_is_there_in_both_languages_with_the_same_places(key: str) -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    words = WORDS[key]
    assert words.en.strip()
    assert words.pt.strip()
    assert places(words.en) == places(words.pt)


def test_the_catalogue_has_every_text_that_the_page_asks_for() -> None:
    asked = {
        key
        for text in SOURCES.values()
        for key in re.findall(r"\b(?:t|tongue\.t)\(\s*\"([a-z_]+)\"\s*[,)]", text)
    }
    assert len(asked) > 50
    assert asked | COMPOSED <= WORDS.keys()


def test_no_text_is_left_over() -> None:
    assert sorted(WORDS.keys() - COMPOSED - quoted()) == []


def test_what_the_supervisor_sees_has_a_name() -> None:
    assert {alert.name for alert in alerts.of_states(None, fresh=False)} <= WORDS.keys()


def test_no_template_has_a_word_of_its_own() -> None:
    """Between tags there is nothing but marks, the program's name and its commands."""
    for name in TEMPLATES:
        text = re.sub(
            r"{#.*?#}|{%.*?%}|{{.*?}}|<[^>]*>",
            " ",
            SOURCES[f"templates/{name}.html"],
            flags=re.DOTALL,
        )
        words = set(re.findall(r"[A-Za-z]{2,}", text)) - {"pixstream", "topics", "apply", "doctype"}
        assert not words, name
