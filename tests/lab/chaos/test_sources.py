import datetime as dt
import http.server
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from pixstream.event.model import Draft, Party, Person, PixEvent
from pixstream.event.sealing import Sealer
from pixstream.formats import api_pix, log_line, spi
from pixstream.lab.chaos.callbacks import CallbackSender
from pixstream.lab.chaos.oracle import NumberedDocument, NumberedFact, Oracle, Side
from pixstream.lab.chaos.sources import LogFile, SpiDirectory
from pixstream.lab.simulation.pieces import ISO20022, SYSTEM_LOG, WEBHOOK
from pixstream.lab.simulation.world import OWN_ISPB
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.testing.waiting import wait_for

START = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
PSEUDONYM = Pseudonymiser(bytes(32), "p1")
SEALER = Sealer(PSEUDONYM, Vault(bytes(range(32)), "k1"), own_ispbs=frozenset({OWN_ISPB}))


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(7, START)


def of(oracle: Oracle, source: str, count: int = 60) -> list[NumberedDocument]:
    return [told for told in oracle.documents(count * 8) if told.source == source][:count]


def sealed(drafts: Sequence[object]) -> list[PixEvent]:
    assert all(isinstance(draft, Draft) for draft in drafts)
    return [SEALER.seal(d, source="x", now=START) for d in drafts if isinstance(d, Draft)]


def agrees(event: PixEvent, fact: NumberedFact) -> bool:
    return (event.event_id, event.amount_centavos, event.event_time, event.direction) == (
        fact.event_id,
        fact.centavos,
        fact.event_time,
        fact.direction,
    ) and (same(event.payer, fact.payer) and same(event.payee, fact.payee))


def same(party: Party, side: Side) -> bool:
    hidden = SEALER.party(Person(**side._asdict()))
    return (party.ispb, party.document, party.key) == (hidden.ispb, hidden.document, hidden.key)


def compare(events: list[PixEvent], documents: list[NumberedDocument]) -> None:
    facts = {fact.event_id: fact for told in documents for fact in told.facts}
    assert {event.event_id for event in events} == set(facts)
    assert all(agrees(event, facts[event.event_id]) for event in events)


def test_a_log_says_what_the_oracle_expects_of_its_rows(oracle: Oracle, tmp_path: Path) -> None:
    documents = of(oracle, SYSTEM_LOG)
    log = LogFile(tmp_path / "pix.jsonl", oracle)
    log.tell(documents, [3])
    log.close()
    *lines, poison = (tmp_path / "pix.jsonl").read_bytes().splitlines()
    compare(sealed([log_line.parse(line) for line in lines]), documents)
    assert oracle.poisons(poison) == {3}
    assert not isinstance(log_line.parse(poison), Draft)
    assert oracle.acknowledged.count() == oracle.offered.count() == len(documents)


def test_a_log_is_rotated_in_the_middle_of_a_line(oracle: Oracle, tmp_path: Path) -> None:
    documents = of(oracle, SYSTEM_LOG, 6)
    log = LogFile(tmp_path / "pix.jsonl", oracle)
    log.tell(documents[:2], [])
    log.rotate()
    log.tell(documents[2:], [])
    log.close()
    old = (tmp_path / "pix.jsonl.1").read_bytes().splitlines()
    new = (tmp_path / "pix.jsonl").read_bytes().splitlines()
    assert (len(old), len(new), log.rotations) == (3, 3, 1)
    compare(sealed([log_line.parse(line) for line in old + new]), documents)


def test_spi_files_say_what_the_oracle_expects(oracle: Oracle, tmp_path: Path) -> None:
    documents = of(oracle, ISO20022)
    spi_directory = SpiDirectory(tmp_path, oracle)
    spi_directory.tell(documents, [])
    drafts = [d for file in tmp_path.glob("*.xml") for d in spi.parse(file.read_bytes())]
    compare(sealed(drafts), documents)
    spi_directory.tell([], [8])
    (bad,) = [f for f in tmp_path.glob("*.xml") if oracle.poisons(f.read_bytes())]
    assert not any(isinstance(d, Draft) for d in spi.parse(bad.read_bytes()))
    assert not list(tmp_path.glob(".*"))


class _Webhook(http.server.BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012  reset by the fixture
    refusals = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refuse = type(self).refusals > 0
        type(self).refusals -= refuse
        if not refuse:
            self.bodies.append(body)
        self.send_response(503 if refuse else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def webhook() -> Iterator[str]:
    _Webhook.bodies, _Webhook.refusals = [], 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Webhook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks"
        server.shutdown()
        thread.join()


def drain(callbacks: CallbackSender) -> None:
    wait_for(lambda: not callbacks.pending)
    callbacks.stop()


def test_callbacks_are_posted_until_they_are_answered(oracle: Oracle, webhook: str) -> None:
    documents = of(oracle, WEBHOOK)
    _Webhook.refusals = 12
    callbacks = CallbackSender(webhook, oracle, _Patient())
    callbacks.tell(documents, [5])
    assert oracle.acknowledged.count() == 0
    callbacks.start()
    drain(callbacks)
    drafts = [d for body in _Webhook.bodies for d in api_pix.parse(body, ispb=OWN_ISPB)]
    compare(sealed([d for d in drafts if isinstance(d, Draft)]), documents)
    assert oracle.acknowledged.missing_in(oracle.offered) == 0
    assert oracle.offered.missing_in(oracle.acknowledged) == 0
    assert oracle.poison_acknowledged.count() == 1
    assert any(oracle.poisons(body) == {5} for body in _Webhook.bodies)
    assert callbacks.refused == 12


def test_a_body_that_is_posted_once_and_refused_obliges_to_nothing(
    oracle: Oracle, webhook: str
) -> None:
    documents = of(oracle, WEBHOOK, 20)
    _Webhook.refusals = 10**6
    callbacks = CallbackSender(webhook, oracle, _Hasty())
    callbacks.tell(documents, [])
    callbacks.start()
    drain(callbacks)
    assert callbacks.given_up > 0
    assert oracle.acknowledged.count() == 0
    assert oracle.offered.count() == sum(len(told.facts) for told in documents)


def test_an_insisting_bank_gives_no_body_up(oracle: Oracle, webhook: str) -> None:
    _Webhook.refusals = 6
    callbacks = CallbackSender(webhook, oracle, _Hasty())
    callbacks.tell(of(oracle, WEBHOOK, 4), [], insisting=True)
    callbacks.start()
    wait_for(lambda: oracle.acknowledged.count() == oracle.offered.count())
    drain(callbacks)
    assert callbacks.refused >= 6


def test_an_answered_body_may_come_again(oracle: Oracle, webhook: str) -> None:
    callbacks = CallbackSender(webhook, oracle, _Hasty())
    callbacks.tell(of(oracle, WEBHOOK, 4), [])
    callbacks.start()
    drain(callbacks)
    assert callbacks.repeated > 0
    assert sorted(_Webhook.bodies) == sorted(2 * list(set(_Webhook.bodies)))
    assert all(msgspec.json.decode(body)["pix"] for body in _Webhook.bodies)


class _Patient(Random):
    """Never posts once, never repeats, waits for nothing."""

    def random(self) -> float:
        return 0.999

    def uniform(self, a: float, b: float) -> float:
        del a, b
        return 0.0


class _Hasty(_Patient):
    """Posts everything once, and again once answered."""

    def random(self) -> float:
        return 0.0
