import logging
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from pixstream.errors import ConfigError, PixstreamError
from pixstream.http_serving.sockets import listen
from pixstream.producers.webhook.backlog import Limits, PendingBody
from pixstream.producers.webhook.server import ServerTls, WebhookServer
from tests.certificates import certificate

LIMITS = Limits(body_bytes=1000, waiting=8, answer_seconds=10.0)
WAIT = 600.0


@pytest.fixture
def senders() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(12) as pool:
        yield pool


def intake(limits: Limits = LIMITS, token: str = "", tls: ServerTls | None = None) -> WebhookServer:
    return WebhookServer(("127.0.0.1", 0), "/hooks/bank/", ("pix",), limits, token=token, tls=tls)


def url(server: WebhookServer, path: str = "/hooks/bank/pix") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def send(
    pool: ThreadPoolExecutor,
    address: str,
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
) -> Future[httpx2.Response]:
    with_proxy = {"trust_env": False, "timeout": WAIT}
    return pool.submit(
        lambda: httpx2.post(address, content=body, headers=headers, **with_proxy)  # type: ignore[arg-type]
    )


def take(server: WebhookServer) -> PendingBody:
    delivery = server.take(WAIT)
    assert delivery is not None
    return delivery


def test_a_body_is_answered_when_its_taker_says_so(senders: ThreadPoolExecutor) -> None:
    with intake() as server:
        first, second = send(senders, url(server), b"one"), send(senders, url(server), b"two")
        taken = {delivery.raw: delivery for delivery in (take(server), take(server))}
        assert not first.done()
        assert not second.done()
        taken[b"one"].answer(safe=True)
        assert first.result(WAIT).status_code == 200
        assert not second.done()
        taken[b"two"].answer(safe=False)
        taken[b"two"].answer(safe=True)
        refused = second.result(WAIT)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert server.take(0.01) is None


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/hooks/bank/pix", "pix"),
        ("/hooks/bank//pix", "pix"),
        ("/hooks/bank/pix/", "pix"),
        ("/hooks/bank", ""),
        ("/hooks/bank/?ignorar=", ""),
    ],
)
def test_doubled_and_missing_slashes_are_one_place(
    senders: ThreadPoolExecutor, path: str, place: str
) -> None:
    with intake() as server:
        answer = send(senders, url(server, path))
        delivery = take(server)
        assert delivery.place == place
        delivery.answer(safe=True)
        assert answer.result(WAIT).status_code == 200


def test_other_paths_methods_and_encodings_are_turned_away() -> None:
    with intake() as server, httpx2.Client(trust_env=False) as client:
        assert client.post(url(server, "/other/pix"), content=b"{}").status_code == 404
        assert client.post(url(server, "/"), content=b"{}").status_code == 404
        assert client.put(url(server), content=b"{}").status_code == 405
        assert client.get(url(server, "/other")).status_code == 404
        packed = client.post(url(server), content=b"{}", headers={"Content-Encoding": "gzip"})
        assert packed.status_code == 415
        assert server.take(0.01) is None
    told = {reason: number for reason, number in server.refusals.counts.items() if number}
    assert told == {"refused_path": 2, "refused_encoding": 1}


def test_health_checks_are_answered() -> None:
    with intake() as server, httpx2.Client(trust_env=False) as client:
        assert client.get(url(server, "/hooks/bank")).status_code == 200
        assert client.head(url(server)).status_code == 200


def test_an_empty_body_is_a_mistake_below_the_path_and_a_trial_on_it() -> None:
    with intake() as server, httpx2.Client(trust_env=False) as client:
        assert client.post(url(server)).status_code == 400
        assert client.post(url(server, "/hooks/bank")).status_code == 200


def test_a_body_that_is_too_large_is_refused_announced_or_not() -> None:
    with intake() as server, httpx2.Client(trust_env=False) as client:
        assert client.post(url(server), content=b"x" * 1001).status_code == 413

        def pieces() -> Iterator[bytes]:
            for _ in range(11):
                yield b"x" * 100

        assert client.post(url(server), content=pieces()).status_code == 413
        assert server.take(0.01) is None


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?hmac=s3cret", {}),
        ("?hmac=s3cret/pix", {}),
        ("?ignorar=&hmac=s3cret", {}),
        ("", {"Authorization": "Bearer s3cret"}),
        ("", {"authorization": "bearer s3cret"}),
    ],
)
def test_who_knows_the_token_is_let_in(
    senders: ThreadPoolExecutor, query: str, headers: dict[str, str]
) -> None:
    with intake(token="s3cret") as server:
        answer = send(senders, url(server) + query, headers=headers)
        take(server).answer(safe=True)
        assert answer.result(WAIT).status_code == 200


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("?hmac=", {}),
        ("?hmac=other", {}),
        ("?hmac=%ff%fe", {}),
        ("", {"Authorization": "Bearer other"}),
        ("", {"Authorization": "Basic s3cret"}),
    ],
)
def test_who_does_not_know_the_token_is_refused(query: str, headers: dict[str, str]) -> None:
    with intake(token="s3cret") as server, httpx2.Client(trust_env=False) as client:
        answer = client.post(url(server) + query, content=b"{}", headers=headers)
        assert answer.status_code == 403
        assert server.take(0.01) is None


def test_nothing_of_a_request_is_logged(
    caplog: pytest.LogCaptureFixture, senders: ThreadPoolExecutor
) -> None:
    caplog.set_level(logging.DEBUG)
    with intake(token="s3cret") as server:
        answer = send(senders, url(server) + "?hmac=s3cret", b"payload-of-a-person")
        take(server).answer(safe=True)
        answer.result(WAIT)
    mine = [r.getMessage() for r in caplog.records if r.name.startswith(("pixstream", "uvicorn"))]
    assert not [line for line in mine if "s3cret" in line or "payload" in line]


def test_more_bodies_than_may_wait_are_answered_503_at_once(senders: ThreadPoolExecutor) -> None:
    with intake(LIMITS._replace(waiting=3)) as server:
        waiting = [send(senders, url(server), str(n).encode()) for n in range(3)]
        held = [take(server) for _ in waiting]
        began = time.monotonic()
        refused = [send(senders, url(server)).result(WAIT) for _ in range(5)]
        assert time.monotonic() - began < 20
        assert {r.status_code for r in refused} == {503}
        assert all(int(r.headers["retry-after"]) > 0 for r in refused)
        for delivery in held:
            delivery.answer(safe=True)
        assert {w.result(WAIT).status_code for w in waiting} == {200}
        again = send(senders, url(server))
        take(server).answer(safe=True)
        assert again.result(WAIT).status_code == 200


def test_a_body_that_is_not_safe_in_time_is_answered_503_and_left_out(
    senders: ThreadPoolExecutor,
) -> None:
    with intake(LIMITS._replace(answer_seconds=0.2)) as server:
        taken, never_taken = send(senders, url(server)), send(senders, url(server))
        delivery = take(server)
        for answer in (taken, never_taken):
            assert answer.result(WAIT).status_code == 503
            assert "retry-after" in answer.result().headers
        delivery.answer(safe=True)
        assert server.take(0.01) is None


def test_a_body_that_nobody_takes_is_answered_503_sooner_than_one_that_is_taken(
    senders: ThreadPoolExecutor,
) -> None:
    with intake(LIMITS._replace(answer_seconds=WAIT, patience_seconds=0.2)) as server:
        taken = send(senders, url(server))
        delivery = take(server)
        late = send(senders, url(server)).result(WAIT)
        assert late.status_code == 503
        assert "retry-after" in late.headers
        assert server.take(0.01) is None
        assert not taken.done()
        delivery.answer(safe=True)
        assert taken.result(WAIT).status_code == 200


def test_a_body_that_never_ends_is_let_go() -> None:
    with (
        intake(LIMITS._replace(answer_seconds=0.2)) as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as slow,
    ):
        slow.sendall(b"POST /hooks/bank/pix HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert slow.recv(100).startswith(b"HTTP/1.1 503")
        assert server.take(0.01) is None


def test_a_sender_that_goes_away_leaves_nothing_behind(senders: ThreadPoolExecutor) -> None:
    with intake(LIMITS._replace(waiting=1)) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT) as gone:
            gone.sendall(b"POST /hooks/bank/pix HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            answer = send(senders, url(server))
            delivery = server.take(0.2)
            if delivery is not None:
                delivery.answer(safe=True)
                assert answer.result(WAIT).status_code == 200
                return
        pytest.fail("the place of the sender that went away was never free again")


def test_closing_answers_whoever_waits_and_frees_the_port(senders: ThreadPoolExecutor) -> None:
    with intake() as server:
        taken, queued = send(senders, url(server)), send(senders, url(server))
        take(server)
        deadline = time.monotonic() + WAIT
        while not server.room.queued and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.port
        began = time.monotonic()
    assert time.monotonic() - began < 20
    for answer in (taken, queued):
        assert answer.result(WAIT).status_code == 503
    listen("127.0.0.1", port).close()


def test_a_server_that_ended_is_noticed() -> None:
    with intake() as server:
        server._server.stop()
        with pytest.raises(PixstreamError, match="stopped unexpectedly"):
            server.take(0.01)


def test_mutual_tls_lets_in_only_the_bankscertificate(
    senders: ThreadPoolExecutor, tmp_path: Path
) -> None:
    authority = certificate(tmp_path, "authority", None)
    ours, bank = (certificate(tmp_path, name, authority) for name in ("server", "bank"))
    stranger = certificate(tmp_path, "stranger", None)
    tls = ServerTls(str(ours[0]), str(ours[1]), str(authority[0]))
    with intake(tls=tls) as server:
        address = url(server).replace("http:", "https:")

        def post(own: tuple[Path, Path] | None) -> httpx2.Response:
            context = ssl.create_default_context(cafile=str(authority[0]))
            if own:
                context.load_cert_chain(*own)
            return httpx2.post(
                address, content=b"{}", verify=context, timeout=WAIT, trust_env=False
            )

        answer = senders.submit(post, bank)
        take(server).answer(safe=True)
        assert answer.result(WAIT).status_code == 200
        for nobody in (None, stranger):
            with pytest.raises(httpx2.TransportError):
                post(nobody)
        assert server.take(0.01) is None


def test_a_certificate_that_cannot_be_used_is_a_mistake_of_the_configuration(
    tmp_path: Path,
) -> None:
    pem, key = certificate(tmp_path, "server", None)
    locked = tmp_path / "locked.key"
    text = serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"unknown"),
    )
    locked.write_bytes(text)
    for tls in (
        ServerTls(str(tmp_path / "absent.pem"), str(key), ""),
        ServerTls(str(pem), str(locked), ""),
        ServerTls(str(pem), str(key), str(key)),
    ):
        with pytest.raises(ConfigError, match="certificate, key or client_ca"), intake(tls=tls):
            pytest.fail("it must not listen")
