import os
from typing import Any

import pytest
from pyarrow import fs

from pixstream.errors import DestinationError
from pixstream.lake import object_store
from pixstream.lake.location import Location

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "sa-east-1"}


def test_what_the_user_leaves_open_is_limited() -> None:
    assert object_store.complete({}) == object_store.LIMITS
    own = {"TIMEOUT": "2s", "AWS_REGION": "sa-east-1", "max_retries": "9"}
    assert object_store.complete(own) == {
        "connect_timeout": "5s",
        "retry_timeout": "30s",
        **own,
    }


def test_a_local_table_has_no_settings() -> None:
    assert Location("data", "pagamentos", options=KEYS).options == {}
    assert Location("s3://lake", "x", options=KEYS).options == object_store.LIMITS | KEYS


@pytest.mark.parametrize("prefix", ["AWS_", "aws_", ""])
@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_s3_is_reached_through_arrows_own_file_system(scheme: str, prefix: str) -> None:
    names = {"access_key_id": "key", "secret_access_key": "secret", "region": "sa-east-1"}
    place = Location(f"{scheme}://lake/x", "y", options={prefix + n: v for n, v in names.items()})
    assert isinstance(place.filesystem, fs.SubTreeFileSystem)
    assert isinstance(place.filesystem.base_fs, fs.S3FileSystem)
    assert place.filesystem.base_path == "lake/x/y/"
    assert place.filesystem.base_fs.region == "sa-east-1"


def test_each_setting_reaches_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def s3(**settings: Any) -> fs.FileSystem:
        given.update(settings)
        return fs.LocalFileSystem()

    monkeypatch.setattr(fs, "S3FileSystem", s3)
    monkeypatch.setattr(os, "environ", {})
    options = {
        **KEYS,
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_SKIP_SIGNATURE": "false",
        "AWS_ALLOW_HTTP": "true",
        "timeout": "1500ms",
        "connect_timeout": "1m",
    }
    object_store.arrow_s3("s3://lake/x", options)
    assert given.pop("retry_strategy").max_attempts == 3
    assert given == {
        "access_key": "key",
        "secret_key": "secret",
        "session_token": "token",
        "region": "sa-east-1",
        "endpoint_override": "http://127.0.0.1:9000",
        "force_virtual_addressing": True,
        "anonymous": False,
        "request_timeout": 1.5,
        "connect_timeout": 60,
        "allow_delayed_open": True,
    }


def test_what_the_settings_leave_out_comes_from_the_environment_as_for_deltalake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}

    def s3(**settings: Any) -> fs.FileSystem:
        given.update(settings)
        return fs.LocalFileSystem()

    monkeypatch.setattr(fs, "S3FileSystem", s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "of no matter")
    assert object_store.arrow_s3("s3://lake/x", {"region": "sa-east-1"}) is not None
    assert given["endpoint_override"] == "http://127.0.0.1:9000"
    assert given["region"] == "sa-east-1"


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("s3://lake/x", {**KEYS, "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms"}),
        ("s3://lake/x", {**KEYS, "proxy_url": "http://127.0.0.1:1"}),
        ("abfss://lake@account.dfs.core.windows.net/x", {"azure_storage_account_key": "secret"}),
        ("gs://lake/x", {}),
    ],
)
def test_what_arrow_knows_no_word_for_is_left_to_deltalake(
    uri: str, options: dict[str, str]
) -> None:
    assert object_store.arrow_s3(uri, options) is None


@pytest.mark.parametrize("duration", ["soon", "1h", "20", "1m 30s", ""])
def test_a_duration_that_arrow_cannot_be_told_is_refused(duration: str) -> None:
    with pytest.raises(DestinationError, match="is not a duration"):
        object_store.arrow_s3("s3://lake/x", {**KEYS, "timeout": duration})
