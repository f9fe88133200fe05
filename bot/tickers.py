"""What people call a security, and which one they mean: one resolver for every command."""

import asyncio
import datetime as dt
import difflib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.model.instrument import Instrument
from ports.clock import Clock
from ports.store import RecordStore, StoreUnavailable

log = logging.getLogger(__name__)
CHOICES = 5
NEAREST = 3
# the vendor lists about eleven thousand; a store that knows this many knows all that can be traded
COMPLETE = 1_000
LONGEST_NAME = 4
REFRESH = dt.timedelta(hours=6)
RETRY = dt.timedelta(minutes=1)
_TICKER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,7}([./\-][A-Za-z]{1,3})?")
_NOISE = re.compile(r"[^0-9a-z가-힣]+")
# words at the end of a company's name that nobody types
_TAIL = re.compile(
    r"\s+(incorporated|inc|corporation|corp|company|co|limited|ltd|plc|holdings?|group|class [a-c]|common stock|"
    r"ordinary shares|american depositary shares|adr|ads|s\.?a|n\.?v|nv|ag|the)\.?$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Which security a text means. `sure` is false for what may be read but not acted on: a part of a name."""

    ticker: str = ""
    sure: bool = False
    choices: tuple[Instrument, ...] = ()


def folded(name: str) -> str:
    """A name as it is compared: small letters and digits, without a company's legal form."""
    text = name.casefold().replace(",", " ").strip()
    while (shorter := _TAIL.sub("", text).strip()) != text and shorter:
        text = shorter
    return _NOISE.sub("", text) or _NOISE.sub("", name.casefold())


def symbol(text: str) -> str:
    """A ticker as people type it: $brk/b is BRK.B. Empty where it can't be one."""
    bare = text.strip().lstrip("$")
    return bare.upper().replace("/", ".").replace("-", ".") if _TICKER.fullmatch(bare) else ""


@dataclass(frozen=True, slots=True)
class Index:
    """Every known security by ticker and by each of its names."""

    by_ticker: dict[str, Instrument] = field(default_factory=dict)
    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, instruments: Iterable[Instrument]) -> "Index":
        by_ticker = {i.ticker: i for i in instruments if i.active}
        names: dict[str, list[str]] = {}
        for each in by_ticker.values():
            for key in {folded(each.name), folded(each.name_ko)} - {""}:
                names.setdefault(key, []).append(each.ticker)
        return cls(by_ticker, {key: tuple(sorted(found)) for key, found in names.items()})

    @property
    def complete(self) -> bool:
        """Whether a ticker that is not here can't be traded."""
        return len(self.by_ticker) >= COMPLETE

    def find(self, text: str) -> Found:
        """The security, or at most five that it may be; nothing at all where the text says nothing."""
        typed, key = symbol(text), folded(text)
        named = self.by_name.get(key, ())
        if typed in self.by_ticker:
            shouted = text.strip().startswith("$") or text.strip().isupper()
            others = [name for name in named if name != typed]
            return Found(typed, sure=True) if shouted or not others else self._choose([typed, *others])
        if len(named) == 1:
            return Found(named[0], sure=True)
        starts = named or self._starting(key)
        if len(starts) == 1:
            return Found(starts[0], choices=(self.by_ticker[starts[0]],))
        if starts:
            return self._choose(starts)
        if typed and not self.complete:
            return Found(typed, sure=True)
        return self._choose(self._nearest(typed, key))

    def named(self, text: str) -> Found | None:
        """The one security whose whole name this is."""
        named = self.by_name.get(folded(text), ())
        return Found(named[0], sure=True) if len(named) == 1 else None

    def _choose(self, tickers: Sequence[str]) -> Found:
        return Found(choices=tuple(self.by_ticker[ticker] for ticker in tickers[:CHOICES]))

    def _starting(self, key: str) -> tuple[str, ...]:
        if len(key) < 2:
            return ()
        found = sorted((len(name), name) for name in self.by_name if name.startswith(key))
        return tuple(dict.fromkeys(ticker for _, name in found for ticker in self.by_name[name]))

    def _nearest(self, typed: str, key: str) -> list[str]:
        """Typing errors: names and tickers that begin alike and are about as long."""
        if not key:
            return []
        names = [n for n in self.by_name if n[0] == key[0] and abs(len(n) - len(key)) <= 3]
        near = [t for n in difflib.get_close_matches(key, names, NEAREST, 0.7) for t in self.by_name[n]]
        tickers = [t for t in self.by_ticker if typed and t[0] == typed[0] and abs(len(t) - len(typed)) <= 1]
        near += difflib.get_close_matches(typed, tickers, NEAREST, 0.7)
        return list(dict.fromkeys(near))[:NEAREST]


class Tickers:
    """The index in memory, renewed now and then; a database that is away leaves the one there is."""

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._index = Index()
        self._due_at: dt.datetime | None = None

    async def index(self) -> Index:
        """The newest index that can be had."""
        now = self._clock.now()
        if self._due_at is None or now >= self._due_at:
            self._due_at = now + RETRY
            try:
                rows = await self._records.instruments()
            except StoreUnavailable as trouble:
                log.warning("names of securities can't be read: %s", trouble)
                return self._index
            # eleven thousand names would hold up the chat
            self._index = await asyncio.to_thread(Index.of, [instrument for instrument, _ in rows])
            self._due_at = now + (REFRESH if self._index.complete else RETRY)
        return self._index

    async def take(self, args: Sequence[str]) -> tuple[Found, tuple[str, ...]]:
        """The security that arguments begin with, by the longest whole name, and the arguments after it."""
        index = await self.index()
        for count in range(min(LONGEST_NAME, len(args)), 1, -1):
            found = index.named(" ".join(args[:count]))
            if found is not None:
                return found, tuple(args[count:])
        return index.find(args[0]), tuple(args[1:])

    def known(self, ticker: str) -> Instrument | None:
        """The security as it was last read."""
        return self._index.by_ticker.get(ticker)
