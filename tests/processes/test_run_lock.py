import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pixstream.errors import PixstreamError
from pixstream.processes import run_lock


def test_a_lock_is_held_once_and_free_after_its_release(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    assert not run_lock.is_held(file)
    lock = run_lock.take(file)
    assert lock is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run_lock.is_held(file)
    assert run_lock.take(file) is None
    lock.release()
    assert not run_lock.is_held(file)
    again = run_lock.take(file)
    assert again is not None
    again.remove()
    assert not file.exists()


def test_what_is_written_replaces_what_was(tmp_path: Path) -> None:
    lock = run_lock.take(tmp_path / "a.lock")
    assert lock is not None
    lock.write("a long text")
    lock.write("short")
    assert (tmp_path / "a.lock").read_text() == "short"
    lock.release()


def test_a_child_that_inherited_it_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    lock = run_lock.take(file)
    assert lock is not None
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=[lock.descriptor],
    ) as child:
        lock.release()
        assert run_lock.take(file) is None
        child.kill()
        child.wait()
        assert not run_lock.is_held(file)


def test_a_file_removed_while_it_is_locked_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two supervisors: one sweeps the file of a dead one, which the other just opened."""
    file, lock = tmp_path / "a.lock", fcntl.flock
    removed: list[int] = []

    def flock(descriptor: int, how: int) -> None:
        lock(descriptor, how)
        if not removed:
            removed.append(file.stat().st_ino)
            file.unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    taken = run_lock.take(file)
    assert taken is not None
    assert removed
    assert os.path.samestat(os.fstat(taken.descriptor), file.stat())
    taken.remove()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PixstreamError, match=r"cannot lock .*a\.lock: No such file"):
        run_lock.take(tmp_path / "none" / "a.lock")
