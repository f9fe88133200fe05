"""Which stream the collector opens."""

import asyncio
from typing import Any

import msgspec
import pytest

from services import feeds
from services.runtime import Runtime


@pytest.mark.parametrize(("aggregates", "topic"), [("minute", "AM.*"), ("second", "A.*")])
async def test_the_stream_asks_for_the_aggregates_of_the_settings(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, aggregates: Any, topic: str
) -> None:
    scanner = msgspec.structs.replace(runtime.params.scanner, aggregates=aggregates)
    runtime.params = msgspec.structs.replace(runtime.params, scanner=scanner)
    runtime.env = {"POLYGON_API_KEY": "k", "REDIS_URL": "redis://127.0.0.1:1"}
    monkeypatch.setattr(feeds, "load_calendar", lambda *_: None)
    opened = feeds.open_feed(runtime)
    stream = opened.stream._make()
    assert stream._endpoint.topics == (topic,)  # type: ignore[attr-defined]
    await asyncio.wait_for(opened.close(), 5)
