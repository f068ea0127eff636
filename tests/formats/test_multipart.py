"""Multipart bodies without their HTTP headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import Refused
from pixstream.formats import multipart
from pixstream.formats.multipart import MOST_PARTS, Part


def body(*parts: bytes, boundary: bytes = b"b", feed: bytes = b"\r\n") -> bytes:
    whole = b"".join(b"--" + boundary + feed + part + feed for part in parts)
    return whole + b"--" + boundary + b"--" + feed


@pytest.mark.parametrize("feed", [b"\r\n", b"\n"])
@pytest.mark.parametrize("boundary", [b"b", b"simple-boundary", b"a b", b"=_'()+,./:?x"])
def test_parts_come_without_their_headers(feed: bytes, boundary: bytes) -> None:
    headers = b"Content-Type: application/xml" + feed + b"PI-ResourceId: R0" + feed + feed
    raw = body(headers + b"<a/>", headers + feed + b"<b/>" + feed, boundary=boundary, feed=feed)
    assert multipart.is_multipart(raw)
    assert [part.content.strip() for part in multipart.parts(raw)] == [b"<a/>", b"<b/>"]
    assert all(part.trouble is None for part in multipart.parts(raw))


def test_a_part_may_have_no_headers_and_no_content() -> None:
    assert list(multipart.parts(body(b"\r\n<a/>", b"\r\n"))) == [Part(b"<a/>"), Part(b"")]


def test_a_line_that_only_begins_like_the_boundary_of_a_part_is_content() -> None:
    first, second = multipart.parts(body(b"\r\nx--b\r\ny", b"\r\nz"))
    assert (first.content, second.content) == (b"x--b\r\ny", b"z")


@pytest.mark.parametrize(
    ("part", "trouble"),
    [
        (b"<a/>", "without headers"),
        (b"X: 1\r\n<a/>", "without headers"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nPGEvPg==", "another encoding"),
        (b"content-encoding:gzip\r\n\r\n\x1f\x8b", "another encoding"),
    ],
)
def test_a_part_that_cannot_be_read_says_why(part: bytes, trouble: str) -> None:
    raw = b"--b\r\nX: 1\r\n\r\n<a/>\r\n--b\r\n" + part + b"\r\n--b--"
    _, found = multipart.parts(raw)
    assert trouble in str(found.trouble)


@pytest.mark.parametrize(
    "header", [b"Content-Transfer-Encoding: 8bit", b"Content-Encoding: identity"]
)
def test_an_encoding_that_changes_nothing_is_none(header: bytes) -> None:
    (part,) = multipart.parts(body(header + b"\r\n\r\n<a/>"))
    assert part == Part(b"<a/>")


def test_text_after_the_last_part_is_kept() -> None:
    *_, last = multipart.parts(body(b"\r\n<a/>") + b"<b/>")
    assert last.content.strip() == b"<b/>"
    assert "after the last part" in str(last.trouble)


@pytest.mark.parametrize("raw", [b"", b"<a/>", b"-- comment", b"--b", b"--b\r\n<a/>", b"---\n"])
def test_other_bytes_are_no_multipart_body(raw: bytes) -> None:
    assert not multipart.is_multipart(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"--b\r\n\r\n<a/>\r\n",
        b"--b\r\n\r\n<a/>\r\n--b\r\n\r\n<b/>",
        body(*[b"\r\n"] * (MOST_PARTS + 1)),
        b"<a/>",
    ],
    ids=["one part", "two parts", "too many", "none"],
)
def test_what_is_cut_off_or_too_much_is_refused_whole(raw: bytes) -> None:
    with pytest.raises(Refused):
        next(multipart.parts(raw))


@given(st.binary(max_size=60))
def test_any_bytes_are_parts_or_refused(raw: bytes) -> None:
    try:
        list(multipart.parts(b"--b\r\n\r\n" + raw + b"\r\n--b--"))
    except Refused:
        raise AssertionError from None
