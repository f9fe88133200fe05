"""The watch and its alarms: what deserves one, when it is told again, and what happens to a program that stands still."""

import http.client
import io
import json
import urllib.error
from pathlib import Path

import pytest

from cli import watch as watching
from cli.alarms import AGAIN_S, MOST_WAITING, RETRY_S, STEADY_S, WINDOW_S, Deaths, Telegram
from cli.programs import Run
from cli.running import Process
from cli.supervision import SupervisorTrouble
from cli.watch import MOST_TRIES, START_S, Watch, listen

ENV = {"TELEGRAM_BOT_TOKEN": "1:secret", "TELEGRAM_OWNER_IDS": "7001, 7002", "TELEGRAM_API_URL": "http://t/"}


class Posts:
    """Telegram as the alarms see it."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.trouble: Exception | None = None

    def __call__(self, url: str, body: bytes) -> None:
        assert url == "http://t/bot1:secret/sendMessage"
        if self.trouble is not None:
            raise self.trouble
        message = json.loads(body)
        self.sent.append((message["chat_id"], message["text"]))

    @property
    def texts(self) -> list[str]:
        return [text for owner, text in self.sent if owner == 7001]


class Supervisord:
    """What is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.trouble = False

    def _ask(self, what: str, name: str) -> None:
        if self.trouble:
            raise SupervisorTrouble("ABNORMAL_TERMINATION")
        self.asked.append((what, name))

    def start(self, name: str) -> None:
        self._ask("start", name)

    def stop(self, name: str) -> None:
        self._ask("stop", name)

    def kill(self, name: str) -> None:
        self._ask("kill", name)


class World:
    def __init__(self, state: Path) -> None:
        self.now = 10_000.0
        self.posts, self.supervisord = Posts(), Supervisord()
        self.state = state
        (state / "logs").mkdir()
        run = Run(programs=("redis", "collector", "trader", "bot", "guardian"), socket="", foreground=True)
        telegram = Telegram(ENV, self.posts)
        self.watch = Watch(state, run, telegram, self.supervisord, monotonic=lambda: self.now)

    def event(self, kind: str, name: str = "bot", **fields: str) -> None:
        self.watch.event(kind, {"processname": name, **fields})

    def tick(self, later_s: float = 0.0) -> None:
        self.now += later_s
        self.watch.event("TICK_5", {})

    def beats(self, name: str, pid: int, age_s: float) -> None:
        (self.state / "beats").mkdir(exist_ok=True)
        fields = {"pid": str(pid), "mono": str(self.now - age_s)}
        (self.state / "beats" / name).write_text(json.dumps(fields))


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    found: list[Process] = []
    monkeypatch.setattr(watching, "running", lambda _: found)
    monkeypatch.setattr(watching, "uptime_s", lambda p: float(p.started))
    return found


@pytest.fixture
def world(tmp_path: Path, processes: list[Process]) -> World:
    return World(tmp_path)


def test_two_deaths_are_an_ordinary_day_and_the_third_is_told_with_the_last_words(world: World) -> None:
    (world.state / "logs" / "bot.log").write_text("one\nlast words\n")
    for _ in range(2):
        world.event("PROCESS_STATE_EXITED", expected="1")
    assert world.posts.sent == []
    world.event("PROCESS_STATE_EXITED", expected="0")
    (text,) = world.posts.texts
    assert "bot" in text
    assert "3" in text
    assert "last words" in text
    assert [owner for owner, _ in world.posts.sent] == [7001, 7002]


def test_an_alarm_is_repeated_after_half_an_hour_and_taken_back_when_it_is_over(world: World) -> None:
    for _ in range(20):
        world.event("PROCESS_STATE_BACKOFF", tries="1")
    assert len(world.posts.texts) == 1
    world.now += AGAIN_S
    for _ in range(3):
        world.event("PROCESS_STATE_BACKOFF", tries="1")
    assert len(world.posts.texts) == 2
    world.tick(STEADY_S)
    assert len(world.posts.texts) == 3
    assert "steady" in world.posts.texts[-1]
    world.tick(STEADY_S)
    assert len(world.posts.texts) == 3


def test_deaths_far_apart_are_not_counted_together() -> None:
    deaths = Deaths()
    assert [deaths.died("bot", n * WINDOW_S) for n in range(1, 9)] == [0] * 8


def test_fatal_is_told_at_once_and_is_not_for_ever(world: World) -> None:
    world.event("PROCESS_STATE_FATAL", "trader")
    assert world.supervisord.asked == [("start", "trader")]
    assert "trader" in world.posts.texts[0]


def test_the_growing_pause_begins_anew_before_it_is_long(world: World) -> None:
    world.event("PROCESS_STATE_BACKOFF", "trader", tries=str(MOST_TRIES - 1))
    assert world.supervisord.asked == []
    world.event("PROCESS_STATE_BACKOFF", "trader", tries=str(MOST_TRIES))
    assert world.supervisord.asked == [("stop", "trader"), ("start", "trader")]


def test_a_program_that_stands_still_is_killed_and_told(world: World, processes: list[Process]) -> None:
    processes.append(Process("bot", 5, "1000"))
    world.beats("bot", 5, 59.0)
    world.tick()
    assert world.supervisord.asked == []
    world.beats("bot", 5, 61.0)
    world.tick()
    assert world.supervisord.asked == [("kill", "bot")]
    assert "bot" in world.posts.texts[0]


def test_a_heartbeat_of_another_process_is_none(world: World, processes: list[Process]) -> None:
    processes.append(Process("bot", 5, str(START_S + 1)))
    world.beats("bot", 4, 1.0)
    world.tick()
    assert world.supervisord.asked == [("kill", "bot")]


@pytest.mark.parametrize("name", ["trader", "guardian"])
def test_a_silent_trader_is_the_guardians_business_and_a_silent_guardian_the_keepers(
    world: World, processes: list[Process], name: str
) -> None:
    processes.append(Process(name, 5, "1000"))
    world.beats(name, 5, 600.0)
    world.tick()
    assert world.supervisord.asked == []


def test_a_program_has_time_to_start(world: World, processes: list[Process]) -> None:
    processes.append(Process("collector", 5, str(START_S - 1)))
    world.tick()
    assert world.supervisord.asked == []


def test_redis_is_judged_by_its_answers(
    world: World, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [True, False, False]
    monkeypatch.setattr(watching.EmbeddedRedis, "answers", lambda _: answers.pop(0))
    processes.append(Process("redis", 5, "1000"))
    world.tick()
    world.tick(20.0)
    assert world.supervisord.asked == []
    world.tick(20.0)
    assert world.supervisord.asked == [("kill", "redis")]


def test_a_keeper_that_is_gone_is_asked_for_only_where_nobody_else_would(world: World) -> None:
    world.tick()
    assert world.supervisord.asked == [], "in the foreground systemd starts it"
    world.watch._run = Run(programs=(), socket="")
    world.tick()
    assert world.supervisord.asked == [("start", "keeper")]


def test_trouble_with_supervisord_does_not_end_the_watch(world: World) -> None:
    world.supervisord.trouble = True
    world.event("PROCESS_STATE_FATAL", "trader")
    assert world.posts.texts


@pytest.mark.parametrize(
    "trouble",
    [
        OSError("http://t/bot1:secret/ refused"),
        http.client.BadStatusLine("x"),
        urllib.error.HTTPError("u", 502, "", {}, None),
    ],
)
def test_an_alarm_that_can_not_be_sent_waits_and_its_address_is_not_logged(
    world: World, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world.posts.trouble = trouble
    world.event("PROCESS_STATE_FATAL")
    world.posts.trouble = None
    world.tick(RETRY_S - 1)
    assert world.posts.sent == []
    world.tick(1)
    assert len(world.posts.texts) == 1
    assert "secret" not in caplog.text


def test_a_person_who_has_blocked_the_bot_does_not_hold_up_the_others(world: World) -> None:
    world.posts.trouble = urllib.error.HTTPError("u", 403, "", {}, None)
    world.event("PROCESS_STATE_FATAL")
    world.posts.trouble = None
    world.tick()
    assert world.posts.sent == []


def test_waiting_alarms_are_bounded() -> None:
    posts = Posts()
    telegram = Telegram(ENV | {"TELEGRAM_OWNER_IDS": "7001"}, posts)
    for number in range(100):
        telegram.say(str(number))
    telegram.send(0.0)
    assert posts.texts == [str(n) for n in range(100 - MOST_WAITING, 100)]


def test_without_telegram_alarms_are_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    telegram = Telegram({}, lambda *_: pytest.fail("nobody to tell"))
    telegram.say("trouble")
    telegram.send(0.0)
    assert "trouble" in caplog.text


def test_the_protocol_of_supervisords_events(world: World) -> None:
    payload = "processname:bot groupname:bot from_state:RUNNING expected:0 pid:7"
    event = f"ver:3.0 server:seohak serial:1 pool:watch poolserial:1 eventname:PROCESS_STATE_FATAL len:{len(payload)}\n"
    sink = io.StringIO()
    listen(world.watch, io.StringIO(event + payload), sink)
    assert sink.getvalue() == "READY\nRESULT 2\nOKREADY\n"
    assert world.supervisord.asked == [("start", "bot")]
