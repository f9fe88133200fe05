"""What the bot is handed at start, and nothing it could make itself."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.beats import Beats
from charts.worker import ChartWorker
from core.model.bar import Bar
from core.model.calibration import Calibration
from core.model.params import Params
from core.model.safety import Caps
from ports.bus import Bus
from ports.clock import Calendar, Clock
from ports.control import TraderControl
from ports.research import Backtests, CandidateStore
from ports.store import ChatStore, ForegoneStore, OutboxStore, RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDeps:
    """The bot's world.

    `owners` may do everything and get the notices; `viewers` may look, and get none. `params` is config.yaml without the
    overrides made in chat; the bot adds those from `chat`. `bars` looks up the minute bars of a ticker's session up to
    an instant, `days` its daily bars with today's so far: oldest first, empty where the vendor does not know the ticker,
    ReferenceUnavailable where it can't say now. `api_base` is
    a local Bot API server such as http://127.0.0.1:8081. `halt` writes the HALT file when /panic can't reach the
    trader. `beats` reads the signs of life of trader and guardian from their files every `beats_every_s`, of which the
    first `beats_grace_s` seconds raise no alarm about silence. `handback` asks a guardian that keeps the watch to give it back; raises OSError. `secret` is the second factor's, None where it is not enrolled; raises OSError. `caps` are the
    owner's hard limits, which no setting made in chat may exceed. `calibration` reads what became of past signals, None where
    no backtest has told. `backtests` runs beside the bot, `candidates` of a search wait for a decision; both are looked
    at every `research_every_s`. Redis and the database are looked at every `servers_every_s` and told after
    `servers_patience_s` of trouble. `stale_after` is in the clock's own time.
    """

    token: str = field(repr=False)
    owners: frozenset[int]
    version: str
    params: Params
    clock: Clock
    calendar: Calendar
    bus: Bus
    control: TraderControl
    records: RecordStore
    chat: ChatStore
    outbox: OutboxStore
    foregone: ForegoneStore
    charts: ChartWorker
    bars: Callable[[str, dt.datetime], Awaitable[Sequence[Bar]]]
    days: Callable[[str], Awaitable[Sequence[Bar]]] | None = None
    viewers: frozenset[int] = frozenset()
    api_base: str | None = None
    halt: Callable[[], Awaitable[None]] | None = None
    beats: Callable[[], Awaitable[Beats]] | None = None
    beats_every_s: float = 3.0
    beats_grace_s: float = 30.0
    handback: Callable[[], Awaitable[None]] | None = None
    secret: Callable[[], Awaitable[str | None]] | None = field(default=None, repr=False)
    caps: Caps = field(default_factory=Caps)
    calibration: Callable[[], Calibration | None] = lambda: None
    backtests: Backtests | None = None
    candidates: CandidateStore | None = None
    research_every_s: float = 30.0
    servers_every_s: float = 10.0
    servers_patience_s: float = 60.0
    stale_after: dt.timedelta = dt.timedelta(seconds=60)
    pace: float = 1.0

    def __post_init__(self) -> None:
        if not self.owners:
            raise ValueError("telegram: no owner ids are configured, so nobody could use the bot; set at least one")
