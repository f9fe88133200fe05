"""What became of past signals of the same confidence is a line of the discovery card, where enough is known."""

import datetime as dt

import msgspec
import pytest
from bot_world import signal

from core.model.calibration import Bin, Calibration
from core.model.messages import Channel
from core.model.params import AnalyzerParams, Params, TradingParams
from core.model.signal import SignalType

# the find of the tests has a confidence of 87
TABLE = Calibration(
    first=dt.date(2025, 1, 6),
    last=dt.date(2025, 6, 30),
    data_hash="d",
    config_hash="c",
    analyzer=AnalyzerParams(),
    take_profit_pct=30.0,
    stop_loss_pct=-15.0,
    bins=(Bin(low=70, high=80, cases=90, won=60), Bin(low=80, high=90, cases=42, won=17)),
)
LINE = "📊 이런 신호의 과거 결과(백테스트): 42건 중 17건 수익 (40%)"


async def card(idle_bot) -> str:
    await idle_bot.start()
    return (await idle_bot.card()).body.text


async def test_the_card_quotes_the_cases_of_its_confidence(idle_bot):
    idle_bot.calibration = TABLE
    assert LINE in await card(idle_bot)


async def test_the_card_quotes_them_in_english(idle_bot):
    idle_bot.calibration = TABLE
    await idle_bot.start()
    await idle_bot.say("/lang en")
    text = (await idle_bot.card()).body.text
    assert "📊 Signals like this in the backtest: 17 of 42 made money (40%)" in text


async def test_the_line_stays_when_the_card_is_decided(idle_bot):
    idle_bot.calibration = TABLE
    await idle_bot.start()
    shown = await idle_bot.card()
    await idle_bot.press(shown, "무시")
    await idle_bot.until(lambda: "무시함" in idle_bot.fresh(shown).body.text)
    assert LINE in idle_bot.fresh(shown).body.text


@pytest.mark.parametrize(
    "table",
    [
        None,
        msgspec.structs.replace(TABLE, bins=(Bin(low=80, high=90, cases=29, won=17),)),
        msgspec.structs.replace(TABLE, bins=()),
        msgspec.structs.replace(TABLE, analyzer=AnalyzerParams(ema_fast=8)),
    ],
    ids=["no table", "29 cases", "no cases", "judged otherwise"],
)
async def test_nothing_is_shown_where_too_little_is_known(idle_bot, table):
    idle_bot.calibration = table
    assert "📊" not in await card(idle_bot)


async def test_nothing_is_shown_for_other_levels_than_the_backtests(idle_bot):
    idle_bot.calibration = TABLE
    idle_bot.params = Params(trading=TradingParams(stop_loss_pct=-10.0))
    assert "📊" not in await card(idle_bot)


async def test_a_notice_without_a_buy_signal_quotes_nothing(idle_bot):
    idle_bot.calibration = TABLE
    await idle_bot.start()
    await idle_bot.screened()
    await idle_bot.bus.idle(Channel.SCREENED)
    await idle_bot.bus.publish(Channel.SIGNAL, signal(SignalType.WATCH))
    await idle_bot.until(idle_bot.messages)
    assert "📊" not in idle_bot.last().body.text
