"""The REST routes serve Polygon's own client."""

import asyncio

import pytest
import urllib3
from aiohttp import ClientSession
from polygon import RESTClient
from polygon.exceptions import BadResponse

from sandbox.calendar import previous_trading_day
from sandbox.faults import parse
from tests.contract.conftest import DAY

KEY = "sandbox-polygon-key"
BASE = "/v2/snapshot/locale/us/markets/stocks/tickers"


@pytest.fixture
def client(polygon):
    return RESTClient(KEY, base=f"http://{polygon.address}", retries=0)


async def test_snapshot_lists_the_whole_market(client, market):
    rows = await asyncio.to_thread(client.get_snapshot_all, "stocks")
    assert len(rows) == len(market.symbols)
    heli = next(row for row in rows if row.ticker == "HELI")
    assert heli.prev_day.close == 14.12
    assert heli.min.accumulated_volume == heli.day.volume
    assert heli.last_quote.ask_price > heli.last_quote.bid_price


async def test_minute_aggregates_end_with_the_last_closed_minute(client, market, clock):
    clock.advance(30)
    bars = await asyncio.to_thread(lambda: list(client.list_aggs("HELI", 1, "minute", DAY, DAY, limit=100)))
    expected = market.closed_bars("HELI", clock.now())
    assert [bar.timestamp for bar in bars] == [bar.start_ms for bar in expected]
    assert bars[-1].close == expected[-1].close
    assert len(bars) == 300


async def test_aggregates_by_milliseconds_newest_first(client, clock):
    end = int(clock.now().timestamp() * 1000)
    bars = await asyncio.to_thread(client.get_aggs, "HELI", 1, "minute", end - 300_000, end, sort="desc")
    assert [bar.timestamp for bar in bars] == [end - 60_000 * back for back in range(1, 6)]


async def test_hours_merge_minutes(client):
    bars = await asyncio.to_thread(client.get_aggs, "HELI", 1, "hour", str(DAY), str(DAY))
    minutes = await asyncio.to_thread(client.get_aggs, "HELI", 1, "minute", str(DAY), str(DAY))
    assert sum(bar.volume for bar in bars) == sum(bar.volume for bar in minutes)


async def test_days_end_at_the_previous_close_and_today_so_far(client, market, clock):
    days = await asyncio.to_thread(lambda: list(client.list_aggs("HELI", 1, "day", "2025-01-01", str(DAY))))
    assert (len(days), days[-2].close) == (261, 14.12)
    assert days[-1].close == market.day_range("HELI", clock.now()).close
    assert all(d.low <= min(d.open, d.close) and max(d.open, d.close) <= d.high for d in days)
    few = await asyncio.to_thread(client.get_aggs, "HELI", 1, "day", str(DAY), str(DAY))
    assert [d.timestamp for d in few] == [days[-1].timestamp]


async def test_days_come_in_pages_and_newest_first(client):
    days = await asyncio.to_thread(lambda: list(client.list_aggs("HELI", 1, "day", "2025-01-01", str(DAY), limit=100)))
    assert len({d.timestamp for d in days}) == 261
    newest = await asyncio.to_thread(client.get_aggs, "HELI", 1, "day", "2025-01-01", str(DAY), sort="desc", limit=2)
    assert [d.timestamp for d in newest] == [days[-1].timestamp, days[-2].timestamp]


async def test_windows_of_several_days_are_refused(client):
    with pytest.raises(BadResponse, match="single day windows only"):
        await asyncio.to_thread(client.get_aggs, "HELI", 5, "day", "2025-01-01", str(DAY))


async def test_grouped_daily_has_yesterday_and_not_yet_today(client, market):
    yesterday = await asyncio.to_thread(client.get_grouped_daily_aggs, str(previous_trading_day(DAY)))
    today = await asyncio.to_thread(client.get_grouped_daily_aggs, str(DAY))
    assert {bar.ticker for bar in yesterday} == set(market.symbols)
    assert list(today) == []


async def test_previous_close(client):
    (bar,) = await asyncio.to_thread(client.get_previous_close_agg, "HELI")
    assert bar.close == 14.12


async def test_listing_pages_through_the_market(client, market):
    rows = await asyncio.to_thread(lambda: list(client.list_tickers(market="stocks", active=True, limit=7)))
    assert [row.ticker for row in rows] == sorted(market.symbols)


@pytest.mark.parametrize(("symbol", "kind"), [("HELI", "CS"), ("LEVU", "ETF"), ("BRK.B", "CS")])
async def test_overview(client, symbol, kind):
    details = await asyncio.to_thread(client.get_ticker_details, symbol)
    assert details.type == kind
    assert details.share_class_shares_outstanding > 0


async def test_unknown_ticker_is_not_found(client):
    with pytest.raises(BadResponse, match="Ticker not found"):
        await asyncio.to_thread(client.get_ticker_details, "NOPE")


async def test_market_status_follows_the_clock(client, clock):
    assert (await asyncio.to_thread(client.get_market_status)).market == "open"
    clock.advance(2 * 3600)
    status = await asyncio.to_thread(client.get_market_status)
    assert (status.market, status.after_hours) == ("extended-hours", True)


@pytest.mark.parametrize(("query", "status"), [({"apiKey": KEY}, 200), ({"apiKey": "bad"}, 401), ({}, 401)])
async def test_key_is_required(polygon, query, status):
    async with ClientSession() as http, http.get(f"http://{polygon.address}{BASE}", params=query) as reply:
        assert reply.status == status
        assert (await reply.json())["status"] == ("OK" if status == 200 else "ERROR")


async def test_injected_throttle_speaks_polygons_words(client, faults):
    faults.add(parse({"link": "polygon", "action": "error", "status": 429, "times": 1}))
    with pytest.raises((urllib3.exceptions.MaxRetryError, BadResponse)):
        await asyncio.to_thread(client.get_previous_close_agg, "HELI")
    assert await asyncio.to_thread(client.get_previous_close_agg, "HELI")


@pytest.mark.parametrize("action", ["reset", "drop_reply"])
async def test_cut_connections_reach_the_client_as_transport_errors(client, faults, action):
    faults.add(parse({"link": "polygon", "action": action, "match": {"path_contains": "prev"}}))
    with pytest.raises(urllib3.exceptions.HTTPError):
        await asyncio.to_thread(client.get_previous_close_agg, "HELI")
