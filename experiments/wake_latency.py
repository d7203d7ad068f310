"""Wake-up latency: the delay of a periodic task next to hogs and next to each attack, and the cost of promptness.

The task is released every millisecond and needs 50 us. The same co-runners beside a guest that computes show the cost of the
scheduler's promptness: no attack may take more than its fair part of the victim's work.
"""

from __future__ import annotations

import json
from pathlib import Path

from bulkhead import Guest, Machine
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    drain,
    duration,
    share_metric,
    small_guest,
    summary,
    throughput_metric,
    wake_metric,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity, Reference

MILLISECOND = 1_000_000
NOISE_AT = (
    20 * MILLISECOND
)  # in every sample the victim is at work before: beside a dodger it might never begin
PHASE = 137_000  # ns; no scheduler's tick falls together with a release
# credit_sampled may keep one of nine guests waiting for longer than the warm-up lasts.
POLICIES = ("round_robin", "credit", "credit2", "bvt", "stride", "eevdf")
HOGS = {"none": 0, "1 hog": 1, "2": 2, "4": 4, "8": 8}
ATTACKS = {
    "dodge": "tick_dodger",
    "yield": "yield_storm",
    "timer": "timer_storm",
    "event": "event_storm",
    "fault": "loop_fault",
    "junk": "garbage",
}
OPTIONS = {"garbage": "rounds=0 for_ms=600000"}
CORUNNERS = (*HOGS, *ATTACKS)


def corunners(name: str) -> tuple[Guest, ...]:
    """Hogs, or one attacker."""
    if name in ATTACKS:
        attack = ATTACKS[name]
        return (small_guest(name, attack, OPTIONS.get(attack, ""), start=NOISE_AT),)
    return tuple(small_guest(f"hog{i + 1}", "cpu_hog", start=NOISE_AT) for i in range(HOGS[name]))


def machine(point: Point) -> Machine:
    """The victim and its co-runners, all of one weight, on one pCPU."""
    victim = point.text("victim")
    options, phase = ("period_us=1000 work_us=50", PHASE) if victim == "periodic" else ("mark_ops=10", 0)
    return Machine(
        guests=(
            small_guest("victim", victim, options, phase=phase),
            *corunners(point.text("corunners")),
        ),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def is_periodic(point: Point) -> bool:
    """Points whose victim is the periodic task."""
    return point.text("victim") == "periodic"


def is_compute(point: Point) -> bool:
    """Points whose victim computes."""
    return point.text("victim") == "compute"


def missed(run: Observed) -> float | None:
    """Part of the jobs that ended after the next release."""
    responses = run.job_response("victim")
    total = len(responses.samples) + responses.unfinished
    late = int((responses.samples > MILLISECOND).sum()) + responses.unfinished
    return late / total if total else None


METRICS = (
    Metric(
        "start",
        "ns",
        "from the release of a job to its first instruction",
        lambda run: summary(run.job_start("victim")),
        is_periodic,
    ),
    Metric("missed", "1", "part of the jobs that ended after the next release", missed, is_periodic),
    throughput_metric("victim", is_compute),
    Metric(
        "entitlement",
        "1",
        "part of the pCPU time that the victim is due when all want to run",
        lambda run: run.entitlement(("victim",))["victim"],
    ),
    share_metric(),
    wake_metric("victim"),
)

ALONE = {"corunners": "none"}

COMPARISONS = (
    Comparison(
        "work",
        "1",
        "victim's throughput over that alone",
        "throughput",
        ALONE,
        lambda together, alone: together / alone,
    ),
    Comparison(
        "ideal_start",
        "ns",
        "p99 of the start latency alone",
        "start.p99",
        ALONE,
        lambda together, alone: alone,
    ),
)

NS_PER_US = 1_000
FAIR_PART = 0.5  # of a guest beside one other of its weight
XEN = json.loads(Path(__file__).with_name("xen_4_17.json").read_text(encoding="utf-8"))


def xen_start() -> tuple[Reference, ...]:
    """Start latencies under Xen's schedulers: p50, p99 and maximum."""
    return tuple(
        Reference(
            name,
            XEN["source"],
            {
                level: (us[0] * NS_PER_US, us[1] * NS_PER_US, us[2] * NS_PER_US)
                for level, us in levels.items()
            },
        )
        for name, levels in XEN["start_us"].items()
    )


def xen_work() -> tuple[Reference, ...]:
    """Work kept under Xen's schedulers; it was measured in fair parts."""
    return tuple(
        Reference(name, XEN["source"], {level: (part * FAIR_PART,) * 3 for level, part in levels.items()})
        for name, levels in XEN["work_over_fair_part"].items()
    )


FIGURE = Lines(
    name="wake_latency",
    caption=(
        "(a) A task that is released each ms and needs 50 us, beside 0 to 8 hogs or one attacker, on one pCPU. "
        "(b) Part of its work that a computing guest keeps. Ideal: alone; its fair part. "
        "Red: Debian's Xen 4.17.7 on the same clock, where measured, with another guest that takes about 5 us longer "
        "to wake."
    ),
    x="corunners",
    x_label="co-runners: CPU hogs, or one attacker",
    series="sched",
    wide=True,
    panels=(
        Panel(
            path="start.p99",
            low="start.p50",
            high="start.max",
            quantity=Quantity("p99 of start latency [us]", factor=1e-3, log=True),
            title="(a) periodic task",
            where={"victim": "periodic"},
            ideal=Ideal("ideal_start"),
            references=xen_start(),
        ),
        Panel(
            path="work",
            quantity=Quantity("work kept, part of alone"),
            title="(b) compute",
            where={"victim": "compute"},
            ideal=Ideal("entitlement"),
            references=xen_work(),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="wake_latency",
    title="Wake-up latency",
    question="How late does a mostly idle guest start next to hogs and attackers, and how much does that cost the others?",
    factors=(
        Factor(
            "sched",
            "scheduler",
            POLICIES,
            ("credit_sampled", "credit", "credit2", "bvt"),
            Policies("scheduler"),
        ),
        Factor(
            "victim",
            "the victim's workload",
            ("periodic", "compute"),
            ("periodic", "compute"),
            Choice(("periodic", "compute")),
        ),
        Factor(
            "corunners",
            "co-runners",
            CORUNNERS,
            ("none", "1 hog", "4", "dodge", "yield"),
            Choice(CORUNNERS),
        ),
    ),
    settings=(duration(full=1300, quick=700), warm_up(full=250, quick=150), drain(full=50, quick=50)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
)
