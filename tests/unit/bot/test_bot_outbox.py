"""What is sent next, and which notices a person wants."""

import asyncio
import datetime as dt
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from bot_samples import EN, KO, NOW, seen

from bot.alerts import BUDGET, CHATTER, CHOICES, Alerts, Level, QuietHours, Topic, decode, encode, quiet_hours
from bot.messenger import Sent
from bot.outbox import IN_DIGEST, NEVER_SENT, Outbox, choose
from bot.views import alerts as views
from bot.views.base import TEXT_LIMIT, View
from ports.store import OutMessage


def waiting(*kinds):
    """Messages in order, as `topic` or `topic:thread` or `topic:thread!` for an urgent one."""
    made = []
    for number, kind in enumerate(kinds, 1):
        topic, _, thread = kind.rstrip("!").partition(":")
        made.append(
            OutMessage(
                key=f"k{number}",
                chat_id=1,
                topic=topic,
                thread=thread,
                text=f"<b>line {number}</b>\nmore",
                at=NOW,
                id=number,
                urgent=kind.endswith("!"),
            )
        )
    return made


def chosen(room, *kinds):
    return [m.id for m in choose(waiting(*kinds), room)]


@pytest.mark.parametrize(
    ("room", "kinds", "expected"),
    [
        (20, (), []),
        (20, ("sell:NVDA", "sell:AAPL"), [1]),
        (20, ("progress:NVDA", "sell:NVDA"), [1]),
        (20, ("sell:NVDA", "alarm:!"), [2]),
        (20, ("sell:NVDA", "progress:AAPL", "stop:AAPL!"), [2]),
        (0, ("progress:NVDA", "schedule"), []),
        (0, ("progress:NVDA", "sell:AAPL"), [2]),
        (0, ("progress:NVDA", "sell:NVDA"), [1]),
        (0, ("state", "progress:NVDA", "alarm:!"), [3]),
        (2, ("state", "schedule"), [1]),
        (2, ("state", "schedule", "progress:NVDA"), [1, 2, 3]),
        (2, ("state", "sell:NVDA", "schedule", "progress:NVDA"), [2]),
        (1, ("state",), [1]),
    ],
)
def test_what_is_sent_next(room, kinds, expected):
    """Urgent overtakes, money does not wait behind chatter, and no position's messages change places."""
    assert chosen(room, *kinds) == expected


def test_order_within_a_position_is_kept_whatever_is_urgent_or_waits():
    kinds = [f"{topic}:{ticker}{mark}" for ticker in "AB" for topic, mark in
             (("progress", ""), ("buy", ""), ("progress", ""), ("stop", "!"), ("state", ""))]  # fmt: skip
    for room in (0, 1, 3, 50):
        left, told = waiting(*kinds), []
        while batch := choose(left, room):
            told += batch
            left = [m for m in left if m not in batch]
        for ticker in "AB":
            mine = [m.id for m in told if m.thread == ticker]
            assert mine == sorted(mine)
        assert all(m.topic in CHATTER for m in left)


def test_a_flood_of_chatter_becomes_digests_that_name_every_one():
    many = waiting(*["state"] * 60)
    batch = choose(many, BUDGET)
    assert [m.id for m in batch] == list(range(1, IN_DIGEST + 1))
    text = views.digest([(m.at, m.text) for m in batch], KO).text
    assert text.startswith("📚 <b>모아 보낸 알림</b> · 25건")
    assert all(f"line {m.id}\n" in text + "\n" for m in batch)
    assert len(text) < TEXT_LIMIT


def test_a_digest_line_is_plain_text_and_escaped_once():
    assert views.headline("📡 <b>AT&amp;T</b> is back\nmore") == "📡 AT&T is back"
    assert "AT&amp;T" in views.digest([(NOW, "<b>AT&amp;T</b>")], EN).text


def test_only_a_request_that_never_left_is_surely_not_in_the_chat():
    assert isinstance(httpx.ConnectError("refused"), NEVER_SENT)
    assert not isinstance(httpx.ReadTimeout("late"), NEVER_SENT)


def test_a_repetition_says_so():
    assert seen(views.repeated(View("매도"), KO).text) == "매도\n🔁 다시 보낸 알림: 이미 받으셨을 수 있어요."


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("23:00-07:00", "23:00", "07:00"), ("23-7", "23:00", "07:00"), ("1:30 ~ 6:45", "01:30", "06:45")],
)
def test_quiet_hours_as_people_write_them(text, start, end):
    assert quiet_hours(text) == QuietHours(dt.time.fromisoformat(start), dt.time.fromisoformat(end))


@pytest.mark.parametrize("text", ["", "23:00", "24:00-07:00", "7-7", "nachts", "23:60-07:00", "23:00-07:00-09:00"])
def test_what_is_no_span_of_time(text):
    assert quiet_hours(text) is None


@pytest.mark.parametrize(
    ("span", "kst", "quiet"),
    [("23-7", "22:59", False), ("23-7", "23:00", True), ("23-7", "06:59", True), ("23-7", "07:00", False),
     ("1-8", "00:59", False), ("1-8", "01:00", True), ("1-8", "08:00", False)],
)  # fmt: skip
def test_quiet_hours_are_times_in_korea(span, kst, quiet):
    at = dt.datetime.fromisoformat(f"2026-11-20T{kst}:00+09:00")
    assert quiet_hours(span).cover(at) is quiet
    assert Alerts(quiet=quiet_hours(span)).muffled(Topic.BUY, at) is quiet


def test_stops_and_alarms_can_be_neither_off_nor_silent():
    loud = Alerts(levels=dict.fromkeys(Topic, Level.OFF), quiet=quiet_hours("0-23:59"))
    for topic in (Topic.STOP, Topic.ALARM):
        assert loud.level(topic) is Level.ON
        assert not loud.muffled(topic, NOW)
    assert loud.level(Topic.PROPOSAL) is Level.ON
    assert loud.level(Topic.BUY) is Level.OFF


def test_each_tap_takes_the_next_choice_and_comes_round():
    for topic, choices in CHOICES.items():
        alerts = Alerts()
        seen_levels = []
        for _ in choices:
            seen_levels.append(alerts.level(topic))
            alerts = alerts.with_next(topic)
        assert seen_levels == list(choices)
        assert alerts.level(topic) is choices[0]


def test_choices_survive_and_rubbish_means_the_defaults():
    mine = Alerts(levels={Topic.BUY: Level.SILENT}, quiet=quiet_hours("23-7"), budget=10)
    assert decode(encode(mine)) == mine
    for kept in (None, "", "[]", "{", '{"levels": {"nothing": "on"}}', '{"quiet": ["07:00:00", "07:00:00"]}'):
        assert decode(kept) == Alerts()


@pytest.mark.parametrize("t", [KO, EN])
def test_every_topic_has_its_words_and_its_button(t):
    view = views.alerts(Alerts(), t)
    labels = [b.text for row in view.keyboard.inline_keyboard for b in row]
    for topic, name in views.TOPICS.items():
        assert t.plain(name) in view.text
        assert any(t.plain(name) in label for label in labels) == (len(CHOICES[topic]) > 1)
    assert set(views.TOPICS) == set(Topic)


class SlowStore:
    """A database whose every answer takes a turn of the event loop."""

    def __init__(self, messages):
        self.kept = messages
        self.arrived = []

    async def waiting(self):
        return self.kept

    async def handed_over(self, ids):
        await asyncio.sleep(0)

    async def sent(self, ids, message_id, at):
        await asyncio.sleep(0)
        self.arrived += ids


class Letters:
    """A messenger that delivers at once."""

    async def send(self, chat_id, view, **how):
        await asyncio.sleep(0)
        return Sent(chat_id, 1)


async def test_two_owners_who_hear_the_same_at_the_same_time_are_both_recorded():
    """Each chat writes down its own arrivals: neither ends the bot, neither is sent again after a restart."""
    messages = [
        msgspec.structs.replace(m, chat_id=chat, id=m.id * 10 + chat) for m in waiting(*["sell"] * 5) for chat in (1, 2)
    ]
    store = SlowStore(messages)
    deps = SimpleNamespace(owners={1, 2}, outbox=store, clock=SimpleNamespace(now=lambda: NOW))
    outbox = Outbox(deps, Letters(), lambda _: KO, lambda _: Alerts(), root=None)
    running = asyncio.create_task(outbox.run())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    assert sorted(store.arrived) == sorted(m.id for m in messages)
