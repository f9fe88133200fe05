"""/backtest and /candidates as people live them: runs beside the bot, candidates applied as by hand, shadows."""

import asyncio
import datetime as dt

import msgspec
import pytest
from bot_fakes import run_summary
from bot_world import EVE, NOW, OWNER, World
from made_days import made_day, made_store, weekdays

from cli.backtest_child import ChildBacktests
from cli.programs import ROOT
from core.model.candidate import Candidate, Change, Doubt, Pair, Stage
from core.model.params import Params, TradingParams
from core.model.safety import Caps
from ports.research import RunFailed, Why

STORED = [dt.date(2026, 11, day) for day in (12, 13, 16, 17, 18, 19)]
MONDAY = dt.date(2026, 11, 23)
# the Monday's session is over in every way
NIGHT = dt.datetime(2026, 11, 24, 2, 0, tzinfo=dt.UTC)
CANDIDATE = Candidate(
    id="0123456789ab",
    made_at=NOW,
    study="seohak-expectancy-1",
    goal="expectancy",
    data_hash="9c1f" * 16,
    first=dt.date(2025, 1, 2),
    last=dt.date(2026, 11, 13),
    trials=120,
    changes=(
        Change(key="trading.take_profit_pct", old=30.0, new=40.0),
        Change(key="trading.stop_loss_pct", old=-15.0, new=-20.0),
    ),
    base={"trading.split_count": 10},
    found=Pair(inside=4.35, outside=0.92, trips_inside=214, trips_outside=71),
    present=Pair(inside=1.66, outside=-0.21, trips_inside=198, trips_outside=69),
    walked=Pair(inside=4.6, outside=1.1),
    doubts=(Doubt.DISAGREES,),
)


@pytest.fixture
async def stored(idle_bot: World) -> World:
    idle_bot.backtests.stored = list(STORED)

    await idle_bot.start()
    return idle_bot


@pytest.fixture
async def english(stored: World) -> World:
    await stored.say("/lang en")
    return stored


async def shows(bot: World, words: str, user: int = OWNER) -> None:
    await bot.until(lambda: bot.texts_with(words) if user == OWNER else any(words in x for x in bot.texts(user)))


async def proposed(bot: World, candidate: Candidate = CANDIDATE):
    """The bot finds a candidate: until its card is in the chat."""
    bot.candidates.propose(candidate)
    await bot.until(lambda: bot.texts_with("설정 후보</b>") or bot.texts_with("설정 후보"))
    return bot.texts_with("설정 후보")[-1]


def stance(bot: World):
    return bot.candidates.rows[CANDIDATE.id][1]


# -- /backtest --------------------------------------------------------------------------------------------------------


async def test_the_newest_sessions_are_run_with_the_settings_in_force(stored):
    await stored.say("/settings 익절")
    await stored.say("20")
    await stored.press(stored.last(), "적용")
    await shows(stored, "변경됨")
    await stored.say("/backtest")
    await stored.until(lambda: stored.last().media)
    assert stored.backtests.asked == [(STORED[0], STORED[-1], {"trading.take_profit_pct": 20.0}, "ko")]
    caption = stored.last().body.text
    assert "비용을 뺀 수익률: +3.2% (+₩321,400)" in caption
    assert "매매 12건 · 승률 58%" in caption
    assert "같은 기간 SPY: +1.1%" in caption
    assert "매매가 적어요 (12건)" in caption
    assert stored.texts_with("백테스트 완료")
    assert not stored.texts_with("돌리는 중")


async def test_a_backtest_in_english(english):
    await english.say("/backtest 5")
    await english.until(lambda: english.last().media)
    assert english.backtests.asked == [(STORED[1], STORED[-1], {}, "en")]
    assert "Return after costs: +3.2%" in english.last().body.text
    assert "few round trips (12)" in english.last().body.text


async def test_days_are_named_by_date_and_the_command_by_its_word(stored):
    await stored.say("백테스트 2026-11-14 2026-11-18")
    await stored.until(lambda: stored.backtests.asked)
    assert stored.backtests.asked[0][:2] == (STORED[2], STORED[4])


async def test_what_is_no_period_is_answered_with_how_to_say_one(english):
    await english.say("/backtest yesterday")
    assert "I don't understand yesterday. Try /backtest, /backtest 5" in english.last().body.text
    await english.say("/lang ko")
    await english.say("/backtest 2026-11-20 2026-11-01")
    assert "/backtest 2026-11-01 2026-11-20 처럼" in english.last().body.text
    assert english.backtests.asked == []


async def test_without_stored_prices_it_says_how_to_get_some(bot):
    await bot.say("/backtest")
    assert "./seohak data download" in bot.last().body.text
    await bot.say("/lang en")
    await bot.say("/backtest")
    assert "no recorded prices yet" in bot.last().body.text


async def test_days_that_are_not_stored_are_answered_with_those_that_are(stored):
    await stored.say("/backtest 2020-01-02 2020-01-03")
    assert "저장된 시세: 2026-11-12 – 2026-11-19, 6일" in stored.last().body.text


async def test_without_its_database_the_bot_does_not_guess_the_settings(idle_bot):
    idle_bot.backtests.stored = list(STORED)
    idle_bot.chat.down = True
    await idle_bot.start()
    await idle_bot.say("/backtest")
    assert idle_bot.backtests.asked == []
    assert "데이터베이스" in idle_bot.last().body.text


async def test_a_damaged_store_is_told(stored):
    stored.backtests.damaged = "manifest.json is damaged: import again"
    await stored.say("/backtest")
    assert "manifest.json is damaged: import again" in stored.last().body.text


async def test_a_run_can_be_stopped_and_the_bot_answers_meanwhile(stored):
    stored.backtests.held = asyncio.Event()
    await stored.say("/backtest")
    running = stored.last()
    await stored.say("/backtest 3")
    assert "다른 백테스트를 돌리는 중" in stored.last().body.text
    assert "중지" in "".join(stored.labels(running))
    await stored.press(running, "중지")
    await shows(stored, "백테스트를 중지했어요")
    assert len(stored.backtests.asked) == 1
    stored.backtests.held = None
    await stored.say("/backtest 3")
    await stored.until(lambda: stored.last().media)


async def test_the_stop_button_of_a_run_that_is_gone_says_so(stored):
    stored.backtests.held = asyncio.Event()
    await stored.say("/backtest")
    running = stored.last()
    # a button of another life of the bot
    await stored.forge(running.message_id, "t:0123456789ab")
    await stored.until(lambda: "이미 끝났어요" in stored.fresh(running).body.text)
    assert len(stored.backtests.asked) == 1


async def test_the_end_of_the_bot_ends_the_run(stored):
    stored.backtests.held = asyncio.Event()
    await stored.say("/backtest")
    await stored.until(lambda: stored.backtests.asked)
    await stored.close()
    assert stored.texts_with("백테스트를 중지했어요")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (RunFailed(Why.SLOW, "15"), "15분이 지나"),
        (RunFailed(Why.FAILED, "signal 9"), "중간에 끊겼어요 (signal 9)"),
        (RunFailed(Why.REFUSED, "trading.x: <unknown>"), "돌릴 수 없어요: trading.x: <unknown>"),
        (RunFailed(Why.BUSY), "다른 백테스트를 돌리는 중"),
    ],
)
async def test_a_run_without_a_result_is_told_plainly(stored, trouble, words):
    stored.backtests.trouble = trouble
    await stored.say("/backtest")
    await shows(stored, words)
    assert not any(message.media for message in stored.messages())


async def test_viewers_start_no_runs_and_touch_no_candidate(idle_bot):
    idle_bot.viewers = frozenset({EVE})
    idle_bot.backtests.stored = list(STORED)
    await idle_bot.start()
    card = await proposed(idle_bot)
    await idle_bot.say("/backtest", EVE)
    assert idle_bot.backtests.asked == []
    await idle_bot.say("/candidates", EVE)
    seen = idle_bot.messages(EVE)[-1]
    assert "익절" in seen.body.text
    assert seen.keyboard is None
    await idle_bot.forge(seen.message_id, idle_bot.data(card, "그림자"), EVE)
    assert stance(idle_bot).stage is Stage.OPEN


# -- candidates -------------------------------------------------------------------------------------------------------


async def test_a_candidate_comes_once_with_its_figures_and_warnings(stored):
    card = await proposed(stored)
    text = card.body.text
    assert "익절: 30% → 40%" in text
    assert "4.35" in text
    assert "0.92" in text
    assert "탐색 기간과 확인 기간의 결과가 달라요" in text
    assert "seohak-expectancy-1" in text
    assert stored.labels(card) == ["✅ 적용", "👥 그림자로 시험", "🚫 무시"]
    await stored.close()
    await stored.start()
    await stored.say("/version")
    assert len(stored.texts_with("설정 후보")) == 1


async def test_applying_is_the_settings_dialogue_key_by_key(stored):
    card = await proposed(stored)
    await stored.press(card, "적용")
    await stored.until(lambda: "trading.take_profit_pct" in stored.fresh(card).body.text)
    assert "30% → 40%" in stored.fresh(card).body.text
    assert stored.chat.history == []
    await stored.press(stored.fresh(card), "적용")
    await stored.until(lambda: "변경됨" in stored.fresh(card).body.text)
    assert stance(stored).stage is Stage.OPEN
    assert "되돌리기" in " ".join(stored.labels(stored.fresh(card)))
    # a wider stop risks more: it is asked twice, as by hand
    await stored.press(stored.fresh(card), "다음")
    await stored.until(lambda: "trading.stop_loss_pct" in stored.fresh(card).body.text)
    await stored.press(stored.fresh(card), "적용")
    await stored.until(lambda: "정말 바꿀까요" in stored.fresh(card).body.text)
    await stored.press(stored.fresh(card), "감수")
    await stored.until(lambda: "변경됨" in stored.fresh(card).body.text)
    assert [(o.key, o.old, o.new) for o in stored.chat.history] == [
        ("trading.take_profit_pct", 30.0, 40.0),
        ("trading.stop_loss_pct", -15.0, -20.0),
    ]
    assert stance(stored).stage is Stage.APPLIED
    await stored.say("/candidates")
    assert "결정을 기다리는 후보가 없어요" in stored.last().body.text
    assert "적용함" in stored.last().body.text


async def test_other_settings_than_those_of_the_search_are_said_before_anything(idle_bot):
    idle_bot.params = Params(trading=TradingParams(split_count=4))

    await idle_bot.start()
    card = await proposed(idle_bot)
    assert "분할 횟수: 10회 → 4회" in card.body.text
    await idle_bot.press(card, "적용")
    await idle_bot.until(lambda: "그래도 계속" in " ".join(idle_bot.labels(idle_bot.fresh(card))))
    assert "당시 설정이 지금과 달라요" in idle_bot.fresh(card).body.text
    await idle_bot.press(idle_bot.fresh(card), "뒤로")
    await idle_bot.until(lambda: "설정 후보" in idle_bot.fresh(card).body.text)
    await idle_bot.press(idle_bot.fresh(card), "적용")
    await idle_bot.until(lambda: "그래도 계속" in " ".join(idle_bot.labels(idle_bot.fresh(card))))
    await idle_bot.press(idle_bot.fresh(card), "그래도 계속")
    await idle_bot.until(lambda: "30% → 40%" in idle_bot.fresh(card).body.text)
    assert idle_bot.chat.history == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(key="trading.wizardry", old=1, new=2), "trading.wizardry: 그런 설정이 없어요"),
        (Change(key="trading.take_profit_pct", old=30.0, new=5000.0), "허용 범위: 0.5% ~ 1,000%"),
        (Change(key="trading.total_buy_amount", old=1_000_000, new=9_000_000), "절대 상한보다 느슨해서"),
        (Change(key="analyzer.ema_fast", old=5, new=60), "값들이 서로 맞지 않아요"),
    ],
)
async def test_what_can_not_be_set_is_refused_with_the_reason(idle_bot, change, words):
    idle_bot.caps = Caps(max_plan_krw=2_000_000)
    await idle_bot.start()
    card = await proposed(idle_bot, msgspec.structs.replace(CANDIDATE, changes=(change,)))
    assert words in card.body.text
    assert idle_bot.labels(card) == ["🚫 무시"]
    await idle_bot.forge(card.message_id, f"s:cand:{CANDIDATE.id}")
    await idle_bot.forge(card.message_id, f"s:next:{CANDIDATE.id}")
    assert idle_bot.chat.history == []


async def test_two_changes_that_only_fit_together_are_asked_in_the_order_that_fits(stored):
    both = (
        Change(key="analyzer.ema_fast", old=5, new=25),
        Change(key="analyzer.ema_slow", old=20, new=50),
    )
    card = await proposed(stored, msgspec.structs.replace(CANDIDATE, changes=both))
    await stored.press(card, "적용")
    await stored.until(lambda: "analyzer.ema_slow" in stored.fresh(card).body.text)


async def test_a_candidate_is_ignored_and_its_buttons_do_nothing_more(english):
    english.candidates.propose(CANDIDATE)
    await shows(english, "Settings candidate")
    card = english.texts_with("Settings candidate")[-1]
    assert "Take profit: 30% → 40%" in card.body.text
    apply, ignore = english.data(card, "Apply"), english.data(card, "Ignore")
    await english.press(card, "Ignore")
    await english.until(lambda: "ignored" in english.fresh(card).body.text)
    for data in (apply, ignore, english.data(card, "shadow")):
        await english.forge(card.message_id, data)
    assert stance(english).stage is Stage.DROPPED
    assert english.chat.history == []
    await english.say("/candidates")
    assert "Nothing waits for you" in english.last().body.text


async def test_several_candidates_are_a_list(stored):
    await proposed(stored)
    other = msgspec.structs.replace(CANDIDATE, id="ba9876543210", changes=CANDIDATE.changes[:1])
    stored.candidates.propose(other)
    await stored.until(lambda: len(stored.texts_with("설정 후보")) == 2)
    await stored.say("후보")
    listed = stored.last()
    assert "2. " in listed.body.text
    await stored.press(listed, "후보 2")
    await stored.until(lambda: "결정 대기" in stored.fresh(listed).body.text and stored.fresh(listed).keyboard)


async def test_a_store_that_is_away_changes_nothing(stored):
    card = await proposed(stored)
    stored.candidates.down = True
    await stored.say("/candidates")
    assert "Permission denied" in stored.last().body.text
    await stored.press(card, "그림자")
    await stored.until(lambda: len(stored.texts_with("Permission denied")) == 2)
    await stored.press(card, "적용")
    await stored.until(lambda: len(stored.texts_with("Permission denied")) == 3)
    stored.candidates.down = False
    assert stance(stored).stage is Stage.OPEN


# -- shadows ----------------------------------------------------------------------------------------------------------


async def shadowed(bot: World):
    card = await proposed(bot)
    await bot.press(card, "그림자로 시험")
    await bot.until(lambda: "그림자 시험 중" in bot.fresh(card).body.text)
    return card


def better(settings, first, last, count):
    return run_summary(
        first, last, count, trips=count, krw=80_000 if "trading.take_profit_pct" in settings else -20_000
    )


async def test_a_shadow_is_replayed_after_its_first_session_and_told(stored):
    stored.backtests.result = better
    card = await shadowed(stored)
    assert "11월 23일 (월) 거래일부터" in stored.fresh(card).body.text
    # a day that is stored while the market is open is not replayed yet
    stored.backtests.stored.append(MONDAY)
    stored.clock.at = dt.datetime(2026, 11, 23, 23, 0, tzinfo=dt.UTC)
    await stored.say("/version")
    assert stored.backtests.asked == []
    stored.clock.at = NIGHT
    await stored.until(lambda: len(stored.texts_with("차이")) == 1)
    changed = {"trading.take_profit_pct": 40.0, "trading.stop_loss_pct": -20.0}
    assert [asked[:3] for asked in stored.backtests.asked] == [(MONDAY, MONDAY, {}), (MONDAY, MONDAY, changed)]
    text = stored.texts_with("차이")[0].body.text
    assert "+₩100,000" in text
    assert "판단하기 일러요" in text
    assert "그림자는 주문을 내지 않아요" in text
    assert stored.labels(stored.texts_with("차이")[0]) == ["✅ 적용", "⏹ 그만"]


async def test_a_restart_loses_nothing_of_a_shadow(stored):
    stored.backtests.result = better
    await shadowed(stored)
    await stored.close()
    await stored.start()
    stored.backtests.stored.append(MONDAY)
    stored.clock.at = NIGHT
    await stored.until(lambda: stored.texts_with("차이"))
    await stored.close()
    await stored.start()
    await stored.say("/candidates")
    assert "거래일 1일" in stored.last().body.text
    assert len(stored.backtests.asked) == 2
    stored.backtests.stored.append(dt.date(2026, 11, 24))
    stored.clock.at = NIGHT + dt.timedelta(days=1)
    await stored.until(lambda: stored.texts_with("거래일 2일"))


async def test_a_replay_that_breaks_off_is_told_and_tried_again_with_the_next_day(stored):
    stored.backtests.trouble = RunFailed(Why.FAILED, "signal 9")
    await shadowed(stored)
    stored.backtests.stored.append(MONDAY)
    stored.clock.at = NIGHT
    await shows(stored, "마지막 재생이 중간에 끊겼어요")
    assert len(stored.backtests.asked) == 1
    stored.backtests.trouble = None
    stored.backtests.stored.append(dt.date(2026, 11, 24))
    stored.clock.at = NIGHT + dt.timedelta(days=1)
    await shows(stored, "거래일 2일")


async def test_a_shadow_that_is_ended_while_it_is_replayed_stays_ended(stored):
    card = await shadowed(stored)
    stored.backtests.held = asyncio.Event()
    stored.backtests.stored.append(MONDAY)
    stored.clock.at = NIGHT
    await stored.until(lambda: stored.backtests.asked)
    await stored.press(stored.fresh(card), "그만")
    await stored.until(lambda: "결정 대기" in stored.fresh(card).body.text)
    stored.backtests.held.set()
    await stored.until(lambda: len(stored.backtests.asked) == 2)
    await stored.say("/candidates")
    assert stance(stored).stage is Stage.OPEN
    assert stance(stored).shadow is None


# -- the real process -------------------------------------------------------------------------------------------------


async def test_a_real_run_ends_as_a_picture_in_the_chat(idle_bot, tmp_path):
    on = weekdays(1)[0]
    made_store(tmp_path / "bars", [made_day(on, seed=3, tickers=2, minutes=60)])
    idle_bot.backtests = ChildBacktests(tmp_path, ROOT / "config.yaml")

    await idle_bot.start()
    await idle_bot.say("/backtest")
    await idle_bot.until(lambda: idle_bot.last().media)
    assert "거래일 1일" in idle_bot.last().body.text
    assert "매매가 적어요 (0건)" in idle_bot.last().body.text
