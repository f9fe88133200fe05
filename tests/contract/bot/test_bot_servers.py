"""Redis and the database fail and come back: told once each, shown in /health, in both languages."""

from types import SimpleNamespace

import pytest
from bot_fakes import FakeBus, FakeChat

from bot.beats import Beats
from bot.servers import ServerWatch


@pytest.fixture
async def watching(idle_bot):
    idle_bot.servers_every_s, idle_bot.servers_patience_s = 0.02, 0.0
    await idle_bot.start()
    return idle_bot


async def seen(bot, words):
    await bot.until(lambda: bot.texts_with(words))
    return bot.texts_with(words)[-1]


async def test_redis_away_is_told_once_and_so_is_its_return(watching):
    bot = watching
    bot.bus.down = True
    told = await seen(bot, "Redis가 응답하지 않아요")
    assert not told.silent
    await bot.say("/health")
    assert "🔴 메시지 버스: 응답 없음" in bot.last().body.text
    bot.bus.down = False
    assert (await seen(bot, "Redis가 다시 응답해요")).silent
    assert len(bot.texts_with("Redis가 응답하지 않아요")) == 1


async def test_a_full_redis_is_told_in_english(watching):
    bot = watching
    await bot.say("/lang en")
    bot.bus.full = True
    await seen(bot, "Redis is full.")
    await bot.say("/health")
    assert "🔴 Message bus: full, nothing can be passed on" in bot.last().body.text
    bot.bus.full = False
    await seen(bot, "Redis has room again.")


async def test_lost_data_is_told_each_time_it_happens(watching, monkeypatch):
    bot, looks = watching, 0
    look = FakeBus.look

    async def counted(self):
        nonlocal looks
        looks += 1
        return await look(self)

    monkeypatch.setattr(FakeBus, "look", counted)
    for life in ("2", "3"):
        seen_before = looks
        await bot.until(lambda before=seen_before: looks > before)
        bot.bus.life = life
        await bot.until(lambda n=int(life) - 1: len(bot.texts_with("Redis의 데이터가 사라졌어요")) == n)


async def test_the_database_away_is_told_though_the_outbox_lives_in_it(watching):
    bot = watching
    bot.chat.down = bot.outbox.down = True
    await seen(bot, "데이터베이스가 응답하지 않아요")
    await bot.say("/health")
    assert "🔴 데이터베이스: 응답 없음" in bot.last().body.text
    bot.chat.down = bot.outbox.down = False
    await seen(bot, "데이터베이스가 다시 응답해요")


async def test_a_restart_of_a_server_is_nobodys_business():
    """Only what lasts a minute is told; the clock of the watch is moved by hand."""
    bus, now, told = FakeBus(), 0.0, []
    deps = SimpleNamespace(bus=bus, chat=FakeChat())
    watch = ServerWatch(SimpleNamespace(deps=deps), now=lambda: now)

    async def tell(what, *, over):
        told.append((str(what), over))

    watch._tell = tell

    async def looks(*moments):
        nonlocal now
        for at, bus.down in moments:
            now = at
            await watch.look()

    await looks((0.0, True), (59.0, True), (60.0, False), (61.0, True), (120.0, True))
    assert told == []
    await looks((121.0, True), (200.0, True), (201.0, False), (202.0, False))
    assert told == [("redis_away", False), ("redis_away", True)]


async def test_health_shows_the_figures_of_every_part(bot):
    bot.beats = Beats(trader_age_s=1.0, guardian_age_s=1.0, guardian_mb=22.0)
    bot.bus.beats = {
        "collector": {"feed": "connected", "delay_s": "2.4", "lag_s": "0.1", "gaps": "2", "pss_mb": "130"},
        "trader": {"mono": "100.0", "stops": '{"NVDA": 98.5}', "market_open": "True", "outbox": "0", "pss_mb": "60"},
    }
    await bot.say("/health")
    text = bot.last().body.text
    for line in ("시세: 매분 2초 뒤 도착 · 끊김 2번", "손절 감시: 2초 안에 모두 확인 · 1종목", "메모리: 212 MB"):
        assert f"🟢 {line}" in text
    await bot.say("/lang en")
    bot.bus.beats["collector"]["lag_s"] = "44"
    bot.bus.beats["trader"]["stops"] = '{"NVDA": 58.5}'
    bot.bus.beats["trader"] |= {"outbox": "3", "outbox_waits_for": "database"}
    await bot.say("/health")
    text = bot.last().body.text
    assert "🟠 Market data: this machine reads it 44 s late; it is too slow now" in text
    assert "🔴 Stops: one was last looked at 42 s ago" in text
    assert "🟠 Database: answers here, not to the trader · waiting: 3" in text
