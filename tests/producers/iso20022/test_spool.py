"""A directory whose files are each taken once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.iso20022.spool import DONE, Spool


def spool(directory: Path, settle_seconds: float = 0.0, pattern: str = "*.xml") -> Spool:
    return Spool(str(directory), pattern, settle_seconds)


def put(directory: Path, name: str, text: str = "x", mtime: int | None = None) -> Path:
    path = directory / name
    path.write_text(text)
    if mtime is not None:
        os.utime(path, ns=(mtime, mtime))
    return path


def denied(*_: object, **__: object) -> object:
    raise PermissionError(13, "Permission denied")


def test_files_of_the_pattern_come_the_oldest_first(tmp_path: Path) -> None:
    put(tmp_path, "b.xml", mtime=1)
    put(tmp_path, "a.xml", mtime=2)
    put(tmp_path, "c.xml", mtime=2)
    put(tmp_path, "d.txt")
    put(tmp_path, ".e.xml")
    (tmp_path / "f.xml").mkdir()
    assert [file.name for file in spool(tmp_path).look()] == ["b.xml", "a.xml", "c.xml"]


def test_a_hidden_name_must_be_asked_for(tmp_path: Path) -> None:
    put(tmp_path, ".e.xml")
    assert [file.name for file in spool(tmp_path, pattern=".*.xml").look()] == [".e.xml"]


def test_a_file_rests_when_it_did_not_change_between_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("pixstream.producers.iso20022.spool.time.monotonic", lambda: now)
    old = spool(tmp_path, settle_seconds=5.0)
    put(tmp_path, "a.xml", mtime=1)
    assert [old.rests(file) for file in old.look()] == [False]
    now += 5
    assert [old.rests(file) for file in old.look()] == [True]
    put(tmp_path, "a.xml", "more", mtime=2)
    assert [old.rests(file) for file in old.look()] == [False]
    now += 5
    assert [old.rests(file) for file in old.look()] == [True]


def test_a_file_that_changed_since_the_look_is_not_taken(tmp_path: Path) -> None:
    source = spool(tmp_path)
    path = put(tmp_path, "a.xml")
    [file] = source.look()
    assert source.take(file, 10) == b"x"
    path.write_text("xx")
    assert source.take(file, 10) is None
    path.unlink()
    assert source.take(file, 10) is None


def test_a_file_that_is_too_large_waits_and_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = spool(tmp_path)
    put(tmp_path, "a.xml", "x" * 11)
    [file] = source.look()
    assert source.take(file, 10) is None
    assert source.take(file, 10) is None
    assert len(caplog.records) == 1
    assert "a.xml is larger than 10 bytes" in caplog.text


def test_a_finished_file_is_moved_and_overwrites_none(tmp_path: Path) -> None:
    source = spool(tmp_path)
    for text in ("first", "second"):
        put(tmp_path, "a.xml", text)
        [file] = source.look()
        assert source.finish(file)
        assert not source.finish(file)
    moved = sorted((tmp_path / DONE).iterdir())
    assert sorted(path.read_text() for path in moved) == ["first", "second"]
    assert all(path.name.endswith("a.xml") for path in moved)
    assert source.look() == []


def test_a_file_that_changed_since_it_was_taken_stays(tmp_path: Path) -> None:
    source = spool(tmp_path)
    path = put(tmp_path, "a.xml")
    [file] = source.look()
    path.write_text("xx")
    assert not source.finish(file)
    assert path.exists()


@pytest.mark.parametrize(
    ("method", "use", "words"),
    [
        ("open", lambda source, file: source.take(file, 10), "cannot be read"),
        ("rename", lambda source, file: source.finish(file), "cannot be moved"),
    ],
)
def test_what_is_not_ours_to_do_is_reported_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    use: Callable[[Spool, object], object],
    words: str,
) -> None:
    source = spool(tmp_path)
    put(tmp_path, "a.xml")
    [file] = source.look()
    monkeypatch.setattr(Path, method, denied)
    for _ in range(2):
        assert not use(source, file)
    assert len(caplog.records) == 1
    assert words in caplog.text
    assert "Permission denied" in caplog.text


def test_a_missing_directory_stops_at_first_and_waits_later(tmp_path: Path) -> None:
    directory = tmp_path / "in"
    source = spool(directory)
    with pytest.raises(PixstreamError, match="create the directory"):
        source.look()
    directory.mkdir()
    source.look()
    directory.rmdir()
    with pytest.raises(Transient, match="cannot be read any more"):
        source.look()


def test_a_name_that_is_no_utf8_is_shown_all_the_same(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.xml", "w"):  # noqa: PTH123  a name in bytes
        pass
    [file] = spool(tmp_path).look()
    assert file.shown == "caf\N{REPLACEMENT CHARACTER}.xml"
    assert file.key.isascii()
