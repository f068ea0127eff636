"""Clients that hold connections of an HTTP server open without letting it get done with them.

They say nothing, send the headers of a request byte by byte, or its body, announce a long body and
stop, or ask again and again without reading an answer. Whoever is cut off connects again.

    python benchmarks/hostile_clients.py --port 8080 --connections 5000

They go on until standard input closes. The last line is one JSON object: how many connections were
held at most and made in all, and what the clients were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import resource
import socket
import sys
from collections import Counter

STEP_SECONDS = 1.0
"""A slow client sends its next byte after this time."""

KEPT_FILES = 64
HEAD = b"POST /pix HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
GET = b"GET /pix HTTP/1.1\r\nHost: x\r\n\r\n"
KINDS = {
    "silent": b"",
    "half headers": HEAD,
    "slow headers": HEAD + b"X-Padding: ",
    "slow body": HEAD + b"\r\n{",
    "half a body": HEAD + b"\r\n" + b" " * 50_000,
    "no reading": GET,
}
STEPS = {"slow headers": b"a", "slow body": b" ", "no reading": GET * 20}


class Crowd:
    """So many connections at a time, a like number of each kind."""

    def __init__(self, port: int, connections: int, address: str, again: float) -> None:
        self._again = again
        self._port = port
        self._address = address
        self._connections = connections
        self.held = self.most = self.made = 0
        self.answers: Counter[str] = Counter()

    async def stay(self) -> None:
        """Hold them until this is cancelled."""
        kinds = itertools.cycle(KINDS)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._connections):
                tasks.create_task(self._one(next(kinds)))
                await asyncio.sleep(0)

    async def _one(self, kind: str) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self._hold(kind)
            await asyncio.sleep(random.uniform(0, 2 * self._again))

    async def _hold(self, kind: str) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.bind((self._address, 0))
            await loop.sock_connect(connection, ("127.0.0.1", self._port))
            self.made += 1
            self.held += 1
            self.most = max(self.most, self.held)
            try:
                await loop.sock_sendall(connection, KINDS[kind])
                if kind == "no reading":
                    while True:
                        await loop.sock_sendall(connection, STEPS[kind])
                        await asyncio.sleep(STEP_SECONDS)
                async with asyncio.TaskGroup() as tasks:
                    dripping = tasks.create_task(self._drip(connection, STEPS.get(kind)))
                    answer = await loop.sock_recv(connection, 100)
                    dripping.cancel()
                self.answers[answer[9:12].decode() or "closed"] += 1
            except* OSError:
                self.answers["reset"] += 1
            finally:
                self.held -= 1

    async def _drip(self, connection: socket.socket, step: bytes | None) -> None:
        while step is not None:
            await asyncio.sleep(STEP_SECONDS)
            with contextlib.suppress(OSError):  # the reader notices
                await asyncio.get_running_loop().sock_sendall(connection, step)


async def crowd(port: int, connections: int, address: str, again: float) -> None:
    """Hold connections until standard input closes, then end this process."""
    one = Crowd(port, connections, address, again)
    stay = asyncio.create_task(one.stay())
    await asyncio.to_thread(sys.stdin.read)
    result = {"held": one.most, "made": one.made, "answers": dict(one.answers)}
    print(json.dumps(result), flush=True)
    os._exit(1 if stay.done() else 0)  # thousands of tasks would take their time


def affordable(connections: int) -> int:
    """Return how many of these connections a process of this machine may open."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if files < 0 else min(connections, files - KEPT_FILES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--address", default="127.0.0.1", help="address to connect from")
    parser.add_argument(
        "--again", type=float, default=5.0, help="who was cut off connects again after this, s"
    )
    options = parser.parse_args()
    number = affordable(options.connections)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    asyncio.run(crowd(options.port, number, options.address, options.again))


if __name__ == "__main__":
    main()
