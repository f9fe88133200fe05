"""The chat page in a real browser: cards, buttons and commands work as a person uses them."""

import asyncio
import datetime as dt
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from browser import CHROMIUM, Browser
from system_world import OWNER, STRANGER, Json, Live, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("chat-page"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]
TICKER = "HELI"
CARD = f"[...document.querySelectorAll('.row.in.has-photo')].find(r => r.textContent.includes('{TICKER}'))"
OTHER = CARD.replace(TICKER, "QBIT")


class Seen(msgspec.Struct, kw_only=True):
    """What the page showed, step by step."""

    card: Json = {}
    labels_proposed: list[str] = []
    labels_running: list[str] = []
    text_proposed: str = ""
    text_stopped: str = ""
    labels_stopped: list[str] = []
    plan: Json = {}
    orders_at_stop: int = 0
    orders_later: int = 0
    chart: Json = {}
    other_plan: Json = {}
    other_text: str = ""
    other_orders: int = -1
    stranger_rows: int = -1
    stranger_state: dict[str, str] = {}
    owner_state: dict[str, str] = {}
    complaints: list[str] = []


def labels(card: str) -> str:
    return f"[...{card}.querySelectorAll('.buttons button')].map(b => b.textContent)"


async def press(browser: Browser, label: str, card: str = CARD) -> None:
    """Click the card's button with this label."""
    button = f"[...({card}).querySelectorAll('.buttons button')].find(b => b.textContent.includes('{label}'))"
    await browser.shows(f"Boolean({card} && {button})", f"a button {label}")
    await browser.click(button)


async def use_the_page(folder: Path) -> Seen:
    seen = Seen()
    async with Live(folder) as world, Browser() as browser:
        await browser.size(1440, 1000)
        await browser.open(world.url)
        await browser.shows(f"Boolean({CARD} && ({CARD}).querySelector('.buttons'))", "the discovery's card")
        photo = f"({CARD}).querySelector('img.photo')"
        await browser.shows(f"{photo}.complete && {photo}.naturalWidth > 0", "its picture")
        seen.card = await browser.js(f"({{width: {photo}.naturalWidth, alt: {photo}.alt}})")
        seen.labels_proposed = await browser.js(labels(f"({CARD})"))
        seen.text_proposed = await browser.js(f"({CARD}).textContent")
        await press(browser, "승인")
        await browser.shows(f"{labels(f'({CARD})')}.some(l => l.includes('중단'))", "the card that buys")
        seen.labels_running = await browser.js(labels(f"({CARD})"))
        await bought(world, 3)
        await press(browser, "중단")
        await browser.shows(f"!({CARD}).querySelector('.buttons')", "a card without buttons")
        await stopped(world, seen, browser)
        await browser.write("/chart NVDA")
        chart = (
            "[...document.querySelectorAll('.row.in.has-photo')].filter(r => r.textContent.includes('NVDA'))"
            ".map(r => r.querySelector('img.photo')).find(i => i.complete && i.naturalWidth)"
        )
        await browser.shows(f"Boolean({chart})", "a chart of NVDA")
        seen.chart = await browser.js(f"({{width: {chart}.naturalWidth, src: {chart}.src}})")
        await press(browser, "무시", OTHER)
        await browser.shows(f"!({OTHER}).querySelector('.buttons')", "an ignored card without buttons")
        seen.other_text = await browser.js(f"({OTHER}).textContent")
        seen.other_plan = world.books.plan("QBIT")
        seen.owner_state = world.books.state()
        await be_eve(world, seen, browser)
        seen.other_orders = len(await world.chat.orders("QBIT"))
        seen.complaints = browser.complaints
    return seen


async def bought(world: Live, tranches: int) -> None:
    async def there() -> bool:
        return len([o for o in await world.chat.orders(TICKER) if o["filled"]]) >= tranches

    await until(f"{tranches} tranches", there)


async def stopped(world: Live, seen: Seen, browser: Browser) -> None:
    """After the press: the plan is over, and two intervals later there is still no new order."""

    async def over() -> bool:
        return world.books.plan(TICKER)["state"] not in {"PROPOSED", "RUNNING"}

    await until("the plan is over", over)
    seen.text_stopped = await browser.js(f"({CARD}).textContent")
    seen.labels_stopped = await browser.js(labels(f"({CARD})"))
    seen.orders_at_stop = len(await world.chat.orders(TICKER))
    then = await market_time(world)

    async def intervals_later() -> bool:
        return await market_time(world) - then > dt.timedelta(minutes=4)

    await until("four market minutes", intervals_later)
    seen.plan = world.books.plan(TICKER)
    seen.orders_later = len(await world.chat.orders(TICKER))


async def market_time(world: Live) -> dt.datetime:
    return dt.datetime.fromisoformat((await world.chat.state())["clock"]["now"])


async def be_eve(world: Live, seen: Seen, browser: Browser) -> None:
    """Choose the stranger and send /panic."""
    await browser.click(f"document.querySelector('#users button[data-user=\"{STRANGER}\"]')")
    chosen = f"document.querySelector('#users button[data-user=\"{STRANGER}\"]').getAttribute('aria-selected')"
    await browser.shows(f"{chosen} === 'true'", "Eve is chosen")
    await browser.shows("!document.querySelector('.row.has-photo')", "her own, empty chat")
    await browser.write("/panic")
    hers = "[...document.querySelectorAll('.row.out')].some(r => r.textContent.includes('/panic'))"
    await browser.shows(hers, "her message")

    async def recorded() -> bool:
        return ("/panic", False) in world.books.audited(STRANGER)

    await until("Eve's /panic is recorded as refused", recorded)
    seen.stranger_rows = await browser.js("document.querySelectorAll('.row.in').length")
    seen.stranger_state = world.books.state()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One sitting at the page."""
    return asyncio.run(use_the_page(tmp_path_factory.mktemp("page")))


def test_a_discovery_is_a_card_with_its_chart_and_two_buttons(seen: Seen) -> None:
    """Photo, name, and approve or ignore."""
    assert seen.card["width"] >= 800
    assert TICKER in seen.text_proposed
    assert len(seen.labels_proposed) == 3
    assert "승인" in seen.labels_proposed[0]
    assert "무시" in seen.labels_proposed[1]


def test_an_approved_card_offers_to_stop_the_rest(seen: Seen) -> None:
    """One button is left."""
    assert len(seen.labels_running) == 1
    assert "중단" in seen.labels_running[0]


def test_a_click_stops_the_remaining_tranches_and_rewrites_the_card(seen: Seen) -> None:
    """The card says so and has no buttons, the journal has it, and no order follows."""
    assert seen.labels_stopped == []
    assert seen.text_stopped != seen.text_proposed
    assert seen.plan["state"] in {"STOPPED", "IGNORED"}
    assert seen.plan["decided_by"] == str(OWNER)
    assert seen.plan["next_tranche"] <= 6
    assert seen.orders_later == seen.orders_at_stop < 10


def test_a_click_on_ignore_ends_a_proposal(seen: Seen) -> None:
    """No button, no order, and the card says what was decided."""
    assert seen.other_plan["state"] == "IGNORED"
    assert seen.other_plan["decided_by"] == str(OWNER)
    assert seen.other_orders == 0
    assert "무시" in seen.other_text


def test_a_typed_command_shows_a_chart(seen: Seen) -> None:
    """/chart NVDA and Enter."""
    assert seen.chart["width"] >= 800
    assert "/sim/photo/" in unquote(seen.chart["src"])


def test_eve_gets_no_answer_and_stops_nothing(seen: Seen) -> None:
    """Neither a message nor a change in the trader's state."""
    assert seen.stranger_rows == 0
    assert seen.stranger_state == seen.owner_state


def test_the_page_has_no_script_errors(seen: Seen) -> None:
    """Nothing thrown, nothing refused by the content policy."""
    assert seen.complaints == []
