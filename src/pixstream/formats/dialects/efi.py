"""Efí (formerly Gerencianet): sent Pix in its webhook and `GET /v2/gn/pix/enviados`, `gnExtras`.

Source: Efí's API documentation of 2024. In a sent Pix, too, `chave` is the account's own key;
`favorecido` describes the payee. A rejected Pix has `horario: null` and the SPI's code in
`gnExtras.erro`. `gnExtras.pagador` names the payer of a received Pix, if the account requests it.
"""

from __future__ import annotations

from pixstream.formats.dialect import ANY, RECEIVED, SENT, Dialect

DIALECT = Dialect(
    marks=frozenset({"e2eId", "favorecido", "gnExtras", "idEnvio"}),
    sent={
        "tipo": {"SOLICITACAO"},
        "idEnvio": ANY,
        "favorecido": ANY,
        "e2eId": ANY,
        "gnExtras.idEnvio": ANY,
        "status": {"EM_PROCESSAMENTO", "REALIZADO", "NAO_REALIZADO"},
    },
    pix={
        "e2eId": "end_to_end_id",
        "gnExtras.pagador": "payer",
        "favorecido": "payee",
        "favorecido.identificacao": "payee",
        "favorecido.contaBanco": "payee",
        "gnExtras.erro.codigo": "reason",
        "gnExtras.erro.motivo": "texts",
    },
    returns={"e2eId": "end_to_end_id"},
    expected={
        RECEIVED: frozenset({"gnExtras"}),
        SENT: frozenset({"gnExtras", "idEnvio", "tipo", "favorecido"}),
    },
    # Efí sends `teste_webhook`; others imitate it.
    trial={"evento": "teste"},
)
