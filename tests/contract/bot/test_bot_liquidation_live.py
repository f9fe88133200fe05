"""Selling everything through the real bot: one message from the tap to the sum; and caps that chat can't loosen."""

import asyncio

import msgspec
from bot_world import NOW, OWNER, event, position

from core.model.messages import Channel, EventKind
from core.model.safety import Caps

AMD = {"name": "Advanced Micro Devices", "name_ko": "AMD"}


def held(ticker="NVDA", qty=7):
    return msgspec.structs.replace(position(), ticker=ticker, qty=qty)


def done(ticker, pnl, left):
    return event(EventKind.LIQUIDATION, ticker=ticker, left=left, pnl_krw=pnl)


async def liquidate(bot):
    """The two taps; returns the message in which it goes on."""
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, "미리보기")
    await bot.until(lambda: "모두 매도할까요?" in bot.fresh(message).body.text)
    bot.write("청산")
    await bot.until(lambda: "모두 매도할까요?" not in bot.fresh(message).body.text)
    return message


async def test_the_same_message_goes_from_the_tap_to_flat_with_the_sum(bot):
    bot.trader.positions = (held(), held("AMD", 5))
    message = await liquidate(bot)
    assert "🚨 전량 매도 진행 · 00:31 KST 시작\n▱▱ 0/2" in bot.fresh(message).body.text
    await bot.tell(
        event(EventKind.SELL_STARTED, "NVDA", qty=7, reason="PANIC"),
        event(EventKind.SELL_STARTED, "AMD", ticker="AMD", qty=5, reason="PANIC"),
        event(EventKind.EXIT_WAITS, "AMD", ticker="AMD", qty=5, reason="PANIC"),
        done("NVDA", "12300", 1),
    )
    await bot.until(lambda: "▰▱ 1/2" in bot.fresh(message).body.text)
    assert "다음 개장 때 이어서 매도" in bot.fresh(message).body.text
    await bot.tell(done("AMD", "-50000", 0))
    await bot.until(lambda: "✅ 전량 매도 완료" in bot.fresh(message).body.text)
    assert "실현손익 합계: -₩37,700" in bot.fresh(message).body.text
    await bot.bus.idle(Channel.EVENTS)
    assert len(bot.messages()) == 1


async def test_a_run_survives_a_restart_of_the_bot(bot):
    bot.trader.positions = (held(), held("AMD", 5))
    message = await liquidate(bot)
    await bot.close()
    await bot.start()
    await bot.tell(done("NVDA", "12300", 1))
    await bot.until(lambda: "▰▱ 1/2" in bot.fresh(message).body.text)
    await bot.tell(done("AMD", "1", 0))
    await bot.until(lambda: "✅ 전량 매도 완료" in bot.fresh(message).body.text)
    assert len(bot.messages()) == 1


async def test_one_that_was_started_in_the_terminal_gets_a_message_as_well(bot):
    await bot.tell(event(EventKind.SELL_STARTED, "NVDA", qty=7, reason="PANIC"))
    await bot.until(lambda: bot.texts_with("전량 매도 진행"))
    await bot.tell(done("NVDA", "12300", 0))
    await bot.until(lambda: bot.texts_with("전량 매도 완료"))
    await bot.tell(event(EventKind.SELL_STARTED, "NVDA", qty=7, reason="PANIC"))
    await bot.bus.idle(Channel.EVENTS)
    assert len(bot.messages()) == 1, "a message that comes again starts nothing"


async def test_a_second_command_goes_on_in_its_own_message(bot):
    bot.trader.positions = (held(),)
    first = await liquidate(bot)
    bot.clock.at = NOW.replace(hour=16)
    second = await liquidate(bot)
    await bot.until(lambda: "전량 매도 진행" in bot.fresh(second).body.text)
    assert "새 메시지에서 이어져요" in bot.fresh(first).body.text
    await bot.tell(done("NVDA", "5", 0))
    await bot.until(lambda: "전량 매도 완료" in bot.fresh(second).body.text)


async def test_an_event_that_waits_for_the_database_beside_the_answer_opens_no_second_message(bot, monkeypatch):
    bot.trader.positions = (held(),)
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, "미리보기")
    await bot.until(lambda: "모두 매도할까요?" in bot.fresh(message).body.text)
    known, gates, asked = bot.chat.recent_cards, [asyncio.Event(), asyncio.Event()], []

    async def slow(kind, *, limit):
        if kind == "liquidation":
            asked.append(kind)
            await gates[len(asked) - 1].wait()
        return await known(kind, limit=limit)

    monkeypatch.setattr(bot.chat, "recent_cards", slow)
    await bot.tell(event(EventKind.SELL_STARTED, "NVDA", qty=7, reason="PANIC"))
    await bot.until(lambda: len(asked) == 1)
    bot.write("청산")
    await bot.until(lambda: len(asked) == 2)
    gates[0].set()
    await bot.until(lambda: bot.texts_with("전량 매도 진행"))
    gates[1].set()
    await bot.tell(done("NVDA", "12300", 0))
    await bot.until(lambda: "✅ 전량 매도 완료" in bot.fresh(message).body.text)
    await bot.bus.idle(Channel.EVENTS)
    assert not bot.texts_with("전량 매도")[1:]


async def test_without_positions_it_says_that_there_is_nothing_to_sell(bot):
    bot.trader.positions = (held(),)
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, "미리보기")
    await bot.until(lambda: "모두 매도할까요?" in bot.fresh(message).body.text)
    bot.trader.positions = ()
    bot.write("청산")
    await bot.until(lambda: "매수는 멈춰 있어요. 다시 시작하려면 /resume" in bot.fresh(message).body.text)
    assert bot.fresh(message).body.text.startswith("💼 보유 종목이 없어")


async def test_a_trader_that_is_out_of_reach_sells_nothing_and_a_later_run_is_unharmed(bot):
    bot.trader.positions = (held(),)
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, "미리보기")
    await bot.until(lambda: "모두 매도할까요?" in bot.fresh(message).body.text)
    bot.trader.unreachable = True
    bot.write("청산")
    await bot.until(lambda: bot.texts_with("매매봇이 응답하지 않아요"))
    bot.trader.unreachable = False
    await bot.tell(event(EventKind.SELL_STARTED, "NVDA", qty=7, reason="PANIC"))
    await bot.until(lambda: bot.texts_with("전량 매도 진행"))
    assert "모두 매도할까요?" in bot.fresh(message).body.text


async def test_a_value_looser_than_the_hard_cap_is_refused_by_name_and_file(idle_bot):
    bot = idle_bot
    bot.caps = Caps(max_positions=6, widest_stop_pct=-20.0)
    await bot.start()
    await bot.say("/settings")
    message = bot.last()
    await bot.press(message, "매매")
    await bot.until(lambda: "최대 보유 종목: 5종목" in bot.fresh(message).body.text)
    await bot.press(bot.fresh(message), "최대 보유 종목")
    await bot.until(lambda: "절대 상한: 6종목 (caps.toml 파일의 max_positions)" in bot.fresh(message).body.text)
    await bot.say("7")
    assert "trading.max_positions: “7” 값은 절대 상한보다 느슨해서 바꿀 수 없어요." in bot.last().body.text
    assert (
        "절대 상한: 6종목 (caps.toml 파일의 max_positions). 서버의 이 파일에서만 늘릴 수 있어요."
        in bot.last().body.text
    )
    await bot.say("6")
    assert "5종목 → 6종목" in bot.last().body.text
    assert bot.chat.history == []


async def test_an_older_override_beyond_a_new_cap_is_shown_as_what_is_in_force(idle_bot):
    from ports.store import Override

    bot = idle_bot
    bot.caps = Caps(max_positions=3)
    key = "trading.max_positions"
    bot.chat.history.append(Override(key=key, old=5, new=9, by=str(OWNER), at=NOW))
    await bot.start()
    await bot.say("/settings")
    message = bot.last()
    await bot.press(message, "매매")
    await bot.until(lambda: "최대 보유 종목: 3종목" in bot.fresh(message).body.text)
