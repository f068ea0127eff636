from pathlib import Path

import pytest

from pixstream.dead_letters import LetterView, LetterWriter, content, views
from pixstream.dead_letters.reading import original, taken, view
from pixstream.errors import PixstreamError
from pixstream.event.model import Refusal
from pixstream.kafka.ports import Record
from pixstream.plugins.producer import Reading
from pixstream.privacy import Vault

VAULT = Vault(bytes(range(32)), "k1")


def lying(directory: Path, *, number: int = 0, vault: Vault = VAULT) -> Record:
    refusal = Refusal(reason="not_a_pix", message="m", raw=b"%d" % number)
    reading = Reading(stream="s", position=str(number), content=refusal)
    letter = LetterWriter("webhook", vault, 2**20, directory).from_reading(
        reading, refusal, "read", "Refused"
    )
    return Record("pix.dlq", 0, number, 0, *letter)


def seen(record: Record) -> LetterView:
    letter = view(record)
    assert letter is not None
    return letter


def test_tombstones_and_foreign_records_are_no_letters() -> None:
    tombstone = Record("pix.dlq", 0, 0, 0, b"k", None, [("letter-id", b"0" * 32)])
    foreign = Record("pix.dlq", 0, 1, 0, b"k", b"v", [])
    strange = Record("pix.dlq", 0, 1, 0, b"k", b"v", [("letter-id", b"\x1b[31m" + b"0" * 27)])
    assert list(views([tombstone, foreign, strange])) == []


def test_letters_are_taken_once_each_and_reading_ends_with_the_last(tmp_path: Path) -> None:
    records = [lying(tmp_path, number=n) for n in (0, 1, 0, 2, 3)]
    wanted = {bytes.fromhex(seen(records[n]).letter_id) for n in (0, 3)}
    rest = iter(records)
    assert [letter.offset for letter in taken(rest, wanted)] == [0, 2]
    assert wanted == set()
    assert [record.offset for record in rest] == [3]
    assert list(taken(records, set())) == []


def test_a_letter_of_another_key_names_itself_and_the_setting(tmp_path: Path) -> None:
    letter = seen(lying(tmp_path))
    with pytest.raises(PixstreamError, match=rf"{letter.letter_id}.*privacy\.key_id"):
        content(letter, Vault(bytes(range(32)), "k2"), tmp_path)
    with pytest.raises(PixstreamError, match=rf"{letter.letter_id}.*privacy\.encryption_key"):
        content(letter, Vault(bytes(32), "k1"), tmp_path)


def test_a_letter_without_time_or_origin_can_still_be_looked_at() -> None:
    bare = seen(Record("pix.dlq", 0, 0, 0, b"k", b"v", [("letter-id", b"a" * 32)]))
    assert (bare.component, bare.reason, bare.time) == ("?", "?", None)
    assert original(bare, VAULT) == (None, [])
