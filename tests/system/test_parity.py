"""One day through the live processes and through the backtest: the same discoveries, signals, proposals and exits."""

import asyncio
import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from adapters.calendar import XnysCalendar, compute
from backtest.data.day import DayBars
from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from cli.backtest_lived import compared
from cli.backtest_parity import MARGIN, Parity, compare
from cli.data_import import import_files
from cli.live_day import live_day
from cli.programs import ROOT
from config.environment import base
from sandbox.scenarios import story

RECORDED = ROOT.parent / "shared" / "data" / "minute" / "no_licence_stated" / "gappers_alpaca.parquet"
# a minute of the market lasts a second and a half: a busy machine still finishes what a bar began before the next one
SPEED = 40.0


def both(folder: Path, bars: DayBars, begin: dt.datetime, end: dt.datetime) -> Parity:
    folder.mkdir(exist_ok=True)
    live = asyncio.run(live_day(folder, bars=bars, begin_at=begin, end_at=end, speed=SPEED))
    return compare(bars, live, XnysCalendar(compute(bars.on - MARGIN, bars.on + MARGIN)), end)


def the_recording_says_the_same(folder: Path, found: Parity, on: dt.date) -> None:
    """What the collector recorded meanwhile, replayed, is what database and journal hold."""
    lived = compared(base({"SEOHAK_STATE_DIR": str(folder)}), on)
    assert lived.differences == ()
    assert lived.world == ()
    assert lived.gaps == ()
    assert lived.counts["discoveries"][1] >= len(found.live.discoveries)
    assert lived.counts["signals"][1] >= len(found.live.signals)
    assert lived.counts["proposals"][1] >= len(found.live.proposals)
    assert lived.counts["exits"][1] >= len(found.live.exits)


def invented(on: dt.date) -> DayBars:
    """The sandbox's story as a recording: one stock climbs and rolls over, one collapses, others pass in part."""
    market = story.build(on, 7, 16)
    tickers = tuple(sorted(market.instruments))
    rows = [(market.bar(t, row), i) for i, t in enumerate(tickers) for row in range(len(market.series[t].minutes))]
    rows.sort(key=lambda row: (row[0].start_ms, row[1]))
    columns = [
        np.array([getattr(bar, name) for bar, _ in rows], float) for name in ("open", "high", "low", "close", "volume")
    ]
    return DayBars(
        on,
        tickers,
        np.array([i for _, i in rows], np.int32),
        np.array([bar.start_ms for bar, _ in rows], np.int64),
        *columns,
    )


@pytest.mark.xdist_group("parity-invented")
def test_an_invented_day_is_decided_the_same_live_and_replayed(tmp_path: Path) -> None:
    """With a stop, and finds that nobody buys; the history before the span comes from the vendor's look-ups."""
    on = dt.date(2026, 11, 18)
    found = both(
        tmp_path,
        invented(on),
        dt.datetime(2026, 11, 18, 19, 42, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 18, 20, 20, tzinfo=dt.UTC),
    )
    assert found.troubles == ()
    assert found.differences == ()
    assert len(found.live.discoveries) >= 3
    assert "STOP" in {d.detail for d in found.live.exits}
    the_recording_says_the_same(tmp_path, found, on)


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="needs ../shared/data")
@pytest.mark.xdist_group("parity-recorded")
def test_a_recorded_day_is_decided_the_same_live_and_replayed(tmp_path: Path) -> None:
    """Real bars of five gapping stocks, from before two finds that are bought until both are sold."""
    on = dt.date(2025, 1, 6)
    store = Store(tmp_path / "bars")
    import_files(store, [RECORDED], ReadOptions(label=Label.START))
    bars = store.read(on)
    found = both(
        tmp_path / "live",
        bars,
        dt.datetime(2025, 1, 6, 19, 20, tzinfo=dt.UTC),
        dt.datetime(2025, 1, 6, 19, 56, tzinfo=dt.UTC),
    )
    assert found.troubles == ()
    assert found.differences == ()
    assert [d.ticker for d in found.live.proposals] == ["FUBO", "ARBE"]
    assert len(found.live.exits) == 2
    the_recording_says_the_same(tmp_path / "live", found, on)
