"""The one house style of all figures: a paper's column wide, readable in black and white, no dates in the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.textpath import text_to_path  # noqa: E402

from bulkhead.result import Result  # noqa: E402

COLUMN_INCHES = 3.4
DOTS_PER_INCH = 300
GREY = "#555555"
CAPTION_POINTS = 6.0
MARGIN_INCHES = 0.05

RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
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


def certainty(result: Result) -> str:
    """The caption's sentence on error bars: none because the runs are exact, or why the runs are not exact."""
    if not result.reproducible:
        return "not reproducible: one measurement, without instruction counting"
    size = "quick, " if result.quick else ""
    return (
        f"exact (deterministic): {size}{_lengths(result)}\u00a0ms of virtual time at each point, "
        f"seed {result.seed}"
    )


def _lengths(result: Result) -> str:
    """How long the points are, in ms: as they were asked to be, and up to the longest if some have a length of their own."""
    asked = int(result.settings["duration_ms"].value)
    longest = max(point.ledger.wall_ns for point in result.points) // 1_000_000  # with building the guests
    return f"{asked}" if longest < 2 * asked else f"{asked} to {longest}"


def caption_lines(text: str, result: Result) -> list[str]:
    """The caption, broken where the column ends."""
    lines = [""]
    for word in f"{text} Values are {certainty(result)}.".split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if _inches(longer) <= COLUMN_INCHES - 2 * MARGIN_INCHES:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _inches(text: str, points: float = CAPTION_POINTS) -> float:
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), False)
    return float(width) / 72


def left_inches(panels: Sequence[Axes]) -> float:
    """Width at the left for the widest number on the panels' vertical axes and for their label."""
    widest = 0.0
    for axes in panels:
        low, high = axes.get_ylim()
        ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
        labels = axes.yaxis.get_major_formatter().format_ticks(ticks)
        widest = max([widest, *(_inches(label, RC["ytick.labelsize"]) for label in labels)])
    return widest + 0.29


def caption_inches(lines: list[str]) -> float:
    """Height that a caption needs."""
    return 0.1 * len(lines) + 0.06


def write_caption(figure: Figure, lines: list[str]) -> None:
    """At the foot of the figure."""
    figure.text(
        MARGIN_INCHES / COLUMN_INCHES,
        0.035 / figure.get_figheight(),
        "\n".join(lines),
        fontsize=CAPTION_POINTS,
        color=GREY,
        va="bottom",
        linespacing=1.15,
    )


def title(axes: Axes, text: str) -> None:
    """A panel's title, flush with the axis."""
    axes.set_title(text, loc="left", pad=3.5)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """As PNG and PDF, with nothing in the files that depends on when or where they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    figure.savefig(png, dpi=DOTS_PER_INCH, metadata={"Software": None})
    figure.savefig(pdf, metadata={"Creator": "Bulkhead", "Producer": None, "CreationDate": None})
    return [png, pdf]
