"""Smaller parts: update order, bar memory, patience of the messenger, what people type, owners."""

import asyncio
import datetime as dt

import pytest
from telegram import Chat, Message, MessageEntity, Update, User
from telegram.error import BadRequest, Forbidden, NetworkError, TimedOut

from bot.access import Gate, command_of, index
from bot.bars import BarMemory, five_minutes
from bot.deps import BotDeps
from bot.handlers.results import period_of
from bot.handlers.trading import amount_krw, percent
from bot.i18n import Translator
from bot.menus import commands
from bot.messenger import Messenger
from bot.processor import PriorityUpdateProcessor
from bot.registry import COMMANDS
from bot.router import nearest
from bot.values import amount, decimal, flag, instant, text, whole
from bot.views.base import TEXT_LIMIT
from bot.views.help import help_
from core.model.bar import MINUTE_MS, Bar
from core.model.params import Params

NOW = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)
SPECS = index(COMMANDS)
GATE = Gate(SPECS)
OWNER = 42


def message(words, user=OWNER):
    entities = [MessageEntity("bot_command", 0, len(words.split()[0]))] if words.startswith("/") else []
    person = User(user, "A", is_bot=False)
    return Message(1, NOW, Chat(user, "private"), from_user=person, text=words, entities=entities)


def update(words, user=OWNER):
    return Update(1, message=message(words, user))


async def test_an_owners_updates_run_in_order_and_panic_passes_them():
    processor = PriorityUpdateProcessor(frozenset({OWNER}), GATE.urgent)
    gate, order = asyncio.Event(), []

    async def slow():
        order.append("slow begins")
        await gate.wait()
        order.append("slow ends")

    async def note(name):
        order.append(name)

    first = asyncio.create_task(processor.process_update(update("/status"), slow()))
    await asyncio.sleep(0)
    second = asyncio.create_task(processor.process_update(update("/orders"), note("orders")))
    await processor.process_update(update("/panic"), note("panic"))
    await processor.process_update(update("패닉"), note("panic by word"))
    await processor.process_update(update("/status", user=7), note("stranger"))
    assert order == ["slow begins", "panic", "panic by word", "stranger"]
    gate.set()
    await asyncio.gather(first, second)
    assert order[-2:] == ["slow ends", "orders"]


async def test_a_thousand_waiting_updates_do_not_hold_up_panic():
    processor = PriorityUpdateProcessor(frozenset({OWNER}), GATE.urgent)
    gate, done = asyncio.Event(), []

    async def note(name):
        done.append(name)

    waiting = [asyncio.create_task(processor.process_update(update("/status"), gate.wait())) for _ in range(1_000)]
    panic = asyncio.create_task(processor.process_update(update("/panic"), note("panic")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert done == ["panic"]
    gate.set()
    await asyncio.gather(panic, *waiting)


@pytest.mark.parametrize(
    ("words", "name", "args"),
    [
        ("/status", "status", ()),
        ("/Status@seohak_bot", "status", ()),
        ("차트 NVDA 5m", "chart", ("NVDA", "5m")),
        ("멈춰", "pause", ()),
        ("/도움말", None, None),
        ("status", None, None),
        ("   ", None, None),
    ],
)
def test_words_and_names_are_commands(words, name, args):
    found = command_of(message(words), SPECS)
    assert (name, args) == (None, None) if found is None else (found[0].name, found[1]) == (name, args)


def test_the_registry_is_complete_and_fits_telegram():
    wanted = (
        "start help status positions orders balance chart signals discoveries why report trades mode pause resume panic "
        "sell buy ignore cancel locks unlock health schedule version lang settings "
        "guardian handback alerts missed pending pnl tax export watch unwatch "
        "backtest candidates"
    )
    assert {spec.name for spec in COMMANDS} == set(wanted.split())
    assert {s.name for s in COMMANDS if s.urgent} == {"panic"}
    changing = {
        "mode",
        "pause",
        "resume",
        "panic",
        "sell",
        "buy",
        "ignore",
        "cancel",
        "unlock",
        "settings",
        "handback",
        "watch",
        "unwatch",
        "backtest",
    }
    assert {s.name for s in COMMANDS if s.changes} == changing
    for locale in ("ko", "en"):
        t = Translator(locale)
        menu = commands(COMMANDS, t)
        assert len(menu) <= 100
        assert all(1 <= len(c.description) <= 256 for c in menu)
        assert len(help_(COMMANDS, t).text) < TEXT_LIMIT
    assert all(
        c.description != e.description
        for c, e in zip(commands(COMMANDS, Translator("ko")), commands(COMMANDS, Translator("en")), strict=True)
    )


@pytest.mark.parametrize(
    ("words", "name"), [("/statsu", "status"), ("/panik", "panic"), ("포지숀", "positions"), ("/zzzz", None)]
)
def test_the_nearest_command_is_suggested(words, name):
    assert nearest(words, SPECS) == name


@pytest.mark.parametrize(
    ("words", "won"),
    [
        ("500000", 500_000),
        ("₩500,000", 500_000),
        ("50만", 500_000),
        ("50만원", 500_000),
        ("1.5m", 1_500_000),
        ("9999", None),
        ("abc", None),
        (",", None),
    ],
)
def test_amounts_as_people_write_them(words, won):
    assert amount_krw(words) == won


@pytest.mark.parametrize(
    ("words", "share"),
    [("50", 50), ("50%", 50), ("100%", 100), ("0", None), ("101", None), ("half", None), ("²", None)],
)
def test_percentages(words, share):
    assert percent(words) == share


def test_periods():
    assert [period_of(w) for w in ("day", "WEEK", "월", "nonsense")] == ["day", "week", "month", None]


def bar(minute, close=10.0, ticker="X"):
    return Bar(ticker, (minute + 1) * MINUTE_MS, close, close + 1, close - 1, close, 100)


def test_bars_are_ordered_replaced_and_bounded():
    memory = BarMemory(keep=3, tickers=2)
    memory.add([bar(1), bar(3), bar(2), bar(3, 11.0), bar(4)])
    assert [(b.start_ms // MINUTE_MS - 1, b.close) for b in memory.of("X")] == [(2, 10.0), (3, 11.0), (4, 10.0)]
    memory.add([bar(1, ticker="Y"), bar(1, ticker="Z")])
    assert memory.of("X") == []
    assert len(memory.of("Y")) == 1


def test_five_minute_bars_are_clock_aligned():
    folded = five_minutes([bar(i, 10 + i) for i in range(103, 112)])
    assert [b.start_ms // MINUTE_MS for b in folded] == [100, 105, 110]
    assert (folded[1].open, folded[1].close, folded[1].volume) == (114, 118, 500)
    assert (folded[1].high, folded[1].low) == (119, 113)


async def test_the_messenger_waits_for_the_network_and_gives_up_on_refusals():
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    messenger = Messenger(None, sleep)
    troubles = [NetworkError("down"), TimedOut(), NetworkError("down")]

    async def call():
        if troubles:
            raise troubles.pop(0)
        return "sent"

    assert await messenger.patiently(call) == "sent"
    assert waits == [1.0, 2.0, 4.0]
    for refusal in (BadRequest("no"), Forbidden("no")):

        async def refused(refusal=refusal):
            raise refusal

        with pytest.raises(type(refusal)):
            await messenger.patiently(refused)


def test_values_are_read_defensively():
    values = {
        "a": "1.50",
        "b": 3,
        "c": True,
        "d": "nonsense",
        "e": "NaN",
        "f": "2026-11-20T15:31:00+00:00",
        "g": None,
        "h": "",
    }
    assert (str(decimal(values, "a")), whole(values, "b"), decimal(values, "c")) == ("1.50", 3, None)
    assert [decimal(values, k) for k in "degh"] == [None] * 4
    assert (amount(values, "zz"), text(values, "g"), flag(values, "c"), flag(values, "a")) == (0, "", True, False)
    assert instant(values, "f") == NOW
    assert instant(values, "a") is None


def test_no_owner_is_refused():
    with pytest.raises(ValueError, match="owner"):
        BotDeps(
            token="1:x",
            owners=frozenset(),
            version="0",
            params=Params(),
            clock=None,
            calendar=None,
            bus=None,
            control=None,
            records=None,
            chat=None,
            outbox=None,
            foregone=None,
            charts=None,
            bars=None,
        )


def test_the_token_is_not_in_the_representation():
    deps = BotDeps(
        token="1:SECRET",
        owners=frozenset({1}),
        version="0",
        params=Params(),
        clock=None,
        calendar=None,
        bus=None,
        control=None,
        records=None,
        chat=None,
        outbox=None,
        foregone=None,
        charts=None,
        bars=None,
    )
    assert "SECRET" not in repr(deps)
