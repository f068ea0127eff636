"""Bytes that contain no Pix event and must become dead letters, each of them unique.

The kinds are those that such systems receive in practice: truncated bodies, charges and settings
sent to the Pix webhook, log lines cut by a full disk, SPI messages about something else.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import msgspec

from pixstream.lab.simulation import log_lines, spi_envelope, spi_xml
from pixstream.lab.simulation.api_documents import pix
from pixstream.lab.simulation.pieces import ISO20022, SYSTEM_LOG, WEBHOOK, Group, Piece, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

    from pixstream.lab.simulation.transfers import Transfer

SHARE = 0.005
"""Malformed pieces per fact."""


class Spoiler:
    """A generator of malformed pieces, of one kind after the other.

    Args:
        rng: randomness of the plan.
        sources: sources of the pieces; `bank_api` has none, because the bank serves valid ones.
    """

    def __init__(self, rng: Random, sources: Collection[str]) -> None:
        self._rng = rng
        kinds: list[tuple[str, bool, Callable[[Transfer], bytes]]] = [
            (WEBHOOK, False, self._element_without_identifier),
            (SYSTEM_LOG, False, self._line_cut),
            (ISO20022, True, self._message_cut),
            (WEBHOOK, True, self._charge),
            (SYSTEM_LOG, False, self._line_of_something_else),
            (WEBHOOK, True, self._body_cut),
            (ISO20022, True, self._message_about_nothing),
            (WEBHOOK, True, self._settings),
            (SYSTEM_LOG, False, self._line_in_latin1),
            (WEBHOOK, True, self._error),
            (SYSTEM_LOG, False, self._line_without_identifier),
        ]
        self._kinds = [kind for kind in kinds if kind[0] in sources]
        self._turns = cycle(self._kinds)

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def spoil(self, transfer: Transfer) -> Piece:
        """Return a malformed piece made from `transfer`."""
        source, whole, make = next(self._turns)
        # a body's group is the key it is posted for; separate SPI files need no group
        name = transfer.payee.keys[0] if source == WEBHOOK else ""
        return Piece(
            group=Group(source, name),
            content=make(transfer),
            when=transfer.told,
            malformed=True,
            whole=whole,
        )

    def _element_without_identifier(self, transfer: Transfer) -> bytes:
        document = pix(transfer, ())
        del document["endToEndId"]
        return msgspec.json.encode(document)

    def _body_cut(self, transfer: Transfer) -> bytes:
        body = msgspec.json.encode({"pix": [pix(transfer, ())]})
        return body[: self._rng.randint(60, len(body) - 4)]

    def _charge(self, transfer: Transfer) -> bytes:
        return msgspec.json.encode(
            {
                "calendario": {"criacao": moment(transfer.when), "expiracao": 3600},
                "txid": f"{self._rng.getrandbits(128):032x}",
                "revisao": 0,
                "status": "ATIVA",
                "devedor": {"cpf": transfer.payer.document, "nome": transfer.payer.name},
                "valor": {"original": "37.00"},
                "chave": transfer.payee.keys[0],
            }
        )

    def _settings(self, transfer: Transfer) -> bytes:
        url = f"https://example.com/hooks/{self._rng.getrandbits(64):016x}"
        key = transfer.payee.keys[0]
        return msgspec.json.encode(
            {"webhookUrl": url, "chave": key, "criacao": moment(transfer.when)}
        )

    def _error(self, transfer: Transfer) -> bytes:
        return msgspec.json.encode(
            {
                "type": "https://pix.bcb.gov.br/api/v2/error/NaoEncontrado",
                "title": "Não Encontrado",
                "status": 404,
                "detail": "Entidade não encontrada.",
                "correlationId": f"{self._rng.getrandbits(64):016x}-{transfer.told:%H%M%S}",
            }
        )

    def _line(self, transfer: Transfer) -> bytes:
        return log_lines.lines(transfer, self._rng)[0].content

    def _line_cut(self, transfer: Transfer) -> bytes:
        line = self._line(transfer)
        return line[: self._rng.randint(100, len(line) - 2)]

    def _line_in_latin1(self, transfer: Transfer) -> bytes:
        return self._line(transfer).decode().replace("pix.", "píx.").encode("latin-1")

    def _line_of_something_else(self, transfer: Transfer) -> bytes:
        document = msgspec.json.decode(self._line(transfer))
        return msgspec.json.encode(document | {"event": "pix.chave.cadastrada"})

    def _line_without_identifier(self, transfer: Transfer) -> bytes:
        document = msgspec.json.decode(self._line(transfer))
        return msgspec.json.encode(
            {k: v for k, v in document.items() if k not in {"endToEndId", "rtrId"}}
        )

    def _message(self, transfer: Transfer) -> bytes:
        return spi_envelope.envelope(
            "pacs.008",
            inbound=True,
            identifier=f"{self._rng.getrandbits(92):023x}",
            created=transfer.told,
            transactions=[spi_xml.pacs008(transfer)],
        ).encode()

    def _message_cut(self, transfer: Transfer) -> bytes:
        """Return a message cut before its only transaction ends: none of it can be read."""
        message = self._message(transfer)
        return message[: self._rng.randint(600, message.index(b"</CdtTrfTxInf>"))]

    def _message_about_nothing(self, transfer: Transfer) -> bytes:
        """Return an echo of the connection (pibr.002): a well-formed SPI message without a Pix."""
        message = self._message(transfer).decode()
        head = message[: message.index("<Document>")].replace("pacs.008", "pibr.002")
        echo = f"<Document><EchoTxtResp>{moment(transfer.told)}</EchoTxtResp></Document></Envelope>"
        return (head + echo).encode()
