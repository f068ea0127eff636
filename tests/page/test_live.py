"""The stream of figures: only what changed, for so many browsers and no more, until the end."""

import asyncio
import json
from pathlib import Path

import pytest

from pixstream.page import figures, live, picture
from pixstream.page.language import Tongue
from pixstream.page.live import NOTHING, Streams, Values
from pixstream.page.words import WORDS
from tests.page.kit import Pages, component, running, status

EN = Tongue("en")


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path)


def test_the_first_event_has_everything_and_the_next_only_what_changed(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.0)

    async def listen() -> list[dict[str, dict[str, str]]]:
        events = pages.site.streams.events(lambda: pages.site.values(EN))
        assert (await anext(events)).startswith(b"retry: ")
        first = await anext(events)
        pages.latest = status(*running(1_501.0))
        second = await anext(events)
        pages.site.streams.ended = True
        assert [event async for event in events] == []
        return [json.loads(event.split(b"data: ")[1]) for event in (first, second)]

    first, second = asyncio.run(listen())
    assert first["texts"]["taken:webhook"] == "1,500"
    assert first["states"]["state:webhook"] == "ready"
    assert first["texts"]["now"] == WORDS["now_well"].en.format(number=2)
    assert second == {
        "texts": {
            "taken:webhook": "1,501",
            "taken:delta_lake": "1,501",
            "note:pix.pagamentos": "sent: 1,501",
        }
    }


def test_a_stream_without_news_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.0)
    same = Values({"a": "1"}, {}, {}, {})

    async def listen() -> bytes:
        events = Streams(1).events(lambda: same)
        await anext(events)
        await anext(events)
        return await anext(events)

    assert asyncio.run(listen()) == b": still here\n\n"


def test_so_many_browsers_and_no_more(tmp_path: Path) -> None:
    pages = Pages(tmp_path, streams=1)
    pages.site.streams.open = 1
    answer = pages.client().get("/live")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_a_browser_that_goes_away_makes_room() -> None:
    streams = Streams(1)

    async def listen() -> None:
        events = streams.events(lambda: NOTHING)
        await anext(events)
        assert streams.full
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(listen())
    assert not streams.full


def test_the_stream_is_one_for_event_source(pages: Pages) -> None:
    pages.site.streams.ended = True
    answer = pages.client().get("/live?charts")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_sent_has_its_place_on_the_page(pages: Pages) -> None:
    for clock in range(3):
        now = status(*running(100.0 * clock), clock=5.0 * clock)
        pages.site.history.take(now, list(figures.samples(now)))
    text = pages.client().get("/").text
    values = pages.site.values(EN, with_charts=True)
    for key in values.lines:
        assert f'data-line="{key}"' in text
    for key in ("rate:webhook", "note:delta_lake", "rate:pix.pagamentos", "note:pix.dlq", "now"):
        assert f'data-text="{key}"' in text
    for key in values.weights:
        assert f'data-weight-of="{key}"'.replace(">", "&gt;") in text
    assert values.texts["layout"] in text


def test_the_picture_says_what_is_behind_and_how_fresh(pages: Pages) -> None:
    texts = pages.site.values(EN).texts
    assert texts["note:delta_lake"] == "lag 6"
    assert texts["fresh:delta_lake"] == "fresh to 500 ms"
    assert texts["note:webhook"] == "letters: 3"
    assert texts["rate:pix.pagamentos"] == "2/s"
    assert pages.site.values(EN).weights["webhook>pix.pagamentos"] == "1"
    assert pages.site.values(EN).weights["webhook>pix.estornos"] == "0"


def test_names_of_what_is_not_ready_are_said_and_counted(pages: Pages) -> None:
    pages.latest = status(component("webhook", state="stuck"), component("delta_lake"))
    texts = pages.site.values(Tongue("pt")).texts
    assert texts["now"] == WORDS["now_wrong"].pt.format(names="webhook")
    assert texts["alerts"] == "1"


@pytest.mark.parametrize("sources", [0, 1, 7])
@pytest.mark.parametrize("readers", [0, 1, 9])
def test_no_box_of_the_picture_covers_another(sources: int, readers: int) -> None:
    flow = picture.Flow(
        [f"s{n}" for n in range(sources)],
        ["pix.a", "pix.b", "pix.dlq"],
        [(f"r{n}", ["pix.a"]) for n in range(readers)],
    )
    for drawn in (picture.wide(flow), picture.narrow(flow)):
        places = [(b.x, b.y) for b in drawn.boxes]
        assert len(places) == sources + readers + 3
        for one in drawn.boxes:
            assert 0 <= one.x <= drawn.width - one.width
            assert 0 <= one.y <= drawn.height - one.height
            for other in drawn.boxes:
                apart = one.x != other.x or abs(one.y - other.y) >= one.height
                assert one is other or apart
