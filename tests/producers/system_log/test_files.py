"""Log files through rotation, truncation, removal and restarts: each line once."""

import itertools
import logging
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixstream.errors import PixstreamError
from pixstream.producers.system_log import tail as log_tail
from pixstream.producers.system_log.files import LogFiles, shown
from pixstream.testing.waiting import wait_for


class Reader:
    """A process that follows logs and commits every position; `restart` is its crash."""

    def __init__(
        self, *patterns: str | Path, settle_seconds: float = 0.0, from_end: bool = False
    ) -> None:
        self.patterns = [str(pattern) for pattern in patterns]
        self.positions: dict[str, str] = {}
        self.lines: list[bytes] = []
        self.settle_seconds = settle_seconds
        self.longest = 1 << 20
        self.owns: Callable[[str], bool] = bool
        self.files = self._files(from_end=from_end)

    def _files(self, *, from_end: bool = False) -> LogFiles:
        return LogFiles(
            self.patterns,
            self.positions,
            owns=self.owns,
            settle_seconds=self.settle_seconds,
            from_end=from_end,
        )

    def restart(self) -> None:
        self.files.close()
        self.files = self._files()

    def round(self) -> Iterator[None]:
        """One look, stopping after every line."""
        unread = self.files.scan()
        for tail in self.files.news():
            self.positions[tail.stream] = tail.position()
        for tail in unread:
            for line in tail.lines(self.longest, complete=self.files.complete(tail)):
                self.positions[tail.stream] = line.position
                self.lines.append(line.raw)
                yield

    def read(self) -> list[bytes]:
        """Everything that can be read now, as the lines that were new."""
        before = len(self.lines)
        while any(True for _ in self.round()):
            continue
        return self.lines[before:]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.jsonl"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path / "*.jsonl")
    yield made
    made.files.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_lines_come_as_they_are_written(log: Path, reader: Reader) -> None:
    append(log, "a\nb\n")
    assert reader.read() == [b"a", b"b"]
    assert reader.read() == []
    append(log, "c\n")
    assert reader.read() == [b"c"]


def test_an_unfinished_line_waits_for_its_end(log: Path, reader: Reader) -> None:
    append(log, "a\nb")
    assert reader.read() == [b"a"]
    append(log, "b\n")
    assert reader.read() == [b"bb"]


def test_every_position_resumes_after_its_line(log: Path, reader: Reader) -> None:
    append(log, "".join(f"line {number} é\n" for number in range(20)))
    for number in range(20):
        next(reader.round())
        reader.restart()
        assert len(reader.lines) == number + 1
    assert reader.lines == log.read_bytes().splitlines()


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    append(log, "b\n")
    log.rename(f"{log}.1")
    append(log, "c\n")
    assert reader.read() == [b"b", b"c"]


def test_a_renamed_file_is_found_by_a_new_process(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    append(log, "b\n")
    log.rename(f"{log}.1")
    append(log, "c\n")
    reader.restart()
    assert reader.read() == [b"b", b"c"]


def test_files_rotated_away_while_nobody_watched_are_read(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    reader.files.close()
    for generation in "bcd":
        for number in (3, 2, 1):
            older = Path(f"{log}.{number}")
            if older.exists():
                older.rename(f"{log}.{number + 1}")
        log.rename(f"{log}.1")
        append(log, f"{generation}\n")
    reader.restart()
    assert reader.read() == [b"b", b"c", b"d"]
    reader.restart()
    assert reader.read() == []


def test_files_rotated_away_before_the_first_start_are_history(log: Path, reader: Reader) -> None:
    append(Path(f"{log}.1"), "old\n")
    os.utime(f"{log}.1", ns=(1, 1))
    append(log, "a\n")
    assert reader.read() == [b"a"]
    reader.restart()
    assert reader.read() == []


def test_other_files_of_the_directory_are_none_of_ours(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    for name in ("app.jsonl.swp", "app.jsonl-backup", "other.log", "app.jsonl.2.gz"):
        append(log.with_name(name), "x\n")
    assert reader.read() == []


def test_compressed_files_are_left_out_even_if_they_match(log: Path) -> None:
    reader = Reader(f"{log}*")
    append(log, "a\n")
    append(Path(f"{log}.1.gz"), "x\n")
    assert reader.read() == [b"a"]
    reader.files.close()


@pytest.mark.parametrize("restart", [False, True])
def test_a_truncated_file_is_read_anew_and_its_rest_from_the_copy(
    log: Path, reader: Reader, caplog: pytest.LogCaptureFixture, *, restart: bool
) -> None:
    append(log, "a\nb\n")
    reader.read()
    append(log, "c\n")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    append(log, "d\ne\nf\ng\n")
    if restart:
        reader.restart()
    assert sorted(reader.read()) == [b"c", b"d", b"e", b"f", b"g"]
    assert restart or "truncated" in caplog.text
    reader.restart()
    assert reader.read() == []


def test_a_file_truncated_to_the_same_beginning_is_read_anew(log: Path, reader: Reader) -> None:
    append(log, "banner\na\n")
    reader.read()
    os.truncate(log, 0)
    append(log, "banner\nb\nc\n")
    assert reader.read() == [b"banner", b"b", b"c"]


def test_a_copy_older_than_the_last_lines_read_is_not_read_again(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    shutil.copyfile(log, f"{log}.1")
    append(log, "b\n")
    assert reader.read() == [b"b"]
    os.truncate(log, 0)
    append(log, "c\n")
    assert reader.read() == [b"c"]
    assert reader.read() == []


def test_a_copy_is_not_read_while_its_original_is_there(log: Path, reader: Reader) -> None:
    append(log, "a\nb\n")
    reader.read()
    shutil.copyfile(log, log.with_name("copy.jsonl"))
    assert reader.read() == []
    append(log, "c\n")
    assert reader.read() == [b"c"]


def test_files_that_begin_alike_are_not_taken_for_copies(log: Path, reader: Reader) -> None:
    other = log.with_name("other.jsonl")
    append(log, "banner\n")
    append(other, "banner\n")
    reader.read()
    append(other, "b\n")
    append(log, "a\n")
    reader.read()
    assert (reader.lines.count(b"a"), reader.lines.count(b"b")) == (1, 1)


def test_a_removed_file_is_read_to_its_end(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    reader.read()
    append(log, "b\nc")
    log.unlink()
    assert reader.read() == [b"b", b"c"]


def test_a_removed_file_that_rests_is_let_go_with_a_warning(
    log: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    with log.open("a") as program:
        program.write("a\n")
        program.flush()
        assert reader.read() == [b"a"]
        log.unlink()
        reader.read()
        reader.read()
        (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert warning == (
            f"{log} was deleted and is read up to byte 2; lines still written to it are not read: "
            "have its program reopen the file"
        )
        append(log, "b\n")
        assert reader.read() == [b"b"]


def test_a_file_that_is_renamed_or_moved_away_is_let_go_without_a_warning(
    log: Path, reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "a\n")
    assert reader.read() == [b"a"]
    log.rename(f"{log}.1")
    reader.read()
    reader.read()
    append(log, "b\n")
    assert reader.read() == [b"b"]
    (tmp_path / "old").mkdir()
    log.rename(tmp_path / "old" / "app.jsonl")
    reader.read()
    reader.read()
    Path(f"{log}.1").unlink()
    reader.read()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_file_removed_while_nobody_watched_is_reported_once(
    log: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "a\n")
    reader.read()
    log.unlink()
    for _ in range(2):
        reader.restart()
        reader.read()
        reader.read()
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "app.jsonl: what was written after byte 2, if anything" in caplog.text
    assert "is gone" in caplog.text


def test_a_finished_file_that_is_removed_later_is_no_news(
    log: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "a\n")
    reader.read()
    log.rename(f"{log}.1")
    append(log, "b\n")
    reader.read()
    reader.read()
    Path(f"{log}.1").unlink()
    reader.restart()
    assert reader.read() == []
    assert caplog.text == ""


def test_the_unfinished_line_of_a_rotated_file_counts_once_it_rests(log: Path) -> None:
    reader = Reader(log, settle_seconds=3600.0)
    append(log, "a\nb")
    reader.read()
    log.rename(f"{log}.1")
    assert reader.read() == []
    append(Path(f"{log}.1"), "b\n")
    assert reader.read() == [b"bb"]
    append(Path(f"{log}.1"), "c")
    assert reader.read() == []
    reader.settle_seconds = 0.0
    reader.restart()
    assert reader.read() == [b"c"]
    assert reader.read() == []


def test_a_rotated_file_without_a_whole_line_counts_too(log: Path, reader: Reader) -> None:
    append(log, "a")
    reader.read()
    log.rename(f"{log}.1")
    append(log, "b\n")
    assert sorted(reader.read()) == [b"a", b"b"]
    assert reader.read() == []


def test_reading_can_begin_at_the_end(log: Path) -> None:
    append(log, "old\nbegun")
    reader = Reader(log.with_name("*.jsonl"), from_end=True)
    assert reader.read() == []
    assert len(reader.positions) == 1
    reader.restart()
    append(log, " here\n")
    append(log.with_name("new.jsonl"), "first\n")
    assert sorted(reader.read()) == [b"begun here", b"first"]
    reader.files.close()


def test_a_line_longer_than_allowed_comes_in_pieces_and_the_next_whole(
    log: Path, reader: Reader
) -> None:
    reader.longest = 1000
    append(log, "x" * 2500)
    assert reader.read() == [b"x" * 1000] * 2
    append(log, "\nnext\n")
    assert reader.read() == [b"x" * 500, b"next"]


def test_long_lines_grow_over_chunks(
    log: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "_CHUNK", 7)
    append(log, "short\n" + "y" * 100 + "\n\nend\n")
    assert reader.read() == [b"short", b"y" * 100, b"", b"end"]


def test_only_owned_streams_are_read(log: Path, reader: Reader) -> None:
    append(log, "a\n")
    append(log.with_name("b.jsonl"), "b\n")
    taken: set[str] = set()
    reader.owns = taken.__contains__
    reader.restart()
    assert reader.read() == []
    reader.owns = bool
    reader.restart()
    assert sorted(reader.read()) == [b"a", b"b"]


def test_a_name_that_is_no_utf8_is_read_like_any_other(tmp_path: Path, reader: Reader) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(path, "w") as file:  # noqa: PTH123  a name in bytes
        file.write("a\n")
    assert reader.read() == [b"a"]
    assert all(position.isascii() for position in reader.positions.values())
    reader.restart()
    assert reader.read() == []
    assert shown(os.fsdecode(b"caf\xe9")) == "caf\N{REPLACEMENT CHARACTER}"


def test_a_file_that_cannot_be_read_is_reported_once_and_holds_up_no_other(
    log: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed = log.with_name("closed.jsonl")
    append(closed, "x\n")
    append(log, "a\n")
    opened = Path.open

    def deny(path: Path, mode: str) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", deny)
        assert reader.read() == [b"a"]
        assert reader.read() == []
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "closed.jsonl cannot be read (Permission denied)" in caplog.text
    assert reader.read() == [b"x"]


def test_more_files_than_descriptors_are_read(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixstream.producers.system_log.files.HELD_OPEN", 2)
    for number in range(6):
        append(tmp_path / f"{number}.jsonl", f"a{number}\n")
    assert len(reader.read()) == 6
    reader.read()
    for number in range(6):
        append(tmp_path / f"{number}.jsonl", f"b{number}\n")
    assert sorted(reader.read()) == [f"b{number}".encode() for number in range(6)]


def test_a_position_of_another_make_stops_with_advice(tmp_path: Path) -> None:
    stream = f"1f-{'0' * 16}"
    with pytest.raises(PixstreamError, match="position in Kafka"):
        LogFiles([str(tmp_path)], {stream: "[]"}, owns=bool, settle_seconds=0.0)


class Logs:
    """A writer and a rotation, as programs and logrotate do it."""

    def __init__(self, directory: Path, *, appends: bool = True) -> None:
        self.live = directory / "app.jsonl"
        self.appends = appends
        self.place = 0
        self.numbers = itertools.count()
        self.expected: Counter[bytes] = Counter()
        self.open_line = ""

    def line(self) -> None:
        self.half()
        self.finish()

    def half(self) -> None:
        """Begin a line, or go on with it."""
        text = f"[{next(self.numbers)}]"
        self._write(text)
        self.open_line += text

    def finish(self) -> None:
        if not self.open_line:
            return
        self._write("\n")
        self.expected[self.open_line.encode()] += 1
        self.open_line = ""

    def _write(self, text: str) -> None:
        """Write at the end, or where this program was, whatever was done to its file meanwhile."""
        if self.appends:
            append(self.live, text)
            return
        file = os.open(self.live, os.O_WRONLY | os.O_CREAT, 0o644)
        self.place += os.pwrite(file, text.encode(), self.place)
        os.close(file)

    def _cut(self) -> None:
        """What is begun stays without its line feed, and what comes is a line of its own."""
        if self.open_line:
            self.expected[self.open_line.encode()] += 1
            self.open_line = ""

    def _shift(self) -> None:
        for number in range(60, 0, -1):
            older = Path(f"{self.live}.{number}")
            if older.exists():
                older.rename(f"{self.live}.{number + 1}")

    def rename(self) -> None:
        if self.live.exists():
            self._shift()
            self._cut()
            self.live.rename(f"{self.live}.1")
            self.place = 0

    def copytruncate(self) -> None:
        if self.live.exists():
            self._shift()
            self._cut()
            shutil.copyfile(self.live, f"{self.live}.1")
            os.truncate(self.live, 0)


WRITER = st.sampled_from(["line", "line", "half", "finish", "rename", "copytruncate"])
READER = st.sampled_from(["read", "read", "restart", "crash"])


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(WRITER | READER, max_size=40),
    crash_after=st.integers(1, 4),
    chunk=st.sampled_from([5, 64, 1 << 18]),
    pattern=st.sampled_from(["*.jsonl", "app.jsonl*"]),
    appends=st.booleans(),
)
def test_each_line_comes_once_whatever_happens_between_and_during_the_reading(
    steps: list[str], crash_after: int, chunk: int, pattern: str, *, appends: bool
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_tail, "_CHUNK", chunk)
        logs = Logs(Path(name), appends=appends)
        reader = Reader(Path(name) / pattern)
        logs.line()
        reader.read()
        for step in steps:
            if step == "read":
                reader.read()
            elif step == "restart":
                reader.restart()
            elif step == "crash":
                for _ in itertools.islice(reader.round(), crash_after):
                    continue
                reader.restart()
            else:
                getattr(logs, step)()
        logs.rename()
        reader.read()
        reader.read()
        reader.files.close()
        assert Counter(reader.lines) == logs.expected


@pytest.mark.parametrize("appends", [True, False])
@pytest.mark.parametrize("pattern", ["*.jsonl", "app.jsonl*"])
def test_each_line_comes_once_while_the_writer_goes_on(
    tmp_path: Path, pattern: str, *, appends: bool
) -> None:
    logs, rng = Logs(tmp_path, appends=appends), Random(pattern)
    logs.line()
    reader = Reader(tmp_path / pattern, settle_seconds=0.2)
    reader.read()

    def write() -> None:
        for _ in range(4_000):
            logs.half()
            logs.finish()
            if rng.random() < 0.01:
                rng.choice([logs.rename, logs.copytruncate])()

    writer = threading.Thread(target=write)
    writer.start()
    restarts = Random(7)
    while writer.is_alive():
        for _ in itertools.islice(reader.round(), restarts.choice([3, 50, None])):
            continue
        if restarts.random() < 0.2:
            reader.restart()
    writer.join()

    def read() -> bool:
        reader.read()
        return len(reader.lines) >= logs.expected.total()

    wait_for(read, every=0)
    reader.files.close()
    assert Counter(reader.lines) == logs.expected


def test_a_gap_stops_where_that_is_the_decision_and_is_passed_by_another(
    log: Path, reader: Reader
) -> None:
    append(log, "a\n")
    reader.read()
    log.unlink()
    reader.files.close()
    reader.files = LogFiles(
        reader.patterns, reader.positions, owns=bool, settle_seconds=0.0, on_gap="stop"
    )
    for _ in range(2):
        with pytest.raises(PixstreamError, match=r"after byte 2, if anything.*on_gap: continue"):
            reader.read()
    reader.restart()
    assert reader.read() == []
    assert '"ended":true' in next(iter(reader.positions.values()))


def test_a_file_truncated_below_its_position_is_read_anew_or_stops(
    log: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "head\na\nb\n")
    reader.read()
    reader.files.close()
    log.write_text("head\nc\n")
    stopping = LogFiles(
        reader.patterns, reader.positions, owns=bool, settle_seconds=0.0, on_gap="stop"
    )
    with pytest.raises(PixstreamError, match="was truncated and has the same first line again"):
        stopping.scan()
    stopping.close()
    with caplog.at_level(logging.ERROR):
        reader.restart()
        assert reader.read() == [b"head", b"c"]
    assert "app.jsonl: what was written after byte 9" in caplog.text


def test_every_file_of_an_emptied_directory_is_named(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["one.jsonl", "two.jsonl"]
    for name in names:
        append(log.with_name(name), f"{name}\n")
    reader = Reader(log.with_name("*.jsonl"))
    reader.read()
    for name in names:
        log.with_name(name).unlink()
    reader.restart()
    reader.read()
    assert sorted(name for name in names if f"{name}: what was written" in caplog.text) == names


def test_what_a_first_start_at_the_end_leaves_out_is_named(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "old\nbegun")
    with caplog.at_level(logging.WARNING):
        Reader(log, from_end=True).read()
    assert "first start, at the end of the file: its first 4 bytes are not read" in caplog.text


def test_a_first_start_names_the_rotated_files_that_nobody_will_read(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rotated = log.with_name(f"{log.name}.1")
    for path in (rotated, log.with_name(f"{log.name}.2.gz"), log.with_name("other.txt")):
        append(path, "old\n")
        os.utime(path, (1, 1))
    append(log, "new\n")
    reader = Reader(log)
    with caplog.at_level(logging.WARNING):
        assert reader.read() == [b"new"]
        assert caplog.text.count("first start: it is older than the log of that name") == 1
        assert str(rotated) in caplog.text
        caplog.clear()
        reader.restart()
        reader.read()
    assert caplog.text == ""
    wider = Reader(f"{log}*")
    assert sorted(wider.read()) == [b"new", b"old"]
    assert caplog.text == ""
