"""The dead-man's ping: each minute while somebody watches the stops, never otherwise, and its address stays secret."""

import logging
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from services import guardian
from services.deadman import DeadMan, ask, dead_man
from services.guardian_rules import UNWATCHED_AFTER_S
from services.memory import pss_mb
from tests.unit.core.builders import TICKER
from tests.unit.services.guardian_post import Post

SECRET = "http://127.0.0.1:9/ping/5ec7e7-uuid"


class Page:
    """Counts; may fail or hang."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.hang = threading.Event()
        self.hang.set()

    def __call__(self, url: str) -> None:
        self.asked.append(url)
        self.hang.wait(10)
        if self.error:
            raise self.error


def test_it_pings_once_a_minute_and_only_while_all_is_well() -> None:
    page, now = Page(), 0.0
    ping = DeadMan(SECRET, ask=page, monotonic=lambda: now)
    for at, healthy in ((0.0, False), (1.0, True), (3.0, True), (60.9, True), (61.0, True), (200.0, False)):
        now = at
        ping.tell(healthy=healthy)
        ping.wait()
    assert page.asked == [SECRET] * 2


def test_a_page_that_hangs_holds_up_nobody_and_is_not_asked_twice() -> None:
    page, now = Page(), 0.0
    page.hang.clear()
    ping = DeadMan(SECRET, ask=page, monotonic=lambda: now)
    for at in (0.0, 61.0, 122.0):
        now = at
        ping.tell(healthy=True)
    page.hang.set()
    ping.wait()
    assert len(page.asked) == 1


def test_a_page_that_fails_is_told_once_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    page, now = Page(), 0.0
    page.error = OSError(f"no route to {SECRET}")
    ping = DeadMan(SECRET, ask=page, monotonic=lambda: now)
    for at in (0.0, 60.0, 120.0, 180.0):
        now = at
        page.error = None if now >= 120 else page.error
        ping.tell(healthy=True)
        ping.wait()
    assert [r.getMessage() for r in caplog.records] == [
        "the dead-man's page can't be reached (OSError); asked again each minute",
        "the dead-man's page is reached again",
    ]


@pytest.mark.parametrize(
    ("url", "made"), [("", False), ("ftp://x", False), ("http://", False), ("http://[", False), (SECRET, True)]
)
def test_only_an_address_is_pinged(url: str, made: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert (dead_man({"DEADMAN_URL": url}) is not None) is made
    assert "5ec7e7" not in caplog.text
    assert bool(caplog.records) is (bool(url) and not made)


def test_a_page_is_asked_over_http() -> None:
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answering = threading.Thread(target=server.handle_request)
    answering.start()
    ask(f"http://127.0.0.1:{server.server_port}/ping")
    answering.join()
    server.server_close()
    assert paths == ["/ping"]


def test_the_guardian_is_well_while_a_trader_looks_at_every_stop(post: Post) -> None:
    post.live(stops=f'{{"{TICKER}": {post.now}}}')
    post.rounds(1)
    assert post.guardian.healthy
    post.now += UNWATCHED_AFTER_S + 1
    post.live(stops=f'{{"{TICKER}": {post.now - UNWATCHED_AFTER_S - 1}}}')
    post.rounds(1)
    assert not post.guardian.healthy


def test_nobody_is_well_while_the_trader_is_silent_and_not_yet_replaced(post: Post) -> None:
    post.beat(age_s=16)
    assert not post.guardian.healthy
    post.rounds(1)
    post.rounds(3)
    assert post.guardian.in_charge
    assert post.guardian.healthy


def test_a_trader_in_standby_watches_nothing(post: Post) -> None:
    post.standby()
    post.rounds(1)
    assert not post.guardian.healthy


def test_the_guardians_process_pings_by_its_health(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[bool] = []
    stopping: list[object] = []
    numbers = SimpleNamespace(SIGTERM=15, SIGINT=2, signal=lambda _n, f: stopping.append(f))
    monkeypatch.setattr(guardian, "signal", numbers)
    made = SimpleNamespace(round=lambda: None, pause_s=0.0, healthy=True)
    monkeypatch.setattr(guardian, "Guardian", lambda *_a, **_k: made)
    monkeypatch.setattr(guardian, "time", SimpleNamespace(sleep=lambda _s: stopping[0](15, None)))  # type: ignore[operator]
    monkeypatch.setattr(
        guardian, "dead_man", lambda _env: SimpleNamespace(tell=lambda *, healthy: told.append(healthy))
    )
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    assert guardian.main([]) == 0
    assert told == [True]


def test_memory_is_what_the_kernel_counts(tmp_path: Path) -> None:
    own = pss_mb()
    assert own is None or 5 < own < 5000
    rollup = tmp_path / "smaps_rollup"
    rollup.write_text("00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss:  90000 kB\nPss:  61440 kB\nPss_Anon: 1 kB\n")
    assert pss_mb(rollup) == 61.4
    rollup.write_text("Pss:\n")
    assert pss_mb(rollup) is None
    assert pss_mb(tmp_path / f"none-{os.getpid()}") is None
