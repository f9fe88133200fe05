"""Notices on their way: floods, outages, a bot that dies, and what a person wants to hear."""

import datetime as dt
import time
from collections import Counter

import pytest
from bot_world import EVE, NOW, OWNER, event

from core.model.messages import EventKind
from ports.store import OutMessage
from sandbox.telegram.flood import Flood
from sandbox.telegram.model import Fault

BURST = 1_000
FAST = 400.0


class FastClock:
    """The sandbox's clock for flood limits: as many seconds as the bot's limiter believes to have passed."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=time.monotonic() * self.speed)


def sale(number: int):
    """The number-th message of one of fifty positions."""
    ticker = f"T{number % 50:02}"
    return event(
        EventKind.SELL_STARTED if number % 3 else EventKind.ORDER_REJECTED,
        subject=f"{number:04}",
        ticker=ticker,
        qty=number,
        reason="signal_sell" if number % 3 else "",
        message=f"no {number:04}",
    )


def numbers(texts):
    """Which of the burst arrived, in order of arrival."""
    found = []
    for text in texts:
        for line in text.split("\n"):
            if "T" in line and (" 매도 중" in line or "주 ·" in line):
                found.append(int(line.split("주 ·")[0].split()[-1]))
            elif "no " in line:
                found.append(int(line.rsplit("no ", 1)[1]))
    return found


async def test_a_thousand_notices_arrive_once_each_in_order_within_the_flood_limits_also_when_the_bot_dies(idle_bot):
    """Killed in the middle: the rest comes after the restart, and the one in doubt says that it may be a repetition."""
    bot = idle_bot
    bot.pace = FAST
    bot.state.flood = Flood(FastClock(FAST * 1.1))
    bot.state.faults += [Fault("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)] * 2
    bot.chat.preferences[(OWNER, "alerts")] = '{"budget": 0}'
    bot.chat.preferences[(EVE, "alerts")] = '{"budget": 0}'
    await bot.start()
    await bot.tell(*(sale(n) for n in range(BURST)))
    await bot.until(lambda: len(bot.messages()) >= BURST // 3)
    await bot.kill()
    before = len(bot.messages())
    assert before < BURST
    await bot.start()
    await bot.delivered()
    arrived = numbers(bot.texts())
    twice = [n for n, count in Counter(arrived).items() if count > 1]
    again = bot.texts_with("다시 보낸 알림")
    assert set(arrived) == set(range(BURST))
    assert len(twice) <= len(again) <= 1
    assert bot.state.flood.refused == 0
    for position in range(50):
        mine = [n for n in dict.fromkeys(arrived) if n % 50 == position]
        assert mine == sorted(mine)


async def test_an_outage_of_telegram_delays_notices_in_their_order(bot):
    bot.state.faults.append(Fault("sendMessage", 502, "Bad Gateway", times=2))
    await bot.tell(*(event(EventKind.TROUBLE, subject=str(n), where="trader", what=f"case {n}") for n in range(3)))
    await bot.delivered()
    assert [text.split("case ")[1][0] for text in bot.texts()] == ["0", "1", "2"]
    assert "다시 보낸 알림" in bot.texts()[0]
    assert "다시 보낸 알림" not in bot.texts()[1]


async def test_with_the_database_away_notices_are_told_all_the_same_and_once(bot):
    bot.outbox.down = True
    told = event(EventKind.PANICKED, by="7")
    await bot.tell(told)
    await bot.until(lambda: len(bot.messages()) == 1)
    bot.outbox.down = False
    await bot.tell(event(EventKind.PAUSED, by="8"))
    await bot.delivered()
    assert len(bot.messages()) == 2


async def test_much_chatter_becomes_one_message_and_a_sale_does_not_wait_behind_it(idle_bot):
    bot = idle_bot
    bot.pace = FAST
    await bot.start()
    noise = [event(EventKind.FEED_UP, subject=str(n), ticker="", detail=f"case {n}") for n in range(40)]
    await bot.tell(*noise, event(EventKind.TROUBLE, where="trader", what="money"))
    await bot.until(lambda: any("money" in text for text in bot.texts()))
    assert len(bot.texts()) <= 21
    bot.clock.at += dt.timedelta(minutes=10)
    await bot.delivered()
    texts = bot.texts()
    digests = [text for text in texts if text.startswith("📚 모아 보낸 알림")]
    single = [text for text in texts if text.startswith("📡")]
    assert sum(text.count("\n• ") for text in digests) + len(single) == 40
    assert len(texts) < 25


async def test_what_is_off_is_not_sent_and_what_is_silent_makes_no_sound(bot):
    bot.chat.preferences[(OWNER, "alerts")] = '{"levels": {"orders": "off", "state": "silent", "buy": "silent"}}'
    await bot.close()
    await bot.start()
    await bot.tell(
        event(EventKind.TROUBLE, where="trader", what="x"),
        event(EventKind.BUY_COMPLETE, "plan1", qty=7, of=10, avg_price="143.20", total_krw="1002400", complete=True),
    )
    await bot.delivered()
    (only,) = bot.messages()
    assert only.body.text.startswith("✅ 매수 완료")
    assert only.silent


@pytest.mark.parametrize(("language", "title", "silent"), [("ko", "🔔 알림 설정", "🔕"), ("en", "🔔 Alerts", "🔕")])
async def test_alerts_are_chosen_by_taps_and_kept(bot, language, title, silent):
    await bot.say(f"/lang {language}")
    await bot.say("/alerts")
    screen = bot.last()
    assert screen.body.text.startswith(title)
    buy = next(label for label in bot.labels(screen) if label.endswith(("매수 완료", "Buy complete")))
    await bot.press(screen, buy)
    await bot.until(lambda: f"{silent} " + buy.split(" ", 1)[1] in bot.labels(bot.fresh(screen)))
    await bot.press(bot.fresh(screen), "🌙")
    await bot.until(lambda: "23:00–07:00" in " ".join(bot.labels(bot.fresh(screen))))
    await bot.press(bot.fresh(screen), "23:00–07:00")
    await bot.until(lambda: "23:00–07:00 KST" in bot.fresh(screen).body.text)
    await bot.close()
    await bot.start()
    await bot.say("알림")
    assert "23:00–07:00 KST" in bot.last().body.text
    assert f"{silent} " + buy.split(" ", 1)[1] in bot.labels(bot.last())


async def test_quiet_hours_can_be_typed_and_nonsense_is_named(bot):
    await bot.say("/alerts 23:30-06:15")
    assert "23:30–06:15 KST" in bot.last().body.text
    await bot.say("/alerts <b>nachts")
    assert bot.last().body.text.startswith("⚠️ 시간 형식이 아니에요: “<b>nachts”. 23:00-07:00처럼")
    assert "23:30–06:15 KST" in bot.last().body.text


async def test_a_message_about_a_position_hangs_on_its_card(bot):
    card = await bot.card()
    await bot.tell(event(EventKind.SELL_STARTED, "NVDA", plan_id="plan1", qty=7, reason="signal_sell"))
    await bot.delivered()
    assert bot.last().reply_to == card.message_id


async def test_a_message_that_telegram_cannot_read_arrives_in_plain_words(bot):
    refused = "Bad Request: can't parse entities: Unsupported start tag"
    bot.state.faults.append(Fault("sendMessage", 400, refused))
    await bot.tell(event(EventKind.TROUBLE, where="trader", what="A & B"))
    await bot.delivered()
    (only,) = bot.messages()
    assert "A & B" in only.body.text
    assert only.body.entities == ()


async def test_a_picture_that_fails_does_not_cost_the_message(bot):
    async def broken(_ticker, _until=None):
        raise RuntimeError("no bars")

    bot.records.round_trips = broken
    kept = OutMessage(
        key="r",
        chat_id=OWNER,
        topic="report",
        thread="",
        text="리포트",
        at=NOW,
        picture='{"type":"report","on":"2026-11-20"}',
    )
    await bot.close()
    await bot.outbox.put([kept])
    await bot.start()
    await bot.delivered()
    assert bot.texts() == ["리포트"]
