"""A bot before a strict local Telegram, with fakes for everything else."""

from collections.abc import AsyncIterator, Iterator

import pytest
import telegram_schema
from bot_world import EVE, OWNER, World, world

from charts.worker import ChartWorker
from sandbox.telegram.person import send_text


@pytest.fixture(scope="session")
def charts() -> Iterator[ChartWorker]:
    worker = ChartWorker()
    yield worker
    worker.close()


@pytest.fixture
async def idle_bot(charts: ChartWorker) -> AsyncIterator[World]:
    """Everything in place, the bot not started; both people have opened the chat before."""
    made, runner = await world(charts)
    for user in (OWNER, EVE):
        send_text(made.state, user, "/start")
    made.state.updates.pending.clear()
    yield made
    await made.close()
    await runner.cleanup()
    # whatever a test was about: a second client must understand all of it
    assert telegram_schema.complaints(call.to_json() for call in made.state.outbox) == []


@pytest.fixture
async def bot(idle_bot: World) -> World:
    await idle_bot.start()
    return idle_bot
