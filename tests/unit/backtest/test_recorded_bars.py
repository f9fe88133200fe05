"""Every recorded minute file of ../shared/data comes in whole, and the days that come back are its bars."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bar_files import imported, written

from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from core.rules.days import EASTERN

MINUTE = Path("/work/shared/data/minute")
FILES = sorted(MINUTE.rglob("*.parquet"))
# not minutes: days, and bars of five minutes
OTHERS = {"daily_us_universe_alpaca", "polygon_5min_2023"}
MINUTES = [path for path in FILES if path.stem not in OTHERS]
START = ReadOptions(label=Label.START)
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILES, reason="needs ../shared/data"),
]


@pytest.mark.parametrize("path", MINUTES or [MINUTE], ids=lambda path: path.stem)
def test_a_recorded_file_comes_in_whole(tmp_path: Path, path: Path) -> None:
    (result,) = imported(tmp_path, path, options=START)
    table = pq.read_table(path)
    source = result.source
    assert source is not None, result.problem
    assert (source.rows, source.stored, source.refused) == (len(table), len(table), {})
    store = Store(tmp_path)
    assert store.verify() == []
    recorded = sorted(
        zip(*(table[name].to_pylist() for name in ("ts", "ticker", "open", "close", "volume")), strict=True)
    )
    stored = []
    for on in store.days():
        day = store.read(on)
        names = np.array(day.tickers)[day.ticker].tolist()
        columns = [day.start_ms.tolist(), names, day.open.tolist(), day.close.tolist(), day.volume.tolist()]
        stored += zip(*columns, strict=True)
    assert stored == recorded


def test_recorded_bars_of_five_minutes_are_refused(tmp_path: Path) -> None:
    (result,) = imported(tmp_path, MINUTE / "polygon_5min_2023.parquet", options=START)
    assert result.source is not None
    assert result.source.refused == {"length": result.source.rows}
    assert Store(tmp_path).days() == []


def test_recorded_days_are_refused(tmp_path: Path) -> None:
    path = MINUTE / "no_licence_stated" / "daily_us_universe_alpaca.parquet"
    columns = ReadOptions(label=Label.START, columns={"time": "date"}, timezone="America/New_York")
    (result,) = imported(tmp_path, path, options=columns)
    assert result.source is not None
    assert result.source.refused == {"outside_hours": result.source.rows}


def test_recorded_bars_come_in_as_lean_zips_too(tmp_path: Path) -> None:
    """The same bars in Lean's own shape: a zip per ticker and day, ten-thousandths, wall-clock milliseconds."""
    path = MINUTE / "lean_2008_2015.parquet"
    frame = pq.read_table(path).to_pandas()
    frame["at"] = np.array(frame["ts"], "datetime64[ms]")
    frame["at"] = frame["at"].dt.tz_localize("UTC").dt.tz_convert(EASTERN)
    paths = []
    for (ticker, day), bars in frame.groupby([frame["ticker"], frame["at"].dt.strftime("%Y%m%d")]):
        lines = []
        for bar in bars.itertuples():
            since = ((bar.at.hour * 60 + bar.at.minute) * 60 + bar.at.second) * 1000
            prices = ",".join(str(round(p * 10_000)) for p in (bar.open, bar.high, bar.low, bar.close))
            lines.append(f"{since},{prices},{bar.volume}")
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{day}_{ticker.lower()}_minute_trade.csv", "\n".join(lines))
        target = tmp_path / "equity" / "usa" / "minute" / ticker.lower() / f"{day}_trade.zip"
        paths.append(written(target, data.getvalue()))
    imported(tmp_path / "zips", *paths)
    imported(tmp_path / "parquet", path, options=START)
    zips, parquet = Store(tmp_path / "zips"), Store(tmp_path / "parquet")
    assert zips.days() == parquet.days()
    assert zips.data_hash(zips.days()) == parquet.data_hash(parquet.days())
