"""What the bot is handed at start, and nothing it could make itself."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from charts.worker import ChartWorker
from core.model.bar import Bar
from core.model.params import Params
from ports.bus import Bus
from ports.clock import Calendar, Clock
from ports.control import TraderControl
from ports.store import ChatStore, RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDeps:
    """The bot's world.

    `params` is config.yaml without the overrides made in chat; the bot adds those from `chat`. `bars` looks up recent
    minute bars of a ticker that is not in memory, oldest first, empty where the vendor does not know it. `api_base` is
    a local Bot API server such as http://127.0.0.1:8081. `halt` writes the HALT file when /panic can't reach the
    trader. `guardian` tells whether the guardian, which knows no bus, shows signs of life. `stale_after` is in the
    clock's own time.
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
    charts: ChartWorker
    bars: Callable[[str], Awaitable[Sequence[Bar]]]
    api_base: str | None = None
    halt: Callable[[], Awaitable[None]] | None = None
    guardian: Callable[[], Awaitable[bool]] | None = None
    stale_after: dt.timedelta = dt.timedelta(seconds=60)
    pace: float = 1.0

    def __post_init__(self) -> None:
        if not self.owners:
            raise ValueError("telegram: no owner ids are configured, so nobody could use the bot; set at least one")
