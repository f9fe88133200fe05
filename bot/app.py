"""The bot as a program: builds PTB's application, wires handlers, schedule and consumer, runs until told to stop."""

import asyncio
import logging
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from telegram import LinkPreviewOptions, Update
from telegram.constants import ParseMode
from telegram.error import InvalidToken, NetworkError, RetryAfter
from telegram.ext import (
    ApplicationBuilder,
    CallbackQueryHandler,
    ContextTypes,
    Defaults,
    ExtBot,
    MessageHandler,
    TypeHandler,
    filters,
)
from telegram.request import HTTPXRequest

from bot import menus
from bot.access import ALLOWED_UPDATES, Gate, index
from bot.conflict import ConflictWatch
from bot.consumer import Consumer
from bot.context import DESK, App, AppContext
from bot.conversations.settings import conversation
from bot.deps import BotDeps
from bot.desk import Desk
from bot.errors import on_error
from bot.handlers import (
    alerts,
    ask,
    confirm,
    decisions,
    emergency,
    finding,
    guardian,
    pending,
    preferences,
    questions,
    research,
    results,
    state,
    trading,
)
from bot.keyboards import Act, pattern
from bot.messenger import Messenger
from bot.painter import paint
from bot.processor import PriorityUpdateProcessor
from bot.ratelimit import AppRateLimiter
from bot.registry import COMMANDS
from bot.router import Router
from bot.scheduler import TICK_S, Scheduler
from bot.servers import ServerWatch
from bot.watchdog import Watchdog
from charts.worker import ChartError
from config.params import ConfigError

log = logging.getLogger(__name__)
GATE_GROUP = -100
TYPED_GROUP = -50
POLL_S = 10
POOL = 64
LONGEST_RETRY_S = 30.0
BUTTONS = (
    (Act.APPROVE, decisions.decide),
    (Act.IGNORE, decisions.decide),
    (Act.INFO, decisions.info),
    (Act.PANIC_PREVIEW, emergency.preview),
    (Act.SELL, trading.sell_pressed),
    (Act.RESUME, trading.resume_pressed),
    (Act.MODE, trading.mode_pressed),
    (Act.DISMISS, trading.dismiss),
    (Act.REFRESH, state.refresh),
    (Act.LANGUAGE, preferences.pressed),
    (Act.ANSWER, questions.pressed),
    (Act.HANDBACK_ASK, guardian.ask_pressed),
    (Act.HANDBACK, guardian.confirmed),
    (Act.ALERTS, alerts.pressed),
    (Act.BATCH, pending.pressed),
    (Act.MUTE, decisions.mute_pressed),
    (Act.REPORT, results.pressed),
    (Act.PICK, ask.picked),
    (Act.CHART, finding.chart_pressed),
    (Act.BACKTEST, research.stop_pressed),
    (Act.CANDIDATE, research.pressed),
)


def _request(deps: BotDeps, pool: int) -> HTTPXRequest:
    # A proxy from the environment must not catch requests to a local server.
    return HTTPXRequest(
        connection_pool_size=pool,
        read_timeout=20,
        write_timeout=20,
        connect_timeout=10,
        pool_timeout=5,
        media_write_timeout=60,
        httpx_kwargs={"trust_env": deps.api_base is None},
    )


def build(deps: BotDeps) -> App:
    """The application with every handler; nothing is connected yet."""
    # httpx prints the address of every request at INFO, and the token is part of it.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    specs = index(COMMANDS)
    gate = Gate(specs)
    defaults = Defaults(
        parse_mode=ParseMode.HTML,
        tzinfo=ZoneInfo("Asia/Seoul"),
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )
    builder: Any = (
        ApplicationBuilder()
        .token(deps.token)
        .request(_request(deps, POOL))
        .get_updates_request(_request(deps, 1))
        .rate_limiter(AppRateLimiter(pace=deps.pace))
        .defaults(defaults)
        .context_types(ContextTypes(context=AppContext))
        .concurrent_updates(PriorityUpdateProcessor(deps.owners | deps.viewers, gate.urgent))
    )
    if deps.api_base is not None:
        builder = builder.base_url(f"{deps.api_base}/bot").base_file_url(f"{deps.api_base}/file/bot")
    app: App = builder.build()
    assert app.job_queue is not None
    app.job_queue.scheduler.configure(
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        **app.job_queue.scheduler_configuration,
    )
    assert isinstance(app.bot, ExtBot)
    desk = Desk(deps, Messenger(app.bot), COMMANDS)
    desk.outbox.paint = partial(paint, desk)
    gate.awaited = lambda user_id: desk.challenges.pending(user_id) is not None
    app.bot_data[DESK] = desk
    app.add_handler(TypeHandler(Update, gate), group=GATE_GROUP)
    app.add_handler(MessageHandler(filters.TEXT & filters.UpdateType.MESSAGE, confirm.Typed(specs)), group=TYPED_GROUP)
    app.add_handler(conversation(specs))
    for act, handler in BUTTONS:
        app.add_handler(CallbackQueryHandler(handler, pattern(act)))
    app.add_handler(CallbackQueryHandler(state.refresh))
    app.add_handler(MessageHandler(filters.TEXT & filters.UpdateType.MESSAGE, Router(specs)))
    app.add_error_handler(on_error)
    return app


def desk_of(app: App) -> Desk:
    desk = app.bot_data[DESK]
    assert isinstance(desk, Desk)
    return desk


async def _initialize(app: App, stop: asyncio.Event) -> bool:
    """Greet Telegram, as often as it takes; False when told to stop first."""
    wait = 1.0
    while not stop.is_set():
        try:
            await app.initialize()
        except InvalidToken:
            raise ConfigError("TELEGRAM_BOT_TOKEN: Telegram does not know this token; ask @BotFather for it") from None
        except (NetworkError, RetryAfter) as trouble:
            log.warning("Telegram can't be reached (%s), again in %.0f s", type(trouble).__name__, wait)
            try:
                async with asyncio.timeout(wait):
                    await stop.wait()
            except TimeoutError:
                wait = min(LONGEST_RETRY_S, wait * 2)
        else:
            return True
    return False


async def run(deps: BotDeps, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises ConfigError where Telegram does not know the token."""
    app = build(deps)
    desk = desk_of(app)
    if not await _initialize(app, stop):
        return
    try:
        await desk.load()
        await menus.publish(app, desk)
        await desk.watched.announce()
        assert app.job_queue is not None
        assert app.updater is not None
        app.job_queue.run_repeating(Scheduler(desk).tick, interval=TICK_S, first=0.0, name="schedule")
        if deps.beats is not None:
            look = Watchdog(desk).look
            app.job_queue.run_repeating(look, interval=deps.beats_every_s, first=0.0, name="watchdog")
        servers = ServerWatch(desk, patience_s=deps.servers_patience_s).look
        app.job_queue.run_repeating(servers, interval=deps.servers_every_s, first=0.0, name="servers")
        for job in (desk.research.announce, desk.research.replay):
            app.job_queue.run_repeating(job, interval=deps.research_every_s, first=0.0, name=job.__name__)
        await app.start()
        await app.updater.start_polling(
            timeout=POLL_S,
            bootstrap_retries=-1,
            allowed_updates=list(ALLOWED_UPDATES),
            drop_pending_updates=False,
            error_callback=ConflictWatch(desk).trouble,
        )
        await _serve(desk, stop)
    finally:
        # jobs that wait for a run would hold up the end
        await desk.research.close()
        if app.updater is not None and app.updater.running:
            await app.updater.stop()
        if app.running:
            await app.stop()
        await app.shutdown()


async def _warm(desk: Desk) -> None:
    """The first chart must not wait for fonts and imports; one that fails now may work later."""
    try:
        await desk.deps.charts.warm()
    except ChartError as trouble:
        log.warning("no drawing process is ready: %s", trouble)


async def _serve(desk: Desk, stop: asyncio.Event) -> None:
    """Consume and send until told to stop; what breaks ends the bot, and the supervisor starts it again."""
    work = {asyncio.create_task(Consumer(desk).run()), asyncio.create_task(desk.outbox.run())}
    warming = asyncio.create_task(_warm(desk))
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait(work | {stopping}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {stopping}:
            ended.result()
    finally:
        for task in (*work, warming, stopping):
            task.cancel()
        await asyncio.gather(*work, warming, stopping, return_exceptions=True)


__all__ = ["BotDeps", "build", "desk_of", "run"]
