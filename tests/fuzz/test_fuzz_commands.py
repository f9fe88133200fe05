"""Lines on the trader's socket and data of Telegram buttons: a sound command or a refusal, never anything else."""

import asyncio
import random
import re
import string

import msgspec

from adapters import control
from bot.keyboards import LIMIT, URGENT, Act, decode, encode
from core.model.commands import (
    AdoptManual,
    AnyCommand,
    Approve,
    AskStatus,
    Buy,
    CancelOrders,
    Ignore,
    OwnOrder,
    Panic,
    Pause,
    Reply,
    ReplyKey,
    Resume,
    Sell,
    SetMode,
    Settle,
    Unlock,
)
from tests.fuzz.mutants import TEXTS, damaged, fuzz, mutate, wire

COMMANDS: tuple[AnyCommand, ...] = (
    Approve(by="7001", nonce="n", plan_id="p"), Ignore(by="7001", plan_id="p"), SetMode(by="7001", mode="auto"),
    Pause(by="7001"), Resume(by="7001"), Panic(by="7001", liquidate=True), Sell(by="7001", ticker="QBIT", percent=50),
    Buy(by="7001", ticker="QBIT", amount_krw=500_000), CancelOrders(by="7001", ticker="QBIT"),
    Unlock(by="7001", ticker="QBIT"), AdoptManual(by="7001", key="20261117-31", adopt=True),
    Settle(by="7001", ticker="QBIT"), OwnOrder(by="7001", ticker="QBIT", placed=False), AskStatus(by="7001"),
)  # fmt: skip
PLAIN = [msgspec.to_builtins(command) for command in COMMANDS]
MODES = {"auto", "approve", "watch"}


def test_a_line_is_a_sound_command_or_is_answered_as_invalid() -> None:
    loop = asyncio.new_event_loop()
    heard: list[AnyCommand] = []

    async def handler(command: AnyCommand) -> Reply:
        heard.append(command)
        return Reply(ok=True, key=ReplyKey.DONE)

    def check(rng: random.Random, notes: list[object]) -> None:
        original = rng.choice(PLAIN)
        document: object = original
        for _ in range(rng.choice((0, 1, 1, 2))):
            document = mutate(rng, document)
        line = damaged(rng, wire(document), 0.3)
        notes.append(line)
        heard.clear()
        reply = loop.run_until_complete(control._answer(line, handler))
        answer = msgspec.json.encode(reply)
        assert b"\n" not in answer, "an answer of two lines"
        assert msgspec.json.decode(answer, type=Reply) == reply
        if not heard:
            assert (reply.ok, reply.key) == (False, ReplyKey.INVALID)
            assert line != wire(original), "a good command was refused"
            return
        (command,) = heard
        assert isinstance(command.by, str)
        assert isinstance(command.nonce, str)
        match command:
            case SetMode():
                assert command.mode in MODES
            case Sell():
                assert type(command.percent) is int
                assert 1 <= command.percent <= 100
            case Buy():
                assert command.amount_krw is None or command.amount_krw >= 10_000
            case Panic():
                assert type(command.liquidate) is bool
            case _:
                pass
        if line == wire(original):
            assert command == COMMANDS[PLAIN.index(original)]

    try:
        fuzz("control lines", check)
    finally:
        loop.close()


def test_button_data_is_ours_to_the_letter_or_nothing() -> None:
    letters = string.ascii_letters + string.digits + "_.-:"
    words = [encode(act, *args) for act in Act for args in ((), ("a" * 32,), ("3f" * 16, "9c" * 8))]
    acts = {act.value for act in Act}
    part = re.compile(r"[A-Za-z0-9_.-]{0,48}", re.ASCII)

    def data(rng: random.Random) -> str:
        pick = rng.random()
        if pick < 0.3:
            text = rng.choice(words)
        elif pick < 0.5:
            text = "".join(rng.choices(letters, k=rng.randint(0, 70)))
        else:
            text = str(mutate(rng, rng.choice((*words, *TEXTS))))
        return text[: rng.randint(0, 90)]

    def check(rng: random.Random, notes: list[object]) -> None:
        text = data(rng)
        count = rng.choice((None, None, 0, 1, 2))
        notes += [text, count]
        press = decode(text, count=count)
        if press is None:
            assert text not in words or (count is not None and text.count(":") != count), "a good button was refused"
            return
        head, *args = text.split(":")
        assert head in acts
        assert press.act is Act(head)
        assert press.args == tuple(args)
        assert all(part.fullmatch(arg) for arg in args), "an argument that no button of ours carries"
        assert len(text.encode()) <= LIMIT
        assert count is None or len(args) == count
        assert encode(press.act, *press.args) == text
        assert (press.act in URGENT) == (head in {"p", "x"})

    fuzz("buttons", check)
