"""Which requests reach the page: by their name, and forms by their origin and size."""

from pathlib import Path

import pytest

from tests.page.kit import HERE, Pages

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path, names=["pix.bank.example"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9490", "localhost:9490", "[::1]:9490", "10.1.2.3", "PIX.bank.example.:443"],
)
def test_it_answers_to_its_names_and_to_addresses(pages: Pages, host: str) -> None:
    assert pages.client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "a b"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(pages: Pages, host: str) -> None:
    answer = pages.client().get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "page.names" in answer.text
    assert pages.client().get("/live", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:9490"},
        {"Origin": "http://127.0.0.1:9491"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(pages: Pages, headers: dict[str, str]) -> None:
    answer = pages.client().post("/login", content=b"token=x", headers=FORM | headers)
    assert (answer.status_code, answer.text) == (403, "the form is not of this page\n")


def test_a_form_of_the_page_comes_through(pages: Pages) -> None:
    headers = FORM | {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    answer = pages.client().post("/login", content=b"token=wrong", headers=headers)
    assert "That is not the token." in answer.text


@pytest.mark.parametrize("length", [16 * 1024 + 1, 10**12])
def test_a_large_form_is_refused_before_it_is_read(pages: Pages, length: int) -> None:
    answer = pages.client().post("/login", content=b"", headers={"Content-Length": str(length)})
    assert answer.status_code == 413


def test_a_form_of_unknown_length_is_refused(pages: Pages) -> None:
    answer = pages.client().post("/login", content=iter([b"token=x"]), headers=FORM)
    assert answer.status_code == 411


@pytest.mark.parametrize("path", ["/", "/no/such/page", "/static/page.css", "/letters/act"])
def test_every_answer_has_the_headers(pages: Pages, path: str) -> None:
    headers = pages.client().get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-cache" if path.startswith("/static") else "no-store")
