"""The page with a real Kafka and the real commands: from a letter on the list to its replay."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import httpx2
import pytest

from pixstream import kafka
from pixstream.config.loading import build, resolve
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.event.model import Refusal
from pixstream.kafka.names import DLQ
from pixstream.page.opening import program
from pixstream.page.server import Page
from pixstream.plugins.producer import Reading
from pixstream.privacy import keys
from pixstream.processes.component import ChildSpec
from pixstream.runtime import letter_writer
from pixstream.testing.waiting import wait_for
from tests.page.kit import NOW, TOKEN, status

RNG = Random(11)
CPF = generate_cpf(RNG)
PIX = {"endToEndId": e2e("99999004", NOW, RNG), "valor": "1.00", "horario": NOW.isoformat()}
RAW = json.dumps({"pix": [PIX | {"pagador": {"cpf": CPF, "nome": "Ana"}}]}).encode()

pytestmark = pytest.mark.broker


class Place:
    """A configuration with one letter in Kafka, and its page."""

    def __init__(self, directory: Path, broker: str) -> None:
        self.directory = directory
        config = directory / "kafka_config.yaml"
        config.write_text(
            f"data_dir: {json.dumps(str(directory))}\n"
            f"privacy: {{pseudonym_key: {'a' * 64}, encryption_key: {'b' * 64}}}\n"
            f"kafka: {{bootstrap_servers: '{broker}', topic_prefix: p{secrets.token_hex(4)}.}}\n"
            "producers: {webhook: {port: 0}}\n"
            f"page: {{port: 0, token: {TOKEN}, call_seconds: 600}}\n"
        )
        effective = resolve(config)
        settings = build(effective)
        client = kafka.connect(settings.kafka)
        with closing(client.admin()) as admin:
            for spec in settings.declared_topics:
                admin.create(spec)
        refusal = Refusal(reason="not_a_pix", message="it was one", raw=RAW)
        reading = Reading(stream="s", position="1", content=refusal)
        writer = letter_writer(settings, "webhook", keys(settings.privacy)[1])
        letter = writer.from_reading(reading, refusal, "read", "Refused")
        with closing(client.outbox("writer")) as outbox:
            outbox.begin()
            outbox.send(DLQ, *letter)
            outbox.commit()
        self.letter = letter.key.decode()
        base = ChildSpec(
            config_path=str(config), environment=None, overrides=[], name="", replica=0
        )
        self.page = Page(effective, settings, program(base), status)


@pytest.fixture
def place(tmp_path: Path, broker: str) -> Iterator[Place]:
    one = Place(tmp_path, broker)
    yield one
    one.page.close()


def test_a_letter_is_found_tried_and_replayed_and_the_audit_log_knows_by_whom(
    place: Place,
) -> None:
    with httpx2.Client(base_url=place.page.address, timeout=600) as browser:
        assert f'href="/letters/{place.letter}"' in browser.get("/letters").text
        shown = browser.get(f"/letters/{place.letter}").text
        assert "it was one" in shown
        assert "endToEndId" in shown
        assert CPF not in shown
        assert "Ana" not in shown
        tried = browser.get(f"/letters/try?id={place.letter}").text
        assert "1  would be replayed" in tried
        assert not (place.directory / "audit.log").exists()

        browser.post("/login", data={"token": TOKEN, "who": "bia"})
        form = re.search(
            'name="csrf" value="([^"]+)"', browser.get(f"/letters/{place.letter}").text
        )
        assert form is not None
        data = {"csrf": form[1], "verb": "replay", "id": place.letter, "why": "ticket 4711"}
        work = browser.post("/letters/act", data=data).headers["location"]
        wait_for(lambda: "1  replayed, as 1 event" in browser.get(work).text)
        link = f'href="/letters/{place.letter}"'
        wait_for(lambda: link not in browser.get("/letters").text)
        assert "It was replayed." in browser.get(f"/letters/{place.letter}").text

        assert "pix.recebimentos" in browser.get("/topics").text
        assert "It has no position yet." in browser.get("/components/webhook").text
    (line,) = map(json.loads, (place.directory / "audit.log").read_text().splitlines())
    said = {name: line[name] for name in ("action", "who", "why")}
    assert said == {"action": "replay", "who": "bia (page)", "why": "ticket 4711"}
