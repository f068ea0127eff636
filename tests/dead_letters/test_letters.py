from pathlib import Path
from random import Random

import pytest

from pixstream import dead_letters
from pixstream.dead_letters import Letter, LetterView, LetterWriter
from pixstream.dead_letters.reading import original
from pixstream.errors import PixstreamError
from pixstream.event.identifiers import generate_cpf
from pixstream.event.model import Reason, Refusal
from pixstream.kafka.ports import Record
from pixstream.plugins.producer import Reading
from pixstream.privacy import Vault

VAULT = Vault(bytes(range(32)), "k1")
REFUSAL = Refusal(reason="malformed_json", message="byte 3: no JSON", raw=b'{"cpf"')
READING = Reading(stream="app.jsonl", position='{"offset":7}', content=REFUSAL)
RECORD = Record(
    "pix.estornos", 2, 41, 1_764_000_000_000, b"E123", b"not json", [("traceparent", b"00-a-b-01")]
)


def writer(directory: Path, max_bytes: int = 1000) -> LetterWriter:
    return LetterWriter("system_log", VAULT, max_bytes, directory / "letters")


def lying(letter: Letter, offset: int = 0) -> Record:
    return Record("pix.dlq", 0, offset, 0, letter.key, letter.value, letter.headers)


def view(letter: Letter) -> LetterView:
    return next(dead_letters.views([lying(letter)]))


def test_a_reading_becomes_a_letter_that_says_where_it_was(tmp_path: Path) -> None:
    letter = view(writer(tmp_path).from_reading(READING, REFUSAL, "read", "Refused"))
    assert letter.headers.items() >= {
        ("source", "system_log"),
        ("stream", "app.jsonl"),
        ("position", '{"offset":7}'),
        ("stage", "read"),
        ("reason", "malformed_json"),
        ("message", "byte 3: no JSON"),
        ("error-class", "Refused"),
        ("attempts", "1"),
        ("content-type", "application/octet-stream"),
    }
    assert {"time", "traceparent", "letter-id"} <= letter.headers.keys()
    assert b"cpf" not in letter.sealed
    assert dead_letters.content(letter, VAULT, tmp_path) == b'{"cpf"'


def test_a_document_in_the_name_of_a_file_is_masked_and_can_be_read_with_the_key(
    tmp_path: Path,
) -> None:
    cpf = generate_cpf(Random(4))
    spelt = f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"
    reading = Reading(stream=f"spi/{spelt}.xml", position="x" * 5000, content=REFUSAL)
    refusal = Refusal(reason="malformed_xml", message=f"{cpf}.xml: line 3", raw=b"<")
    made = writer(tmp_path).from_reading(reading, refusal, "read", "Refused")
    assert not any(cpf in str(value) or spelt in str(value) for _, value in made.headers)
    letter = view(made)
    assert letter.headers["stream"] == f"spi/***.{cpf[3:6]}.{cpf[6:9]}-**.xml"
    assert letter.headers["position"] == "(5000 characters)"
    whole = dead_letters.unmasked(letter, VAULT).headers
    assert (whole["stream"], whole["position"]) == (reading.stream, reading.position)
    assert whole["message"] == refusal.message
    with pytest.raises(PixstreamError, match=letter.letter_id):
        dead_letters.unmasked(letter, Vault(bytes(32), "k1"))


def test_a_record_becomes_a_letter_that_says_where_it_lies(tmp_path: Path) -> None:
    letter = view(
        writer(tmp_path).from_record(
            RECORD, "topic-id", stage="decode", reason="undecodable_event", message="m", error="E"
        )
    )
    assert letter.headers.items() >= {
        ("consumer", "system_log"),
        ("origin-topic", "pix.estornos"),
        ("origin-topic-id", "topic-id"),
        ("origin-partition", "2"),
        ("origin-offset", "41"),
        ("traceparent", "00-a-b-01"),
    }
    assert original(letter, VAULT) == (b"E123", [("traceparent", b"00-a-b-01")])
    assert dead_letters.content(letter, VAULT, tmp_path) == b"not json"


def test_the_same_origin_gives_the_same_letter_and_another_gives_another(tmp_path: Path) -> None:
    make = writer(tmp_path)
    one = make.from_reading(READING, REFUSAL, "read", "Refused")
    again = make.from_reading(READING, REFUSAL, "read", "Refused")
    elsewhere = Reading(stream="app.jsonl", position='{"offset":8}', content=REFUSAL)
    other = make.from_reading(elsewhere, REFUSAL, "read", "Refused")
    assert one.key == again.key != other.key
    assert [x.offset for x in dead_letters.views([lying(one, 1), lying(again, 2)])] == [1]


def test_two_refusals_of_one_page_are_two_letters(tmp_path: Path) -> None:
    make = writer(tmp_path)
    second = Refusal(reason="not_a_pix", message="m", raw=b"[]")
    page = Reading(stream="s", position=None, content=REFUSAL)
    assert (
        make.from_reading(page, REFUSAL, "read", "Refused").key
        != make.from_reading(page, second, "read", "Refused").key
    )


def test_a_record_s_error_class_follows_from_its_reason() -> None:
    assert dead_letters.error_class(Reason.UNDECODABLE_EVENT) == "UndecodableEvent"
    assert dead_letters.error_class(Reason.SCHEMA_CONTRACT) == "SchemaContract"
    assert len({dead_letters.error_class(reason) for reason in Reason}) == len(Reason)


def test_a_letter_too_large_for_kafka_lies_in_a_sealed_private_file(tmp_path: Path) -> None:
    large = Refusal(reason="too_large", message="m", raw=b"x" * 5000)
    letter = view(writer(tmp_path).from_reading(READING, large, "read", "Refused"))
    file = tmp_path / "letters" / letter.headers["file"]
    assert letter.sealed == b""
    assert b"xxxx" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert dead_letters.content(letter, VAULT, tmp_path / "letters") == large.raw
    file.unlink()
    with pytest.raises(PixstreamError, match=r"its file .* cannot be read"):
        dead_letters.content(letter, VAULT, tmp_path / "letters")
