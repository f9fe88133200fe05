"""What the documents say is true: links lead somewhere, commands parse and run, every alarm has its line, messages are the bot's."""

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from benchmarks.install import blocks_of
from bot.beats import Guard
from bot.views import questions, words
from cli.__main__ import COMMANDS, main
from cli.doctor.registry import CHECKS
from core.model.messages import EventKind
from core.rules.risk import RefusalReason

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "sandbox" / "README.md"})
GUIDES = (ROOT / "docs" / "guide.md", ROOT / "docs" / "guide.ko.md")
# the changelog tells of commands as they were
TOLD = [page for page in PAGES if page.name != "CHANGELOG.md"]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
OURS = re.compile(r"(?:\./seohak|\$PWD/seohak|/opt/seohak/seohak|python -m cli)(?= |$)([^#&|;)\"\n]*)")
# what stands in a document for something of the reader's
STANDS_FOR = {
    "N": "5",
    "SECONDS": "5",
    "NAME": "trader",
    "PROGRAM": "trader",
    "이름": "trader",
    "날짜": "2026-11-18",
    "DAY": "2026-11-18",
    "REVISION": "0001",
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """The anchor of a heading as the common renderers make it."""
    kept = "".join(c for c in heading.lower().replace("`", "") if c in " -_" or unicodedata.category(c)[0] in "LN")
    return kept.replace(" ", "-")


def anchors(page: Path) -> set[str]:
    bare = FENCE.sub("", text_of(page))
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", bare, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


def commands_of(page: Path) -> Iterator[str]:
    """Every command of ours in a page's blocks and in its sentences, as typed."""
    text = text_of(page)
    for _, block in FENCE.findall(text):
        yield from ours(block)
    for code in INLINE.findall(FENCE.sub("", text)):
        if code.startswith(("./seohak ", "python -m cli ")):
            yield from ours(code)


def ours(shell: str) -> Iterator[str]:
    """The commands of ours in lines of shell; what the shell would work out is one word."""
    joined = re.sub(r"(?m)(?:^|\s)#.*$", "", shell.replace("\\\n", " "))
    yield from (found.strip() for found in OURS.findall(re.sub(r"\$\([^)]*\)", "X", joined)))


def arguments_of(command: str) -> list[str]:
    kept = [word.strip("[]") for word in shlex.split(command) if word not in {"…", "..."}]
    return [STANDS_FOR.get(word, word) for word in kept]


COMMANDS_TOLD = sorted({c for page in TOLD for c in commands_of(page) if c})


def understood(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the command line's own parser takes these words; only the execution is left out."""
    module = import_module(COMMANDS[arguments[0]][0])
    taken = []
    monkeypatch.setattr(module, "run", lambda options: taken.append(options) or 0)
    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code == 0
    return len(taken) == 1


@pytest.mark.parametrize("command", COMMANDS_TOLD)
def test_every_command_in_the_documents_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = arguments_of(command)
    assert arguments[0] in COMMANDS
    # a sentence may name a command without all that it needs; then at least its words exist
    bare = not any(word.startswith("-") for word in arguments)
    assert understood(arguments, monkeypatch) or (bare and understood([*arguments, "--help"], monkeypatch))


def test_a_wrong_command_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`./seohak data`\n```sh\ncd seohak && ./seohak up --fast  # now\nsudo -u s env A=b /opt/seohak/seohak panic --yes\n```\n"
    )
    assert list(commands_of(page)) == ["up --fast", "panic --yes", "data"]
    assert not understood(["up", "--fast"], monkeypatch)
    assert not understood(["data", "imprt", "--help"], monkeypatch)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_is_told_of(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert " / " in capsys.readouterr().out
    assert any(arguments_of(command)[0] == name for command in COMMANDS_TOLD), "no document tells of it"


def rows(page: Path, heading: str) -> dict[str, str]:
    """The tables of a section: what stands in backticks in the first column, and the rest of its line."""
    section = text_of(page).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))


RUNBOOK = ROOT / "docs" / "runbook.md"
# what people hear in the ordinary course of a night
ORDINARY = {
    EventKind.PROPOSED,
    EventKind.PLAN_STARTED,
    EventKind.PLAN_REFUSED,
    EventKind.PLAN_CHANGED,
    EventKind.PLAN_IGNORED,
    EventKind.PLAN_EXPIRED,
    EventKind.PLAN_STOPPED,
    EventKind.TRANCHE_FILLED,
    EventKind.BUY_COMPLETE,
    EventKind.HOLDING_WINNER,
    EventKind.SELL_STARTED,
    EventKind.SOLD,
    EventKind.MODE_CHANGED,
    EventKind.PAUSED,
    EventKind.RESUMED,
    EventKind.UNFROZEN,
    EventKind.WATCHED,
    EventKind.TICKER_RESUMED,
    EventKind.LIQUIDATION,
    EventKind.FEED_TIMELY,
    EventKind.FEED_UP,
    EventKind.BROKER_UP,
    # each of them by its own name
    EventKind.TROUBLE,
}


def servers_told() -> set[str]:
    from bot.views import servers

    return set(servers.BEGUN)


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("Who guards the stops", lambda: {g.value for g in Guard}),
        ("Events that alarm", lambda: {k.value for k in EventKind} - {k.value for k in ORDINARY}),
        ("Troubles", lambda: set(words.TROUBLES)),
        ("Market data", lambda: set(words.FEED_TROUBLES)),
        ("Why nothing is bought", lambda: set(words.REFUSALS) | {r.value for r in RefusalReason}),
        ("Shares that do not agree", lambda: set(questions.FROZEN_TITLES)),
        ("Redis and the database", servers_told),
        ("doctor", lambda: {check.name for check in CHECKS}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_the_runbook_has_a_line_for_everything_that_can_happen_and_for_nothing_else(
    heading: str, known: Callable[[], set[str]]
) -> None:
    told = rows(RUNBOOK, heading)
    assert told.keys() == known()
    assert not [key for key, rest in told.items() if not rest.rsplit(" | ", 1)[-1].strip()], "what does one do?"


def spoken(language: str) -> str:
    """Everything that the chat says in a language, lower case."""
    with (ROOT / "locales" / language / "LC_MESSAGES" / "seohak.po").open("rb") as file:
        texts = [m.string for m in read_po(file, locale=language) if m.id]
    said = " ".join(text if isinstance(text, str) else " ".join(text) for text in texts)
    return (said + text_of(ROOT / "bot" / "registry.py")).lower()


def test_the_words_of_the_glossary_are_those_of_the_chat_and_of_the_code() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("core", "ports", "services", "adapters", "bot", "cli")
        for path in (ROOT / folder).rglob("*.py")
    )
    names = set(re.findall(r"\w+", code))
    said: Mapping[int, str] = {0: spoken("ko"), 1: spoken("en")}
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `(\w+)` \|", text_of(ROOT / "docs" / "glossary.md"), re.MULTILINE)
    assert len(table) > 30
    for row in table:
        assert row[2] in names, row
        for column, text in said.items():
            unknown = [word for word in re.split(r" / |, ", row[column]) if word.strip().lower() not in text]
            assert not unknown, row


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_messages_in_the_guide_are_the_bots(guide: Path) -> None:
    """A block without a language is a message; the snapshots of the views have it, perhaps with more below."""
    language = "ko" if guide.name == "guide.ko.md" else "en"
    snapshots = [
        re.sub(r"</?\w+>", "", path.read_text(encoding="utf-8"))
        for path in (ROOT / "tests" / "unit" / "bot" / "snapshots").glob(f"*.{language}.txt")
    ]
    messages = [block.strip() for kind, block in FENCE.findall(text_of(guide)) if not kind]
    assert len(messages) >= 4
    assert not [message for message in messages if not any(message in known for known in snapshots)]


def test_both_guides_have_the_same_commands_and_chapters() -> None:
    blocks = [
        [re.sub(r"\s+#.*", "", block) for kind, block in FENCE.findall(text_of(guide)) if kind] for guide in GUIDES
    ]
    assert blocks[0] == blocks[1]
    chapters = [len(re.findall(r"^#{2,3} ", text_of(guide), re.MULTILINE)) for guide in GUIDES]
    assert chapters[0] == chapters[1]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_guide_can_be_followed_by_a_program(guide: Path) -> None:
    """`python -m benchmarks.install` does it; here only that every step is marked and in order."""
    assert any("git clone" in block for name, block in blocks_of(guide) if name == "clone")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_a_page_names_are_there(page: Path) -> None:
    names = {path.name for path in (ROOT / "tests").rglob("*.py")}
    told = [
        code
        for code in INLINE.findall(text_of(page))
        if re.fullmatch(r"(tests/[\w/]+|(tests/[\w/]+/)?test_\w+\.py)", code)
    ]
    lost = [c for c in told if not ((ROOT / c).exists() if c.startswith("tests/") else c in names)]
    assert not lost


def test_prices_are_the_same_wherever_they_are_told() -> None:
    """The vendor's plans, as the facts have them: late ones are never called real time."""
    for page in TOLD:
        for line in text_of(page).splitlines():
            if re.search(r"\bStarter\b", line) and re.search(r"\$\d", line) and "Starter ($29)" not in line:
                assert "$29" in line, (page.name, line)
            if re.search(r"Stocks \*{0,2}Advanced", line) and re.search(r"\$\d", line):
                assert "$199" in line, (page.name, line)


# safe here, and done within a second or so: the command as the documents have it, and the exit codes that are right
QUICK: Mapping[str, set[int]] = {
    "config": {0},
    "db upgrade": {0},
    "docs --check": {0},
    "totp status": {0, 1},
    "guardian": {0, 1},
    "data list": {0},
    # no trader answers here; the HALT file is written all the same
    "panic": {1},
    "doctor --offline": {0, 1},
    # nothing runs on an empty state directory
    "status": {1},
    "logs": {1},
    "restart bot": {1},
    "down": {0},
    "backup": {0},
    "db status": {0, 1},
}


@pytest.fixture
def empty_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REDIS_URL", "DATABASE_URL", "SEOHAK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / ".env"))
    return tmp_path / "state"


@pytest.mark.usefixtures("empty_state")
@pytest.mark.parametrize("command", QUICK)
def test_what_is_quick_and_safe_runs_as_the_documents_have_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command in COMMANDS_TOLD
    assert main(arguments_of(command)) in QUICK[command]
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_backup_is_made_and_brought_back_as_the_documents_have_it(
    empty_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"backup", "restore FILE --check", "restore FILE"} <= set(COMMANDS_TOLD)
    assert main(["backup"]) == 0
    (made,) = (empty_state / "backups").iterdir()
    for command in ("restore FILE --check", "restore FILE"):
        assert main([str(made) if word == "FILE" else word for word in arguments_of(command)]) == 0
    assert (empty_state / "HALT").exists(), "the guide says that buying is closed afterwards"
    assert "Traceback" not in "".join(capsys.readouterr())
