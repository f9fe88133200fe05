"""The demo: one command, the whole story, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from demo_run import Told
from system_world import Chat, leftovers, ready_line, until

from cli.programs import ROOT

pytestmark = pytest.mark.xdist_group("demo")
KEYS = {
    "discoveries",
    "proposals",
    "signals",
    "orders",
    "fills",
    "round_trips",
    "messages",
    "photos",
    "report",
    "errors",
}


def test_the_demo_succeeds_and_ends_with_one_json_line(demo: Told) -> None:
    """Exit code 0, and scripts find the result in the last line."""
    assert demo.code == 0, demo.stderr[-2000:]
    assert demo.result.keys() >= KEYS
    assert demo.result["signals"].keys() == {"BUY", "SELL", "STOP", "WATCH"}
    assert not [line for line in demo.lines[:-1] if line.startswith("{")]


@pytest.mark.parametrize(("module", "stands_back"), [("cli.bot", True), ("services.trader", False)])
def test_what_is_shown_stands_back_behind_what_is_bought_and_sold(
    demo: Told, module: str, *, stands_back: bool
) -> None:
    found = {n - os.getpriority(os.PRIO_PROCESS, 0) for c, n in demo.niceness.items() if f"-m {module} " in c}
    assert found, f"{module} is not among {list(demo.niceness)}"
    assert all((by > 0) is stands_back for by in found)


def test_nothing_goes_wrong_in_the_demo(demo: Told) -> None:
    """No process restarts and no log has an error."""
    assert demo.result["errors"] == 0, demo.result["troubles"]
    assert demo.result["troubles"] == []


def test_the_winner_is_bought_in_ten_tranches_and_sold_when_its_trend_breaks(demo: Told) -> None:
    """Above the take-profit line it is held, and sold with far more than 30 %."""
    trips = [t for t in demo.result["round_trips"] if t["reason"] == "TREND_BROKEN"]
    assert trips, demo.result["round_trips"]
    for trip in trips:
        assert trip["pnl_pct"] > 30
        assert trip["sell_price"] > trip["avg_price"] * 1.3
        assert trip["tranches"] >= 8
    # at this speed the market may leave a limit behind before the order arrives
    assert max(t["tranches"] for t in demo.result["round_trips"]) == 10


def test_the_loser_is_stopped(demo: Told) -> None:
    """A fall through -15 % ends in a sale for the reason STOP."""
    (stopped,) = [t for t in demo.result["round_trips"] if t["reason"] == "STOP"]
    assert stopped["pnl_pct"] < -15
    assert stopped["buy_qty"] > 0


def test_a_stop_is_one_signal(demo: Told) -> None:
    """However many bars close below the stop price while the sale runs."""
    assert demo.result["signals"]["STOP"] == 1


def test_the_numbers_of_the_result_fit_together(demo: Told) -> None:
    """Two proposals, twenty buys and at least two sales, pictures for the discoveries, a report."""
    result = demo.result
    assert result["proposals"] == 2
    assert result["discoveries"] >= 3
    assert result["orders"] >= 22
    assert result["fills"] >= 22 - 2
    assert result["photos"] >= 4
    assert result["messages"] >= 10
    assert result["report"] is True


def test_no_process_is_left_when_the_time_is_up(demo: Told) -> None:
    """Neither ours nor Redis."""
    assert demo.left == []


def test_a_stranger_can_neither_approve_nor_stop_anything(demo: Told) -> None:
    """A forged press with the right data and /panic change nothing and say nothing."""
    assert demo.plan_before_forgery == "PROPOSED"
    assert demo.plan_after_forgery == "PROPOSED"
    assert demo.stranger_messages == []
    assert all(answer["show_alert"] for answer in demo.stranger_answers)


def test_what_a_stranger_tries_is_recorded_as_refused(demo: Told) -> None:
    """The audit table has the commands and the press."""
    tried = dict(demo.stranger_audit)
    assert not any(tried.values())
    assert "/panic" in tried
    assert any(what.startswith("button a:") for what in tried)


def test_a_replayed_press_answers_that_it_is_already_decided(demo: Told) -> None:
    """The same button data a second time buys nothing."""
    assert demo.replayed_answer["text"].startswith("이미")


def test_chart_of_a_ticker_answers_with_a_picture(demo: Told) -> None:
    """/chart NVDA, a stock that nobody holds."""
    assert demo.chart["photo"][-1]["width"] >= 800
    assert demo.chart_bytes.startswith((b"\x89PNG", b"\xff\xd8"))


@pytest.mark.xdist_group("interrupt")
async def test_ctrl_c_ends_everything_and_still_tells_the_result(tmp_path: Path) -> None:
    """SIGINT in the middle: exit code 0, the JSON line, no child left."""
    import aiohttp

    state_dir = tmp_path / "state"
    command = [sys.executable, "-m", "cli", "demo", "--headless", "--json", "--state-dir", str(state_dir)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:

        async def ready() -> dict:
            return ready_line(state_dir / "logs" / "sandbox.log")

        address = (await until("the sandbox is ready", ready))["control"]
        async with aiohttp.ClientSession() as http:
            chat = Chat(http, address)

            async def greeted() -> bool:
                return any(not m.get("out") for m in await chat.messages())

            await until("the bot has answered /start", greeted)
        assert len(leftovers(state_dir)) >= 8
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err[-2000:]
    assert json.loads(out.splitlines()[-1])["errors"] == 0
    assert leftovers(state_dir) == []
