"""Takes every picture of docs/images from two real runs, Korean and English: `PYTHONPATH=. python tests/system/take_pictures.py`."""

import asyncio
import io
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from browser import Browser
from PIL import Image
from system_world import Json, Live, body, buttons, until

from bot.i18n import Translator
from cli.programs import ROOT

FOLDER = ROOT / "docs" / "images"
MOST_BYTES = 400_000
EXACT = 128
LANGUAGES = ("ko", "en")
DESKTOP = ("found", "dark")
PHONE = ("buying", "settings", "panic", "chart", "sold", "report")
NAMES = tuple(f"{what}-{language}.png" for language in LANGUAGES for what in DESKTOP + PHONE)
SETTLED = """(async () => {
  await document.fonts.ready;
  await Promise.all([...document.querySelectorAll('img.photo')].map(image => image.decode().catch(() => {})));
  const short = document.getAnimations().filter(one => one.effect.getTiming().iterations !== Infinity);
  await Promise.all(short.map(one => one.finished.catch(() => {})));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
})()"""

# the end of a message with a little air below it, or the beginning of one that is taller than the pane
SHOWN = """(row => {
  const tall = row.offsetHeight > row.parentElement.clientHeight;
  row.scrollIntoView({block: tall ? 'start' : 'end'});
  row.parentElement.scrollBy(0, tall ? -8 : 14);
  document.getElementById('to-bottom').style.visibility = 'hidden';
})(%s)"""
# whether it is still there: a new message scrolls the pane, an edited one may move it a little
THERE = """(row => {
  const [one, pane] = [row.getBoundingClientRect(), row.parentElement.getBoundingClientRect()];
  const [above, below] = [one.top - pane.top, pane.bottom - one.bottom];
  return one.height > pane.height ? above >= 0 && above < 20 : below >= 0 && below < 120;
})(%s)"""


class Shoot:
    """One run of the story in one language, with a person who approves; photographed on the way."""

    def __init__(self, world: Live, browser: Browser, language: str, folder: Path) -> None:
        self.world = world
        self.chat = world.chat
        self.browser = browser
        self.language = language
        self.folder = folder
        self._t = Translator("ko" if language == "ko" else "en")

    def words(self, source: str) -> str:
        """What the bot says as the chat shows it, up to what changes."""
        return re.sub(r"<[^>]+>", "", self._t(source, day="")).rstrip(" ·")

    async def run(self) -> None:
        await self.phone()
        await self.chat.say(f"/lang {self.language}")
        await self.approve("HELI")
        await self.buying("HELI")
        await self.settings()
        await self.desktop()
        await self.approve("QBIT", "found")
        await self.phone()
        await self.message(lambda m: "QBIT" in body(m) and "10/10" in body(m), "QBIT is bought")
        await self.chart("HELI")
        await self.panic()
        sold = self.words("💰 <b>Sold</b>")
        sale = await self.message(lambda m: bool(m.get("photo")) and sold in body(m) and "HELI" in body(m), "a sale")
        await self.save(sale, "sold")
        await self.desktop(dark=True)
        await self.save(sale, "dark")
        await self.phone()
        title = self.words("📈 <b>Daily report</b> · {day}")
        report = await self.message(lambda m: bool(m.get("photo")) and title in body(m), "the report")
        await self.save(report, "report")

    async def desktop(self, *, dark: bool = False) -> None:
        await self._open(1440, 1200, dark=dark)

    async def phone(self, *, dark: bool = False) -> None:
        await self._open(390, 844, phone=True, dark=dark)

    async def _open(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        await self.browser.size(width, height, phone=phone, dark=dark)
        await self.browser.open(f"{self.world.url}?lang={self.language}")

    async def message(self, wanted: Callable[[Json], bool], what: str) -> Json:
        """The newest message of the bot's that is wanted, once there is one."""

        async def look() -> Json | None:
            return next((m for m in reversed(await self.chat.messages()) if not m.get("out") and wanted(m)), None)

        found = await until(what, look, seconds=240)
        assert found is not None
        return found

    async def tap(self, head: str, words: str = "") -> Json:
        """Press the newest button whose data begins with `head`; returns the message it is at."""
        message = await self.message(lambda m: words in body(m) and any(_data(b, head) for b in buttons(m)), head)
        await self.chat.tap(message["message_id"], next(_data(b, head) for b in buttons(message) if _data(b, head)))
        return message

    async def approve(self, ticker: str, name: str = "") -> None:
        message = await self.message(lambda m: ticker in body(m) and any(_data(b, "a:") for b in buttons(m)), ticker)
        if name:
            await self.save(message, name)
        await self.tap("a:", ticker)

    async def buying(self, ticker: str) -> None:
        message = await self.message(lambda m: ticker in body(m) and "5/10" in body(m), "half is bought")
        await self.save(message, "buying")

    async def settings(self) -> None:
        """What a narrower stop would do to what is held; nothing is changed."""
        await self.chat.say("/settings stop_loss")
        await self.message(lambda m: "trading.stop_loss_pct" in body(m), "the key")
        await self.chat.say("-10")
        await self.save(
            await self.message(lambda m: any(_data(b, "s:ok") for b in buttons(m)), "the effect"), "settings"
        )
        await self.tap("s:end")

    async def panic(self) -> None:
        """As far as the second step, and back."""
        await self.chat.say("/panic")
        stopped = await self.tap("p:")
        asks = self.words("🚨 <b>Sell everything?</b>")
        question = await self.message(lambda m: asks in body(m), "the second step")
        assert question["message_id"] == stopped["message_id"]
        await self.save(question, "panic")
        await self.tap("x", asks)
        await self.chat.say("/resume")
        await self.tap("r:")

    async def chart(self, ticker: str) -> None:
        await self.phone(dark=True)
        await self.chat.say(f"/chart {ticker} vwap")
        await self.save(
            await self.message(lambda m: any(_data(b, f"c:{ticker}") for b in buttons(m)), "a chart"), "chart"
        )
        await self.phone()

    async def save(self, message: Json, name: str) -> None:
        """Scroll so that the whole message is visible, wait until everything has come to rest, and keep the picture."""
        row = f"document.querySelector('[data-message-id=\"{message['message_id']}\"]')"
        loaded = f"[...{row}?.querySelectorAll('img.photo') ?? []].every(i => i.complete && i.naturalWidth)"
        await self.browser.shows(f"Boolean({row}) && {loaded} && document.getElementById('toast').hidden", name)
        await self.browser.js(SETTLED)
        path = self.folder / f"{name}-{self.language}.png"
        path.write_bytes(smaller(await until(f"{name} stands still", lambda: self._still(row))))
        size = path.stat().st_size
        assert size < MOST_BYTES, f"{path.name}: {size} bytes"
        sys.stdout.write(f"{path.name}: {size // 1024} kB\n")
        sys.stdout.flush()

    async def _still(self, row: str) -> bytes:
        """A picture during which no new message pushed this one away; nothing where one did."""
        await self.browser.js(SHOWN % row)
        await self.browser.js(SETTLED)
        picture = await self.browser.picture()
        return picture if await self.browser.js(THERE % row) else b""


def _data(button: Json, head: str) -> str:
    data = str(button.get("callback_data", ""))
    return data if data.startswith(head) else ""


def smaller(png: bytes) -> bytes:
    """The picture in 256 colours: surfaces and letters keep theirs exactly, the others get the nearest that is kept."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    colours, places, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts)
    common, rare = colours[order[:EXACT]], colours[order[EXACT:]]
    others = Image.fromarray(rare[None]).quantize(256 - EXACT, Image.Quantize.MAXCOVERAGE)
    palette = np.concatenate([common, np.array(others.getpalette(), np.uint8).reshape(-1, 3)])
    apart = colours[:, None].astype(np.int32) - palette[None].astype(np.int32)
    nearest = np.argmin((apart**2).sum(axis=2), axis=1).astype(np.uint8)
    image = Image.fromarray(nearest[places].reshape(pixels.shape[:2]))
    image.putpalette(palette.tobytes())
    packed = io.BytesIO()
    image.save(packed, "PNG", optimize=True)
    return packed.getvalue()


async def main(folder: Path) -> None:
    """One run for each language; a picture that is not taken any more is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory() as state:
            async with Live(Path(state)) as world, Browser() as browser:
                await Shoot(world, browser, language, folder).run()
    for left in {path.name for path in folder.glob("*.png")} - set(NAMES):
        (folder / left).unlink()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
