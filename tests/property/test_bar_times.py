"""Wall-clock times of any zone and spelling are the instants that Python's own zones say."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.data.convert import Plan, chunk_of
from backtest.data.options import Label, Layout

ZONES = [
    "America/New_York",
    "America/Chicago",
    "Europe/London",
    "Asia/Seoul",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "UTC",
]
LAYOUT = Layout(ticker="", time="t", date="", end="", values=("p",) * 5)
walls = st.lists(
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2035, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0)),
    min_size=1,
    max_size=20,
)


def starts(column: pa.Array, zone: str, time_format: str = "") -> list[int]:
    plan = Plan(path=Path("f"), layout=LAYOUT, label=Label.START, ticker="A", timezone=zone, time_format=time_format)
    columns = {"t": column, "p": pa.array(np.ones(len(column)))}
    chunk = chunk_of(columns, np.arange(len(column)), plan)
    assert not chunk.refused
    return chunk.rows.start_ms.tolist()


@pytest.mark.parametrize("zone", ZONES)
@given(walls)
def test_a_time_means_the_same_instant_in_every_spelling(zone: str, moments: list[dt.datetime]) -> None:
    expected = [int(at.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000 for at in moments]
    iso = [f"{at:%Y-%m-%d %H:%M:%S}" for at in moments]
    assert starts(pa.array(iso), zone) == expected
    assert starts(pa.array([*iso, "2025-01-06T0930"]), zone)[:-1] == expected, "a mixed column is read one by one"
    assert starts(pa.array([f"{at:%d.%m.%Y %H:%M}" for at in moments]), zone, "%d.%m.%Y %H:%M") == expected
    for unit in ("s", "ms", "us", "ns"):
        assert starts(pa.array(moments, pa.timestamp(unit)), zone) == expected
    aware = [at.replace(tzinfo=ZoneInfo(zone)).isoformat() for at in moments]
    assert starts(pa.array(aware), "") == expected
