"""Everything a person can be shown, in both languages, word for word; SEOHAK_SNAPSHOTS=write writes it anew."""

import importlib
import inspect
import os
import pkgutil
import re
import typing
from pathlib import Path

import pytest
from bot_samples import EN, KO, seen
from view_samples import SAMPLES, Shown
from view_samples.settings import FACTS

from bot import views
from bot.views.base import CAPTION_LIMIT, TEXT_LIMIT, View
from bot.views.notices import Notice
from core.rules.preview import Fact

FOLDER = Path(__file__).parent / "snapshots"
WRITE = os.environ.get("SEOHAK_SNAPSHOTS") == "write"
PARTS = {
    **dict.fromkeys(("keys", "meanings"), "tables; the page of every key shows its own"),
    "base": "joins and cuts text that views give it",
    "words": "looks words up in tables",
    "export.cell": "one cell of a file",
    "fills.bar": "blocks without words",
    "alerts.headline": "cuts a line out of a text",
}

CAPTIONS = {"discovery.discovery", "report.report", "chart.caption", "export.caption", "backtest.result"}
# words that a reader of English is given on purpose
KOREAN = re.compile("엔비디아|엔비|한국어")
KOREAN_IN_ENGLISH = {"help.help_": "plain words to type", "notices.notice-order_rejected": "the broker's own words"}


def drawn(shown: Shown) -> str:
    """Text as sent, then the buttons row by row."""
    view = shown.view if isinstance(shown, Notice) else shown
    if not isinstance(view, View):
        return f"{view}\n"
    rows = view.keyboard.inline_keyboard if view.keyboard else ()
    return "\n".join([view.text, *(" ".join(f"[{b.text}]" for b in row) for row in rows)]) + "\n"


def shows() -> set[str]:
    """Public functions of bot/views that return something to be shown."""
    found = set()
    for module in pkgutil.iter_modules(views.__path__):
        loaded = importlib.import_module(f"bot.views.{module.name}")
        for name, function in vars(loaded).items():
            own = inspect.isfunction(function) and function.__module__ == loaded.__name__ and name[0] != "_"
            if not own or module.name in PARTS or f"{module.name}.{name}" in PARTS:
                continue
            returned = typing.get_type_hints(function).get("return")
            if {returned, *typing.get_args(returned)} & {View, Notice, str} and typing.get_origin(returned) is not list:
                found.add(f"{module.name}.{name}")
    return found


def test_every_view_has_a_sample() -> None:
    assert shows() - {name.split("-")[0] for name in SAMPLES} == set(), "add it to view_samples"


def test_every_fact_of_a_preview_has_a_sample() -> None:
    assert {type(fact) for fact in FACTS.values()} == set(typing.get_args(Fact))


def test_no_snapshot_is_left_of_a_view_that_is_gone() -> None:
    known = {f"{name}.{t.locale}.txt" for name in SAMPLES for t in (KO, EN)}
    assert {path.name for path in FOLDER.iterdir()} - known == set()


@pytest.mark.parametrize("t", [KO, EN], ids=lambda t: t.locale)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_view_is_as_it_was_read_last(name, t) -> None:
    shown = drawn(SAMPLES[name](t))
    path = FOLDER / f"{name}.{t.locale}.txt"
    if WRITE:
        path.write_text(shown, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == shown
    assert len(shown) <= TEXT_LIMIT
    if name.split("-")[0] in CAPTIONS:
        assert len(seen(shown)) <= CAPTION_LIMIT
    assert not re.search(r"\{\w+\}|\bNone\b", shown)
    if t is EN and name not in KOREAN_IN_ENGLISH:
        assert not re.search("[가-힣]", KOREAN.sub("", shown)), shown
