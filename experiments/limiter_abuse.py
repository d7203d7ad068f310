"""Attacks on a limit of requests: bursts, hoarded credit, many rings, many domains, beside a guest that reads little.

The attacker may have 400 requests per second. It asks for more in several ways. What a limiter lets pass in excess is told by the
least burst b for which every window of length w has at most 400 w + b requests. The victim reads 4 KiB each 4 ms.

After J. Ullrich and E. Weippl, who made Xen's limiter of outgoing traffic itself delay or drop a guest's packets.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bulkhead import MIB, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    drain,
    duration,
    read_metrics,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity, Reference
from bulkhead.metrics.trace import int64
from bulkhead.result.model import Level

LIMIT = 400  # requests per second
# How each policy is told of it. `fifo` cannot be.
LIMITED = {"token_bucket": {"rate": LIMIT}, "mclock": {"limit": LIMIT}}
POLICIES = ("fifo", *LIMITED)
PLAIN = "disk_flood", "depth=16", 1, 1
GROUP = "group"  # the attack whose domains are a group, and so have the limit once
# Workload, its options, rings, domains.
ATTACKS = {
    "steady": PLAIN,
    "bursts": ("disk", "bytes=512 depth=32 period_us=40000 burst=32", 1, 1),
    "hoard": ("disk", "bytes=512 depth=32 period_us=500000 burst=200", 1, 1),
    "rings": ("disk_flood", "depth=16", 8, 1),
    "domains": ("disk_flood", "depth=16", 1, 4),
    GROUP: ("disk_flood", "depth=16", 1, 4),
}
DISK_NAMES = tuple(f"xvd{letter}" for letter in "abcdefgh")


def machine(point: Point) -> Machine:
    """The victim, and as many attackers as the attack has domains, each with the limit or all with one."""
    policy = point.policy("ringctl")
    workload, options, rings, domains = ATTACKS[point.text("attack")]
    victim = small_guest("victim", "disk", "period_us=4003 depth=32", disks=(GuestDisk(16 * MIB),))
    attackers = tuple(
        small_guest(
            f"attacker{number + 1}",
            workload,
            f"rings={rings} {options}",
            disks=tuple(GuestDisk(MIB, name=name) for name in DISK_NAMES[:rings]),
            ringctl=LIMITED.get(policy.name, {}),
            group="attackers" if point.text("attack") == GROUP else None,
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


def taken(run: Observed) -> npt.NDArray[np.int64]:
    """When the drive took each request of the attacker in the window [ns]."""
    found = run.trace.of("ring_request")
    found = found[run.window.holds(int64(found["time"]))]
    attackers = [run.domains[name] for name in run.guests if name != "victim"]
    return np.sort(int64(found["time"][np.isin(found["domain"], attackers)]))


def rate(run: Observed) -> float:
    """Requests of the attacker per second, all its domains together, over what one of them may have."""
    return len(taken(run)) * 1e9 / run.window.length / LIMIT


def burst(run: Observed) -> float:
    """The least b for which no window of length w has more than LIMIT * w + b requests."""
    times = taken(run)
    if not len(times):
        return 0.0
    ahead = np.arange(len(times)) - times * (LIMIT / 1e9)
    return float(1 + (ahead - np.minimum.accumulate(ahead)).max())


METRICS = (
    Metric("rate", "1", "requests of the attacker over the limit", rate),
    Metric("burst", "1", "least burst that explains the attacker's requests", burst),
    *read_metrics("victim"),
)


def limit() -> Reference:
    """What the limit allows."""
    levels: dict[Level, tuple[float, float, float]] = {name: (1.0, 1.0, 1.0) for name in ATTACKS}
    return Reference("the limit", "computed", levels)


FIGURE = Lines(
    name="limiter_abuse",
    caption=(
        f"An attacker whose domain may have {LIMIT} requests per second, beside a guest that reads 4 KiB each 4 ms. steady: 16 "
        "requests always outstanding; bursts: 32 each 40 ms; hoard: 200 each 500 ms; rings: eight rings; domains: four domains, "
        "each with the limit; group: four domains of one group, which has the limit. (a) Its rate over the limit. (b) The least "
        "burst beyond the limit that explains its requests. (c) The victim's response; no marker where more than 1 % of the "
        "reads never completed. `fifo` has no limit."
    ),
    x="attack",
    x_label="attack",
    series="ringctl",
    panels=(
        Panel(
            path="rate", quantity=Quantity("rate / limit", log=True), title="(a) rate", references=(limit(),)
        ),
        Panel(path="burst", quantity=Quantity("burst [requests]", log=True), title="(b) burst"),
        Panel(
            path="latency.p99",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("p99 of response [ms]", factor=1e-6, log=True),
            title="(c) victim",
        ),
    ),
)

EXPERIMENT = Experiment(
    name="limiter_abuse",
    title="Attacks on a limit",
    question="Can a guest get more than its limit by when, through how many rings or as how many domains it asks?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("token_bucket", "mclock"), Policies("ring")),
        Factor("attack", "how the attacker asks", tuple(ATTACKS), tuple(ATTACKS), Choice(tuple(ATTACKS))),
    ),
    settings=(duration(full=3000, quick=1500), warm_up(full=500, quick=300), drain(full=500, quick=300)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
