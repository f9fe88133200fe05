"""The second factor and the typed confirmation through the real bot; a token that somebody else uses."""

import datetime as dt

import pyotp
import pytest
from bot_world import NOW, position

from core.model.commands import Panic, Resume, SetMode
from sandbox.telegram.model import Fault

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE = pyotp.TOTP(SECRET).at(NOW)


def given(bot, kind):
    return [c for c in bot.trader.commands if isinstance(c, kind)]


@pytest.fixture
async def coded(idle_bot):
    idle_bot.secret = SECRET
    await idle_bot.start()
    return idle_bot


async def previewed(bot, label="미리보기", title="모두 매도할까요?"):
    bot.trader.positions = (position(),)
    await bot.say("/panic")
    message = bot.last()
    await bot.press(message, label)
    await bot.until(lambda: title in bot.fresh(message).body.text)
    return message


async def test_resume_after_an_emergency_stop_takes_a_code_that_goes_at_once_and_is_recorded_nowhere(coded):
    bot = coded
    bot.trader.panicked = True
    await bot.say("/resume")
    assert bot.last().body.text.startswith("🔐 인증 앱에 보이는 6자리 코드를")
    typed = bot.write(CODE)
    await bot.until(lambda: given(bot, Resume))
    await bot.until(lambda: typed not in bot.state.conversation(7001).messages)
    assert "******" in [entry[2] for entry in bot.chat.audits]
    assert CODE not in str(bot.chat.audits) + str(bot.chat.preferences)


async def test_a_used_code_opens_nothing_else(coded):
    bot = coded
    bot.trader.panicked = True
    await bot.say("/resume")
    await bot.say(CODE)
    bot.trader.panicked = True
    await bot.say("/resume")
    await bot.say(CODE)
    assert bot.last().body.text.startswith("🔐 코드가 틀렸거나 이미 쓴 코드예요")
    assert len(given(bot, Resume)) == 1


async def test_selling_everything_takes_a_code_with_redis_and_database_down(coded):
    bot = coded
    bot.chat.down = bot.records.down = bot.bus.down = True
    message = await previewed(bot)
    assert "인증 앱의 6자리 코드" in bot.fresh(message).body.text
    bot.write(CODE)
    await bot.until(lambda: "전량 매도 진행" in bot.fresh(message).body.text)
    assert [c.liquidate for c in given(bot, Panic)] == [False, True]


async def test_the_mode_that_buys_by_itself_takes_a_code_and_the_careful_ones_do_not(coded):
    bot = coded
    await bot.say("/mode auto")
    assert given(bot, SetMode) == []
    await bot.say(CODE)
    await bot.say("/mode watch")
    assert [c.mode for c in given(bot, SetMode)] == ["auto", "watch"]


async def test_without_enrolment_a_word_is_typed_and_another_word_sells_nothing(bot):
    message = await previewed(bot)
    text = bot.fresh(message).body.text
    assert "예상 매도 대금: $1,050.00" in text
    assert "매도하려면 이 말을 입력해 주세요: 청산" in text
    await bot.say("네")
    assert bot.last().body.text.startswith("확인 문구가 달라서")
    assert [c.liquidate for c in given(bot, Panic)] == [False]


async def test_in_english_the_word_is_liquidate_and_a_closed_market_is_said(bot):
    await bot.say("/lang en")
    bot.clock.at = NOW + dt.timedelta(days=1)
    message = await previewed(bot, "Preview", "Sell everything?")
    assert "🌙 The US market is closed: everything is sold at the opening" in bot.fresh(message).body.text
    assert "To sell, type this word: LIQUIDATE" in bot.fresh(message).body.text
    bot.write("liquidate")
    await bot.until(lambda: "Selling everything" in bot.fresh(message).body.text)


async def test_keeping_the_shares_takes_the_question_back(bot):
    message = await previewed(bot)
    await bot.press(bot.fresh(message), "그대로 보유")
    await bot.say("청산")
    assert [c.liquidate for c in given(bot, Panic)] == [False]


async def test_another_process_with_the_token_is_told_once_and_shown_in_health(idle_bot):
    bot = idle_bot
    bot.state.add_fault(Fault("getUpdates", 409, "Conflict: terminated by other getUpdates request", times=2))
    await bot.start()
    await bot.until(lambda: bot.texts_with("다른 곳에서 같은 봇 토큰을"))
    bot.write("/health")
    await bot.until(lambda: bot.texts_with("🔴 텔레그램: 다른 곳에서"))
    assert len(bot.texts_with("⚠️ 다른 곳에서 같은 봇 토큰을")) == 1
