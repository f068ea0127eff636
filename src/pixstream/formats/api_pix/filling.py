"""Fills a draft from the fields of an object, as the specification or a dialect names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixstream.event import identifiers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.event.model import Draft, Person
    from pixstream.formats.dialect import Converter, Entry
    from pixstream.formats.json_body import JsonFields

ACCOUNT_TYPES = {"CORRENTE": "CACC", "POUPANCA": "SVGS", "PAGAMENTO": "TRAN", "SALARIO": "SLRY"}
"""`tipoConta` → the ISO 20022 code."""


def fill(
    draft: Draft, fields: JsonFields, value: Mapping[str, Any], table: Iterable[Entry]
) -> None:
    """Fill what the specification's fields left empty from the fields of a dialect.

    Args:
        draft: the draft to fill.
        fields: the object's fields, without those already taken for the specification.
        value: the object itself.
        table: the lines of the dialect, in order of preference.
    """
    for (path, outer, way, name), side, target, converter, is_person, is_text in table:
        if outer not in value:
            continue
        holder = fields.within(way)
        if is_person:
            person(draft, getattr(draft, target), holder.inner(name), path)
        elif is_text:
            text = holder.text(name)
            if text is not None:
                draft.texts[path] = text
        else:
            owner = getattr(draft, side) if side else draft
            if getattr(owner, target) is None:
                convert, numeric = converter or _CONVERTERS.get(target), converter is not None
                setattr(owner, target, holder.text(name, convert=convert, numeric=numeric))


def person(draft: Draft, who: Person, fields: JsonFields, path: str) -> None:
    """Fill what is still missing in `who`; a second, different value stays for `extra`.

    Args:
        draft: the draft that `who` belongs to; the name goes to its `texts`.
        who: the person to fill.
        fields: the fields of the object that describes the person.
        path: the path of that object.
    """
    if not fields:
        return
    who.document = (
        who.document or fields.text("cpf", convert=_cpf) or fields.text("cnpj", convert=_cnpj)
    )
    who.key = who.key or fields.text("chave")
    who.ispb = who.ispb or fields.text("codigoBanco", convert=_ispb)
    who.ispb = who.ispb or fields.text("ispb", convert=_padded_ispb)
    who.branch = who.branch or fields.text("agencia")
    who.account = who.account or fields.text("conta")
    who.account_type = who.account_type or fields.text("tipoConta", convert=_account_type)
    texts(draft, fields, f"{path}.", "nome")


def texts(draft: Draft, fields: JsonFields, prefix: str, *names: str) -> None:
    """Take names and free text into the draft's `texts`, each by its path: `prefix` and name."""
    for name in names:
        text = fields.text(name)
        if text is not None:
            draft.texts[prefix + name] = text


def _ispb(text: str) -> str | None:
    """Return an ISPB; a three-digit bank code is not an ISPB and stays in `extra`."""
    return text if identifiers.ISPB.fullmatch(text) else None


def _padded_ispb(text: str) -> str | None:
    """Return an ISPB; a number lost its leading zeros."""
    return _ispb(_padded(text, 8))


def _cpf(text: str) -> str:
    return _padded(text, 11)


def _cnpj(text: str) -> str:
    return _padded(text, 14)


def _padded(text: str, length: int) -> str:
    return text.zfill(length) if text.isascii() and text.isdigit() else text


def _account_type(text: str) -> str | None:
    return ACCOUNT_TYPES.get(text.upper())


_CONVERTERS: dict[str, Converter] = {"ispb": _ispb, "account_type": _account_type}
