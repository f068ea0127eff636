"""The names of fields in API Pix and in the dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.formats.dialect import Place, every
from pixstream.formats.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Iterable

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


SPELLING = Spelling(
    set(_SPECIFIED).union(
        *(
            {*d.marks, *d.lists, *_names(d.pix), *_names(d.returns), *_names(d.sent), *d.trial}
            for d in every()
        )
    )
)
