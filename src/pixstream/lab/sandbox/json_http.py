"""JSON requests and answers of the sandbox bank's endpoints."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from pixstream.lab.sandbox.problems import Problem, Violations

T = TypeVar("T")


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def read(body: bytes, kind: type[T], problem: str = "RequisicaoInvalida") -> T:
    """Return a request's body as a value of `kind`.

    Raises:
        Problem: of type `problem`, status 400: the body is not JSON, or not of that kind.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        wrong = Violations()
        wrong.add("body", "O corpo não é o JSON que se espera aqui.")
        detail = "O corpo não respeita o schema."
        raise Problem(problem, 400, detail, violations=wrong) from None
