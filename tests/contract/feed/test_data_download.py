"""`./seohak data download` against the sandbox: paced, page by page, and it goes on where it was interrupted."""

import argparse
import asyncio
import datetime as dt
import json

import msgspec
import pytest

from backtest.data.manifest import DataProblem
from backtest.data.store import Store
from cli import data, data_download
from cli.data_download import Pace, Window, fetched, windows_of
from config.params import ConfigError
from core.model.bar import Bar
from ports.market_data import ReferenceUnavailable
from sandbox.faults import parse
from tests.contract.feed.conftest import KEY
from tests.unit.sandbox.manual_clock import ManualClock

DAY = dt.date(2026, 11, 18)
LATER = dt.datetime(2026, 11, 19, 17, 0, tzinfo=dt.UTC)


class Hurrying(ManualClock):
    """A clock on which waiting is done at once."""

    async def sleep(self, market_seconds: float) -> None:
        self.advance(market_seconds)


@pytest.fixture
def clock() -> Hurrying:
    return Hurrying(LATER)


@pytest.fixture
def seohak(polygon, clock, tmp_path, monkeypatch):
    """Run `./seohak data ...` in a thread of its own; (exit code, JSON)."""
    env = {
        "SEOHAK_STATE_DIR": str(tmp_path / "state"),
        "POLYGON_API_KEY": KEY,
        "POLYGON_REST_URL": f"http://{polygon.address}",
        "POLYGON_S3_ACCESS_KEY": "sandbox-flat-files",
        "POLYGON_S3_SECRET_KEY": "sandbox-flat-files-secret",
        "POLYGON_S3_URL": f"http://{polygon.address}",
    }
    monkeypatch.setattr(data, "environment", lambda: env)
    monkeypatch.setattr(data_download, "environment", lambda: env)
    monkeypatch.setattr(data_download, "SystemClock", lambda: clock)

    async def run(capsys, *arguments: str) -> tuple[int, dict]:
        parser = argparse.ArgumentParser()
        data.add_arguments(parser)
        options = parser.parse_args([*arguments, "--json"])
        capsys.readouterr()
        code = await asyncio.to_thread(data.run, options)
        return code, json.loads(capsys.readouterr().out)

    return run


def store(tmp_path) -> Store:
    return Store(tmp_path / "state" / "bars")


async def test_bars_by_ticker_come_page_by_page_at_the_plans_pace(seohak, market, clock, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.polygon.rest.BARS_PAGE", 50)
    began = clock.now()
    arguments = ("download", "--tickers", "HELI,BRK.B,NOPE", "--first", "2026-10-20", "--last", "2026-11-18")
    code, facts = await seohak(capsys, *arguments)
    assert code == 0
    printed = {symbol: market.closed_bars(symbol, LATER) for symbol in ("HELI", "BRK.B")}
    day = store(tmp_path).read(DAY)
    assert day.tickers == ("BRK.B", "HELI")
    assert facts["stored"] == len(day) == sum(map(len, printed.values()))
    heli = day.only(["HELI"])
    assert heli.close.tolist() == [bar.close for bar in printed["HELI"]]
    assert heli.start_ms.tolist() == [bar.start_ms for bar in printed["HELI"]]
    assert clock.now() - began >= 5 * dt.timedelta(seconds=12), "six months of tickers, five calls a minute"
    assert not list((tmp_path / "state" / "bars" / "downloads").iterdir())


async def test_what_is_in_the_store_is_not_fetched_again(seohak, capsys, tmp_path, faults):
    arguments = ("download", "--tickers", "HELI", "--first", "2026-11-18", "--plan", "paid")
    assert (await seohak(capsys, *arguments))[0] == 0
    faults.add(parse({"link": "polygon", "action": "error", "times": None, "code": "NOT_AUTHORIZED", "status": 403}))
    code, facts = await seohak(capsys, *arguments)
    assert (code, facts["in_store"]) == (0, 1)


async def test_the_whole_market_comes_as_flat_files(seohak, market, capsys, tmp_path):
    code, facts = await seohak(capsys, "download", "--flat-files", "--first", "2026-11-01")
    assert code == 0
    day = store(tmp_path).read(DAY)
    assert set(day.tickers) == {symbol for symbol in market.symbols if market.closed_bars(symbol, LATER)}
    assert facts["files"][0]["source"]["format"] == "polygon"
    code, facts = await seohak(capsys, "download", "--flat-files", "--first", "2026-11-01")
    assert (code, facts["in_store"]) == (0, 1)


async def test_flat_files_and_rest_give_the_same_bars(seohak, capsys, tmp_path):
    await seohak(capsys, "download", "--flat-files", "--first", "2026-11-18")
    arguments = ("download", "--tickers", "HELI,QBIT", "--first", "2026-11-18", "--plan", "paid")
    code, facts = await seohak(capsys, *arguments)
    assert (code, facts["stored"], facts["refused"]) == (0, 0, {})
    assert facts["duplicates"] == len(store(tmp_path).read(DAY, ["HELI", "QBIT"]))


@pytest.mark.parametrize("what", [["--flat-files"], ["--tickers", "HELI", "--plan", "paid"]])
async def test_with_replace_what_is_in_the_store_is_fetched_again_and_wins(seohak, capsys, tmp_path, what):
    arguments = ("download", *what, "--first", "2026-11-18")
    await seohak(capsys, *arguments)
    day = store(tmp_path).read(DAY, ["HELI"])
    later = msgspec.structs.replace(day, volume=day.volume + 1)
    store(tmp_path).write_day(later, replace=True)
    code, facts = await seohak(capsys, *arguments, "--replace")
    assert (code, facts["replaced"]) == (0, len(day))
    assert store(tmp_path).read(DAY, ["HELI"]).volume.tolist() == day.volume.tolist()


async def test_days_without_bars_are_said_to_have_none(seohak, capsys):
    code, facts = await seohak(capsys, "download", "--flat-files", "--first", "2026-09-01", "--last", "2026-09-02")
    assert (code, facts["files"]) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tickers", "A B", "--first", "2026-11-18"], "--tickers looks like"),
        (["--tickers", ",", "--first", "2026-11-18"], "--tickers looks like"),
        (["--tickers", "A", "--first", "2026-11-19"], "yesterday"),
        (["--flat-files", "--first", "2026-11-18", "--last", "2026-11-01"], "is after"),
    ],
)
async def test_bad_input_is_one_line(seohak, capsys, arguments, words):
    with pytest.raises(ConfigError, match=words):
        await seohak(capsys, "download", *arguments)


async def test_a_vendor_that_refuses_is_one_line_that_says_how_to_go_on(seohak, capsys, faults):
    faults.add(parse({"link": "polygon", "action": "error", "times": None, "code": "NOT_AUTHORIZED", "status": 403}))
    with pytest.raises(ConfigError, match="goes on from here"):
        await seohak(capsys, "download", "--tickers", "HELI", "--first", "2026-11-18")


# -- without a server ------------------------------------------------------------------------------


class Vendor:
    """Answers a bar for every window, after as many failures as it was told to have."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[str] = []
        self.failures = failures

    async def minute_bars(self, ticker: str, start: dt.datetime, end: dt.datetime) -> list[Bar]:
        self.asked.append(ticker)
        if self.failures:
            self.failures -= 1
            raise ReferenceUnavailable("busy")
        return [Bar(ticker, int(start.timestamp() * 1000) + 36_000_000, 1.0, 1.0, 1.0, 1.0, 1.0)]


async def all_of(vendor, windows, folder, clock) -> list:
    return [pair async for pair in fetched(vendor, windows, folder, Pace(clock, 5))]


WINDOWS = list(windows_of(["A", "B", "C"], dt.date(2025, 1, 6), dt.date(2025, 1, 31)))


async def test_a_download_goes_on_with_what_is_missing(tmp_path, clock):
    await all_of(Vendor(), WINDOWS[:2], tmp_path, clock)
    vendor = Vendor()
    pairs = await all_of(vendor, WINDOWS, tmp_path, clock)
    assert vendor.asked == ["C"]
    assert [path.name for _, path in pairs] == [window.name for window in WINDOWS]


async def test_a_busy_vendor_is_asked_again_later(tmp_path, clock):
    vendor, began = Vendor(failures=2), clock.now()
    assert len(await all_of(vendor, WINDOWS[:1], tmp_path, clock)) == 1
    assert clock.now() - began >= dt.timedelta(seconds=60)


async def test_a_vendor_that_stays_busy_keeps_what_was_fetched(tmp_path, clock):
    await all_of(Vendor(), WINDOWS[:1], tmp_path, clock)
    with pytest.raises(DataProblem, match=r"B 2025-01: busy; run the command again"):
        await all_of(Vendor(failures=3), WINDOWS, tmp_path, clock)
    assert [path.name for path in tmp_path.iterdir()] == [WINDOWS[0].name]


def test_windows_are_the_months_of_the_span():
    windows = list(windows_of(["A"], dt.date(2024, 12, 30), dt.date(2025, 2, 3)))
    assert windows == [
        Window("A", dt.date(2024, 12, 30), dt.date(2024, 12, 31)),
        Window("A", dt.date(2025, 1, 1), dt.date(2025, 1, 31)),
        Window("A", dt.date(2025, 2, 1), dt.date(2025, 2, 3)),
    ]
    start, end = windows[0].span()
    assert (start, end) == (dt.datetime(2024, 12, 30, 5, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, 5, tzinfo=dt.UTC))
