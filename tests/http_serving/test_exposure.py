import pytest

from pixstream.http_serving.exposure import Listener, is_loopback

NO_GUARD = {"token": False, "client_ca": False}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost.", "::ffff:127.0.0.1", "::1%lo"],
)
def test_only_this_machine_reaches_it(host: str) -> None:
    assert is_loopback(host)
    assert Listener(host, 8080, NO_GUARD, open=False).exposure is None


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "pix.example.com", "localhost.com"],  # noqa: S104
)
def test_strangers_may_reach_it(host: str) -> None:
    assert not is_loopback(host)
    exposure = Listener(host, 8080, NO_GUARD, open=False).exposure
    assert exposure is not None
    assert "port 8080" in exposure
    assert "token and client_ca are not set" in exposure
    assert "open: true" in exposure
    assert Listener(host, 8080, NO_GUARD, open=True).exposure is None
    assert Listener(host, 8080, NO_GUARD | {"client_ca": True}, open=False).exposure is None
