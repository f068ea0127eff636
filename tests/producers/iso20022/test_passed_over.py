"""What is in the directory and is not read: never silently."""

import logging
import os
from pathlib import Path

import pytest

from pixstream.metrics.records import PASSED_OVER
from pixstream.producers.iso20022 import passed_over
from pixstream.producers.iso20022.producer import Iso20022
from pixstream.producers.iso20022.spool import DONE, Spool


def spool(directory: Path, pattern: str = "*.xml") -> Spool:
    return Spool(str(directory), pattern, 0.0)


def names(source: Spool) -> list[str]:
    return [file.name for file in source.look()]


def test_each_kind_is_named_with_what_to_do(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml.gz", "c.ZIP", "D.XML", "notes.txt", ".e.zip"):
        (tmp_path / name).touch()
    for number in range(5):
        (tmp_path / f"folder{number}.xml").mkdir()
    (tmp_path / DONE).mkdir()
    (tmp_path / "f.xml").symlink_to(tmp_path / "a.xml")
    source = spool(tmp_path)
    assert names(source) == ["a.xml"]
    found = sorted(line.removeprefix(f"{tmp_path}: ") for line in source.passed_over.warnings())
    assert source.passed_over.count == 9
    assert (
        found[0] == "1 name in other capitals is not read (D.XML): rename them, or change `pattern`"
    )
    assert found[1] == (
        "1 symbolic link is not read (f.xml): links are never followed; put the files themselves "
        "here"
    )
    assert found[2] == "2 archives are not read (b.xml.gz, c.ZIP): unpack them here"
    assert found[3].startswith("5 folders are not read (folder")
    assert ", …): folders are not searched" in found[3]


def test_a_pattern_of_your_own_decides(tmp_path: Path) -> None:
    for name in ("a.zip", "b.XML", "c.txt"):
        (tmp_path / name).touch()
    source = spool(tmp_path, "*")
    assert sorted(names(source)) == ["a.zip", "b.XML", "c.txt"]
    assert list(source.passed_over.warnings()) == []


def test_a_link_is_neither_followed_nor_moved(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.xml"
    secret.write_text("<secret/>")
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.xml").symlink_to(secret)
    (inside / "b.xml").symlink_to(outside)
    (inside / "c.xml").symlink_to("nowhere")
    source = spool(inside)
    assert names(source) == []
    assert source.passed_over.count == 3
    assert secret.read_text() == "<secret/>"
    assert (inside / "a.xml").is_symlink()


def test_a_file_that_became_a_link_since_the_look_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("y")
    source = spool(tmp_path)
    path = tmp_path / "a.xml"
    path.write_text("x")
    [file] = source.look()
    path.unlink()
    path.symlink_to(secret)
    os.utime(secret, ns=(file.mtime_ns, file.mtime_ns))
    assert source.take(file, 10) is None
    assert not source.finish(file)
    assert path.is_symlink()


def test_finished_files_do_not_follow_a_link_either(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / DONE).symlink_to(outside)
    (inside / "a.xml").write_text("x")
    source = spool(inside)
    [file] = source.look()
    assert not source.finish(file)
    assert list(outside.iterdir()) == []
    assert "done is a symbolic link" in caplog.text


def test_a_kind_is_logged_when_it_appears_and_every_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(passed_over.time, "monotonic", lambda: now)  # type: ignore[attr-defined]
    source = spool(tmp_path)

    def logged() -> int:
        caplog.clear()
        source.look()
        source.passed_over.log()
        return len(caplog.records)

    assert logged() == 0
    archive = tmp_path / "a.zip"
    archive.touch()
    assert [logged(), logged()] == [1, 0]
    (tmp_path / "b.zip").touch()
    assert logged() == 0
    (tmp_path / "folder").mkdir()
    assert logged() == 1
    now += 3600
    assert logged() == 2


def test_the_producer_says_so_in_log_metrics_and_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.zip").touch()
    source = Iso20022(type="iso20022", directory=str(tmp_path), poll_seconds=0.001)
    with caplog.at_level(logging.WARNING):
        assert next(iter(source.read({str(tmp_path): '{"known": ""}'}))) is None
    assert "1 archive is not read (a.zip): unpack them here" in caplog.text
    assert source.counts[PASSED_OVER.short] == 1
    assert [line.partition(": ")[2] for line in source.warnings()] == [
        "1 archive is not read (a.zip): unpack them here"
    ]
    assert source.check() == f"0 files like *.xml in {tmp_path}"


def test_a_directory_that_is_not_there_has_no_warnings(tmp_path: Path) -> None:
    source = Iso20022(type="iso20022", directory=str(tmp_path / "absent"))
    assert list(source.warnings()) == []
