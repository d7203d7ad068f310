"""A tax on idle memory: of two guests with equal shares one has idle memory, the other would use more than it has.

The idle guest is there first and takes what it can get. The other one then uses pages of a set that is larger than all
memory for guests. At the fixed point both guests have the same shares per page. With a fraction f of its P pages in use, a
domain of S shares has S / (P (f + k (1 - f))) of them, and k = 1 / (1 - tax). Here f is 0 for one guest and 1 for the other.

Source: C. A. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, section 5.
"""

from __future__ import annotations

from dataclasses import replace

from bulkhead import MIB, Machine, Paging, Policy
from bulkhead.backend.check import guest_frames
from bulkhead.experiment import (
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Setting,
    Whole,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity

TAXED = ("idle_tax",)  # policies that have a tax
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 100, 32, 16  # 33 MiB are for guests
FIRST_MIB, MOST_MIB, SET_MIB = 1, 38, 36  # of each guest; what the active one uses beside its first memory
HEAD_START_NS = 250_000_000  # of the idle guest
FRAMES_PER_MIB = 256


def machine(point: Point) -> Machine:
    """The idle and the active guest, of equal weight."""
    policy = point.policy("memctl")
    if policy.name in TAXED:
        policy = replace(policy, parameters={**policy.parameters, "tax": point.number("tax")})
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": MOST_MIB * MIB}
    active = f"set_mib={SET_MIB} mark_ops=20 work_us=20"
    return Machine(
        guests=(
            small_guest("idle", "memory_hoard", **sizes),
            small_guest("active", "memory", active, start=HEAD_START_NS, **sizes),
        ),
        sched=Policy("credit2"),
        memctl=policy,
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


def excludes(point: Point) -> str | None:
    """Policies without a tax are run once."""
    if point.policy("memctl").name in TAXED or point.number("tax") == 0:
        return None
    return "the policy has no tax"


def fixed_point(frames: int, tax: int) -> float:
    """Frames of a guest that uses all of its pages beside one of equal shares that uses none, of `frames` in all.

    `tax` is in per cent. P of the active guest and P k of the idle one are equal (OSDI 2002, section 5.2).
    """
    k = 1 / (1 - tax / 100)
    return frames * k / (k + 1)


def expected(run: Observed) -> float:
    """Memory of the active guest by the formula, in MiB."""
    return fixed_point(guest_frames(machine(run.point)), run.point.number("tax")) / FRAMES_PER_MIB


def frames(run: Observed) -> dict[str, float]:
    """Memory of each guest at the end, in MiB."""
    return {guest: run.run.landmark.ledger[guest].frames_owned / FRAMES_PER_MIB for guest in run.guests}


METRICS = (
    Metric("frames", "MiB", "memory of each guest at the end", frames),
    Metric("fixed_point", "MiB", "memory of the active guest by the formula", expected),
    Metric(
        "throughput",
        "op/s",
        "pages that the active guest uses per second",
        lambda run: run.progress("active").per_second,
    ),
)

COMPARISONS = (
    Comparison(
        "gain",
        "%",
        "gain of the active guest's throughput over that without a tax",
        "throughput",
        {"tax": 0},
        lambda here, there: 100 * (here / there - 1),
    ),
)

FIGURE = Lines(
    name="idle_tax",
    caption=(
        "Two guests with equal shares. One has idle memory, the other would use more than there is. The grey line "
        "is the fixed point of the published formula."
    ),
    x="tax",
    x_label="tax on idle memory [%]",
    series="memctl",
    panels=(
        Panel(
            path="frames.active",
            quantity=Quantity("memory [MiB]"),
            title="(a) memory of the active guest",
            ideal=Ideal("fixed_point"),
        ),
        Panel(
            path="throughput",
            quantity=Quantity("pages used [1000/s]", factor=1e-3),
            title="(b) throughput of the active guest",
        ),
    ),
)

EXPERIMENT = Experiment(
    name="idle_tax",
    title="Tax on idle memory",
    question="How much idle memory does a tax move to a guest that would use it, and what does that guest gain?",
    factors=(
        Factor("memctl", "memory policy", ("idle_tax",), ("idle_tax",), Policies("memory")),
        Factor("tax", "tax on idle memory", (0, 25, 50, 75, 90), (0, 75), Whole(0, 95), unit="%"),
    ),
    settings=(
        duration(full=8000, quick=1500),
        warm_up(full=4000, quick=1000),
        Setting(
            "period_us",
            "time between two looks at the guests' memory",
            "us",
            50_000,
            20_000,
            10_000,
            1_000_000,
        ),
        Setting("sampled", "pages of each guest that are looked at in a period", "", 100, 100, 1, 512),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
    excludes=excludes,
)
