"""Floods of a drive: an attacker with more requests, more rings or more domains beside a guest that reads little.

The victim reads 4 KiB each 4 ms, 10 % of the modelled drive. The attacker fills its rings with random reads of 512 bytes and
never stops. Its domains have equal parts of the victim's weight, or are a group of that weight, which ring policies take for
one domain, or have that weight each. The fair-share base line is the attacker with one domain, one ring and one request: the
drive is always busy, and each of the two has half of it.
"""

from __future__ import annotations

from bulkhead import MIB, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Point,
    Policies,
    Whole,
    drain,
    duration,
    read_metrics,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import degradation
from bulkhead.result.model import Level

POLICIES = ("fifo", "round_robin", "drr", "sfq", "mclock", "latency_target")
WEIGHT = 256  # of the victim, and of all of the attacker's domains together
# Policies that can be told what the victim is to have.
RESERVED = {
    "mclock": {"reservation": 300},
    "latency_target": {"target": 2000, "rate": 300},
}
RINGS, DOMAINS, REQUESTS = (1, 2, 4, 8), (1, 2, 4, 8), (1, 8, 16, 32)
FLOOD = {"rings": 1, "domains": 1, "requests": 32}  # one of them varies at a time,
WORST = {"rings": 8, "domains": 8, "requests": 32}  # but here
FAIR = {"rings": 1, "domains": 1, "requests": 1}
PARTS, GROUP, WHOLE = "parts", "group", "whole"  # what weight each domain of the attacker has
BASE_LINE: dict[str, Level] = {**FAIR, "weights": PARTS}
DISK_NAMES = tuple(f"xvd{letter}" for letter in "abcdefghijklmnop")


def machine(point: Point) -> Machine:
    """The victim, and as many attackers as the attacker has domains."""
    policy, domains, rings = point.policy("ringctl"), point.number("domains"), point.number("rings")
    weights = point.text("weights")
    victim = small_guest(
        "victim",
        "disk",
        "period_us=4033 depth=32",
        weight=WEIGHT,
        disks=(GuestDisk(16 * MIB),),
        ringctl=RESERVED.get(policy.name, {}),
    )
    attackers = tuple(
        small_guest(
            f"attacker{number + 1}",
            "disk_flood",
            f"rings={rings} depth={point.number('requests')}",
            weight=max(1, WEIGHT // domains) if weights == PARTS else WEIGHT,
            group="attacker" if weights == GROUP else None,
            disks=tuple(GuestDisk(MIB, name=name) for name in DISK_NAMES[:rings]),
        )
        for number in range(domains)
    )
    return Machine(
        guests=(victim, *attackers),
        sched=Policy("credit2"),
        ringctl=policy,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def excludes(point: Point) -> str | None:
    """One thing varies at a time, but for the worst flood."""
    levels = {name: point.number(name) for name in FLOOD}
    if point.text("weights") != PARTS and levels["domains"] == 1:
        return "one domain has the attacker's weight in any case"
    if sum(levels[name] != FLOOD[name] for name in FLOOD) <= 1 or levels in (FAIR, WORST):
        return None
    return "more than one of rings, domains and requests differs from the plain flood"


METRICS = (
    *read_metrics("victim"),
    Metric(
        "attack",
        "1/s",
        "reads of the attacker per second",
        lambda run: sum(run.progress(name).per_second for name in run.guests if name != "victim"),
    ),
)

COMPARISONS = (
    Comparison("lost", "%", "victim's loss of reads per second", "iops", BASE_LINE, degradation),
    Comparison(
        "growth",
        "%",
        "growth of the victim's p99 over its fair-share base line",
        "latency.p99",
        BASE_LINE,
        lambda here, there: 100 * (here / there - 1),
    ),
)


def figure(varied: str, label: str) -> Lines:
    """The flood with one thing varied. Several domains are shown by themselves and as a group."""
    where = {name: level for name, level in FLOOD.items() if name != varied}
    shown = {PARTS: "response time of the victim"}
    if varied == "domains":
        shown = {
            PARTS: "(a) domains of parts of the victim's weight",
            GROUP: "(b) a group of the victim's weight",
            WHOLE: "(c) domains of the victim's weight each",
        }
    each = "; in (c) each of its domains has that weight" if WHOLE in shown else ""
    rest = ", ".join(f"{level} {name if level > 1 else name[:-1]}" for name, level in where.items())
    return Lines(
        name=f"ring_flood_{varied}",
        caption=(
            "A guest that reads 4 KiB each 4 ms from the modelled drive, beside a flood of 512-byte reads of the same weight"
            f"{each}. Otherwise the attacker has {rest}, where requests are those of one ring. No marker where more than 1 % of "
            "the reads never completed."
        ),
        x=varied,
        x_label=label,
        series="ringctl",
        panels=tuple(
            Panel(
                path="latency.p99",
                low="latency.p50",
                high="latency.max",
                quantity=Quantity("p99 of response [ms]", factor=1e-6, log=True),
                title=title,
                where={**where, "weights": weights},
            )
            for weights, title in shown.items()
        ),
    )


EXPERIMENT = Experiment(
    name="ring_flood",
    title="Floods of a drive",
    question="Does a flood with more requests, rings or domains make a guest wait longer that reads little?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("fifo", "mclock"), Policies("ring")),
        Factor("rings", "rings of each domain of the attacker", RINGS, (1, 8), Whole(1, 16)),
        Factor("domains", "domains of the attacker", DOMAINS, (1, 8), Whole(1, 16)),
        Factor("requests", "requests outstanding on each ring", REQUESTS, (1, 32), Whole(1, 32)),
        Factor(
            "weights",
            "weights of the attacker's domains",
            (PARTS, GROUP, WHOLE),
            (PARTS, GROUP),
            Choice((PARTS, GROUP, WHOLE)),
        ),
    ),
    settings=(duration(full=3000, quick=1500), warm_up(full=500, quick=400), drain(full=500, quick=300)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(
        figure("rings", "rings of the attacker"),
        figure("domains", "domains of the attacker"),
        figure("requests", "requests of the attacker"),
    ),
    samples=3,
    excludes=excludes,
)
