"""Who may look and who may act: one gate before every handler, on the user's id, with everything recorded."""

import logging
from collections.abc import Callable, Mapping

from telegram import Message, Update
from telegram.constants import ChatType
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop

from bot.context import AppContext, answer
from bot.keyboards import READING, URGENT, decode
from bot.secondfactor import masked
from bot.spec import CommandSpec
from bot.views import help as views
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
ALLOWED_UPDATES = ("message", "edited_message", "callback_query")
MOST_RECORDED = 200
MOST_LEFT = 1_000
OTHERS = frozenset({ChatType.GROUP, ChatType.SUPERGROUP, ChatType.CHANNEL})


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
    """Lets owners pass in their private chats, viewers as far as they only look, and stops everything else.

    A press carries no date, so it can't be stale here: what acts is bound to a one-time token with an expiry, or to a
    plan whose state the trader checks.
    """

    def __init__(self, specs: Mapping[str, CommandSpec]) -> None:
        self._specs = specs
        self._left: set[int] = set()
        # whether a person was asked to type something: what they type must not wait either
        self.awaited: Callable[[int], bool] = lambda _: False

    def urgent(self, update: Update) -> bool:
        """Whether an update may not wait behind another."""
        query = update.callback_query
        if query is not None:
            press = decode(query.data)
            return press is not None and press.act in URGENT
        found = command_of(update.message, self._specs)
        if found is None:
            return update.message is not None and self.awaited(update.message.chat.id)
        return found[0].urgent

    async def __call__(self, update: Update, context: AppContext) -> None:
        """The handler of group -100; whatever goes wrong in here, what it did not let pass goes no further."""
        refusal: str | None = "trouble"
        try:
            refusal = self._refusal(update, context)
            await self._note(update, context, refusal)
            if refusal is not None:
                await self._tell(update, context, refusal)
                await self._leave(update, context)
        except Exception as trouble:
            await context.application.process_error(update, trouble)
        if refusal is not None:
            raise ApplicationHandlerStop

    async def _note(self, update: Update, context: AppContext, refusal: str | None) -> None:
        user, query, message = update.effective_user, update.callback_query, update.effective_message
        what = f"button {query.data}" if query else (message and (message.text or message.caption)) or "-"
        record = self._record(context, str(user.id) if user else "?", what, refusal)
        if self.urgent(update):
            context.application.create_task(record)
        else:
            await record

    async def _tell(self, update: Update, context: AppContext, refusal: str) -> None:
        """Presses are always answered; of messages, only those of people who are known."""
        query, message = update.callback_query, update.message
        if query is not None:
            viewer = refusal == "viewer"
            await answer(
                query, views.owners_only_toast(context.t) if viewer else views.not_allowed(context.t), alert=True
            )
        elif refusal == "viewer":
            await context.say(update, views.owners_only(context.t))
        elif refusal == "forwarded":
            await context.say(update, views.forwarded(context.t))
        elif refusal == "stale" and message is not None:
            await context.say(update, views.stale(context.desk.deps.clock.now() - message.date, context.t))

    async def _leave(self, update: Update, context: AppContext) -> None:
        """Out of groups and channels, once each: there others read along, and people speak in a group's name."""
        chat = update.effective_chat
        if chat is None or chat.type not in OTHERS or chat.id in self._left or len(self._left) >= MOST_LEFT:
            return
        self._left.add(chat.id)
        try:
            await context.bot.leave_chat(chat.id)
        except TelegramError as trouble:
            log.warning("chat %s could not be left: %s", chat.id, type(trouble).__name__)

    def _refusal(self, update: Update, context: AppContext) -> str | None:
        """Why an update is stopped, None where it passes."""
        deps = context.desk.deps
        user, chat = update.effective_user, update.effective_chat
        owner = user is not None and user.id in deps.owners
        if user is None or not (owner or user.id in deps.viewers):
            return "stranger"
        if chat is None or chat.type != ChatType.PRIVATE or chat.id != user.id:
            return "not_private"
        if update.callback_query is not None:
            press = decode(update.callback_query.data)
            return None if owner or (press is not None and press.act in READING) else "viewer"
        if update.message is None:
            return "edited" if update.edited_message is not None else "unexpected"
        return self._message_refusal(update.message, context, owner=owner)

    def _message_refusal(self, message: Message, context: AppContext, *, owner: bool) -> str | None:
        if message.sender_chat is not None:
            return "anonymous"
        if message.via_bot is not None:
            return "via_bot"
        if message.business_connection_id is not None:
            return "business"
        found = command_of(message, self._specs)
        if found is not None and not found[0].changes:
            return None
        if not owner:
            return "viewer" if found is not None else None
        # what is no command may be the answer to a question
        if message.forward_origin is not None:
            return "forwarded"
        deps = context.desk.deps
        late = deps.clock.now() - message.date > deps.stale_after
        dated = self.awaited(message.chat.id) if found is None else not found[0].urgent
        return "stale" if late and dated else None

    async def _record(self, context: AppContext, who: str, what: str, refusal: str | None) -> None:
        deps = context.desk.deps
        try:
            await deps.chat.audit(
                at=deps.clock.now(),
                who=who,
                what=masked(what)[:MOST_RECORDED],
                allowed=refusal is None,
                detail=refusal or "",
            )
        except StoreUnavailable as trouble:
            log.warning("audit entry is lost: %s", trouble)
