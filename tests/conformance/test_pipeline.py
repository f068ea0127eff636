"""The inputs of `cases.yaml` through `pixstream run`: from the sources over Kafka to the tables."""

import collections
import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import yaml

from pixstream.event.categories import Category
from pixstream.event.model import PixEvent
from pixstream.lab.demo.place import free_port
from pixstream.lab.demo.privacy_scan import PrivacyScan
from pixstream.lake.location import Location
from pixstream.lake.query import select
from pixstream.privacy import create_key_file
from pixstream.testing.waiting import HANG_SECONDS, wait_for
from tests.conformance.page import CPF, OWN_ISPB, SPELT, Case, Outcome, cases, outcomes

pytestmark = [pytest.mark.broker]

COLUMNS = ["event_id", "category", "status", "amount_centavos", "event_time", "flags"]


class Run:
    """A configuration with a producer for each setting of the cases, and `pixstream run` of it."""

    def __init__(self, directory: Path, bootstrap: str) -> None:
        self.directory, self.port = directory, free_port()
        self.file, self.lake = directory / "kafka_config.yaml", directory / "lake"
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")
        self.settings: dict[str, Any] = {
            "data_dir": str(directory / "data"),
            "institution": {"ispbs": [OWN_ISPB]},
            "privacy": {
                "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
                "encryption_key": f"file:{directory / 'encryption.key'}",
            },
            "kafka": {
                "bootstrap_servers": bootstrap,
                "topic_prefix": f"t{secrets.token_hex(4)}.",
            },
            "metrics": {"port": 0},
            "logging": {"file": str(directory / "log")},
            "producers": {},
            "consumers": {
                "delta_lake": {"uri": str(self.lake), "batch": {"rows": 1000, "seconds": 0.2}}
            },
        }

    def offer(self, number: int, case: Case) -> None:
        """Add the source of a case; its input is there before the start, but for a webhook's."""
        place = self.directory / f"{case.source}{number}"
        settings: dict[str, Any] = {"type": case.source, **case.settings}
        if case.source == "webhook":
            settings |= {"port": self.port}
            self.settings["producers"]["webhook"] = settings
            return
        place.mkdir()
        if case.source == "system_log":
            settings |= {"paths": [str(place / "*.log")], "poll_seconds": 0.1}
            (place / "app.log").write_bytes(case.raw + b"\n")
        else:
            settings |= {"directory": str(place), "settle_seconds": 0, "poll_seconds": 0.1}
            # A file's name is the reference of a message without MsgId, so it changes its event.
            name = CPF if "<MsgId>" in case.input else "message"
            (place / f"{name}.xml").write_bytes(case.raw)
        self.settings["producers"][f"{case.source}_{number}"] = settings

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pixstream.cli", "-c", str(self.file), *words]

    def told(self, *words: str) -> str:
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=True, timeout=600
        )
        return done.stdout

    def post(self, case: Case) -> int:
        """Post a body until it is answered; return the status."""

        def answered() -> int | None:
            url = f"http://127.0.0.1:{self.port}/pix"
            try:
                status = httpx2.post(url, content=case.raw, timeout=600, trust_env=False)
            except httpx2.ConnectError:
                return None
            return None if status.status_code == 503 else status.status_code

        return wait_for(answered, f"the answer to {case.title}")

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for category in Category:
            location = Location(str(self.lake), category.plural)
            if Path(location.uri).exists():
                table = select({"t": location}, "SELECT * FROM t").read_all()
                found += table.select(COLUMNS).to_pylist()
        return found

    def reasons(self) -> collections.Counter[str]:
        listed = self.told("dead-letters", "list", "--format", "json", "--limit", "10000")
        letters = [json.loads(line) for line in listed.splitlines()]
        return collections.Counter(letter["reason"] for letter in letters)


@pytest.fixture
def run(tmp_path: Path, broker: str) -> Run:
    return Run(tmp_path, broker)


def test_every_input_reaches_the_tables_or_the_letters_as_the_page_says(run: Run) -> None:
    given = [_own(number, case) for number, case in enumerate(cases())]
    found = [outcome for case in given for outcome in outcomes(case)]
    for number, case in enumerate(given):
        run.offer(number, case)
    run.file.write_text(yaml.safe_dump(run.settings))
    run.told("topics", "apply")
    process = subprocess.Popen(run.command("run"), stderr=subprocess.DEVNULL)
    try:
        for case in given:
            if case.source == "webhook":
                assert run.post(case) == 200, case.title
        events = {o.event.event_id: o.event for o in found if o.event is not None}
        reasons = _reasons(found)
        wait_for(
            lambda: len(run.rows()) >= len(events),
            lambda: events.keys() - {row["event_id"] for row in run.rows()},
            progress=lambda: len(run.rows()),
            alive=lambda: process.poll() is None,
            every=0.5,
        )
        wait_for(lambda: run.reasons().total() >= reasons.total(), lambda: reasons - run.reasons())
    finally:
        process.terminate()
        process.wait(10 * HANG_SECONDS)
    rows = run.rows()
    expected = {event.event_id: _row(event) for event in events.values()}
    assert [row for row in rows if row != expected[row["event_id"]]] == []
    assert len(rows) == len(events)
    assert run.reasons() == reasons
    assert _shown(run) == {}


def _own(number: int, case: Case) -> Case:
    """Give the Pix of a case identifiers that no other case has."""
    own = case.input.replace("aaaaaaaaaa", f"case{number:06}")
    return msgspec.structs.replace(case, input=own)


def _reasons(found: list[Outcome]) -> collections.Counter[str]:
    refused = [outcome.said for outcome in found if outcome.event is None]
    return collections.Counter(said.split("`")[1] for said in refused)


def _row(event: PixEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in COLUMNS}
    return row | {"category": str(event.category), "status": str(event.status)}


def _shown(run: Run) -> dict[str, int]:
    """The places that show the CPF, other than the inputs themselves."""
    scan = PrivacyScan({CPF, SPELT})
    for path in [run.directory / "log", *(run.directory / "data").rglob("*"), *run.lake.rglob("*")]:
        if path.is_file():
            scan.raw(str(path), path.read_bytes())
    return scan.places
