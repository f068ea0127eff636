import datetime as dt
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from pixstream.errors import PixstreamError
from pixstream.processes import run_status
from pixstream.processes.run_status import ComponentStatus, StatusFile, SupervisorStatus

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def component(state: str = "ready") -> ComponentStatus:
    return ComponentStatus(
        component="webhook",
        replica=0,
        label="webhook-0",
        state=state,
        since=NOW,
        pid=1,
        restarts=0,
        last_exit=None,
        last_exit_at=None,
        next_start_seconds=None,
        last_warning=None,
        last_warning_at=None,
        silent_seconds=0.0,
        stalled_seconds=0.0,
        counts={"read": 1},
        rates={"read": 0.5},
    )


def status(file: StatusFile, *components: ComponentStatus) -> SupervisorStatus:
    return SupervisorStatus(
        id=file.id,
        pid=os.getpid(),
        started=NOW,
        written=dt.datetime.now(dt.UTC),
        clock=time.monotonic(),
        stopping=False,
        components=list(components),
    )


def test_what_is_written_is_read_and_gone_after_an_orderly_end(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "run"
    file = StatusFile(directory)
    assert run_status.read(directory) == []
    written = status(file, component())
    file.write(written)
    (seen,) = run_status.read(directory)
    assert (seen.status, seen.alive, seen.stale, seen.ready) == (written, True, False, True)
    (json,) = directory.glob("*.json")
    assert stat.S_IMODE(json.stat().st_mode) == 0o600
    file.close()
    assert list(directory.iterdir()) == []


def test_supervisors_of_one_directory_do_not_touch_one_another(tmp_path: Path) -> None:
    files = [StatusFile(tmp_path) for _ in range(3)]
    for file in files:
        file.write(status(file, component()))
    assert {s.status.id for s in run_status.read(tmp_path)} == {file.id for file in files}
    for file in files:
        file.close()


@pytest.mark.parametrize("state", ["starting", "waiting", "breaker_open", "silent", "restarting"])
def test_what_is_not_ready_is_not(tmp_path: Path, state: str) -> None:
    file = StatusFile(tmp_path)
    file.write(status(file, component(), component(state)))
    (seen,) = run_status.read(tmp_path)
    assert not seen.ready
    file.close()


def test_a_living_supervisor_that_tells_nothing_is_stale(tmp_path: Path) -> None:
    file = StatusFile(tmp_path)
    old = status(file, component())
    file.write(msgspec.structs.replace(old, clock=old.clock - 30))
    (seen,) = run_status.read(tmp_path)
    assert (seen.alive, seen.stale, seen.ready) == (True, True, False)
    assert seen.age_seconds >= 30
    file.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from pixstream.processes.run_status import StatusFile
file = StatusFile(Path(sys.argv[1]))
file._file.write_text(sys.argv[2].replace("ID", file.id))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_supervisor_is_told_of_until_the_next_one_starts(tmp_path: Path) -> None:
    file = StatusFile(tmp_path)
    content = msgspec.json.encode(status(file, component())).decode()
    file.close()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), content], check=False)
    (seen,) = run_status.read(tmp_path)
    assert (seen.alive, seen.stale, seen.ready) == (False, True, False)
    next_one = StatusFile(tmp_path)
    assert run_status.read(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 1
    next_one.close()


def test_a_disk_that_is_full_is_logged_once_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = StatusFile(tmp_path)
    file.write(status(file, component()))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        for _ in range(3):
            file.write(status(file, component("waiting")))
    assert caplog.text.count(".json (No space left on device)") == 1
    (seen,) = run_status.read(tmp_path)
    assert seen.status.components[0].state == "ready"
    file.write(status(file, component("waiting")))
    assert not run_status.read(tmp_path)[0].ready
    file.close()


def test_a_file_of_another_release_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "supervisor.1-a.json").write_text('{"id": "1-a"}')
    with pytest.raises(PixstreamError, match="another release of pixstream wrote it"):
        run_status.read(tmp_path)


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(PixstreamError, match=r"cannot create .*: Not a directory"):
        StatusFile(tmp_path / "data" / "run")
