"""Walks a JSON body of API Pix and finds the events in it.

Every Pix in a body is an event (`api_pix.pix`, or `api_pix.enviado` if it was sent), and so is
every return (`api_pix.devolucao`). The same Pix arrives again whenever one of its returns changes.
Charges, configuration and errors are not Pix events: each is refused with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.errors import Refused
from pixstream.event.model import Draft, Flag, Reason, Refusal
from pixstream.formats.api_pix import objects
from pixstream.formats.api_pix.recognition import LISTS, is_pix, is_return, no_pix
from pixstream.formats.api_pix.spelling import SPELLING
from pixstream.formats.json_body import Body, is_absent
from pixstream.formats.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixstream.formats.json_body import Path


class _Piece(NamedTuple):
    """An object and its path."""

    path: Path
    value: Any


class _Pix(NamedTuple):
    """A Pix object: its piece of the body, its fields by their documented names, its draft."""

    piece: _Piece
    value: Mapping[str, Any]
    draft: Draft


class _Refused(NamedTuple):
    """A return that cannot be an event: why, and its place."""

    reason: Reason
    what: str
    path: Path


def parse(raw: bytes, *, ispb: str | None = None) -> Iterator[Draft | Refusal]:
    """Yield every Pix and every return in a body, and refusals for everything else.

    See `refusals.MAX_REFUSALS` for how many.

    Args:
        raw: any bytes; it never raises because of them.
        ispb: the ISPB of the account's PSP: payee of a received Pix, payer of its returns and of a
            sent Pix.
    """
    try:
        body = Body(raw)
    except Refused as error:
        yield Refusal(reason=error.reason, message=error.message, raw=raw)
        return
    yield from read(body, ispb=ispb)


def read(body: Body, *, ispb: str | None = None) -> Iterator[Draft | Refusal]:
    """Do the same as `parse` for a parsed body. An empty list or page yields nothing."""
    reader = _Reader(body, ispb or None)
    for found in reader.values(_Piece((), body.document)):
        if body.repaired and isinstance(found, Draft):
            found.flags.append(Flag.TEXT_REPAIRED)
        yield found
    yield from reader.refusals.rest()


class _Reader:
    """The walk through one body."""

    def __init__(self, body: Body, ispb: str | None) -> None:
        self._body = body
        self._ispb = ispb
        self.refusals = Refusals(body.raw, "application/json")

    def values(self, piece: _Piece, *, odd: bool = False) -> Iterator[Draft | Refusal]:
        """Yield the events in a list or an object; `odd`: its shape is not the documented one."""
        value = piece.value
        if isinstance(value, list):
            for element in _elements(piece):
                if isinstance(element.value, dict | list):
                    yield from self.values(element, odd=odd or isinstance(element.value, list))
                else:
                    yield from self._no_object(element)
        elif not isinstance(value, dict):
            yield from self._no_object(piece)
        else:
            known = SPELLING.corrected(value)
            yield from self._object(piece, known, odd=odd or known is not value)

    def _object(
        self, piece: _Piece, value: Mapping[str, Any], *, odd: bool
    ) -> Iterator[Draft | Refusal]:
        """Yield the events in an object; `value` is the piece's, with the documented names."""
        path = piece.path
        if is_return(value):
            draft = objects.devolucao(value, None, ispb=self._ispb)
            yield from self._checked(draft, path, piece, odd=odd)
        elif is_pix(value):
            try:
                draft = objects.pix(value, ispb=self._ispb)
            except Refused as refused:
                yield from self._refused(Reason(refused.reason), refused.message, path, piece)
                return
            yield from self._checked(draft, path, piece, odd=odd)
            yield from self._returns_of(_Pix(piece, value, draft))
        elif any(not is_absent(value.get(name)) for name in LISTS):
            yield from self._envelope(piece, value)
        elif not ("parametros" in value and value.keys() <= {"parametros", *LISTS}):
            yield from self._refused(*no_pix(value), path, piece)

    def _envelope(self, piece: _Piece, value: Mapping[str, Any]) -> Iterator[Draft | Refusal]:
        """Yield the events of a page, a webhook's body or a charge with its Pix.

        Fields beside the lists go with the first event; without an event, the whole is refused.
        """
        path = piece.path
        found: list[Draft | Refusal] = []
        for written, name in zip(piece.value, value, strict=True):
            if name in LISTS and not is_absent(value[name]):
                inner = _Piece((*path, written), value[name])
                found.extend(self.values(inner, odd=isinstance(inner.value, dict)))
        beside = {name: part for name, part in value.items() if name not in {*LISTS, "parametros"}}
        first = next((result for result in found if isinstance(result, Draft)), None)
        if beside and first is None:
            yield from self._refused(*no_pix(value), path, piece)
            return
        if beside and first is not None:
            first.extra["envelope"] = beside
        yield from found

    def _returns_of(self, pix: _Pix) -> Iterator[Draft | Refusal]:
        """Yield the returns of a Pix, and one refusal of the Pix for all that cannot be events.

        A return is understood with its Pix only, so the refusal keeps the whole Pix: once, however
        many of its returns are refused.
        """
        refused: list[_Refused] = []
        path = pix.piece.path
        written = dict(zip(pix.value, pix.piece.value, strict=True)).get("devolucoes", "devolucoes")
        returns = _Piece((*path, written), pix.value.get("devolucoes"))
        yield from self._returns(returns, pix, refused, odd=False)
        if refused:
            first = refused[0]
            more = f", and {len(refused) - 1:,} more of its returns" if len(refused) > 1 else ""
            yield from self._refused(first.reason, first.what + more, first.path, pix.piece)

    def _returns(
        self, returns: _Piece, pix: _Pix, refused: list[_Refused], *, odd: bool
    ) -> Iterator[Draft]:
        """Yield the returns of a Pix that are events, and note the others in `refused`.

        Args:
            returns: `devolucoes`, or one element of it. An object instead of the list is one
                return, as in BACEN's own example.
            pix: the Pix that contains them.
            refused: gets what cannot be an event.
            odd: the shape so far is not the documented one.
        """
        path, value = returns
        if isinstance(value, list):
            for element in _elements(returns):
                nested = odd or isinstance(element.value, list)
                yield from self._returns(element, pix, refused, odd=nested)
        elif value == {}:
            # Not worth a draft: a megabyte holds 300,000 of them.
            refused.append(_Refused(Reason.IDENTIFIER_MISSING, "an empty object", path))
        elif isinstance(value, dict):
            known = SPELLING.corrected(value)
            draft = objects.devolucao(known, pix.draft, ispb=self._ispb, around=pix.value)
            problem = objects.problem(draft)
            if problem is not None:
                refused.append(_Refused(*problem, path))
                return
            if odd or known is not value or not isinstance(path[-1], int):
                _flag_shape(draft)
            yield draft
        elif not is_absent(value):
            refused.append(_Refused(Reason.NOT_A_PIX, "not an object", path))

    def _checked(
        self, draft: Draft, at: Path, whole: _Piece, *, odd: bool
    ) -> Sequence[Draft | Refusal]:
        """Return the draft, flagged if `odd`; a refusal of `whole` if it cannot be an event."""
        problem = objects.problem(draft)
        if problem is not None:
            return self._refused(*problem, at, whole)
        if odd:
            _flag_shape(draft)
        return (draft,)

    def _no_object(self, piece: _Piece) -> Sequence[Refusal]:
        return self._refused(Reason.NOT_A_PIX, "not an object", piece.path, piece)

    def _refused(self, reason: Reason, what: str, at: Path, whole: _Piece) -> Sequence[Refusal]:
        return self.refusals.of(
            reason,
            lambda: f"{_where(at)}: {what}",
            lambda: self._body.piece(whole.path, whole.value),
        )


def _flag_shape(draft: Draft) -> None:
    if Flag.SHAPE_IRREGULAR not in draft.flags:
        draft.flags.append(Flag.SHAPE_IRREGULAR)


def _elements(piece: _Piece) -> Iterator[_Piece]:
    for index, element in enumerate(piece.value):
        yield _Piece((*piece.path, index), element)


def _where(path: Path) -> str:
    """Return a path as people write it: `pix[0].devolucoes[1]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "body"
