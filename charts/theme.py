"""Colours: two palettes, and the Korean (red up) or western (green up) direction colours."""

from dataclasses import dataclass, replace

from charts.spec import LevelKind, Theme

_FADE = 0.16


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour of one theme as #rrggbb."""

    background: str
    panel: str
    shade: str
    grid: str
    text: str
    muted: str
    up: str
    down: str
    entry: str
    stop: str
    target: str
    average: str
    planned: str
    fast: str
    slow: str
    band: str
    rsi: str
    ink: str
    paper: str
    overlays: tuple[str, ...]


_DARK = Palette(
    background="#0E131B", panel="#141B26", shade="#1B2432", grid="#232D3C", text="#EDF1F7", muted="#93A0B5",
    up="#FF5A67", down="#4B91FF", entry="#2FC6E4", stop="#FF9142", target="#2CC98F", average="#E58BDA",
    planned="#8796AE", fast="#FFC94D", slow="#B58CFF", band="#6F86AD", rsi="#B58CFF", ink="#0B0F16", paper="#FFFFFF",
    overlays=("#5EEAD4", "#F9A8D4", "#A3E635", "#FDBA74", "#93C5FD", "#FDE68A", "#D8B4FE", "#FCA5A5"),
)  # fmt: skip
_LIGHT = Palette(
    background="#FFFFFF", panel="#F7F9FC", shade="#EAEFF6", grid="#E0E6EE", text="#141B27", muted="#5F6C81",
    up="#E5303F", down="#1F6FEB", entry="#0A8FAE", stop="#D9660B", target="#0E9563", average="#B8479F",
    planned="#6B7990", fast="#D99300", slow="#7C4DDB", band="#7F95BA", rsi="#7C4DDB", ink="#0B0F16", paper="#FFFFFF",
    overlays=("#0D9488", "#DB2777", "#65A30D", "#EA580C", "#2563EB", "#A16207", "#9333EA", "#DC2626"),
)  # fmt: skip


def _rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of #rrggbb, each from 0 to 1."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red / 255, green / 255, blue / 255


def palette(theme: Theme, *, up_is_red: bool) -> Palette:
    """The theme's colours; western convention paints rises green and falls red."""
    chosen = _DARK if theme == "dark" else _LIGHT
    if up_is_red:
        return chosen
    green = "#21C58B" if theme == "dark" else "#0E9563"
    return replace(chosen, up=green, down=chosen.up, target=chosen.fast)


def level_colour(colours: Palette, kind: LevelKind, direction: str) -> str:
    """The colour of a level; the last price wears the day's direction."""
    return direction if kind == "last" else str(getattr(colours, kind))


def on_colour(colours: Palette, background: str) -> str:
    """Black or white, whichever reads better on `background` (WCAG relative luminance)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(background))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return colours.ink if luminance > 0.24 else colours.paper


def fade(colour: str, base: str, share: float = _FADE) -> str:
    """`colour` laid over `base` with the given opacity, as an opaque colour."""
    mixed = (round(255 * (share * c + (1 - share) * b)) for c, b in zip(_rgb(colour), _rgb(base), strict=True))
    return "#" + "".join(f"{value:02X}" for value in mixed)
