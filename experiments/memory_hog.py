"""A memory hog and a fork bomb in guests of their own, beside two guests that behave well, with a memory policy and without one.

The hostile guest is there first. Without a policy the first guests that ask get the frames, and no balloon has a target. In the
simulator the built-in policy stands in for that case; it gives targets in the order in which guests come.

The memory and fork-bomb parts of P. Barham et al., "Xen and the art of virtualization", SOSP 2003, section 4.4, and of
J. N. Matthews et al., "Quantifying the performance isolation properties of virtualization systems", ExpCS 2007. There a database
and a web server are the victims. Here one guest uses its pages all the time, and one is idle half of the time. The hog and the
bomb have a pCPU of their own, so that they share with the victims nothing but memory.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, Machine, Paging, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Setting,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import degradation

WITHOUT = "none"
POLICIES = (
    "first_fit",
    "static_partition",
    "proportional_share",
    "min_max",
    "idle_tax",
    "working_set",
    "pressure",
)
CORUNNERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "memory hog": ("hog",),
    "fork bomb": ("bomb",),
}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 164, 32, 24  # of trace for each pCPU; 60 MiB are for guests
FIRST_MIB, SET_MIB, MOST_MIB = 4, 12, 18  # of a victim: at the start, what it uses beside that, at most
HOSTILE_MIB = 44  # of a hostile guest, at most
NEED_MIB = FIRST_MIB + SET_MIB
FRAMES_PER_MIB = 256
SWAP_US = 410


def victims(point: Point, reserved: dict[str, int]) -> tuple[Guest, ...]:
    """One that is always busy, and one that is so by turns, on the first pCPU."""
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": MOST_MIB * MIB, "affinity": (0,), "memctl": reserved}
    words = f"set_mib={SET_MIB} mark_ops=50 work_us=20 swap_us={SWAP_US}"
    words += " stubborn=1" if point.text("memctl") == WITHOUT else ""
    turns = f"busy_ms={point.number('turn_ms')} idle_ms={point.number('turn_ms')}"
    return (
        small_guest("steady", "memory", words, **sizes),
        small_guest("returns", "idle_then_busy", f"{words} {turns}", **sizes),
    )


def hostile(point: Point) -> tuple[Guest, ...]:
    """On the second pCPU. The hog touches more memory than the machine has for it, over and over."""
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": HOSTILE_MIB * MIB, "affinity": (1,)}
    hog = f"set_mib={HOSTILE_MIB - FIRST_MIB} work_us=1 mark_ops=500 stubborn=1 swap_us={SWAP_US}"
    guests = {
        "hog": small_guest("hog", "memory", hog, **sizes),
        "bomb": small_guest("bomb", "fork_bomb", "mark_forks=50", **sizes),
    }
    return tuple(guests[name] for name in CORUNNERS[point.text("corunners")])


def machine(point: Point) -> Machine:
    """A hostile guest and two victims, all of one weight."""
    name = point.text("memctl")
    return Machine(
        guests=(*hostile(point), *victims(point, {"min": NEED_MIB} if name == "min_max" else {})),
        pcpus=2,
        sched=Policy("credit2"),
        memctl=None if name == WITHOUT else Policy(name),
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(period_us=50_000, swap_us=SWAP_US),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def frames(run: Observed) -> dict[str, float]:
    """Frames of each guest at the end, in MiB."""
    return {guest: run.run.landmark.ledger[guest].frames_owned / FRAMES_PER_MIB for guest in run.guests}


def answers(guest: str) -> Metric:
    """Pages that a victim uses per second of the whole window, its idle turns included."""
    return Metric(
        guest,
        "op/s",
        f"pages that the guest `{guest}` uses per second",
        lambda run: run.progress(guest).per_second,
    )


VICTIMS = ("steady", "returns")
METRICS = (
    *(answers(guest) for guest in VICTIMS),
    Metric("frames", "MiB", "memory of each guest at the end", frames),
)

ALONE = {"corunners": "none"}

COMPARISONS = tuple(
    Comparison(f"{guest}_lost", "%", f"loss of the guest `{guest}`", guest, ALONE, degradation)
    for guest in VICTIMS
)

FIGURE = Lines(
    name="memory_hog",
    caption=(
        "Two guests need 16 MiB each. A third one, which was there first, touches all memory that it can get, or starts "
        "children without end. Loss of throughput, compared with no co-runner, (a) of the guest that is always busy, (b) of "
        "the one that is idle half of the time. none: no memory policy."
    ),
    x="corunners",
    x_label="co-runner",
    series="memctl",
    panels=(
        Panel(path="steady_lost", quantity=Quantity("throughput lost [%]"), title="(a) always busy"),
        Panel(path="returns_lost", quantity=Quantity("throughput lost [%]"), title="(b) busy by turns"),
    ),
)

EXPERIMENT = Experiment(
    name="memory_hog",
    title="Memory hog and fork bomb",
    question="What do guests lose beside a memory hog and a fork bomb, with a memory policy and without one?",
    factors=(
        Factor(
            "memctl",
            "memory policy; none: without one",
            (WITHOUT, *POLICIES),
            ("first_fit", "min_max"),
            Choice((WITHOUT, *POLICIES)),
        ),
        Factor("corunners", "hostile guest", tuple(CORUNNERS), tuple(CORUNNERS), Choice(tuple(CORUNNERS))),
    ),
    settings=(
        duration(full=3000, quick=1400),
        warm_up(full=1400, quick=600),
        Setting("turn_ms", "how long a guest is busy, and then idle", "ms", 200, 200, 10, 10_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
)
