"""Actions: only after a login, only from a page of it, with a reason, one at a time."""

import random
import re
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pixstream.event.identifiers import generate_cpf
from pixstream.page.words import WORDS
from pixstream.testing.waiting import wait_for
from tests.page.kit import ANSWERS, LETTER, TOKEN, Pages

REPLAY = {"verb": "replay", "id": LETTER, "why": "ticket 4711"}


def log_in(client: TestClient, who: str = "ana") -> str:
    """Return the token against forged forms."""
    answer = client.post("/login", data={"token": TOKEN, "who": who})
    assert (answer.status_code, answer.headers["location"]) == (303, "/letters")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    found = re.search('name="csrf" value="([^"]+)"', client.get("/letters").text)
    assert found is not None
    return found[1]


def test_a_replay_runs_as_the_command_that_writes_the_audit_log(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    with pages.client() as client:
        csrf = log_in(client)
        begun = client.post("/letters/act", data=REPLAY | {"csrf": csrf})
        assert begun.status_code == 303
        place = begun.headers["location"]
        wait_for(lambda: WORDS["work_done"].en in client.get(place).text)
        assert "1  replayed, as 1 event" in client.get(place).text
        assert place in client.get("/letters").text
    words = ["dead-letters", "replay", "--who=ana (page)", "--why=ticket 4711", LETTER]
    assert words in pages.asked()


def test_a_reason_is_one_word_whatever_it_begins_with(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    with pages.client() as client:
        data = {"verb": "discard", "reason": "not_a_pix", "why": "--with=/etc/passwd"}
        place = client.post("/letters/act", data=data | {"csrf": log_in(client)}).headers[
            "location"
        ]
        wait_for(lambda: WORDS["work_running"].en not in client.get(place).text)
    asked = [words for words in pages.asked() if words[1] == "discard"]
    expected = ["dead-letters", "discard", "--who=ana (page)"]
    assert asked == [[*expected, "--why=--with=/etc/passwd", "--reason=not_a_pix"]]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/letters?reason=not_a_pix&component=webhook", {"reason", "component"}),
        ("/letters/try?reason=not_a_pix&component=webhook", {"reason", "component"}),
        (f"/letters/{LETTER}", {"id"}),
    ],
)
def test_a_form_names_all_that_was_chosen(tmp_path: Path, path: str, fields: set[str]) -> None:
    with Pages(tmp_path).client() as client:
        log_in(client)
        for form in client.get(path).text.split('action="/letters/act"')[1:]:
            names = set(re.findall('type="hidden" name="([a-z]+)"', form.split("</form>")[0]))
            assert names == {"csrf", "verb", *fields}
        assert 'value="discard"' in client.get("/letters?reason=not_a_pix").text
        assert 'action="/letters/act"' not in client.get("/letters").text


def test_nobody_acts_without_a_login(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    with pages.client() as client:
        assert client.post("/letters/act", data=REPLAY).status_code == 401
        assert 'name="csrf"' not in client.get("/letters").text
        for token in ("", "wrong", TOKEN.upper()):
            assert client.post("/login", data={"token": token, "who": "x"}).status_code == 403
    assert not any("replay" in words for words in pages.asked())


def test_without_a_token_in_the_settings_there_is_no_login(tmp_path: Path) -> None:
    with Pages(tmp_path, token="").client() as client:
        assert WORDS["login_none"].en in client.get("/login").text
        assert client.post("/login", data={"token": "", "who": "ana"}).status_code == 403
        assert WORDS["letters_read_only"].en in client.get("/letters").text
        assert 'href="/login"' not in client.get("/").text


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"csrf": "forged"}, "form_foreign"),
        ({"csrf": ""}, "form_foreign"),
        ({"verb": "reveal"}, "letters_none_chosen"),
        ({"id": "--all"}, "letters_none_chosen"),
        ({"why": "  "}, "action_why"),
        ({"why": "x" * 501}, "action_why"),
        ({"why": "line\nbreak"}, "action_why"),
        ({"why": f"asked by {generate_cpf(random.Random(7))}"}, "action_document"),
    ],
)
def test_a_form_that_is_not_right_does_nothing(
    tmp_path: Path, change: dict[str, str], key: str
) -> None:
    pages = Pages(tmp_path)
    with pages.client() as client:
        data = REPLAY | {"csrf": log_in(client)} | change
        answer = client.post("/letters/act", data=data)
    assert answer.status_code == 400
    assert WORDS[key].en in answer.text
    assert not any("--why" in word for words in pages.asked() for word in words)


def test_the_form_of_another_session_is_refused(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    with pages.client() as ana, pages.client() as bia:
        log_in(ana)
        assert bia.post("/letters/act", data=REPLAY | {"csrf": log_in(bia)}).status_code == 303
        assert ana.post("/letters/act", data=REPLAY | {"csrf": log_in(bia)}).status_code == 400


def test_logging_out_ends_the_session(tmp_path: Path) -> None:
    with Pages(tmp_path).client() as client:
        csrf = log_in(client)
        cookies = dict(client.cookies)
        assert client.post("/logout", data={"csrf": "forged"}).status_code == 303
        client.cookies.update(cookies)
        assert "Log out ana" in client.get("/").text
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
        client.cookies.update(cookies)
        assert client.post("/letters/act", data=REPLAY | {"csrf": csrf}).status_code == 401


def test_one_action_at_a_time(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    go = tmp_path / "go"
    code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)"
    pages.site.caller._program = (pages.site.program[0], "-c", code, str(go))
    with pages.client() as client:
        answer = client.post("/login", data={"token": TOKEN, "who": "ana"})
        assert answer.status_code == 303
        name = next(iter(pages.site.sessions._open))
        data = REPLAY | {"csrf": pages.site.sessions._open[name].csrf}
        first = client.post("/letters/act", data=data)
        assert first.status_code == 303
        page = client.get(first.headers["location"]).text
        assert '<meta http-equiv="refresh" content="2">' in page
        second = client.post("/letters/act", data=data)
        assert second.status_code == 409
        assert WORDS["work_under_way"].en in second.text
        go.touch()
        wait_for(lambda: WORDS["work_done"].en in client.get(first.headers["location"]).text)


def test_the_end_of_the_page_ends_an_action(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    code = "import time; print('begun', flush=True); time.sleep(600)"
    pages.site.caller._program = (pages.site.program[0], "-c", code)
    began = time.monotonic()
    with pages.client() as client:
        client.post("/login", data={"token": TOKEN, "who": "ana"})
        name = next(iter(pages.site.sessions._open))
        data = REPLAY | {"csrf": pages.site.sessions._open[name].csrf}
        place = client.post("/letters/act", data=data).headers["location"]
        wait_for(lambda: "begun" in client.get(place).text)
    assert time.monotonic() - began < 600


def test_an_action_that_is_not_remembered(tmp_path: Path) -> None:
    with Pages(tmp_path, answers=ANSWERS).client() as client:
        assert client.get("/work/none").status_code == 404
