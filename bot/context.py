"""The context that handlers get: the desk, the person's language, and short ways to answer."""

from typing import Any, Self, cast

from telegram import CallbackQuery, Update
from telegram.error import BadRequest
from telegram.ext import Application, CallbackContext, ExtBot, JobQueue

from bot.desk import Desk
from bot.i18n import Translator
from bot.messenger import Picture, Sent
from bot.views.base import View

DESK = "desk"
Dict = dict[Any, Any]


class AppContext(CallbackContext[ExtBot[Any], Dict, Dict, Dict]):
    """One update's or job's view of the bot."""

    who: int = 0

    @classmethod
    def from_update(cls, update: object, application: "Application[Any, Self, Any, Any, Any, Any]") -> Self:
        """Remember who is speaking, for the language and the audit."""
        context = super().from_update(update, application)
        if isinstance(update, Update) and update.effective_user is not None:
            context.who = update.effective_user.id
        return context

    @property
    def desk(self) -> Desk:
        return cast(Desk, self.bot_data[DESK])

    @property
    def t(self) -> Translator:
        return self.desk.speak(self.who)

    async def say(
        self, update: Update, view: View, *, picture: Picture | None = None, quiet: bool = False, urgent: bool = False
    ) -> Sent | None:
        """Answer in the chat of the update."""
        chat = update.effective_chat
        if chat is None:
            return None
        return await self.desk.messenger.send(chat.id, view, picture=picture, quiet=quiet, urgent=urgent)

    async def show(self, update: Update, view: View) -> None:
        """Rewrite the message whose button was pressed, or answer with a new one."""
        query = update.callback_query
        if query is None or query.message is None:
            await self.say(update, view)
            return
        message = query.message
        photo = bool(getattr(message, "photo", ()))
        await self.desk.messenger.edit(Sent(message.chat.id, message.message_id, photo=photo), view)


async def answer(query: CallbackQuery | None, text: str | None = None, *, alert: bool = False) -> None:
    """Answer a button press; one that Telegram has given up on is no trouble."""
    if query is None:
        return
    try:
        await query.answer(text, show_alert=alert)
    except BadRequest as refusal:
        if "query is too old" not in refusal.message.lower():
            raise


App = Application[ExtBot[Any], AppContext, Dict, Dict, Dict, JobQueue[AppContext]]
