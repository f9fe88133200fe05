"""Nobody but an owner, in private, with fresh words of their own, makes the bot act; every attempt is recorded."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest
from bot_attacks import EVE, NOW, OWNER, PERSON, VIEWER, attacks, changing, data, forged, message, press
from bot_fakes import FakeCalendar, FakePlan
from bot_world import World, position
from telegram import Update

from bot.access import Gate
from bot.app import BotDeps, build, desk_of
from bot.keyboards import CHANGING, READING, Act
from core.model.commands import AskStatus
from sandbox.telegram.model import DEFAULT_TOKEN, Fault
from sandbox.telegram.state import Conversation


class Bench:
    """The bot's application, handed updates one by one; what it did is counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.handbacks: list[bool] = []

        async def nothing(_ticker: str, _until: dt.datetime):
            return ()

        async def handback() -> None:
            self.handbacks.append(True)

        deps = BotDeps(
            token=DEFAULT_TOKEN,
            owners=frozenset({OWNER}),
            viewers=frozenset({VIEWER}),
            version="0.1.0",
            params=world.params,
            clock=world.clock,
            calendar=FakeCalendar(),
            bus=world.bus,
            control=world.trader,
            records=world.records,
            chat=world.chat,
            outbox=world.outbox,
            foregone=world.foregone,
            charts=world.charts,
            bars=nothing,
            api_base=world.api,
            handback=handback,
            pace=10_000.0,
        )
        self.app = build(deps)
        world.trader.positions = (position(),)
        world.trader.plans["plan1"] = FakePlan("NVDA", "n1")

    async def feed(self, update: dict) -> None:
        await self.app.process_update(Update.de_json(update, self.app.bot))

    def live(self) -> dict[str, str]:
        """A one-time token of the owner's for each action, as if every question were open."""
        issue = desk_of(self.app).nonces.issue
        return {
            "preview": issue(OWNER, "preview"),
            "resume": issue(OWNER, "resume"),
            "sell": issue(OWNER, "sell", "NVDA", "100"),
            "handback": issue(OWNER, "handback"),
            "batch": issue(OWNER, "batch", "plan1", "n1", "NVDA"),
        }

    @property
    def acted(self) -> list[object]:
        """Everything that changed something."""
        commands = [c for c in self.world.trader.commands if not isinstance(c, AskStatus)]
        return [*commands, *self.world.chat.history, *self.world.chat.preferences, *self.handbacks]


@pytest.fixture
async def bench(idle_bot):
    made = Bench(idle_bot)
    await made.app.initialize()
    await made.app.start()
    yield made
    await made.app.stop()
    await made.app.shutdown()


async def everything(bench: Bench, step: int = 1) -> int:
    """Feed all attacks (or each `step`-th) while every question of the owner's is open; returns how many."""
    desk = desk_of(bench.app)

    async def sold(*_):
        bench.handbacks.append(True)

    wave = attacks(data(bench.live()))[::step]
    for _who, update in wave:
        desk.challenges.ask(OWNER, sold, "청산", "LIQUIDATE")
        before = len(bench.world.chat.audits)
        await bench.feed(update)
        while len(bench.world.chat.audits) == before:
            # an urgent update is recorded beside its handling
            await asyncio.sleep(0)
    return len(wave)


async def test_no_shape_from_any_wrong_sender_acts_and_each_is_recorded(bench):
    count = await everything(bench)
    assert count >= 200
    assert bench.acted == []
    audits = bench.world.chat.audits
    assert len(audits) == count
    # captions of the owner's and small talk of the viewer's are no commands: they pass, and mean nothing
    passed = [entry for entry in audits if entry[3]]
    assert {entry[1] for entry in passed} == {str(OWNER), str(VIEWER)}
    assert len(passed) < len(audits) / 10
    reasons = {entry[4] for entry in audits if not entry[3]}
    assert {
        "stranger", "viewer", "not_private", "anonymous", "edited", "forwarded", "via_bot", "business", "stale"
    } <= reasons  # fmt: skip


async def test_the_same_wave_acts_once_the_gate_is_open(bench, monkeypatch):
    """The suite can fail: without the gate it finds actions."""

    async def open_gate(_self, update, context) -> None:
        who = str(update.effective_user.id) if update.effective_user else "?"
        await context.desk.deps.chat.audit(at=NOW, who=who, what="-", allowed=True, detail="")

    monkeypatch.setattr(Gate, "__call__", open_gate)
    await everything(bench, step=5)
    assert len(bench.acted) > 20


async def test_an_owners_forged_presses_do_nothing(bench):
    for update in forged():
        await bench.feed(update)
    assert [c for c in bench.acted if type(c).__name__ in {"Panic", "Sell", "Resume", "AdoptManual", "Settle"}] == []
    assert bench.world.chat.history == []
    assert bench.handbacks == []


async def test_every_token_of_a_press_works_once(bench):
    nonces = bench.live()
    for act, nonce in ((Act.SELL, nonces["sell"]), (Act.RESUME, nonces["resume"])):
        for _ in range(3):
            await bench.feed({"update_id": 1, "callback_query": press(f"{act.value}:{nonce}", OWNER)})
    assert [type(c).__name__ for c in bench.acted] == ["Sell", "Resume"]


async def test_a_group_is_left_once(bench):
    group = {"id": -100_500, "type": "supergroup", "title": "g"}
    for _ in range(3):
        await bench.feed({"update_id": 1, "message": message("/status", OWNER, chat=group)})
    assert [call.method for call in bench.world.state.outbox if call.method == "leaveChat"] == ["leaveChat"]


async def test_viewers_read_and_press_what_only_looks(bench):
    state = bench.world.state
    viewer = state.users[VIEWER] = replace(state.user(EVE), id=VIEWER, first_name="V")
    state.chats[VIEWER] = Conversation(viewer, opened=True)
    await bench.feed({"update_id": 1, "message": message("/positions", VIEWER)})
    await bench.feed({"update_id": 1, "message": message("/help", VIEWER)})
    await bench.feed({"update_id": 1, "message": message("/panic", VIEWER)})
    shown = [m.body.text for m in state.conversation(VIEWER).messages.values()]
    assert "NVDA" in shown[0]
    assert "/panic" not in shown[1]
    assert shown[2].startswith("👀 보기 전용 권한이라")
    await bench.feed({"update_id": 1, "message": message("/lang en", VIEWER)})
    await bench.feed({"update_id": 1, "message": message("/pause", VIEWER)})
    assert list(state.conversation(VIEWER).messages.values())[-1].body.text.startswith("👀 You may look")
    assert [c for c in bench.world.trader.commands if not isinstance(c, AskStatus)] == []


def test_every_act_either_looks_or_changes():
    assert set(Act) == READING | CHANGING
    assert not READING & CHANGING
    assert changing(["f:status", "a:1:2"]) == ["a:1:2"]


async def test_a_gate_that_cannot_answer_stops_the_command_all_the_same(bench):
    bench.world.state.add_fault(Fault("sendMessage", 502, "Bad Gateway", times=50))
    origin = {"type": "user", "date": int(NOW.timestamp()), "sender_user": {"id": OWNER, **PERSON}}
    await bench.feed({"update_id": 1, "message": message("/pause", VIEWER)})
    await bench.feed({"update_id": 1, "message": message("/pause", OWNER, forward_origin=origin)})
    await bench.feed({"update_id": 1, "message": message("/pause", OWNER, age_s=3_600)})
    assert bench.acted == []
