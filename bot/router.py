"""Text to commands: names, plain words, usage where an argument is missing, and the nearest name for a typing error."""

import difflib
from collections.abc import Mapping

from telegram import Update

from bot.access import command_of
from bot.context import AppContext
from bot.spec import CommandSpec
from bot.views import help as views


def nearest(text: str, specs: Mapping[str, CommandSpec]) -> str | None:
    """The command somebody may have meant."""
    head = text.split(maxsplit=1)[0].lower()
    wanted = head[1:].split("@")[0] if head.startswith("/") else f" {head}"
    found = difflib.get_close_matches(wanted, specs.keys(), n=1, cutoff=0.6)
    return specs[found[0]].name if found else None


class Router:
    """The last message handler of group 0."""

    def __init__(self, specs: Mapping[str, CommandSpec]) -> None:
        self._specs = specs

    async def __call__(self, update: Update, context: AppContext) -> None:
        """Run the command, or say what is wrong with it."""
        message = update.message
        if message is None or not message.text or not message.text.strip():
            return
        found = command_of(message, self._specs)
        if found is None:
            await context.say(update, views.unknown(nearest(message.text, self._specs), context.t))
            return
        spec, args = found
        if len(args) < spec.needs:
            await context.say(update, views.usage(spec, context.t))
        elif spec.run is not None:
            await spec.run(update, context, args)
