"""How the bot and the command line reach the trader."""

from typing import Protocol

from core.model.commands import AnyCommand, Reply


class TraderUnreachable(Exception):
    """The trader's socket does not answer; nothing is known to have happened."""


class TraderControl(Protocol):
    """Protective commands, answered once they are committed."""

    async def send(self, command: AnyCommand) -> Reply:
        """Deliver one command and return the trader's answer. Raises TraderUnreachable."""
        ...
