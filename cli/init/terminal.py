"""The person at the terminal: questions, answers that are not shown, and yes or no."""

import getpass
import sys

SHOWN = 4
LEAST_MASKED = 12


class Ended(Exception):
    """The terminal was closed in the middle of a question."""


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def head(number: int, of: int, title: str) -> None:
    """The beginning of a step."""
    say("", f"[{number}/{of}] {title}")


def ask(question: str) -> str:
    """What is typed, without blanks around it. Raises Ended."""
    try:
        return input(f"  {question}: ").strip()
    except EOFError:
        raise Ended from None


def ask_secret(question: str) -> str:
    """What is typed or pasted, unseen; blanks and quotes around it are not part of a key. Raises Ended."""
    try:
        given = getpass.getpass(f"  {question} (화면에 보이지 않습니다 / not shown): ")
    except EOFError:
        raise Ended from None
    return given.strip().strip("'\"").strip()


def yes(question: str, *, default: bool) -> bool:
    """Enter means the default."""
    answer = ask(f"{question} [{'Y/n' if default else 'y/N'}]").lower()
    return default if not answer else answer in {"y", "yes", "예", "네", "ㅇ"}


def masked(value: str) -> str:
    """Enough of a secret to recognise it by."""
    return f"••••{value[-SHOWN:]}" if len(value) >= LEAST_MASKED else "••••"
