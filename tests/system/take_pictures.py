"""Takes the pictures of docs/images from a real run: `PYTHONPATH=. python tests/system/take_pictures.py [FOLDER]`."""

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from browser import Browser
from system_world import Json, Live, body, buttons, until

from cli.processes import ROOT

MOST_BYTES = 400_000


async def main(folder: Path) -> None:
    """Play the story once, with a person who approves, and photograph it on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        async with Live(Path(state)) as world, Browser() as browser:
            await browser.size(1440, 1000)
            await browser.open(f"{world.url}?lang=ko")
            await browser.click("document.getElementById('toggle-log')")
            await approve(world, browser, "HELI", folder)
            await approve(world, browser, "QBIT", None)
            sold = await photo_message(world, "HELI", "익절", "매도")
            await save_photo(world, sold, folder / "chart-sell.png")
            await show(browser, sold)
            await save(browser, folder / "chat-sold.png")
            await browser.size(390, 844, phone=True)
            await browser.open(f"{world.url}?lang=ko")
            await show(browser, sold)
            await save(browser, folder / "chat-phone.png")
            await browser.size(1440, 1000, dark=True)
            await browser.open(f"{world.url}?lang=ko")
            await show(browser, sold)
            await save(browser, folder / "chat-dark.png")
            report = await photo_message(world, "리포트")
            await save_photo(world, report, folder / "chart-report.png")
            await browser.size(1440, 1000)
            await show(browser, report)
            await save(browser, folder / "chat-report.png")


async def approve(world: Live, browser: Browser, ticker: str, folder: Path | None) -> None:
    """Photograph the proposal and press its first button."""
    message_id, data = await until("a proposal", lambda: world.chat.button("a:", ticker))
    if folder is not None:
        message = next(m for m in await world.chat.messages() if m["message_id"] == message_id)
        await show(browser, message)
        await save(browser, folder / "chat.png")
        await save_photo(world, message, folder / "chart-discovery.png")
        assert buttons(message)
    await world.chat.tap(message_id, data)


async def photo_message(world: Live, *words: str) -> Json:
    """The newest message with a photo and one of the last words."""

    async def look() -> Json | None:
        found = [m for m in await world.chat.messages() if m.get("photo") and words[0] in body(m)]
        return next((m for m in reversed(found) if any(word in body(m) for word in words[1:] or words)), None)

    found = await until(f"a photo about {words}", look, seconds=240)
    assert found is not None
    return found


async def show(browser: Browser, message: Json) -> None:
    """Scroll so that the whole message is visible, with its picture loaded."""
    row = f"document.querySelector('[data-message-id=\"{message['message_id']}\"]')"
    await browser.shows(f"Boolean({row}?.querySelector('img.photo')?.naturalWidth)", "the picture")
    await browser.js(f"{row}.scrollIntoView({{block: 'end'}})")
    await browser.js("new Promise(done => requestAnimationFrame(() => setTimeout(done, 700)))")


async def save(browser: Browser, path: Path) -> None:
    path.write_bytes(await browser.picture())
    say(path)


async def save_photo(world: Live, message: Json, path: Path) -> None:
    path.write_bytes(await world.chat.photo(message["photo"][-1]["file_id"]))
    say(path)


def say(path: Path) -> None:
    size = path.stat().st_size
    sys.stdout.write(f"{path.name}: {size // 1024} kB{'' if size < MOST_BYTES else ' (too large)'}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"))
