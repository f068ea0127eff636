"""The page as a person uses it: in Chromium, by keyboard, on a telephone, dark, in Portuguese."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from pixstream.config.loading import build, resolve
from pixstream.lab.demo.place import free_port
from pixstream.page import figures, live
from pixstream.page.rendering import PLACES
from pixstream.page.server import Page
from pixstream.page.words import WORDS
from pixstream.testing.waiting import wait_for
from tests.page.kit import FAKE, LETTER, TOKEN, Pages, component, running, status

if TYPE_CHECKING:
    from pixstream.processes.run_status import SupervisorStatus

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs the dependency group `browser`, which `make test` installs"
)
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the same")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium"),
    pytest.mark.xdist_group("browser"),
]

WIDTHS = {"telephone": 400, "desk": 1280}
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


class Served:
    """A page on a port of its own; the test sets its status, and commands answer at once."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.latest = status()
        config = Pages(directory, port=self.port).config
        self._effective = resolve(config)
        self._program = [sys.executable, "-c", FAKE, str(directory / "answers.json")]
        self.page = self.serve()
        for count in range(20):
            past = status(*running(1_500.0 + 40 * count), clock=5.0 * count)
            self.page._site.history.take(past, list(figures.samples(past)))

    def _now(self) -> "SupervisorStatus":
        return replace(self.latest, clock=time.monotonic())

    def serve(self) -> Page:
        """Serve; after `close` again, at the same address."""
        settings = build(self._effective)
        self.page = Page(self._effective, settings, self._program, self._now)
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # As root, and in a container, Chromium's own sandbox is not to be had.
        opened = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.25)
    one = Served(tmp_path)
    yield one
    one.page.close()


def tab(
    browser: Any, served: Served, *, width: int = 1280, language: str = "en-GB", **more: Any
) -> Any:
    """Open a tab that notes what goes wrong in it."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale=language,
        base_url=served.page.address,
        **more,
    )
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: _ours(page, served, request.url))
    return page


def _ours(page: Any, served: Served, url: str) -> None:
    if not url.startswith(served.page.address):
        page.wrong.append(f"asks for {url}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-GB", "pt-BR"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_every_page_is_accessible_and_fits(
    browser: Any, served: Served, width: int, language: str, scheme: str
) -> None:
    page = tab(browser, served, width=width, language=language, color_scheme=scheme)
    for path in PATHS:
        page.goto(path)
        page.wait_for_selector("h1")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} pixels wide"
    assert page.wrong == []
    page.context.close()


def test_figures_change_without_a_reload_and_states_are_announced(
    browser: Any, served: Served
) -> None:
    page = tab(browser, served)
    page.goto("/")
    _until(page, "#link", "link_on")
    now = page.locator("#now")
    assert now.get_attribute("aria-live") == "polite"
    assert now.inner_text().endswith(_en("now_well").format(number=2))
    served.latest = status(component("webhook", state="stuck"), *running()[1:])
    _until(page, "#now", "now_wrong", names="webhook")
    box = page.locator("svg.wide a[href='/components/webhook'] g")
    assert box.get_attribute("data-state") == "stuck"
    assert page.locator("nav .count").inner_text() == "1"
    assert page.wrong == []
    page.context.close()


def test_a_component_that_is_new_appears(browser: Any, served: Served) -> None:
    page = tab(browser, served)
    page.goto("/components")
    assert page.locator("tbody tr").count() == 2
    served.latest = status(component("webhook"), component("delta_lake"), component("iso20022"))
    page.wait_for_selector("a[href='/components/iso20022']")
    page.context.close()


def test_a_lost_connection_is_said_and_taken_up_again(browser: Any, served: Served) -> None:
    page = tab(browser, served)
    page.goto("/")
    _until(page, "#link", "link_on")
    served.page.close()
    _until(page, "#link", "link_off")
    served.serve()
    _until(page, "#link", "link_on")
    page.context.close()


def press_until(page: Any, selector: str, *, key: str = "Tab", most: int = 60) -> None:
    """Move the focus with one key until it is on an element."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"no {key} leads to {selector}")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])
def test_a_letter_is_replayed_by_keyboard_alone(
    browser: Any, served: Served, width: int, *, scripts: bool
) -> None:
    page = tab(browser, served, width=width, java_script_enabled=scripts)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto("/")
    press_until(page, "a[href='/login']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    press_until(page, "#who")
    page.keyboard.type("ana")
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/letters")
    press_until(page, f"a[href='/letters/{LETTER}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/letters/{LETTER}")
    press_until(page, "summary")
    page.keyboard.press("Enter")
    if scripts:
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    press_until(page, "#why-replay")
    page.keyboard.type("ticket 4711")
    page.keyboard.press("Enter")
    page.wait_for_url("**/work/*")
    page.get_by_text(_en("work_done")).wait_for()  # the page takes itself anew until then
    assert "1  replayed, as 1 event" in page.locator("pre").inner_text()
    assert page.wrong == []
    page.context.close()


def test_the_focus_is_seen_everywhere(browser: Any, served: Served) -> None:
    page = tab(browser, served)
    for path in ("/", "/letters", "/topics"):
        page.goto(path)
        stops = 0
        for _ in range(40):
            page.keyboard.press("Tab")
            outline = page.evaluate(
                """() => {
                    const on = document.activeElement;
                    if (on === document.body) return null;
                    const rect = on.querySelector("rect");
                    const style = getComputedStyle(rect ?? on);
                    return rect ? style.strokeWidth : style.outlineStyle + style.outlineWidth;
                }"""
            )
            if outline is None:
                break
            stops += 1
            assert outline in {"solid3px", "5px"}, f"{path}: stop {stops} shows {outline}"
        assert stops > 8
    page.context.close()


def test_without_scripts_the_flow_is_there_to_read(browser: Any, served: Served) -> None:
    page = tab(browser, served, language="pt-BR", java_script_enabled=False)
    page.goto("/")
    text = page.locator("svg.wide").text_content()
    for word in ("webhook", "pix.pagamentos", "delta_lake", "2/s", "atraso 6", "Fontes"):
        assert word in text
    assert page.locator("figure").count() >= 3
    page.context.close()


def test_the_language_is_switched_and_stays(browser: Any, served: Served) -> None:
    page = tab(browser, served)
    page.goto("/topics")
    page.get_by_role("link", name="Português").click()
    page.wait_for_selector("html[lang='pt-BR']")
    page.get_by_role("link", name=WORDS["page_components"].pt, exact=True).click()
    page.wait_for_url("**/components")
    assert page.locator("html").get_attribute("lang") == "pt-BR"
    page.context.close()


def test_a_browser_without_a_place_tries_again(
    browser: Any, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.page._site.streams, "_most", 0)
    page = tab(browser, served)
    page.goto("/")
    _until(page, "#link", "link_off")
    monkeypatch.setattr(served.page._site.streams, "_most", 20)
    _until(page, "#link", "link_on")
    page.context.close()
    wait_for(lambda: served.page._site.streams.open == 0)


def _en(key: str) -> str:
    return WORDS[key].en


def _until(page: Any, selector: str, key: str, **values: object) -> None:
    """Wait until an element has a text of the catalogue."""
    playwright.expect(page.locator(selector)).to_have_text(
        _en(key).format(**values), timeout=120_000
    )
