"""What an identifier is understood to be, and which days are searched for it."""

import datetime as dt
from random import Random

import pytest

from pixstream.errors import ConfigError
from pixstream.event.identifiers import generate_cpf
from pixstream.trace.question import BEFORE, Kind, Place, Window, understand

NOW = dt.datetime(2026, 11, 30, 15, 30, tzinfo=dt.UTC)
CPF = generate_cpf(Random(47))
PAYMENT = "E9999900420261124235900000000001"
RETURN = "D" + PAYMENT[1:]


def utc(day: int, month: int = 11, hour: int = 0, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PAYMENT, Kind.PAYMENT),
        (RETURN, Kind.RETURN),
        ("E9999900420261324235900000000001", Kind.OTHER),  # no 13th month
        ("pix.pagamentos/2/81233", Kind.PLACE),
        (f"pix.dlq/0/{CPF}", Kind.PLACE),  # an offset is no CPF
        ("0123456789abcdef0123456789abcdef", Kind.OTHER),
        ("3f2a91c04d", Kind.OTHER),
        ("order-4711", Kind.OTHER),
    ],
)
def test_the_kind_of_an_identifier(text: str, kind: Kind) -> None:
    assert understand(text).kind is kind


def test_a_place_is_taken_apart() -> None:
    assert understand("pix.dlq/0/7").place == Place("pix.dlq", 0, 7)


def test_the_beginning_of_a_letters_id_is_long_enough() -> None:
    assert [understand(text).may_be_hash for text in ("3f2a9", "3f2a91", "3F2A91", "f" * 33)] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "x" * 256])
def test_what_cannot_be_an_identifier_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="1 to 255 characters"):
        understand(text)


def test_a_document_is_not_repeated_even_as_a_topic() -> None:
    with pytest.raises(ConfigError, match="contains a CPF") as caught:
        understand(f"{CPF}/0/1")
    assert CPF not in str(caught.value)


def test_the_days_around_the_identifiers_own_are_searched() -> None:
    question = understand(PAYMENT)
    assert question.window(NOW) == Window(utc(23), utc(26))
    assert question._replace(days=0).window(NOW) == Window(utc(24), utc(25))
    assert question._replace(days=30).window(NOW) == Window(utc(25, 10), utc(25, 12))
    assert question._replace(days=60_000).window(NOW).start.year == 1970


def test_records_are_searched_from_the_minute_on_unless_the_options_say_earlier() -> None:
    question = understand(PAYMENT)
    minute = utc(24, hour=23, minute=59)
    assert question.sent(NOW, PAYMENT) == Window(minute - BEFORE, utc(26))
    for options in ({"days": 1}, {"since": utc(23)}):
        assert question._replace(**options).sent(NOW, PAYMENT) == Window(utc(23), utc(26))
    assert question._replace(until=utc(24)).sent(NOW, PAYMENT) == Window(utc(24), utc(24))


def test_the_options_decide_where_they_are_given() -> None:
    question = understand(PAYMENT)._replace(since=utc(1))
    assert question.window(NOW) == Window(utc(1), utc(26))
    assert question._replace(until=utc(2)).window(NOW) == Window(utc(1), utc(2))


def test_without_a_day_the_last_thirty_are_searched() -> None:
    question = understand("order-4711")
    ahead = utc(30, hour=15, minute=35)
    assert question.window(NOW) == Window(ahead - dt.timedelta(days=30), ahead)
    assert question._replace(until=utc(2)).window(NOW) == Window(utc(3, 10), utc(2))
    assert question.window(NOW, PAYMENT) == Window(utc(23), utc(26))


def test_a_day_is_in_a_window_if_part_of_it_is() -> None:
    window = Window(utc(23, hour=23), utc(25))
    days = [dt.date(2026, 11, day) for day in (22, 23, 24, 25)]
    assert [window.holds(day) for day in days] == [False, True, True, False]
    assert str(window) == "2026-11-23 23:00 to 2026-11-25 00:00 UTC"


def test_a_window_does_not_end_after_the_calendar() -> None:
    last = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    assert Window(utc(1), last).later(90) == Window(utc(1), last)
    assert Window(utc(1), utc(2)).later(1) == Window(utc(1), utc(3))
