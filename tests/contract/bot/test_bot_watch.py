"""The watch over the watchers, the pinned message, alarms and the trading state, through the real bot."""

import datetime as dt

import msgspec
import pytest
from bot_world import EVE, NOW, event, position

from bot.beats import Beats
from core.model.commands import AskStatus, Resume
from core.model.messages import Channel, EventKind
from core.model.safety import Block

FINE = Beats(trader_age_s=1.0, guardian_age_s=1.0)
TAKEN = Beats(trader_age_s=16.0, guardian_age_s=1.0, in_charge=True)
KEPT = Beats(trader_age_s=1.0, guardian_age_s=1.0, in_charge=True, keeps=True, standby=True)


async def seen(bot, words):
    """Wait for a message with these words, and return it."""
    await bot.until(lambda: bot.texts_with(words))
    return bot.texts_with(words)[-1]


async def test_a_takeover_is_told_at_once_with_the_stops_and_so_is_the_hand_back(bot):
    bot.trader.positions = (position(),)
    await bot.hold(("NVDA", 7, "121.72"))
    await seen(bot, "보유·손절가 (00:31 기준)")
    bot.beats = TAKEN
    told = await seen(bot, "감시견이 이어받았어요")
    assert "• NVDA 엔비디아 7주 · 손절가 $121.72" in told.body.text
    assert not told.silent
    bot.beats = FINE
    assert (await seen(bot, "매매봇이 감시를 돌려받았어요")).silent
    assert len(bot.texts_with("감시견이 이어받았어요")) == 1


async def test_what_was_told_is_not_told_again_after_a_restart(bot):
    bot.beats = TAKEN
    await seen(bot, "감시견이 이어받았어요")
    await bot.until(lambda: (0, "guard") in bot.chat.preferences)
    await bot.close()
    await bot.start()
    await bot.say("/guardian")
    assert len(bot.texts_with("감시견이 이어받았어요 ·")) == 1
    await bot.close()
    bot.beats = FINE
    await bot.start()
    await seen(bot, "매매봇이 감시를 돌려받았어요")


async def test_a_guardian_that_keeps_the_watch_gives_it_back_after_two_taps(bot):
    bot.beats = KEPT
    alarm = await seen(bot, "감시견이 감시를 계속 맡아요")
    assert not alarm.silent
    bot.clock.at = NOW + dt.timedelta(hours=3)
    await bot.press(alarm, "돌려주기")
    question = await seen(bot, "감시를 매매봇에 돌려줄까요?")
    assert bot.handbacks == []
    data = bot.data(question, "네, 돌려줄게요")
    await bot.press(question, "네, 돌려줄게요")
    await bot.until(lambda: "요청했어요" in bot.fresh(question).body.text)
    await bot.forge(question.message_id, data)
    assert bot.answers()[-1] == "오래된 버튼이에요. 명령을 다시 보내 주세요."
    assert bot.handbacks == [True]


async def test_a_stranger_can_neither_ask_nor_confirm_a_hand_back(bot):
    bot.beats = KEPT
    alarm = await seen(bot, "감시견이 감시를 계속 맡아요")
    await bot.forge(alarm.message_id, "h", user=EVE)
    await bot.say("/handback")
    question = bot.last()
    await bot.forge(question.message_id, bot.data(question, "네"), user=EVE)
    assert bot.answers(EVE) == ["권한이 없습니다", "권한이 없습니다"]
    assert bot.handbacks == []


async def test_a_hand_back_that_cannot_be_written_says_what_to_do(bot):
    bot.beats, bot.handback_fails = KEPT, True
    await seen(bot, "감시견이 감시를 계속 맡아요")
    await bot.say("감시돌려주기")
    question = bot.last()
    await bot.press(question, "네, 돌려줄게요")
    await bot.until(lambda: "HANDBACK 파일을 직접 만들어" in bot.fresh(question).body.text)


async def test_there_is_nothing_to_give_back_while_the_trader_guards(bot):
    await bot.say("/handback")
    assert bot.last().body.text.startswith("🛡 감시견이 감시를 붙잡고 있지 않아서")


async def test_nobody_on_watch_is_the_loudest_notice_with_everything_to_do_by_hand(bot):
    await bot.hold(("NVDA", 7, "121.72"), ("AMD", 3, "90.10"))
    await seen(bot, "보유·손절가 (00:31 기준)")
    bot.trader.unreachable = True
    await bot.hold(("NVDA", 7, "121.72"), ("AMD", 3, "90.10"), at=NOW + dt.timedelta(minutes=1))
    await bot.bus.idle(Channel.CONTROL)
    bot.clock.at = NOW + dt.timedelta(minutes=5)
    bot.beats = Beats(trader_age_s=16.0, guardian_age_s=16.0)
    told = await seen(bot, "🚨🚨 손절을 지키는 곳이 없어요")
    assert (
        "보유·손절가 (00:32 KST 기준, 4분 전)\n• NVDA 7주 · 손절가 $121.72\n• AMD 3주 · 손절가 $90.10" in told.body.text
    )
    assert not told.silent
    bot.beats = FINE
    await seen(bot, "손절을 다시 지키고 있어요")


async def test_without_any_message_of_holdings_the_database_knows_the_stops(bot):
    bot.records.held = [position()]
    bot.beats = Beats()
    told = await seen(bot, "🚨🚨 손절을 지키는 곳이 없어요")
    assert "• NVDA 엔비디아 7주 · 손절가 $121.72" in told.body.text


async def test_a_missing_guardian_alone_is_told_because_nobody_would_step_in(bot):
    bot.beats = Beats(trader_age_s=1.0)
    await seen(bot, "감시견이 응답하지 않아요")
    bot.beats = FINE
    await seen(bot, "감시견이 다시 응답해요")


async def test_the_watch_works_without_the_database(bot):
    bot.chat.down = bot.records.down = True
    bot.beats = TAKEN
    await seen(bot, "감시견이 이어받았어요")


async def test_guardian_and_health_say_who_guards_the_stops(bot):
    await bot.say("감시견")
    page = bot.last()
    assert page.body.text.startswith("🛡 감시견\n━━━━━━━━━━━━━━\n🟢 매매봇이 손절을 지키고, 감시견은 대기하고 있어요.")
    assert bot.labels(page) == ["🔄 새로고침"]
    bot.beats = KEPT
    await bot.press(page, "새로고침")
    await bot.until(lambda: bot.labels(bot.fresh(page)) == ["🤝 감시 돌려주기", "🔄 새로고침"])
    bot.write("/health")
    health = await seen(bot, "🩺")
    assert "🛡 돌려주실 때까지 감시견이 손절을 지켜요." in health.body.text


def pins(bot):
    return [call for call in bot.state.outbox if call.method == "pinChatMessage"]


async def test_holdings_and_stops_are_one_pinned_message_that_follows_every_change(bot):
    bot.trader.positions = (position(),)
    await bot.hold(("NVDA", 7, "121.72"))
    board = await seen(bot, "보유·손절가 (00:31 기준)")
    await bot.until(lambda: pins(bot))
    assert board.silent
    assert "🟢 매매 상태: 정상" in board.body.text
    bot.clock.at = NOW + dt.timedelta(minutes=1)
    await bot.hold(("NVDA", 4, "125.00"))
    await bot.until(lambda: "(00:32 기준)" in bot.fresh(board).body.text)
    assert "• NVDA 엔비디아 4주 · 손절가 $125.00" in bot.fresh(board).body.text
    bot.clock.at = NOW + dt.timedelta(minutes=2)
    await bot.hold()
    await bot.until(lambda: "💼 보유 종목이 없어요." in bot.fresh(board).body.text)
    assert len(bot.texts_with("보유·손절가")) == len(pins(bot)) == 1


async def test_repeated_holdings_only_move_the_time_on_every_ten_minutes(bot):
    await bot.hold(("NVDA", 7, "121.72"))
    board = await seen(bot, "(00:31 기준)")
    for minutes in (1, 9):
        await bot.hold(("NVDA", 7, "121.72"), at=NOW + dt.timedelta(minutes=minutes))
    await bot.bus.idle(Channel.CONTROL)
    assert "(00:31 기준)" in bot.fresh(board).body.text
    await bot.hold(("NVDA", 7, "121.72"), at=NOW + dt.timedelta(minutes=10))
    await bot.until(lambda: "(00:41 기준)" in bot.fresh(board).body.text)
    await bot.hold(("NVDA", 1, "99.00"), at=NOW + dt.timedelta(minutes=5))
    await bot.bus.idle(Channel.CONTROL)
    assert "7주" in bot.fresh(board).body.text, "an older message never overwrites a newer one"


async def test_the_pinned_message_survives_a_restart_and_needs_no_trader(bot):
    await bot.hold(("NVDA", 7, "121.72"))
    board = await seen(bot, "(00:31 기준)")
    await bot.bus.idle(Channel.CONTROL)
    await bot.close()
    bot.trader.unreachable = True
    bot.clock.at = NOW + dt.timedelta(minutes=1)
    await bot.start()
    await bot.hold(("NVDA", 7, "130.00"))
    await bot.until(lambda: "손절가 $130.00" in bot.fresh(board).body.text)
    assert len(bot.texts_with("보유·손절가")) == 1


async def test_nothing_is_pinned_before_something_is_held(bot):
    await bot.hold()
    await bot.tell(event(EventKind.PAUSED))
    await bot.bus.idle(Channel.CONTROL, Channel.EVENTS)
    assert bot.texts_with("보유·손절가") == []


async def test_a_state_change_is_one_notice_and_the_pinned_header_follows(bot):
    bot.trader.positions = (position(),)
    await bot.hold(("NVDA", 7, "121.72"))
    board = await seen(bot, "(00:31 기준)")
    bot.trader.blocks = (Block(reason="broker_sick", since=NOW),)
    await bot.tell(event(EventKind.STATE_CHANGED, ticker="", state="reducing", before="active", reason="broker_sick"))
    told = await seen(bot, "(이전: 정상)")
    assert "사유: 증권사 응답을 믿을 수 없음" in told.body.text
    assert not told.silent
    await bot.until(lambda: "🟠 매매 상태: 신규 매수 중지" in bot.fresh(board).body.text)
    await bot.say("/status")
    assert "• 증권사 응답을 믿을 수 없음 · 00:31 KST부터 · /resume 할 때까지" in bot.last().body.text
    await bot.say("/resume")
    assert any(isinstance(c, Resume) for c in bot.trader.commands)
    await bot.tell(
        event(EventKind.STATE_CHANGED, ticker="", state="active", before="reducing", reason=""),
        event(EventKind.RESUMED, ticker="", by="9"),
    )
    await bot.until(lambda: "🟢 매매 상태: 정상" in bot.fresh(board).body.text)
    assert len(bot.texts_with("매매 상태: 정상 (이전")) == 0


async def test_resume_against_a_halt_file_names_the_file_and_the_terminal(bot):
    bot.trader.halted = True
    await bot.say("/resume")
    assert bot.last().body.text.startswith("⛔ 아직이에요: HALT 파일이 매수를 막고 있어요")
    await bot.say("/status")
    assert "🔴 매매 상태: 전면 중지" in bot.last().body.text


async def test_an_unseen_price_is_an_urgent_alarm_with_the_stop_and_has_an_all_clear(bot):
    bot.trader.positions = (position(),)
    await bot.hold(("NVDA", 7, "121.72"))
    await seen(bot, "보유·손절가")
    await bot.tell(event(EventKind.UNWATCHED, "NVDA", name="NVIDIA Corp", age_s=21))
    told = await seen(bot, "시세가 보이지 않아요")
    assert "• NVDA 엔비디아 7주 · 손절가 $121.72" in told.body.text
    assert not told.silent
    await bot.tell(event(EventKind.WATCHED, "NVDA"))
    assert (await seen(bot, "시세가 다시 보여요")).silent


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_pinned_message_that_was_deleted_is_made_anew(bot, deleted):
    await bot.hold(("NVDA", 7, "121.72"))
    board = await seen(bot, "보유·손절가")
    if deleted:
        del bot.state.conversation(board.chat.id).messages[board.message_id]
    bot.clock.at = NOW + dt.timedelta(minutes=1)
    await bot.hold(("NVDA", 7, "130.00"))
    renewed = await seen(bot, "손절가 $130.00")
    assert (renewed.message_id != board.message_id) == deleted


async def test_switched_off_telegram_notices_switch_off_these_as_well(idle_bot):
    bot = idle_bot
    silent = msgspec.structs.replace(bot.params.notification, telegram_enabled=False)
    bot.params = msgspec.structs.replace(bot.params, notification=silent)
    bot.beats = TAKEN
    await bot.start()
    await bot.until(lambda: (0, "guard") in bot.chat.preferences)
    await bot.hold(("NVDA", 7, "121.72"))
    await bot.tell(event(EventKind.UNWATCHED, "NVDA", age_s=21))
    await bot.bus.idle(Channel.CONTROL, Channel.EVENTS)
    assert bot.messages() == []
    assert not any(isinstance(c, AskStatus) for c in bot.trader.commands)
