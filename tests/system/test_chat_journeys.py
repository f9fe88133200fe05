"""Settings, chart switch and panic in a real browser: everything by clicks and typed words, each seen at the far end too."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser import CHROMIUM, Browser
from system_world import Json, Live, body, rows, until

from adapters.control import SocketControl
from core.model.commands import AskStatus, TraderStatus

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("chat-journeys"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]
# slow enough that the ten minutes of an undo are half a minute of a busy machine
SPEED = 20.0
# what the chat promises: "running services take it over within 2 seconds"
PROMISED_S = 2.0
KEY = "trading.max_orders_per_day"
PROPOSAL, BLOCK = "HELI", "order_count"
LETTERS = "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))"
# what does not fit its box, of everything a phone's width squeezes; the time stands 3 px outside its line on purpose
CLIPPED = """[document.documentElement, ...document.querySelectorAll('.bubble, .text, .buttons button, .pinned')]
  .filter(e => e.scrollWidth > e.clientWidth + 4).map(e => e.textContent.slice(0, 60))"""
# brightness and digest of a message's picture, as the page has drawn it
PIXELS = """(async () => {
  const image = %s.querySelector('img.photo');
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: image.naturalWidth, height: image.naturalHeight});
  const paper = canvas.getContext('2d');
  paper.drawImage(image, 0, 0);
  const data = paper.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, hash = 0;
  for (let at = 0; at < data.length; at += 4) {
    sum += data[at];
    hash = (hash * 31 + data[at] + 7 * data[at + 1] + 13 * data[at + 2]) | 0;
  }
  return {src: image.src, width: image.naturalWidth, brightness: Math.round(sum * 4 / data.length), hash};
})()"""


class Change(msgspec.Struct, kw_only=True):
    """One change of the setting: what the page asked and said, what the books keep, when the trader followed."""

    asked: list[str]
    said: str
    kept: Any
    trader_after_s: float


class Seen(msgspec.Struct, kw_only=True):
    """What the page showed and what stood behind it, step by step."""

    card: str = ""
    letters: list[str] = []
    charts: list[Json] = []
    chart_rows: int = -1
    vwap: list[Json] = []
    lowered: Change | None = None
    raised: Change | None = None
    undone: Change | None = None
    held: dict[str, int] = {}
    halted: TraderStatus | None = None
    preview: str = ""
    held_at_preview: dict[str, int] = {}
    wrong_word: str = ""
    held_after_wrong_word: dict[str, int] = {}
    sold: str = ""
    sale: list[Json] = []
    held_at_end: dict[str, int] = {}
    resumed: TraderStatus | None = None
    english: list[str] = []
    english_page: str = ""
    clipped: list[str] = []
    overrides: list[Any] = []
    complaints: list[str] = []


class Sitting:
    """One person at the page, with a look at the trader and the books beside it."""

    def __init__(self, world: Live, browser: Browser) -> None:
        self.world = world
        self.browser = browser
        self._trader = SocketControl(world.options.state_dir / "trader.sock")

    async def newest(self, words: str, label: str = "") -> int:
        """The newest message of the bot's with these words and a button of this label, once there is one."""
        wanted = json.dumps([words, label])
        found = await self.browser.shows(
            f"(([words, label]) => [...document.querySelectorAll('.row.in')].reverse().find(r => "
            f"r.textContent.includes(words) && (!label || [...r.querySelectorAll('.buttons button')]"
            f".some(b => b.textContent.includes(label))))?.dataset.messageId)({wanted})",
            f"a message with {words!r} and [{label}]",
        )
        return int(found)

    async def press(self, words: str, label: str) -> int:
        """Click a button of the newest message with these words; returns the message's number."""
        message_id = await self.newest(words, label)
        await self.browser.click(
            f"[...{row(message_id)}.querySelectorAll('.buttons button')]"
            f".find(b => b.textContent.includes({json.dumps(label)}))"
        )
        return message_id

    async def text(self, words: str) -> str:
        """The newest message with these words."""
        return str(await self.browser.js(f"{row(await self.newest(words))}.textContent"))

    async def becomes(self, message_id: int, words: str) -> str:
        """The text of one message once it has these words."""
        found = f"{row(message_id)}?.textContent"
        await self.browser.shows(f"({found} ?? '').includes({json.dumps(words)})", f"message {message_id}: {words!r}")
        return str(await self.browser.js(found))

    async def trader(self) -> TraderStatus:
        status = (await self._trader.send(AskStatus(by="test"))).status
        assert status is not None
        return status

    def kept(self) -> Any:
        """The newest value of the key in the database."""
        return self.history()[-1]

    def history(self) -> list[Any]:
        found = rows(self.world.books.records, "SELECT new FROM overrides WHERE key = ? ORDER BY id", KEY)
        return [json.loads(value) if isinstance(value, str) else value for (value,) in found]


def row(message_id: int) -> str:
    return f"document.querySelector('.row[data-message-id=\"{message_id}\"]')"


async def use_the_page(folder: Path) -> Seen:
    seen = Seen()
    async with Live(folder, speed=SPEED) as world, Browser() as browser:
        await browser.size(1440, 1000)
        await browser.open(f"{world.url}?lang=ko")
        one = Sitting(world, browser)
        await switch_charts(one, seen)
        seen.card = await one.text(PROPOSAL)
        seen.letters = await browser.js(LETTERS)
        await one.press(PROPOSAL, "승인")
        await until("two tranches", lambda: bought(world, 2))
        await change_a_setting(one, seen)
        await panic(one, seen)
        await speak_english(one, seen)
        await browser.size(390, 844, phone=True)
        seen.clipped = await browser.js(CLIPPED)
        seen.overrides = one.history()
        seen.complaints = browser.complaints
    return seen


async def bought(world: Live, tranches: int) -> bool:
    return len([o for o in await world.chat.orders(PROPOSAL) if o["filled"]]) >= tranches


async def switch_charts(one: Sitting, seen: Seen) -> None:
    """Five minutes, days and the other theme, all in the same message; then VWAP in one of its own."""
    await one.browser.write("/chart NVDA")
    chart = await one.newest("NVDA", "• 1분봉 •")
    seen.charts = [await pixels(one, chart)]
    for label, marked in (("5분봉", "• 5분봉 •"), ("일봉", "• 일봉 •"), ("밝게", "어둡게")):
        await one.press("NVDA", label)
        seen.charts.append(await redrawn(one, chart, seen.charts[-1], marked))
    await one.press("NVDA", "1분봉")
    plain = await redrawn(one, chart, seen.charts[-1], "• 1분봉 •")
    await one.browser.write("/chart NVDA vwap")
    await one.browser.shows(f"{CHARTS}.length === 2", "a second chart")
    other = await one.newest("NVDA", "• 1분봉 •")
    seen.vwap = [plain, await pixels(one, other)]
    await one.press("NVDA", "5분봉")
    seen.vwap.append(await redrawn(one, other, seen.vwap[-1], "• 5분봉 •"))
    keyboard = next(m for m in await one.world.chat.messages() if m["message_id"] == other)["reply_markup"]
    seen.vwap.append(keyboard)
    seen.chart_rows = await one.browser.js(f"{CHARTS}.length")


CHARTS = "[...document.querySelectorAll('.row.in.has-photo')].filter(r => r.textContent.includes('NVDA'))"


async def pixels(one: Sitting, message_id: int) -> Json:
    photo = f"{row(message_id)}?.querySelector('img.photo')"
    await one.browser.shows(f"Boolean({photo}?.complete && {photo}.naturalWidth)", "the chart's picture")
    return await one.browser.js(PIXELS % row(message_id))


async def redrawn(one: Sitting, message_id: int, before: Json, label: str) -> Json:
    """The message's picture once it is another one and the button says so."""
    await one.browser.shows(
        f"{row(message_id)}.querySelector('img.photo').src !== {json.dumps(before['src'])}"
        f" && [...{row(message_id)}.querySelectorAll('.buttons button')]"
        f".some(b => b.textContent.includes({json.dumps(label)}))",
        f"another picture, and [{label}]",
    )
    return await pixels(one, message_id)


async def change_a_setting(one: Sitting, seen: Seen) -> None:
    """Fewer orders a day than were sent already, then many more, then back with one press."""
    await one.browser.write("/settings")
    dialogue = await one.press("설정", "💰 매매")
    await one.becomes(dialogue, "하루 주문 수")
    await one.press("하루 주문 수", "하루 주문 수")
    await one.becomes(dialogue, KEY)
    await one.browser.write("2")
    seen.lowered = await change(one, [("적용", "변경됨")], blocks=True)
    await one.browser.write("/settings 하루 주문 수")
    await one.newest("새 값을 입력")
    await one.browser.write("900")
    seen.raised = await change(one, [("적용", "정말"), ("위험을 감수", "변경됨")], blocks=False)
    seen.undone = await change(one, [("되돌리기", "되돌림")], blocks=True)


async def change(one: Sitting, presses: list[tuple[str, str]], *, blocks: bool) -> Change:
    """Press one button after the other and wait until the trader follows: it counts from what the page says."""
    asked, said = [], ""
    for label, words in presses:
        message_id = await one.newest("하루 주문 수", label)
        asked.append(await one.browser.js(f"{row(message_id)}.textContent"))
        await one.press("하루 주문 수", label)
        said = await one.becomes(message_id, words)
    told_at, kept = time.monotonic(), one.kept()

    async def follows() -> bool:
        return (BLOCK in (await one.trader()).entry_blocks) is blocks

    await until("the trader follows", follows)
    return Change(asked=asked, said=said, kept=kept, trader_after_s=time.monotonic() - told_at)


async def panic(one: Sitting, seen: Seen) -> None:
    """Stop; preview; a wrong word; the word; one message to the end; and allow buying again."""
    seen.held = await one.world.chat.holdings()
    await one.browser.write("/panic")
    await one.newest("긴급 정지", "전량 매도 미리보기")
    seen.halted = await one.trader()
    question = await one.press("긴급 정지", "전량 매도 미리보기")
    seen.preview = await one.becomes(question, "모두 매도할까요?")
    seen.held_at_preview = await one.world.chat.holdings()
    await one.browser.write("청산 안 함")
    seen.wrong_word = await one.text("확인 문구가 달라서")
    seen.held_after_wrong_word = await one.world.chat.holdings()
    await one.browser.write("/panic")
    question = await one.press("이미 멈춰", "전량 매도 미리보기")
    await one.becomes(question, "모두 매도할까요?")
    await one.browser.write("청산")
    seen.sold = await one.becomes(question, "전량 매도 완료")
    seen.sale = [
        m for m in await one.world.chat.messages() if "전량 매도 완료" in body(m) or "전량 매도 진행" in body(m)
    ]
    seen.held_at_end = await one.world.chat.holdings()
    await one.browser.write("/resume")
    answer = await one.press("매수를 다시 허용할까요?", "매수 다시 허용")
    await one.becomes(answer, "다시 허용했어요")
    seen.resumed = await one.trader()


async def speak_english(one: Sitting, seen: Seen) -> None:
    """The page and the bot in English: the same dialogue once more, and the first step of the stop."""
    await one.browser.open(f"{one.world.url}?lang=en")
    seen.english_page = await one.browser.js("document.body.textContent")
    await one.browser.write("/lang en")
    await one.newest("English")
    await one.browser.write("/settings orders per day")
    await one.newest(KEY)
    await one.browser.write("1")
    question = await one.press("Orders per day", "Apply")
    seen.english = [await one.becomes(question, "Changed")]
    await one.browser.write("/panic")
    seen.english.append(await one.text("Emergency stop"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One sitting at the page."""
    return asyncio.run(use_the_page(tmp_path_factory.mktemp("journeys")))


def test_a_card_has_the_korean_name_in_letters_that_the_page_brings(seen: Seen) -> None:
    """The sandbox's symbol files are read, and Hangul needs no font of the machine."""
    assert "헬리오스 로보틱스" in seen.card
    assert "Pretendard" in seen.letters


def test_chart_buttons_paint_the_same_message_anew(seen: Seen) -> None:
    """Another timeframe or theme is another picture, and no new message."""
    assert len({chart["src"] for chart in seen.charts}) == len(seen.charts) == 4
    assert len({chart["hash"] for chart in seen.charts}) == 4
    assert all(chart["width"] >= 800 for chart in seen.charts)
    dark, light = seen.charts[2]["brightness"], seen.charts[3]["brightness"]
    assert light > dark + 80
    assert seen.chart_rows == 2


def test_an_overlay_is_drawn_and_stays_when_the_timeframe_changes(seen: Seen) -> None:
    """/chart NVDA vwap differs from the plain chart, and its buttons carry the overlay."""
    plain, with_vwap, five_minutes, keyboard = seen.vwap
    assert plain["hash"] != with_vwap["hash"] != five_minutes["hash"]
    frames = [button["callback_data"] for button in keyboard["inline_keyboard"][0]]
    assert all("vwap" in data for data in frames)


def test_a_setting_that_risks_less_is_asked_once_and_followed(seen: Seen) -> None:
    """Books and trader follow within the promised time."""
    assert seen.lowered is not None
    assert "300건 → 2건" in seen.lowered.asked[0]
    assert "위험이 커지는" not in seen.lowered.asked[0]
    assert seen.lowered.kept == 2
    assert seen.lowered.trader_after_s < PROMISED_S


def test_a_setting_that_risks_more_is_asked_twice(seen: Seen) -> None:
    """The first question warns, the second insists, and only then it counts."""
    assert seen.raised is not None
    first, second = seen.raised.asked
    assert "위험이 커지는" in first
    assert "정말 바꿀까요?" in second
    assert seen.raised.kept == 900
    assert seen.raised.trader_after_s < PROMISED_S


def test_undo_brings_the_value_before_back_everywhere(seen: Seen) -> None:
    """One press within ten minutes; the trader follows that too."""
    assert seen.undone is not None
    assert "10분" in seen.undone.asked[0]
    assert "900건 → 2건" in seen.undone.said
    assert seen.undone.kept == 2
    assert seen.undone.trader_after_s < PROMISED_S
    assert seen.overrides == [2, 900, 2, 1]


def test_panic_halts_at_once_and_sells_nothing_yet(seen: Seen) -> None:
    """The trader is stopped by the message; the preview names what is held, and the shares are still there."""
    assert seen.halted is not None
    assert seen.halted.panicked
    assert not seen.halted.entries_open
    assert seen.held[PROPOSAL] > 0
    assert PROPOSAL in seen.preview
    assert seen.held_at_preview == seen.held


def test_a_wrong_word_sells_nothing(seen: Seen) -> None:
    """And says so."""
    assert "매도하지 않았어요" in seen.wrong_word
    assert seen.held_after_wrong_word == seen.held


def test_the_typed_word_sells_everything_in_one_message(seen: Seen) -> None:
    """The preview becomes the progress and the progress the end; the broker holds nothing."""
    assert len(seen.sale) == 1
    assert seen.sale[0]["edits"] >= 2
    assert PROPOSAL in seen.sold
    assert seen.held_at_end == {}


def test_buying_is_allowed_again_by_a_button(seen: Seen) -> None:
    """/resume asks first."""
    assert seen.resumed is not None
    assert not seen.resumed.panicked


def test_the_same_in_english(seen: Seen) -> None:
    """Page and bot, without a Korean word in the bot's answers."""
    assert "Bot API calls" in seen.english_page
    changed, stopped = seen.english
    assert "2 orders → 1 order" in changed
    assert "All buying has stopped" in stopped
    assert not any("가" <= letter <= "힣" for letter in changed + stopped)


def test_nothing_of_it_is_cut_at_the_width_of_a_phone(seen: Seen) -> None:
    """Every bubble, button and the pinned line of the whole sitting, in both languages."""
    assert seen.clipped == []


def test_the_page_has_no_script_errors_on_the_way(seen: Seen) -> None:
    """Nothing thrown, nothing refused by the content policy."""
    assert seen.complaints == []
