"""What people read stands in bot/views and in the catalogues alone (design: style.md, 9); each exception has its reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# a terminal speaks both languages in one line, the sandbox speaks for others, the simulation has no readers
FOLDERS = ("adapters", "bot", "charts", "config", "core", "ports", "services")
VIEWS = ROOT / "bot" / "views"
MODULES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py") if not p.is_relative_to(VIEWS))

# what takes the words of a person's message: the translator, the view, and what sends text by Telegram's own methods
SPEAKS = {"t", "plain", "mark", "View", "button", "InlineKeyboardButton", "answer", "reply_text", "reply", "say"} | {
    f"{verb}_{what}" for verb in ("send", "edit") for what in ("message", "message_text", "text", "message_caption")
}
SPOKEN = {
    "bot/registry.py": "the one table of commands says what each does",
    "bot/i18n.py": "numbers and times as people read them, for every view",
}
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
KOREAN = {
    "bot/registry.py": "plain words that work like a command",
    "bot/reporting.py": "what people call a period",
    "bot/settings.py": "how people write on, off, nothing and money",
    "bot/tickers.py": "the alphabet of a company's name",
    "bot/handlers/accounts.py": "what people call a year and a file",
    "bot/handlers/finding.py": "what people call a timeframe",
    "bot/handlers/trading.py": "how people write an amount of money",
    "adapters/kis/codes.py": "the broker's own words",
    "adapters/kis/master.py": "the broker's own words",
    "adapters/kis/parse.py": "the broker's own words",
    "services/guardian_broker.py": "the broker's own words",
    "charts/equity.py": "words of a picture that is drawn without a bot, which gives its own",
    "charts/spec.py": "words of a picture that is drawn without a bot, which gives its own",
    "charts/process.py": "loads the Korean font before the first picture",
}


def called(node: ast.Call) -> str:
    """The last name of what is called: `plain` of `self.t.plain(...)`."""
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def literals(node: ast.AST) -> Iterator[str]:
    """Every piece of literal text in an expression, f-strings and joined parts included, calls left to themselves."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Call | ast.Subscript | ast.Compare):
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def spoken(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines with words that go to a person from where they stand: the first argument, or `text`, with a letter in it."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) not in SPEAKS:
            continue
        said = [*node.args[:1], *(k.value for k in node.keywords if k.arg in {"text", "message", "label", "caption"})]
        words = [text for part in said for text in literals(part) if any(letter.isalpha() for letter in text)]
        found += [(node.lineno, text) for text in words]
    return found


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the constants that are docstrings."""
    bodies = [getattr(node, "body", None) for node in ast.walk(tree)]
    firsts = [body[0] for body in bodies if isinstance(body, list) and body]
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr)}


def korean(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines with Hangul in a literal; what documents the code may quote a screen."""
    left_out = docstrings(tree)
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in left_out
        and HANGUL.search(node.value)
    ]


def parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_prose_outside_the_views(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    tree = parsed(path)
    assert name in SPOKEN or spoken(tree) == [], "move it to a view"
    assert name in KOREAN or korean(tree) == [], "move it to a view, or to the catalogue"


@pytest.mark.parametrize("name", [name for name in KOREAN if not name.startswith("charts/")])
def test_a_file_with_korean_words_has_no_korean_sentence(name: str) -> None:
    assert [text for _, text in korean(parsed(ROOT / name)) if " " in text] == []


@pytest.mark.parametrize(("table", "look"), [(SPOKEN, spoken), (KOREAN, korean)], ids=["spoken", "korean"])
def test_no_exception_is_left_of_a_file_that_needs_none(table, look) -> None:
    assert [name for name in table if not look(parsed(ROOT / name))] == []


@pytest.mark.parametrize(
    "source",
    [
        'say(update, View("Done."))',
        'View(text="Done.")',
        'context.t("Price: {price}", price=1)',
        'self.t.plain("Cancel")',
        'TITLES = {"day": mark("Daily report")}',
        'View(f"Done: {ticker}")',
        'View("Done: " + ticker)',
        'View("Done." if ok else "")',
        'await query.answer("Too late")',
        'await bot.send_message(chat_id=1, text="Hello")',
        'button("Close", Act.DISMISS)',
    ],
)
def test_words_where_they_do_not_belong_are_found(source: str) -> None:
    assert spoken(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "context.t(views.NO_PICTURE)",
        "View(chart_views.caption(ticker, t), keyboard)",
        'View("\\n".join(rows))',
        'View(lines(*view.text.split("\\n")[:3]))',
        'button("🔄", Act.REFRESH, "status")',
        'log.info("started", port=1)',
        'raise ValueError("no such key")',
    ],
)
def test_what_is_no_prose_is_let_be(source: str) -> None:
    assert spoken(ast.parse(source)) == []


def test_hangul_is_found_in_literals_and_not_in_what_documents_them() -> None:
    source = '"""종목 발굴"""\n# 승인\ndef f():\n    """5분 전"""\n    return f"{minutes}분 전", "ok"\nX = re.compile("[가-힣]")\n'
    assert sorted(korean(ast.parse(source))) == [(5, "분 전"), (6, "[가-힣]")]
