"""Model only: guests that sweep the last-level cache, beside one whose pages fit into a part of it, each on its own pCPU.

The simulator has a model of one cache that all pCPUs share (sim/cache.hpp). The zones of its memory are colours: frames of one
zone never take the place of frames of another one. Which frames a guest gets is the memory policy's choice. The result says what
that choice does to a cache of this kind. It says nothing about any processor.

Source: J. Lin et al., "Gaining insights into multicore cache partitioning: bridging the gap between simulation and real
systems", HPCA 2008.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, Machine, Paging, Policy
from bulkhead.experiment import (
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    duration,
    throughput_metric,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import degradation

POLICIES = ("first_fit", "proportional_share", "coloring")
MOST_SWEEPERS = 3
ZONES = 8  # colours
COLOURS = 5  # of the victim, under a policy that deals them out; a sweeper has one
VICTIM_MIB, SET_MIB, SWEEPER_MIB = 4, 2, 6  # the cache has 4 MiB
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 132, 32, 4
COLOURED = ("coloring",)  # policies that give a guest so many colours


def machine(point: Point) -> Machine:
    """The victim uses 2 MiB at random; each sweeper passes through 6 MiB again and again."""
    policy = point.policy("memctl")

    def colours(count: int) -> dict[str, int]:
        return {"colours": count} if policy.name in COLOURED else {}

    sweepers = (
        Guest(
            f"sweeper{i}",
            "model:cache_sweep",
            memory=SWEEPER_MIB * MIB,
            affinity=(i,),
            memctl=colours(1),
        )
        for i in range(1, point.number("sweepers") + 1)
    )
    victim = Guest(
        "victim",
        "model:cache_user",
        f"set_mib={SET_MIB} mark_ops=1000",
        memory=VICTIM_MIB * MIB,
        affinity=(0,),
        memctl=colours(COLOURS),
    )
    return Machine(
        guests=(victim, *sweepers),
        pcpus=MOST_SWEEPERS + 1,
        sched=Policy("credit2"),
        memctl=policy,
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(zones=ZONES, sampled=0),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def frames(run: Observed) -> float:
    """The victim's frames at the end, in MiB."""
    return run.run.landmark.ledger["victim"].frames_owned / 256


METRICS = (
    throughput_metric("victim"),
    Metric("frames", "MiB", "memory of the victim at the end", frames),
)

ALONE = {"sweepers": 0}

COMPARISONS = (Comparison("lost", "%", "victim's loss of throughput", "throughput", ALONE, degradation),)

FIGURE = Lines(
    name="colored_cache",
    caption=(
        "Model only: no processor has this cache. A guest uses 2 MiB at random, beside guests on other pCPUs that sweep 6 MiB "
        "each. The cache has 4 MiB. (a) Pages that it uses per second. (b) What it loses to the sweepers."
    ),
    x="sweepers",
    x_label="sweepers",
    series="memctl",
    panels=(
        Panel(
            path="throughput",
            quantity=Quantity("pages used [1000/s]", factor=1e-3),
            title="(a) throughput, model only",
        ),
        Panel(path="lost", quantity=Quantity("throughput lost [%]"), title="(b) loss, model only"),
    ),
)

EXPERIMENT = Experiment(
    name="colored_cache",
    title="Cache colours (model only)",
    question="What does a guest lose to others that sweep the cache, if each has frames of colours of its own, and if not?",
    factors=(
        Factor("memctl", "memory policy", POLICIES, ("proportional_share", "coloring"), Policies("memory")),
        Factor(
            "sweepers",
            "guests that sweep the cache",
            tuple(range(MOST_SWEEPERS + 1)),
            (0, MOST_SWEEPERS),
            Whole(0, MOST_SWEEPERS),
        ),
    ),
    settings=(duration(full=1000, quick=300), warm_up(full=200, quick=100)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
    simulator_only="QEMU has no model of a cache",
)
