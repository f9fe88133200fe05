"""The documents about the chat: commands and settings as tables, each dialogue as a diagram."""

from pathlib import Path

from bot.conversations.diagram import mermaid
from bot.i18n import Translator
from bot.registry import COMMANDS
from bot.settings import Field, fields
from bot.views import help as help_views
from bot.views import settings as views
from bot.views.keys import LABELS, SECTIONS
from bot.views.meanings import MEANINGS

KO, EN = Translator("ko"), Translator("en")
SETTINGS = """# Settings

Every key of config.yaml. In the chat: `/settings`, or straight to one, `/settings 손절`, `/settings stop loss`,
`/settings trading.stop_loss_pct`. Drawn from `core/model/params.py` and `bot/views/` by `./seohak docs`; don't edit.
"""
COMMAND_HEAD = """# Commands

Everything the chat understands. A plain word works like its command (`보유` is `/positions`). Only the owners
(`TELEGRAM_OWNER_IDS`) are answered, in a private chat. *Changes* marks commands that change something: they are not taken
from a forwarded message, nor when they arrive late. Drawn from `bot/registry.py` by `./seohak docs`; don't edit.
"""


def documents(root: Path) -> dict[Path, str]:
    """Every document with its text."""
    return {
        root / "docs" / "settings.md": settings(),
        root / "docs" / "commands.md": commands(),
        root / "bot" / "conversations" / "settings.mmd": mermaid(),
    }


def settings() -> str:
    """One table per section of config.yaml."""
    parts = [SETTINGS]
    for section, title in SECTIONS.items():
        parts += [
            f"## {section} · {KO.plain(title)} · {EN.plain(title)}\n",
            "| key | 이름 · name | default | allowed | 설명 · meaning |",
            "|---|---|---|---|---|",
            *(_setting(field) for field in fields().values() if field.section == section),
            "",
        ]
    return "\n".join(parts)


def _setting(field: Field) -> str:
    elsewhere = f" ({EN(views.ELSEWHERE[field.elsewhere])})" if field.elsewhere else ""
    meaning = MEANINGS[field.key]
    cells = (
        f"`{field.key}`",
        f"{KO.plain(LABELS[field.key])} · {EN.plain(LABELS[field.key])}",
        _both(views.shown(field, field.default, KO), views.shown(field, field.default, EN), " · "),
        (views.limits(field, EN) or "").partition(": ")[2],
        f"{KO.plain(meaning)}<br>{EN.plain(meaning)}{elsewhere}",
    )
    return _row(*cells)


def commands() -> str:
    """One table per group of /help."""
    parts = [COMMAND_HEAD]
    for group, title in help_views.GROUPS.items():
        parts += [
            f"## {KO.plain(title)} · {EN.plain(title)}\n",
            "| command | 말로 · plain words | 설명 · what it does | changes |",
            "|---|---|---|---|",
        ]
        parts += [
            _row(
                f"`/{spec.name}{' ' + spec.hint if spec.hint else ''}`",
                ", ".join(spec.words),
                f"{KO.plain(spec.description)} · {EN.plain(spec.description)}",
                "yes" if spec.changes else "",
            )
            for spec in COMMANDS
            if spec.group is group
        ]
        parts.append("")
    return "\n".join(parts)


def _both(korean: str, english: str, between: str) -> str:
    return korean if korean == english else f"{korean}{between}{english}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
