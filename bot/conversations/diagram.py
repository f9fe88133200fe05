"""The settings dialogue drawn from its own tables as a Mermaid state diagram."""

from collections.abc import Iterator

from bot.conversations.pending import END, Step
from bot.conversations.settings import BUTTONS, WORDS

HEAD = """%% Drawn from bot/conversations/settings.py by ./seohak docs; don't edit.
%% A button works in every state, and also after a restart or a time-out, when no dialogue is open.
"""


def moves() -> Iterator[tuple[int, str, int]]:
    """Every state, event and state that may follow."""
    named = [*WORDS.items(), *((f"[{name}]", move) for name, move in BUTTONS.items())]
    for name, move in named:
        yield from ((start, name, end) for start in move.where for end in move.to)


def mermaid() -> str:
    """The text of settings.mmd; events that lead the same way share an arrow."""
    ways: dict[tuple[int, int], list[str]] = {}
    for start, event, end in moves():
        ways.setdefault((start, end), []).append(event)
    lines = [f"    {_name(start)} --> {_name(end)}: {', '.join(events)}" for (start, end), events in ways.items()]
    return HEAD + "\n".join(["stateDiagram-v2", *lines]) + "\n"


def _name(state: int) -> str:
    return "[*]" if state == END else Step(state).name
