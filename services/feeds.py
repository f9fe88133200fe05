"""Whose bars the collector sees: the stream and the look-ups of `scanner.feed`, with the keys that this feed needs."""

import datetime as dt
from collections.abc import Awaitable, Callable

import msgspec

from adapters.calendar import load_calendar
from adapters.polygon.rest import PolygonReference
from adapters.polygon.stream import PolygonStream
from adapters.redis.lock import RedisLock
from adapters.redis.server import socket_url
from config import environment
from config.params import ConfigError
from core.model.params import Params
from core.model.session import Phase
from core.rules.folding import Folding
from ports.clock import Calendar
from ports.market_data import BarStream, ReferenceData
from services.feed_turn import TurnedFeed, holder_of
from services.runtime import Runtime

# halts, where the plan has them
EXTRAS = ("LULD.*",)


class Following:
    """The tickers whose bars are needed whatever the market does: a feed of part of the market asks for them."""

    def __init__(self) -> None:
        self.tickers: tuple[str, ...] = ()


class OpenFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed at work; `lock` is that of its key, `release` ends what its look-ups hold."""

    stream: TurnedFeed
    reference: ReferenceData
    following: Following
    lock: RedisLock
    release: Callable[[], Awaitable[None]]

    async def close(self) -> None:
        """Disconnect, give the turn back, release what the look-ups hold."""
        await self.stream.close()
        await self.lock.close()
        await self.release()


def seen_by_feed(params: Params) -> Params:
    """The settings with thresholds for what the feed sees of the market's volume. Call it once."""
    return msgspec.structs.replace(params, scanner=params.scanner.for_feed())


def open_feed(runtime: Runtime) -> OpenFeed:
    """The feed of `scanner.feed`. Raises ConfigError where its keys are missing."""
    environment.check_feed(runtime.env, runtime.params.scanner.feed)
    calendar = load_calendar(runtime.settings.state_dir, runtime.clock.now().date())
    return _kis(runtime, calendar) if runtime.params.scanner.feed == "kis" else _polygon(runtime, calendar)


def _turned(runtime: Runtime, key: str, make: Callable[[], BarStream]) -> tuple[TurnedFeed, RedisLock]:
    """One collector per key."""
    url = runtime.settings.redis_url or socket_url(runtime.settings.state_dir)
    lock = RedisLock(url, key, holder=holder_of(runtime.settings.state_dir))
    return TurnedFeed(make, lock), lock


def _polygon(runtime: Runtime, calendar: Calendar) -> OpenFeed:
    polygon = environment.polygon(runtime.env)

    def expects_data(at: dt.datetime) -> bool:
        return calendar.current_or_next(at).phase(at) is Phase.REGULAR

    stream, lock = _turned(
        runtime,
        polygon.key,
        lambda: PolygonStream(
            polygon.key,
            polygon.ws_url,
            clock=runtime.clock,
            package=polygon.package,
            fold=Folding() if runtime.params.scanner.aggregates == "second" else None,
            extras=EXTRAS,
            expects_data=expects_data,
        ),
    )
    reference = PolygonReference(polygon.key, polygon.rest_url, clock=runtime.clock, package=polygon.package)
    return OpenFeed(stream=stream, reference=reference, following=Following(), lock=lock, release=reference.close)


def _kis(runtime: Runtime, calendar: Calendar) -> OpenFeed:
    # python-kis and requests cost 40 MB: only a feed that needs them loads them
    from adapters.kis.auth import KisCredentials
    from adapters.kis.client import KisGateway
    from adapters.kis.market import KisMarket
    from adapters.kis.master import fetch_rows
    from adapters.kis.reference import KisReference
    from adapters.kis.stream import KisStream

    kis = environment.kis_market(runtime.env)
    try:
        gateway = KisGateway(
            KisCredentials(hts_id=kis.hts_id, account=kis.account, appkey=kis.appkey, appsecret=kis.appsecret),
            kis.base_url,
            paper=False,
            clock=runtime.clock,
            rate_per_s=kis.rate_per_s,
            timeout_s=kis.timeout_s,
            # the trader's: one token a day and one rate for both processes
            token_dir=runtime.settings.state_dir / "tokens",
            speed=runtime.clock.speed,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    market, following = KisMarket(gateway), Following()
    url, folder = environment.master_url(runtime.env), runtime.settings.state_dir / "master"
    reference = KisReference(market, lambda: fetch_rows(url, folder), clock=runtime.clock)

    def trades_at(at: dt.datetime) -> bool:
        return calendar.current_or_next(at).phase(at) is not Phase.CLOSED

    stream, lock = _turned(
        runtime,
        kis.appkey,
        lambda: KisStream(
            market,
            reference,
            clock=runtime.clock,
            params=lambda: runtime.params.scanner,
            wanted=lambda: following.tickers,
            trades_at=trades_at,
        ),
    )
    return OpenFeed(stream=stream, reference=reference, following=following, lock=lock, release=gateway.close)
