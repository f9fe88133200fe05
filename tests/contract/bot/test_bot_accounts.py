"""Reports, fills, results, tax and files through a real PTB application and a strict Telegram, in both languages."""

import csv
import datetime as dt
import io
from decimal import Decimal

import msgspec
import pytest
from bot_world import NOW, OWNER, bars, position

from core.model.order import Side
from core.model.position import ResultParts, RoundTrip
from ports.store import TradeRow

D = Decimal
HOUR = dt.timedelta(hours=1)


def fill(number: int, side: Side, at: dt.datetime, ticker: str = "NVDA", **changes) -> TradeRow:
    values = {
        "key": f"k{number}",
        "ticker": ticker,
        "side": side,
        "quantity": 7,
        "price": D("143.20"),
        "total_amount": D("1002.40"),
        "signal_type": "BUY" if side is Side.BUY else "SELL",
        "created_at": at,
        "usd": D("1002.40"),
        "fee_usd": D("2.51"),
        "krw_per_usd": D(1400),
    }
    return TradeRow(**(values | changes))


def trip(ticker: str = "NVDA", pnl: int = 317_200, at: dt.datetime = NOW, **changes) -> RoundTrip:
    values = {
        "ticker": ticker,
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "buy_qty": 7,
        "sell_qty": 7,
        "avg_price": D("143.20"),
        "sell_price": D("188.50"),
        "pnl_usd": D("317.10"),
        "pnl_krw": D(pnl),
        "pnl_pct": D("31.63"),
        "tranches": 10,
        "reason": "TREND_BROKEN",
        "opened_at": at - HOUR,
        "closed_at": at,
        "parts": ResultParts(cost_usd=D(1002), fees_usd=D("5.8"), fx_krw=D(10_000), fee_krw=D(-8_120)),
    }
    return RoundTrip(**(values | changes))


def traded(bot) -> None:
    """A purchase and its sale, with their round trip."""
    bot.records.trade_rows += [
        fill(1, Side.BUY, NOW - HOUR),
        fill(2, Side.SELL, NOW, usd=D("1319.50"), price=D("188.50"), fee_usd=D("3.34"), krw_per_usd=D(1410)),
    ]
    bot.records.trips.append(trip())


async def english(bot) -> None:
    await bot.say("/lang en")


def files(bot) -> dict[str, list[list[str]]]:
    """What was sent as a file, by name, as a spreadsheet reads it."""
    found = {}
    for message in bot.messages():
        media = message.media
        if media is not None and media.name.endswith(".csv"):
            assert media.data.startswith(b"\xef\xbb\xbf"), "Excel needs the mark to see Hangul"
            found[media.name] = list(csv.reader(io.StringIO(media.data.decode("utf-8-sig"))))
    return found


async def test_the_report_switches_its_period_in_the_same_message(bot):
    traded(bot)
    bot.records.trips.append(trip("AMD", -50_000, NOW - dt.timedelta(days=3), reason="STOP"))
    bot.records.held = [position()]
    bot.known["NVDA"] = bars()
    await bot.say("/report")
    message = bot.last()
    assert "실현손익: +₩317,200" in message.body.text
    assert "주가 +₩315,320 · 환율 +₩10,000 · 수수료 -₩8,120" in message.body.text
    assert "보유 중 (미실현, 수수료 전)\n• NVDA 엔비디아 +4.7% · +$47.60" in message.body.text
    assert bot.labels(message) == ["🔄 일", "주", "월"]
    first = message.media
    await bot.press(message, "주")
    await bot.until(lambda: "주간 리포트" in bot.fresh(message).body.text)
    assert "실현손익: +₩267,200" in bot.fresh(message).body.text
    assert "📅 최악의 날: 11월 17일 (화) -₩50,000" in bot.fresh(message).body.text
    assert bot.labels(bot.fresh(message)) == ["일", "🔄 주", "월"]
    assert bot.fresh(message).media != first
    assert len(bot.messages()) == 1


@pytest.mark.parametrize("words", ["리포트 주", "성과 week", "/report 주간"])
async def test_a_period_by_word_and_an_empty_one(bot, words):
    await bot.say(words)
    assert (
        bot.last().body.text == "📈 주간 리포트 · 11월 20일 (금)까지\n━━━━━━━━━━━━━━\n이 기간에 정리한 종목이 없어요."
    )
    assert bot.last().media is not None


async def test_the_report_in_english(bot):
    traded(bot)
    await english(bot)
    await bot.say("/report month")
    assert "Shares +₩315,320 · FX +₩10,000 · fees -₩8,120" in bot.last().body.text
    assert bot.labels(bot.last()) == ["Day", "Week", "🔄 Month"]


async def test_an_unknown_period_is_told_what_there_is(bot):
    await bot.say("/report <b>year")
    assert bot.last().body.text == "모르는 기간이에요: <b>year\n/report 일, 주, 월 중에서 보내 주세요."
    await bot.say("/pnl decade")
    assert bot.last().body.text.startswith("모르는 기간이에요: decade")
    await english(bot)
    await bot.say("/report year")
    assert bot.last().body.text.startswith("I don't know the period year. Try /report day")


async def test_a_forged_period_button_changes_nothing(bot):
    await bot.say("/report")
    before = bot.last().body.text
    await bot.forge(bot.last().message_id, "R:year")
    assert bot.answers()[-1] == "오래된 버튼이에요. 명령을 다시 보내 주세요."
    assert bot.last().body.text == before


async def test_fills_are_shown_under_their_round_trip(bot):
    traded(bot)
    bot.records.trade_rows.append(fill(3, Side.BUY, NOW, ticker="AMD"))
    await bot.say("체결")
    text = bot.last().body.text
    assert text.startswith("🧮 최근 체결 · 전체 3건 중 3건 (KST)")
    assert "NVDA 엔비디아 +31.6% · +₩317,200 · 추세 꺾임 감지\n11/21 00:31 🟠 매도 7주 @ $188.50\n" in text
    assert "AMD · 아직 끝나지 않은 매매\n11/21 00:31 🔵 매수 7주 @ $143.20" in text
    await bot.say("/trades nvda 1")
    assert bot.last().body.text.startswith("🧮 최근 체결 · 전체 2건 중 1건 (KST)")
    assert "AMD" not in bot.last().body.text
    await english(bot)
    await bot.say("/trades AMD")
    assert "AMD · not in a finished round trip\n11/21 00:31 🔵 Buy 7 @ $143.20" in bot.last().body.text


@pytest.mark.parametrize("words", ["/trades 0", "/trades 999", "/trades NVDA AMD"])
async def test_trades_says_what_it_does_not_understand(bot, words):
    await bot.say(words)
    assert bot.last().body.text.startswith("알 수 없는 말이에요:")


@pytest.mark.parametrize("words", ["/trades $$", "/trades ²"])
async def test_trades_of_what_is_no_stock(bot, words):
    await bot.say(words)
    assert "모르는 종목이에요" in bot.last().body.text


async def test_no_fills_yet(bot):
    await bot.say("/trades")
    assert bot.last().body.text == "🧮 아직 체결이 없어요."
    await bot.say("/trades TSLA")
    assert bot.last().body.text == "🧮 아직 체결이 없어요: TSLA"


async def test_results_in_parts_add_up(bot):
    traded(bot)
    bot.records.trips.append(trip("OLD", -50_000, NOW - dt.timedelta(days=40), parts=None))
    await bot.say("손익 전체")
    text = bot.last().body.text
    assert text.startswith("💵 손익 · 11월 20일 (금)까지 전체\n")
    for row in (
        "+₩315,320  주가",
        " +₩10,000  환율",
        "  -₩8,120  수수료",
        " -₩50,000  구분 불가 (1건)",
        "+₩267,200  실현손익",
    ):
        assert row in text
    assert "6.34  손익비(PF)" in text
    assert "1시간 0분  평균 보유" in text
    assert "환율을 짐작하지 않아요" in text
    await bot.say("/pnl")
    assert "OLD" not in bot.last().body.text
    assert all(len(line) <= 34 for line in text.splitlines() if "₩" in line)
    await english(bot)
    await bot.say("/pnl all")
    assert "-₩50,000  Parts unknown (1)" in bot.last().body.text


async def test_results_of_an_empty_period(bot):
    await bot.say("수익 일")
    assert "이 기간에 정리한 종목이 없어요." in bot.last().body.text


async def test_the_tax_estimate_says_what_it_is(bot):
    traded(bot)
    await bot.say("세금")
    text = bot.last().body.text
    assert text.startswith("🧾 양도소득세 추정 · 2026년\n")
    # 1,319.50 x 1,410; 1,002.40 x 1,400; 2.51 x 1,400 + 3.34 x 1,410
    for row in (
        "₩1,860,495  양도가액",
        "-₩1,403,360  취득가액",
        "-₩8,223  수수료",
        "+₩448,912  양도차익",
        "₩0  예상 세액 (22%)",
    ):
        assert row in text
    assert "남은 공제: ₩2,051,088" in text
    assert "매도 1건 · 취득가 이동평균" in text
    assert "결제 T+1 · 체결일 환율로 추정" in text
    assert "이 봇의 매도만 계산했어요." in text
    assert "세무 자문이 아니에요" in text
    await english(bot)
    await bot.say("/tax 2026")
    assert "An estimate, not tax advice." in bot.last().body.text
    await bot.say("/tax 2025")
    assert "No sale settled in 2025." in bot.last().body.text


@pytest.mark.parametrize("year", ["1999", "2100", "20x6", "²⁰²⁶", "this"])
async def test_a_year_that_is_none(bot, year):
    await bot.say(f"/tax {year}")
    assert bot.last().body.text == f"연도를 알 수 없어요: {year}\n2000~2027 사이의 네 자리 연도로 보내 주세요."


async def test_sales_without_a_known_rate_are_left_out_and_counted(bot):
    traded(bot)
    bot.records.trade_rows[0] = msgspec.structs.replace(bot.records.trade_rows[0], krw_per_usd=None)
    await bot.say("/tax")
    assert "⚠️ 매도 1건 제외" in bot.last().body.text
    assert "₩0  양도가액" in bot.last().body.text


async def test_files_for_a_spreadsheet_in_korean(bot):
    traded(bot)
    bot.records.trips.append(trip("EVIL", name_ko="=HYPERLINK(1)", parts=None))
    bot.write("내보내기")
    await bot.until(lambda: len(files(bot)) == 3)
    sent = files(bot)
    assert list(sent) == ["체결내역_전체.csv", "손익내역_전체.csv", "양도소득세_2026.csv"]
    header, bought, sold = sent["체결내역_전체.csv"]
    assert header[:4] == ["체결시각(KST)", "티커", "구분", "수량"]
    assert bought[:8] == ["2026-11-20 23:31:00", "NVDA", "매수", "7", "143.20", "1002.40", "2.51", "1400"]
    assert sold[8] == "1860495"
    assert sent["손익내역_전체.csv"][1][10:13] == ["315320", "10000", "-8120"]
    assert sent["손익내역_전체.csv"][2][3] == "'=HYPERLINK(1)"
    assert sent["손익내역_전체.csv"][2][10:13] == ["", "", ""]
    assert sent["양도소득세_2026.csv"][1][0] == "2026-11-23"
    assert bot.last().body.text == "📄 1건 · 엑셀에서 바로 열려요"


async def test_files_for_a_spreadsheet_in_english(bot):
    traded(bot)
    await english(bot)
    bot.write("/export trades 2026")
    await bot.until(lambda: files(bot))
    assert list(files(bot)) == ["fills_2026.csv"]
    assert files(bot)["fills_2026.csv"][0][0] == "Filled at (KST)"
    await bot.say("/export pnl 2025")
    assert bot.last().body.text == "📄 There is nothing to export for 2025."
    await bot.say("/export everything")
    assert bot.last().body.text.startswith("I don't understand everything.")
    await bot.say("/export 1800")
    assert bot.last().body.text.startswith("I don't understand the year 1800.")


@pytest.mark.parametrize("command", ["/report", "/trades", "/pnl", "/tax", "/export"])
async def test_without_the_database_each_says_so(bot, command):
    bot.records.down = True
    await bot.say(command)
    assert "데이터베이스" in bot.last().body.text
    assert bot.chat.preferences.get((OWNER, "language")) is None
