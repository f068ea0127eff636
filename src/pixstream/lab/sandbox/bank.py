"""The sandbox bank: its Pix, its callbacks, and the operations that a receiver may request.

`server.create_app` serves it through API Pix 2.9.0. It keeps everything in memory and ends with its
process.
"""

from __future__ import annotations

import datetime as dt
import re
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.event import identifiers
from pixstream.lab.sandbox.access import AccessControl, Faults
from pixstream.lab.sandbox.callbacks import Callbacks
from pixstream.lab.sandbox.problems import Problem, Violations
from pixstream.lab.sandbox.returns import violations
from pixstream.lab.sandbox.store import FINAL, Store, StoredPix
from pixstream.lab.simulation.pieces import BANK_API, WEBHOOK, moment
from pixstream.lab.simulation.world import OWN_ISPB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.lab.simulation.batches import Offer


class RegisteredWebhook(msgspec.Struct, frozen=True):
    """The URL for the callbacks of a key."""

    key: str
    url: str
    created: dt.datetime


class Bank:
    """A receiver's bank.

    Args:
        clients: secret by client id.
        default_webhook: URL for callback bodies passed to `offer` for keys without a webhook.
        callbacks: the callback engine; `create_app` starts and stops it.
        token_seconds: lifetime of a token.
        faults: initial faults.
        clock: time of recording, timezone-aware.
    """

    def __init__(
        self,
        clients: Mapping[str, str],
        *,
        default_webhook: str | None = None,
        callbacks: Callbacks | None = None,
        token_seconds: int = 3600,
        faults: Faults | None = None,
        clock: Callable[[], dt.datetime] | None = None,
    ) -> None:
        self._clock = clock or (lambda: dt.datetime.now(dt.UTC))
        self._rng = Random()
        self._lock = Lock()
        self._held: dict[str, list[bytes]] = {}
        self.offered = 0
        self.store = Store(self._clock)
        self.callbacks = callbacks or Callbacks()
        self.access = AccessControl(clients, token_seconds=token_seconds, faults=faults)
        self.webhooks: dict[str, RegisteredWebhook] = {}
        self.default_webhook = default_webhook
        self.cnpj = identifiers.generate_cnpj(self._rng)

    def add(
        self,
        pix: bytes | dict[str, Any],
        *,
        created: dt.datetime | None = None,
        payer_document: str | None = None,
    ) -> None:
        """Record a received Pix or its newer state, and call back; see `Store.add`."""
        self._call_back(*self.store.add(pix, created=created, payer_document=payer_document))

    def add_return(self, e2e: str, devolucao: dict[str, Any]) -> None:
        """Record a return of a Pix, and call back when it is final.

        Raises:
            KeyError: there is no such Pix.
        """
        self._call_back(*self.store.add_return(e2e, devolucao))

    def offer(self, offer: Offer) -> None:
        """Accept an offer of a plan: an object of API Pix, or a body to post to a webhook.

        A body for a key without a webhook waits until one is registered, unless there is a default.

        Raises:
            ValueError: the offer is for a source that is not a bank.
        """
        if offer.source == BANK_API:
            self.store.add(
                offer.content, created=offer.created, payer_document=offer.payer_document
            )
        elif offer.source == WEBHOOK:
            self._send_body(offer.name, offer.content)
        else:
            raise ValueError(f"a bank delivers nothing to {offer.source}")
        self.offered += 1

    def register(self, key: str, url: str) -> None:
        """Set the webhook of a key, and post the bodies that wait for it.

        Raises:
            Problem: WebhookOperacaoInvalida.
        """
        wrong = Violations()
        if identifiers.key_type(key) == "unknown":
            wrong.add("chave", "O parâmetro não corresponde a uma chave DICT válida.")
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", url):
            wrong.add("webhook.webhookUrl", "O campo não respeita o schema.", url)
        if wrong:
            raise Problem(
                "WebhookOperacaoInvalida", 400, "O webhook não é válido.", violations=wrong
            )
        with self._lock:
            self.webhooks[key] = RegisteredWebhook(key, url, self._clock())
            held = self._held.pop(key, [])
        for body in held:
            self.callbacks.send(_pix_url(url), body)

    def order_return(self, e2e: str, number: str, order: dict[str, Any]) -> dict[str, Any]:
        """Start a return; `settle_return` completes it.

        Args:
            e2e: EndToEndId of the Pix.
            number: `id` of the return.
            order: the object `DevolucaoSolicitada`.

        Raises:
            Problem: NaoEncontrado, or PixDevolucaoInvalida with all violations.
        """
        with self._lock:
            pix = self.store.get(e2e)
            if pix is None:
                raise Problem("NaoEncontrado", 404, "Não há Pix com este endToEndId.")
            now = self._clock()
            wrong = violations(pix, number, order, now)
            if wrong:
                raise Problem(
                    "PixDevolucaoInvalida", 400, "A devolução não é válida.", violations=wrong
                )
            devolucao: dict[str, Any] = {
                "id": number,
                "rtrId": identifiers.rtr(OWN_ISPB, now, self._rng),
                "valor": order["valor"],
                **{name: order[name] for name in ("natureza", "descricao") if name in order},
                "horario": {"solicitacao": moment(now)},
                "status": "EM_PROCESSAMENTO",
            }
            self.store.add_return(e2e, devolucao)
        return devolucao

    def settle_return(self, e2e: str, number: str) -> None:
        """Set a return in progress to DEVOLVIDO, and call back."""
        with self._lock:
            for devolucao in (self.store.get(e2e) or {}).get("devolucoes", ()):
                if devolucao["id"] == number and devolucao["status"] not in FINAL:
                    times = devolucao["horario"] | {"liquidacao": moment(self._clock())}
                    self.add_return(e2e, devolucao | {"horario": times, "status": "DEVOLVIDO"})

    def stats(self) -> dict[str, Any]:
        """Return counts, for people and for a demo that waits for its end."""
        held = sum(len(bodies) for bodies in self._held.values())
        return {
            "offered": self.offered,
            "pix": len(self.store),
            "webhooks": len(self.webhooks),
            "waiting_for_webhook": held,
            "callbacks": self.callbacks.stats(),
        }

    def _call_back(self, record: StoredPix, news: bool) -> None:  # noqa: FBT001  the store's pair
        """Call back for a Pix with a txid whose key has a webhook, as API Pix specifies."""
        webhook = self.webhooks.get(record.key or "")
        if news and record.txid and webhook:
            self.callbacks.notify(webhook.key, _pix_url(webhook.url), record.raw)

    def _send_body(self, key: str, body: bytes) -> None:
        with self._lock:
            webhook = self.webhooks.get(key)
            url = webhook.url if webhook else self.default_webhook
            if url is None:
                self._held.setdefault(key, []).append(body)
                return
        self.callbacks.send(_pix_url(url), body)


def _pix_url(webhook_url: str) -> str:
    return f"{webhook_url.rstrip('/')}/pix"
