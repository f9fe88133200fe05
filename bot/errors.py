"""What happens when a handler or job fails: harmless things are ignored, the rest is logged under a short reference."""

import logging
import secrets

from telegram import Update
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.context import AppContext, answer
from bot.views import help as views
from bot.views.base import View
from bot.views.replies import unreachable
from ports.bus import BusUnavailable
from ports.control import TraderUnreachable
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
HARMLESS = ("message is not modified", "query is too old")


async def on_error(update: object, context: AppContext) -> None:
    """PTB's error handler; `update` is None for jobs."""
    trouble = context.error
    if isinstance(trouble, BadRequest) and any(text in trouble.message.lower() for text in HARMLESS):
        return
    if isinstance(trouble, Forbidden | RetryAfter) or (
        isinstance(trouble, NetworkError) and not isinstance(trouble, BadRequest)
    ):
        log.warning("Telegram: %s", type(trouble).__name__)
        return
    view = _expected(trouble, context)
    if view is None:
        reference = secrets.token_hex(3)
        log.error("unexpected trouble %s", reference, exc_info=trouble)
        view = views.failed(reference, context.t)
    if isinstance(update, Update) and update.effective_chat is not None:
        try:
            await answer(update.callback_query)
            await context.say(update, view)
        except TelegramError as again:
            log.warning("the trouble could not be reported: %s", type(again).__name__)


def _expected(trouble: Exception | None, context: AppContext) -> View | None:
    """The world's own troubles have words of their own."""
    if isinstance(trouble, TraderUnreachable):
        return unreachable(context.t)
    if isinstance(trouble, StoreUnavailable):
        return views.storage_down(context.t)
    if isinstance(trouble, BusUnavailable):
        return views.bus_down(context.t)
    return None
