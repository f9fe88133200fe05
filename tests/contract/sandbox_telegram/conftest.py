"""A sandbox on free loopback ports."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from telegram_sandbox_support import Sandbox, StillClock, serve

from sandbox.telegram import TelegramState, create_bot_api_app, create_chat_app


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    state = TelegramState(StillClock())
    bot_runner, api = await serve(create_bot_api_app(state))
    page_runner, page = await serve(create_chat_app(state))
    async with aiohttp.ClientSession() as http:
        yield Sandbox(state, api, page, http)
    await page_runner.cleanup()
    await bot_runner.cleanup()
