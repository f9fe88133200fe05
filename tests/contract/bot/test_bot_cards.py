"""The discovery card through a real PTB application and a strict Telegram."""

import datetime as dt

from bot_fakes import FakePlan
from bot_world import EVE, NOW, event, proposed, signal, tranche

from core.model.messages import Channel, EventKind
from core.model.signal import SignalType

RULE = "━" * 14
CARD = f"""🔍 종목 발굴
{RULE}
티커: NVDA
종목명: NVIDIA Corp (엔비디아)
현재가: $142.50
5분 변동: +6.2%
거래량: 15,200 (평균 대비 312%)
시총: $3.5T
{RULE}
추세: 📈 상승추세 (신뢰도 87%)
{RULE}
🕐 10:31 ET · 00:31 KST · 정규장 · 마감까지 5시간 29분
시세: 폴리곤 00:31 봉
매수 예정: ₩1,000,000 · 10분할 · 약 5주
목표가(+30%): $185.25
손절가(-15%): $121.13
최악의 경우(손절): -₩150,000
승인 마감: 00:41 KST"""


async def test_a_buy_signal_is_one_photo_with_the_users_caption_and_two_buttons(bot):
    card = await bot.card()
    assert card.media is not None
    assert card.body.text == CARD
    assert bot.labels(card) == ["✅ 매수 승인", "🚫 무시", "🔇 NVDA 오늘은 그만"]
    assert len(bot.messages()) == 1


async def test_approval_rewrites_the_card_and_leaves_only_the_stop_button(bot):
    card = await bot.card()
    await bot.press(card, "매수 승인")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == ["🚫 남은 분할 중단"])
    assert "✅ 승인됨 · 00:31" in bot.fresh(card).body.text
    assert bot.answers() == ["승인했어요. 매수를 시작해요."]
    assert bot.trader.plans["plan1"].by == "7001"


async def test_a_replayed_press_is_told_that_it_was_decided(bot):
    card = await bot.card()
    data = bot.data(card, "매수 승인")
    await bot.press(card, "매수 승인")
    await bot.until(lambda: "승인됨" in bot.fresh(card).body.text)
    await bot.forge(card.message_id, data)
    assert bot.answers()[-1] == "이미 결정된 제안이에요: 매수 중"
    assert [type(c).__name__ for c in bot.trader.commands] == ["Approve", "Approve"]
    assert bot.labels(bot.fresh(card)) == ["🚫 남은 분할 중단"]


async def test_ignoring_ends_the_card(bot):
    card = await bot.card()
    await bot.press(card, "무시")
    await bot.until(lambda: "🚫 무시함 · 00:31" in bot.fresh(card).body.text)
    assert bot.labels(bot.fresh(card)) == []


async def test_a_changed_price_is_shown_before_and_after_and_asks_again(bot):
    bot.trader.plans["plan1"] = FakePlan("NVDA", "n1", moved_to="151.00")
    card = await bot.card()
    await bot.press(card, "매수 승인")
    await bot.until(lambda: "가격이 바뀌었어요: $142.50 → $151.00" in bot.fresh(card).body.text)
    assert bot.answers() == ["가격이 바뀌었어요: $142.50 → $151.00. 확인하고 다시 눌러 주세요."]
    await bot.press(bot.fresh(card), "매수 승인")
    await bot.until(lambda: "승인됨" in bot.fresh(card).body.text)


async def test_a_refusal_after_the_tap_is_an_alert_and_the_proposal_stays_open(bot):
    bot.trader.plans["plan1"] = FakePlan("NVDA", "n1", refuse="max_positions")
    card = await bot.card()
    await bot.press(card, "매수 승인")
    await bot.until(lambda: "매수하지 않음 · 최대 보유 종목 수 도달" in bot.fresh(card).body.text)
    assert bot.answers() == ["사지 않았어요: 최대 보유 종목 수 도달"]
    bot.trader.plans["plan1"].refuse = ""
    await bot.press(bot.fresh(card), "매수 승인")
    await bot.until(lambda: "승인됨" in bot.fresh(card).body.text)
    assert "매수하지 않음" not in bot.fresh(card).body.text


async def test_stopping_a_running_plan_says_how_far_it_came(bot):
    card = await bot.card()
    await bot.press(card, "매수 승인")
    await bot.tell(tranche(4))
    await bot.until(lambda: len(bot.messages()) == 2 and bot.labels(bot.fresh(card)) == ["🚫 남은 분할 중단"])
    await bot.press(bot.fresh(card), "남은 분할 중단")
    await bot.tell(event(EventKind.PLAN_IGNORED, "plan1", reason="owner", by="7001", tranches_done=4, of=10))
    await bot.until(lambda: "분할 매수 중단" in bot.messages()[1].body.text)
    assert "✋ 중단됨 · 4/10분할 · 직접 중단" in bot.fresh(card).body.text
    assert bot.labels(bot.fresh(card)) == []


async def test_a_stranger_with_the_right_data_does_nothing(bot):
    card = await bot.card()
    await bot.forge(card.message_id, "a:plan1:n1", user=EVE)
    assert bot.answers(EVE) == ["권한이 없습니다"]
    assert bot.trader.commands == []
    assert bot.chat.audits[-1] == (NOW, str(EVE), "button a:plan1:n1", False, "stranger")


async def test_the_trader_out_of_reach_is_a_clear_alert_and_the_button_stays(bot):
    card = await bot.card()
    bot.trader.unreachable = True
    await bot.press(card, "매수 승인")
    assert bot.answers() == ["매매봇이 응답하지 않아요. 아무것도 하지 않았어요."]
    assert bot.labels(bot.fresh(card)) == ["✅ 매수 승인", "🚫 무시", "🔇 NVDA 오늘은 그만"]


async def test_the_verdict_may_come_before_the_signal(bot):
    bot.trader.plans["plan1"] = FakePlan("NVDA", "n1")
    await bot.screened()
    await bot.tell(proposed())
    await bot.until(lambda: Channel.EVENTS in bot.bus.entries)
    await bot.bus.publish(Channel.SIGNAL, signal())
    await bot.until(lambda: len(bot.messages()) == 1)
    assert bot.last().body.text == CARD


async def test_a_watch_signal_is_told_quietly_with_no_more_than_a_way_to_mute_it(bot):
    await bot.screened()
    await bot.bus.idle(Channel.SCREENED)
    await bot.bus.publish(Channel.SIGNAL, signal(SignalType.WATCH))
    await bot.until(lambda: len(bot.messages()) == 1)
    assert bot.labels(bot.last()) == ["🔇 NVDA 오늘은 그만"]
    assert bot.last().silent
    assert bot.last().body.text.endswith("👀 알림만 · 매수 시그널 없음")


async def test_auto_mode_shows_progress_on_the_info_button(bot):
    await bot.screened()
    await bot.bus.publish(Channel.SIGNAL, signal())
    await bot.tell(proposed(EventKind.PLAN_STARTED, auto=True), tranche(3))
    await bot.until(lambda: len(bot.messages()) == 2)
    card = bot.messages()[0]
    assert bot.labels(card) == ["⏳ 자동매수 진행중", "🚫 무시"]
    await bot.press(card, "자동매수")
    assert bot.answers() == ["NVDA: 10분할 중 3회 매수했어요."]


async def test_the_tranches_are_one_message_that_is_edited_then_the_buy_is_complete(bot):
    card = await bot.card()
    await bot.press(card, "매수 승인")
    for k in range(1, 4):
        await bot.tell(tranche(k))
        await bot.until(lambda k=k: any(f"{k}/10" in text for text in bot.texts()))
    assert len(bot.messages()) == 2
    progress = bot.messages()[1]
    assert progress.reply_to == card.message_id
    assert "▰▰▰▱▱▱▱▱▱▱ 3/10" in progress.body.text
    done = event(
        EventKind.BUY_COMPLETE,
        "plan1",
        qty=7,
        tranches=10,
        of=10,
        avg_price="143.20",
        total_krw="1002400",
        total_usd="1002.40",
        target_price="186.16",
        stop_price="121.72",
        complete=True,
    )
    await bot.tell(done)
    await bot.until(lambda: len(bot.messages()) == 3 and "분할 매수 완료" in bot.fresh(progress).body.text)
    await bot.bus.idle(Channel.EVENTS)
    assert bot.last().body.text.startswith(f"✅ 매수 완료\n{RULE}\n티커: NVDA\n매수수량: 7주 (10분할 완료)")
    assert bot.labels(bot.fresh(card)) == []


async def test_after_a_restart_the_same_card_is_edited_and_nothing_is_told_twice(bot):
    card = await bot.card()
    await bot.bus.idle(Channel.SIGNAL, Channel.EVENTS)
    await bot.close()
    bot.bus.acked.clear()
    await bot.start()
    await bot.bus.idle(Channel.SIGNAL, Channel.EVENTS)
    assert len(bot.messages()) == 1
    await bot.close()
    await bot.start()
    await bot.press(bot.fresh(card), "매수 승인")
    await bot.until(lambda: "승인됨" in bot.fresh(card).body.text)


async def test_a_sale_is_told_with_the_users_format_and_its_chart(bot):
    await bot.screened()
    await bot.bus.idle(Channel.SCREENED)
    sold = event(
        EventKind.SOLD,
        "NVDA",
        qty=7,
        sell_price="188.50",
        avg_price="143.20",
        pnl_pct="31.63",
        pnl_krw="317200",
        pnl_usd="226.50",
        reason="TREND_BROKEN",
        conditions="macd_turned_negative",
        urgent=False,
    )
    await bot.tell(sold, sold)
    await bot.delivered()
    assert len(bot.messages()) == 1
    assert bot.last().media is not None
    assert not bot.last().silent
    assert bot.last().body.text == (
        f"💰 매도 실행\n{RULE}\n티커: NVDA\n매도수량: 7주 (일괄)\n매도가: $188.50\n수익률: +31.6%\n"
        f"실현손익: +₩317,200\n{RULE}\n사유: 추세 꺾임 감지 (MACD 음전환)"
    )


async def test_a_card_goes_out_while_the_database_is_away(bot):
    bot.chat.down = True
    card = await bot.card()
    assert bot.labels(card) == ["✅ 매수 승인", "🚫 무시", "🔇 NVDA 오늘은 그만"]
    await bot.press(card, "매수 승인")
    await bot.until(lambda: "승인됨" in bot.fresh(card).body.text)


async def test_finds_of_hours_ago_are_no_news_but_their_plans_are(bot):
    bot.clock.at = NOW + dt.timedelta(hours=2)
    await bot.bus.publish(Channel.SIGNAL, signal())
    await bot.bus.idle(Channel.SIGNAL)
    assert bot.messages() == []
    await bot.tell(proposed(signal_id=""))
    await bot.until(lambda: len(bot.messages()) == 1)
    assert bot.last().body.text.startswith("🛒 매수 제안")


async def test_a_flood_of_edits_ends_with_the_newest(bot):
    card = await bot.card()
    await bot.press(card, "매수 승인")
    await bot.tell(*(tranche(k) for k in range(1, 11)))
    await bot.until(lambda: any("10/10" in text for text in bot.texts()))
    assert len(bot.messages()) == 2
