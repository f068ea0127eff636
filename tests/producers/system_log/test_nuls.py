"""NULs in log files: no line is lost to them, and no hole becomes dead letters or memory."""

import os
import shutil
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.producers.system_log import nuls
from pixstream.producers.system_log import tail as log_tail
from pixstream.producers.system_log.tail import Tail, head_in, identity

HOLE = 36 * 2**20


def tail_of(path: Path, position: str | None = None) -> Tail:
    with path.open("rb") as file:
        stream = identity(os.fstat(file.fileno()).st_ino, head_in(file.fileno()))
    tail = Tail.at(stream, position) if position else Tail(stream, str(path))
    tail.path = str(path)
    tail.open()
    assert tail.is_open
    return tail


def lines(path: Path, *, complete: bool = False, longest: int = 1 << 20) -> list[bytes]:
    """The lines of a file, read in one go; a position between any two of them resumes there.

    A blank line, which is nothing, may only be seen where a chunk ends between NULs and its end.
    """
    tail = tail_of(path)
    found = list(tail.lines(longest, complete=complete))
    tail.close()
    for number, line in enumerate(found):
        again = tail_of(path, line.position)
        rest = [each.raw for each in again.lines(longest, complete=complete) if each.raw]
        assert rest == [each.raw for each in found[number + 1 :] if each.raw]
        again.close()
    for line in found:
        assert path.read_bytes()[line.offset : line.offset + len(line.raw)] == line.raw
    return [line.raw for line in found]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.jsonl"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bytes(200) + b"a\nb\n", [b"a", b"b"]),
        (bytes(2000) + b"a\nb\n", [b"a", b"b"]),
        (b"\0a\n\0\0b\n", [b"a", b"b"]),
        (b"a\n" + bytes(300) + b"b\nc\n", [b"a", b"b", b"c"]),
        (b"half" + bytes(300) + b"b\nc\n", [b"half", b"b", b"c"]),
        (b"a\nhalf" + bytes(300_000) + b"b\n" + bytes(20) + b"c\n", [b"a", b"half", b"b", b"c"]),
        (b"a\n" + bytes(60) + b"\nb\n", [b"a", b"", b"b"]),
        (b"a\0b\n", [b"a\0b"]),
        (b"a" + bytes(40) + b"\nb\n", [b"a", b"b"]),
        (b"a\n" + bytes(40), [b"a"]),
        (b"a\nbegun" + bytes(400_000), [b"a"]),
    ],
)
def test_nuls_cost_no_line(log: Path, content: bytes, expected: list[bytes]) -> None:
    log.write_bytes(content)
    assert lines(log) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nbegun" + bytes(40), [b"a", b"begun", b""]),
        (b"a\n" + bytes(40), [b"a", b""]),
        (bytes(40) + b"a", [b"a"]),
        (b"a\0\0", [b"a\0\0"]),
    ],
)
def test_nuls_at_the_end_of_a_complete_file_end_it(
    log: Path, content: bytes, expected: list[bytes]
) -> None:
    log.write_bytes(content)
    tail = tail_of(log)
    assert [line.raw for line in tail.lines(1 << 20, complete=True)] == expected
    assert not tail.unread
    tail.close()


def test_a_line_that_overwrites_preallocated_nuls_is_read_when_it_is_whole(log: Path) -> None:
    log.write_bytes(b"a\n" + bytes(5000))
    tail = tail_of(log)

    def write(text: bytes, at: int) -> list[bytes]:
        with log.open("r+b") as file:
            file.seek(at)
            file.write(text)
        return [line.raw for line in tail.lines(1 << 20, complete=False)]

    assert write(b"", 0) == [b"a"]
    assert write(b"be", 2) == []
    assert write(b"gun\n", 4) == [b"begun"]
    assert write(b"next\n", 8) == [b"next"]
    tail.close()


@pytest.mark.parametrize("sparse", [True, False])
def test_a_hole_of_any_length_costs_no_memory(log: Path, *, sparse: bool) -> None:
    with log.open("wb") as file:
        if sparse:
            file.truncate(HOLE)
        else:
            for _ in range(HOLE // 2**20):
                file.write(bytes(2**20))
        file.seek(HOLE)
        file.write(b"a\n")
        if not sparse:
            file.write(bytes(HOLE))
        file.seek(2 * HOLE)
        file.write(b"b\n")
    tail = tail_of(log)
    tracemalloc.start()
    try:
        found = list(tail.lines(16 << 20, complete=False))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(line.raw, line.offset) for line in found] == [(b"a", HOLE), (b"b", 2 * HOLE)]
    assert peak < 4 * 2**20
    tail.close()


def test_a_file_system_without_holes_is_read_through(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "lseek", unsupported)
    with log.open("wb") as file:
        file.truncate(2**20)
        file.seek(2**20)
        file.write(b"a\n")
    assert lines(log) == [b"a"]


def test_files_whose_holes_are_alike_are_different_files(tmp_path: Path) -> None:
    heads = set()
    for name in "ab":
        path = tmp_path / name
        path.write_bytes(bytes(5000) + name.encode() + b"\n")
        with path.open("rb") as file:
            heads.add(head_in(file.fileno()).digest)
    assert len(heads) == 2


def test_a_file_truncated_between_two_reads_gives_nothing_of_the_new_content(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(bytes(40) + b"a\n" + b"old\n")
    tail = tail_of(log)
    assert next(iter(tail.lines(1 << 20, complete=False))).raw == b"a"
    intact = Tail.intact

    def meanwhile(self: Tail) -> bool:
        answer = intact(self)
        log.write_bytes(bytes(50) + b"new\n")
        return answer

    monkeypatch.setattr(Tail, "intact", meanwhile)
    assert list(tail.lines(1 << 20, complete=True)) == []
    tail.close()


@given(
    parts=st.lists(
        st.sampled_from([b"x", b"yy", b"\n", b"\0", bytes(15), bytes(16), bytes(300)]), max_size=30
    ),
    chunk=st.sampled_from([17, 64, 1 << 18]),
)
def test_every_written_byte_comes_once_and_in_its_place(parts: list[bytes], chunk: int) -> None:
    content = b"".join(parts)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_tail, "_CHUNK", chunk)
        path = Path(name, "app.jsonl")
        path.write_bytes(content)
        found = lines(path, complete=True)
        wanted = [text.strip(b"\0") for text in content.replace(nuls.RUN, b"\n").split(b"\n")]
        assert [line.strip(b"\0") for line in found if line.strip(b"\0")] == list(
            filter(None, wanted)
        )


def test_the_sample_of_copytruncate(tmp_path: Path) -> None:
    sample = Path(__file__).parents[4] / "shared" / "field" / "23-nul.log"
    if not sample.exists():
        pytest.skip("the inputs of ../shared are not on this machine")
    path = tmp_path / "app.jsonl"
    shutil.copyfile(sample, path)
    assert len([line for line in lines(path) if line]) == 2
