"""The progress bar of commands that take longer than a second; silent where nobody looks."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress(amount: ProgressColumn) -> Progress:
    """A bar on stderr that goes away when it is done; `amount` says how much is done in words."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
