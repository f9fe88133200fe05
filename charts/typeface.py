"""The bundled Hangul typeface: Pretendard (SIL Open Font License, charts/fonts/OFL.txt), unmodified files."""

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

_FOLDER = Path(__file__).parent / "fonts"
_FILES = ("Pretendard-Regular.otf", "Pretendard-SemiBold.otf")


@cache
def _settings() -> dict[Any, Any]:
    """Registers the bundled fonts once (about 0.1 s)."""
    for name in _FILES:
        font_manager.fontManager.addfont(_FOLDER / name)
    family = font_manager.FontProperties(fname=_FOLDER / _FILES[0]).get_name()
    return {
        "font.family": [family],
        "axes.unicode_minus": False,
        "path.simplify": True,
        "text.parse_math": False,
        "text.hinting": "none",
    }


def typeset() -> AbstractContextManager[None]:
    """Draw with the bundled typeface inside the block, its settings restored after it."""
    return mpl.rc_context(_settings())


@cache
def _drawable() -> frozenset[int]:
    return frozenset(FT2Font(str(_FOLDER / _FILES[0])).get_charmap())


def printable(text: str) -> str:
    """The text without what the typeface cannot draw (emoji, Hanja), in single spaces."""
    known = _drawable()
    return " ".join("".join(c if ord(c) in known else " " for c in text).split())
