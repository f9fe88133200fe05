"""One process draws for everybody, says so when it has too much to do, and never outlives its parent."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from charts.equity import ReportSpec
from charts.process import NICENESS, read_frame, serve, write_frame
from charts.worker import ROOT, ChartBusyError, ChartFailedError, ChartWorker
from tests.unit.charts.samples import bars, png_size, spec

SMALL = (400, 450)


@pytest.fixture(scope="module")
def shared():
    one = ChartWorker()
    yield one
    one.close()


@pytest.fixture
def worker():
    one = ChartWorker(max_waiting=8)
    yield one
    one.close()


async def test_concurrent_charts_come_from_one_other_process(shared):
    pictures = await asyncio.gather(*(shared.render(spec(20 + i, size=SMALL)) for i in range(6)))
    assert [png_size(png) for png in pictures] == [SMALL] * 6
    assert len(set(pictures)) == 6
    assert shared.pid not in {None, os.getpid()}


async def test_drawing_stands_back_where_processors_are_short(shared):
    await shared.warm()
    assert os.getpriority(os.PRIO_PROCESS, shared.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


async def test_reports_and_overlays_go_through_the_worker_too(shared):
    assert png_size(await shared.render(ReportSpec("리포트", "", size=SMALL))) == SMALL
    ((name, values),) = await shared.overlay("sma:5", bars(20))
    assert name == "sma 5"
    assert len(values) == 20


async def test_a_failed_chart_does_not_stop_the_next(shared):
    with pytest.raises(ValueError, match="unknown overlay"):
        await shared.overlay("nonsense", bars(5))
    assert await shared.render(spec(5, size=SMALL))


async def test_a_full_queue_refuses_instead_of_growing(worker):
    jobs = [asyncio.ensure_future(worker.render(spec(5, size=SMALL))) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(ChartBusyError):
        await worker.render(spec(5))
    await asyncio.gather(*jobs)


async def test_a_drawing_process_that_dies_is_replaced(worker):
    await worker.render(spec(5, size=SMALL))
    first = worker.pid
    os.kill(first, signal.SIGSTOP)
    waiting = asyncio.ensure_future(worker.render(spec(5, size=SMALL)))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ChartFailedError):
        await waiting
    assert png_size(await worker.render(spec(5, size=SMALL))) == SMALL
    assert worker.pid != first


async def test_a_drawing_process_that_hangs_is_ended_and_replaced():
    worker = ChartWorker(deadline_s=30.0)
    try:
        await worker.warm()
        first = worker.pid
        os.kill(first, signal.SIGSTOP)
        worker._deadline_s = 0.05
        with pytest.raises(ChartFailedError):
            await worker.render(spec(5, size=SMALL))
        worker._deadline_s = 30.0
        assert await worker.render(spec(5, size=SMALL))
        assert worker.pid != first
    finally:
        worker.close()


async def test_a_process_that_drew_overlays_gives_its_memory_back():
    worker = ChartWorker(overlays_idle_s=0.0)
    try:
        await worker.render(spec(5, size=SMALL))
        first = worker.pid
        await worker.overlay("sma:5", bars(20))
        async with asyncio.timeout(20):
            while worker.pid in {None, first}:
                await asyncio.sleep(0.01)
    finally:
        worker.close()


async def test_closing_ends_the_process(worker):
    await worker.warm()
    pid = worker.pid
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_bots_secrets_stay_out_of_the_drawing_process(worker, monkeypatch):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")
    await worker.warm()
    assert b"TELEGRAM" not in Path(f"/proc/{worker.pid}/environ").read_bytes()


def test_the_drawing_process_ends_with_its_input():
    """A parent that is killed closes the pipe."""
    ended = subprocess.run(
        [sys.executable, "-m", "charts.process"], cwd=ROOT, input=b"", capture_output=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_the_bots_side_needs_no_matplotlib():
    """It would cost every process that only asks for charts 50 MB."""
    code = "import sys, charts.worker, charts.equity; print([m for m in ('matplotlib', 'talib') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=20, check=True)
    assert ran.stdout.strip() == b"[]"


def test_a_job_nobody_knows_is_an_answer_and_a_cut_frame_is_the_end():
    jobs, answers = io.BytesIO(), io.BytesIO()
    write_frame(jobs, ("paint", ()))
    jobs.write(b"\0\0")
    jobs.seek(0)
    serve(jobs, answers)
    answers.seek(0)
    assert read_frame(answers) == (False, "unknown job paint")
    with pytest.raises(EOFError):
        read_frame(answers)
