"""The chat page alone in a real browser: people and groups, keyboard, photos, brightness, language, a phone's width."""

import json
import struct
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from browser import CHROMIUM, Browser

from sandbox import scenarios, servers
from sandbox.clock import SandboxClock, SteeredClock
from sandbox.telegram import TelegramState, create_bot_api_app, create_chat_app, person
from sandbox.telegram.person import Where
from sandbox.world import create_world

OWNER, GUEST, EVE = 7001, 7002, 9009
CLUB = -1002026112801
KEYBOARD = {
    "inline_keyboard": [
        [
            {"text": "Approve", "callback_data": "a:1", "style": "success"},
            {"text": "Ignore", "callback_data": "i:1", "style": "danger"},
        ]
    ]
}
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("chat-people"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
    pytest.mark.asyncio(loop_scope="module"),
]


class StillClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 20, 14, 31, 5, tzinfo=UTC)


def png(width: int = 320, height: int = 180) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x28" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@dataclass
class Page:
    """The servers, the browser at the page, and the bot's hands."""

    state: TelegramState
    api: str
    url: str
    http: aiohttp.ClientSession
    browser: Browser

    async def bot(self, method: str, files: int = 0, chat_id: int = OWNER, **fields: Any) -> Any:
        """A call of the bot's with so many pictures named p0, p1, …"""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"chat_id": chat_id, "parse_mode": "HTML", **fields}.items():
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        for number in range(files):
            form.add_field(f"p{number}", png(), filename=f"{number}.png", content_type="image/png")
        async with self.http.post(f"{self.api}/bot{self.state.token}/{method}", data=form) as answer:
            body = await answer.json()
            return body.get("result")

    async def look(self, user: int = OWNER, chat: int = OWNER, lang: str = "en") -> None:
        """Open one person's chat."""
        await self.browser.open(f"{self.url}/?user={user}&chat={chat}&lang={lang}")
        await self.browser.shows("document.querySelector('.row, .empty') !== null", "the chat")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> AsyncIterator[Page]:
    state = TelegramState(StillClock())
    runners = [web.AppRunner(app(state), shutdown_timeout=1) for app in (create_bot_api_app, create_chat_app)]
    for runner in runners:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    api, url = (f"http://127.0.0.1:{runner.addresses[0][1]}" for runner in runners)
    async with aiohttp.ClientSession() as http, Browser() as browser:
        await browser.size(1440, 900)
        yield Page(state, api, url, http, browser)
        complaints = browser.complaints
    for runner in runners:
        await runner.cleanup()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def anew(page: Page) -> None:
    """Every test begins with an owner who has said hello, on a bright desktop."""
    page.state.reset()
    person.send_text(page.state, OWNER, "/start")
    await page.browser.size(1440, 900)


async def test_a_message_elsewhere_leaves_a_badge_until_somebody_looks(page: Page) -> None:
    await page.look()
    person.send_text(page.state, EVE, "hello", where=Where(CLUB))
    badge = f"document.querySelector('#chats [data-chat=\"{CLUB}\"] .badge')?.textContent"
    await page.browser.shows(f"{badge} === '1'", "the group's badge")
    assert await page.browser.js(f"document.querySelector('#users [data-user=\"{GUEST}\"] .badge').textContent") == "1"
    assert await page.browser.js(f"document.querySelector('#users [data-user=\"{EVE}\"] .badge')") is None
    await page.browser.click(f"document.querySelector('#chats [data-chat=\"{CLUB}\"]')")
    await page.browser.shows("document.querySelector('.row.in .from')?.textContent === 'Eve'", "Eve's message")
    assert await page.browser.js(badge) is None


async def test_people_are_chosen_by_arrow_keys(page: Page) -> None:
    await page.look()
    await page.browser.js("document.querySelector('#users [aria-selected=\"true\"]').focus()")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        await page.browser.key(key)
    await page.browser.shows("document.querySelector('.empty') !== null", "Eve's empty chat")
    assert await page.browser.js("document.querySelector('#users [aria-selected=\"true\"]').dataset.user") == str(EVE)
    assert await page.browser.js("document.activeElement.dataset.user") == str(EVE)


async def test_a_button_is_pressed_by_keyboard_and_waits_for_its_answer(page: Page) -> None:
    await page.bot("sendMessage", text="card", reply_markup=KEYBOARD)
    await page.look()
    await page.browser.js("document.querySelector('.buttons .success').focus()")
    await page.browser.key("Enter")
    await page.browser.shows("document.querySelector('.buttons .success.waiting') !== null", "the waiting button")
    assert await page.browser.js("document.activeElement.getAttribute('aria-busy')") == "true"
    await page.browser.key("Enter")
    assert len(page.state.queries) == 1
    query = next(iter(page.state.queries))
    await page.bot("answerCallbackQuery", callback_query_id=query, text="done & dusted", show_alert=True)
    await page.browser.shows("document.getElementById('alert').open", "the alert")
    assert await page.browser.js("document.getElementById('alert-text').textContent") == "done & dusted"
    await page.browser.key("Escape")
    await page.browser.shows("!document.querySelector('.waiting')", "the button at rest")


async def test_a_stranger_in_a_group_gets_the_refusal_alone(page: Page) -> None:
    card = await page.bot("sendMessage", text="card", reply_markup=KEYBOARD)
    person.forward(page.state, OWNER, card["message_id"], where=Where(CLUB))
    await page.look(EVE, CLUB)
    await page.browser.click("document.querySelector('.lost .buttons button')")
    await page.browser.shows("document.querySelector('.lost .waiting') !== null", "the forged press")
    query = next(iter(page.state.queries.values()))
    assert (query.user_id, query.chat_id, query.data) == (EVE, CLUB, "a:1")
    await page.bot("answerCallbackQuery", callback_query_id=query.id, text="Not allowed")
    await page.browser.shows("document.getElementById('toast').textContent === 'Not allowed'", "the refusal")
    assert page.state.chats[CLUB].answers[0]["user"] == EVE


async def test_an_album_is_one_grid_and_opens_in_the_viewer(page: Page) -> None:
    media = [{"type": "photo", "media": f"attach://p{n}", "caption": "three" if n == 0 else ""} for n in range(3)]
    await page.look()
    await page.bot("sendMediaGroup", files=3, media=media)
    await page.browser.shows("document.querySelectorAll('.album .frame').length === 3", "three pictures")
    assert await page.browser.js("document.querySelectorAll('.row.in').length") == 1
    await page.browser.js("document.querySelectorAll('.album .frame')[1].focus()")
    await page.browser.key("Enter")
    count = "document.getElementById('lightbox-count').textContent"
    await page.browser.shows(f"{count} === '2 / 3'", "the second picture")
    for key, shown in (("ArrowRight", "3 / 3"), ("ArrowRight", "3 / 3"), ("ArrowLeft", "2 / 3")):
        await page.browser.key(key)
        assert await page.browser.js(count) == shown
    await page.browser.key("Escape")
    await page.browser.shows("!document.getElementById('lightbox').open", "the closed viewer")
    assert await page.browser.js("document.activeElement === document.querySelectorAll('.album .frame')[1]")


async def test_markup_of_the_bot_is_text_and_hidden_text_opens_by_keyboard(page: Page) -> None:
    text = "&lt;img src=x onerror=alert(1)&gt; <tg-spoiler>secret</tg-spoiler>\n"
    text += "<blockquote expandable>" + "line\n" * 6 + "end</blockquote>"
    await page.bot("sendMessage", text=text)
    await page.look()
    assert await page.browser.js("document.querySelector('.text img')") is None
    assert "<img src=x" in await page.browser.js("document.querySelector('.row.in .text').textContent")
    await page.browser.js("document.querySelector('.spoiler').focus()")
    await page.browser.key(" ")
    assert await page.browser.js("document.querySelector('.spoiler').classList.contains('shown')")
    await page.browser.js("document.querySelector('.unfold').focus()")
    await page.browser.key("Enter")
    assert await page.browser.js("document.querySelector('blockquote').classList.contains('folded')") is False


async def test_edits_are_marked_and_deleted_messages_vanish(page: Page) -> None:
    sent = await page.bot("sendMessage", text="one")
    await page.look()
    await page.bot("editMessageText", message_id=sent["message_id"], text="two")
    await page.browser.shows("document.querySelector('.row.in .edited')?.textContent === 'edited'", "the mark")
    await page.bot("deleteMessage", message_id=sent["message_id"])
    await page.browser.shows("!document.querySelector('.row.in')", "no message of the bot's")


async def test_the_command_menu_is_the_persons_own_and_works_by_keyboard(page: Page) -> None:
    commands = [{"command": "status", "description": "지금 상태"}, {"command": "stop", "description": "멈춤"}]
    await page.bot("setMyCommands", commands=commands, language_code="ko")
    await page.look(lang="ko")
    await page.browser.click("document.getElementById('commands')")
    await page.browser.shows("document.querySelectorAll('#menu [role=option]').length === 2", "the menu")
    assert "지금 상태" in await page.browser.js("document.getElementById('menu').textContent")
    await page.browser.key("ArrowDown")
    await page.browser.key("Enter")
    await page.browser.shows("[...document.querySelectorAll('.row.out')].at(-1).textContent.includes('/stop')", "/stop")


async def test_a_forced_reply_fills_the_reply_bar(page: Page) -> None:
    await page.look()
    await page.bot("sendMessage", text="How much?", reply_markup={"force_reply": True})
    await page.browser.shows("!document.getElementById('reply-bar').hidden", "the reply bar")
    await page.browser.write("100")
    await page.browser.shows("document.querySelector('.row.out .quote') !== null", "the quoting answer")


async def test_calls_show_errors_and_can_be_sifted(page: Page) -> None:
    await page.look()
    await page.bot("sendMessage", text="fine")
    await page.bot("sendMessage", text="x" * 5000)
    await page.http.post(f"{page.url}/sim/faults", json={"method": "sendMessage", "code": 429, "retry_after": 3})
    await page.bot("sendMessage", text="too soon")
    await page.browser.shows("document.querySelector('#calls .flood .why') !== null", "the refused call")
    assert "retry after 3" in await page.browser.js("document.querySelector('#calls .flood .why').textContent")
    assert "too long" in await page.browser.js("document.querySelector('#calls .failed:not(.flood) .why').textContent")
    await page.browser.click("document.getElementById('log-filter')")
    await page.browser.send("Input.insertText", text="too soon")
    await page.browser.shows(
        "[...document.querySelectorAll('#calls li')].filter(i => i.offsetParent).length === 1", "one call"
    )


async def test_brightness_follows_the_system_and_the_switch(page: Page) -> None:
    background = "getComputedStyle(document.querySelector('.side')).backgroundColor"
    await page.look()
    assert await page.browser.js(background) == "rgb(255, 255, 255)"
    await page.browser.size(1440, 900, dark=True)
    await page.browser.shows(f"{background} === 'rgb(23, 33, 43)'", "the dark page")
    await page.browser.click("document.querySelector('#theme [value=light]')")
    await page.browser.shows(f"{background} === 'rgb(255, 255, 255)'", "the bright page")
    await page.browser.click("document.querySelector('#theme [value=auto]')")


async def test_the_language_switch_changes_every_word(page: Page) -> None:
    await page.look(lang="ko")
    words = "document.getElementById('people-title').textContent"
    assert await page.browser.js(words) == "누구로 쓸까요?"
    await page.browser.click("document.getElementById('language')")
    await page.browser.shows(f"{words} === 'Who are you?'", "English")
    assert await page.browser.js("document.documentElement.lang") == "en"
    visible = await page.browser.js("document.querySelector('.settings, .log-head').textContent")
    assert "자동" not in visible


@pytest.mark.parametrize("lang", ["ko", "en"])
async def test_a_phone_shows_the_chat_alone_and_never_scrolls_sideways(page: Page, lang: str) -> None:
    await page.browser.size(390, 844, phone=True)
    await page.bot("sendPhoto", files=1, photo="attach://p0", caption="card " * 40, reply_markup=KEYBOARD)
    await page.bot("sendMessage", text=f"<pre>{'0123456789' * 9}</pre>")
    await page.look(lang=lang)
    assert await page.browser.js("document.documentElement.scrollWidth") == 390
    wide = "[...document.querySelectorAll('.row > .column')].filter(e => e.getBoundingClientRect().right > 390).length"
    assert await page.browser.js(wide) == 0
    assert await page.browser.js("document.getElementById('log').offsetParent") is None
    await page.browser.click("document.getElementById('toggle-log')")
    await page.browser.shows("document.getElementById('calls').offsetParent !== null", "the calls")
    await page.browser.click("document.getElementById('close-log')")
    await page.browser.click("document.getElementById('open-side')")
    await page.browser.shows("getComputedStyle(document.getElementById('side')).visibility === 'visible'", "the side")


async def test_every_control_has_a_name(page: Page) -> None:
    await page.bot("sendPhoto", files=1, photo="attach://p0", reply_markup=KEYBOARD)
    await page.look()
    nameless = (
        "[...document.querySelectorAll('button, input, textarea, a[href]')].filter(e => !e.hidden && !(e.textContent.trim()"
        " || e.getAttribute('aria-label') || e.labels?.length || e.querySelector('img[alt]:not([alt=\"\"])'))).map(e => e.outerHTML)"
    )
    assert await page.browser.js(nameless) == []


@pytest.mark.parametrize("kind", [SteeredClock, SandboxClock])
async def test_the_clock_panel_moves_only_a_clock_that_nobody_shares(page: Page, kind: type[SandboxClock]) -> None:
    """The jump reaches the sandbox; a shared clock has its controls off and says why."""
    clock = kind(datetime(2026, 11, 18, 13, 0, tzinfo=UTC), time.time(), 1.0)
    running = await servers.start(create_world(scenarios.build("calm", date(2026, 11, 18), 1, 3), clock), {})
    try:
        await page.browser.open(f"http://{running.addresses['control']}/?lang=en")
        await page.browser.click("document.getElementById('clock')")
        button = "[...document.querySelectorAll('#clock-jumps button')].find(b => b.textContent === 'to the open')"
        await page.browser.shows(f"Boolean({button})", "the jumps")
        if kind is SandboxClock:
            assert await page.browser.js(f"{button}.disabled")
            assert "share this clock" in await page.browser.js("document.getElementById('clock-note').textContent")
            return
        await page.browser.click(button)
        await page.browser.shows("document.getElementById('clock-et').textContent.includes('09:30')", "the open")
        assert clock.now() >= datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
    finally:
        # a page that is still open would complain about the server that goes
        await page.look()
        await running.stop()


async def test_words_stand_out_from_their_ground(page: Page) -> None:
    """WCAG AA, 4.5 to 1, in both brightnesses."""
    await page.bot("sendMessage", text="<b>card</b> /status <code>x</code>", reply_markup=KEYBOARD)
    await page.bot("sendMessage", text="x" * 5000)
    for dark in (False, True):
        await page.browser.size(1440, 900, dark=dark)
        await page.look()
        await page.browser.shows("document.querySelector('#calls .why') !== null", "the calls")
        assert await page.browser.js(f"({FAINT})()") == []


FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const ground = (node) => {
    const line = [];
    for (let e = node; e; e = e.parentElement) line.unshift(getComputedStyle(e).backgroundColor);
    return line;
  };
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll("body *")].filter((e) => e.offsetParent && own(e) && !e.matches(".face")).map((e) => {
    const [a, b] = [light(paint([...ground(e), getComputedStyle(e).color])), light(paint(ground(e)))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), `${e.tagName}.${e.className}: ${e.textContent.slice(0, 30)}`];
  }).filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => `${ratio.toFixed(2)} ${what}`);
}"""
