"""Efí (once Gerencianet): sent Pix in the webhook and in `GET /v2/gn/pix/enviados`, and `gnExtras`.

Source: Efí's API documentation of 2024. `chave` is the account's own key in a sent Pix too, whose
payee is described in `favorecido`. A rejected one has `horario: null` and the SPI's code in
`gnExtras.erro`. `gnExtras.pagador` names the payer of a received Pix, if the account asks for it.
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
    # Efí says `teste_webhook`; others imitate it.
    trial={"evento": "teste"},
)
