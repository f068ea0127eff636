"""Becomes another program: writes its pid file, gives up root's rights, then executes the program.

The process that will be the server writes its own pid file before it becomes one, so that no crash
of `pixstream monitoring up` leaves a server that `down` does not know. It runs as a script without
any package, `python -I -S launch.py DIRECTORY PID_FILE USER PROGRAM ARGUMENT…`, and a pid file has
the process id and the process's birth.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROCESSES = Path("/proc")


def birth(pid: int) -> str | None:
    """Return when a process began, in words that no other process of the same id shares.

    On Linux the kernel's own count since boot and the id of that boot, which no change of the clock
    moves; elsewhere what `ps` says.

    Returns:
        None if there is no such process.
    """
    if not _PROCESSES.is_dir():
        said = subprocess.run(  # POSIX's ps, wherever it is
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return " ".join(said.stdout.split()) or None
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = (_PROCESSES / "sys" / "kernel" / "random" / "boot_id").read_text("ascii").strip()
    # The second field, the program's name in brackets, may contain anything.
    return f"{boot} {text.rpartition(')')[2].split()[19]}"


def write(pid_file: Path) -> None:
    """Write the pid file of this process; a reader never sees half of it."""
    part = pid_file.with_suffix(".part")
    part.write_text(f"{os.getpid()} {birth(os.getpid())}\n", "utf-8")
    part.replace(pid_file)


def main(directory: str, pid_file: str, user: str, *command: str) -> None:
    """Become the program; with a user, as that user and its group alone."""
    write(Path(pid_file))
    os.chdir(directory)
    os.umask(0o077)
    if user:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    os.execv(command[0], command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
