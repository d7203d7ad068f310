"""Working sets by sampling: how far the estimate is from the truth, over the number of pages that are looked at.

A guest uses the pages of a set and marks each one that it uses, so the trace holds the true working set of every period. The
hypervisor looks at some pages of the guest, drawn at random. Of n pages, the number that were used is binomial: the interval
in which it lies with a probability of 95 % is known, and the estimate must be outside of it as seldom as that.

Source: C. A. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, section 5.3.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bulkhead import MIB, Machine, Paging, Policy
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Setting,
    Whole,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity
from bulkhead.metrics.binomial import central_interval
from bulkhead.metrics.trace import int64

PATTERNS = {"random": 0, "in turn": 1, "skewed": 2}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 112, 32, 32
FIRST_MIB, SET_MIB = 1, 12
LEVEL = 0.95


def machine(point: Point) -> Machine:
    """One guest that has frames for all its pages."""
    options = f"set_mib={SET_MIB} pattern={PATTERNS[point.text('pattern')]} work_us={point.number('work_us')}"
    guest = small_guest(
        "guest",
        "working_set",
        options,
        memory=FIRST_MIB * MIB,
        max_memory=(FIRST_MIB + SET_MIB) * MIB,
    )
    return Machine(
        guests=(guest,),
        sched=Policy("credit2"),
        memctl=Policy("working_set"),
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(
            period_us=point.number("period_us"), swap_us=410, sampled=point.number("sampled"), by_force=0
        ),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def periods(run: Observed) -> np.ndarray[Any, Any]:
    """Pages looked at, those of them that were used, and the true part of the guest's frames that was used, of each period."""
    domain = run.domains["guest"]
    begun, seen = (
        records[(records["domain"] == domain) & run.window.holds(int64(records["time"]))]
        for records in (run.trace.of("memory_watch"), run.trace.of("memory_sample"))
    )
    uses = run.marks("guest", "page_used")
    times, pages = int64(uses["time"]), int64(uses["b"])
    frames = run.run.landmark.ledger["guest"].frames_owned
    starts, rows = int64(begun["time"]), []
    for record in seen:
        before = starts[starts < int(record["time"])]
        if not len(before):
            continue
        first, last = np.searchsorted(times, (before[-1], int(record["time"])))
        used = len(np.unique(pages[first:last]))
        rows.append((int(record["a"]), int(record["b"]), used / frames))
    return np.array(rows)


def within(run: Observed) -> float:
    """Part of the periods [%] whose estimate is in the interval of sampling theory."""
    rows = periods(run)
    interval = cache(central_interval)
    inside = [
        low <= used <= high
        for drawn, used, part in rows
        for low, high in (interval(int(drawn), float(part), LEVEL),)
    ]
    return 100 * float(np.mean(inside))


def error(run: Observed) -> float:
    """95th percentile of the estimates' distance from the truth, in % of the guest's frames."""
    drawn, used, part = periods(run).T
    return 100 * float(np.percentile(np.abs(used / drawn - part), 100 * LEVEL))


def expected(run: Observed) -> float:
    """That distance by the normal approximation of the binomial distribution."""
    drawn, _, part = periods(run).T
    return 100 * float(np.median(1.96 * np.sqrt(part * (1 - part) / drawn)))


METRICS = (
    Metric("within", "%", "periods whose estimate is in the 95 % interval", within),
    Metric("error", "%", "95th percentile of the error, in parts of all frames", error),
    Metric("expected", "%", "the same by sampling theory", expected),
    Metric(
        "truth",
        "%",
        "median of the true part of the guest's frames that is used in a period",
        lambda run: 100 * float(np.median(periods(run)[:, 2])),
    ),
    Metric("periods", "1", "periods measured", lambda run: len(periods(run))),
)

FIGURE = Lines(
    name="working_set_error",
    caption=(
        "A guest uses its pages at random, in turn, or half of the time a sixteenth of them. (a) 95th percentile of the "
        "estimate's distance from the truth. The grey line is what sampling theory gives for the skewed pattern. (b) Periods "
        "whose "
        "estimate is inside the interval that holds 95 % by theory."
    ),
    x="sampled",
    x_label="pages looked at in a period",
    series="pattern",
    panels=(
        Panel(
            path="error",
            quantity=Quantity("error [% of frames]"),
            title="(a) error of the working set",
            ideal=Ideal("expected"),
        ),
        Panel(path="within", quantity=Quantity("periods [%]"), title="(b) inside the interval"),
    ),
)

EXPERIMENT = Experiment(
    name="working_set_error",
    title="Error of a sampled working set",
    question="How many pages must be looked at to know how many a guest uses?",
    factors=(
        Factor(
            "pattern",
            "order in which pages are used",
            tuple(PATTERNS),
            tuple(PATTERNS),
            Choice(tuple(PATTERNS)),
        ),
        Factor(
            "sampled", "pages looked at in a period", (25, 50, 100, 200, 400), (100,), Whole(0, 512), unit="1"
        ),
    ),
    settings=(
        duration(full=4500, quick=1500),
        warm_up(full=500, quick=500),
        Setting("period_us", "time between two looks", "us", 20_000, 20_000, 10_000, 1_000_000),
        Setting("work_us", "CPU time for each page that is used", "us", 10, 10, 1, 1_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
