"""Where orders go: the paper account, KIS's paper host or the real one."""

import datetime as dt
from pathlib import Path
from urllib.parse import urlsplit

from adapters.clock import AnyClock
from adapters.paper import PaperBroker
from config import environment, golive
from config.params import ConfigError
from core.model.bar import Bar
from core.model.instrument import Exchange, Split
from core.model.messages import BarsClosed, Screened, SplitsOfDay
from core.rules.days import us_date
from ports.broker import Broker
from ports.clock import Calendar
from services.runtime import Runtime

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class PriceBoard:
    """The newest bar, names and venue of each ticker that the feed has shown, and the latest splits."""

    def __init__(self) -> None:
        self._bars: dict[str, tuple[Bar, dt.datetime]] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._splits: dict[str, Split] = {}

    def see(self, message: Screened | BarsClosed | SplitsOfDay, at: dt.datetime) -> None:
        """Take closed bars, `at` being when they arrived, or a day's splits."""
        if isinstance(message, SplitsOfDay):
            others = {ticker: split for ticker, split in self._splits.items() if split.on != message.on}
            later = {ticker for ticker, split in others.items() if split.on > message.on}
            self._splits = others | {s.ticker: s for s in message.splits if s.ticker not in later}
            return
        if isinstance(message, Screened):
            self._names[message.ticker] = (message.discovery.name, message.discovery.name_ko)
            self._exchanges[message.ticker] = Exchange(message.discovery.exchange)
            bars = message.bars[-1:]
        else:
            bars = message.bars
        for bar in bars:
            known = self._bars.get(bar.ticker)
            if known is None or bar.start_ms > known[0].start_ms:
                self._bars[bar.ticker] = (bar, at)

    def newest(self, ticker: str) -> tuple[Bar, dt.datetime] | None:
        """The newest closed bar and when it arrived; None where it is unknown, or the price of shares from before a split."""
        known, split = self._bars.get(ticker), self._splits.get(ticker)
        return None if known and split and us_date(known[0].start_at) < split.on else known

    def names(self, ticker: str) -> tuple[str, str]:
        """English and Korean name, empty where unknown."""
        return self._names.get(ticker, ("", ""))

    def splits(self) -> tuple[Split, ...]:
        """The newest of each ticker that the market data vendor has told."""
        return tuple(self._splits.values())

    def exchange(self, ticker: str) -> Exchange | None:
        """KIS's venue code, None where unknown."""
        return self._exchanges.get(ticker)


def open_broker(runtime: Runtime, board: PriceBoard, calendar: Calendar) -> Broker:
    """The broker of `trading.venue`; the real one outside the sandbox only for the account that `go-live` opened."""
    trading, clock = runtime.params.trading, runtime.clock
    if trading.venue == "paper":
        return PaperBroker(
            runtime.settings.state_dir / "paper.json",
            newest=board.newest,
            cash_krw=trading.paper_cash,
            krw_per_usd=trading.paper_krw_per_usd,
            commission_pct=trading.commission_pct,
            today=lambda: us_date(clock.now()),
            splits=board.splits,
        )
    kis = environment.kis(runtime.env, trading.venue)
    if trading.venue == "kis_real" and is_closed(kis, runtime.settings.state_dir):
        raise ConfigError(
            "trading.venue: kis_real is closed for this account: run ./seohak go-live, or use paper or kis_virtual"
        )
    runtime.note(rate_per_s=kis.rate_per_s)
    return kis_broker(kis, clock, calendar, runtime.settings.state_dir)


def is_closed(kis: environment.KisSettings, state_dir: Path) -> bool:
    """Whether `go-live` has not opened this real account; that of the sandbox needs no door."""
    return not_here(kis.base_url) and not golive.opened(state_dir, golive.fingerprint(kis.account, kis.appkey))


def not_here(url: str) -> bool:
    """Whether an address is outside of this machine, where the sandbox is."""
    return urlsplit(url).hostname not in LOOPBACK


def kis_broker(kis: environment.KisSettings, clock: AnyClock, calendar: Calendar, state_dir: Path) -> Broker:
    """KIS with these keys. Raises ConfigError."""
    # python-kis and requests cost 40 MB: only a venue that needs them loads them
    from adapters.kis.auth import KisCredentials
    from adapters.kis.broker import KisBroker
    from adapters.kis.client import KisGateway

    try:
        gateway = KisGateway(
            KisCredentials(hts_id=kis.hts_id, account=kis.account, appkey=kis.appkey, appsecret=kis.appsecret),
            kis.base_url,
            paper=kis.paper,
            clock=clock,
            quote_base_url=kis.quote_url,
            rate_per_s=kis.rate_per_s,
            timeout_s=kis.timeout_s,
            token_dir=state_dir / "tokens",
            speed=clock.speed,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return KisBroker(gateway, clock, calendar)
