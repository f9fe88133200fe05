"""A drawing surface in pixels over matplotlib's object API: no pyplot, no global state, painter's order."""

import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from charts.layout import Box
from charts.spec import FloatArray
from charts.typeface import printable

_POINT = 72
Side = Literal["left", "center", "right"]
Dash = tuple[float, tuple[float, ...]]
SOLID: Dash = (0.0, ())
DASHED: Dash = (0.0, (7.0, 5.0))
DOTTED: Dash = (0.0, (2.0, 4.0))


class Canvas:
    """`size` real pixels showing a page of at least `base` units, so that every length scales with the picture.

    y runs down. To be used inside `typeface.typeset()`.
    """

    def __init__(self, size: tuple[int, int], base: tuple[int, int], background: str) -> None:
        self._scale = min(size[0] / base[0], size[1] / base[1])
        self.width, self.height = size[0] / self._scale, size[1] / self._scale
        # a hundredth of a pixel more, because Agg truncates
        inches = ((size[0] + 0.01) / self._scale / _POINT, (size[1] + 0.01) / self._scale / _POINT)
        self._figure = Figure(figsize=inches, dpi=_POINT * self._scale, facecolor=background)
        # matplotlib types neither its renderer nor print_png
        self._agg: Any = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1), frameon=False)
        self._axes.set_axis_off()
        self._axes.set_xlim(0, self.width)
        self._axes.set_ylim(self.height, 0)
        self._depth = 0

    def _add(self, artist: Artist, clip: Box | None = None) -> None:
        self._depth += 1
        artist.set_zorder(self._depth)
        self._axes.add_artist(artist)
        if clip is not None:
            s = self._scale
            flip = self.height
            artist.set_clip_box(
                Bbox.from_extents(clip.left * s, (flip - clip.bottom) * s, clip.right * s, (flip - clip.top) * s)
            )

    def measure(self, text: str, size: float, *, bold: bool = False) -> float:
        """Width of a text in units."""
        properties = FontProperties(size=size, weight=600 if bold else 400)
        width, _, _ = self._agg.get_renderer().get_text_width_height_descent(printable(text), properties, ismath=False)
        return float(width) / self._scale

    def shorten(self, text: str, size: float, room: float, *, bold: bool = False) -> str:
        """The text, cut with an ellipsis where it would be wider than `room`."""
        text = printable(text)
        if self.measure(text, size, bold=bold) <= room:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self.measure(text[:middle].rstrip() + "…", size, bold=bold) <= room:
                low = middle
            else:
                high = middle - 1
        return text[:low].rstrip() + "…" if low else ""

    def text(
        self,
        place: tuple[float, float],
        text: str,
        *,
        size: float,
        colour: str,
        bold: bool = False,
        side: Side = "left",
    ) -> None:
        """Text whose digits and capitals are vertically centred on the place; `side` is the end that stands there."""
        # 0.36 em is half the height of Pretendard's capitals
        self._depth += 1
        self._axes.text(
            place[0], place[1] + 0.36 * size, printable(text), fontsize=size, color=colour, ha=side, va="baseline",
            weight=600 if bold else 400, zorder=self._depth, parse_math=False,
        )  # fmt: skip

    def box(self, box: Box, colour: str, *, radius: float = 0, edge: str | None = None, width: float = 0) -> None:
        """A filled rectangle, rounded if asked."""
        line: dict[str, Any] = {"facecolor": colour, "edgecolor": edge or "none", "linewidth": width}
        if radius <= 0:
            self._add(Rectangle((box.left, box.top), box.width, box.height, **line))
            return
        radius = min(radius, box.width / 2, box.height / 2)
        style = f"round,pad=0,rounding_size={radius}"
        self._add(FancyBboxPatch((box.left, box.top), box.width, box.height, boxstyle=style, **line))

    def segments(
        self,
        points: NDArray[np.float64],
        colour: str | Sequence[str],
        width: float,
        *,
        dash: Dash = SOLID,
        clip: Box | None = None,
        crisp: bool = False,
    ) -> None:
        """Separate lines, shape (n, 2, 2)."""
        lines = LineCollection(
            list(points), colors=colour, linewidths=width, linestyles=[dash], capstyle="butt", antialiased=not crisp
        )
        self._add(lines, clip)

    def polygons(
        self, points: NDArray[np.float64], colour: str | Sequence[str], *, clip: Box | None = None, alpha: float = 1
    ) -> None:
        """Filled polygons, shape (n, corners, 2)."""
        self._add(PolyCollection(list(points), facecolors=colour, edgecolors="none", alpha=alpha), clip)

    def bars(
        self, centres: FloatArray, width: float, tops: FloatArray, bottoms: FloatArray, colour: str | Sequence[str]
    ) -> None:
        """Upright rectangles, at least a unit and a half high."""
        thin = np.maximum(1.5 - (bottoms - tops), 0) / 2
        left, right = centres - width / 2, centres + width / 2
        top, bottom = tops - thin, bottoms + thin
        corners = np.stack([left, top, left, bottom, right, bottom, right, top], axis=1).reshape(-1, 4, 2)
        self.polygons(corners, colour)

    def curve(
        self, x: FloatArray, y: FloatArray, colour: str, width: float, *, clip: Box | None = None, dots: bool = False
    ) -> None:
        """A line through points (NaN interrupts it), or dots at them."""
        if dots:
            line = Line2D(x, y, color=colour, linestyle="none", marker="o", markersize=width * 2, markeredgewidth=0)
        else:
            line = Line2D(x, y, color=colour, linewidth=width, solid_joinstyle="round", solid_capstyle="round")
        self._add(line, clip)

    def symbol(self, place: tuple[float, float], shape: str, colour: str, size: float, edge: str) -> None:
        """One matplotlib marker (^ v o X) with an outline."""
        self._add(
            Line2D([place[0]], [place[1]], linestyle="none", marker=shape, markersize=size, color=colour,
                   markeredgecolor=edge, markeredgewidth=2)
        )  # fmt: skip

    def rule(self, start: tuple[float, float], end: tuple[float, float], colour: str, width: float) -> None:
        """One plain line."""
        self.segments(np.array([[start, end]], dtype=np.float64), colour, width)

    def png(self) -> bytes:
        """The picture."""
        buffer = io.BytesIO()
        self._agg.print_png(buffer, pil_kwargs={"compress_level": 2})
        return buffer.getvalue()
