"""Telegram's own command menus, one per language, generated from the registry."""

import hashlib
import logging
from collections.abc import Sequence

from telegram import BotCommand, BotCommandScopeAllPrivateChats, BotCommandScopeChat
from telegram.error import BadRequest, TelegramError

from bot.context import App
from bot.desk import Desk
from bot.i18n import LANGUAGES, Translator, language
from bot.spec import CommandSpec
from bot.views.help import menu_text
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
KEPT = "menu"


def commands(specs: Sequence[CommandSpec], t: Translator) -> list[BotCommand]:
    """The menu in one language."""
    return [BotCommand(spec.name, menu_text(spec, t)) for spec in specs]


def fingerprint(desk: Desk) -> str:
    """Changes whenever a menu would."""
    texts = [
        f"{c.command} {c.description}" for known in LANGUAGES for c in commands(desk.specs, desk.translator(known))
    ]
    texts += [f"viewer {viewer}" for viewer in sorted(desk.deps.viewers)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


async def publish(app: App, desk: Desk) -> None:
    """Set the menus when they changed; a menu that can't be set stops nothing."""
    try:
        if await desk.deps.chat.preference(0, KEPT) == fingerprint(desk):
            return
        scope = BotCommandScopeAllPrivateChats()
        first = language(desk.params.notification.language) or "ko"
        await app.bot.set_my_commands(commands(desk.specs, desk.translator(first)), scope=scope)
        for known in LANGUAGES:
            menu = commands(desk.specs, desk.translator(known))
            await app.bot.set_my_commands(menu, scope=scope, language_code=known)
        for viewer in sorted(desk.deps.viewers):
            await _for_viewer(app, desk, viewer)
        await desk.deps.chat.set_preference(0, KEPT, fingerprint(desk))
    except (TelegramError, StoreUnavailable) as trouble:
        log.warning("command menus were not set: %s", type(trouble).__name__)


async def _for_viewer(app: App, desk: Desk, viewer: int) -> None:
    """What a viewer may do, in their own chat; one who never opened it has no chat yet, and sees the common menu."""
    try:
        menu = commands(desk.specs_of(viewer), desk.speak(viewer))
        await app.bot.set_my_commands(menu, scope=BotCommandScopeChat(viewer))
    except BadRequest as trouble:
        log.warning("the menu of viewer %s was not set: %s", viewer, trouble.message)
