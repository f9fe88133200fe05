"""Imports without guests: what a library loads only in case somebody hands it such things, and nobody here does."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def kept_out(*guests: str) -> Iterator[None]:
    """While this lasts, packages that are not loaded yet seem not to be installed; afterwards they are there as before."""
    away = [name for name in guests if name not in sys.modules]
    sys.modules.update(dict.fromkeys(away))  # type: ignore[arg-type] # None: the import fails
    try:
        yield
    finally:
        for name in away:
            sys.modules.pop(name, None)
