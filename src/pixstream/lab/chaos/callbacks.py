"""The bank's callbacks to the webhook, and the obligation that an answer creates.

A body must arrive once it is answered 200. Most bodies are posted until then, like banks do. Some
are posted only once, whatever the answer: only a body without a 200 may be lost.
"""

from __future__ import annotations

import heapq
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import msgspec

from pixstream.lab.simulation.api_documents import pix

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pixstream.lab.chaos.oracle import NumberedDocument, Oracle

ONCE_SHARE = 0.05
"""Share of bodies that are not posted again after a refusal."""

AGAIN_SHARE = 0.03
"""Share of bodies answered 200 that are posted again later, among others."""

LARGEST_BODY = 20
_POSTERS = 12
_POST_SECONDS = 30.0


class _Body(NamedTuple):
    """A body to post; the heap orders by `due`."""

    due: float
    number: int
    content: bytes
    documents: tuple[NumberedDocument, ...]
    poisons: tuple[int, ...]
    attempts: int
    once: bool
    final: bool


class CallbackSender:
    """The bank's callbacks: posted by many threads, in any order, some of them twice.

    Args:
        url: URL of the webhook.
        oracle: records what is delivered and acknowledged.
        rng: chooses the bodies that are posted only once and those posted again.
    """

    def __init__(self, url: str, oracle: Oracle, rng: Random) -> None:
        self._url = f"{url}/pix"
        self._oracle = oracle
        self._rng = rng
        self._changed = threading.Condition()
        self._waiting: list[_Body] = []
        self._under_way = 0
        self._number = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._post_all, name=f"callbacks-{n}", daemon=True)
            for n in range(_POSTERS)
        ]
        self.given_up = self.repeated = self.refused = 0

    @property
    def pending(self) -> int:
        """Number of bodies without an acknowledgement."""
        with self._changed:
            return len(self._waiting) + self._under_way

    def start(self) -> None:
        """Start posting."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the posts in progress."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def tell(
        self,
        documents: Sequence[NumberedDocument],
        poisons: Sequence[int],
        *,
        insisting: bool = False,
    ) -> None:
        """Post bodies of several Pix; a malformed element has no identifier.

        Args:
            documents: documents to post.
            poisons: numbers of malformed elements.
            insisting: post every body until it is answered 200.
        """
        rest = list(poisons)
        start = 0
        while start < len(documents) or rest:
            size = self._rng.randint(1, LARGEST_BODY)
            part, bad = tuple(documents[start : start + size]), tuple(rest[:1])
            start, rest = start + size, rest[1:]
            for document in part:
                self._oracle.offered.add(document.number, document.bits)
            for number in bad:
                self._oracle.poison_offered.add(number, 1)
            elements = [pix_object(document) for document in part]
            elements += [
                msgspec.json.encode({"valor": "1.00", "infoPagador": self._oracle.poison(number)})
                for number in bad
            ]
            self._rng.shuffle(elements)
            content = b'{"pix":[' + b",".join(elements) + b"]}"
            self._push(content, part, bad, once=not insisting and self._rng.random() < ONCE_SHARE)

    def _push(
        self,
        content: bytes,
        documents: tuple[NumberedDocument, ...],
        poisons: tuple[int, ...],
        *,
        once: bool,
    ) -> None:
        with self._changed:
            self._number += 1
            now = time.monotonic()
            body = _Body(now, self._number, content, documents, poisons, 0, once, final=False)
            heapq.heappush(self._waiting, body)
            self._changed.notify()

    def _post_all(self) -> None:
        with httpx2.Client(timeout=_POST_SECONDS, trust_env=False) as client:
            while (body := self._next()) is not None:
                answered = self._post(client, body)
                self._settle(body, answered=answered)

    def _next(self) -> _Body | None:
        with self._changed:
            while not self._stopping:
                wait = self._waiting[0].due - time.monotonic() if self._waiting else 1.0
                if self._waiting and wait <= 0:
                    self._under_way += 1
                    return heapq.heappop(self._waiting)
                self._changed.wait(max(0.01, min(wait, 1.0)))
            return None

    def _post(self, client: httpx2.Client, body: _Body) -> bool:
        try:
            answer = client.post(
                self._url, content=body.content, headers={"Content-Type": "application/json"}
            )
        except httpx2.HTTPError:
            return False
        return answer.status_code == httpx2.codes.OK

    def _settle(self, body: _Body, *, answered: bool) -> None:
        if answered:
            for document in body.documents:
                self._oracle.acknowledged.add(document.number, document.bits)
            for number in body.poisons:
                self._oracle.poison_acknowledged.add(number, 1)
        with self._changed:
            self._under_way -= 1
            now = time.monotonic()
            if answered and not body.final and self._rng.random() < AGAIN_SHARE:
                self.repeated += 1
                due = now + self._rng.uniform(0, 20)
                heapq.heappush(self._waiting, body._replace(due=due, once=True, final=True))
            elif not answered:
                self.refused += 1
                if body.once:
                    self.given_up += 1
                else:
                    delay = min(3.0, 0.2 * 2**body.attempts)
                    due = now + self._rng.uniform(0, delay)
                    again = body._replace(due=due, attempts=min(body.attempts + 1, 10))
                    heapq.heappush(self._waiting, again)
            self._changed.notify()


def pix_object(document: NumberedDocument) -> bytes:
    """Return the object `Pix` of a document, with its return if it has one."""
    return msgspec.json.encode(pix(document.transfer, document.transfer.returns))
