"""Headless Chromium over the DevTools protocol: as little of it as a person at the chat page needs."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import websockets
from system_world import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
KEYS = {
    "Enter": ENTER,
    " ": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
    **{
        name: {"key": name, "code": name, "windowsVirtualKeyCode": code}
        for name, code in {
            "Tab": 9,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }.items()
    },
}


class Browser:
    """One page. Everything it complains about is kept in `complaints`."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = Path(tempfile.mkdtemp(prefix="seohak-chromium-"))
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = await until("the page of Chromium", self._page)
        self._socket = await websockets.connect(address, max_size=None, proxy=None)
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    async def _page(self) -> str:
        """The socket of the only tab; empty while Chromium starts."""
        port_file = self._profile / "DevToolsActivePort"
        if not port_file.exists() or not (lines := port_file.read_text().split()):
            return ""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{lines[0]}/json", timeout=5) as answer:
                tabs = json.load(answer)
        except (urllib.error.URLError, OSError):
            return ""
        return next((tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"), "")

    async def _read(self) -> None:
        async for raw in self._socket:
            message = json.loads(raw)
            if "id" in message:
                waiting = self._answers.pop(message["id"])
                if not waiting.done():
                    waiting.set_result(message)
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"])[:500])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"][:500])

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """One command and its result."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(30):
            message = await answer
        assert "error" not in message, message
        return message["result"]

    async def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.shows("document.querySelectorAll('#users button').length > 1", "the page is drawn")

    async def shows(self, condition: str, what: str) -> Any:
        """Wait until a JavaScript condition holds."""

        async def look() -> Any:
            return await self.js(condition)

        return await until(what, look)

    async def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        scale = 2 if phone else 1
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def click(self, selector: str) -> None:
        """A real mouse click in the middle of an element, wherever the page has put it."""
        box = await self.js(
            f"(() => {{ const e = {selector}; if (!e) return null; e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        assert box, f"nothing to click: {selector}"
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def key(self, name: str) -> None:
        """Press and let go of one key."""
        await self.send("Input.dispatchKeyEvent", type="keyDown", **KEYS[name])
        await self.send("Input.dispatchKeyEvent", type="keyUp", **KEYS[name])

    async def write(self, text: str) -> None:
        """Type into the composer and press Enter."""
        await self.click("document.getElementById('composer')")
        await self.send("Input.insertText", text=text)
        await self.key("Enter")

    async def picture(self) -> bytes:
        """A PNG of what is visible."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])
