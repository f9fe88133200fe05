"""Every command and every kind of button, in Korean and in English, through the real bot and the real services."""

import asyncio
import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import telegram_schema
from journeys import Person
from system_world import OWNER, Live, until

from bot.i18n import load_catalog
from bot.keyboards import Act
from bot.registry import COMMANDS
from cli.demo import BREAKOUT

pytestmark = [pytest.mark.xdist_group("journeys")]
JIMIN = 7002
# market seconds per second: between the finds there is time to talk
SPEED = 30.0
# real seconds until the first find, for all that a quiet market answers; a busy machine takes them
QUIET_S = 45.0
LONGEST_MS = 50.0
HANGUL = re.compile(r"[가-힣]")
# words of the other language that belong where they stand
FOREIGN = re.compile(r"한국어|Korean words work too: .*|\([가-힣A-Za-z ]+\)")
# what no journey of one day can bring about, and where it is tried instead
ELSEWHERE = {
    Act.HANDBACK_ASK: "the guardian keeps the watch only after a takeover: tests/contract/bot/test_bot_watch.py",
    Act.HANDBACK: "the same",
    Act.BACKTEST: "a run needs stored days: tests/contract/bot/test_bot_research.py",
    Act.CANDIDATE: "a candidate needs a search: tests/contract/bot/test_bot_research.py",
}

# command: what the Korean owner sends behind it, what must come; the same for the English one
QUIET = {
    "start": ("", "서학에 오신 걸 환영해요", "", "Welcome to Seohak"),
    "help": ("", "/panic · 긴급 정지", "", "/panic · Stop all buying"),
    "status": ("", "현재 상태[\\s\\S]*정규장", "", "Status[\\s\\S]*regular session"),
    "health": ("", "🟢 매매봇: [\\s\\S]*🟢 증권사: 정상", "", "🟢 Trader: [\\s\\S]*🟢 Broker: OK"),
    "guardian": ("", "매매봇이 손절을 지키고", "", "The trader guards the stops"),
    "schedule": ("", "23:30 개장[\\s\\S]*06:00 마감", "", "23:30 Open[\\s\\S]*06:00 Close"),
    "version": ("", "한국투자증권 실전 계좌", "", "KIS real account"),
    "lang": ("", "어떤 언어로", "", "Which language"),
    "alerts": ("23:00-07:00", "방해 금지 시간: 23:00–07:00", "22:00-06:00", "Quiet hours: 22:00–06:00"),
    "missed": ("", "사지 않은 발굴", "", "Finds not bought"),
    "tax": ("2026", "양도소득세 추정 · 2026년", "2026", "tax estimate · 2026"),
    "pnl": ("월", "이 기간에 정리한 종목이 없어요", "all", "No position was closed"),
    "backtest": ("", "저장된 시세가 아직 없어요", "5", "no recorded prices yet"),
    "candidates": ("", "결정을 기다리는 후보가 없어요", "", "Nothing waits for you"),
    "orders": ("", "🧾 미체결 주문", "", "🧾 (No open|Open) orders"),
    "handback": ("", "돌려줄 것이 없어요", "", "nothing to give back"),
}
FOUND = {
    "discoveries": ("", "최근 발굴 종목[\\s\\S]*HELI", "", "Newest finds[\\s\\S]*HELI"),
    "signals": ("HELI", "HELI 매수 · 신뢰도", "HELI", "HELI Buy · confidence"),
    "why": ("헬리오스 로보틱스", "시그널의 이유 · HELI[\\s\\S]*✅", "Helios Robotics", "Why HELI[\\s\\S]*✅"),
    "chart": ("엔비디아 5m", "NVDA 엔비디아 \\$", "nvidia 5m", "NVDA NVIDIA Corporation \\$"),
    "watch": ("엔비디아", "NVDA 엔비디아: 관심종목에 넣었어요", "AAPL", "AAPL Apple Inc. is on the watch list"),
    "unwatch": ("엔비디아", "NVDA 엔비디아: 관심종목에서 뺐어요", "AAPL", "AAPL Apple Inc. is off the watch list"),
}
HELD = {
    "positions": ("", "보유 종목 · 1종목[\\s\\S]*HELI 헬리오스", "", "Positions · 1[\\s\\S]*HELI Helios"),
    "balance": ("", "오늘 매수: ₩[1-9]", "", "Bought today: ₩[1-9]"),
    "trades": ("HELI", "최근 체결[\\s\\S]*🔵 매수 \\d+주", "HELI", "Newest fills[\\s\\S]*🔵 Buy \\d+"),
    "report": ("", "일일 리포트[\\s\\S]*HELI", "", "Daily report[\\s\\S]*HELI"),
}
KINDS = {"chart": "photo", "why": "photo", "report": "photo", "export": "document"}
# these take part in a longer story, see `play`
TOLD = {"mode", "settings", "sell", "buy", "pending", "ignore", "cancel", "locks", "unlock", "export"} | {
    "pause",
    "resume",
    "panic",
}


class TwoOwners(Live):
    """The demo's world with a second owner."""

    async def _start(self) -> None:
        addresses = self.story.addresses
        self.story.addresses = lambda url: addresses(url) | {"TELEGRAM_OWNER_IDS": f"{OWNER},{JIMIN}"}
        await super()._start()


@dataclass
class Told:
    """What was seen in the world."""

    said: dict[str, set[str]] = field(default_factory=dict)
    pressed: dict[str, set[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    calls: list[telegram_schema.Json] = field(default_factory=list)
    orders_after_panic: int = -1
    loop: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


async def ask_all(table: dict[str, tuple[str, str, str, str]], ko: Person, en: Person) -> None:
    for command, (said, expected, spoken, wanted) in table.items():
        kind = KINDS.get(command, "")
        await asyncio.gather(
            ko.says(f"/{command} {said}".strip(), expected, kind=kind),
            en.says(f"/{command} {spoken}".strip(), wanted, kind=kind),
        )


async def before_the_first_find(ko: Person, en: Person) -> None:
    """Languages, modes and settings; the answers of a quiet market."""
    await en.world.chat.say("/start", en.user)
    await en.says("/lang", "어떤 언어로")
    await en.presses("l:en", "I speak English")
    await ko.says("/lang", "어떤 언어로")
    await ko.presses("l:ko", "한국어로")
    await en.says("/mode", "Now: Approve")
    await en.presses("m:auto", "Auto")
    # the time for a decision is the market's, and here half an hour of it is a minute
    await ko.says("/settings 승인 대기 시간", "trading.approval_ttl_sec")
    await ko.says("3600", "3,600초")
    await ko.presses("s:ok", "정말 바꿀까요")
    await ko.presses("s:sure", "변경")
    await en.says("/settings take_profit_pct", "trading.take_profit_pct")
    await en.says("40", "40%")
    await en.presses("s:ok", "Changed")
    await en.presses("s:undo", "30%")
    await ask_all(QUIET, ko, en)
    await asyncio.gather(ko.presses("e:next:progress", "🔕|🔇|조용히"), en.presses("e:next:schedule", "🔕|🔇|silent"))
    await asyncio.gather(ko.presses("f:status", "현재 상태"), en.presses("f:status", "Status"))


async def while_it_buys(ko: Person, en: Person) -> None:
    """Auto mode buys HELI; what was found can be looked at."""
    await asyncio.gather(ko.presses("n:", "분할|/10", on="HELI"), en.presses("n:", "tranche|/10", on="HELI"))
    await ko.says("/mode", "지금: 자동")
    await ko.presses("m:approve", "승인")
    await ask_all(FOUND, ko, en)
    await asyncio.gather(ko.presses("c:NVDA:1d", "NVDA", on="NVDA"), en.presses("c:NVDA:1d", "NVDA", on="NVDA"))
    await asyncio.gather(ko.says("/chart micro", "어느 종목인가요"), en.says("/chart micro", "Which one do you mean"))
    await asyncio.gather(ko.presses("k:", "마이크로"), en.presses("k:", "Micro"))


async def what_is_held(ko: Person, en: Person) -> None:
    """Half is sold by hand, and the books show it."""
    world = ko.world

    async def bought() -> bool:
        return world.books.plan("HELI").get("state") == "DONE"

    await until("HELI is bought", bought)
    await ko.says("/sell HELI 50%", "매도할까요[\\s\\S]*50%")
    await en.says("/sell HELI", "Sell[\\s\\S]*HELI")
    await en.presses("x", "Cancelled. Nothing was done", on="HELI")
    await ko.presses("q:", "매도를 시작했어요", on="HELI")
    await en.says("/sell HELI 10%", "10%")
    await en.presses("q:", "Selling HELI", on="HELI")
    await ask_all(HELD, ko, en)
    await asyncio.gather(ko.presses("R:week", "주간"), en.presses("R:week", "Weekly"))
    await asyncio.gather(ko.says("/export", "엑셀", kind="document"), en.says("/export", "Excel", kind="document"))


async def proposals(ko: Person, en: Person) -> None:
    """By hand, together, never again today; and shares that somebody bought in the KIS app."""
    await until("QBIT waits", lambda: ko.world.chat.button("a:", "QBIT"))
    await asyncio.gather(ko.says("/buy 인텔", "INTC"), en.says("/buy F 300000", "F:"))
    await ko.presses("a:", "승인|매수", on="INTC")
    await en.presses("a:", "Approved|approved|buying", on="Ticker: F")
    await ko.presses("i:", "중단|무시|멈", on="INTC")
    await en.says("/cancel F", "Done")
    await ko.says("/buy KO", "KO:")
    await ko.says("/ignore KO", "무시했어요")
    await en.says("/buy BAC", "BAC:")
    await en.says("/ignore BAC", "gnored")
    await en.presses("i:", "already|gnored", on="QBIT")
    for who, word, ignored in ((ko, "승인 대기 · 1건", "무시"), (en, "Waiting for your approval · 1", "gnored")):
        await who.says("/buy PFE", "PFE:")
        await who.says("/pending", word)
        await who.presses("b:.*:n", ignored)
    await ko.says("/cancel", "할 일이 없어요|취소")
    await ko.presses("z:", "WAVE", on="WAVE")
    await asyncio.gather(ko.says("/locks", "WAVE"), en.says("/locks", "WAVE"))
    await ko.says("/unlock WAVE", "✅|풀")
    await en.presses("z:", "WAVE", on="WAVE")
    await en.says("/unlock WAVE", "✅|Done|done")
    for who, ticker, left in ((ko, "SOFI", "팔지 않아요"), (en, "SNAP", "will not sell")):
        await who.world.chat.post("/control/kis/manual_order", symbol=ticker, side="buy", qty=3)
        await who.presses("u:.*:n", left, on=ticker)


async def the_end(told: Told, ko: Person, en: Person) -> None:
    """Pause, and the emergency stop."""
    await ko.says("/pause", "매수를 멈췄어요")
    await en.says("/resume", "allowed again")
    await en.says("/pause", "paused")
    await ko.says("/resume", "다시 허용")
    await ko.says("/panic", "긴급 정지")
    await en.says("/panic", "Stopped already")
    await asyncio.gather(ko.presses("p:", "HELI"), en.presses("p:", "HELI"))
    await asyncio.gather(ko.presses("x", "취소했어요", on="HELI"), en.presses("x", "Cancelled", on="HELI"))
    before = len(await ko.world.chat.orders())
    await ko.says("/buy NVDA", "⚠️|멈")
    told.orders_after_panic = len(await ko.world.chat.orders()) - before
    await ko.says("/resume", "다시|허용")
    await ko.presses("r:", "다시 허용")
    await en.says("/panic", "Emergency stop")
    await en.says("/resume", "again")
    await en.presses("r:", "allowed again")


async def play(folder: Path) -> Told:
    told = Told()
    origin = BREAKOUT - dt.timedelta(seconds=QUIET_S * SPEED)
    async with TwoOwners(folder, speed=SPEED, origin=origin) as world:
        ko, en = Person(world, OWNER, "ko"), Person(world, JIMIN, "en")
        await before_the_first_find(ko, en)
        spoken = len(await en.texts())
        await while_it_buys(ko, en)
        await what_is_held(ko, en)
        await proposals(ko, en)
        await the_end(told, ko, en)
        for person in (ko, en):
            told.said[person.locale], told.pressed[person.locale] = person.said, person.pressed
        told.texts = {"ko": await ko.texts(), "en": (await en.texts())[spoken:]}
        told.calls = (await world.chat.get("/sim/outbox"))["calls"]
        told.loop = json.loads((folder / "beats" / "bot").read_text())
        told.errors = world.errors()
    return told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One day with two owners."""
    return asyncio.run(play(tmp_path_factory.mktemp("journeys")))


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_every_command_is_answered(told: Told, locale: str) -> None:
    """A command of the registry that no journey tells fails here."""
    assert {spec.name for spec in COMMANDS} - told.said[locale] == set()


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_every_kind_of_button_does_what_it_says(told: Told, locale: str) -> None:
    assert {act.value for act in Act} - told.pressed[locale] - {act.value for act in ELSEWHERE} == set()


def test_the_english_owner_reads_no_korean(told: Told) -> None:
    """Two people at once, and nothing of one language leaks to the other."""
    assert [text for text in told.texts["en"] if HANGUL.search(FOREIGN.sub("", text))] == []


def test_the_korean_owner_reads_no_english_sentence(told: Told) -> None:
    """No text of the catalogue stands there untranslated."""
    shown = "\n".join(told.texts["ko"])
    catalogue = load_catalog("ko").items()
    assert [m for m, korean in catalogue if len(m) > 12 and "{" not in m and korean != m and m in shown] == []


def test_nothing_is_bought_after_the_emergency_stop(told: Told) -> None:
    assert told.orders_after_panic == 0


def test_a_second_client_understands_every_request_and_every_answer(told: Told) -> None:
    """aiogram's models of the Bot API know all of it."""
    assert len(told.calls) > 200
    assert telegram_schema.complaints(told.calls) == []


def test_the_event_loop_was_never_held_for_long(told: Told, record_property: Callable[[str, object], None]) -> None:
    """Processor time of the longest round of callbacks; the real time of a busy machine is reported beside it."""
    for name in ("loop_busiest_ms", "loop_longest_ms"):
        record_property(f"bot, {name}", told.loop[name])
    assert 0 < float(told.loop["loop_busiest_ms"]) <= LONGEST_MS, told.loop


def test_no_process_complained(told: Told) -> None:
    assert told.errors == []
