"""Each page, read without a script: what it shows, in both languages, and what it does not show."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from pixstream.page.rendering import PLACES
from pixstream.page.words import WORDS
from tests.page.kit import ANSWERS, LETTER, TOKEN, TRACE, Pages, component, running, status

PATHS = [
    *("/" if place == "flow" else f"/{place}" for place in PLACES),
    "/components/webhook",
    "/components/delta_lake",
    "/letters?reason=not_a_pix",
    f"/letters/{LETTER}",
    "/letters/try?reason=not_a_pix",
    "/trace?id=E1",
    "/login",
]


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path)


class Outline(HTMLParser):
    """The tags of a page, checked for being closed in order, and its headings."""

    VOID = frozenset({"meta", "link", "input", "br", "rect", "path"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes.append((tag, found))
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_whole(pages: Pages, path: str, language: str) -> None:
    answer = pages.client(**{"Accept-Language": language}).get(path)
    assert answer.status_code == 200
    outline = Outline(answer.text)
    assert outline.levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(outline.levels))
    assert len(outline.ids) == len(set(outline.ids))
    named = [tag for tag, _ in outline.attributes]
    for landmark in ("header", "nav", "main", "footer"):
        assert named.count(landmark) == 1
    ((_, root),) = [one for one in outline.attributes if one[0] == "html"]
    assert root["lang"] == {"en": "en", "pt": "pt-BR"}[language]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_of_a_page_is_elsewhere_or_inline(pages: Pages, path: str) -> None:
    for tag, attributes in Outline(pages.client().get(path).text).attributes:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert tag != "style"
        for name in ("src", "href", "action"):
            assert not (attributes.get(name) or "").startswith(("http", "//")), tag


@pytest.mark.parametrize("path", PATHS)
def test_no_secret_is_on_any_page(pages: Pages, path: str) -> None:
    text = pages.client().get(path).text
    for secret in (TOKEN, "very-secret-token", "a" * 64, "b" * 64):
        assert secret not in text


def test_a_component_is_shown_with_its_masked_configuration_and_positions(pages: Pages) -> None:
    client = pages.client()
    producer = client.get("/components/webhook").text
    assert "token: &#34;***&#34;" in producer
    assert '<th scope="row">in</th><td><code>7</code></td>' in producer
    consumer = client.get("/components/delta_lake").text
    assert '<td class="n">1,234</td>' in consumer
    assert pages.asked() == [
        ["positions", "--format", "json", "--", "webhook"],
        ["offsets", "show", "--format", "json", "--", "delta_lake"],
    ]


@pytest.mark.parametrize("name", ["nobody", "..%2f", "--help"])
def test_a_component_that_does_not_run_is_not_asked_for(pages: Pages, name: str) -> None:
    assert pages.client().get(f"/components/{name}").status_code in {307, 404}
    assert pages.asked() == []


def test_what_a_component_last_said_and_how_it_ended_are_shown(pages: Pages) -> None:
    now = running()[0].since
    pages.latest = status(
        component(
            "webhook",
            state="restarting",
            restarts=4,
            last_exit="signal SIGKILL: killed from outside",
            last_exit_at=now,
            last_warning="the bank says <no>",
            last_warning_at=now,
            recent_warnings=3,
        )
    )
    text = pages.client().get("/components/webhook").text
    assert "signal SIGKILL: killed from outside" in text
    assert "the bank says &lt;no&gt;" in text
    alerts = pages.client().get("/alerts").text
    assert 'data-severity="critical"' in alerts
    assert WORDS["alert_restarting"].en in alerts


def test_a_supervisor_that_hangs_is_no_green_page(pages: Pages) -> None:
    pages.latest = status(clock=0.0)
    text = pages.client().get("/").text
    assert WORDS["now_stale"].en in text
    assert 'data-state-of="now" data-state="stale"' in text


def test_before_the_first_status_the_page_is_there(pages: Pages) -> None:
    pages.latest = None
    for path in ("/", "/components", "/alerts"):
        assert pages.client().get(path).status_code == 200


def test_letters_are_listed_escaped_and_by_reason(pages: Pages) -> None:
    text = pages.client().get("/letters").text
    assert "body: &lt;b&gt;neither&lt;/b&gt; a Pix nor a list" in text
    assert '<a href="/letters?state=open&amp;reason=not_a_pix">not_a_pix</a>' in text
    assert f'href="/letters/{LETTER}"' in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("reason=not_a_pix", ["--reason=not_a_pix"]),
        ("component=webhook&reason=x", ["--reason=x", "--from=webhook"]),
        ("reason=--all", []),
        ("reason=%0a", []),
        ("id=zz", []),
    ],
)
def test_only_codes_become_words_of_a_command(pages: Pages, query: str, words: list[str]) -> None:
    answer = pages.client().get(f"/letters/try?{query}")
    assert answer.status_code == (200 if words else 400)
    assert pages.asked() == ([["dead-letters", "replay", "--dry-run", *words]] if words else [])


@pytest.mark.parametrize("letter", ["--reveal", "x", "3F2A00", "a" * 33])
def test_only_an_id_names_a_letter(pages: Pages, letter: str) -> None:
    assert pages.client().get(f"/letters/{letter}").status_code == 404
    assert pages.asked() == []


def test_a_letter_is_never_revealed(pages: Pages) -> None:
    text = pages.client().get(f"/letters/{LETTER}").text
    assert "{&#34;a&#34;: &#34;x*&#34;}" in text
    assert pages.asked() == [["dead-letters", "show", LETTER]]


def test_without_a_broker_a_page_says_why(tmp_path: Path) -> None:
    pages = Pages(tmp_path, answers={})
    text = pages.client(**{"Accept-Language": "pt"}).get("/topics").text
    assert WORDS["call_failed"].pt in text
    assert "error: no broker: topics list --format json" in text


def test_a_page_that_fails_leaves_the_rest_alone(tmp_path: Path) -> None:
    pages = Pages(tmp_path, answers=ANSWERS | {"topics list": "no JSON"})
    client = pages.client()
    answer = client.get("/topics")
    assert answer.status_code == 500
    assert WORDS["failed"].en in answer.text
    assert client.get("/").status_code == 200


def test_the_language_is_that_of_the_browser_until_somebody_chooses(pages: Pages) -> None:
    with pages.client(**{"Accept-Language": "fr, pt-PT;q=0.9, en;q=0.5"}) as client:
        assert 'lang="pt-BR"' in client.get("/").text
        switch = client.get("/components?lang=en")
        assert '<html lang="en">' in switch.text
        assert "SameSite=strict" in switch.headers["set-cookie"]
        assert '<html lang="en">' in client.get("/alerts").text
    assert '<html lang="en">' in pages.client(**{"Accept-Language": "fr;q=x"}).get("/").text


def test_the_switch_keeps_what_the_page_is_about(pages: Pages) -> None:
    text = pages.client().get("/letters?reason=not_a_pix").text
    assert 'href="?reason=not_a_pix&amp;lang=pt"' in text


def test_numbers_are_written_as_the_language_does(pages: Pages) -> None:
    client = pages.client()
    assert ">1,500<" in client.get("/components?lang=en").text
    assert ">1.500<" in client.get("/components?lang=pt").text


def test_jobs_are_those_of_the_bundle(tmp_path: Path) -> None:
    bundle = Path(__file__).parents[2] / "databricks"
    text = Pages(tmp_path, bundle=str(bundle)).client().get("/jobs").text
    assert 'id="job-' in text
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "databricks.yml").write_text("bundle: {name: x}\nresources: 7\n")
    answer = Pages(tmp_path, bundle=str(broken)).client().get("/jobs")
    assert answer.status_code == 200
    assert WORDS["jobs_trouble"].en.partition("{")[0] in answer.text


def test_a_form_that_is_too_long_for_a_form_is_refused(pages: Pages) -> None:
    answer = pages.client().post("/login", content="&".join("a=b" for _ in range(99)).encode())
    assert WORDS["form_bad"].en in answer.text or answer.status_code == 400


@pytest.mark.parametrize("wanted", ["--reveal", "a b", "x" * 121, "../etc"])
def test_only_an_identifier_is_traced(pages: Pages, wanted: str) -> None:
    text = pages.client().get("/trace", params={"id": wanted}).text
    assert WORDS["trace_odd"].en in text
    assert pages.asked() == []


def test_a_trace_is_what_the_command_says(tmp_path: Path) -> None:
    pages = Pages(tmp_path, answers={"trace": TRACE})
    text = pages.client().get("/trace", params={"id": "pix.pagamentos/0/17"}).text
    for part in ("2026-11-24 12:00:00 UTC", "told", "by &lt;webhook&gt;", "no such folder"):
        assert part in text
    assert pages.asked() == [["trace", "--format", "json", "--", "pix.pagamentos/0/17"]]


def test_a_trace_of_nothing_and_one_that_fails(tmp_path: Path) -> None:
    nothing = Pages(tmp_path, answers={"trace": {"asked": "E1", "found": False}})
    assert WORDS["trace_nothing"].en in nothing.client().get("/trace?id=E1").text
    failing = Pages(tmp_path, answers={})
    assert "error: no broker" in failing.client().get("/trace?id=E1").text
