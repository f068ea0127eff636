"""The producer of SPI messages, on real files."""

import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.plugins.producer import Reading
from pixstream.producers.iso20022 import producer as iso20022
from pixstream.producers.iso20022.producer import Iso20022
from pixstream.producers.iso20022.spool import KEY_LENGTH

PREFIX = "E2E-20261120-"
"""What makes a short name an identifier."""


def message(*numbers: int, msg_id: str = "M1") -> bytes:
    """A pacs.002 with a status for each number."""
    statuses = "".join(
        f"<TxInfAndSts><OrgnlInstrId>{PREFIX}E{n}</OrgnlInstrId><TxSts>ACSC</TxSts></TxInfAndSts>"
        for n in numbers
    )
    group = f"<GrpHdr><MsgId>{msg_id}</MsgId></GrpHdr>" if msg_id else ""
    body = f"<FIToFIPmtStsRpt>{group}{statuses}</FIToFIPmtStsRpt>"
    return f"<Envelope><Document>{body}</Document></Envelope>".encode()


def producer(directory: Path, **settings: Any) -> Iso20022:
    defaults = {
        "type": "iso20022",
        "directory": str(directory),
        "poll_seconds": 0.001,
        "settle_seconds": 0.0,
    }
    return Iso20022(**{**defaults, **settings})


class Kafka:
    """Commits what a producer reads at every None, as the produce loop does."""

    def __init__(self, source: Iso20022) -> None:
        self.source = source
        self.positions: dict[str, str] = {}
        self.readings: list[Reading] = []

    def run(self, *, deliver: bool = True, rounds: int = 2) -> list[Reading]:
        """Read until nothing came `rounds` times; `deliver` False: a crash after the commit."""
        found: list[Reading] = []
        batch: list[Reading] = []
        running = self.source.read(dict(self.positions))
        assert isinstance(running, Iterator)
        idle = 0
        for reading in running:
            if reading is not None:
                batch.append(reading)
                continue
            for each in batch:
                if each.position is not None:
                    self.positions[each.stream] = each.position
            found += batch
            if not deliver and batch:
                break
            for each in batch:
                self.source.delivered(each)
            idle = 0 if batch else idle + 1
            batch = []
            if idle == rounds:
                break
        running.close()  # type: ignore[attr-defined]  # a generator
        return found

    def restart(self, source: Iso20022) -> None:
        self.source = source


def ids(readings: list[Reading]) -> list[str | None]:
    found = [r.content.end_to_end_id for r in readings if isinstance(r.content, Draft)]
    return [identifier and identifier.removeprefix(PREFIX) for identifier in found]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_file())


def test_files_are_read_once_and_moved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        (tmp_path / f"{number}.xml").write_bytes(message(number))
        os.utime(tmp_path / f"{number}.xml", ns=(number, number))
    kafka = Kafka(producer(tmp_path))
    assert ids(kafka.run()) == ["E0", "E1", "E2"]
    assert names(tmp_path) == []
    assert names(tmp_path / "done") == ["0.xml", "1.xml", "2.xml"]
    assert kafka.run() == []
    assert "removed" not in caplog.text


def test_remembered_files_stay_and_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    kafka = Kafka(producer(tmp_path, finished="remember"))
    assert ids(kafka.run()) == ["E1"]
    (tmp_path / "b.xml").write_bytes(message(2))
    kafka.restart(producer(tmp_path, finished="remember"))
    assert ids(kafka.run()) == ["E2"]
    assert kafka.run() == []
    assert names(tmp_path) == ["a.xml", "b.xml"]


def test_only_the_last_reading_of_a_file_moves_the_position(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1, 2, 3))
    readings = Kafka(producer(tmp_path)).run()
    assert [reading.position is None for reading in readings] == [True, True, False]


def test_a_file_with_many_transactions_is_one_position(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(*range(5_000)))
    kafka = Kafka(producer(tmp_path))
    readings = kafka.run()
    assert ids(readings) == [f"E{number}" for number in range(5_000)]
    assert sum(reading.position is not None for reading in readings) == 1


def test_a_crash_in_the_middle_of_a_file_reads_it_again(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1, 2))
    running = producer(tmp_path).read({})
    first = next(running)
    assert first is not None
    assert first.position is None
    assert ids(Kafka(producer(tmp_path)).run()) == ["E1", "E2"]


def test_a_crash_between_commit_and_move_moves_without_reading(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    kafka = Kafka(producer(tmp_path))
    assert ids(kafka.run(deliver=False)) == ["E1"]
    assert names(tmp_path) == ["a.xml"]
    kafka.restart(producer(tmp_path))
    assert kafka.run() == []
    assert names(tmp_path / "done") == ["a.xml"]


def test_a_file_that_arrives_with_an_old_time_is_read(tmp_path: Path) -> None:
    directory = tmp_path / "in"
    directory.mkdir()
    old = tmp_path / "old.xml"
    old.write_bytes(message(1))
    os.utime(old, ns=(1, 1))
    for finished in ("move", "remember"):
        kafka = Kafka(producer(directory, finished=finished))
        (directory / "new.xml").write_bytes(message(2))
        assert "E2" in ids(kafka.run())
        if old.exists():
            old.rename(directory / "old.xml")
        else:
            (directory / "done" / "old.xml").rename(directory / "old.xml")
        assert ids(kafka.run()) == ["E1"]


def test_a_file_rewritten_in_place_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(message(1))
    kafka = Kafka(producer(tmp_path, finished="remember"))
    kafka.run()
    path.write_bytes(message(22))
    assert ids(kafka.run()) == ["E22"]


def test_a_file_being_written_waits(tmp_path: Path) -> None:
    raw = message(1)
    path = tmp_path / "a.xml"
    path.write_bytes(raw[:60])
    kafka = Kafka(producer(tmp_path, settle_seconds=3600.0))
    assert kafka.run() == []
    path.write_bytes(raw)
    kafka.restart(producer(tmp_path))
    assert ids(kafka.run()) == ["E1"]


def test_a_half_written_file_is_one_letter_and_its_completion_is_read(tmp_path: Path) -> None:
    raw = message(1, 2)
    path = tmp_path / "a.xml"
    path.write_bytes(raw[:-20])
    kafka = Kafka(producer(tmp_path, finished="remember"))
    [letter] = kafka.run()
    assert isinstance(letter.content, Refusal)
    assert (letter.content.reason, letter.content.raw) == (Reason.MALFORMED_XML, raw[:-20])
    with path.open("ab") as file:
        file.write(raw[-20:])
    assert ids(kafka.run()) == ["E1", "E2"]


def test_a_file_that_cannot_be_read_as_a_message_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"\x00poison")
    (tmp_path / "b.xml").write_bytes(b"")
    (tmp_path / "c.xml").write_bytes(message(1))
    readings = Kafka(producer(tmp_path)).run()
    refusals = {r.content.reason for r in readings if isinstance(r.content, Refusal)}
    assert refusals == {Reason.MALFORMED_XML, Reason.EMPTY}
    assert ids(readings) == ["E1"]
    assert names(tmp_path / "done") == ["a.xml", "b.xml", "c.xml"]


def test_a_large_file_is_a_whole_letter_and_a_huge_one_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large, huge = b"x" * 1025, b"x" * (4 * 1024 + 1)
    (tmp_path / "large.xml").write_bytes(large)
    (tmp_path / "huge.xml").write_bytes(huge)
    [letter] = Kafka(producer(tmp_path, max_file_bytes=1024)).run()
    assert isinstance(letter.content, Refusal)
    assert (letter.content.reason, letter.content.raw) == (Reason.TOO_LARGE, large)
    assert names(tmp_path) == ["huge.xml"]
    assert "huge.xml is larger than 4096 bytes" in caplog.text


def test_a_message_without_its_own_name_is_known_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1, msg_id=""))
    (tmp_path / "b.xml").write_bytes(message(2, msg_id="M2"))
    drafts = [r.content for r in Kafka(producer(tmp_path)).run() if isinstance(r.content, Draft)]
    assert [draft.source_ref for draft in drafts] == ["a.xml", "M2"]


def test_positions_stay_as_short_as_what_is_not_moved_yet(tmp_path: Path) -> None:
    kafka = Kafka(producer(tmp_path))
    for number in range(5):
        (tmp_path / f"{number}.xml").write_bytes(message(number))
        kafka.run()
    assert len(kafka.positions[str(tmp_path)]) < 64


def test_large_positions_are_committed_before_more_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iso20022, "_POSITION_BYTES", 40)
    for number in range(4):
        (tmp_path / f"{number}.xml").write_bytes(message(number))
    running = producer(tmp_path).read({})
    between = [next(running) is None for _ in range(8)]
    assert between.count(True) >= 3


def test_a_full_position_stops_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso20022, "MAX_KNOWN", 2)
    for number in range(2):
        (tmp_path / f"{number}.xml").write_bytes(message(number))
    kafka = Kafka(producer(tmp_path, finished="remember"))
    kafka.run()
    (tmp_path / "2.xml").write_bytes(message(2))
    with pytest.raises(PixstreamError, match="remove old ones"):
        kafka.run()
    (tmp_path / "0.xml").unlink()
    assert ids(kafka.run()) == ["E2"]


def test_the_longest_position_fits_into_a_record(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    kafka = Kafka(producer(tmp_path))
    kafka.run(deliver=False)
    one = len(kafka.positions[str(tmp_path)])
    assert one + (iso20022.MAX_KNOWN - 1) * KEY_LENGTH < 2**20


def test_a_file_whose_events_kafka_does_not_hold_yet_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    running = producer(tmp_path).read({})
    assert next(running) is not None
    assert [next(running) for _ in range(10)] == [None] * 10
    assert names(tmp_path) == ["a.xml"]


def test_only_the_owner_among_replicas_reads(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    found = []
    for replica in range(3):
        source = producer(tmp_path, replicas=3, finished="remember")
        source.replica = replica
        found += ids(Kafka(source).run())
    assert found == ["E1"]


def test_a_directory_that_goes_away_is_transient(tmp_path: Path) -> None:
    directory = tmp_path / "in"
    with pytest.raises(PixstreamError, match="create the directory"):
        next(producer(directory).read({}))
    directory.mkdir()
    running = producer(directory).read({})
    assert next(running) is None
    directory.rmdir()
    with pytest.raises(Transient):
        [next(running) for _ in range(1_000)]


def test_a_position_of_another_make_stops_with_advice(tmp_path: Path) -> None:
    with pytest.raises(PixstreamError, match="position in Kafka"):
        next(producer(tmp_path).read({str(tmp_path): "[]"}))


def test_an_idle_source_answers_at_once_and_again(tmp_path: Path) -> None:
    running = producer(tmp_path, poll_seconds=3600.0).read({})
    times = [time.monotonic()]
    for _ in range(4):
        assert next(running) is None
        times.append(time.monotonic())
    assert max(after - before for before, after in pairwise(times)) < 1.0


def test_check_counts_files_and_tries_the_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.xml").touch()
    assert producer(tmp_path).check().startswith("1 file like *.xml")
    with pytest.raises(PixstreamError, match="create the directory"):
        producer(tmp_path / "none").check()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PixstreamError, match="finished: remember"):
        producer(tmp_path).check()
    assert producer(tmp_path, finished="remember").check().startswith("1 file like")


def test_positions_of_other_streams_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(message(1))
    first = next(producer(tmp_path).read({"another": "none of ours"}))
    assert first is not None
    assert ids([first]) == ["E1"]


def test_a_file_taken_away_before_it_was_read_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = producer(tmp_path, settle_seconds=3600.0)
    lost, renamed = tmp_path / "lost.xml", tmp_path / "renamed.xml"
    for path in (lost, renamed):
        path.write_bytes(b"<a/>")
    running = source.read({})
    assert isinstance(running, Iterator)
    for _ in range(20):
        assert next(running) is None
    lost.unlink()
    renamed.rename(tmp_path / "new name.xml")
    with caplog.at_level("ERROR"):
        for _ in range(50):
            assert next(running) is None
    running.close()  # type: ignore[attr-defined]  # a generator
    (error,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "lost.xml was removed before it was read, 4 bytes" in error


def test_files_that_were_read_and_are_taken_away_are_no_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.xml").write_bytes(b"<a/>")
    kafka = Kafka(producer(tmp_path, finished="remember"))
    kafka.run()
    (tmp_path / "a.xml").unlink()
    kafka.run()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
