"""The bank API producer: polls API Pix 2.9.0 for received Pix, GET /pix by time windows.

Every account has two streams. `NAME` follows the present in overlapping windows, because a bank
lists a Pix late if it books it late. `NAME/returns` repeatedly sweeps the last 95 days for Pix with
returns (devoluções), which come up to 90 days after their Pix and are listed at the time of the
Pix.

A position advances only past a window whose pages were all read. Contents that the overlap repeats
unchanged are skipped while they are remembered, and dropped at the table otherwise.

A new account begins at `start`. If a bank lists only a number of days (`history_days`), an older
position means a gap: `on_gap` says whether the producer stops before it or continues after it.
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
from pixstream.producers.bank_api.client import Access, BankClient, sent_in_clear
from pixstream.producers.bank_api.feed import REMEMBERED, Feed, Query, end_calls, run_calls
from pixstream.producers.bank_api.schedules import Follow, History, Sweep
from pixstream.producers.bank_api.token_pace import TokenPace
from pixstream.producers.bank_api.windows import Recent, Window
from pixstream.secret_setting import public, secret

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
            description="name of its streams; never the account number",
        ),
    ]
    headers: Annotated[
        dict[str, Annotated[str, Meta(pattern="^[ -~]*$")]],
        secret("request headers that select the account, such as x-conta-corrente"),
    ] = msgspec.field(default_factory=dict)
    ispb: Annotated[str, _ISPB] = ""


@dataclasses.dataclass(kw_only=True)
class BankApi(Producer):
    """Received Pix and their returns, from GET /pix of API Pix 2.9.0."""

    url: Annotated[str, Meta(description="base URL of the bank's API Pix, without /pix")] = ""
    token_url: Annotated[str, Meta(description="OAuth2 token endpoint of the bank")] = ""
    client_id: Annotated[str, Meta(description="OAuth2 client id")] = ""
    client_secret: Annotated[str, secret("OAuth2 secret; empty: the certificate suffices")] = ""
    scope: Annotated[str, Meta(description="OAuth2 scope to request; empty: none")] = "pix.read"
    token_auth: Annotated[
        Literal["basic", "body"],
        Meta(description="where id and secret are sent: the Authorization header, or the form"),
    ] = "basic"  # noqa: S105  a method, not a secret
    certificate: Annotated[
        str, Meta(description="PEM file of the client certificate; empty: none")
    ] = ""
    key: Annotated[str, public("PEM file of its private key; empty: the same file")] = ""
    ca_file: Annotated[
        str, Meta(description="PEM file of the trusted CAs; empty: the system's")
    ] = ""
    timeout_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="longest call, up to the last byte of its answer, s"),
    ] = 30.0
    accounts: Annotated[
        list[Account], Meta(description="accounts to read; empty: one, named like this producer")
    ] = dataclasses.field(default_factory=list)
    ispb: Annotated[str, _ISPB] = ""
    start: Annotated[
        str,
        Meta(description="where a new account begins: now, 24h or 7d ago, or a time with its zone"),
    ] = "24h"
    history_days: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="how far back the bank lists Pix; 0: all")
    ] = 0
    on_gap: Annotated[
        OnGap,
        Meta(description="a position older than history_days: stop, or continue at their start"),
    ] = "stop"
    poll_seconds: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="pause between windows at the present, s")
    ] = 30.0
    overlap_seconds: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="overlap with the window before, s")
    ] = 300
    window_hours: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="longest window of one call, h")
    ] = 24.0
    one_day_windows: Annotated[
        bool, Meta(description="no call crosses midnight in Brasília (Santander)")
    ] = False
    page_size: Annotated[
        Annotated[int, Meta(ge=1, le=1000)], Meta(description="Pix requested in one call")
    ] = 1000
    returns_days: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="days to look back for returns; 0: no look")
    ] = 95
    returns_every_seconds: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="time between two sweeps for returns, s")
    ] = 3600.0

    def __post_init__(self) -> None:
        """Start without a token and with nothing remembered."""
        super().__post_init__()
        self._token: Token | None = None
        self._pace = TokenPace()
        self._known: dict[Stream, Recent] = {}
        self._feeds: dict[Stream, Feed] | None = None

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Read every stream of this replica in turns: a waiting stream does not block the others.

        Raises:
            Transient: the bank answers no stream.
            PixstreamError: one must not continue (`on_gap`), or a setting is wrong.
        """
        schedules = self._schedules(since)
        client = BankClient(self._access(), self._token, self._pace)
        for warning in self.warnings() if self._feeds is None else ():
            log.warning("%s: %s", self.name, warning)
        loop = asyncio.new_event_loop()
        before = self._feeds or {}
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
            if feed.stream in before:
                feed.resume(before[feed.stream].waiting)
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
                    # Commit what was read before a failure is raised: otherwise streams that fail
                    # immediately would keep the others from making progress.
                    yield None
                    run_calls(loop, feeds)
        finally:
            self._token = client.auth.token
            loop.run_until_complete(end_calls(client, feeds))
            loop.close()

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield the contents of one page."""
        return api_pix.parse(raw, ispb=self.ispb or None)

    def parse_again(self, raw: bytes, stream: Stream) -> Iterator[Draft | Refusal]:
        """Yield the contents of a piece of a page, with the ISPB of the account it came from."""
        name = stream.removesuffix(_RETURNS)
        account = next((account for account in self._accounts() if account.name == name), None)
        if account is None and any(account.ispb for account in self.accounts):
            raise ConfigError(
                f"{self.name} has no account {name}, so its ISPB is unknown; add it for the replay"
            )
        return api_pix.parse(raw, ispb=self._ispb_of(account))

    def delivered(self, reading: Reading) -> None:
        """Remember the contents that need not be read again."""
        feed = (self._feeds or {}).get(reading.stream)
        if feed is not None:
            feed.delivered(reading)

    def waits(self) -> bool:
        """Whether a stream failed at its last attempt, or was not answered yet since the start."""
        feeds = self._feeds
        return feeds is None or any(feed.waits for feed in feeds.values())

    def check(self) -> str:
        """Request a token, and the first Pix of the last minute for every account."""
        self._schedules({})
        asyncio.run(self._ask())
        return f"GET /pix answers, accounts queried: {len(self._accounts())}"

    def warnings(self) -> Iterator[str]:
        """Yield the addresses that are used without TLS."""
        for name, address in (("url", self.url), ("token_url", self.token_url)):
            if sent_in_clear(address):
                yield (
                    f"{name}: http:// sends tokens, secrets and Pix in clear, where anybody on the "
                    "way can read and change them; use https://"
                )

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
        """Return the streams of this replica, each with its account and schedule."""
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
        """Return how far back the bank lists Pix and how to handle a gap; None: it lists all."""

        def met(window: Window) -> None:
            since, until = (when.isoformat(timespec="seconds") for when in window)
            gaps.met(
                f"{self.name}, stream {stream}",
                f"{what} from {since} to {until} (the bank lists history_days: "
                f"{self.history_days})",
                self.on_gap,
                f"it continues from {until}",
            )

        return History(dt.timedelta(days=self.history_days), met) if self.history_days else None

    def _say_cold_start(self, stream: Stream, schedule: Follow) -> None:
        log.warning(
            "%s, stream %s: no position, it begins at %s (start: %s); Pix received before are not "
            "read",
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
            basic=self.token_auth == "basic",  # noqa: S105  a method, not a secret
            certificate=self.certificate,
            key=self.key,
            ca_file=self.ca_file,
            timeout_seconds=self.timeout_seconds,
        )
