"""The settings conversation as people live it: search, lists, effects, risk, history, undo, and everything that goes wrong."""

import datetime as dt

import msgspec
import pytest
from bot_world import EVE, OWNER, World, position

from bot.conversations import settings as dialogue
from bot.i18n import Translator
from bot.views.replies import stale_button
from core.model.messages import Channel
from core.model.position import Plan, PlanState
from ports.store import Override

KO = Translator("ko")


def told(bot: World) -> list:
    """What the services were told."""
    return [m.overrides for c, m in bot.bus.published if c is Channel.CONTROL and hasattr(m, "overrides")]


async def shows(bot: World, words: str, user: int = OWNER) -> None:
    await bot.until(lambda: words in bot.messages(user)[-1].body.text)


async def set_value(bot: World, key: str, text: str, user: int = OWNER) -> None:
    """Open a key by name and type a value: until the question stands there."""
    await bot.say(f"/settings {key}", user)
    await bot.say(text, user)


async def apply(bot: World, user: int = OWNER) -> None:
    await bot.press(bot.messages(user)[-1], "Apply" if user == EVE else "적용", user)


@pytest.fixture
async def two(idle_bot: World) -> World:
    """Two owners; the second one speaks English."""
    idle_bot.owners = frozenset({OWNER, EVE})
    idle_bot.chat.preferences[EVE, "language"] = "en"
    await idle_bot.start()
    return idle_bot


@pytest.mark.parametrize("words", ["손절", "stop_loss", "Stop loss", "trading.stop_loss_pct", "손 절"])
async def test_a_key_is_found_by_its_names_in_both_languages(bot, words):
    await bot.say(f"/settings {words}")
    assert "trading.stop_loss_pct" in bot.last().body.text
    assert "바로 전부 팔아요" in bot.last().body.text
    await bot.say("-12")
    assert "-15% → -12%" in bot.last().body.text


async def test_several_keys_and_none_are_answered(bot):
    await bot.say("설정 거래량")
    assert "어떤 설정인가요?" in bot.last().body.text
    await bot.press(bot.last(), "거래량 증가율")
    await shows(bot, "scanner.volume_spike_pct")
    await bot.say("/settings 없는설정")
    assert "“없는설정”에 맞는 설정을 찾지 못했어요." in bot.last().body.text


async def test_a_journey_in_english(two):
    await two.say("/settings take profit", EVE)
    assert "From this gain on the trend is checked" in two.messages(EVE)[-1].body.text
    await two.say("a lot", EVE)
    assert "“a lot” is not a number that fits here." in two.messages(EVE)[-1].body.text
    await two.say("25", EVE)
    text = two.messages(EVE)[-1].body.text
    assert "30% → 25%" in text
    assert "Applies from the next purchase." in text
    await apply(two, EVE)
    await shows(two, "It can be undone for 10 minutes.", EVE)
    assert told(two) == [{"trading.take_profit_pct": 25.0}]
    await two.press(two.messages(EVE)[-1], "Undo", EVE)
    await shows(two, "25% → 30%", EVE)


async def test_the_list_of_security_types_is_ticked_and_reaches_the_services(bot):
    await bot.say("/settings security_types")
    message = bot.last()
    await bot.press(message, "ADRC")
    await bot.until(lambda: "✓ ADRC 해외기업 주식(ADR)" not in bot.labels(bot.fresh(message)))
    await bot.press(bot.fresh(message), "ETF")
    await bot.until(lambda: "✓ ETF 상장지수펀드" in bot.labels(bot.fresh(message)))
    assert bot.chat.history == []
    await bot.press(bot.fresh(message), "선택 완료")
    await shows(bot, "CS, ADRC → CS, ETF")
    assert "전보다 위험이 커지는 변경이에요." in bot.last().body.text
    await apply(bot)
    await shows(bot, "정말 바꿀까요?")
    await bot.press(bot.last(), "위험을 감수")
    await shows(bot, "변경됨")
    assert told(bot) == [{"scanner.security_types": "CS, ETF"}]


def plan() -> Plan:
    held = position()
    return msgspec.convert(
        {
            "id": "plan1",
            "nonce": "n",
            "signal_id": "s",
            "ticker": held.ticker,
            "exchange": held.exchange,
            "name": held.name,
            "name_ko": held.name_ko,
            "state": PlanState.RUNNING,
            "budget_krw": "1000000",
            "budget_usd": "714",
            "krw_per_usd": "1400",
            "reference_price": "143",
            "tranches": 10,
            "interval_s": 60,
            "created_at": held.opened_at,
            "expires_at": held.opened_at,
        },
        Plan,
    )


async def test_the_truth_about_held_positions_is_told(bot):
    bot.trader.positions = (position(),)
    await set_value(bot, "손절", "-5")
    text = bot.last().body.text
    assert "매수가 끝난 보유 종목 1개: 손절가와 목표가는 그대로예요." in text
    assert "NVDA 엔비디아: 손절가 $121.72, 목표가 $186.16" in text
    assert "매도 대상" not in text


async def test_what_the_next_tranche_would_sell_is_told_with_the_age_of_the_price(bot, monkeypatch):
    held = msgspec.structs.replace(
        position(), last_price=position().stop_price + 5, priced_at=bot.clock.at - dt.timedelta(minutes=7)
    )
    bot.trader.positions = (held,)
    known = bot.trader.status
    monkeypatch.setattr(bot.trader, "status", lambda: msgspec.structs.replace(known(), plans=(plan(),)))
    await set_value(bot, "손절", "-5")
    text = bot.last().body.text
    assert "다음 분할 체결 직후 매도 대상: NVDA" in text
    # 1,002.40 / 7 = 143.20; five percent below
    # the target stays, and is told once
    assert "손절가 $121.72 → 약 $136.04, 목표가 $186.16\n" in text
    assert "7분 전에 확인한 가격" in text


async def test_a_silent_trader_is_told_and_the_change_is_still_possible(bot):
    bot.trader.unreachable = True
    await set_value(bot, "손절", "-12")
    assert "매매봇이 응답하지 않아 보유 종목과 오늘 금액을 확인하지 못했어요." in bot.last().body.text
    await apply(bot)
    await shows(bot, "변경됨")


async def test_more_risk_needs_a_second_yes(bot):
    await set_value(bot, "total_buy_amount", "200만원")
    assert "하루 매수 한도로 하루에 2종목까지 살 수 있어요." in bot.last().body.text
    question = bot.last()
    await apply(bot)
    await shows(bot, "더 많이 사거나 잃을 수 있어요")
    assert bot.chat.history == []
    await bot.press(bot.last(), "뒤로")
    await shows(bot, "새 값을 입력")
    await bot.forge(question.message_id, "s:sure:00000000")
    assert bot.chat.history == []


async def test_the_default_is_config_yamls_value_again(bot):
    await set_value(bot, "익절", "20")
    await apply(bot)
    await shows(bot, "변경됨")
    bot.clock.at += dt.timedelta(seconds=1)
    await bot.say("/settings 익절")
    await bot.press(bot.last(), "config.yaml 값: 30%")
    await shows(bot, "20% → 30%")
    await apply(bot)
    await shows(bot, "변경됨")
    assert told(bot) == [{"trading.take_profit_pct": 20.0}, {}]
    assert bot.chat.history[-1].new is None
    await bot.say("/settings 익절")
    assert not any("config.yaml" in label for label in bot.labels(bot.last()))


async def test_the_history_tells_who_and_undoes_what_is_young(two):
    await set_value(two, "take profit", "25", EVE)
    await apply(two, EVE)
    await shows(two, "Changed", EVE)
    two.clock.at += dt.timedelta(minutes=6)
    await set_value(two, "익절", "20")
    await apply(two)
    await shows(two, "변경됨")
    two.clock.at += dt.timedelta(minutes=5)
    await two.press(two.last(), "변경 기록")
    await shows(two, "📜 변경 기록 · 1/1")
    text = two.last().body.text
    assert "익절 25% → 20%" in text
    assert "· 나" in text
    assert f"· 사용자 {EVE}" in text
    assert [label for label in two.labels(two.last()) if "되돌리기" in label] == ["↩️ 되돌리기: 익절"]
    await two.press(two.last(), "되돌리기")
    await shows(two, "20% → 25%")
    # the undo of an undo
    two.clock.at += dt.timedelta(seconds=1)
    await two.press(two.last(), "되돌리기")
    await shows(two, "25% → 20%")


async def test_after_ten_minutes_a_change_stays(bot):
    await set_value(bot, "익절", "20")
    await apply(bot)
    await shows(bot, "변경됨")
    bot.clock.at += dt.timedelta(minutes=10, seconds=1)
    await bot.press(bot.last(), "되돌리기")
    assert bot.answers()[-1].startswith("변경은 10분 안에만 되돌릴 수 있어요.")
    assert len(bot.chat.history) == 1


async def test_an_undo_that_risks_more_is_asked_about(bot):
    await set_value(bot, "손절", "-10")
    await apply(bot)
    await shows(bot, "변경됨")
    bot.clock.at += dt.timedelta(seconds=1)
    await bot.press(bot.last(), "되돌리기")
    await shows(bot, "전보다 위험이 커지는 변경이에요.")
    assert len(bot.chat.history) == 1


async def test_two_owners_at_once_are_told_of_each_other(two):
    await set_value(two, "익절", "20")
    await set_value(two, "take profit", "40", EVE)
    await apply(two)
    await shows(two, "변경됨")
    await apply(two, EVE)
    await shows(two, "Somebody has changed this meanwhile: 30% → 20%", EVE)
    assert "20% → 40%" in two.messages(EVE)[-1].body.text
    assert len(two.chat.history) == 1
    await apply(two, EVE)
    await shows(two, "Changed", EVE)
    assert told(two)[-1] == {"trading.take_profit_pct": 40.0}


async def test_a_value_of_another_owner_does_not_land_in_mine(two):
    await two.say("/settings 익절")
    await two.say("20", EVE)
    assert "I don't know that." in two.messages(EVE)[-1].body.text
    assert "30%" in two.last().body.text
    assert two.chat.history == []


async def test_the_question_of_another_key_is_not_answered_by_an_old_button(bot):
    await set_value(bot, "익절", "20")
    old = bot.last()
    await set_value(bot, "손절", "-10")
    await bot.press(old, "적용")
    assert bot.answers()[-1] == stale_button(KO)
    assert bot.chat.history == []


async def test_forwarded_edited_and_command_texts_are_no_values(bot):
    note = bot.write("20")
    await bot.until(lambda: len(bot.messages()) > 0)
    await bot.say("/settings 익절")
    before = len(bot.messages())
    bot.forward(note)
    await bot.until(lambda: len(bot.messages()) > before)
    assert "전달된 메시지로는 아무것도 바뀌지 않아요." in bot.last().body.text
    bot.edit(note, "21")
    await bot.say("상태")
    assert not bot.texts_with("21%")
    await bot.say("20")
    assert "30% → 20%" in bot.last().body.text
    assert bot.chat.history == []


async def test_a_restart_in_the_middle_loses_no_choice_and_applies_nothing(bot):
    await set_value(bot, "익절", "20")
    question = bot.last()
    await bot.close()
    await bot.start()
    await bot.press(question, "적용")
    assert bot.chat.history == []
    await bot.press(question, "뒤로")
    await bot.until(lambda: "새 값을 입력" in bot.fresh(question).body.text)
    await bot.say("20")
    await apply(bot)
    await shows(bot, "변경됨")


async def test_a_choice_button_works_after_a_restart(bot):
    await bot.say("/settings alert_on_discovery")
    screen = bot.last()
    await bot.close()
    await bot.start()
    await bot.press(screen, "끄기")
    await bot.until(lambda: "→" in bot.fresh(screen).body.text)


async def test_a_time_out_says_that_nothing_was_changed(idle_bot, monkeypatch):
    monkeypatch.setattr(dialogue, "TIMEOUT_S", 0.5)
    bot = idle_bot
    await bot.start()
    await set_value(bot, "익절", "20")
    question = next(m for m in bot.messages() if "30% → 20%" in m.body.text)
    await shows(bot, "설정을 닫았어요. 익절: 바뀌지 않았어요.")
    await bot.press(question, "적용")
    assert bot.chat.history == []


@pytest.mark.parametrize("what", ["chat", "bus"])
async def test_a_change_that_failed_can_be_tried_again(bot, what):
    await set_value(bot, "익절", "20")
    question = bot.last()
    broken = getattr(bot, what)
    broken.down = True
    await bot.press(question, "적용")
    await bot.until(lambda: "응답하지 않아" in bot.last().body.text)
    assert told(bot) == []
    broken.down = False
    bot.clock.at += dt.timedelta(seconds=1)
    await bot.press(question, "적용")
    await bot.until(lambda: "변경됨" in bot.fresh(question).body.text)
    assert told(bot) == [{"trading.take_profit_pct": 20.0}]
    await bot.press(bot.fresh(question), "변경 기록")
    await bot.until(lambda: bot.fresh(question).body.text.count("→") == 1)


async def test_changes_made_while_the_database_was_away_forget_nothing(idle_bot):
    """The bot started without its database: the message to the services must still hold what was changed before."""
    before = Override(key="trading.split_count", old=10, new=5, by=str(OWNER), at=idle_bot.clock.at)
    idle_bot.chat.history.append(before)
    idle_bot.chat.down = True
    await idle_bot.start()
    await set_value(idle_bot, "익절", "20")
    idle_bot.chat.down = False
    await apply(idle_bot)
    await shows(idle_bot, "변경됨")
    assert told(idle_bot) == [{"trading.split_count": 5, "trading.take_profit_pct": 20.0}]


async def test_what_applies_later_is_not_said_to_apply_at_once(bot):
    await set_value(bot, "paper_cash", "5백만")
    assert "paper_cash" in bot.last().body.text
    await bot.say("500만")
    assert "매매봇을 다시 시작할 때 적용돼요" in bot.last().body.text
    await apply(bot)
    await shows(bot, "저장했어요. 매매봇을 다시 시작할 때 적용돼요.")
