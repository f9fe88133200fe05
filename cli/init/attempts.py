"""One answer that is tried at its service: kept where it works, asked again where it does not."""

import enum
from collections.abc import Callable

from cli.init.terminal import ask, ask_secret, masked, say


class Verdict(enum.Enum):
    """What the service said."""

    GOOD = enum.auto()
    WRONG = enum.auto()
    # the service could not be asked: the answer may be right
    UNKNOWN = enum.auto()


Try = Callable[[str], Verdict]


def settled(question: str, present: str, attempt: Try) -> str:
    """A key that works, or that the person keeps unproven.

    `attempt` says in its own words what it found. Enter keeps a present one, which is tried as well.
    """
    while True:
        offer = f" [Enter = {masked(present)}]" if present else ""
        given = ask_secret(f"{question}{offer}") or present
        if not given:
            say("  비어 있습니다. 멈추려면 Ctrl-C / nothing was typed; Ctrl-C stops")
            continue
        verdict = attempt(given)
        if verdict is Verdict.GOOD:
            return given
        if verdict is Verdict.WRONG:
            present = ""
            continue
        if unproven():
            return given


def unproven() -> bool:
    """Whether the person keeps an answer that could not be tried."""
    answer = ask(
        "Enter = 다시 / again, s = 확인 없이 저장하고 나중에 doctor로 / keep it, ./seohak doctor tries it later"
    )
    return answer.lower() == "s"
