"""What has been answered: kept in .env at once, whole or not at all, and readable by its owner alone."""

import os
from collections.abc import Mapping
from pathlib import Path

from config.envfile import updated, written
from config.environment import ROOT
from services.fence import replace

TEMPLATE = ROOT / ".env.example"
PRIVATE = 0o600


class Answers:
    """The .env of this installation. Each `keep` is on the disk when it returns, so Ctrl-C loses no confirmed answer."""

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        # a link to a file elsewhere stays a link
        self.path = path.resolve()
        self._environ = environ
        self.existed = self.path.is_file()
        source = self.path if self.existed else TEMPLATE
        self._text = source.read_text(encoding="utf-8") if source.is_file() else ""

    def get(self, name: str) -> str:
        """The value in the file, empty without one."""
        return written(self._text).get(name, "").strip()

    def env(self, **changes: str) -> dict[str, str]:
        """What the programs will see: the process environment wins, except over what is being tried now."""
        return {**written(self._text), **self._environ, **changes}

    def overruled(self) -> list[str]:
        """Names whose value in the file is of no use, because the environment has another one."""
        return [n for n, v in written(self._text).items() if self._environ.get(n, v) != v]

    def keep(self, **values: str) -> None:
        """Write these values. Raises OSError, ValueError."""
        self._text = updated(self._text, values)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace(self.path, self._text.encode(), PRIVATE)
