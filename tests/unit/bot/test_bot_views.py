"""The user's message formats, line by line, in Korean; the same in English."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from bot_samples import EN, KO, NOW, RULE, Phase, a_status, card, event, found, position, proposed, seen, signal, trip
from view_samples.trading import FILLED
from view_samples.world import BOUGHT, SOLD

from bot.card import CardModel, with_reply, with_signal
from bot.views import chart as chart_views
from bot.views import fills, report, report_picture
from bot.views import status as status_views
from bot.views.base import CAPTION_LIMIT
from bot.views.discovery import discovery
from bot.views.notices import notice
from bot.views.words import CONDITIONS as CONDITION_WORDS
from bot.views.words import INTENT_STATES, PLAN_STATES, PURPOSES, REFUSALS, SIGNALS
from core.model.bar import MINUTE_MS, Bar
from core.model.commands import Reply, ReplyKey
from core.model.messages import EventKind
from core.model.order import IntentState, Purpose
from core.model.params import NotificationParams, Params
from core.model.position import PlanState
from core.model.session import MarketSession
from core.model.signal import Condition, SignalType
from core.rules.performance import summarise
from core.rules.risk import RefusalReason

PARAMS = Params()
DISCOVERY_KO = f"""🔍 종목 발굴
{RULE}
티커: NVDA
종목명: NVIDIA Corp
현재가: $142.50
5분 변동: +6.2%
거래량: 15,200 (평균 대비 312%)
시총: $3.5T
{RULE}
추세: 📈 상승추세 (신뢰도 87%)"""


def test_discovery_is_the_users_format_word_for_word():
    assert seen(discovery(card(), PARAMS, KO).text) == DISCOVERY_KO


def test_a_card_carries_the_sessions_clock_and_says_how_late_its_data_is():
    session = MarketSession(
        on=NOW.date(),
        pre_open_at=NOW - dt.timedelta(hours=7),
        open_at=NOW - dt.timedelta(hours=1),
        close_at=NOW + dt.timedelta(hours=5, minutes=29),
        post_close_at=NOW + dt.timedelta(hours=9),
        half_day=False,
    )
    late = msgspec.structs.replace(card(), delay_ms=15 * 60_000)
    tail = seen(discovery(late, PARAMS, KO, session).text).removeprefix(DISCOVERY_KO)
    assert tail == (
        f"\n{RULE}\n🕐 10:31 ET · 00:31 KST · 정규장 · 마감까지 5시간 29분\n시세: 폴리곤 00:31 봉, 15분 지연"
    )
    assert "late" not in discovery(card(), PARAMS, EN, session).text


def test_discovery_in_english():
    assert seen(discovery(card(), PARAMS, EN).text) == (
        f"🔍 Stock found\n{RULE}\nTicker: NVDA\nName: NVIDIA Corp\nPrice: $142.50\n5-minute change: +6.2%\n"
        f"Volume: 15,200 (312% of average)\nMarket cap: $3.5T\n{RULE}\nTrend: 📈 Uptrend (confidence 87%)"
    )


def test_a_proposal_adds_the_plan_and_the_worst_case_in_won():
    tail = seen(discovery(card(proposed()), PARAMS, KO).text).removeprefix(DISCOVERY_KO)
    assert tail == (
        f"\n{RULE}\n매수 예정: ₩1,000,000 · 10분할 · 약 5주\n목표가(+30%): $185.25\n손절가(-15%): $121.13\n"
        "최악의 경우(손절): -₩150,000\n승인 마감: 00:41 KST"
    )


def test_buy_complete_is_the_users_format_word_for_word():
    assert seen(fills.buy_complete(BOUGHT, KO).text) == (
        f"✅ 매수 완료\n{RULE}\n티커: NVDA\n매수수량: 7주 (10분할 완료)\n평균매입가: $143.20\n총매수금액: ₩1,002,400\n"
        f"{RULE}\n목표가(+30%): $186.16\n손절가(-15%): $121.72"
    )


def test_buy_complete_in_english():
    assert seen(fills.buy_complete(BOUGHT, EN).text) == (
        f"✅ Buy complete\n{RULE}\nTicker: NVDA\nBought: 7 shares (10 tranches, complete)\nAverage price: $143.20\n"
        f"Total cost: ₩1,002,400\n{RULE}\nTarget (+30%): $186.16\nStop (-15%): $121.72"
    )


def test_sold_is_the_users_format_word_for_word():
    assert seen(fills.sold(SOLD, KO).text) == (
        f"💰 매도 실행\n{RULE}\n티커: NVDA\n매도수량: 7주 (일괄)\n매도가: $188.50\n수익률: +31.6%\n실현손익: +₩317,200\n"
        f"{RULE}\n사유: 추세 꺾임 감지 (MACD 음전환)"
    )


def test_sold_in_english():
    assert seen(fills.sold(SOLD, EN).text) == (
        f"💰 Sold\n{RULE}\nTicker: NVDA\nSold: 7 shares (all at once)\nSell price: $188.50\nReturn: +31.6%\n"
        f"Realised: +₩317,200\n{RULE}\nReason: Trend break detected (MACD turned negative)"
    )


def test_a_stop_is_urgent_and_loud_even_when_sell_notices_are_off():
    stopped = event(
        EventKind.SOLD, qty=7, sell_price="121.50", pnl_pct="-15.15", pnl_krw="-151900", reason="STOP", urgent=True
    )
    told = notice(stopped, NotificationParams(alert_on_sell=False), KO)
    assert told is not None
    assert not told.quiet
    assert seen(told.view.text).startswith(f"🚨 손절 매도\n{RULE}\n티커: NVDA")
    assert "수익률: -15.2%\n실현손익: -₩151,900" in told.view.text
    assert told.view.text.endswith("사유: 손절가 도달")


def test_progress_is_a_bar_of_ten():
    assert seen(fills.progress(FILLED, KO).text) == (
        "⏳ 분할 매수 진행 · NVDA\n▰▰▰▱▱▱▱▱▱▱ 3/10\n이번 회차: 1주 · $142.60\n누적: 3주 · 평균 $142.55\n"
        "투입 금액: ₩598,710\n목표가(+30%): $185.32\n손절가(-15%): $121.17"
    )
    assert fills.bar(1, 3) == "▰▱▱ 1/3"
    assert fills.bar(50, 100) == "▰▰▰▰▰▱▱▱▱▱ 50/100"


@pytest.mark.parametrize(
    ("kind", "values", "line"),
    [
        (EventKind.PLAN_IGNORED, {}, "🚫 무시함 · 00:31"),
        (EventKind.PLAN_EXPIRED, {}, "⌛ 시간 만료 · 제때 승인되지 않음"),
        (EventKind.PLAN_STOPPED, {"reason": "paused", "tranches_done": 4}, "✋ 중단됨 · 4/10분할 · 매수 일시정지 중"),
        (EventKind.PLAN_STOPPED, {"reason": "STOP"}, "✋ 중단됨 · 0/10분할 · 손절가 도달"),
        (EventKind.PLAN_REFUSED, {"reason": "stale_data"}, "⛔ 매수하지 않음 · 시세가 오래됨"),
        (EventKind.BUY_COMPLETE, {"complete": True, "tranches": 10}, "✅ 매수 완료 · 00:31"),
    ],
)
def test_each_ending_is_said_and_takes_the_buttons_away(kind, values, line):
    shown = discovery(card(proposed(), event(kind, **values)), PARAMS, KO)
    assert seen(shown.text).endswith(line)
    assert shown.keyboard is None


def test_the_buttons_follow_the_mode():
    def labels(model):
        keyboard = discovery(model, PARAMS, KO).keyboard
        return [b.text for row in keyboard.inline_keyboard for b in row] if keyboard else []

    assert labels(card(proposed())) == ["✅ 매수 승인", "🚫 무시", "🔇 NVDA 오늘은 그만"]
    assert labels(card(proposed(EventKind.PLAN_STARTED, auto=True))) == ["⏳ 자동매수 진행중", "🚫 무시"]
    assert labels(card(proposed(EventKind.PLAN_STARTED, by="42"))) == ["🚫 남은 분할 중단"]
    assert labels(with_signal(None, signal(SignalType.WATCH))) == ["🔇 NVDA 오늘은 그만"]


def test_a_changed_price_updates_every_number_and_the_nonce():
    values = {
        "price_before": "142.50",
        "price_after": "151.00",
        "price": "151.00",
        "nonce": "n2",
        "stop_price": "128.35",
    }
    changed = with_reply(card(proposed()), Reply(ok=False, key=ReplyKey.CHANGED, values=values), "42", NOW)
    shown = discovery(changed, PARAMS, KO)
    assert "가격이 바뀌었어요</b>: $142.50 → $151.00" in shown.text
    assert "손절가(-15%): $128.35" in shown.text
    assert shown.keyboard.inline_keyboard[0][0].callback_data == "a:plan1:n2"


def test_late_and_repeated_events_never_move_a_card_back():
    done = card(proposed(EventKind.PLAN_STARTED, by="42"), BOUGHT)
    assert done.phase is Phase.DONE
    late = [proposed(), proposed(EventKind.PLAN_STARTED), event(EventKind.PLAN_EXPIRED), event(EventKind.PLAN_IGNORED)]
    assert card(proposed(EventKind.PLAN_STARTED, by="42"), BOUGHT, *late) == done


def test_outside_text_is_escaped_and_a_card_always_fits_a_caption():
    nasty = found(name="<b>AT&T " + "x" * 300, name_ko="가" * 300)
    shown = discovery(card(proposed(name="y" * 200), discovery=nasty), PARAMS, KO)
    assert "&lt;b&gt;AT&amp;T" in shown.text
    assert len(seen(shown.text)) < CAPTION_LIMIT


def test_a_buy_by_hand_is_a_proposal_without_a_find():
    model = CardModel(key="plan1", ticker="NVDA")
    from bot.card import with_event

    text = seen(discovery(with_event(model, proposed(signal_id="")), PARAMS, KO).text)
    assert text.startswith(f"🛒 매수 제안\n{RULE}\n티커: NVDA\n현재가: $142.50\n{RULE}\n매수 예정")


def test_every_machine_key_has_words():
    for table, keys in (
        (REFUSALS, RefusalReason),
        (PURPOSES, Purpose),
        (CONDITION_WORDS, Condition),
        (INTENT_STATES, IntentState),
        (PLAN_STATES, PlanState),
        (SIGNALS, SignalType),
    ):
        assert set(keys) <= set(table), set(keys) - set(table)


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_is_worded_in_both_languages_or_silent(kind):
    values = {"reason": "weird_key", "where": "collector", "what": "a<b", "delay_s": "900", "detail": "x&y", "qty": 3}
    for t in (KO, EN):
        told = notice(event(kind, **values), NotificationParams(), t)
        assert told is None or "{" not in seen(told.view.text)


def test_switched_off_notices_are_not_sent():
    off = NotificationParams(alert_on_buy=False, alert_on_sell=False, alert_on_error=False)
    for quiet in (BOUGHT, SOLD, event(EventKind.FEED_DOWN), event(EventKind.ORDER_REJECTED)):
        assert notice(quiet, off, KO) is None
    assert notice(event(EventKind.PANICKED), off, KO) is not None


def test_numbers_that_can_be_old_carry_their_age():
    fresh = status_views.positions((position(),), NOW, KO)
    old = status_views.positions((position(priced_at=NOW - dt.timedelta(minutes=5)),), NOW, KO)
    assert "전)" not in fresh.text
    assert "(5분 전)" in old.text


def model(period, *trips, **changes):
    return report.ReportModel(
        period=period, on=NOW.date(), trips=trips, result=summarise(trips), now=NOW + dt.timedelta(hours=2), **changes
    )


def test_the_report_sums_up_and_its_curve_accumulates():
    later = NOW + dt.timedelta(minutes=5)
    made = model("day", trip(), trip("AMD", -50_000, "STOP", later))
    text = seen(report.report(made, KO).text)
    assert "실현손익: +₩267,200" in text
    assert "매매: 2건 · 수익 1건 · 승률 50%" in text
    assert "• 추세 꺾임 감지 +₩317,200\n• 손절가 도달 -₩50,000" in text
    assert "주가" not in text, "parts that are not known are not told"
    drawn = report_picture.picture(made, (), KO)
    assert drawn.pnl_krw[0] == 0, "the stair starts at zero"
    assert 317_200 in drawn.pnl_krw
    assert drawn.pnl_krw[-1] == 267_200
    assert report.report(model("week"), KO).text.endswith("이 기간에 정리한 종목이 없어요.")


def test_a_full_report_fits_a_caption():
    reasons = list(Purpose)
    long = [
        msgspec.structs.replace(
            trip(f"LONGNAME{i}", -12_345_678 * i, reasons[i % len(reasons)]), name="x" * 90, name_ko="가" * 90
        )
        for i in range(20)
    ]
    held = [position(ticker=f"HELDNAME{i}", name="y" * 90, name_ko="나" * 90) for i in range(9)]
    days = [(NOW.date() - dt.timedelta(days=i), Decimal(-i * 10_000_000)) for i in range(1, 6)]
    for t in (KO, EN):
        shown = report.report(model("month", *long, held=held, days=days), t)
        assert len(seen(shown.text)) <= CAPTION_LIMIT


def test_the_chart_carries_the_plan_and_leaves_far_levels_to_the_text():
    start = int(NOW.timestamp() * 1000)
    bars = [Bar("NVDA", start + i * MINUTE_MS, 142.0, 143.0, 141.0, 142.5, 100) for i in range(30)]
    model = card(proposed(target_price="900"))
    spec = chart_views.spec(
        "NVDA", "엔비디아", bars, PARAMS.analyzer, [], KO, levels=chart_views.plan_levels(model, KO)
    )
    assert [(level.kind, level.price) for level in spec.levels] == [("planned", 142.5), ("stop", 121.13)]
    assert spec.levels[0].label == "10분할 예정"
    assert len(chart_views.spec("NVDA", "", bars, PARAMS.analyzer, [], KO, timeframe="5m").bars) == 7
    with pytest.raises(ValueError):
        chart_views.spec("NVDA", "", [], PARAMS.analyzer, [], KO)


def test_a_status_says_what_is_blocked():
    state = a_status()
    from core.model.session import MarketSession

    session = MarketSession(
        on=NOW.date(),
        pre_open_at=NOW - dt.timedelta(hours=6),
        open_at=NOW - dt.timedelta(hours=1),
        close_at=NOW + dt.timedelta(hours=5, minutes=29),
        post_close_at=NOW + dt.timedelta(hours=9),
    )
    text = seen(status_views.status(state, session, NOW, KO).text)
    assert "🕐 10:31 ET · 00:31 KST · 정규장 · 마감까지 5시간 29분" in text
    assert "🔴 지금은 매수하지 않음: 매수 일시정지 중, 매매 시간이 아님" in text
    assert "증권사: 응답 없음 (2분 전)" in text
    assert "오늘 실현: -₩1 (1건)" in text
