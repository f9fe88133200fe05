"""Level lines and their price tags in the right-hand gutter, spread so that none overlaps or is cut."""

from dataclasses import dataclass

import numpy as np

from charts.canvas import DASHED, DOTTED, Canvas
from charts.layout import Box, Panel, price_text, spread
from charts.scene import MARGIN, Scene
from charts.spec import Level
from charts.theme import level_colour, on_colour

TAG = 38.0
_GAP = 4.0
_SIZE = 24.0
_NARROW, _WIDE = 150.0, 330.0
_LEADER = 16.0
_RANK = ("last", "stop", "target", "average", "entry", "planned")


@dataclass(frozen=True, slots=True)
class Tag:
    """One price tag; `way` is ▲ or ▼ when its level lies beyond the axis."""

    text: str
    price: str
    colour: str
    wanted: float
    way: str
    loud: bool


def _words(scene: Scene, level: Level) -> str:
    return level.label or str(getattr(scene.spec.labels, level.kind))


def gutter(canvas: Canvas, scene: Scene) -> float:
    """Width of the right-hand column, wide enough for the longest tag within limits."""
    widths = [
        canvas.measure(_words(scene, level), _SIZE) + canvas.measure(f"▲ {price_text(level.price)}", _SIZE, bold=True)
        for level in scene.levels
    ]
    widest = max(widths, default=0.0) + 30 + _LEADER + MARGIN / 2
    return min(max(widest, _NARROW), _WIDE, 0.32 * canvas.width)


def level_tags(scene: Scene, panel: Panel) -> list[Tag]:
    """The tags that fit, the important kinds first, in price order from the top."""
    room = int(panel.box.height // (TAG * 0.8))
    ranked = sorted(scene.levels, key=lambda level: _RANK.index(level.kind))[:room]
    tags = []
    for level in sorted(ranked, key=lambda level: -level.price):
        way = "▲ " if level.price > panel.high else "▼ " if level.price < panel.low else ""
        place = min(max(panel.y_at(level.price), panel.box.top), panel.box.bottom)
        colour = level_colour(scene.colours, level.kind, scene.direction)
        tags.append(
            Tag(_words(scene, level), way + price_text(level.price), colour, place, way, level.kind != "planned")
        )
    return tags


def draw_lines(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    """The levels inside the axis across the panel; planned ones thin and dotted."""
    box = panel.box
    for level in scene.levels:
        if panel.low <= level.price <= panel.high:
            y = panel.y_at(level.price)
            colour = level_colour(scene.colours, level.kind, scene.direction)
            quiet = level.kind in ("planned", "last")
            ends = np.array([[(box.left, y), (box.right, y)]])
            canvas.segments(ends, colour, 1.8 if quiet else 2.6, dash=DOTTED if quiet else DASHED, clip=box)


def draw_tags(canvas: Canvas, scene: Scene, panel: Panel, tags: list[Tag]) -> list[float]:
    """Draw the tags and return where their centres came to lie."""
    places = spread([tag.wanted for tag in tags], TAG + _GAP, panel.box.top, panel.box.bottom)
    step = min(TAG + _GAP, panel.box.height / max(1, len(tags)))
    height = step - _GAP if step < TAG + _GAP else TAG
    size = min(_SIZE, height * 0.66)
    left, right = panel.box.right + _LEADER, canvas.width - MARGIN / 2
    for tag, y in zip(tags, places, strict=True):
        if not tag.way:
            canvas.rule((panel.box.right, tag.wanted), (left, y), tag.colour, 2.2)
        box = Box(left, y - height / 2, right, y + height / 2)
        if tag.loud:
            canvas.box(box, tag.colour, radius=8)
            ink = on_colour(scene.colours, tag.colour)
        else:
            canvas.box(box, scene.colours.background, radius=8, edge=tag.colour, width=2)
            ink = scene.colours.text
        canvas.text((right - 10, y), tag.price, size=size, colour=ink, bold=True, side="right")
        room = right - left - 30 - canvas.measure(tag.price, size, bold=True)
        canvas.text((left + 10, y), canvas.shorten(tag.text, size, room), size=size, colour=ink)
    return places
