import errno

import pytest
from deltalake.exceptions import CommitFailedError, DeltaError

from pixstream.errors import DestinationError, Transient
from pixstream.lake.failures import explain


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, Transient, "disk is full"),
        (errno.EDQUOT, Transient, "disk is full"),
        (errno.EROFS, DestinationError, "permission denied"),
        (errno.EACCES, DestinationError, "permission denied"),
        (errno.ENOTDIR, DestinationError, "not a directory"),
        (errno.EEXIST, DestinationError, "not a directory"),
        (errno.ENOENT, DestinationError, "gone"),
        (errno.EIO, DestinationError, "disk failed"),
        (errno.ECONNRESET, Transient, "ECONNRESET"),
    ],
)
def test_the_error_number_decides_between_waiting_and_stopping(
    number: int, kind: type[Exception], words: str
) -> None:
    told_by_python = explain(OSError(number, "secret"), "table x: cannot commit")
    told_by_rust = explain(DeltaError(f"secret (os error {number})"), "table x: cannot commit")
    for error in (told_by_python, told_by_rust):
        assert type(error) is kind
        assert str(error).startswith("table x: cannot commit: ")
        assert words in str(error)
        assert errno.errorcode[number] in str(error)
        assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("The operation lacked the necessary privileges to complete for path x: 403", 1, "refuses"),
        ("Server returned non-2xx status code 403 Forbidden secret", 1, "refuses"),
        ("AWS Error ACCESS_DENIED during HeadObject operation: secret", 1, "refuses"),
        ("an error occurred while loading credentials: secret", 1, "there are none"),
        ("404 Not Found <Code>NoSuchBucket</Code> secret", 1, "does not exist"),
        ("AWS Error NO_SUCH_BUCKET during PutObject operation: secret", 1, "does not exist"),
        ("Unknown scheme: s4. secret", 1, "unknown kind of store"),
        ('Generic Config error: failed to parse "secret" as Duration', 1, "storage_options"),
        ("Invalid Checkpoint: secret", 1, "its log is damaged"),
        ("Expected contiguous commit files, but found gap: secret", 1, "its log is damaged"),
        ("tcp connect error: secret (os error 111)", 0, "no answer; check"),
        ("AWS Error NETWORK_CONNECTION during PutObject operation: secret", 0, "no answer"),
    ],
)
def test_what_the_libraries_say_decides_where_there_is_no_number(
    text: str, kind: int, words: str
) -> None:
    for raised in (OSError(text), DeltaError(text)):
        error = explain(raised, "table x: cannot open")
        assert type(error) is (Transient, DestinationError)[kind]
        assert words in str(error)
        assert "secret" not in str(error)


def test_what_tells_no_number_may_pass() -> None:
    error = explain(CommitFailedError("secret"), "table x: cannot commit")
    assert type(error) is Transient
    assert str(error) == "table x: cannot commit: CommitFailedError, no answer"


def test_other_kinds_are_nobodys_weather() -> None:
    fault = TypeError("a fault of the program")
    known = Transient("already said")
    assert explain(fault, "table x") is fault
    assert explain(known, "table x") is known
