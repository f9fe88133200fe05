"""Commands, access and dialogues through a real PTB application and a strict Telegram."""

import asyncio
import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from bot_world import EVE, NOW, OWNER, bars, event, position, signal

from bot.access import index
from bot.jobs import Job
from bot.registry import COMMANDS
from core.model.commands import Panic, Resume, Sell, SetMode
from core.model.messages import Channel, EventKind, SettingsChanged
from core.model.order import Side
from core.model.position import RoundTrip
from ports.store import SignalRow, TradeRow
from sandbox.telegram.model import Fault


def kinds(bot):
    return [type(c).__name__ for c in bot.trader.commands]


async def settle(bot):
    """Until a later message has been handled, and with it everything before."""
    await bot.say("/version")


async def test_a_strangers_command_is_met_with_silence_and_recorded(bot):
    bot.write("/panic", user=EVE)
    await bot.until(lambda: bot.chat.audits)
    await settle(bot)
    assert bot.texts(EVE) == []
    assert "Panic" not in kinds(bot)
    assert bot.chat.audits[0] == (NOW, str(EVE), "/panic", False, "stranger")


async def test_an_edited_message_is_no_command(bot):
    sent = await bot.say("/start")
    bot.edit(sent, "/pause")
    await bot.until(lambda: any(entry[4] == "edited" for entry in bot.chat.audits))
    await settle(bot)
    assert "Pause" not in kinds(bot)


async def test_a_forwarded_command_changes_nothing(bot):
    sent = await bot.say("/pause")
    before = kinds(bot)
    bot.forward(sent)
    await bot.until(lambda: "전달된 메시지로는" in bot.last().body.text)
    assert kinds(bot) == before


async def test_a_stale_command_is_refused_but_panic_is_obeyed(idle_bot):
    bot = idle_bot
    bot.write("/pause")
    bot.write("/panic")
    bot.clock.at = NOW + dt.timedelta(minutes=5)
    await bot.start()
    await bot.until(lambda: len(bot.messages()) == 2)
    assert kinds(bot) == ["Panic"]
    assert any(text.startswith("⌛ 5분 전에 보낸 메시지라") for text in bot.texts())


async def test_panic_does_not_wait_behind_a_handler_that_hangs(bot):
    bot.trader.hold = asyncio.Event()
    bot.write("/status")
    await bot.until(lambda: kinds(bot) == ["AskStatus"])
    await bot.say("/panic")
    assert kinds(bot) == ["AskStatus", "Panic"]
    assert bot.last().body.text.startswith("🛑 긴급 정지\n모든 매수를 멈췄고")
    bot.trader.hold.set()
    await bot.until(lambda: len(bot.messages()) == 2)


async def test_panic_needs_neither_database_nor_bus(bot):
    bot.chat.down = bot.records.down = bot.bus.down = True
    await bot.say("패닉")
    assert isinstance(bot.trader.commands[0], Panic)
    assert not bot.trader.commands[0].liquidate


async def test_selling_everything_takes_preview_and_a_typed_word_that_counts_once(bot):
    bot.trader.positions = (position(),)
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, "미리보기")
    await bot.until(lambda: "모두 매도할까요?" in bot.fresh(message).body.text)
    assert "• NVDA 엔비디아 7주 × $150.00 ≈ $1,050.00 · +4.7%" in bot.fresh(message).body.text
    assert bot.labels(bot.fresh(message)) == ["그대로 보유"]
    bot.write("청산")
    await bot.until(lambda: "전량 매도 진행" in bot.fresh(message).body.text)
    await bot.say("청산")
    assert bot.last().body.text.startswith("무슨 말씀인지") or "/help" in bot.last().body.text
    assert [c.liquidate for c in bot.trader.commands if isinstance(c, Panic)] == [False, True]


async def test_panic_writes_the_halt_file_when_the_trader_is_out_of_reach(bot):
    bot.trader.unreachable = True
    await bot.say("/panic")
    assert bot.halted == [True]
    assert "HALT 파일을 남겼어요" in bot.last().body.text


async def test_resume_after_a_panic_asks_first(bot):
    bot.trader.panicked = True
    await bot.say("/resume")
    assert not any(isinstance(c, Resume) for c in bot.trader.commands)
    await bot.press(bot.last(), "다시 허용")
    await bot.until(lambda: bot.last().body.text == "▶️ 매수를 다시 허용했어요.")
    assert not bot.trader.panicked


async def test_sell_shows_what_it_would_do_and_asks(bot):
    bot.trader.positions = (position(),)
    await bot.say("매도 nvda 50%")
    assert "수량: 7주 중 3주 (50%)" in bot.last().body.text
    await bot.press(bot.last(), "지금 매도")
    await bot.until(lambda: "매도를 시작했어요" in bot.last().body.text)
    sold = next(c for c in bot.trader.commands if isinstance(c, Sell))
    assert (sold.ticker, sold.percent, sold.by) == ("NVDA", 50, str(OWNER))
    await bot.say("/sell TSLA")
    assert bot.last().body.text.startswith("TSLA: 보유하지 않은 종목이에요.")


async def test_mode_by_button_and_by_word(bot):
    await bot.say("/mode")
    assert bot.labels(bot.last()) == ["자동 (바로 매수)", "승인 (사기 전에 물어보기)", "관찰 (알리기만 하고 사지 않기)"]
    await bot.press(bot.last(), "자동")
    await bot.until(lambda: bot.last().body.text == "⚙️ 매매 모드: 자동 (바로 매수)")
    await bot.say("모드 watch")
    assert [c.mode for c in bot.trader.commands if isinstance(c, SetMode)] == ["auto", "watch"]


async def test_status_falls_back_to_the_database_with_the_age(bot):
    bot.trader.unreachable = True
    bot.records.held = [msgspec.structs.replace(position(), priced_at=NOW - dt.timedelta(minutes=5))]
    await bot.say("상태")
    assert bot.last().body.text.startswith("⚠️ 매매봇이 응답하지 않아요. 마지막으로 확인한 상태 (5분 전)")
    assert "NVDA 엔비디아" in bot.last().body.text


async def test_status_is_refreshed_in_place(bot):
    await bot.say("/status")
    message = bot.last()
    assert "🕐 10:31 ET · 00:31 KST · 정규장 · 마감까지 5시간 29분" in message.body.text
    bot.trader.paused = True
    await bot.press(message, "새로고침")
    await bot.until(lambda: "⏸ 매수 일시정지 중" in bot.fresh(message).body.text)
    assert len(bot.messages()) == 1
    await bot.press(bot.fresh(message), "새로고침")


async def test_every_command_answers(bot, monkeypatch):
    """No command is silent, raises, or is longer than Telegram takes."""
    monkeypatch.setattr("bot.ratelimit.CHAT_BURST", 100.0)
    bot.trader.positions = (position(),)
    for spec in COMMANDS:
        if spec.name == "panic":
            continue
        await bot.say(f"/{spec.name} {'NVDA' if spec.needs else ''}".strip())
        assert "로그 번호" not in bot.last().body.text, spec.name


async def test_chart_comes_as_a_picture_and_an_unknown_ticker_gets_words(bot):
    bot.known["AAPL"] = bars("AAPL")
    await bot.say("차트 aapl 5m")
    assert bot.last().media is not None
    assert bot.last().body.text == "📈 AAPL $142.50\n폴리곤 · 방금 · 00:31 KST"
    await bot.say("/chart QQQQQ")
    assert bot.last().body.text == "QQQQQ: 시세를 찾지 못했어요. 티커가 맞는지 확인해 주세요."


async def test_why_names_each_condition_with_its_value(bot):
    verdict = signal().verdict
    row = SignalRow(
        ticker="NVDA",
        signal_type="BUY",
        confidence=Decimal(87),
        indicators=msgspec.to_builtins(verdict),
        created_at=NOW,
    )
    bot.records.signal_rows.append(row)
    await bot.say("왜 NVDA")
    assert "✅ 상승추세: EMA5 142.00 > EMA20 140.00" in bot.last().body.text
    assert "✅ 거래량 급증: x3.1 (≥ 3)" in bot.last().body.text
    assert "❌ RSI 양호: RSI 72.1 (50~70)" in bot.last().body.text


async def test_discoveries_and_trades(bot):
    await bot.card()
    await bot.bus.idle(Channel.EVENTS, Channel.SIGNAL)
    await bot.say("발굴")
    assert "NVDA $142.50 +6.2% · 00:31\n   승인 대기" in bot.last().body.text
    fill = TradeRow(
        key="k",
        ticker="NVDA",
        side=Side.BUY,
        quantity=7,
        price=Decimal("143.2"),
        total_amount=Decimal("1002.4"),
        signal_type="BUY",
        created_at=NOW,
    )
    bot.records.trade_rows.append(fill)
    await bot.say("체결")
    assert "11/21 00:31 🔵 매수 7주 @ $143.20" in bot.last().body.text


async def test_report_is_a_picture_with_text(bot):
    trip = RoundTrip(
        ticker="NVDA",
        name="NVIDIA Corp",
        name_ko="엔비디아",
        buy_qty=7,
        sell_qty=7,
        avg_price=Decimal("143.20"),
        sell_price=Decimal("188.50"),
        pnl_usd=Decimal("317.10"),
        pnl_krw=Decimal(317_200),
        pnl_pct=Decimal("31.63"),
        tranches=10,
        reason="TREND_BROKEN",
        opened_at=NOW,
        closed_at=NOW,
    )
    bot.records.trips.append(trip)
    for words in ("/report", "리포트 week", "/report month"):
        await bot.say(words)
        assert bot.last().media is not None
        assert "+₩317,200" in bot.last().body.text
        assert "승률 100%" in bot.last().body.text


async def test_a_typing_error_gets_the_nearest_command(bot):
    await bot.say("/statsu")
    assert bot.last().body.text == "혹시 /status 명령을 찾으셨나요?"
    await bot.say("xyzzyplugh")
    assert bot.last().body.text.startswith("무슨 말인지 모르겠어요.")


async def test_language_changes_words_and_menu(bot):
    await bot.say("/lang")
    await bot.press(bot.last(), "English")
    await bot.until(lambda: bot.last().body.text == "🌐 I speak English with you now.")
    await bot.say("/pause")
    assert bot.last().body.text == "⏸ Buying is paused. Stops and sells go on."
    assert bot.chat.preferences[(OWNER, "language")] == "en"


async def test_menus_are_set_once_per_language(bot):
    menus = [call for call in bot.state.outbox if call.method == "setMyCommands"]
    assert len(menus) == 3
    await bot.close()
    await bot.start()
    assert len([call for call in bot.state.outbox if call.method == "setMyCommands"]) == 3


async def test_settings_from_section_to_undo(bot):
    await bot.say("/settings")
    message = bot.last()
    await bot.press(message, "매매")
    await bot.until(lambda: "최대 보유 종목: 5종목" in bot.fresh(message).body.text)
    await bot.press(bot.fresh(message), "최대 보유 종목")
    await bot.until(lambda: "허용 범위: 1 ~ 50종목" in bot.fresh(message).body.text)
    await bot.say("500")
    assert "trading.max_positions: “500” 값은 허용 범위를 벗어났어요.\n허용 범위: 1 ~ 50종목" in bot.last().body.text
    await bot.say("8")
    assert "5종목 → 8종목" in bot.last().body.text
    assert bot.chat.history == []
    await bot.press(bot.last(), "적용")
    await bot.until(lambda: "정말 바꿀까요?" in bot.last().body.text)
    assert bot.chat.history == []
    await bot.press(bot.last(), "위험을 감수")
    await bot.until(lambda: "변경됨" in bot.last().body.text)
    assert bot.chat.history[-1].key == "trading.max_positions"
    told = [m for c, m in bot.bus.published if c is Channel.CONTROL and isinstance(m, SettingsChanged)]
    assert [m.overrides for m in told] == [{"trading.max_positions": 8}]
    assert isinstance(told[0], SettingsChanged)
    bot.clock.at += dt.timedelta(seconds=1)
    await bot.press(bot.last(), "되돌리기")
    await bot.until(lambda: "8종목 → 5종목" in bot.last().body.text)
    assert [m.overrides for c, m in bot.bus.published if c is Channel.CONTROL and isinstance(m, SettingsChanged)][
        -1
    ] == {"trading.max_positions": 5}


async def test_settings_that_nobody_can_hear_of_are_not_kept(bot):
    await bot.say("설정")
    await bot.press(bot.last(), "알림")
    await bot.until(lambda: "발굴 알림" in bot.labels(bot.last()))
    await bot.press(bot.last(), "발굴 알림")
    await bot.until(lambda: "끄기" in bot.labels(bot.last()))
    await bot.press(bot.last(), "끄기")
    await bot.until(lambda: any("적용" in label for label in bot.labels(bot.last())))
    bot.bus.down = True
    await bot.press(bot.last(), "적용")
    await bot.until(lambda: "메시지 버스가 응답하지 않아" in bot.last().body.text)
    assert (await bot.chat.overrides())["notification.alert_on_discovery"] is None


async def test_a_bare_cancel_takes_back_the_question_for_a_value_and_says_that_open_buys_are_as_they_were(bot):
    await bot.say("/settings max_positions")
    await bot.say("/cancel")
    assert bot.last().body.text.startswith("⚙️ 설정을 닫았어요.\n미체결 매수는 그대로예요.")
    assert kinds(bot) == []
    await bot.say("/cancel")
    assert kinds(bot) == ["CancelOrders"]


@pytest.mark.parametrize("words", ["/cancel NVDA", "취소 NVDA"])
async def test_cancelling_the_buys_of_a_ticker_never_ends_in_the_settings(bot, words):
    """An emergency does not wait for a dialogue that somebody left open."""
    await bot.say("/settings max_positions")
    await bot.say(words)
    assert [c.ticker for c in bot.trader.commands if type(c).__name__ == "CancelOrders"] == ["NVDA"]


async def test_cancel_with_a_list_of_settings_on_the_screen_cancels_buys(bot):
    await bot.say("/settings")
    await bot.say("/cancel")
    assert kinds(bot) == ["CancelOrders"]


async def test_an_old_or_forged_button_is_answered(bot):
    await bot.say("/start")
    for data in ("zz", "s:ok", "s:nonsense", "f:nothing", "q:abc", "P:abc", "l:xx", "a:only"):
        await bot.forge(bot.last().message_id, data)
    assert len(bot.answers()) == 8
    assert kinds(bot) == []


async def test_flood_control_by_telegram_is_waited_out(bot):
    bot.state.add_fault(Fault("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1, times=1))
    await bot.say("/start")
    assert [text[:1] for text in bot.texts()] == ["👋"]


@pytest.mark.parametrize(
    "kind", [EventKind.PAUSED, EventKind.FEED_DOWN, EventKind.GUARDIAN_TOOK_OVER, EventKind.TROUBLE]
)
async def test_events_become_notices_once(bot, kind):
    told = event(kind, where="collector", what="lost & found <b>")
    await bot.tell(told, told)
    await bot.delivered()
    assert len(bot.messages()) == 1


async def test_whoever_gave_the_command_is_not_told_again(bot):
    await bot.tell(event(EventKind.PAUSED, by=str(OWNER)))
    await bot.bus.idle(Channel.EVENTS)
    assert bot.messages() == []


async def test_the_schedule_speaks_and_catches_up_after_a_restart(idle_bot):
    bot = idle_bot
    bot.clock.at = dt.datetime(2026, 11, 20, 14, 29, tzinfo=dt.UTC)
    await bot.start()
    await bot.until(lambda: len(bot.chat.runs) == len(Job))
    bot.clock.at = dt.datetime(2026, 11, 20, 14, 30, 5, tzinfo=dt.UTC)
    await bot.until(lambda: any("미국장 개장" in text for text in bot.texts()))
    await bot.close()
    bot.clock.at = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.UTC)
    await bot.start()
    await bot.until(lambda: any("일일 리포트" in text and "11월 20일 (금)" in text for text in bot.texts()))
    assert bot.records.reports[dt.date(2026, 11, 20)].total_trades == 0
    assert sum("미국장 개장" in text for text in bot.texts()) == 1


def test_every_command_has_a_unique_name_and_words():
    assert len(index(COMMANDS)) == len(COMMANDS) + sum(len(spec.words) for spec in COMMANDS)
