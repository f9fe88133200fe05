"""Who may act: one gate before every handler, on the user's id, with everything recorded."""

import logging
from collections.abc import Mapping

from telegram import Message, Update
from telegram.constants import ChatType
from telegram.ext import ApplicationHandlerStop

from bot.context import AppContext, answer
from bot.keyboards import URGENT, decode
from bot.spec import CommandSpec
from bot.views import help as views
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
ALLOWED_UPDATES = ("message", "edited_message", "callback_query")
MOST_RECORDED = 200


def command_of(message: Message | None, specs: Mapping[str, CommandSpec]) -> tuple[CommandSpec, tuple[str, ...]] | None:
    """The command that a message is, by name (`/status`, `/status@bot`) or by plain word, with its arguments."""
    text = (message.text or "").strip() if message else ""
    if not text:
        return None
    head, *rest = text.split()
    key = head[1:].split("@")[0].lower() if head.startswith("/") else f" {head.lower()}"
    spec = specs.get(key)
    return (spec, tuple(rest)) if spec else None


def index(specs: tuple[CommandSpec, ...]) -> dict[str, CommandSpec]:
    """Names and plain words to commands; words carry a leading space so that they never look like a name."""
    found = {spec.name: spec for spec in specs}
    found |= {f" {word.lower()}": spec for spec in specs for word in spec.words}
    return found


class Gate:
    """Lets owners in private chats pass and stops everything else."""

    def __init__(self, specs: Mapping[str, CommandSpec]) -> None:
        self._specs = specs

    def urgent(self, update: Update) -> bool:
        """Whether an update may not wait behind another."""
        query = update.callback_query
        if query is not None:
            press = decode(query.data)
            return press is not None and press.act in URGENT
        found = command_of(update.message, self._specs)
        return found is not None and found[0].urgent

    async def __call__(self, update: Update, context: AppContext) -> None:
        """The handler of group -100."""
        user, query = update.effective_user, update.callback_query
        refusal = self._refusal(update, context)
        what = f"button {query.data}" if query else (update.effective_message and update.effective_message.text) or "-"
        record = self._record(context, str(user.id) if user else "?", what, refusal)
        if self.urgent(update):
            context.application.create_task(record)
        else:
            await record
        if refusal is None:
            return
        if query is not None:
            await answer(query, views.not_allowed(context.t), alert=True)
        elif refusal == "forwarded":
            await context.say(update, views.forwarded(context.t))
        elif refusal == "stale" and update.message is not None:
            age = context.desk.deps.clock.now() - update.message.date
            await context.say(update, views.stale(age, context.t))
        raise ApplicationHandlerStop

    def _refusal(self, update: Update, context: AppContext) -> str | None:
        """Why an update is stopped; only owners hear about the last two."""
        deps = context.desk.deps
        user, chat = update.effective_user, update.effective_chat
        if user is None or user.id not in deps.owners:
            return "stranger"
        if chat is None or chat.type != ChatType.PRIVATE:
            return "not_private"
        if update.callback_query is not None:
            return None
        message = update.message
        if message is None:
            return "edited"
        found = command_of(message, self._specs)
        if found is None or not found[0].changes:
            return None
        if message.forward_origin is not None or message.via_bot is not None:
            return "forwarded"
        if not found[0].urgent and deps.clock.now() - message.date > deps.stale_after:
            return "stale"
        return None

    async def _record(self, context: AppContext, who: str, what: str, refusal: str | None) -> None:
        deps = context.desk.deps
        try:
            await deps.chat.audit(
                at=deps.clock.now(), who=who, what=what[:MOST_RECORDED], allowed=refusal is None, detail=refusal or ""
            )
        except StoreUnavailable as trouble:
            log.warning("audit entry is lost: %s", trouble)
