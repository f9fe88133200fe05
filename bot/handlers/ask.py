"""Talking to the trader from a handler: sending, and the status with a fallback for when it is out of reach."""

from bot.context import AppContext
from core.model.commands import AnyCommand, AskStatus, Reply, TraderStatus
from ports.control import TraderUnreachable


async def send(context: AppContext, command: AnyCommand) -> Reply:
    """One command; TraderUnreachable goes to the error handler, which says that nothing was done."""
    return await context.desk.deps.control.send(command)


async def status(context: AppContext) -> TraderStatus:
    """The trader's state; raises TraderUnreachable."""
    reply = await send(context, AskStatus(by=str(context.who)))
    if reply.status is None:
        raise TraderUnreachable("the trader answered without its state")
    return reply.status


async def status_or_none(context: AppContext) -> TraderStatus | None:
    try:
        return await status(context)
    except TraderUnreachable:
        return None


def ticker(text: str) -> str:
    """A ticker as people type it."""
    return text.strip().lstrip("$").upper()[:12]
