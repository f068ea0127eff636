"""Walks a JSON body of API Pix and finds the events in it.

Every Pix in a body is an event (`api_pix.pix`, or `api_pix.enviado` when it was sent), and so is
every return in it (`api_pix.devolucao`). The same Pix comes again whenever one of its returns
changes. Charges, configuration and errors are no Pix events: each is refused with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.errors import Refused
from pixstream.event.model import Draft, Flag, Reason, Refusal
from pixstream.formats.api_pix import objects
from pixstream.formats.api_pix.recognition import LISTS, is_pix, is_return, no_pix
from pixstream.formats.json_body import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.formats.json_body import Path


class _Piece(NamedTuple):
    """An object and where it stands."""

    path: Path
    value: Any


class _Pix(NamedTuple):
    """A Pix object and its draft."""

    piece: _Piece
    draft: Draft


def parse(raw: bytes, *, ispb: str | None = None) -> Iterator[Draft | Refusal]:
    """Yield every Pix and every return in a body, and a refusal for whatever is neither.

    Args:
        raw: any bytes; nothing is raised about them.
        ispb: of the PSP that keeps the account: payee of a received Pix, payer of its returns and
            of a sent Pix.
    """
    try:
        body = Body(raw)
    except Refused as error:
        yield Refusal(reason=error.reason, message=error.message, raw=raw)
        return
    yield from read(body, ispb=ispb)


def read(body: Body, *, ispb: str | None = None) -> Iterator[Draft | Refusal]:
    """As `parse`, of a body that is known to be JSON. An empty list or page yields nothing."""
    return _Reader(body, ispb or None).values(_Piece((), body.document))


class _Reader:
    """Walks one body."""

    def __init__(self, body: Body, ispb: str | None) -> None:
        self._body = body
        self._ispb = ispb

    def values(self, piece: _Piece, *, odd: bool = False) -> Iterator[Draft | Refusal]:
        """What a list or an object holds; `odd` when its shape is not the documented one."""
        path, value = piece
        if isinstance(value, list):
            for element in _elements(piece):
                yield from self.values(element, odd=odd or isinstance(element.value, list))
        elif not isinstance(value, dict):
            yield self._refusal(Reason.NOT_A_PIX, "is no object", path, piece)
        elif is_return(value):
            draft = objects.devolucao(value, None, ispb=self._ispb)
            yield self._checked(draft, path, piece, odd=odd)
        elif is_pix(value):
            draft = objects.pix(value, ispb=self._ispb)
            yield self._checked(draft, path, piece, odd=odd)
            returns = _Piece((*path, "devolucoes"), value.get("devolucoes"))
            yield from self._returns(returns, _Pix(piece, draft), odd=False)
        elif any(value.get(name) is not None for name in LISTS):
            yield from self._envelope(piece)
        elif not ("parametros" in value and value.keys() <= {"parametros", *LISTS}):
            yield self._refusal(*no_pix(value), path, piece)

    def _envelope(self, piece: _Piece) -> Iterator[Draft | Refusal]:
        """A page, a webhook's body, a charge with its Pix.

        What stands beside the lists goes with the first event; where there is none, the refusal is
        about the whole.
        """
        path, value = piece
        found: list[Draft | Refusal] = []
        for name in LISTS:
            if value.get(name) is not None:
                inner = _Piece((*path, name), value[name])
                found.extend(self.values(inner, odd=isinstance(inner.value, dict)))
        beside = {name: part for name, part in value.items() if name not in {*LISTS, "parametros"}}
        first = next((result for result in found if isinstance(result, Draft)), None)
        if beside and first is None:
            yield self._refusal(*no_pix(value), path, piece)
            return
        if beside and first is not None:
            first.extra["envelope"] = beside
        yield from found

    def _returns(self, returns: _Piece, pix: _Pix, *, odd: bool) -> Iterator[Draft | Refusal]:
        """The returns of a Pix; a refused one keeps the whole Pix, without which it tells little.

        Args:
            returns: `devolucoes`, or one element of it. An object in the place of the list is one
                return: BACEN's own example writes it so.
            pix: the Pix that holds them.
            odd: the shape so far is not the documented one.
        """
        path, value = returns
        if isinstance(value, list):
            for element in _elements(returns):
                yield from self._returns(element, pix, odd=odd or isinstance(element.value, list))
        elif isinstance(value, dict):
            draft = objects.devolucao(value, pix.draft, ispb=self._ispb, around=pix.piece.value)
            odd = odd or not isinstance(path[-1], int)
            yield self._checked(draft, path, pix.piece, odd=odd)
        elif value is not None:
            yield self._refusal(Reason.NOT_A_PIX, "is no object", path, pix.piece)

    def _checked(self, draft: Draft, at: Path, whole: _Piece, *, odd: bool) -> Draft | Refusal:
        """The draft, flagged where its place is odd; a refusal of `whole` if it is no event."""
        problem = objects.problem(draft)
        if problem is not None:
            return self._refusal(*problem, at, whole)
        if odd and Flag.SHAPE_IRREGULAR not in draft.flags:
            draft.flags.append(Flag.SHAPE_IRREGULAR)
        return draft

    def _refusal(self, reason: Reason, what: str, at: Path, whole: _Piece) -> Refusal:
        return Refusal(
            reason=reason,
            message=f"{_where(at)}: {what}",
            raw=self._body.piece(whole.path, whole.value),
            content_type="application/json",
        )


def _elements(piece: _Piece) -> Iterator[_Piece]:
    for index, element in enumerate(piece.value):
        yield _Piece((*piece.path, index), element)


def _where(path: Path) -> str:
    """A path as people write it: `pix[0].devolucoes[1]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "body"
