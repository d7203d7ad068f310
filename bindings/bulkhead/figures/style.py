"""The one house style of all figures: a journal's column or page wide, readable in black and white, no dates in the files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.artist import Artist  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402
from matplotlib.textpath import text_to_path  # noqa: E402

COLUMN_INCHES, PAGE_INCHES = 3.3, 7.0
TALLEST_INCHES = 9.0  # of a page, less its caption
DOTS_PER_INCH = 300
GREY = "#555555"
BAND = "#f2f2f2"  # behind every other category
SMALLEST_POINTS = 7.0
RIGHT_INCHES = 0.06
HANDLE_INCHES = 0.46  # of a legend's entry beside its text
ROW_INCHES = 0.145  # of a legend
SHORT_SPAN = 200  # of a logarithmic axis: highest over lowest

RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": SMALLEST_POINTS,
    "ytick.labelsize": SMALLEST_POINTS,
    "legend.fontsize": SMALLEST_POINTS,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.2,
    "hatch.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "bulkhead",
}


@dataclass(frozen=True)
class Look:
    """How one series looks. Marker, dash and hatch tell it apart without colour; lightness differs too."""

    color: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]
    hatch: str
    filled: bool

    @property
    def dot(self) -> dict[str, object]:
        """As a marker that is joined to nothing."""
        return {
            "color": self.color,
            "marker": self.marker,
            "linestyle": "none",
            "markerfacecolor": self.color if self.filled else "white",
            "markeredgewidth": 0.9,
        }

    @property
    def line(self) -> dict[str, object]:
        """As markers joined by a line."""
        return {**self.dot, "linestyle": self.dash}


LOOKS = (
    Look("#1f4e79", "o", "-", "", True),
    Look("#d1781f", "s", (0, (4, 1.5)), "////", False),
    Look("#2a8f6d", "^", (0, (1.2, 1.2)), "....", True),
    Look("#8c2d5a", "D", (0, (5, 1.5, 1, 1.5)), "\\\\\\\\", False),
    Look("#6f6f6f", "v", "-", "xxxx", False),
    Look("#4c7bd9", "P", (0, (4, 1.5)), "++++", True),
    Look("#a08415", "X", (0, (1.2, 1.2)), "oo", False),
    Look("#111111", "<", (0, (5, 1.5, 1, 1.5)), "--", True),
    Look("#b0413e", ">", "-", "||", False),
    Look("#5b3fa0", "h", (0, (4, 1.5)), "**", True),
    Look("#3d7f8c", "p", (0, (1.2, 1.2)), "OO", False),
)


def look(index: int) -> Look:
    """Look of the n-th series; they repeat after all are used."""
    return LOOKS[index % len(LOOKS)]


def width_inches(wide: bool) -> float:
    """A journal's page, or one of its columns."""
    return PAGE_INCHES if wide else COLUMN_INCHES


def text_inches(text: str, points: float = SMALLEST_POINTS) -> float:
    """How wide a text is."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), False)
    return float(width) / 72


def left_inches(panels: Sequence[Axes]) -> float:
    """Width at the left for the widest text on the panels' vertical axes and for their label."""
    widest = 0.0
    for axes in panels:
        low, high = axes.get_ylim()
        ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
        labels = axes.yaxis.get_major_formatter().format_ticks(ticks)
        widest = max([widest, *(text_inches(label) for label in labels)])
    return widest + 0.29


def legend_shape(labels: Sequence[str], wide: bool) -> tuple[int, int]:
    """Rows and columns in which a legend's entries fit; they go down each column."""
    room = width_inches(wide) - 0.1
    for rows in range(1, len(labels)):
        columns = [labels[i : i + rows] for i in range(0, len(labels), rows)]
        needed = sum(max(map(text_inches, column)) + HANDLE_INCHES for column in columns)
        if needed <= room and math.ceil(len(labels) / len(columns)) == rows:
            return rows, len(columns)
    return max(1, len(labels)), 1


def legend_inches(labels: Sequence[str], wide: bool) -> float:
    """Height of a legend."""
    return ROW_INCHES * legend_shape(labels, wide)[0] + 0.03


def add_legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], wide: bool) -> None:
    """At the top of the figure."""
    figure.legend(
        handles,
        labels,
        loc="upper center",
        ncol=legend_shape(labels, wide)[1],
        handlelength=2.0,
        columnspacing=0.9,
        handletextpad=0.5,
        borderaxespad=0.1,
        labelspacing=0.25,
    )


def log_axis(axes: Axes) -> None:
    """A logarithmic vertical axis with plain numbers; short ones have more than the powers of ten."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1.0,) if high / low >= SHORT_SPAN else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.15g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def title(axes: Axes, text: str) -> None:
    """A panel's title, flush with the axis."""
    axes.set_title(text, loc="left", pad=3.5)


def whiskers(axes: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], color: str) -> None:
    """An interval at each place, with caps."""
    axes.vlines(x, low, high, color=color, linewidth=0.7, zorder=2)
    for ends in (low, high):
        axes.plot(x, ends, linestyle="none", marker="_", color=color, markersize=3.2, markeredgewidth=0.7)


def save(figure: Figure, folder: Path, name: str, caption: str) -> list[Path]:
    """As PNG and PDF with the caption beside them, with nothing in the files that depends on when or where they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    png, pdf, text = (folder / f"{name}.{ending}" for ending in ("png", "pdf", "txt"))
    figure.savefig(png, dpi=DOTS_PER_INCH, metadata={"Software": None})
    figure.savefig(pdf, metadata={"Creator": "Bulkhead", "Producer": None, "CreationDate": None})
    text.write_text(caption + "\n", encoding="utf-8")
    return [png, pdf, text]
