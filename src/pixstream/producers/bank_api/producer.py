"""Asks a bank's API Pix 2.9.0 for received Pix: GET /pix, by windows of time, for each account.

Every account is two streams. `NAME` follows the present in windows that overlap, since a bank
lists late what it books late. `NAME/returns` goes again and again over the last 95 days for Pix
with returns, which come up to 90 days after their Pix and are listed under the Pix's time.

A position moves only past a window of which every page was read. What the overlap repeats with the
same content is left out while it is remembered, and dropped at the table when it is not.

A new account begins at `start`. Where a bank lists only so many days (`history_days`), a position
older than that is a gap: `on_gap` says whether the producer stops before it or goes on after it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError, PixstreamError
from pixstream.formats import api_pix
from pixstream.plugins import gaps
from pixstream.plugins.gaps import OnGap
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.bank_api import windows
from pixstream.producers.bank_api.client import Access, BankClient
from pixstream.producers.bank_api.feed import REMEMBERED, Feed, Query, end_calls, run_calls
from pixstream.producers.bank_api.schedules import Follow, History, Sweep
from pixstream.producers.bank_api.windows import Recent, Window
from pixstream.secret_setting import secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixstream.event.model import Draft, Refusal
    from pixstream.plugins.producer import Position, Stream
    from pixstream.producers.bank_api.auth import Token
    from pixstream.producers.bank_api.schedules import Schedule

log = logging.getLogger("pixstream.producers.bank_api.producer")

_ISPB = Meta(pattern="^([0-9A-Z]{8})?$", description="ISPB of the bank that keeps the account")
_RETURNS = "/returns"


class Account(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One account at the bank."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
            description="names its streams; never the number of the account",
        ),
    ]
    headers: Annotated[
        dict[str, Annotated[str, Meta(pattern="^[ -~]*$")]],
        secret("what tells the account apart: x-conta-corrente"),
    ] = msgspec.field(default_factory=dict)
    ispb: Annotated[str, _ISPB] = ""


@dataclasses.dataclass(kw_only=True)
class BankApi(Producer):
    """Received Pix and their returns, from GET /pix of API Pix 2.9.0."""

    url: Annotated[str, Meta(description="base of the bank's API Pix, below which /pix lies")] = ""
    token_url: Annotated[str, Meta(description="where the bank gives OAuth2 tokens")] = ""
    client_id: Annotated[str, Meta(description="OAuth2 client")] = ""
    client_secret: Annotated[str, secret("its secret; empty: the certificate is enough")] = ""
    scope: Annotated[str, Meta(description="OAuth2 scope; empty: none is asked for")] = "pix.read"
    token_auth: Annotated[
        Literal["basic", "body"],
        Meta(description="where id and secret go: the Authorization header, or the form"),
    ] = "basic"  # noqa: S105  a way, no secret
    certificate: Annotated[str, Meta(description="PEM file of the client; empty: none")] = ""
    key: Annotated[str, Meta(description="PEM file of its private key; empty: the same file")] = ""
    ca_file: Annotated[
        str, Meta(description="PEM file of the authorities to trust; empty: the system's")
    ] = ""
    timeout_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="of one call, to the last byte of its answer, s"),
    ] = 30.0
    accounts: Annotated[
        list[Account], Meta(description="accounts to read; none: one, named as this producer")
    ] = dataclasses.field(default_factory=list)
    ispb: Annotated[str, _ISPB] = ""
    start: Annotated[
        str,
        Meta(description="where a new account begins: now, 24h or 7d ago, a time with its zone"),
    ] = "24h"
    history_days: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="how far back the bank lists Pix; 0: all")
    ] = 0
    on_gap: Annotated[
        OnGap,
        Meta(description="a position older than history_days: stop, or continue where they begin"),
    ] = "stop"
    poll_seconds: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="pause between windows at the present, s")
    ] = 30.0
    overlap_seconds: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="how far a window reaches back, s")
    ] = 300
    window_hours: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="longest window of one call, h")
    ] = 24.0
    one_day_windows: Annotated[
        bool, Meta(description="no call crosses midnight in Brasília (Santander)")
    ] = False
    page_size: Annotated[
        Annotated[int, Meta(ge=1, le=1000)], Meta(description="Pix asked for in one call")
    ] = 1000
    returns_days: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="how far back returns are looked for; 0: not")
    ] = 95
    returns_every_seconds: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="from one look for returns to the next, s")
    ] = 3600.0

    def __post_init__(self) -> None:
        """Begin without a token and with nothing remembered."""
        super().__post_init__()
        self._token: Token | None = None
        self._known: dict[Stream, Recent] = {}
        self._feeds: dict[Stream, Feed] = {}

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Read every stream of this replica, in turns: one that waits holds up no other.

        Raises:
            Transient: every stream failed.
            PixstreamError: every stream is refused, one may not go on (`on_gap`), or a setting is
                wrong.
        """
        schedules = self._schedules(since)
        client = BankClient(self._access(), self._token)
        loop = asyncio.new_event_loop()
        before = self._feeds
        self._feeds = {
            stream: Feed(
                stream,
                schedule,
                self._query(account, schedule),
                client=client,
                loop=loop,
                pause=dt.timedelta(seconds=self.poll_seconds),
                known=self._known.setdefault(stream, Recent(REMEMBERED)),
            )
            for stream, (account, schedule) in schedules.items()
        }
        feeds = list(self._feeds.values())
        for feed in feeds:
            feed.failure = before[feed.stream].failure if feed.stream in before else None
        try:
            for stream, (_, schedule) in schedules.items():
                if isinstance(schedule, Follow) and stream not in since:
                    self._say_cold_start(stream, schedule)
                    yield Reading(stream=stream, position=schedule.position, content=None)
            turns = [feed.turns() for feed in feeds]
            while True:
                readings = [reading for turn in turns if (reading := next(turn)) is not None]
                yield from readings
                if not readings:
                    # Before a failure is raised what was read is committed, or streams that
                    # fail at once would keep the others from ever getting on.
                    yield None
                    run_calls(loop, feeds)
        finally:
            self._token = client.auth.token
            loop.run_until_complete(end_calls(client, feeds))
            loop.close()

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield what one page holds."""
        return api_pix.parse(raw, ispb=self.ispb or None)

    def parse_again(self, raw: bytes, stream: Stream) -> Iterator[Draft | Refusal]:
        """Yield what a piece of a page holds, with the ISPB of the account it was read for."""
        name = stream.removesuffix(_RETURNS)
        account = next((account for account in self._accounts() if account.name == name), None)
        if account is None and any(account.ispb for account in self.accounts):
            raise ConfigError(
                f"no account {name} in {self.name} to tell the ISPB; name it there for the replay"
            )
        return api_pix.parse(raw, ispb=self._ispb_of(account))

    def delivered(self, reading: Reading) -> None:
        """Remember what need not be read again."""
        feed = self._feeds.get(reading.stream)
        if feed is not None:
            feed.delivered(reading)

    def waits(self) -> bool:
        """Whether the last try of a stream failed: its window is not read yet."""
        return any(feed.failure is not None for feed in self._feeds.values())

    def check(self) -> str:
        """Get a token, and the last minute's first Pix of every account."""
        self._schedules({})
        asyncio.run(self._ask())
        return f"GET /pix answers, accounts asked: {len(self._accounts())}"

    async def _ask(self) -> None:
        client = BankClient(self._access())
        try:
            now = dt.datetime.now(dt.UTC)
            window = Window(now - dt.timedelta(minutes=1), now)
            for account in self._accounts():
                try:
                    await client.page(window, 0, 1, headers=account.headers)
                except PixstreamError as error:
                    raise PixstreamError(f"account {account.name}: {error}") from None
        finally:
            await client.aclose()

    def _accounts(self) -> list[Account]:
        return self.accounts or [Account(name=self.name)]

    def _schedules(
        self, since: Mapping[Stream, Position]
    ) -> dict[Stream, tuple[Account, Schedule]]:
        """The streams of this replica: whose they are and which windows they read."""
        start = windows.beginning(self.start, dt.datetime.now(dt.UTC))
        overlap, span = (
            dt.timedelta(seconds=self.overlap_seconds),
            dt.timedelta(hours=self.window_hours),
        )
        if overlap >= span:
            raise ConfigError(f"{self.name}: overlap_seconds must be less than window_hours")
        if 0 < self.history_days < self.returns_days:
            raise ConfigError(f"{self.name}: returns_days must not be more than history_days")
        every = dt.timedelta(seconds=self.poll_seconds)
        reach = dt.timedelta(days=self.returns_days)
        again = dt.timedelta(seconds=self.returns_every_seconds)
        found: dict[Stream, tuple[Account, Schedule]] = {}
        for account in self._accounts():
            name, returns = account.name, account.name + _RETURNS
            if name in found:
                raise ConfigError(f"{self.name}: two accounts are named {name}")
            found[name] = (
                account,
                Follow(
                    since.get(name),
                    start=start,
                    overlap=overlap,
                    span=span,
                    every=every,
                    history=self._history(name, "Pix received"),
                ),
            )
            if reach:
                sweep = Sweep(
                    since.get(returns),
                    reach=reach,
                    span=span,
                    every=again,
                    history=self._history(returns, "returns of Pix received"),
                )
                found[returns] = account, sweep
        return {stream: both for stream, both in found.items() if self.owns(stream)}

    def _history(self, stream: Stream, what: str) -> History | None:
        """What the bank still lists, and what becomes of a gap in a stream."""

        def met(window: Window) -> None:
            since, until = (when.isoformat(timespec="seconds") for when in window)
            gaps.met(
                f"{self.name}, stream {stream}",
                f"what the bank knows of {what} from {since} to {until} (it lists "
                f"history_days: {self.history_days})",
                self.on_gap,
                f"it goes on from {until}",
            )

        return History(dt.timedelta(days=self.history_days), met) if self.history_days else None

    def _say_cold_start(self, stream: Stream, schedule: Follow) -> None:
        log.warning(
            "%s, stream %s: has no position and begins at %s (start: %s); what was received before "
            "is not read",
            self.name,
            stream,
            schedule.begins.isoformat(timespec="seconds"),
            self.start,
        )

    def _query(self, account: Account, schedule: Schedule) -> Query:
        return Query(
            returns=isinstance(schedule, Sweep),
            page_size=self.page_size,
            one_day=self.one_day_windows,
            headers=account.headers,
            ispb=self._ispb_of(account),
        )

    def _ispb_of(self, account: Account | None) -> str | None:
        return (account and account.ispb) or self.ispb or None

    def _access(self) -> Access:
        return Access(
            url=self.url,
            token_url=self.token_url,
            client_id=self.client_id,
            client_secret=self.client_secret,
            scope=self.scope,
            basic=self.token_auth == "basic",  # noqa: S105  a way, no secret
            certificate=self.certificate,
            key=self.key,
            ca_file=self.ca_file,
            timeout_seconds=self.timeout_seconds,
        )
