"""`./seohak docs`: writes the documents that are drawn from the code, or says with --check which are stale."""

import argparse
import sys
from pathlib import Path

from cli.docs_bot import documents
from core.model.order import LIVE_STATES, IntentState
from core.rules.intents import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# The life of an order

Drawn from `core/rules/intents.py` by `./seohak docs`; don't edit. Grey states are final: the rest of the reservation has
been given back, and shares that arrive late are booked all the same. What each state promises is in
[reliability.md](reliability.md).

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is stale")


def run(options: argparse.Namespace) -> int:
    """Write or check every generated document."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if options.check:
            print(f"{path.relative_to(ROOT)} is stale: run ./seohak docs", file=sys.stderr)
        else:
            path.write_text(generated()[path], "utf-8")
            print(path.relative_to(ROOT))
    return 1 if stale and options.check else 0


def generated() -> dict[Path, str]:
    """Every generated document with its text."""
    return {ROOT / "docs" / "intents.md": HEAD + intent_diagram() + "\n" + intent_table(), **documents(ROOT)}


def intent_diagram() -> str:
    """The state machine as Mermaid; events that lead the same way share an arrow."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> PREPARED: decide, reserve"]
    for state, row in TRANSITIONS.items():
        ways: dict[IntentState, list[str]] = {}
        for event, target in row.items():
            if target is not state:
                ways.setdefault(target, []).append(event.value.replace("_", " "))
        lines += [f"    {state.value} --> {target.value}: {', '.join(events)}" for target, events in ways.items()]
    final = [state.value for state in TRANSITIONS if state not in LIVE_STATES]
    lines += ["    classDef final fill:#dddddd,color:#333333", f"    class {','.join(final)} final", "```", ""]
    return "\n".join(lines)


def intent_table() -> str:
    """The same as a table: state, event, next state."""
    lines = ["| state | event | next |", "|---|---|---|"]
    for state, row in TRANSITIONS.items():
        for event, target in row.items():
            lines.append(f"| {state.value} | {event.value} | {'(stays)' if target is state else target.value} |")
        if not row:
            lines.append(f"| {state.value} | – | final |")
    return "\n".join(lines) + "\n"
