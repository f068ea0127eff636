"""Which payments a dead letter is about, by its headers and what is sealed in it."""

import datetime as dt
from pathlib import Path
from random import Random

import pytest

from pixstream.dead_letters import LetterView
from pixstream.event.identifiers import e2e
from pixstream.kafka.ports import Record
from pixstream.lake_tables import trace_sources
from pixstream.trace.letters import Letter, Opener, about_events, letters
from pixstream.trace.question import Place
from tests.trace.world import World

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
EVENT = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
ONE, TWO = (e2e("99999004", NOW, Random(seed)) for seed in (1, 2))


def letter(**headers: str) -> Letter:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Letter(Place("pix.dlq", 0, 0), LetterView(OTHER, 0, names, b"", b"", b""))


@pytest.mark.parametrize(
    ("traceparent", "is_about"),
    [
        (f"00-{EVENT}-{EVENT[:16]}-01", True),
        (f"00-{OTHER}-{EVENT[:16]}-01", True),  # the trace is a sender's own
        (f"00-{OTHER}-{OTHER[:16]}-01", False),
        ("", False),
        ("00", False),
    ],
)
def test_a_letter_continues_the_trace_of_its_event(
    traceparent: str,
    *,
    is_about: bool,
) -> None:
    assert about_events(letter(traceparent=traceparent), {EVENT}) is is_about


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        (
            {"origin_topic": "t", "origin_partition": "2", "origin_offset": "7"},
            Place("t", 2, 7),
        ),
        ({"origin_topic": "t", "origin_partition": "2"}, None),
        ({"origin_topic": "t", "origin_partition": "2", "origin_offset": "-7"}, None),
        ({}, None),
    ],
)
def test_only_a_consumers_letter_has_a_record_as_its_origin(
    headers: dict[str, str], origin: Place | None
) -> None:
    assert letter(**headers).origin == origin


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (f'{{"endToEndId": "{ONE}"}}', True),
        (f"<EndToEndId>{ONE}</EndToEndId>", True),
        (ONE, True),
        (f"{ONE}9 and {ONE}", True),
        (f"{ONE}9", False),
        (f"9{ONE}", False),
        (TWO, False),
        ("", False),
    ],
)
def test_an_identifier_is_named_as_a_whole_word(
    world: World,
    raw: str,
    *,
    named: bool,
) -> None:
    world.refused(raw.encode())
    (one,) = letters(world.kafka.client().scan("pix.dlq"))
    assert opener(world).names_any(one.view, {ONE}) is named


def opener(world: World) -> Opener:
    sources = trace_sources(world.settings, None)
    return Opener(sources.vault, sources.directory)


def test_the_payments_in_a_letter_are_those_with_a_date(world: World) -> None:
    nonsense = f"E99999004{'9' * 12}{'a' * 11}"
    world.refused(f"{ONE} {TWO} {ONE} {nonsense}".encode())
    (one,) = letters(world.kafka.client().scan("pix.dlq"))
    assert opener(world).payments(one.view) == [ONE, TWO]


def test_a_consumers_letter_has_the_payment_of_its_key(world: World) -> None:
    record = Record("pix.pagamentos", 0, 7, 0, ONE.encode(), TWO.encode(), [])
    world.rejected(record)
    (one,) = letters(world.kafka.client().scan("pix.dlq"))
    found = opener(world)
    assert found.payments(one.view) == [ONE]
    assert found.names_any(one.view, {ONE})


def test_a_letter_whose_file_is_elsewhere_is_counted_once(world: World) -> None:
    world.settings.kafka.max_letter_bytes = 1024
    world.refused(ONE.encode() + bytes(2000))
    (one,) = letters(world.kafka.client().scan("pix.dlq"))
    found = opener(world)
    assert found.names_any(one.view, {ONE})
    (file,) = (Path(world.settings.data_dir) / "letters").iterdir()
    file.unlink()
    assert not found.names_any(one.view, {ONE})
    assert found.payments(one.view) == []
    assert found.unopened == 1


def test_a_letter_that_was_written_twice_is_one(world: World) -> None:
    for _ in range(2):
        world.refused(b"the same", at="1")
    assert len([*letters(world.kafka.client().scan("pix.dlq"))]) == 1
