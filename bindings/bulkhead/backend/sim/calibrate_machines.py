"""The small machines on which the hypervisor's own costs are measured."""

from __future__ import annotations

from typing import Any

from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, GuestDisk, Policy, TimelineEntry
from bulkhead.policy.scaffold import EXAMPLES

MILLISECOND = 1_000_000
NS = 4  # of an instruction
OPERATIONS = 50  # between two marks of the computation
FAULTS = 1000  # between two marks of the faults
CALLS = 60  # in a round of random calls
WORK = 3125  # iterations of four instructions for each request
PAGE_US, PAGE_WORK = 5, 5_000 // NS  # for each page that is used
SET_MIB, BATCH = 4, 64  # of the guest that gives frames back and takes them again
SET_PAGES = SET_MIB * MIB // 4096
LONG_PAGES = 16  # of a long read
JOB_US = 50  # work of each job of the periodic task
CHECK = 40  # convention: a guest's look at its events before it blocks


def _guest(name: str, workload: str, cmdline: str = "", paused: bool = False) -> Guest:
    return Guest(name, f"workload:{workload}", cmdline, memory=4 * MIB, start_paused=paused)


SIMPLEST, FIRST, FIRST_RING = (
    Policy(EXAMPLES[kind].source.stem) for kind in ("scheduler", "memctl", "ringctl")
)
ORDERS = (  # the last entry keeps domain 0 waiting for more
    TimelineEntry(50 * MILLISECOND, "pause", "asleep"),
    TimelineEntry(100 * MILLISECOND, "swap", policy=SIMPLEST),
    TimelineEntry(150 * MILLISECOND, "create", "late"),
    TimelineEntry(300 * MILLISECOND, "destroy", "asleep"),
    TimelineEntry(450 * MILLISECOND, "pause", "late"),
)
TALK = (
    _guest("victim", "responder", f"peer=pinger work={WORK}"),
    _guest("pinger", "pinger", "peer=victim period_us=1130"),
)
LESS_MEMORY = 192 * MIB  # than the default, since a machine's start depends on it
STORMS = tuple(_guest(name, "yield_storm") for name in ("storm", "other"))


def machines(policy: str) -> dict[str, Machine]:
    """The machines to run: a conversation alone or beside a hog, storms, a periodic task, a computation, faults, random calls."""
    talk = TALK
    common: dict[str, Any] = {
        "sched": Policy(policy),
        "duration": 500 * MILLISECOND,
        "ns_per_instruction": NS,
    }
    return {
        "alone": Machine(guests=talk, end_when_idle=False, **common),
        "beside": Machine(
            guests=(*talk, _guest("hog", "cpu_hog", paused=True)),
            timeline=(TimelineEntry(30 * MILLISECOND, "unpause", "hog"),),
            end_when_idle=False,
            **common,
        ),
        "storm": Machine(guests=STORMS, end_when_idle=False, **common),
        "jobs": Machine(
            guests=(_guest("task", "periodic", f"period_us=1130 work_us={JOB_US}"),),
            end_when_idle=False,
            **common,
        ),
        "compute": Machine(
            guests=(_guest("ops", "compute", f"mark_ops={OPERATIONS}"),), end_when_idle=False, **common
        ),
        "faults": Machine(
            guests=(_guest("faults", "loop_fault", f"mark_faults={FAULTS}"),), end_when_idle=False, **common
        ),
        "junk": Machine(
            guests=(_guest("junk", "garbage", "rounds=0 for_ms=60000"),), end_when_idle=False, **common
        ),
    }


def common_machines() -> dict[str, Machine]:
    """The machines to run once, under the built-in scheduler, for costs that no policy changes.

    A conversation that gets its turn seldom, so that requests and replies come many at a time; a computation in slices that are
    long, alone and beside another; yields that return at once, since nobody waits, and yields in turn; orders for domain 0 while
    its guests sleep; guests that page; guests that read a disk.
    """
    rest: dict[str, Any] = {"duration": 500 * MILLISECOND, "ns_per_instruction": NS, "end_when_idle": False}
    simplest: dict[str, Any] = {"sched": SIMPLEST} | rest
    hogs = tuple(_guest(f"hog{i}", "cpu_hog") for i in range(3))
    asleep = tuple(_guest(name, "periodic", "period_us=10000000 work_us=50") for name in ("asleep", "late"))
    return (
        {
            "crowd": Machine(guests=(*TALK, *hogs), **rest),
            "turns": Machine(guests=(_guest("ops", "compute", f"mark_ops={OPERATIONS}"),), **simplest),
            "shared": Machine(
                guests=tuple(_guest(name, "compute", f"mark_ops={OPERATIONS}") for name in ("ops", "other")),
                **simplest,
            ),
            "yields": Machine(guests=(_guest("storm", "yield_storm"),), memory=LESS_MEMORY, **simplest),
            "yields_in_turn": Machine(guests=STORMS, **simplest),
            "orders": Machine(guests=asleep, timeline=ORDERS, **simplest),
        }
        | _memory_machines(simplest)
        | _disk_machines(simplest)
    )


def _memory_machines(rest: dict[str, Any]) -> dict[str, Machine]:
    """A guest whose pages all have frames, one that takes and gives back, one that has too few and never waits."""

    def machine(name: str, workload: str, options: str, most: int) -> Machine:
        guest = Guest(name, f"workload:{workload}", options, memory=4 * MIB, max_memory=most)
        return Machine(guests=(guest,), memctl=FIRST, memory=112 * MIB, trace_bytes=8 * MIB, **rest)

    using = f"work_us={PAGE_US} mark_ops=50 swap_us=0"
    return {
        "used": machine("used", "memory", f"set_mib=2 {using}", 8 * MIB),
        "thrash": machine("thrash", "memory_thrash", f"set_mib={SET_MIB} batch={BATCH}", 8 * MIB),
        "paged": machine("paged", "memory", f"set_mib=100 {using}", 104 * MIB),
    }


def _disk_machines(rest: dict[str, Any]) -> dict[str, Machine]:
    """Guests that read a sector, a page or a long run of pages in each millisecond, and one that never stops."""

    def machine(name: str, options: str) -> Machine:
        guest = Guest(name, "workload:disk", options, memory=4 * MIB, disks=(GuestDisk(8 * MIB),))
        return Machine(guests=(guest,), ringctl=FIRST_RING, memory=LESS_MEMORY, **rest)

    return {
        "sectors": machine("sectors", "period_us=1000 bytes=512"),
        "pages": machine("pages", "period_us=1000 bytes=4096"),
        "longs": machine("longs", f"period_us=1000 bytes={LONG_PAGES * 4096}"),
        "busy": machine("busy", "depth=8 bytes=512"),
    }
