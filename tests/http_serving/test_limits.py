import resource

import pytest

from pixstream.errors import ConfigError
from pixstream.http_serving.limits import (
    KEPT_FILES,
    ConnectionLimits,
    everybody,
    is_allowed,
    neighbours,
    networks,
)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("10.2.0.0", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::ffff:10.1.0.1", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_an_address_is_in_one_of_the_networks(address: str, *, allowed: bool) -> None:
    listed = networks(["10.1.0.0/16", " 192.0.2.7", "2001:db8::/32"])
    assert is_allowed(address, listed) is allowed
    assert is_allowed(address, ())


@pytest.mark.parametrize("text", ["", "bank.example.com", "10.1.0.1/16", "10.1.0.0/33"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="allow_from"):
        networks([text])


def test_a_network_of_all_addresses_is_no_guard() -> None:
    assert everybody(networks(["10.0.0.0/8", "0.0.0.0/0"]))
    assert everybody(networks(["::/0"]))
    assert not everybody(networks(["10.0.0.0/8"]))


def test_who_owns_a_network_of_ipv6_counts_as_one() -> None:
    assert neighbours("2001:db8:1:2::1") == neighbours("2001:db8:1:2:ffff::9")
    assert neighbours("2001:db8:1:2::1") != neighbours("2001:db8:1:3::1")
    assert neighbours("::ffff:192.0.2.1") == neighbours("192.0.2.1") != neighbours("192.0.2.2")


@pytest.mark.parametrize(
    ("files", "most"), [(1024, 1024 - KEPT_FILES), (100_000, 1000), (64, 8), (-1, 1000)]
)
def test_there_are_never_more_connections_than_files(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert ConnectionLimits(most=1000).within_files() == most
