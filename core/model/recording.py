"""What the collector writes down of a day: everything that its decisions hung on, in the order in which it happened."""

from typing import Any

import msgspec
import numpy as np

from core.model.bar import Bar
from core.model.batch import BarBatch
from core.model.instrument import Instrument
from core.model.messages import HeldPosition, Instant, WatchListChanged
from core.model.params import Params
from core.model.signal import Discovery


class _Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", omit_defaults=True):
    """One thing that happened; `at` is when the collector met it."""

    at: Instant


class Began(_Entry, frozen=True, kw_only=True, tag="began"):
    """The state in which a part of the recording begins; what follows are changes of it.

    `fresh`: the process has just started and remembers no bar. `feed_ms`: when the feed last connected.
    """

    version: str
    fresh: bool
    params: Params
    watch: WatchListChanged | None = None
    held: tuple[HeldPosition, ...] = ()
    feed_ms: int | None = None
    instruments: tuple[Instrument, ...] = ()


class Arrived(_Entry, frozen=True, kw_only=True, tag="bars"):
    """Bars in order of arrival, revisions included; one entry is what was screened together."""

    bars: BarBatch


class FeedChanged(_Entry, frozen=True, kw_only=True, tag="feed"):
    """The feed connected or was lost."""

    up: bool
    key: str


class SettingsInForce(_Entry, frozen=True, kw_only=True, tag="settings"):
    """Settings were changed; these are all of them."""

    params: Params


class Watching(_Entry, frozen=True, kw_only=True, tag="watching"):
    """The watch list was changed."""

    watch: WatchListChanged


class Holding(_Entry, frozen=True, kw_only=True, tag="holding"):
    """What is held, with its stops, has changed."""

    positions: tuple[HeldPosition, ...]


class Halted(_Entry, frozen=True, kw_only=True, tag="halt"):
    """The exchange halted a ticker, or let it trade again; `at_ms` is the exchange's own time."""

    ticker: str
    at_ms: int
    halted: bool


class HistoryCame(_Entry, frozen=True, kw_only=True, tag="history"):
    """Earlier bars of a ticker were fetched; None where the vendor did not answer."""

    ticker: str
    bars: tuple[Bar, ...] | None


class InstrumentCame(_Entry, frozen=True, kw_only=True, tag="instrument"):
    """A security was looked up; None where the vendor does not know it, `failed` where it did not answer."""

    ticker: str
    instrument: Instrument | None = None
    failed: bool = False


class Found(_Entry, frozen=True, kw_only=True, tag="found"):
    """A bar passed the screen; `lost`: Redis was away and nobody heard of it."""

    ticker: str
    discovery: Discovery
    lost: bool = False


class BarsLost(_Entry, frozen=True, kw_only=True, tag="bars_lost"):
    """The bars just screened could not be passed on: Redis was away."""


class Ended(_Entry, frozen=True, kw_only=True, tag="ended"):
    """The collector stopped in order. Where it is missing, the process was killed."""


Entry = (
    Began
    | Arrived
    | FeedChanged
    | SettingsInForce
    | Watching
    | Holding
    | Halted
    | HistoryCame
    | InstrumentCame
    | Found
    | BarsLost
    | Ended
)


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError


def _column(kind: Any, value: Any) -> Any:
    # numpy.ndarray[shape, numpy.dtype[TYPE]]
    return np.array(value, kind.__args__[1].__args__[0])


encode = msgspec.json.Encoder(enc_hook=_listed).encode
decode = msgspec.json.Decoder(Entry, dec_hook=_column).decode
