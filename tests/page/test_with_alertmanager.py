"""The page beside a real Alertmanager: what fires there is shown, what is silenced is not."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pixstream.lab.demo.place import free_port
from pixstream.testing.waiting import wait_for
from tests.page.kit import Pages

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.skipif(
    ALERTMANAGER is None, reason="no Alertmanager: apt-get install prometheus-alertmanager"
)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    assert ALERTMANAGER is not None
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    place = f"127.0.0.1:{free_port()}"
    command = [
        ALERTMANAGER,
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={place}",
        "--cluster.listen-address=",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:

            def ready() -> bool:
                try:
                    return httpx2.get(f"http://{place}/-/ready").status_code == 200
                except httpx2.TransportError:
                    return False

            wait_for(ready, alive=lambda: process.poll() is None)
            yield f"http://{place}"
        finally:
            process.terminate()


def test_what_fires_is_shown_and_what_is_silenced_is_not(tmp_path: Path, address: str) -> None:
    alerts = [
        {
            "labels": {"alertname": name, "severity": "warning", "group": "pixstream.delta_lake"},
            "annotations": {"summary": f"summary of {name}"},
        }
        for name in ("FallingBehind", "Silenced")
    ]
    silence = {
        "matchers": [{"name": "alertname", "value": "Silenced", "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ana",
        "comment": "known",
    }
    with httpx2.Client(base_url=f"{address}/api/v2/") as client:
        client.post("silences", json=silence).raise_for_status()
        client.post("alerts", json=alerts).raise_for_status()
    client = Pages(tmp_path, alertmanager=address).client()
    text = ""

    def fires() -> bool:
        nonlocal text
        text = client.get("/alerts").text
        return "FallingBehind" in text

    wait_for(fires)
    assert "summary of FallingBehind" in text
    assert "group=pixstream.delta_lake" in text
    assert "Silenced" not in text
