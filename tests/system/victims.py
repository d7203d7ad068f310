"""What a computing victim named `victim` gets beside attackers, next to what it gets alone."""

from __future__ import annotations

from functools import cache

from machines import MILLISECOND, boot, window, workload

from bulkhead import Policy, Run
from bulkhead.metrics import Window

OWN = 0.98  # of its fair share: what a victim keeps
FOREIGN = 0.005  # of the run: billed to a victim for others at most
DONE = 2  # the mark of operations done so far
OPERATIONS = 250  # between two marks


def r_max_bound(attackers: int) -> int:
    """How long a non-preemptible section may be beside so many attackers, in ns."""
    return 100_000 if attackers <= 1 else 200_000


def settled(run: Run) -> Window:
    """From the moment when every attacker has done what it does first until the end."""
    firsts = [run.select("mark", guest.name, DONE)["time"][:1] for guest in run.machine.guests]
    return Window(
        max([window(run).start, *(int(first[0]) for first in firsts if len(first))]), window(run).end
    )


def rate(run: Run, name: str = "victim") -> float:
    """Operations per millisecond once the attack goes on."""
    span = settled(run)
    marks = run.select("mark", name, DONE)
    marks = marks[marks["time"] >= span.start]
    if len(marks) < 2:
        return 0.0
    return float(marks["b"][-1] - marks["b"][0]) * MILLISECOND / float(span.end - span.start)


@cache
def alone(sched: str, duration: int) -> Run:
    """The victim with the machine to itself."""
    return boot(workload("compute", name="victim"), sched=Policy(sched), duration=duration)


def baseline(run: Run) -> Run:
    """The same run without the attackers."""
    return alone(str(run.machine.sched.name), run.machine.duration)


def progress(run: Run, name: str = "victim") -> float:
    """The victim's rate of work, as a part of what it is alone."""
    return rate(run, name) / rate(baseline(run))


def billed(run: Run, name: str = "victim") -> float:
    """The hypervisor's work that the victim paid for beyond that for itself, as a part of the run."""
    extra = run.landmark.ledger[name].hypervisor_ns - baseline(run).landmark.ledger["victim"].hypervisor_ns
    return extra / run.machine.duration
