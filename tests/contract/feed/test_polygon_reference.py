"""Look-ups: what Polygon knows about a security, its listing and its minutes; or that it can't say now."""

import asyncio
import datetime as dt
import time
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from adapters.polygon.rest import PolygonReference
from core.model.instrument import Exchange
from ports.market_data import NotInPlan, ReferenceUnavailable
from sandbox import scenarios
from sandbox.faults import parse
from tests.contract.conftest import DAY
from tests.contract.feed.conftest import KEY, serving
from tests.contract.serving import listening


@pytest.fixture
async def reference(polygon, clock):
    reference = PolygonReference(KEY, f"http://{polygon.address}", clock=clock)
    yield reference
    await reference.close()


def fault(**changes):
    return parse({"link": "polygon", "action": "error", "times": None} | changes)


async def test_a_security_has_its_exchange_and_share_count(reference, market):
    found = await reference.instrument("BRK.B")
    assert (found.ticker, found.exchange, found.security_type) == ("BRK.B", Exchange.NYSE, "CS")
    assert found.shares_outstanding == market.instruments["BRK.B"].shares_outstanding
    assert found.name == market.instruments["BRK.B"].name


async def test_an_unknown_ticker_is_none(reference):
    assert await reference.instrument("NOPE") is None
    assert await reference.instrument("../../v1/marketstatus/now?x=") is None


async def test_the_whole_listing_comes_page_by_page(reference, market, monkeypatch):
    monkeypatch.setattr("adapters.polygon.rest.PAGE", 7)
    found = await reference.instruments()
    assert [i.ticker for i in found] == sorted(s for s, i in market.instruments.items() if i.active)
    assert all(i.shares_outstanding is None for i in found)


async def test_minutes_are_closed_and_inside_the_asked_span(reference, market, clock):
    clock.advance(30)
    end = clock.now()
    start = end - dt.timedelta(minutes=10)
    bars = await reference.minute_bars("HELI", start, end + dt.timedelta(minutes=5))
    expected = [b for b in market.closed_bars("HELI", end) if b.start_ms >= start.timestamp() * 1000]
    assert [(b.start_ms, b.close, b.volume) for b in bars] == [(b.start_ms, b.close, float(b.volume)) for b in expected]
    assert len(bars) == 9
    exact = await reference.minute_bars("HELI", bars[2].start_at, bars[5].start_at)
    assert list(exact) == list(bars[2:5])
    assert await reference.minute_bars("HELI", end, start) == []
    assert await reference.minute_bars("NOPE", start, end) == []


@pytest.mark.parametrize(
    "changes", [{"status": 429}, {"status": 500}, {"status": 403}, {"action": "reset"}, {"action": "drop_reply"}]
)
async def test_no_answer_is_unavailable(reference, faults, changes):
    faults.add(fault(**changes))
    for call in (reference.instrument("HELI"), reference.instruments()):
        with pytest.raises(ReferenceUnavailable) as unavailable:
            await call
        assert KEY not in str(unavailable.value)
        assert unavailable.value.__cause__ is None


async def test_a_single_hiccup_is_retried(reference, faults):
    faults.add(fault(status=502, times=1))
    assert (await reference.instrument("HELI")).ticker == "HELI"


async def test_a_wrong_key_is_unavailable(polygon, clock):
    reference = PolygonReference("wrong-key", f"http://{polygon.address}", clock=clock)
    with pytest.raises(ReferenceUnavailable, match="Unknown API Key"):
        await reference.instrument("HELI")
    await reference.close()


async def test_the_deadline_is_ours_because_the_client_has_none(polygon, faults, clock):
    reference = PolygonReference(KEY, f"http://{polygon.address}", clock=clock, deadline_s=0.2)
    faults.add(fault(action="delay", delay_s=0.6, times=None))
    started = time.monotonic()
    with pytest.raises(ReferenceUnavailable):
        await reference.instrument("HELI")
    assert time.monotonic() - started < 0.5
    await reference.close()


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"results": 5}', '{"results": {"ticker": "X"}}'])
async def test_answers_of_another_shape_are_unavailable_or_unknown(clock, body):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    async with listening(app) as address:
        reference = PolygonReference(KEY, f"http://{address}", clock=clock)
        with pytest.raises(ReferenceUnavailable):
            await reference.instruments()
        try:
            assert await reference.instrument("X") is None
        except ReferenceUnavailable:
            pass
        await reference.close()


async def test_look_ups_run_side_by_side(reference, faults):
    faults.add(fault(action="delay", delay_s=0.15, times=4))
    started = time.monotonic()
    await asyncio.gather(*(reference.instrument("HELI") for _ in range(4)))
    assert time.monotonic() - started < 0.5


async def test_days_are_one_bar_per_date_with_today_so_far(reference, market, clock):
    today = market.day
    days = await reference.daily_bars("HELI", today - dt.timedelta(days=30), today)
    assert (days[-2].close, days[-1].close) == (14.12, market.day_range("HELI", clock.now()).close)
    starts = [bar.start_at.astimezone(ZoneInfo("America/New_York")) for bar in days]
    assert [s.date() for s in starts] == sorted({s.date() for s in starts})
    assert {s.hour for s in starts} == {0}
    assert await reference.daily_bars("HELI", today, today - dt.timedelta(days=1)) == []
    assert await reference.daily_bars("NOPE", today - dt.timedelta(days=30), today) == []


async def test_days_that_can_not_be_looked_up_are_no_empty_answer(reference, faults):
    faults.add(fault(status=500))
    with pytest.raises(ReferenceUnavailable):
        await reference.daily_bars("HELI", dt.date(2025, 1, 2), dt.date(2025, 1, 3))


async def test_share_counts_of_the_whole_market_come_by_market_cap_and_price(reference):
    counts = await reference.share_counts()
    assert counts["HELI"] == pytest.approx(62_000_000)
    assert "SPY" not in counts


async def test_without_ratios_in_the_plan_they_come_by_the_free_float_and_without_both_not(reference, faults):
    faults.add(fault(status=403, code="NOT_AUTHORIZED", match={"path_contains": "/ratios"}))
    counts = await reference.share_counts()
    assert counts["HELI"] == pytest.approx(62_000_000)
    assert counts["LEVU"] == pytest.approx(30_000_000)
    faults.add(fault(status=403, code="NOT_AUTHORIZED", match={"path_contains": "/float"}))
    with pytest.raises(NotInPlan):
        await reference.share_counts()


async def test_a_list_of_many_pages_is_read_to_its_end(reference, monkeypatch):
    monkeypatch.setattr("adapters.polygon.rest.RATIOS_PAGE", 7)
    assert len(await reference.share_counts()) > 40


async def test_splits_of_a_day_are_those_of_that_day(faults, clock):
    split_market = scenarios.build("story", DAY, tickers=12)
    split_market.split("HELI", 1, 10)
    async with serving(split_market, clock, faults) as host:
        reference = PolygonReference(KEY, f"http://{host.address}", clock=clock)
        (found,) = await reference.splits(DAY)
        assert (found.ticker, found.new, found.old, found.ratio) == ("HELI", 1, 10, Fraction(1, 10))
        assert await reference.splits(DAY + dt.timedelta(days=1)) == []
        await reference.close()


@pytest.mark.parametrize("status", [429, 500])
async def test_a_list_that_can_not_be_had_now_is_asked_for_again(reference, faults, status):
    faults.add(fault(status=status, match={"path_contains": "/splits"}))
    with pytest.raises(ReferenceUnavailable) as raised:
        await reference.splits(DAY)
    assert not isinstance(raised.value, NotInPlan)
