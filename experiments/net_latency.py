"""Request and response over the network, beside a flood: of the server, of the client, or of somebody else at the switch.

The client sends a datagram of 64 bytes each ms, and the server sends it back. The switch handles one packet at a time, and each
interface has a ring for either direction. The flood sends the smallest packets as fast as the switch takes them.

After the studies vSnoop, vFlood and Bobtail, in which round trips of a fraction of a millisecond became tens of them.
"""

from __future__ import annotations

from bulkhead import MIB, GuestNet, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Point,
    Policies,
    drain,
    duration,
    response_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity
from bulkhead.metrics import degradation
from bulkhead.model.spec import Guest

POLICIES = ("fifo", "round_robin", "drr", "sfq", "mclock")
SERVER, CLIENT, BYSTANDER = 1, 2, 4  # last bytes of their addresses
# Whom the flood is for.
FLOODS = {"none": None, "server": SERVER, "client": CLIENT, "other": BYSTANDER}


def station(name: str, workload: str, options: str) -> Guest:
    """A guest with an interface at the switch."""
    return small_guest(name, workload, options, memory=8 * MIB, nets=(GuestNet("lan"),))


def machine(point: Point) -> Machine:
    """Server, client, and the flood with a guest that takes it if it is for neither."""
    target = FLOODS[point.text("flood")]
    guests = [
        station("server", "udp_echo", f"host={SERVER}"),
        station("client", "udp_rr", f"host={CLIENT} peer={SERVER} period_us=1013"),
    ]
    if target is not None:
        guests.append(station("flood", "udp_flood", f"host=3 peer={target}"))
    if target == BYSTANDER:
        guests.append(station("other", "udp_echo", f"host={BYSTANDER}"))
    return Machine(
        guests=tuple(guests),
        sched=Policy("credit2"),
        ringctl=point.policy("ringctl"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


METRICS = (
    response_metric("client"),
    Metric(
        "answers",
        "1/s",
        "answers that the client got, per second",
        lambda run: run.progress("client").per_second,
    ),
)

ALONE = {"flood": "none"}

COMPARISONS = (
    Comparison("lost", "%", "client's loss of answers per second", "answers", ALONE, degradation),
    Comparison("alone", "ns", "p99 alone", "latency.p99", ALONE, lambda together, alone: alone),
)

FIGURE = Lines(
    name="net_latency",
    caption=(
        "A client that sends 64 bytes to a server each ms, beside a flood of small packets for the server, for the client, or "
        "for another guest at the same switch. (a) No marker where more than 1 % of the answers never came. (b) Answers "
        "lost. Ideal: alone."
    ),
    x="flood",
    x_label="whom the flood is for",
    series="ringctl",
    panels=(
        Panel(
            path="latency.p99",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("p99 of response [ms]", factor=1e-6, log=True),
            title="(a) response time",
            ideal=Ideal("alone"),
        ),
        Panel(path="lost", quantity=Quantity("answers lost [%]"), title="(b) answers per second"),
    ),
)

EXPERIMENT = Experiment(
    name="net_latency",
    title="Round trips beside a flood",
    question="How long does a round trip take while a guest floods the server, the client, or another guest?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("fifo", "drr"), Policies("ring")),
        Factor("flood", "whom the flood is for", tuple(FLOODS), tuple(FLOODS), Choice(tuple(FLOODS))),
    ),
    settings=(duration(full=2000, quick=600), warm_up(full=300, quick=150), drain(full=300, quick=150)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
    hypervisor_only="the simulator has no network",
)
