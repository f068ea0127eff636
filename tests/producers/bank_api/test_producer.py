import datetime as dt
import itertools
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from pixstream.errors import ConfigError, PixstreamError, Transient
from pixstream.event import identifiers
from pixstream.event.model import Draft, Refusal
from pixstream.event.values import BRASILIA
from pixstream.http_serving.sockets import listen
from pixstream.plugins import discovery
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.bank_api.producer import Account, BankApi

WAIT = 600.0
RNG = random.Random(23)
SECOND, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("seconds", "hours", "days"))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def pix(when: dt.datetime, **changes: Any) -> dict[str, Any]:
    whole = {
        "endToEndId": identifiers.e2e("22222222", when, RNG),
        "valor": "1.00",
        "horario": when.isoformat(timespec="milliseconds"),
    }
    return whole | changes


def devolucao(when: dt.datetime) -> dict[str, Any]:
    return {
        "id": "1",
        "rtrId": identifiers.rtr("11111111", when, RNG),
        "valor": "1.00",
        "horario": {"solicitacao": when.isoformat(timespec="milliseconds")},
        "status": "EM_PROCESSAMENTO",
    }


class Bank:
    """A bank with one list of Pix, newest first, and something to do before each answer."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.reset()
        self._socket = listen("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    def reset(self) -> None:
        self.held.set()
        # A request of an earlier test's client may come late: it has the path of that test.
        self.path = f"/{secrets.token_hex(4)}"
        self.pix: list[dict[str, Any]] = []
        self.tokens = 0
        self.token_status = 200
        self.asked: list[dict[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.counts_pages = True
        self.before: Callable[[dict[str, str], Mapping[str, str]], Response | None] = (
            lambda _query, _headers: None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not request.url.path.startswith(self.path):
            answer: Response = PlainTextResponse("another test's", 404)
        elif request.url.path.endswith("/token"):
            self.tokens += 1
            answer = JSONResponse(
                {"access_token": f"t{self.tokens}", "expires_in": 300}, self.token_status
            )
        else:
            query = dict(request.query_params)
            self.asked.append(query)
            self.headers.append(request.headers)
            await run_in_threadpool(self.held.wait, WAIT)
            answer = self.before(query, request.headers) or self.page(query)
        await answer(scope, receive, send)

    def page(self, query: Mapping[str, str]) -> Response:
        start, end = (dt.datetime.fromisoformat(query[name]) for name in ("inicio", "fim"))
        number = int(query["paginacao.paginaAtual"])
        size = int(query["paginacao.itensPorPagina"])
        found = [
            element
            for element in sorted(self.pix, key=lambda e: str(e["horario"]), reverse=True)
            if start <= dt.datetime.fromisoformat(element["horario"]) <= end
            and ("devolucaoPresente" not in query or element.get("devolucoes"))
        ]
        body: dict[str, Any] = {"pix": found[number * size : (number + 1) * size]}
        if self.counts_pages:
            body["parametros"] = {
                "paginacao": {
                    "paginaAtual": number,
                    "quantidadeDePaginas": -(-len(found) // size),
                    "quantidadeTotalDeItens": len(found),
                }
            }
        return JSONResponse(body)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[Bank]:
    server = Bank()
    yield server
    server.close()


@pytest.fixture
def bank(running: Bank, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.reset()
    yield running
    running.held.set()


def reader(bank: Bank, **settings: Any) -> BankApi:
    base = f"http://127.0.0.1:{bank.port}{bank.path}"
    usual: dict[str, Any] = {
        "poll_seconds": 0.05,
        "returns_days": 0,
        "timeout_seconds": 10.0,
        "start": "1h",
    }
    return BankApi(
        type="bank_api",
        url=base,
        token_url=f"{base}/token",
        client_id="me",
        client_secret="s3cret",
        **(usual | settings),
    )


class Loop:
    """Plays the framework's loop: commits whenever the producer has nothing at the moment."""

    def __init__(self, producer: BankApi, since: Mapping[str, str] | None = None) -> None:
        self.positions = dict(since or {})
        self.readings: list[Reading] = []
        self._producer = producer

    def run(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT
        turns = self._producer.read(self.positions)
        batch: list[Reading] = []
        try:
            for reading in turns:
                if reading is not None:
                    batch.append(reading)
                    continue
                self._commit(batch)
                batch = []
                if until():
                    return
                assert time.monotonic() < deadline
        finally:
            turns.close()  # type: ignore[attr-defined]

    def _commit(self, batch: list[Reading]) -> None:
        for reading in batch:
            self.readings.append(reading)
            if reading.position is not None:
                self.positions[reading.stream] = reading.position
            self._producer.delivered(reading)

    def ids(self, stream: str | None = None) -> list[str]:
        """Identifiers of what was committed, or reasons of refusals, in order."""
        found = []
        for reading in self.readings:
            if stream is not None and reading.stream != stream:
                continue
            if isinstance(reading.content, Draft):
                found.append(reading.content.return_id or reading.content.end_to_end_id or "?")
            elif isinstance(reading.content, Refusal):
                found.append(reading.content.reason)
        return found

    def windows(self, stream: str = "bank_api") -> int:
        return sum(r.stream == stream and r.position is not None for r in self.readings)


def e2e(elements: list[dict[str, Any]]) -> list[str]:
    return [element["endToEndId"] for element in elements]


def test_it_is_the_plugin_of_its_module() -> None:
    assert discovery.load(Producer, "bank_api") is BankApi


def test_every_page_of_a_window_is_read_and_then_the_position_moves(bank: Bank) -> None:
    bank.pix = [pix(now() - n * SECOND) for n in range(600, 625)]
    loop = Loop(reader(bank, page_size=10, ispb="11111111"))
    loop.run(lambda: loop.windows() >= 2)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))
    first = [q["paginacao.paginaAtual"] for q in bank.asked[:3]]
    assert first == ["0", "1", "2"]
    assert {q["inicio"] for q in bank.asked[:3]} == {bank.asked[0]["inicio"]}
    moves = [r.position is not None for r in loop.readings]
    assert moves[:27] == [True] + [False] * 25 + [True]
    draft = loop.readings[1].content
    assert isinstance(draft, Draft)
    assert draft.payee.ispb == "11111111"


def test_the_overlap_is_asked_for_and_not_read_twice(bank: Bank) -> None:
    bank.pix = [pix(now() - 10 * SECOND)]
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 4)
    late = pix(now() - 5 * SECOND)
    bank.pix.append(late)
    seen = loop.windows()
    loop.run(lambda: loop.windows() >= seen + 3)
    assert loop.ids() == e2e(bank.pix)
    starts = [dt.datetime.fromisoformat(q["inicio"]) for q in bank.asked[1:]]
    ends = [dt.datetime.fromisoformat(q["fim"]) for q in bank.asked]
    for end, start in zip(ends, starts, strict=False):
        assert abs((end - start) - 300 * SECOND) < SECOND


def test_only_what_changed_in_the_overlap_is_read_again(bank: Bank) -> None:
    bank.pix = [pix(now() - 10 * SECOND), pix(now() - 9 * SECOND)]
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 3)
    given_back = devolucao(now())
    bank.pix[0]["devolucoes"] = [given_back]
    loop.run(lambda: len(loop.ids()) >= 3)
    given_back["status"] = "DEVOLVIDO"
    loop.run(lambda: len(loop.ids()) >= 4)
    assert sorted(loop.ids()[:2]) == sorted(e2e(bank.pix))
    assert loop.ids()[2:] == [given_back["rtrId"]] * 2


def test_pages_that_shift_while_they_are_read_lose_and_repeat_nothing(bank: Bank) -> None:
    bank.pix = [pix(now() - n * SECOND) for n in range(60, 90)]

    def arrives(query: dict[str, str], _: Mapping[str, str]) -> None:
        if len(bank.pix) < 36 and query["paginacao.paginaAtual"] != "0":
            bank.pix.append(pix(now() - 30 * SECOND))

    bank.before = arrives
    loop = Loop(reader(bank, page_size=10))
    loop.run(lambda: loop.windows() >= 4)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))


def test_reading_goes_on_from_the_position(bank: Bank) -> None:
    bank.pix = [pix(now() - HOUR), pix(now() - 30 * SECOND)]
    since = {"bank_api": json.dumps({"until": (now() - 60 * SECOND).isoformat()})}
    loop = Loop(reader(bank, start="7d", overlap_seconds=10), since)
    loop.run(lambda: loop.windows() >= 1)
    assert loop.ids() == e2e(bank.pix[1:])


def test_a_cold_start_is_remembered_before_anything_is_read(bank: Bank) -> None:
    began = now()
    producer = reader(bank, start="now")
    turns = producer.read({})
    first = next(turns)
    turns.close()  # type: ignore[attr-defined]
    assert first is not None
    assert first.content is None
    assert first.position is not None
    until = dt.datetime.fromisoformat(json.loads(first.position)["until"])
    assert began <= until <= now()
    assert bank.asked == []


def test_a_long_absence_is_made_up_in_windows_of_the_longest_span(bank: Bank) -> None:
    bank.pix = [pix(now() - n * HOUR) for n in range(1, 60, 7)]
    loop = Loop(reader(bank, start="60h", window_hours=24))
    loop.run(lambda: loop.windows() >= 5)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))
    spans = [
        dt.datetime.fromisoformat(q["fim"]) - dt.datetime.fromisoformat(q["inicio"])
        for q in bank.asked
    ]
    assert max(spans) <= DAY


def test_for_banks_of_one_calendar_day_no_call_crosses_midnight(bank: Bank) -> None:
    bank.pix = [pix(now() - n * HOUR) for n in range(1, 60, 7)]
    loop = Loop(reader(bank, start="60h", one_day_windows=True))
    loop.run(lambda: loop.windows() >= 4)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))
    for query in bank.asked:
        days = {
            dt.datetime.fromisoformat(query[name]).astimezone(BRASILIA).date()
            for name in ("inicio", "fim")
        }
        assert len(days) == 1


def test_a_late_return_is_found_by_the_sweep(bank: Bank) -> None:
    old = pix(now() - 60 * DAY, devolucoes=[devolucao(now())])
    bank.pix = [old, pix(now() - 59 * DAY), pix(now() - 100 * DAY, devolucoes=[devolucao(now())])]
    loop = Loop(reader(bank, returns_days=95, window_hours=240))
    loop.run(lambda: loop.windows("bank_api/returns") >= 10)
    assert loop.ids() == [old["endToEndId"], old["devolucoes"][0]["rtrId"]]
    sweeps = [q for q in bank.asked if "devolucaoPresente" in q]
    assert {q["devolucaoPresente"] for q in sweeps} == {"true"}
    edges = [(q["inicio"], q["fim"]) for q in sweeps]
    assert all(after[0] == before[1] for before, after in itertools.pairwise(edges))
    reach = dt.datetime.fromisoformat(edges[-1][1]) - dt.datetime.fromisoformat(edges[0][0])
    assert reach == 95 * DAY


def test_sweeps_come_again_and_read_only_what_changed(bank: Bank) -> None:
    given_back = devolucao(now())
    bank.pix = [pix(now() - 2 * DAY, devolucoes=[given_back])]
    loop = Loop(reader(bank, returns_days=3, window_hours=48, returns_every_seconds=0.2))
    loop.run(lambda: loop.windows("bank_api/returns") >= 6)
    given_back["status"] = "DEVOLVIDO"
    loop.run(lambda: len(loop.ids()) >= 3)
    assert loop.ids() == [
        bank.pix[0]["endToEndId"],
        given_back["rtrId"],
        given_back["rtrId"],
    ]


def test_an_interrupted_sweep_resumes_where_it_was(bank: Bank) -> None:
    loop = Loop(reader(bank, returns_days=95, window_hours=24))
    loop.run(lambda: loop.windows("bank_api/returns") >= 3)
    stood = json.loads(loop.positions["bank_api/returns"])
    assert dt.datetime.fromisoformat(stood["until"]) < dt.datetime.fromisoformat(stood["to"])
    bank.asked.clear()
    again = Loop(reader(bank, returns_days=95, window_hours=24), loop.positions)
    again.run(lambda: again.windows("bank_api/returns") >= 1)
    first = next(q for q in bank.asked if "devolucaoPresente" in q)
    assert abs(_time(first["inicio"]) - _time(stood["until"])) < SECOND


def test_accounts_are_streams_of_their_own(bank: Bank) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]
    accounts = [
        Account(name="loja", headers={"x-conta-corrente": "1"}, ispb="11111111"),
        Account(name="online", headers={"x-conta-corrente": "2"}),
    ]
    loop = Loop(reader(bank, accounts=accounts, ispb="33333333"))
    loop.run(lambda: loop.windows("loja") >= 2 and loop.windows("online") >= 2)
    assert loop.ids("loja") == loop.ids("online") == e2e(bank.pix)
    assert {h["x-conta-corrente"] for h in bank.headers} == {"1", "2"}
    banks = {r.stream: r.content.payee.ispb for r in loop.readings if isinstance(r.content, Draft)}
    assert banks == {"loja": "11111111", "online": "33333333"}
    assert bank.tokens == 1


def test_each_stream_is_read_by_exactly_one_replica(bank: Bank) -> None:
    accounts = [Account(name=f"conta-{n}") for n in range(6)]
    read: list[str] = []
    for replica in range(3):
        producer = reader(bank, accounts=accounts, replicas=3, returns_days=1)
        producer.replica = replica
        loop = Loop(producer)
        wanted = [s for s in _streams(accounts) if producer.owns(s)]
        loop.run(partial(_all_read, loop, wanted))
        read += sorted({r.stream for r in loop.readings})
    assert sorted(read) == sorted(_streams(accounts))


def test_a_refused_token_is_replaced_and_nothing_is_lost(bank: Bank) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]

    def revoked(_: dict[str, str], headers: Mapping[str, str]) -> Response | None:
        return JSONResponse({}, 401) if headers["authorization"] == "Bearer t1" else None

    bank.before = revoked
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 3)
    assert loop.ids() == e2e(bank.pix)
    assert bank.tokens == 2


def test_a_bank_in_trouble_is_told_to_the_framework_and_the_position_stays(bank: Bank) -> None:
    bank.pix = [pix(now() - n * SECOND) for n in range(60, 75)]

    def second_page_fails(query: dict[str, str], _: Mapping[str, str]) -> Response | None:
        return JSONResponse({}, 503) if query["paginacao.paginaAtual"] == "1" else None

    bank.before = second_page_fails
    loop = Loop(reader(bank, page_size=10))
    with pytest.raises(Transient, match="HTTP 503"):
        loop.run(lambda: False)
    assert loop.windows() == 1  # the cold start
    bank.before = lambda _query, _headers: None
    loop.run(lambda: loop.windows() >= 2)
    assert set(loop.ids()) == set(e2e(bank.pix))


@pytest.mark.parametrize("body", ["<html>manutenção</html>", '{"pix": [', '{"message": "ok"}'])
def test_an_answer_that_is_no_page_never_moves_the_position(bank: Bank, body: str) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]
    bank.before = lambda _query, _headers: PlainTextResponse(body)
    producer = reader(bank)
    loop = Loop(producer)
    loop.run(lambda: len(bank.asked) >= 30)
    assert producer.waits()
    assert loop.windows() == 1  # the cold start
    bank.before = lambda _query, _headers: None
    loop.run(lambda: loop.windows() >= 2)
    assert loop.ids() == e2e(bank.pix)


def test_what_was_delivered_is_not_read_again_after_a_failure_and_the_rest_is(bank: Bank) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 2)
    bank.before = lambda _query, _headers: JSONResponse({}, 500)
    with pytest.raises(Transient):
        loop.run(lambda: False)
    bank.before = lambda _query, _headers: None
    bank.pix.append(pix(now() - 30 * SECOND))
    turns = loop._producer.read(loop.positions)
    not_committed = [r for r in (next(turns) for _ in range(100)) if r and r.content]
    turns.close()  # type: ignore[attr-defined]
    assert [c.content.end_to_end_id for c in not_committed if isinstance(c.content, Draft)] == (
        e2e(bank.pix[1:])
    )
    seen = loop.windows()
    loop.run(lambda: loop.windows() >= seen + 2)
    assert loop.ids() == e2e(bank.pix)


def test_a_bank_that_says_when_to_come_again_is_waited_for(bank: Bank) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]
    answers = [PlainTextResponse("", 429, {"Retry-After": "1"})]
    bank.before = lambda _query, _headers: answers.pop() if answers else None
    producer = reader(bank)
    loop = Loop(producer)
    began = time.monotonic()
    waited: set[bool] = set()

    def until() -> bool:
        waited.add(producer.waits())
        return loop.windows() >= 2

    loop.run(until)
    assert time.monotonic() - began >= 1
    assert waited == {False, True}
    assert not producer.waits()
    assert loop.ids() == e2e(bank.pix)


@pytest.mark.parametrize("status", [503, 403])
def test_an_account_in_trouble_holds_up_no_other(
    bank: Bank, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    bank.pix = [pix(now() - 60 * SECOND)]
    asked: list[str] = []

    def first_fails(_: dict[str, str], headers: Mapping[str, str]) -> Response | None:
        asked.append(headers["x-conta-corrente"])
        return JSONResponse({}, status) if headers["x-conta-corrente"] == "1" else None

    bank.before = first_fails
    accounts = [Account(name=f"c{n}", headers={"x-conta-corrente": str(n)}) for n in (1, 2)]
    producer = reader(bank, accounts=accounts)
    loop = Loop(producer)
    loop.run(lambda: loop.windows("c2") > 3)
    assert loop.ids() == e2e(bank.pix)
    assert loop.windows("c1") == 1
    assert f"c1: GET /pix: HTTP {status}" in caplog.text
    assert producer.waits()
    assert status != 403 or asked.count("1") == 1
    bank.before = lambda _query, _headers: None
    if status == 403:  # its pause is minutes: somebody mends it and starts again
        producer = reader(bank, accounts=accounts)
        loop = Loop(producer, loop.positions)
    loop.run(lambda: loop.windows("c1") > 1)
    assert not producer.waits()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_accounts_that_are_all_refused_wait_and_show_no_value(
    bank: Bank, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    body = {"type": "https://pix.bcb.gov.br/api/v2/error/X", "title": "Fulano", "status": status}
    bank.before = lambda _query, _headers: JSONResponse(body, status)
    producer = reader(bank, accounts=[Account(name="a"), Account(name="b")])
    loop = Loop(producer)
    for _ in range(3):
        turns = itertools.count()
        loop.run(lambda: next(turns) > 10 and len(errors(caplog)) >= 2)  # noqa: B023  this round
    assert producer.waits()
    assert (len(bank.asked), bank.tokens) == (2, 1)
    refused = errors(caplog)
    assert [line.partition(":")[0] for line in sorted(refused)] == ["a", "b"]
    for line in refused:
        assert f"GET /pix: HTTP {status}" in line
        assert line.endswith("the window is read again from the beginning in 300.0 s")
        assert "Fulano" not in line


def test_a_wrong_secret_is_sent_once_for_all_streams_and_restarts(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    bank.token_status = 401
    producer = reader(bank, accounts=[Account(name="a"), Account(name="b")], returns_days=1)
    loop = Loop(producer)
    for _ in range(3):
        turns = itertools.count()
        loop.run(lambda: next(turns) > 20 and len(errors(caplog)) >= 4)  # noqa: B023  this round
    assert producer.waits()
    assert (bank.tokens, bank.asked) == (1, [])


def test_before_the_first_answer_it_is_not_ready(bank: Bank) -> None:
    bank.held.clear()
    producer = reader(bank)
    assert producer.waits()
    turns = producer.read({})
    for _ in range(5):
        next(turns)
        assert producer.waits()
    bank.held.set()
    turns.close()  # type: ignore[attr-defined]
    Loop(producer).run(lambda: not producer.waits())


def test_an_unreadable_page_holds_up_neither_its_account_nor_its_window(bank: Bank) -> None:
    bank.pix = [pix(now() - n * SECOND) for n in range(400, 425)]
    broken = b'{"pix": [{"endToEndId": '

    def second_page(query: dict[str, str], _: Mapping[str, str]) -> Response | None:
        second = query["paginacao.paginaAtual"] == "1"
        return PlainTextResponse(broken) if second else None

    bank.before = second_page
    producer = reader(bank, page_size=10)
    loop = Loop(producer)
    loop.run(lambda: loop.windows() >= 2)
    readable = e2e(bank.pix[:10] + bank.pix[20:])
    assert sorted(loop.ids()) == sorted([*readable, "malformed_json"])
    (letter,) = [r.content for r in loop.readings if isinstance(r.content, Refusal)]
    assert letter.raw == broken
    bank.before = lambda _query, _headers: None
    seen = loop.windows()
    loop.run(lambda: loop.windows() >= seen + 2)
    assert not producer.waits()


def test_a_broken_element_is_a_letter_and_the_page_goes_on(bank: Bank) -> None:
    whole = [pix(now() - 60 * SECOND), pix(now() - 61 * SECOND, endToEndId=None)]
    bank.pix = whole
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 3)
    assert loop.ids() == [whole[0]["endToEndId"], "identifier_missing"]


def test_without_a_count_pages_are_read_until_one_is_empty(bank: Bank) -> None:
    bank.counts_pages = False
    bank.pix = [pix(now() - n * SECOND) for n in range(400, 425)]
    loop = Loop(reader(bank, page_size=10))
    loop.run(lambda: loop.windows() >= 2)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))
    assert [q["paginacao.paginaAtual"] for q in bank.asked[:4]] == ["0", "1", "2", "3"]


def test_a_bank_that_ignores_page_numbers_is_not_asked_for_ever(bank: Bank) -> None:
    bank.counts_pages = False
    element = pix(now() - 60 * SECOND)
    bank.before = lambda _query, _headers: JSONResponse({"pix": [element]})
    loop = Loop(reader(bank))
    loop.run(lambda: loop.windows() >= 2)
    assert loop.ids() == [element["endToEndId"]]


def test_a_call_that_hangs_holds_up_neither_the_loop_nor_its_end(bank: Bank) -> None:
    bank.held.clear()
    producer = reader(bank)
    turns = producer.read({})
    assert next(turns) is not None
    for _ in range(10):
        began = time.monotonic()
        assert next(turns) is None
        assert time.monotonic() - began < 10
    assert bank.asked
    began = time.monotonic()
    turns.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 20


def test_a_bank_that_is_not_there_is_transient(bank: Bank) -> None:
    with listen("127.0.0.1", 0) as unused:
        port = unused.getsockname()[1]
    producer = reader(bank)
    producer.token_url = f"http://127.0.0.1:{port}/token"
    with pytest.raises(Transient, match="token: the bank does not answer"):
        Loop(producer).run(lambda: False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": ""}, "url: must be an address"),
        ({"token_url": ""}, "token_url: must be an address"),
        ({"start": "yesterday"}, "start: must be"),
        ({"overlap_seconds": 3600, "window_hours": 1}, "overlap_seconds must be less"),
        ({"accounts": [Account(name="a"), Account(name="a")]}, "two accounts are named a"),
        ({"certificate": "absent.pem"}, "a file cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_by_read_and_by_check(
    bank: Bank, settings: dict[str, Any], message: str
) -> None:
    producer = reader(bank)
    for name, value in settings.items():
        setattr(producer, name, value)
    with pytest.raises(ConfigError, match=message):
        next(producer.read({}))
    with pytest.raises(ConfigError, match=message):
        producer.check()
    assert bank.asked == []


def test_check_asks_for_one_pix_of_every_account(bank: Bank) -> None:
    accounts = [Account(name="a"), Account(name="b")]
    assert reader(bank, accounts=accounts).check() == "GET /pix answers, accounts queried: 2"
    assert [q["paginacao.itensPorPagina"] for q in bank.asked] == ["1", "1"]
    bank.before = lambda _query, _headers: JSONResponse({}, 403)
    with pytest.raises(PixstreamError, match="account a: GET /pix: HTTP 403"):
        reader(bank, accounts=accounts).check()


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("https://bank.example/v2", False),
        ("http://bank.example/v2", True),
        ("http://10.0.0.1/v2", True),
        ("http://127.0.0.1:80/v2", False),
        ("http://[::1]/v2", False),
        ("http://localhost:8443", False),
        ("", False),
    ],
)
def test_an_address_without_tls_is_warned_of(bank: Bank, address: str, *, warns: bool) -> None:
    producer = reader(bank)
    producer.url = address
    found = list(producer.warnings())
    assert [warning.startswith("url: http://") for warning in found] == [True] * warns
    producer.token_url = address
    assert len(list(producer.warnings())) == 2 * warns


def test_parse_reads_what_a_page_holds(bank: Bank) -> None:
    element = pix(now())
    (draft,) = reader(bank, ispb="11111111").parse(json.dumps({"pix": [element]}).encode())
    assert isinstance(draft, Draft)
    assert (draft.end_to_end_id, draft.payee.ispb) == (element["endToEndId"], "11111111")


@pytest.mark.parametrize("stream", ["own", "own/returns"])
def test_a_letter_is_read_again_with_the_ispb_of_its_account(bank: Bank, stream: str) -> None:
    accounts = [Account(name="own", ispb="22222222"), Account(name="other")]
    raw = json.dumps(pix(now())).encode()
    producer = reader(bank, ispb="11111111", accounts=accounts)
    for name, ispb in ((stream, "22222222"), ("other", "11111111")):
        (draft,) = producer.parse_again(raw, name)
        assert isinstance(draft, Draft)
        assert draft.payee.ispb == ispb


def test_a_letter_of_an_unknown_account_keeps_waiting_where_accounts_differ(bank: Bank) -> None:
    raw = json.dumps(pix(now())).encode()
    accounts = [Account(name="own", ispb="22222222")]
    with pytest.raises(ConfigError, match="bank_api has no account gone"):
        reader(bank, ispb="11111111", accounts=accounts).parse_again(raw, "gone/returns")
    (draft,) = reader(bank, ispb="11111111").parse_again(raw, "gone")
    assert isinstance(draft, Draft)
    assert draft.payee.ispb == "11111111"


def _all_read(loop: Loop, streams: list[str]) -> bool:
    return all(loop.windows(stream) for stream in streams)


def _streams(accounts: list[Account]) -> list[str]:
    return [name for a in accounts for name in (a.name, f"{a.name}/returns")]


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def standing_at(when: dt.datetime) -> dict[str, str]:
    return {"bank_api": json.dumps({"until": when.isoformat()})}


def test_a_position_older_than_the_banks_history_stops_with_its_bounds(bank: Bank) -> None:
    old = now() - 30 * DAY
    loop = Loop(reader(bank, history_days=5), standing_at(old))
    with pytest.raises(PixstreamError, match="on_gap: continue") as stopped:
        loop.run(lambda: False)
    for word in ("stream bank_api", old.isoformat(timespec="seconds"), "history_days: 5"):
        assert word in str(stopped.value)
    assert bank.asked == []
    assert loop.positions == standing_at(old)


def test_by_decision_it_goes_on_where_the_history_begins_and_says_what_is_missing(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    bank.pix = [pix(now() - 4 * DAY), pix(now() - HOUR)]
    old = now() - 30 * DAY
    loop = Loop(reader(bank, history_days=5, on_gap="continue"), standing_at(old))
    with caplog.at_level("ERROR"):
        loop.run(lambda: loop.windows() >= 5)
    assert sorted(loop.ids()) == sorted(e2e(bank.pix))
    (error,) = [record.getMessage() for record in caplog.records]
    assert f"from {old.isoformat(timespec='seconds')} to" in error
    first = dt.datetime.fromisoformat(bank.asked[0]["inicio"])
    assert abs(first - (now() - 5 * DAY)) < 60 * SECOND


def test_a_cold_start_says_where_it_begins_and_what_it_leaves_out(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    loop = Loop(reader(bank, start="2h"))
    with caplog.at_level("WARNING"):
        loop.run(lambda: loop.windows() >= 2)
        Loop(reader(bank), loop.positions).run(lambda: True)
    (warning,) = [r.getMessage() for r in caplog.records if "no position" in r.getMessage()]
    assert "stream bank_api" in warning
    assert "(start: 2h); Pix received before are not read" in warning


def test_returns_cannot_be_looked_for_beyond_the_banks_history(bank: Bank) -> None:
    with pytest.raises(ConfigError, match="returns_days must not be more than history_days"):
        reader(bank, history_days=30, returns_days=95).check()
