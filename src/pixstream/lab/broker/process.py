"""The operating-system process of the embedded broker: starting and stopping it."""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pixstream.errors import BrokerError
from pixstream.kafka.embedded import MAIN_CLASS, BrokerFiles
from pixstream.lab.broker.agent import Agent

_STORAGE_TOOL = "kafka.tools.StorageTool"
_FORMAT_SECONDS = 600
_KILL_SECONDS = 10.0
_LOG_CONFIGURATION = Path(__file__).with_name("log.properties")
# The broker outlives the command that starts it, so it inherits none of that command's secrets.
# JDK_JAVA_OPTIONS is Java's own: tests use it to disable the second compiler, half of a start.
_ENVIRONMENT = ("HOME", "PATH", "TZ", "LD_LIBRARY_PATH", "JDK_JAVA_OPTIONS")


@dataclass(frozen=True)
class Jvm:
    """A Java with Kafka's jars, for the broker of one directory.

    Args:
        java: the program.
        jars: the class path.
        heap: the largest heap, in Java's notation ("512m").
        files: the broker's files.
        agent: of the broker alone, never of the format step; None: no exporter of metrics.
    """

    java: Path
    jars: Sequence[Path]
    heap: str
    files: BrokerFiles
    agent: Agent | None = None

    def format(self, cluster_id: str) -> None:
        """Prepare the empty data directories, or finish an interrupted preparation.

        Raises:
            BrokerError: Kafka refused, for instance because of an unknown setting.
        """
        arguments = ["format", "--ignore-formatted", "--cluster-id", cluster_id]
        arguments += ["--config", str(self.files.properties)]
        with self.files.output.open("wb") as output:
            try:
                subprocess.run(
                    [*self._command(), _STORAGE_TOOL, *arguments],
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=_FORMAT_SECONDS,
                    check=True,
                )
            except subprocess.SubprocessError as error:
                raise BrokerError(
                    "Kafka could not prepare its data directories. The broker was not started. Its "
                    f"output is in {self.files.output}."
                ) from error

    def run(self, metrics_port: int | None = None) -> int:
        """Start the broker in its own session, so that it outlives us; return its pid.

        Args:
            metrics_port: where the agent serves the broker's metrics.
        """
        command = self._command()
        if self.agent is not None and metrics_port is not None:
            command.append(self.agent.option(metrics_port))
        # The process is found by these two, see `kafka.embedded.find`: they stay the last.
        command += [MAIN_CLASS, str(self.files.properties)]
        truncate = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return os.posix_spawn(
            command[0],
            command,
            self._environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.files.output), truncate, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def last_words(self, since: float) -> str:
        """Return the output of Java and Kafka after `since`, in seconds since the epoch."""
        files = [self.files.output, self.files.log]
        fresh = [file for file in files if file.exists() and file.stat().st_mtime >= since - 1]
        return "".join(file.read_text("utf-8", "replace") for file in fresh)

    def _command(self) -> list[str]:
        return [
            str(self.java),
            "-Xms128m",
            f"-Xmx{self.heap}",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={self.files.log.with_suffix('.crash')}",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={self.files.temporary}",
            f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION.as_uri()}",
            f"-Dpixstream.broker.log={self.files.log}",
        ]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        # In the "C" locale Java cannot open a path with an accented letter.
        return kept | {"CLASSPATH": os.pathsep.join(map(str, self.jars)), "LC_ALL": "C.UTF-8"}


def end(process: psutil.Process, how: signal.Signals, timeout: float) -> int | None:
    """Send a signal and wait; return the exit code if `process` is our child, else None.

    Raises:
        TimeoutError: it is still running after `timeout` seconds.
        BrokerError: it belongs to another user.
    """
    try:
        process.send_signal(how)
        code = process.wait(timeout)
    except psutil.NoSuchProcess:
        return None
    except psutil.TimeoutExpired as error:
        raise TimeoutError from error
    except psutil.AccessDenied as error:
        raise BrokerError(
            f"The broker, pid {process.pid}, belongs to another user and keeps running. Have that "
            "user stop it."
        ) from error
    return None if code is None else int(code)


def kill(process: psutil.Process) -> int | None:
    """Kill it and wait until it is gone; return like `end`. It may be gone already.

    Raises:
        BrokerError: it cannot be killed, or belongs to another user.
    """
    try:
        return end(process, signal.SIGKILL, _KILL_SECONDS)
    except TimeoutError as error:
        raise BrokerError(
            f"The broker, pid {process.pid}, cannot be killed: the system blocks it, perhaps in a "
            "write to a disk that hangs. Check that disk."
        ) from error
