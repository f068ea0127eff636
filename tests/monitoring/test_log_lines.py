"""What ships log lines: rsyslog where it is, pixstream's own shipper elsewhere."""

import json
import shutil
from pathlib import Path

import httpx2
import pytest

from pixstream.errors import MonitoringError
from pixstream.monitoring import log_lines

STORE = "http://127.0.0.1:9"


def test_rsyslog_ships_where_it_has_its_modules(tmp_path: Path) -> None:
    if shutil.which("rsyslogd", path="/usr/sbin") is None:
        pytest.skip(f"rsyslog is not installed: {log_lines.INSTALL_RSYSLOG}")
    server, changed = log_lines.server(tmp_path, STORE, [tmp_path / "pixstream.log*"])
    assert (server.name, changed) == ("rsyslog", True)
    assert log_lines.server(tmp_path, STORE, [tmp_path / "pixstream.log*"])[1] is False
    assert log_lines.server(tmp_path, STORE, [tmp_path / "other.log*"])[1] is True


def test_whoever_ships_finds_files_that_were_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server, _ = log_lines.server(tmp_path, STORE, ["logs/pixstream.log*"])
    (file,) = [part for part in server.command if isinstance(part, Path) and part.is_file()]
    assert str(tmp_path / "logs" / "pixstream.log*") in file.read_text("utf-8")


@pytest.mark.parametrize("installed", [False, True])
def test_elsewhere_our_own_shipper_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    program = tmp_path / "rsyslogd"
    if installed:  # but without the module that the configuration names
        program.write_text("#!/bin/sh\nexit 1\n", "ascii")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(log_lines, "_SUPERUSERS", "")
    server, changed = log_lines.server(tmp_path, STORE, ["/logs/pixstream.log*"])
    assert (server.name, changed) == ("shipper", True)
    assert log_lines.INSTALL_RSYSLOG in server.what
    settings = json.loads((tmp_path / "shipper" / "shipper.json").read_text("utf-8"))
    assert settings["patterns"] == ["/logs/pixstream.log*"]
    assert settings["url"] == STORE


@pytest.mark.parametrize(("status", "words"), [(400, "HTTP 400"), (None, "ConnectError")])
def test_a_store_that_does_not_take_the_template_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int | None, words: str
) -> None:
    if status is not None:
        answer = httpx2.Response(status)
        monkeypatch.setattr(httpx2.Client, "put", lambda *_, **__: answer)
    with pytest.raises(MonitoringError, match=words):
        log_lines.prepare(STORE)
