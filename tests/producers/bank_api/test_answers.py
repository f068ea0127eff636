import datetime as dt
from email.utils import format_datetime

import httpx2
import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import Busy, http_date, require_ok

PERSON = "Fulano de Tal"


def test_a_200_passes() -> None:
    require_ok("GET /pix", httpx2.Response(200), "")


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410, 422])
def test_a_refusal_carries_its_kind_and_no_value(status: int) -> None:
    problem = {"type": "x/AcessoNegado", "title": PERSON, "correlationId": "ab-12"}
    with pytest.raises(PixstreamError) as caught:
        require_ok("GET /pix", httpx2.Response(status, json=problem), "check it")
    assert not isinstance(caught.value, Transient)
    said = f"GET /pix: HTTP {status} (AcessoNegado, correlation id ab-12); check it"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "content",
    [
        PERSON.encode(),
        b"\xff",
        b"[" * 100_000,
        b'["Fulano de Tal"]',
        b'{"type": "Fulano de Tal", "correlationId": "Fulano de Tal"}',
    ],
)
def test_what_is_not_a_problem_of_rfc_7807_is_left_out(content: bytes) -> None:
    with pytest.raises(PixstreamError, match=r"^GET /pix: HTTP 403; check it$"):
        require_ok("GET /pix", httpx2.Response(403, content=content), "check it")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_work_later_is_transient(status: int) -> None:
    with pytest.raises(Transient, match=rf"^token: HTTP {status}$") as caught:
        require_ok("token", httpx2.Response(status), "check it")
    assert not isinstance(caught.value, Busy)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("9" * 400, 3600, 3600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        ("in 100 s", 80, 100),
    ],
)
def test_the_bank_may_say_how_long_to_wait(header: str, least: float, most: float) -> None:
    if header == "in 100 s":
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
        header = format_datetime(soon, usegmt=True)
    answer = httpx2.Response(429, headers={"Retry-After": header})
    with pytest.raises(Busy, match="the bank asks to wait") as caught:
        require_ok("GET /pix", answer, "")
    assert least <= caught.value.seconds <= most


@pytest.mark.parametrize("header", ["soon", "", "²"])
def test_a_wait_that_cannot_be_read_is_ignored(header: str) -> None:
    answer = httpx2.Response(503, headers=[(b"Retry-After", header.encode("latin-1"))])
    with pytest.raises(Transient) as caught:
        require_ok("GET /pix", answer, "")
    assert not isinstance(caught.value, Busy)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Tue, 24 Nov 2026 10:11:12 GMT", dt.datetime(2026, 11, 24, 10, 11, 12, tzinfo=dt.UTC)),
        ("Tue, 24 Nov 2026 10:11:12 -0300", dt.datetime(2026, 11, 24, 13, 11, 12, tzinfo=dt.UTC)),
        ("Tue, 24 Nov 2026 10:11:12 -0000", dt.datetime(2026, 11, 24, 10, 11, 12, tzinfo=dt.UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_of_headers(text: str | None, when: dt.datetime | None) -> None:
    assert http_date(text) == when
