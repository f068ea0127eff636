"""What all views share: settings, the last status, its history, and what runs commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixstream.page import charts, figures, live
from pixstream.page.calls import Caller
from pixstream.page.history import History
from pixstream.page.language import COOKIE, choose
from pixstream.page.picture import Flow, flow
from pixstream.page.sessions import Sessions
from pixstream.page.works import Works

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from pixstream.config.loading import Effective, Settings
    from pixstream.metrics import Sample
    from pixstream.page.charts import Chart
    from pixstream.page.language import Tongue
    from pixstream.page.live import Values
    from pixstream.page.sessions import Session
    from pixstream.processes.run_status import SupervisorStatus

    _Moment = tuple[SupervisorStatus | None, bool, int]


class Site:
    """One page, used in the thread of its event loop.

    Args:
        effective: the configuration as it was written, for what is shown of it.
        settings: the settings made from it.
        program: how a command of pixstream is called with the same configuration.
        latest: returns the status that the supervisor last published; None: none yet.
        own: returns samples of the supervisor itself, such as the lag.
    """

    def __init__(
        self,
        effective: Effective,
        settings: Settings,
        program: Sequence[str],
        latest: Callable[[], SupervisorStatus | None],
        own: Callable[[], Sequence[Sample]] = tuple,
    ) -> None:
        self.effective = effective
        self.settings = settings
        self.program = program
        self.latest = latest
        self._own = own
        self.history = History()
        self._charts: tuple[int, list[Chart]] | None = None
        self._values: dict[tuple[str, bool], tuple[_Moment, Values]] = {}
        self.streams = live.Streams(settings.page.streams)
        self.sessions = Sessions(settings.page.token)
        self.caller = Caller(program, settings.page.call_seconds)
        self.works = Works(self.caller, settings.page.action_seconds)
        self.secure = bool(settings.page.certificate)
        self.cookie = "pixstream_page"
        """The name of the session's cookie; the server adds its port, which cookies ignore."""

    @property
    def fresh(self) -> bool:
        """Whether the supervisor publishes."""
        return live.is_fresh(self.latest(), time.monotonic())

    def tongue(self, request: Request) -> Tongue:
        """Return the language of a request."""
        return choose(
            request.query_params.get("lang"),
            request.cookies.get(COOKIE),
            request.headers.get("accept-language", ""),
        )

    def session(self, request: Request) -> Session | None:
        """Return the session of a request; None: nobody has logged in."""
        return self.sessions.find(request.cookies.get(self.cookie))

    def flow(self) -> Flow:
        """Return what is connected with what, of the components that run."""
        status = self.latest()
        running = [] if status is None else [c.component for c in status.components]
        return flow(self.settings, running)

    def charts(self) -> list[Chart]:
        """Return the charts of the last hour; they are drawn once for each point."""
        if self._charts is None or self._charts[0] != self.history.taken:
            self._charts = self.history.taken, charts.charts(self.history)
        return self._charts[1]

    def values(self, tongue: Tongue, *, with_charts: bool = False) -> Values:
        """Return the present values of a page; all browsers of a language share them."""
        status, fresh = self.latest(), self.fresh
        drawn = self.charts() if with_charts else []
        moment = (status, fresh, self.history.taken)
        known = self._values.get((tongue.code, with_charts))
        if known is not None and known[0][0] is status and known[0][1:] == moment[1:]:
            return known[1]
        found = live.values(status, self.samples(), self.flow(), drawn, tongue, fresh=fresh)
        self._values[tongue.code, with_charts] = moment, found
        return found

    def samples(self) -> list[Sample]:
        """Return every sample: of the components, and of the supervisor itself."""
        return [*figures.samples(self.latest()), *self._own()]

    def sample(self) -> None:
        """Take a point of the history, if it is time."""
        status = self.latest()
        if status is not None and self.history.due(status):
            self.history.take(status, self.samples())
