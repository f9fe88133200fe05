"""The chat's backtests as the bot starts them: real processes over a tiny store, their ends good and bad."""

import asyncio
import os
from pathlib import Path

import pytest
from made_days import made_day, made_store, weekdays

from cli import backtest_child
from cli.backtest_child import NICE, ChildBacktests
from cli.programs import ROOT
from ports.research import RunFailed, StoreDamaged, Why

ON = weekdays(1)[0]
CONFIG = ROOT / "config.yaml"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with one short day."""
    made_store(tmp_path / "bars", [made_day(ON, seed=3, tickers=2, minutes=60)])
    return tmp_path


async def test_a_run_is_a_process_that_leaves_figures_and_a_picture(state, monkeypatch):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")
    runs = ChildBacktests(state, CONFIG)
    assert await runs.days() == [ON]
    ran = await runs.run(ON, ON, {"trading.take_profit_pct": 40.0, "trading.mode": "watch"}, language="ko")
    assert ran.picture.startswith(b"\x89PNG")
    assert (ran.summary.first, ran.summary.sessions, ran.summary.trips) == (ON, 1, 0)
    assert ran.summary.mode == "watch"


async def test_what_the_command_refuses_is_told_in_its_words(state):
    with pytest.raises(RunFailed) as refused:
        await ChildBacktests(state, CONFIG).run(ON, ON, {"trading.nonsense": 1})
    assert refused.value.why is Why.REFUSED
    assert "trading.nonsense: unknown key" in refused.value.detail


@pytest.fixture
def sleeper(state, monkeypatch, tmp_path) -> ChildBacktests:
    """Runs that would last for ever, in a process that has told its environment."""
    told = tmp_path / "environment"
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nenv > {told}.new && mv {told}.new {told}\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(backtest_child.sys, "executable", str(script))
    return ChildBacktests(state, CONFIG)


async def begun(runs: ChildBacktests, told: Path) -> tuple[asyncio.Task, int]:
    task = asyncio.create_task(runs.run(ON, ON, {}))
    async with asyncio.timeout(20):
        while not told.exists():
            await asyncio.sleep(0.01)
    return task, runs._process.pid


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_run_gets_no_secrets_and_yields_to_everything_else(sleeper, tmp_path, monkeypatch):
    for name in ("TELEGRAM_BOT_TOKEN", "KIS_APPSECRET", "POLYGON_API_KEY", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, "canary-secret")
    task, pid = await begun(sleeper, tmp_path / "environment")
    known = (tmp_path / "environment").read_text()
    assert "canary" not in known
    assert f"SEOHAK_ENV_FILE={os.devnull}" in known
    assert os.getpriority(os.PRIO_PROCESS, pid) >= NICE
    await sleeper.stop()
    with pytest.raises(RunFailed) as stopped:
        await task
    assert stopped.value.why is Why.STOPPED
    assert gone(pid)


async def test_there_is_one_run_at_a_time(sleeper, tmp_path):
    task, _ = await begun(sleeper, tmp_path / "environment")
    with pytest.raises(RunFailed) as busy:
        await sleeper.run(ON, ON, {})
    assert busy.value.why is Why.BUSY
    await sleeper.stop()
    await asyncio.wait({task})
    assert isinstance(task.exception(), RunFailed)


async def test_a_run_ends_with_the_task_that_wanted_it(sleeper, tmp_path):
    task, pid = await begun(sleeper, tmp_path / "environment")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pid)


async def test_a_run_that_takes_too_long_is_ended(sleeper):
    sleeper._patience_s = 0.05
    with pytest.raises(RunFailed) as slow:
        await sleeper.run(ON, ON, {})
    assert slow.value.why is Why.SLOW


async def test_a_killed_process_is_told_by_its_signal(sleeper, tmp_path):
    task, pid = await begun(sleeper, tmp_path / "environment")
    os.kill(pid, 9)
    with pytest.raises(RunFailed) as killed:
        await task
    assert (killed.value.why, killed.value.detail) == (Why.FAILED, "signal 9")


async def test_no_store_has_no_days_and_a_broken_one_says_so(tmp_path):
    runs = ChildBacktests(tmp_path, CONFIG)
    assert await runs.days() == ()
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "manifest.json").write_text("{")
    with pytest.raises(StoreDamaged, match=r"manifest\.json is damaged"):
        await runs.days()
