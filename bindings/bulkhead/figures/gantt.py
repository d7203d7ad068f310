"""Who ran where: a bar for each time that a vCPU was on a pCPU, by pCPU and by vCPU, in the house style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bulkhead.figures import style
from bulkhead.metrics import Intervals, Window, run_intervals, runnable_intervals
from bulkhead.study.names import Names

ROW_INCHES = 0.2
HEAD_INCHES, FOOT_INCHES = 0.3, 0.4
BAR, WAIT = 0.7, 0.16  # of a row's height
WAIT_COLOR = "#c4c4c4"
SUFFIXES = (".png", ".pdf", ".svg")
MS = 1e-6


def draw_gantt(names: Names, window: Window | None = None, marks: Sequence[int] = ()) -> Figure:
    """The figure of a window of real time [ns], or of the whole run; upright lines at `marks` [ns].

    Rows are the pCPUs, then each vCPU that ran or waited in the window; a vCPU's thin line is the time that it waited. The
    axis counts ms since the guests were built.
    """
    window = window or names.trace.whole
    running, wanted = run_intervals(names.trace).clip(window), runnable_intervals(names.trace).clip(window)
    vcpus = sorted(set(zip(wanted.domain.tolist(), wanted.vcpu.tolist())))
    pcpus = names.run.machine.pcpus
    rows = [*(f"pCPU {i}" for i in range(pcpus)), *(names.vcpu(*key) for key in vcpus)]
    height = HEAD_INCHES + FOOT_INCHES + ROW_INCHES * len(rows)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.RC)
        figure = Figure(figsize=(style.PAGE_INCHES, height))
        axes = figure.subplots()
        domains = sorted({domain for domain, _ in vcpus})
        looks = {domain: style.look(index) for index, domain in enumerate(domains)}
        for domain in domains:
            own = running.of_domain(domain)
            for pcpu in range(pcpus):
                _bars(axes, own.where(own.pcpu == pcpu), pcpu, names.origin, looks[domain])
        for row, key in enumerate(vcpus, pcpus):
            _waits(axes, wanted.of_vcpu(*key), row, names.origin)
            _bars(axes, running.of_vcpu(*key), row, names.origin, looks[key[0]])
        _dress(axes, rows, window, names.origin, marks)
        axes.axhline(pcpus - 0.5, color=style.GREY, linewidth=0.5)
        handles = [Patch(facecolor=looks[d].color, hatch=looks[d].hatch, edgecolor="white") for d in domains]
        labels = [names.domain(domain) for domain in domains]
        figure.legend(handles, labels, loc="upper center", ncol=8, handlelength=1.4, columnspacing=1.0)
        left = 0.15 + max(style.text_inches(row) for row in rows)
        figure.subplots_adjust(
            left=left / style.PAGE_INCHES,
            right=0.985,
            bottom=FOOT_INCHES / height,
            top=1 - HEAD_INCHES / height,
        )
    return figure


def _spans(intervals: Intervals, origin: int) -> list[tuple[float, float]]:
    """Start and length in ms since the guests were built."""
    return list(zip(((intervals.start - origin) * MS).tolist(), (intervals.lengths * MS).tolist()))


def _bars(axes: Axes, intervals: Intervals, row: int, origin: int, look: style.Look) -> None:
    axes.broken_barh(
        _spans(intervals, origin),
        (row - BAR / 2, BAR),
        facecolor=look.color,
        hatch=look.hatch,
        edgecolor="white",
        linewidth=0.15,
    )


def _waits(axes: Axes, intervals: Intervals, row: int, origin: int) -> None:
    axes.broken_barh(_spans(intervals, origin), (row - WAIT / 2, WAIT), facecolor=WAIT_COLOR, linewidth=0)


def _dress(axes: Axes, rows: Sequence[str], window: Window, origin: int, marks: Sequence[int]) -> None:
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim((window.start - origin) * MS, (window.end - origin) * MS)
    axes.set_xlabel("time since the guests were built [ms]", labelpad=2)
    axes.grid(visible=False, axis="y")
    for mark in marks:
        axes.axvline((mark - origin) * MS, color="#b0413e", linewidth=0.8, zorder=5)


def save_gantt(figure: Figure, path: Path) -> None:
    """PNG, PDF or SVG by the name's end; the same run gives the same bytes."""
    metadata = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    with matplotlib.rc_context(style.RC):
        figure.savefig(path, dpi=style.DOTS_PER_INCH, metadata=metadata[path.suffix])
