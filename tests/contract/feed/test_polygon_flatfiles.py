"""Flat files: listed and fetched with signed requests, going on where an earlier attempt ended."""

import asyncio
import datetime as dt
import gzip

import pytest

from adapters.polygon.flatfiles import FlatFiles, FlatFilesUnavailable
from sandbox.polygon.flatfiles import DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY

DAY = dt.date(2026, 11, 18)
READY = dt.datetime(2026, 11, 19, 17, 0, tzinfo=dt.UTC)


def vendor(polygon, secret=DEFAULT_SECRET_KEY, key=DEFAULT_ACCESS_KEY):
    return FlatFiles(key, secret, f"http://{polygon.address}", timeout_s=5)


async def days(files, first=DAY, last=DAY):
    return await asyncio.to_thread(files.days, first, last)


async def test_a_day_is_there_from_the_next_day_on(polygon, clock):
    files = vendor(polygon)
    assert await days(files) == []
    clock.set(READY)
    (found,) = await days(files, DAY - dt.timedelta(days=70), DAY + dt.timedelta(days=70))
    assert (found.on, found.name) == (DAY, "2026-11-18.csv.gz")
    assert found.size > 1000
    assert await days(files, DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2)) == []


async def test_a_file_is_what_the_market_printed(polygon, clock, market, tmp_path):
    clock.set(READY)
    files = vendor(polygon)
    (found,) = await days(files)
    heard = []
    target = tmp_path / "folder" / found.name
    await asyncio.to_thread(files.fetch, found, target, heard.append)
    lines = gzip.decompress(target.read_bytes()).decode().splitlines()
    assert lines[0] == "ticker,volume,open,close,high,low,window_start,transactions"
    assert len(lines) - 1 == sum(len(market.closed_bars(symbol, READY)) for symbol in market.symbols)
    assert (heard[0], heard[-1]) == (0, found.size)
    assert [path.name for path in target.parent.iterdir()] == [found.name]


async def test_a_fetch_goes_on_where_it_ended(polygon, clock, tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.polygon.flatfiles.AT_ONCE", 4000)
    clock.set(READY)
    files = vendor(polygon)
    (found,) = await days(files)
    target = tmp_path / found.name

    def stop(done):
        if done >= 8000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(_raising, files, found, target, stop)
    assert not target.exists()
    heard = []
    await asyncio.to_thread(files.fetch, found, target, heard.append)
    assert heard[0] == 8000
    assert gzip.decompress(target.read_bytes()).startswith(b"ticker,")


def _raising(files, found, target, tick):
    files.fetch(found, target, tick)


async def test_what_was_begun_of_a_file_that_has_been_replaced_is_thrown_away(polygon, clock, tmp_path):
    clock.set(READY)
    files = vendor(polygon)
    (found,) = await days(files)
    target = tmp_path / found.name
    stale = tmp_path / f".{found.name}.77-88.part"
    stale.write_bytes(b"another version")
    await asyncio.to_thread(files.fetch, found, target)
    assert not stale.exists()
    assert gzip.decompress(target.read_bytes()).startswith(b"ticker,")


@pytest.mark.parametrize("wrong", [{"secret": "x"}, {"key": "x"}])
async def test_wrong_keys_are_said_to_be_wrong(polygon, clock, wrong):
    clock.set(READY)
    with pytest.raises(FlatFilesUnavailable, match="POLYGON_S3_ACCESS_KEY"):
        await days(vendor(polygon, **wrong))


async def test_a_vendor_that_is_away_is_said_to_be_away():
    files = FlatFiles("a", "b", "http://127.0.0.1:9", timeout_s=1)
    with pytest.raises(FlatFilesUnavailable):
        await days(files)


@pytest.mark.parametrize(
    "url", ["files.polygon.io", "ftp://files.polygon.io", "https://files.polygon.io/flatfiles", ""]
)
def test_an_address_of_another_shape_is_refused(url):
    with pytest.raises(ValueError, match="looks like"):
        FlatFiles("a", "b", url)
