"""What is around the lines of a log."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.event.model import Draft, Reason
from pixstream.formats.log_wrapping import KNOWN, Unwrapper, Whole
from pixstream.producers.system_log.producer import SystemLog

INSIDE = b'{"event": "pix.recebimento"}'
TEXT = INSIDE.decode()
CRI = b"2026-11-20T14:00:09.120739149Z stdout F "
WRAPPED = [
    ("none", INSIDE),
    ("cri", CRI + INSIDE),
    ("cri", b"2026-11-20T11:00:09-03:00 stderr F:x " + INSIDE),
    ("docker", json.dumps({"log": TEXT + "\n", "stream": "stdout", "time": "t"}).encode()),
    ("docker", json.dumps({"log": TEXT, "stream": "stdout"}).encode()),
    ("journald", json.dumps({"MESSAGE": TEXT, "PRIORITY": "6"}).encode()),
    ("journald", json.dumps({"MESSAGE": list(INSIDE)}).encode()),
    ("syslog", b"<14>1 2026-11-20T14:00:09Z host app 1 - - " + INSIDE),
    ("syslog", b"<14>1 2026-11-20T14:00:09Z host app 1 ID47 - \xef\xbb\xbf" + INSIDE),
    ("syslog", rb'<165>1 - - - - - [x@1 a="b]\"c" d="e"][y@2] ' + INSIDE),
    ("syslog", b"<14>Nov  2 14:00:09 host app[123]: " + INSIDE),
    ("syslog", b"Nov 20 14:00:09 host app: " + INSIDE),
    ("syslog", b"2026-11-20T14:00:09.1-03:00 host app[1]:" + INSIDE),
    ("prefix", b"2026-11-20 11:00:09,120 INFO [pix] - " + INSIDE),
    ("prefix", INSIDE),
    ("json:message", json.dumps({"logtag": "F", "message": TEXT}).encode()),
    ("json:a.b", json.dumps({"a": {"b": TEXT + "\n"}}).encode()),
    ("json:a.b", json.dumps({"a.b": TEXT}).encode()),
    ("json:a.b", json.dumps({"a": {"b": json.loads(INSIDE)}}).encode()),
]


def one(wrapping: str, raw: bytes) -> Whole:
    (whole,) = Unwrapper(wrapping, 10_000).take(raw, 7)
    return whole


@pytest.mark.parametrize(("wrapping", "raw"), WRAPPED)
@pytest.mark.parametrize("end", [b"", b"\r"])
def test_the_line_inside_is_found(wrapping: str, raw: bytes, end: bytes) -> None:
    whole = one(wrapping, raw + end)
    assert whole.refused is None
    assert whole.text.strip() == INSIDE
    assert (whole.raw, whole.offset) == (raw + end, 7)


@pytest.mark.parametrize("wrapping", [*KNOWN, "json:message"])
def test_a_line_of_another_form_is_refused_with_the_form_that_was_expected(wrapping: str) -> None:
    if wrapping == "none":
        return
    for raw in (b"INFO started", b"[1]", b"level=info event=pix.recebimento"):
        whole = one(wrapping, raw)
        assert whole.refused is not None
        assert whole.raw == raw
        assert whole.refused.message.startswith(f"line: not of the form of wrapping {wrapping}: ")


@pytest.mark.parametrize(
    ("wrapping", "record"),
    [
        ("docker", {"log": 1}),
        ("journald", {"MESSAGE": [1, 999]}),
        ("journald", {"MESSAGE": ["a"]}),
        ("json:a.b", {"a": "b"}),
        ("json:a.b", {"a": {"b": [1]}}),
    ],
)
def test_a_record_without_a_text_is_refused(wrapping: str, record: object) -> None:
    whole = one(wrapping, json.dumps(record).encode())
    assert whole.refused is not None
    assert whole.refused.reason == Reason.NOT_A_PIX


@pytest.mark.parametrize("wrapping", [*KNOWN, "json:a"])
def test_blank_lines_are_no_records(wrapping: str) -> None:
    if wrapping != "none":
        assert Unwrapper(wrapping, 100).take(b" \r", 0) == []


def cri(text: bytes, tag: bytes = b"P", output: bytes = b"stdout") -> bytes:
    return b"2026-11-20T14:00:09Z " + output + b" " + tag + b" " + text


def test_the_parts_of_a_long_line_are_joined() -> None:
    unwrapper = Unwrapper("cri", 10_000)
    first, second, last = cri(INSIDE[:5]), cri(INSIDE[5:9]), cri(INSIDE[9:], b"F")
    assert unwrapper.take(first, 0) == []
    assert unwrapper.holds
    assert unwrapper.take(cri(b"other", b"F", b"stderr"), 50) == [
        Whole(b"other", cri(b"other", b"F", b"stderr"), 50)
    ]
    assert unwrapper.take(second, 90) == []
    assert unwrapper.take(last, 130) == [Whole(INSIDE, b"\n".join([first, second, last]), 0)]
    assert not unwrapper.holds


def test_docker_s_parts_end_with_a_line_feed() -> None:
    unwrapper = Unwrapper("docker", 10_000)
    parts = [json.dumps({"log": part}).encode() for part in (TEXT[:5], TEXT[5:] + "\n")]
    assert unwrapper.take(parts[0], 0) == []
    (whole,) = unwrapper.take(parts[1], 20)
    assert (whole.text, whole.raw) == (INSIDE, b"\n".join(parts))


def test_what_is_never_continued_is_bounded_and_given_back() -> None:
    unwrapper = Unwrapper("cri", 200)
    found = [whole for number in range(9) for whole in unwrapper.take(cri(b"x" * 10), number)]
    assert [len(whole.text) for whole in found] == [60]
    assert [len(whole.text) for whole in unwrapper.rest()] == [30]
    assert not unwrapper.holds


@given(st.sampled_from([*KNOWN, "json:a.b"]), st.lists(st.binary(max_size=60), max_size=4))
def test_no_bytes_raise(wrapping: str, lines: list[bytes]) -> None:
    unwrapper = Unwrapper(wrapping, 100)
    for line in lines:
        unwrapper.take(line, 0)
    unwrapper.rest()


def test_the_sample_of_wrapped_lines() -> None:
    path = Path(__file__).parents[3] / "shared" / "field" / "22-wrapped.log"
    if not path.exists():
        pytest.skip("the inputs of ../shared are not on this machine")
    lines = path.read_bytes().splitlines()
    expected = {
        "cri": [0], "docker": [1], "journald": [2], "json:message": [3],
        "prefix": [0, 5, 7], "syslog": [7], "none": [],
    }  # fmt: skip
    for wrapping, numbers in expected.items():
        producer = SystemLog(type="system_log", wrapping=wrapping)
        read = [n for n, line in enumerate(lines) for c in producer.parse(line)
                if isinstance(c, Draft)]  # fmt: skip
        assert read == numbers, wrapping
