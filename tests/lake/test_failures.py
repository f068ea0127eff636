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
        (errno.EROFS, DestinationError, "not allowed"),
        (errno.EACCES, DestinationError, "not allowed"),
        (errno.ENOTDIR, DestinationError, "no directory"),
        (errno.EEXIST, DestinationError, "no directory"),
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


def test_a_refusal_of_the_object_store_stops() -> None:
    text = "The operation lacked the necessary privileges to complete for path x: 403"
    assert type(explain(OSError(text), "table x")) is DestinationError


def test_what_tells_no_number_may_pass() -> None:
    error = explain(CommitFailedError("secret"), "table x: cannot commit")
    assert type(error) is Transient
    assert str(error) == "table x: cannot commit: CommitFailedError, no answer"


def test_other_kinds_are_nobodys_weather() -> None:
    fault = TypeError("a fault of the program")
    known = Transient("already said")
    assert explain(fault, "table x") is fault
    assert explain(known, "table x") is known
