"""Names of fields in other capitals: `rtrid`, `TxId` are read as the documented `rtrId`, `txid`.

Only names of API Pix and of the dialects are known; every other name stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixstream.formats.dialect import Place, every

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SPECIFIED = [
    "pix",
    "cobs",
    "cobsr",
    "recs",
    "webhooks",
    "parametros",
    "endToEndId",
    "rtrId",
    "txid",
    "valor",
    "chave",
    "horario",
    "infoPagador",
    "pagador",
    "recebedor",
    "devolucoes",
    "componentesValor",
    "id",
    "natureza",
    "status",
    "descricao",
    "motivo",
    "solicitacao",
    "liquidacao",
    "cpf",
    "cnpj",
    "nome",
    "ispb",
    "codigoBanco",
    "agencia",
    "conta",
    "tipoConta",
    "tipo",
    "tipoOperacao",
]


def _names(paths: Iterable[str]) -> set[str]:
    return {name for path in paths for name in (*Place.of(path).way, Place.of(path).name)}


_NAMES = frozenset(_SPECIFIED).union(
    *(
        {*d.marks, *d.lists, *_names(d.pix), *_names(d.returns), *_names(d.sent), *d.trial}
        for d in every()
    )
)
_BY_LETTERS = {name.lower(): name for name in sorted(_NAMES)}


def respelled(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object with the documented names, its inner objects too; itself if it has them.

    A name stays if the object has the documented one as well. Lists are not searched.
    """
    names = {
        name: known
        for name in value.keys() - _NAMES
        if (known := _BY_LETTERS.get(name.lower())) is not None and known not in value
    }
    inner = {
        name: better
        for name, part in value.items()
        if isinstance(part, dict) and (better := respelled(part)) is not part
    }
    if not names and not inner:
        return value
    return {names.get(name, name): inner.get(name, part) for name, part in value.items()}
