import contextlib
import datetime as dt
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import httpx2
import pytest

from pixstream.errors import ConfigError, PixstreamError, Transient
from pixstream.event import identifiers
from pixstream.event.model import Draft, Refusal
from pixstream.http_serving.sockets import listen
from pixstream.plugins import discovery
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.webhook.producer import Webhook

WAIT = 600.0
RNG = random.Random(11)
WHEN = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


def pix() -> dict[str, str]:
    return {
        "endToEndId": identifiers.e2e("22222222", WHEN, RNG),
        "txid": "t" * 26,
        "valor": "1.00",
        "horario": "2026-03-04T05:06:07Z",
    }


def body(*elements: Any) -> bytes:
    return json.dumps({"pix": elements or [pix()]}).encode()


class Loop:
    """Plays the framework's loop: commits a batch whenever the producer has nothing more."""

    def __init__(self, producer: Webhook) -> None:
        self.producer = producer
        self.committed: list[Reading] = []
        self.batches = 0
        self.failures = 0
        self.error: Exception | None = None
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.has_readings = threading.Event()
        self._stop = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(WAIT)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self.may_commit.set()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()

    def fail_once(self, error: Exception) -> None:
        self.error = error

    def _run(self) -> None:
        while not self._stop.is_set():
            readings = self.producer.read({})
            batch: list[Reading] = []
            try:
                self._drain(readings, batch)
            except Transient as error:
                self.failures += 1
                for reading in batch:
                    self.producer.failed(reading, error)
            finally:
                readings.close()  # type: ignore[attr-defined]

    def _drain(self, readings: Iterator[Reading | None], batch: list[Reading]) -> None:
        for reading in readings:
            self._listening.set()
            if reading is not None:
                batch.append(reading)
                self.has_readings.set()
            elif batch:
                self.may_commit.wait()
                error, self.error = self.error, None
                if error is not None:
                    raise error
                self._commit(batch)
            if self._stop.is_set():
                return

    def _commit(self, batch: list[Reading]) -> None:
        self.batches += 1
        self.committed.extend(batch)
        for reading in batch:
            self.producer.delivered(reading)
        batch.clear()


@pytest.fixture
def hook() -> Webhook:
    return Webhook(type="webhook", port=free_port(), ispb="11111111")


@pytest.fixture
def bank() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def post(
    bank: ThreadPoolExecutor, hook: Webhook, content: bytes, path: str = "/pix"
) -> Future[httpx2.Response]:
    address = f"http://127.0.0.1:{hook.port}{path}"
    return bank.submit(lambda: httpx2.post(address, content=content, timeout=WAIT, trust_env=False))


def test_it_is_the_plugin_of_its_module() -> None:
    assert discovery.load(Producer, "webhook") is Webhook
    assert Webhook(type="webhook").name == "webhook"


def test_a_body_is_answered_200_only_after_all_of_it_is_committed(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    elements = [pix() for _ in range(5)]
    with Loop(hook) as loop:
        loop.may_commit.clear()
        answer = post(bank, hook, body(*elements))
        assert loop.has_readings.wait(WAIT)
        assert not answer.done()
        loop.may_commit.set()
        assert answer.result(WAIT).status_code == 200
    drafts = [r.content for r in loop.committed]
    assert [d.end_to_end_id for d in drafts if isinstance(d, Draft)] == [
        e["endToEndId"] for e in elements
    ]
    assert {(r.stream, r.position) for r in loop.committed} == {("webhook/webhook", None)}
    first = drafts[0]
    assert isinstance(first, Draft)
    assert first.payee.ispb == "11111111"


def test_the_trace_of_a_request_goes_with_everything_in_its_body(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    address = f"http://127.0.0.1:{hook.port}/pix"
    with Loop(hook) as loop:
        for headers in ({"traceparent": trace}, {}):
            answer = bank.submit(
                httpx2.post,
                address,
                content=body(pix(), pix()),
                headers=headers,
                timeout=WAIT,
                trust_env=False,
            )
            assert answer.result(WAIT).status_code == 200
    assert [r.traceparent for r in loop.committed] == [trace, trace, None, None]


def test_the_last_reading_of_a_body_answers_it_and_no_earlier_one(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    readings = hook.read({})
    assert next(readings) is None
    answer = post(bank, hook, body(pix(), pix(), pix()))
    taken: list[Reading] = []
    while len(taken) < 3:
        reading = next(readings)
        if reading is not None:
            taken.append(reading)
    for reading in taken[:-1]:
        hook.delivered(reading)
    assert next(readings) is None
    assert not answer.done()
    hook.delivered(taken[-1])
    assert answer.result(WAIT).status_code == 200
    readings.close()  # type: ignore[attr-defined]


def test_bodies_that_come_together_share_transactions(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    with Loop(hook) as loop:
        loop.may_commit.clear()
        first = post(bank, hook, body())
        assert loop.has_readings.wait(WAIT)
        more = [post(bank, hook, body()) for _ in range(10)]
        _wait_for(lambda: all(m.running() for m in more))
        loop.may_commit.set()
        for answer in (first, *more):
            assert answer.result(WAIT).status_code == 200
    assert len(loop.committed) == 11
    assert loop.batches < 11


def test_what_failed_is_answered_503_and_comes_through_when_sent_again(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    content = body(pix(), pix())
    with Loop(hook) as loop:
        loop.fail_once(Transient("Kafka does not answer"))
        refused = post(bank, hook, content).result(WAIT)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert _until_accepted(bank, hook, content) >= 1
    assert loop.failures == 1
    assert len(loop.committed) == 2


def test_a_body_not_committed_in_time_is_answered_503(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    hook.commit_timeout_seconds = 0.3
    with Loop(hook) as loop:
        loop.may_commit.clear()
        late = post(bank, hook, body()).result(WAIT)
        assert late.status_code == 503
        loop.may_commit.set()
        _wait_for(lambda: len(loop.committed) == 1)
        assert post(bank, hook, body()).result(WAIT).status_code == 200


def test_under_overload_senders_are_told_when_to_come_again(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    hook.max_pending_bodies = 4
    with Loop(hook) as loop:
        loop.may_commit.clear()
        answers = [post(bank, hook, body()) for _ in range(16)]
        _wait_for(lambda: sum(answer.done() for answer in answers) == 12)
        refusals = [answer.result() for answer in answers if answer.done()]
        assert {r.status_code for r in refusals} == {503}
        assert all(int(r.headers["retry-after"]) > 0 for r in refusals)
        assert max(r.elapsed.total_seconds() for r in refusals) < 5
        loop.may_commit.set()
        statuses = [answer.result(WAIT).status_code for answer in answers]
    assert statuses.count(200) == len(loop.committed) == 4
    assert hook.counts["refused_busy"] == 12


def test_stopping_commits_what_it_has_and_turns_the_rest_away(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    readings = hook.read({})
    assert next(readings) is None
    answer = post(bank, hook, body())
    while next(readings) is None:
        continue
    readings.close()  # type: ignore[attr-defined]
    assert answer.result(WAIT).status_code == 503
    with socket.create_server(("127.0.0.1", hook.port)):
        pass


def test_it_can_listen_again_after_it_was_closed(hook: Webhook, bank: ThreadPoolExecutor) -> None:
    for _ in range(2):
        with Loop(hook) as loop:
            assert post(bank, hook, body()).result(WAIT).status_code == 200
        assert len(loop.committed) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>maintenance</html>", "malformed_json"),
        ('{"pix": "ç"}'.encode("latin-1"), "not_a_pix"),
        (b'{"pix": [{"valor": "1.00"}]}', "identifier_missing"),
        (b'{"evento": "teste_webhook"}', "not_a_pix"),
        (b'{"cobs": [{"calendario": {}}]}', "charge_not_pix"),
    ],
)
def test_a_body_without_a_pix_is_a_letter_and_is_not_asked_for_again(
    hook: Webhook, bank: ThreadPoolExecutor, content: bytes, reason: str
) -> None:
    with Loop(hook) as loop:
        assert post(bank, hook, content).result(WAIT).status_code == 200
    (reading,) = loop.committed
    assert isinstance(reading.content, Refusal)
    assert reading.content.reason == reason


def test_a_list_without_elements_is_answered_at_once(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    with Loop(hook) as loop:
        assert post(bank, hook, b'{"pix": []}').result(WAIT).status_code == 200
        assert post(bank, hook, b"").result(WAIT).status_code == 400
    assert loop.committed == []


def test_the_bare_path_takes_pix_and_drops_only_trials(
    hook: Webhook, bank: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pixstream")
    hook.path = "/efi"
    with Loop(hook) as loop:
        dated = b'{"evento": "teste_webhook", "data_criacao": "2026-03-04T05:06:07.000Z"}'
        for trial in (b"", b'{"evento": "teste_webhook"}', dated, b"{}", b'{"pix": []}'):
            assert post(bank, hook, trial, "/efi").result(WAIT).status_code == 200
        assert loop.committed == []
        assert hook.counts["test_calls"] == 3
        assert caplog.text.count("test call answered") == 1
        assert post(bank, hook, body(), "/efi?ignorar=").result(WAIT).status_code == 200
        assert post(bank, hook, b"{broken", "/efi").result(WAIT).status_code == 200
        assert post(bank, hook, body(), "/efi/pix").result(WAIT).status_code == 200
        assert post(bank, hook, body(), "/pix").result(WAIT).status_code == 404
    kinds = [type(reading.content) for reading in loop.committed]
    assert kinds == [Draft, Refusal, Draft]


@pytest.mark.parametrize(
    "content",
    [
        b'{"pix": [{"e2eId": "E22222222202603040506abcdefghijk", "value": "1.00"}]}',
        b'{"payload": "eyJhbGciOiJSUzI1NiJ9.eyJwaXgiOltdfQ.c2lnbmF0dXJl"}',
        b'{"id": "E22222222202603040506abcdefghijk", "value": "1.00"}',
        b'{"evento": "pix_recebido", "value": "1.00"}',
        b'{"evento": "teste_webhook", "data": {"e2eId": "E22222222202603040506abcdefghijk"}}',
        b'{"evento": "teste_webhook", "jws": "' + b"e" * 65 + b'"}',
        b'[{"e2eId": "E22222222202603040506abcdefghijk"}]',
        b'"eyJhbGciOiJSUzI1NiJ9.eyJwaXgiOltdfQ.c2lnbmF0dXJl"',
    ],
)
def test_a_body_at_the_bare_path_that_may_hold_a_pix_is_a_letter(
    hook: Webhook, bank: ThreadPoolExecutor, content: bytes
) -> None:
    with Loop(hook) as loop:
        assert post(bank, hook, content, "/").result(WAIT).status_code == 200
    (reading,) = loop.committed
    assert isinstance(reading.content, Refusal)
    assert reading.content.reason == "not_a_pix"


def test_limits_and_token_are_those_of_the_configuration(
    hook: Webhook, bank: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    hook.max_body_bytes = 2000
    hook.token = "s3cret"
    with Loop(hook) as loop:
        assert post(bank, hook, body()).result(WAIT).status_code == 403
        assert post(bank, hook, body(), "/pix?hmac=wrong").result(WAIT).status_code == 403
        large = body(*[pix() for _ in range(20)])
        assert post(bank, hook, large, "/pix?hmac=s3cret").result(WAIT).status_code == 413
        assert post(bank, hook, body(), "/pix?hmac=s3cret").result(WAIT).status_code == 200
        packed = httpx2.post(
            f"http://127.0.0.1:{hook.port}/pix?hmac=s3cret",
            content=body(),
            headers={"Content-Encoding": "gzip"},
            trust_env=False,
        )
        assert packed.status_code == 415
    assert len(loop.committed) == 1
    refused = {key: number for key, number in hook.counts.items() if key.startswith("refused_")}
    assert refused == {
        "refused_busy": 0,
        "refused_away": 0,
        "refused_path": 0,
        "refused_token": 2,
        "refused_too_large": 1,
        "refused_encoding": 1,
    }
    for word in ("token missing or wrong", "longer than max_body_bytes", "compressed"):
        assert caplog.text.count(word) == 1
    assert "s3cret" not in caplog.text


def test_a_taken_port_is_named(hook: Webhook) -> None:
    with socket.create_server(("127.0.0.1", hook.port)):
        with pytest.raises(PixstreamError, match=f"port {hook.port} of 127"):
            next(hook.read({}))
        with pytest.raises(PixstreamError, match="taken by another program"):
            hook.check()


def test_check_says_where_it_would_listen(hook: Webhook) -> None:
    assert hook.check() == f"listens on port {hook.port} of 127.0.0.1"
    with socket.create_server(("127.0.0.1", hook.port)):
        pass


def test_mutual_tls_needs_a_certificate_of_its_own(hook: Webhook) -> None:
    hook.client_ca = "ca.pem"
    with pytest.raises(ConfigError, match="client_ca needs certificate"):
        hook.check()


def test_nothing_to_read_is_said_within_100_ms(hook: Webhook) -> None:
    readings = hook.read({})
    next(readings)
    for _ in range(3):
        began = time.monotonic()
        assert next(readings) is None
        assert time.monotonic() - began < 5
    readings.close()  # type: ignore[attr-defined]


def test_an_address_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="allow_from"):
        Webhook(type="webhook", allow_from=["bank.example.com"])


def test_more_processes_for_one_port_are_refused() -> None:
    with pytest.raises(ConfigError, match="add another component of type webhook on another port"):
        Webhook(type="webhook", replicas=2)


def test_parse_reads_what_a_body_holds(hook: Webhook) -> None:
    (draft,) = hook.parse(body())
    assert isinstance(draft, Draft)
    assert draft.payee.ispb == "11111111"


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _until_accepted(bank: ThreadPoolExecutor, hook: Webhook, content: bytes) -> int:
    """As a bank does: again after a while. The number of tries."""
    deadline = time.monotonic() + WAIT
    tries = 0
    while True:
        tries += 1
        assert time.monotonic() < deadline
        with contextlib.suppress(httpx2.TransportError):
            if post(bank, hook, content).result(WAIT).status_code == 200:
                return tries
        time.sleep(0.05)


def test_it_answers_503_until_it_is_read_and_between_two_readings(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    assert hook.waits()
    hook.serve()
    try:
        for _ in range(2):
            refused = post(bank, hook, body()).result(WAIT)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert hook.waits()
            with Loop(hook) as loop:
                assert not hook.waits()
                assert post(bank, hook, body()).result(WAIT).status_code == 200
            assert len(loop.committed) == 1
        assert hook.counts["refused_away"] == 2
    finally:
        hook.hang_up()
    with pytest.raises(httpx2.TransportError):
        post(bank, hook, body()).result(WAIT)


def test_it_waits_while_there_is_no_room(hook: Webhook, bank: ThreadPoolExecutor) -> None:
    hook.max_pending_bodies = 1
    with Loop(hook) as loop:
        loop.may_commit.clear()
        answer = post(bank, hook, body())
        assert loop.has_readings.wait(WAIT)
        assert hook.waits()
        loop.may_commit.set()
        assert answer.result(WAIT).status_code == 200
        _wait_for(lambda: not hook.waits())


def test_it_takes_over_a_socket_in_which_connections_wait(
    hook: Webhook, bank: ThreadPoolExecutor
) -> None:
    with listen("127.0.0.1", hook.port) as held:
        early = post(bank, hook, body())
        _wait_for(early.running)
        hook.serve(socket.socket(fileno=os.dup(held.fileno())))
        try:
            assert early.result(WAIT).status_code == 503
            with Loop(hook):
                assert post(bank, hook, body()).result(WAIT).status_code == 200
        finally:
            hook.hang_up()
        later = post(bank, hook, body())  # waits for the next process
        _wait_for(later.running)
        assert not later.done()
        hook.serve(socket.socket(fileno=os.dup(held.fileno())))
        try:
            assert later.result(WAIT).status_code == 503
        finally:
            hook.hang_up()


def test_a_secret_or_a_client_certificate_keeps_strangers_out() -> None:
    def exposure(**settings: Any) -> str | None:
        return Webhook(type="webhook", host="0.0.0.0", **settings).listener().exposure  # noqa: S104

    assert exposure() is not None
    assert exposure(token="  ") is not None
    assert exposure(token="x") is None
    assert exposure(client_ca="ca.pem") is None
    assert exposure(allow_from=["10.0.0.0/8"]) is None
    assert exposure(allow_from=["0.0.0.0/0"]) is not None
    assert exposure(open=True) is None
