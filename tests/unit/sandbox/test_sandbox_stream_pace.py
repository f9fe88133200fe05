"""A stream that is told to take its time pauses before each frame of minute bars, and before nothing else."""

import asyncio
from datetime import UTC, date, datetime
from types import SimpleNamespace

from sandbox import scenarios
from sandbox.clock import SandboxClock
from sandbox.faults import Faults, parse
from sandbox.polygon.stream import Connection, Stream

DAY = date(2026, 11, 18)


async def test_frames_of_bars_are_paced_and_words_are_not(monkeypatch):
    said = []

    class Socket:
        """Keeps what is sent."""

        async def send_str(self, text):
            said.append(text)

        async def close(self, **_):
            said.append("closed")

    async def pause(seconds):
        said.append(seconds)

    faults = Faults()
    faults.add(parse({"link": "polygon_ws", "action": "paced", "delay_s": 0.25}))
    clock = SandboxClock(datetime(2026, 11, 18, 14, 30, tzinfo=UTC), 0.0, 1.0)
    stream = Stream(scenarios.build("calm", DAY, 1, 3), clock, faults, "key")
    connection = Connection(Socket(), transport=SimpleNamespace())
    connection.put_frame(b"words")
    connection.put_frame(b"bars", (1, "A"))
    connection.put_frame(b"more", (1, "B"))
    connection.frames.put_nowait(None)
    monkeypatch.setattr(asyncio, "sleep", pause)
    await stream._write(connection)
    assert said == ["words", 0.25, "bars", 0.25, "more", "closed"]
