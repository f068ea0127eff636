"""Single query parameters of API Pix: times, pages, texts, booleans; with their violations."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from pixstream.lab.sandbox.problems import Violations

PAGE, PAGE_SIZE = "paginacao.paginaAtual", "paginacao.itensPorPagina"
DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE = 100, 1_000

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)


def paging(page: int, page_size: int, total: int) -> dict[str, int]:
    """Return the object `Paginacao`; there is always at least one page."""
    return {
        "paginaAtual": page,
        "itensPorPagina": page_size,
        "quantidadeDePaginas": max(1, -(-total // page_size)),
        "quantidadeTotalDeItens": total,
    }


def pages(params: QueryParams, wrong: Violations) -> tuple[int, int]:
    """Return page and page size, and add their violations."""
    page = _number(params, PAGE, 0, wrong)
    page_size = _number(params, PAGE_SIZE, DEFAULT_PAGE_SIZE, wrong)
    if page < 0:
        wrong.add(PAGE, "O valor é negativo.", params[PAGE])
    if not 1 <= page_size <= LARGEST_PAGE_SIZE:
        wrong.add(PAGE_SIZE, "O valor não está entre 1 e 1000.", params[PAGE_SIZE])
    return page, page_size


def window(
    params: QueryParams, wrong: Violations, *, required: bool
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return the times `inicio` and `fim` in UTC, and add their violations."""
    start, end = (_time(params, name, wrong, required=required) for name in ("inicio", "fim"))
    if start and end and end < start:
        wrong.add("fim", "O timestamp é anterior ao do parâmetro inicio.", params["fim"])
    return start, end


def _time(
    params: QueryParams, name: str, wrong: Violations, *, required: bool
) -> dt.datetime | None:
    text = params.get(name)
    if text is None:
        if required:
            wrong.add(name, "O parâmetro é obrigatório.")
        return None
    when = _rfc3339(text)
    if when is None:
        wrong.add(name, "O parâmetro não respeita a RFC 3339.", text)
    return when


def _rfc3339(text: str) -> dt.datetime | None:
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None  # a date that does not exist


def _number(params: QueryParams, name: str, default: int, wrong: Violations) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        wrong.add(name, "O parâmetro não é um número inteiro.", text)
        return default
    return int(text)


def boolean(params: QueryParams, name: str, wrong: Violations) -> bool | None:
    """Return a boolean; None if the parameter is absent or wrong."""
    text = params.get(name)
    if text not in (None, "true", "false"):
        wrong.add(name, "O parâmetro não é true nem false.", text)
    return None if text is None else text == "true"


def matching(
    params: QueryParams,
    name: str,
    pattern: re.Pattern[str],
    wrong: Violations,
    *,
    personal: bool = False,
) -> str | None:
    """Return a text unchanged, and add a violation if it does not match, without a personal one."""
    text = params.get(name)
    if text is not None and not pattern.fullmatch(text):
        wrong.add(name, "O parâmetro não respeita o schema.", None if personal else text)
    return text
