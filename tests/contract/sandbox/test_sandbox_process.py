"""`python -m sandbox` as its users start it: one ready line, clear refusals, a clean end."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLOCK = ("--clock-origin", "2026-11-18T14:30:00-05:00", "--clock-speed", "1")


def start(*arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "sandbox", "--tickers", "8", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return subprocess.Popen(command, **(pipes | options))


def get(address: str, path: str) -> dict:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}{path}", timeout=10) as reply:
        return json.load(reply)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_then_a_clean_end(number):
    with start(*CLOCK) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        assert set(ready) >= {"polygon", "kis", "kis_paper", "telegram", "control", "chat_url", "credentials"}
        assert ready["chat_url"] == f"http://{ready['control']}/"
        assert len(ready["credentials"]["kis"]["appkey"]) == 36
        assert len(ready["credentials"]["kis_paper"]["appsecret"]) == 180
        state = get(ready["control"], "/control/state")
        assert (state["scenario"], state["day"], state["replay_done"]) == ("story", "2026-11-18", False)
        assert state["clock"]["now"].startswith("2026-11-18T19:3")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_busy_port_is_one_line_and_exit_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(*CLOCK, "--kis-port", str(port)) as process:
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == f"sandbox: port {port} for kis is in use\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.parquet", None, "cannot be read"),
        ("bad.csv", "ticker,ts\nA,1\n", "column open, high, low, close, volume is missing"),
        ("other.csv", "ticker,ts,open,high,low,close,volume\nA,1763476200000,1,1,1,1,5\n", "it has 2025-11-18"),
    ],
)
def test_a_bad_recording_is_one_line_and_exit_2(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with start("--replay", str(path), "--day", "2026-11-18") as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits on a pidfd")
def test_it_ends_when_its_parent_dies():
    launcher = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'sandbox', '--tickers', '8'],"
        " stdout=subprocess.PIPE, text=True); print(p.stdout.readline(), p.pid, flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen([sys.executable, "-c", launcher], **pipes) as parent:
        json.loads(parent.stdout.readline())
        pid = int(parent.stdout.readline())
        parent.kill()
    descriptor = os.pidfd_open(pid)
    try:
        readable, _, _ = select.select([descriptor], [], [], 20)
        assert readable
    finally:
        os.close(descriptor)


def test_the_account_survives_a_restart(tmp_path):
    def once(act):
        with start(*CLOCK, "--state-dir", str(tmp_path)) as process:
            ready = json.loads(process.stdout.readline())
            try:
                return act(ready["control"])
            finally:
                process.terminate()
                process.communicate(timeout=20)

    def order(address: str) -> str:
        body = json.dumps({"symbol": "HELI", "side": "buy", "qty": 2, "price": 10}).encode()
        request = urllib.request.Request(
            f"http://{address}/control/kis/manual_order", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)["order"]["odno"]

    odno = once(order)
    orders = once(lambda address: get(address, "/control/orders")["orders"])
    assert [(o["odno"], o["medium"], o["state"]) for o in orders] == [(odno, "모바일", "open")]


def test_proxies_of_the_command_line_are_in_the_ready_line():
    with start(*CLOCK, "--proxy", "kis_real=kis", "--proxy", "redis=127.0.0.1:1") as process:
        ready = json.loads(process.stdout.readline())
        assert set(ready["proxies"]) == {"kis_real", "redis"}
        state = get(ready["control"], "/control/proxies")["proxies"]
        assert [proxy["upstream"] for proxy in state] == [ready["kis"], "127.0.0.1:1"]
        process.terminate()
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("proxy", "says"),
    [("kis", "NAME=UPSTREAM is needed"), ("kis_real=far.example:80", "not on this machine")],
)
def test_a_bad_proxy_is_refused_at_the_start(proxy, says):
    with start(*CLOCK, "--proxy", proxy) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert says in err
