"""The settings dialogue's table is what the handler really does, and what the diagram shows."""

import datetime as dt
from pathlib import Path

import pytest
from bot_samples import EN, KO, NOW, seen
from telegram.ext import CallbackQueryHandler, ConversationHandler, MessageHandler, TypeHandler

from bot.access import index
from bot.conversations import settings as dialogue
from bot.conversations.diagram import mermaid, moves
from bot.conversations.pending import Step
from bot.history import UNDO, Refusal, kept, refusal, stamp
from bot.registry import COMMANDS
from bot.views import history as views
from ports.store import Override

HANDLER = dialogue.conversation(index(COMMANDS))
BUTTON = {f"[{name}]" for name in dialogue.BUTTONS}


def real(handlers) -> set[str]:
    """The events that handlers listen to, by the names of the table."""
    found: set[str] = set()
    names = {move.run: name for name, move in dialogue.WORDS.items()}
    for handler in handlers:
        assert isinstance(handler, CallbackQueryHandler | MessageHandler | TypeHandler)
        found |= BUTTON if handler.callback is dialogue.pressed else {names[handler.callback]}
    return found


@pytest.mark.parametrize("state", [dialogue.END, *Step])
def test_the_table_names_exactly_the_events_of_each_state(state):
    """What a button needs to be pressed is checked by the button itself, so the handler listens to more than counts."""
    drawn = {event for start, event, _ in moves() if start == state}
    handlers = list(HANDLER.entry_points)
    if state != dialogue.END:
        handlers += [*HANDLER.states[state], *HANDLER.fallbacks, *HANDLER.states[ConversationHandler.TIMEOUT]]
    listened = real(handlers)
    assert drawn - BUTTON == listened - BUTTON
    assert drawn & BUTTON <= listened & BUTTON == BUTTON


def test_the_states_of_the_handler_are_those_of_the_diagram():
    drawn = {state for start, _, end in moves() for state in (start, end)} - {dialogue.END}
    assert drawn == set(HANDLER.states) - {ConversationHandler.TIMEOUT} == set(Step)
    assert HANDLER.conversation_timeout == dialogue.TIMEOUT_S


def test_the_diagram_has_an_arrow_for_every_move():
    text = mermaid()
    for start, event, end in moves():
        names = [("[*]" if s == dialogue.END else Step(s).name) for s in (start, end)]
        (line,) = [row for row in text.splitlines() if row.strip().startswith(f"{names[0]} --> {names[1]}: ")]
        assert event in line.split(": ")[1].split(", ")
    assert Path(dialogue.__file__).with_suffix(".mmd").read_text("utf-8") == text


def change(key="trading.take_profit_pct", old=30.0, new=20.0, *, minutes=0, by="1") -> Override:
    return Override(key=key, old=old, new=new, by=by, at=NOW - dt.timedelta(minutes=minutes))


def test_a_change_that_never_came_into_force_is_not_history():
    failed, back = change(old=30.0, new=20.0), change(old=20.0, new=None)
    other = change(key="trading.split_count", old=10, new=5)
    assert kept([back, failed, other]) == [other]


def test_only_the_young_newest_change_in_force_can_be_taken_back():
    young, old = change(minutes=1), change(key="trading.split_count", old=10, new=5, minutes=11)
    force = {young.key: 20.0, old.key: 5}
    assert refusal(young, [young, old], force, NOW) is None
    assert refusal(old, [young, old], force, NOW) is Refusal.LATE
    assert refusal(young, [young, old], {}, NOW) is Refusal.GONE
    assert refusal(None, [young, old], force, NOW) is Refusal.GONE
    edge = change(minutes=UNDO.total_seconds() / 60)
    assert refusal(edge, [edge], force, NOW) is None
    again = change(old=25.0, new=20.0, minutes=0)
    assert refusal(young, [again, young], force, NOW) is Refusal.GONE


@pytest.mark.parametrize("t", [KO, EN])
def test_the_history_is_paged_and_fits_one_screen(t):
    changes = [change(minutes=i, new=20.0 + i) for i in range(100)]
    for page in range(17):
        view = views.history(changes, page, {stamp(changes[0])}, "1", t)
        assert len(seen(view.text)) < 4096
        assert f"{page + 1}/17" in view.text
    assert "17/17" in views.history(changes, 99, set(), "1", t).text
    assert views.history([], 0, set(), "1", t).text
