import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import Refused
from pixstream.formats.json_body import MAX_DEPTH, Body, JsonFields

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers(-(10**14), 10**14)
        | TEXT
        | st.lists(JSON, max_size=4)
        | st.dictionaries(TEXT, JSON, max_size=4)
    )
)


@given(JSON)
def test_valid_json_reads_as_the_standard_library_reads_it(document: object) -> None:
    assert Body(json.dumps(document).encode()).document == document


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_are_refused(raw: bytes) -> None:
    reasons = []
    try:
        Body(raw)
    except Refused as refused:
        reasons.append(refused.reason)
    assert set(reasons) <= {"empty", "malformed_json"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b'{"a": 1', "malformed_json"),
        (b"<html>", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "malformed_json"),
        (b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2), "malformed_json"),
    ],
)
def test_what_is_no_json_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        Body(raw)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("raw", "text", "repaired"),
    [
        ('{"a": "ção"}'.encode(), "ção", False),
        ('{"a": "ção"}'.encode("utf-8-sig"), "ção", False),
        ('{"a": "ção"}'.encode("latin-1"), "ção", True),
        ('{"a": "“ção”"}'.encode("cp1252"), "“ção”", True),
        ('{"a": "ção'.encode() + ' ção"}'.encode("latin-1"), "ção ção", True),
        ('{"a": "ção"}'.encode("utf-16"), "ção", True),
        (b'{"a": "\x81"}', "\ufffd", True),
    ],
)
def test_a_text_in_another_character_set_is_repaired(
    raw: bytes, text: str, *, repaired: bool
) -> None:
    body = Body(raw)
    assert (body.document, body.repaired) == ({"a": text}, repaired)
    assert body.piece(("a",), text)


def test_a_message_about_bad_json_shows_none_of_it() -> None:
    with pytest.raises(Refused) as caught:
        Body(b'{"nome": "Beltrana da Silva", oops}')
    assert caught.value.message == "body: not valid JSON at line 1, column 31"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999", "1e999"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("12.5", 12.5),
        ("9" * 5000, "9" * 5000),
        ("123456789012345", 123456789012345),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_a_number_that_would_change_stays_text(text: str, value: object) -> None:
    assert Body(f'{{"n": {text}}}'.encode()).document == {"n": value}


def test_a_byte_order_mark_and_raw_control_characters_are_read() -> None:
    assert Body(b'\xef\xbb\xbf{"a": "one\ttwo\nthree"}').document == {"a": "one\ttwo\nthree"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"half \ud83d", "half \ufffd"),
        (r"half \uDE00 low", "half \ufffd low"),
        (r"whole \ud83d\ude00", "whole \U0001f600"),
        (r"two halves \ud83d\ud83d", "two halves \ufffd\ufffd"),
        (r"no escape \\ud83d", r"no escape \ud83d"),
        (r"\u00e7 and \"", 'ç and "'),
    ],
)
def test_half_a_character_is_replaced(text: str, value: str) -> None:
    document = Body(f'{{"a": "{text}"}}'.encode()).document
    assert document == {"a": value}
    assert document["a"].encode()


def test_a_name_given_twice_keeps_every_value() -> None:
    assert Body(b'{"a": 1, "b": 2, "a": 3}').document == {"a": [1, 3], "b": 2}
    assert Body(b'{"a": {"x": 1}, "a": {"x": 1}}').document == {"a": {"x": 1}}


def test_a_piece_is_the_exact_bytes() -> None:
    body = Body(b'{"pix": [ {"a" :1.50}, 2,\n"\\u00e7"] , "other": null}')
    elements = body.document["pix"]
    assert body.piece((), body.document) == body.raw
    assert body.piece(("pix", 0), elements[0]) == b'{"a" :1.50}'
    assert body.piece(("pix", 2), elements[2]) == b'"\\u00e7"'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"pix": [1, 2], "pix": [3, 4]}',
        b'{"pix": [[1, 2]], "x": "\\ud800", "y": NaN}',
        b'\xef\xbb\xbf{"pix": [[1, 2]]}',
    ],
)
def test_a_piece_that_has_no_bytes_of_its_own_is_written_anew(raw: bytes) -> None:
    body = Body(raw)
    assert body.piece(("pix", 0), body.document["pix"][0]) == b"[1, 2]"


@given(JSON.filter(lambda value: isinstance(value, list) and bool(value)))
def test_every_piece_reads_as_the_value_it_stands_for(document: list[object]) -> None:
    body = Body(json.dumps(document).encode())
    for index, value in enumerate(body.document):
        assert Body(body.piece((index,), value) or b"null").document == value


def test_fields_are_taken_once_and_the_rest_stays() -> None:
    fields = JsonFields(
        {"a": "x", "b": 7, "c": [1], "d": {"e": "y", "f": True}, "g": None, "h": ""}
    )
    assert fields.text("a") == "x"
    assert fields.text("a") is None
    assert fields.text("g") is None
    assert fields.text("h") is None
    assert not fields.irregular
    assert fields.inner("d").text("e") == "y"
    assert fields.rest() == {"b": 7, "c": [1], "d": {"f": True}}


def test_an_unexpected_type_is_kept_and_marked() -> None:
    fields = JsonFields({"number": 7, "flag": True, "list": ["x"], "object": "text"})
    assert fields.text("number") == "7"
    assert fields.irregular
    assert fields.text("flag") is None
    assert fields.text("list") is None
    assert fields.inner("object").text("x") is None
    assert fields.rest() == {"flag": True, "list": ["x"], "object": "text"}


def test_irregularity_below_is_irregularity() -> None:
    fields = JsonFields({"a": {"b": 1}})
    assert fields.inner("a").text("b") == "1"
    assert fields.irregular
    assert fields.rest() == {}


def test_a_conversion_that_fails_leaves_the_field() -> None:
    fields = JsonFields({"a": "no", "b": "yes"})
    assert fields.text("a", "b", convert={"yes": "YES"}.get) == "YES"
    assert fields.rest() == {"a": "no"}
    assert not fields.irregular
