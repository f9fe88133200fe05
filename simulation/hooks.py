"""Where a process may die inside a call: each commit and each byte out, before and after it takes effect."""

from collections.abc import Callable

from simulation.loop import Killed, Process

# what is happening, and "before" or "after": True kills
Decide = Callable[[str, str], bool]


class Hooks:
    """The ports of one process ask here; `decide` is the crash plan, or a recorder."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.decide: Decide | None = None
        self.calls = 0

    def at(self, what: str, when: str) -> None:
        """Die here if the plan says so; a process that is dead already stays dead."""
        self.process.check()
        self.calls += 1
        if self.decide is not None and self.decide(what, when):
            self.process.die()
            raise Killed
