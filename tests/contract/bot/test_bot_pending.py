"""Proposals decided together, tickers that are muted, and what became of finds that were not bought."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from bot_fakes import FakePlan
from bot_world import EVE, NOW, OWNER, bars, event, found, proposed, signal

from bot.jobs import Job
from core.model.commands import Approve, Ignore, Mute, Unlock
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.model.instrument import Exchange
from core.model.messages import Channel, EventKind
from core.model.position import Plan, PlanState
from core.model.signal import SignalType


def plan(plan_id, ticker, nonce, budget="1000000"):
    return Plan(
        id=plan_id,
        nonce=nonce,
        signal_id=f"s-{ticker}",
        ticker=ticker,
        exchange=Exchange.NASD,
        name="",
        name_ko="",
        state=PlanState.PROPOSED,
        budget_krw=Decimal(budget),
        budget_usd=Decimal(714),
        krw_per_usd=Decimal(1400),
        reference_price=Decimal("142.50"),
        tranches=10,
        interval_s=60,
        created_at=NOW,
        expires_at=NOW + dt.timedelta(minutes=10),
    )


async def propose(bot, *tickers):
    """Proposals at the trader and their cards."""
    for ticker in tickers:
        bot.trader.plans[f"p-{ticker}"] = FakePlan(ticker, f"n-{ticker}")
        await bot.tell(proposed(plan=f"p-{ticker}", signal_id="", nonce=f"n-{ticker}"))
    bot.trader.open_plans = tuple(plan(f"p-{t}", t, f"n-{t}") for t in tickers)
    await bot.bus.idle(Channel.EVENTS)


@pytest.mark.parametrize(
    ("language", "title", "button", "ends"),
    [
        ("ko", "📋 승인 대기 · 2건", "모두 승인", "• AMD: ✅ 매수 시작"),
        ("en", "📋 Waiting for your approval · 2", "Approve all", "• AMD: ✅ being bought"),
    ],
)
async def test_all_proposals_are_approved_with_one_tap_each_with_its_own_nonce(bot, language, title, button, ends):
    await bot.say(f"/lang {language}")
    await propose(bot, "NVDA", "AMD")
    await bot.say("/pending")
    screen = bot.last()
    assert screen.body.text.startswith(title)
    assert "₩2,000,000" in screen.body.text
    assert "-₩300,000" in screen.body.text
    await bot.press(screen, button)
    await bot.until(lambda: ends in bot.fresh(screen).body.text)
    taps = [c for c in bot.trader.commands if isinstance(c, Approve)]
    assert [(c.plan_id, c.nonce) for c in taps] == [("p-NVDA", "n-NVDA"), ("p-AMD", "n-AMD")]
    assert bot.labels(bot.fresh(screen)) == []


async def test_one_that_changed_or_is_refused_does_not_stop_the_others(bot):
    await propose(bot, "NVDA", "AMD", "TSLA")
    bot.trader.plans["p-NVDA"].moved_to = "150.00"
    bot.trader.plans["p-AMD"].refuse = "max_positions"
    await bot.say("/pending")
    screen = bot.last()
    await bot.press(screen, "모두 승인")
    await bot.until(lambda: "한 번에 결정함" in bot.fresh(screen).body.text)
    text = bot.fresh(screen).body.text
    assert "• NVDA: ⚠️ 가격이 바뀜" in text
    assert "• AMD: ⛔ 사지 않음" in text
    assert "• TSLA: ✅ 매수 시작" in text


async def test_a_tap_decides_what_the_list_showed_and_only_once(bot):
    await propose(bot, "NVDA", "AMD")
    await bot.say("/pending")
    screen = bot.last()
    data = bot.data(screen, "모두 무시")
    await propose(bot, "NVDA", "AMD", "TSLA")
    await bot.press(screen, "모두 무시")
    await bot.until(lambda: "한 번에 결정함" in bot.fresh(screen).body.text)
    await bot.forge(screen.message_id, data)
    assert [c.plan_id for c in bot.trader.commands if isinstance(c, Ignore)] == ["p-NVDA", "p-AMD"]


async def test_a_second_proposal_brings_the_way_to_deciding_together(bot):
    await propose(bot, "NVDA")
    assert bot.texts_with("답을 기다려요") == []
    await propose(bot, "AMD")
    await bot.until(lambda: bot.texts_with("제안 2건이 답을 기다려요."))
    (hint,) = bot.texts_with("제안 2건이 답을 기다려요.")
    bot.trader.open_plans = tuple(plan(f"p-{t}", t, f"n-{t}") for t in ("NVDA", "AMD"))
    await bot.press(hint, "한 번에 결정")
    await bot.until(lambda: bot.fresh(hint).body.text.startswith("📋 승인 대기 · 2건"))


async def test_nothing_waits_and_the_trader_is_away(bot):
    await bot.say("대기")
    assert bot.last().body.text == "📋 승인을 기다리는 제안이 없어요."
    bot.trader.unreachable = True
    await bot.say("/pending")
    assert "매매봇이 응답하지 않아요" in bot.last().body.text


async def test_a_muted_ticker_is_silent_until_unlock(bot):
    card = await bot.card()
    await bot.press(card, "오늘은 그만")
    (command,) = [c for c in bot.trader.commands if isinstance(c, Mute)]
    assert (command.ticker, command.until) == ("NVDA", dt.datetime(2026, 11, 21, 1, 0, tzinfo=dt.UTC))
    assert "NVDA" in bot.answers()[-1]
    await bot.close()
    await bot.start()
    before = len(bot.messages())
    later = signal(SignalType.WATCH, discovery=found(price=150.0))
    await bot.bus.publish(Channel.SIGNAL, later)
    await bot.bus.idle(Channel.SIGNAL)
    await bot.say("/version")
    assert len(bot.messages()) == before + 1
    await bot.say("/unlock NVDA")
    assert isinstance(bot.trader.commands[-1], Unlock)
    again = msgspec.structs.replace(later, id="another", created_at=NOW)
    await bot.bus.publish(Channel.SIGNAL, again)
    await bot.until(lambda: bot.texts_with("👀 알림만 · 매수 시그널 없음"))


async def test_a_stranger_can_neither_mute_nor_decide(bot):
    card = await bot.card()
    bot.write("/pending", user=EVE)
    await bot.forge(card.message_id, "z:NVDA", user=EVE)
    assert not [c for c in bot.trader.commands if isinstance(c, Mute | Approve)]


async def test_an_ignored_find_is_followed_after_the_close_and_told_in_the_morning(bot):
    await bot.card()
    await bot.tell(event(EventKind.PLAN_IGNORED, "plan1", signal_id=proposed().values["signal_id"], by=str(OWNER)))
    await bot.until(lambda: bot.foregone.rows)
    (found_,) = [row[0] for row in bot.foregone.rows.values()]
    assert (found_.cause, found_.price) == (Cause.IGNORED, Decimal("142.50"))
    rising = tuple(
        msgspec.structs.replace(b, start_ms=b.start_ms + 3_600_000, high=b.high + 60) for b in bars(count=30)
    )
    bot.known["NVDA"] = rising
    await bot.until(lambda: len(bot.chat.runs) == len(Job))
    bot.clock.at = dt.datetime(2026, 11, 20, 21, 31, tzinfo=dt.UTC)
    await bot.until(lambda: bot.texts_with("🌅 지난밤 사지 않은 종목, 그 뒤"))
    (card,) = bot.texts_with("🌅 지난밤 사지 않은 종목, 그 뒤")
    assert "🚫 무시함: 1건 · 평균 +" in card.body.text
    assert "🎯 목표 도달" in card.body.text


@pytest.mark.parametrize(
    ("language", "title", "line"),
    [
        (
            "ko",
            "🧭 사지 않은 발굴, 최근 7일 · 2건",
            "⌛ 물었지만 답 없음: 1건 · 평균 +30.0% · 상승 1건 · 목표 도달 1건 · 손절 0건",
        ),
        ("en", "🧭 Finds not bought, last 7 days · 2", "⌛ Asked, no answer: 1 · mean +30.0% · up 1"),
    ],
)
async def test_missed_lists_the_week(bot, language, title, line):
    outcome = Outcome(
        high_pct=Decimal(31),
        low_pct=Decimal(-2),
        last_pct=Decimal(12),
        ended=Ended.TARGET,
        result_pct=Decimal("30.00"),
        bars=90,
    )
    base = Foregone(
        key="a", ticker="NVDA", name="", name_ko="엔비디아", cause=Cause.EXPIRED, at=NOW, price=Decimal("142.50")
    )
    refused = msgspec.structs.replace(base, key="b", ticker="AMD", cause=Cause.REFUSED, reason="max_positions")
    bot.foregone.rows = {"a": [base, outcome, False], "b": [refused, None, True]}
    bot.clock.at += dt.timedelta(hours=1)
    await bot.say(f"/lang {language}")
    await bot.say("/missed")
    assert bot.last().body.text.startswith(title)
    assert line in bot.last().body.text


async def test_missed_with_nothing_and_with_the_database_away(bot):
    await bot.say("/missed")
    assert "발굴이 없었어요" in bot.last().body.text
    bot.foregone.down = True
    await bot.say("/missed")
    assert "데이터베이스" in bot.last().body.text


async def test_a_trader_that_goes_away_in_the_middle_hides_nothing_that_was_decided(bot):
    await propose(bot, "NVDA", "AMD")
    await bot.say("/pending")
    screen = bot.last()
    bot.trader.leaves_after = Approve
    await bot.press(screen, "모두 승인")
    await bot.until(lambda: "한 번에 결정함" in bot.fresh(screen).body.text)
    text = bot.fresh(screen).body.text
    assert "• NVDA: ✅ 매수 시작" in text
    assert "• AMD: 🔌 매매봇이 응답하지 않아요" in text
