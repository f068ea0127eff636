import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pixstream.producers.system_log.producer import SystemLog
from pixstream.testing import event
from pixstream.testing.producer_contract import ProducerContract


class Log:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._numbers = itertools.count()

    def producer(self) -> SystemLog:
        return SystemLog(type="system_log", paths=[str(self._file)], poll_seconds=0.01)

    def add(self, count: int) -> Sequence[str]:
        ids = [str(event(next(self._numbers)).end_to_end_id) for _ in range(count)]
        for name in ids:
            line = {"event": "pix.pagamento", "status": "liquidado", "endToEndId": name}
            self._append(json.dumps(line).encode())
        return ids

    def add_garbage(self, raw: bytes) -> None:
        self._append(raw)

    def _append(self, line: bytes) -> None:
        with self._file.open("ab") as file:
            file.write(line + b"\n")


class TestSystemLog(ProducerContract):
    type_name = "system_log"
    sample = "paths: [data/logs/*.jsonl]"

    @pytest.fixture
    def source(self, tmp_path: Path) -> Log:
        (tmp_path / "app.jsonl").touch()
        return Log(tmp_path / "app.jsonl")
