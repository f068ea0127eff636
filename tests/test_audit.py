import json
from pathlib import Path

import pytest

from pixstream import audit
from pixstream.errors import PixstreamError


def test_a_line_says_who_did_what_when_and_why(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "audit.log"
    audit.record(file, "reveal", "letter-1", "ana", "ticket 1")
    audit.record(file, "reveal", "letter-2", "rui", "ticket 2")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["who"] for line in lines] == ["ana", "rui"]
    assert lines[0].keys() == {"time", "action", "target", "who", "why"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_log_nothing_may_happen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PixstreamError, match="nothing was done"):
        audit.record(tmp_path / "file" / "audit.log", "reveal", "x", "ana", "why")
