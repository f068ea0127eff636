"""Actions of operators: one at a time, in the background, the last of them remembered."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from pixstream.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixstream.page.calls import Answer, Caller

KEPT = 20
UNDER_WAY = "work_under_way"
"""Why an action is refused: a key of `words`."""


class Work:
    """One action.

    Attributes:
        name: what names it in an address.
        verb: replay, discard or reopen.
        target: the letters that it is about.
        who: the operator.
        began: when it began.
        output: what it has said so far.
        answer: what came of it; None: it is under way.
    """

    def __init__(self, verb: str, target: str, who: str) -> None:
        self.name = secrets.token_hex(8)
        self.verb = verb
        self.target = target
        self.who = who
        self.began = dt.datetime.now(dt.UTC)
        self.output = ""
        self.answer: Answer | None = None

    def hear(self, output: str) -> None:
        """Note what it has said so far."""
        self.output = output


class Works:
    """The actions of one page; used in the thread of its event loop.

    Args:
        caller: runs the commands.
        seconds: how long one may take.
    """

    def __init__(self, caller: Caller, seconds: float) -> None:
        self._caller = caller
        self._seconds = seconds
        self._known: OrderedDict[str, Work] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def start(
        self, verb: str, target: str, who: str, arguments: Sequence[str], then: Callable[[], None]
    ) -> Work:
        """Begin an action.

        Args:
            verb: what is done.
            target: to what, for people.
            who: the operator.
            arguments: the words of the command.
            then: called at its end.

        Raises:
            Refused: another one is under way; two replays would fence one another.
        """
        if self._task is not None and not self._task.done():
            raise Refused(UNDER_WAY, "another action is under way")
        work = Work(verb, target, who)
        self._known[work.name] = work
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        self._task = asyncio.create_task(self._do(work, arguments, then))
        return work

    def find(self, name: str) -> Work | None:
        """Return an action by its name."""
        return self._known.get(name)

    def latest(self) -> list[Work]:
        """Return the actions that are remembered, the latest first."""
        return list(reversed(self._known.values()))

    async def _do(self, work: Work, arguments: Sequence[str], then: Callable[[], None]) -> None:
        try:
            work.answer = await self._caller.run(*arguments, seconds=self._seconds, heard=work.hear)
            work.output = work.answer.output
        finally:
            then()

    async def end(self) -> None:
        """End the action that is under way: it stops after its present transaction."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
