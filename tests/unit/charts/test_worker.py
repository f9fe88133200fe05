"""One thread draws for everybody, and says so when it has too much to do."""

import asyncio
import threading

import pytest

from charts.equity import ReportSpec
from charts.render import render
from charts.worker import ChartBusyError, ChartWorker
from tests.unit.charts.samples import bars, png_size, spec


@pytest.fixture
def worker():
    one = ChartWorker(max_waiting=8)
    yield one
    one.close()


async def test_concurrent_charts_come_from_one_thread(worker, monkeypatch):
    threads = set()

    def spy(chart):
        threads.add(threading.get_ident())
        return render(chart)

    monkeypatch.setattr("charts.worker.render", spy)
    pictures = await asyncio.gather(*(worker.render(spec(20 + i, size=(400, 450))) for i in range(6)))
    assert [png_size(png) for png in pictures] == [(400, 450)] * 6
    assert len(set(pictures)) == 6
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_reports_and_overlays_go_through_the_worker_too(worker):
    assert png_size(await worker.render(ReportSpec("리포트", "", size=(400, 450)))) == (400, 450)
    ((name, values),) = await worker.overlay("sma:5", bars(20))
    assert name == "sma 5"
    assert len(values) == 20


async def test_a_full_queue_refuses_instead_of_growing(worker):
    jobs = [asyncio.ensure_future(worker.render(spec(5, size=(400, 450)))) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(ChartBusyError):
        await worker.render(spec(5))
    await asyncio.gather(*jobs)


async def test_a_failed_chart_does_not_stop_the_next(worker):
    with pytest.raises(ValueError, match="unknown overlay"):
        await worker.overlay("nonsense", bars(5))
    assert await worker.render(spec(5, size=(400, 450)))
