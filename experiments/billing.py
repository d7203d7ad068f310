"""Billing of ring work: a guest that computes beside one that reads its disk, with work for the disk billed or not.

A guest's requests cost the hypervisor time after the guest has asked: the drive's interrupt, the ring policy, the copying. In
Xen of 2006 the driver domain did that work, and it was billed to no guest. Here one guest always computes. The other one reads
blocks from a fast drive and computes 100 us for each, and wants more than its half. Both have the same weight.

After D. Gupta, L. Cherkasova, R. Gardner, A. Vahdat, "Enforcing performance isolation across virtual machines in Xen",
Middleware 2006.
"""

from __future__ import annotations

from bulkhead import MIB, Disk, GuestDisk, Machine
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity

FAST = {"request_us": 5, "seek_us": 0, "bytes_per_us": 8192}  # the CPU is what both guests want
WORK = 100  # CPU time for each read, us
BILLED, UNBILLED = "billed", "to nobody"
SCHEDULERS = ("credit", "credit2", "bvt", "stride", "eevdf")
SIZES = (4096, 16384, 65536)


def machine(point: Point) -> Machine:
    """The two guests on one pCPU."""
    reads = f"depth=8 bytes={point.number('size')} work_us={WORK}"
    return Machine(
        guests=(
            small_guest("computes", "cpu_hog"),
            small_guest("reads", "disk", reads, disks=(GuestDisk(16 * MIB),)),
        ),
        sched=point.policy("sched"),
        disk=Disk(**FAST, billed=1 if point.text("billing") == BILLED else 0),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def parts(run: Observed) -> dict[str, float]:
    """Part of the pCPU time that served each guest, its own and the hypervisor's for it, or nobody; over the whole run."""
    mark = run.run.landmark
    whole = sum(pcpu.wall_ns for pcpu in mark.pcpus)
    served = {
        name: (mark.ledger[name].guest_ns + mark.ledger[name].hypervisor_ns) / whole for name in run.guests
    }
    return {**served, "nobody": sum(pcpu.unbilled_ns for pcpu in mark.pcpus) / whole}


def error(run: Observed) -> float:
    """How far the computing guest's time is from half of what served the two guests or nobody, over the whole run."""
    found = parts(run)
    return 100 * abs(2 * found["computes"] / sum(found.values()) - 1)


METRICS = (
    Metric(
        "error", "%", "difference of the computing guest's CPU time from its half, relative to that", error
    ),
    Metric("part", "1", "part of the pCPU time that served each guest, or nobody", parts),
    Metric("unbilled", "%", "pCPU time that nobody is billed for", lambda run: 100 * parts(run)["nobody"]),
    Metric("reads", "1/s", "reads per second", lambda run: run.progress("reads").per_second),
    share_metric(),
)

FIGURE = Lines(
    name="billing",
    caption=(
        "A guest that computes beside one that reads from a fast drive, of equal weight. Work for a read after the guest "
        "has asked is billed to that guest, or to nobody. The computing guest is due half of the pCPU. (a), (b) How far it "
        "is from that. (c) Time that nobody was billed for."
    ),
    x="size",
    x_label="size of a read [bytes]",
    series="sched",
    panels=(
        Panel(
            path="error",
            quantity=Quantity("error of the share [%]"),
            title="(a) work billed to the guest that reads",
            where={"billing": BILLED},
        ),
        Panel(
            path="error",
            quantity=Quantity("error of the share [%]"),
            title="(b) work billed to nobody",
            where={"billing": UNBILLED},
        ),
        Panel(
            path="unbilled",
            quantity=Quantity("unbilled [%]"),
            title="(c) unbilled, work billed to nobody",
            where={"billing": UNBILLED},
        ),
    ),
)

EXPERIMENT = Experiment(
    name="billing",
    title="Billing of ring work",
    question="Does a guest keep its part of the CPU beside one whose disk makes the hypervisor work?",
    factors=(
        Factor("sched", "scheduler", SCHEDULERS, ("credit2", "stride"), Policies("scheduler")),
        Factor(
            "billing", "work for the disk", (BILLED, UNBILLED), (BILLED, UNBILLED), Choice((BILLED, UNBILLED))
        ),
        Factor("size", "size of a read", SIZES, (4096, 65536), Whole(512, 131072), unit="bytes"),
    ),
    settings=(duration(full=3000, quick=1200), warm_up(full=400, quick=300)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
