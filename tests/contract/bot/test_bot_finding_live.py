"""Finding through the chat: charts with their buttons, names, reasons, the watch list, in both languages."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from bot_world import NOW, OWNER, bars, position, signal

from bot.watchlist import MOST
from core.model.bar import Bar
from core.model.instrument import Exchange, Instrument
from core.model.messages import WatchListChanged
from core.model.order import Side
from ports.store import SignalRow, TradeRow

DAY_MS = 86_400_000
LISTED = [
    Instrument(ticker="NVDA", name="NVIDIA Corp", name_ko="엔비디아"),
    Instrument(ticker="TSLA", name="Tesla Inc", name_ko="테슬라"),
    Instrument(ticker="GOOG", name="Alphabet Inc Class C", name_ko="알파벳 C", exchange=Exchange.NYSE),
    Instrument(ticker="GOOGL", name="Alphabet Inc Class A", name_ko="알파벳 A"),
]
LANGUAGES = ["ko", "en"]


def days(ticker: str = "NVDA", count: int = 80) -> tuple[Bar, ...]:
    today = int(dt.datetime(2026, 11, 20, 5, tzinfo=dt.UTC).timestamp() * 1000)
    closes = [100 + i * 0.5 for i in range(count)]
    return tuple(
        Bar(ticker, today - (count - 1 - i) * DAY_MS, c - 1, c + 2, c - 2, c, 1_000_000) for i, c in enumerate(closes)
    )


@pytest.fixture
async def market(bot):
    bot.records.listed = list(LISTED)
    bot.known["NVDA"] = bars("NVDA")
    bot.days["NVDA"] = days()
    return bot


async def speak(bot, language):
    if language == "en":
        await bot.say("/lang en")


def picture(bot, message):
    return bot.fresh(message).media


@pytest.mark.parametrize("words", ["차트 엔비디아", "/chart nvidia", "chart NVDA 1m".replace("chart", "/chart")])
async def test_a_chart_by_any_name_shows_price_change_age_and_source(market, words):
    await market.say(words)
    assert market.last().body.text == "📈 NVDA 엔비디아 $142.50 +2.5%\n폴리곤 · 방금 · 00:31 KST"
    assert market.labels(market.last()) == ["• 1분봉 •", "5분봉", "일봉", "☀️ 밝게", "🔄"]


async def test_the_chart_speaks_english(market):
    await speak(market, "en")
    await market.say("/chart NVDA 5m vwap")
    assert market.last().body.text == "📈 NVDA NVIDIA Corp $142.50 +2.5%\nPolygon · just now · 00:31 KST"
    assert market.labels(market.last()) == ["1 min", "• 5 min •", "Daily", "☀️ Light", "🔄"]


async def test_the_buttons_change_the_same_picture(market):
    await market.say("/chart NVDA")
    message = market.last()
    first = picture(market, message)
    await market.press(message, "일봉")
    await market.until(lambda: "• 일봉 •" in market.labels(market.fresh(message)))
    assert picture(market, message) != first
    assert market.fresh(message).body.text.startswith("📈 NVDA 엔비디아 $139.50 +0.4%")
    assert market.last().message_id == message.message_id
    await market.press(market.fresh(message), "5분봉")
    await market.until(lambda: "• 5분봉 •" in market.labels(market.fresh(message)))


async def test_the_theme_is_the_persons_own_and_kept(market):
    await market.say("/chart NVDA")
    message = market.last()
    await market.press(message, "밝게")
    await market.until(lambda: "🌙 어둡게" in market.labels(market.fresh(message)))
    assert market.chat.preferences[(OWNER, "theme")] == "light"
    await market.say("/chart NVDA")
    assert "🌙 어둡게" in market.labels(market.last())


async def test_overlays_travel_with_the_buttons(market):
    await market.say("/chart NVDA supertrend ema:10 sma:5 5m")
    data = market.data(market.last(), "일봉")
    assert data == "c:NVDA:1d:supertrend-ema.10-sma.5:"
    await market.press(market.last(), "🔄")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("vwp", "vwp: 모르는 보조지표예요. 혹시 이건가요? vwap"),
        ("ema:1", "ema:1: 모르는 보조지표예요."),
        ("vwap sma ema kc", "보조지표는 차트 하나에 3개까지"),
        ("sma:400", "sma:400: 봉이 60개뿐이라 그릴 수 없어요."),
    ],
)
async def test_overlays_that_can_not_be_drawn_get_words(market, asked, answer):
    await market.say(f"/chart NVDA {asked}")
    assert market.last().body.text.startswith(answer)


async def test_a_vendor_that_is_away_gets_words_of_its_own(market):
    market.vendor_down = True
    await market.say("/chart NVDA")
    assert market.last().body.text == "폴리곤이 응답하지 않아 NVDA 차트를 그릴 수 없어요. 잠시 뒤 다시 시도해 주세요."
    await speak(market, "en")
    await market.say("/chart NVDA 1d")
    assert market.last().body.text.startswith("Polygon does not answer")


async def test_a_database_that_is_away_leaves_the_chart(market):
    await market.say("/chart NVDA")
    market.records.down = market.chat.down = True
    await market.say("차트 엔비디아")
    assert market.last().media is not None


@pytest.mark.parametrize("data", ["c:NVDA:2m::", "c:NVDA:1m", "c:NVDA:1m:nonsense:"])
async def test_forged_chart_buttons_do_no_harm(market, data):
    await market.say("/chart NVDA")
    await market.forge(market.last().message_id, data)
    await market.say("/version")
    assert "로그 번호" not in "".join(market.texts())


async def test_an_ambiguous_name_is_asked_back_and_the_button_goes_on(market):
    market.known["GOOG"] = bars("GOOG")
    await market.say("차트 알파벳 5m")
    question = market.last()
    assert question.body.text == "알파벳: 어느 종목인가요?"
    assert market.labels(question) == ["GOOGL 알파벳 A", "GOOG 알파벳 C"]
    await market.press(question, "GOOG 알파벳 C")
    await market.until(lambda: market.last().body.text.startswith("📈 GOOG"))
    assert market.fresh(question).body.text == "👉 GOOG 알파벳 C"
    assert "• 5분봉 •" in market.labels(market.last())


@pytest.mark.parametrize("words", ["팔아 엔비 50%", "/buy nvid", "/ignore 엔비", "/unlock 엔비"])
async def test_a_part_of_a_name_never_acts(market, words):
    market.trader.positions = (position(),)
    await market.say(words)
    assert market.last().body.text.endswith("어느 종목인가요?")
    assert market.trader.commands == []


async def test_a_whole_name_sells_after_the_preview(market):
    market.trader.positions = (position(),)
    await market.say("팔아 엔비디아 50%")
    assert "수량: 7주 중 3주 (50%)" in market.last().body.text


async def test_a_buy_by_hand_tells_the_trader_where_the_stock_is_listed_and_what_it_is_called(market):
    """The trader has met only what was screened today; KIS has no price for a ticker on the wrong venue."""
    await market.say("/buy GOOG")
    (command,) = market.trader.commands
    assert (command.exchange, command.name, command.name_ko) == (Exchange.NYSE, "Alphabet Inc Class C", "알파벳 C")


async def test_an_unknown_name_says_what_to_do(market):
    await market.say("차트 없는회사")
    assert market.last().body.text == "없는회사: 모르는 종목이에요. NVDA 같은 티커로 다시 보내 주세요."
    await speak(market, "en")
    await market.say("/why 없는회사")
    assert market.last().body.text == "I know no stock called 없는회사. Please try the ticker, such as NVDA."


def a_signal(at=NOW) -> SignalRow:
    return SignalRow(
        ticker="NVDA",
        signal_type="BUY",
        confidence=Decimal(87),
        indicators=msgspec.to_builtins(signal().verdict),
        created_at=at,
    )


async def test_why_shows_the_moment_the_rules_and_who_decided(market):
    card = await market.card()
    await market.press(card, "매수 승인")
    await market.until(lambda: "승인됨" in market.fresh(card).body.text)
    market.records.signal_rows.append(a_signal())
    await market.say("왜 엔비디아")
    text = market.last().body.text
    assert market.last().media is not None
    assert "❌ RSI 양호: RSI 72.1 (50~70)" in text
    assert "승인됨" in text
    assert "결정: 사용자" in text


async def test_why_looks_the_bars_of_that_time_up(market):
    at = NOW - dt.timedelta(days=3)
    market.records.signal_rows.append(a_signal(at))
    market.records.trade_rows.append(
        TradeRow(key="k", ticker="NVDA", side=Side.BUY, quantity=1, price=Decimal(142), total_amount=Decimal(142),
                 signal_type="BUY", created_at=NOW)
    )  # fmt: skip
    await speak(market, "en")
    await market.say("/why NVDA")
    assert ("NVDA", at) in market.looked_up
    assert "there is no chart" in market.last().body.text


async def test_why_with_a_vendor_away_is_words_alone(market):
    market.vendor_down = True
    market.records.signal_rows.append(a_signal())
    await market.say("/why NVDA")
    assert market.last().media is None
    assert "차트는 생략했어요" in market.last().body.text


def told(bot):
    return [m for _, m in bot.bus.published if isinstance(m, WatchListChanged)]


async def test_watching_is_kept_told_and_listed(market):
    await market.say("/watch 테슬라")
    assert market.last().body.text.startswith("👁 TSLA 테슬라: 관심종목에 넣었어요 (1/50).")
    await market.say("/watch NVDA")
    await market.say("/watch NVDA")
    assert market.last().body.text == "NVDA 엔비디아: 이미 관심종목이에요."
    assert told(market)[-1].tickers == ("TSLA", "NVDA")
    assert [each.name_ko for each in told(market)[-1].securities] == ["엔비디아", "테슬라"]
    await market.say("/chart NVDA")
    await market.say("관심종목")
    assert "• TSLA 테슬라 · 아직 시세 없음\n• NVDA 엔비디아 · $142.50 (방금)" in market.last().body.text
    await market.say("/unwatch 테슬라")
    assert market.last().body.text == "🙈 TSLA 테슬라: 관심종목에서 뺐어요."
    assert told(market)[-1].tickers == ("NVDA",)
    await market.say("/unwatch 테슬라")
    assert market.last().body.text == "TSLA 테슬라: 관심종목에 없어요."


async def test_the_watch_list_speaks_english(market):
    await speak(market, "en")
    await market.say("/watch")
    assert market.last().body.text == "👁 The watch list is empty. Add a stock with /watch NVDA."
    await market.say("/watch tesla")
    assert market.last().body.text.startswith("👁 TSLA Tesla Inc is on the watch list now (1/50).")


async def test_the_watch_list_has_an_end(market):
    market.chat.preferences[(0, "watch")] = ",".join(f"T{i}" for i in range(MOST))
    await market.say("/watch NVDA")
    assert market.last().body.text == "관심종목은 50개까지예요. /unwatch 명령으로 하나를 먼저 빼 주세요."


async def test_the_services_hear_the_list_again_when_the_bot_starts(idle_bot):
    idle_bot.chat.preferences[(0, "watch")] = "NVDA,TSLA"
    await idle_bot.start()
    await idle_bot.until(lambda: bool(told(idle_bot)))
    assert told(idle_bot)[0].tickers == ("NVDA", "TSLA")


async def test_a_database_that_is_away_changes_no_list(market):
    market.chat.down = True
    await market.say("/watch NVDA")
    assert "데이터베이스" in market.last().body.text
    assert all(not message.tickers for message in told(market))
